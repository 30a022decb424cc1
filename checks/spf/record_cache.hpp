// SPF records that were read before: a text_cache (checks/text_cache.hpp) of them.
//
// Large senders publish records of hundreds of octets, several to a domain: reading such a record
// again costs more than all the rest of an evaluation. What a text means does not depend on whose
// it is nor on the time (RFC 7208 §4.6).
//
//     const spf::shared_record r = cache.get("v=spf1 -all");   // is_record() is true of it
//     if (r->problem().empty()) use(r->record());
#ifndef GATEPOST_CHECKS_SPF_RECORD_CACHE_HPP
#define GATEPOST_CHECKS_SPF_RECORD_CACHE_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "checks/spf/record.hpp"
#include "checks/text_cache.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::spf {

// A record as parse_record() reads it, together with the text that it views into. Immutable.
class owned_record {
 public:
  // A text for which is_record() is true.
  GATEPOST_DECL explicit owned_record(std::string_view text);
  owned_record(const owned_record&) = delete;
  owned_record& operator=(const owned_record&) = delete;

  const std::string& text() const { return text_; }
  const spf::record& record() const { return parsed_.record; }
  // What is wrong with it, see parsed_record; empty: nothing.
  const std::string& problem() const { return parsed_.problem; }

  // What it holds, about.
  GATEPOST_DECL std::size_t octets() const;
  // Records with a problem are not.
  bool worth_keeping() const { return problem().empty(); }

 private:
  std::string text_;
  parsed_record parsed_;
};

using shared_record = std::shared_ptr<const owned_record>;

using record_cache = text_cache<owned_record>;

}  // namespace gatepost::checks::spf

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/spf/impl/record_cache.ipp"
#endif

#endif  // GATEPOST_CHECKS_SPF_RECORD_CACHE_HPP
