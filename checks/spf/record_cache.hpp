// SPF records that were read before: a bounded cache of parsed records by their text.
//
// Large senders publish records of hundreds of octets, several to a domain, and most of the mail
// comes from few of them: reading such a record again costs more than all the rest of an
// evaluation. What a text means does not depend on whose it is nor on the time (RFC 7208 §4.6), so
// a text that is found here gives what parse_record() would give, and there is nothing to expire.
//
// Thread-safe: one cache may serve the evaluations of all threads. What it gives may be kept as
// long as one likes, and does not change.
//
//     const spf::shared_record r = cache.get("v=spf1 -all");
//     if (r->problem().empty()) use(r->record());
#ifndef GATEPOST_CHECKS_SPF_RECORD_CACHE_HPP
#define GATEPOST_CHECKS_SPF_RECORD_CACHE_HPP

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "checks/spf/record.hpp"
#include "smtp/config.hpp"
#include "smtp/seeded_hash.hpp"

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
  // What it costs to keep, about.
  GATEPOST_DECL std::size_t octets() const;

 private:
  std::string text_;
  parsed_record parsed_;
};

using shared_record = std::shared_ptr<const owned_record>;

struct record_cache_options {
  // A busy server sees some thousand domains an hour, most of them with the records of a few hosts.
  // 0: nothing is kept.
  std::size_t entries = 4096;
  // All entries together, with what it costs to keep them; one that costs more than a sixteenth of
  // it is not kept, or a few records made for it would throw out all others.
  std::size_t octets = 4u << 20;
};

struct record_cache_counters {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t evictions = 0;  // for want of room
};

class record_cache {
 public:
  explicit record_cache(const record_cache_options& options = {}) : options_(options) {}
  record_cache(const record_cache&) = delete;
  record_cache& operator=(const record_cache&) = delete;

  // What parse_record() makes of `text`, for which is_record() is true; never null. Records with a
  // problem are not kept. The least recently used one goes when there is no room.
  GATEPOST_DECL shared_record get(std::string_view text);

  GATEPOST_DECL std::size_t size() const;
  // What the entries cost, about.
  GATEPOST_DECL std::size_t octets() const;
  GATEPOST_DECL record_cache_counters counters() const;

 private:
  using place = std::list<shared_record>::iterator;

  shared_record find(std::string_view text);
  void keep(const shared_record& r);
  void make_room();

  const record_cache_options options_;
  mutable std::mutex mutex_;
  std::list<shared_record> entries_;  // the most recently used first
  // By a text that lies in its entry; strangers choose it.
  absl::flat_hash_map<std::string_view, place, smtp::seeded_hash, std::equal_to<>> index_;
  std::size_t octets_ = 0;
  record_cache_counters counters_;
};

}  // namespace gatepost::checks::spf

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/spf/impl/record_cache.ipp"
#endif

#endif  // GATEPOST_CHECKS_SPF_RECORD_CACHE_HPP
