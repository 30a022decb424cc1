// The public suffix list: where registries end and registrants begin (https://publicsuffix.org).
//
// RFC 7489 §3.2 takes the Organizational Domain from it; RFC 9989 needs it no more. Read once from
// a file in the list's format or in libpsl's own (Debian: the package publicsuffix); immutable and
// thread-safe afterwards. A new list is a new object.
#ifndef GATEPOST_CHECKS_DMARC_PUBLIC_SUFFIX_HPP
#define GATEPOST_CHECKS_DMARC_PUBLIC_SUFFIX_HPP

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/config.hpp"

struct psl_ctx_st;  // of libpsl

namespace gatepost::checks::dmarc {

class public_suffix_list {
 public:
  // Nothing where the file cannot be read or is no list.
  GATEPOST_DECL static std::optional<public_suffix_list> load(const std::filesystem::path& file);

  // The newest one that the system has: Debian's file, or what libpsl was built with. Nothing where
  // it has neither.
  GATEPOST_DECL static std::optional<public_suffix_list> system();

  // The domain that somebody has registered: the public suffix and one label. Takes A-labels and
  // UTF-8, and answers in A-labels and lower case. Nothing where the name is a public suffix
  // itself, or no domain. A top-level domain that the list does not know is a public suffix.
  GATEPOST_DECL std::optional<std::string> registrable_domain(std::string_view domain) const;

 private:
  explicit public_suffix_list(std::shared_ptr<const psl_ctx_st> list) : list_(std::move(list)) {}

  std::shared_ptr<const psl_ctx_st> list_;
};

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/public_suffix.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_PUBLIC_SUFFIX_HPP
