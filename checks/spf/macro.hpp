// Macro strings of SPF (RFC 7208 §7): their syntax, and what they expand to.
//
// A macro string is checked once, when the record or the explanation that holds it is read; an
// expansion cannot fail. It views into that text. Pure functions; any thread.
//
//     const auto spec = spf::parse_macro_string("%{ir}.%{v}._spf.%{d2}", spf::macro_use::domain);
//     if (spec) name = spf::expand_domain(spec.value, values);
#ifndef GATEPOST_CHECKS_SPF_MACRO_HPP
#define GATEPOST_CHECKS_SPF_MACRO_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks::spf {

// A name in DNS presentation form, without the final dot: RFC 7208 §7.3 wants longer ones cut.
inline constexpr std::size_t max_name_octets = 253;

enum class macro_use : std::uint8_t {
  domain,       // domain-spec: ends in a top label or in a macro; no c, r, t (§7.1, §7.2)
  modifier,     // value of a modifier that nobody knows: no c, r, t
  explanation,  // explain-string: blanks too, and all letters
};

struct macro_string {
  std::string_view text = {};
  bool plain = true;                  // nothing to expand
  bool is_name = false;               // plain, and valid_name() of it without a final dot
  bool needs_validated_name = false;  // has %{p}, which costs DNS queries
  bool needs_local_part = false;      // has %{s} or %{l}

  bool empty() const { return text.empty(); }
};

struct parsed_macro_string {
  macro_string value;
  std::string_view problem = {};  // what is wrong, for people; empty: nothing

  explicit operator bool() const { return problem.empty(); }
};

// RFC 7208 §7.1. A domain-spec may not be empty, the others may.
GATEPOST_DECL parsed_macro_string parse_macro_string(std::string_view text, macro_use use);

// What the letters stand for (§7.2). The views are read during the call only.
struct macro_values {
  std::string_view sender = {};                 // s: local-part@domain
  std::string_view local_part = {};             // l
  std::string_view sender_domain = {};          // o
  std::string_view domain = {};                 // d
  std::string_view validated_name = "unknown";  // p
  std::string_view helo = {};                   // h
  std::string_view receiver = "unknown";        // r
  smtp::ip_address client = {};                 // i, c, v
  std::int64_t time = 0;                        // t: seconds since 1970
};

// The text for people, cut after `limit` octets. Octets that are not printable ASCII (they may come
// with a local part, RFC 6531) become '?'.
GATEPOST_DECL std::string expand_text(const macro_string& macros, const macro_values& values,
                                      std::size_t limit);

// The name to ask for: without a final dot, and without the leftmost labels where it would be
// longer than 253 octets (§7.3). It need not be a valid name: see valid_name().
GATEPOST_DECL std::string expand_domain(const macro_string& macros, const macro_values& values);

// Whether the DNS can be asked about it: labels of 1 to 63 octets, 253 in all (RFC 1035 §2.3.4),
// every octet printable ASCII or a blank and none a backslash, which means something else in
// presentation form.
GATEPOST_DECL bool valid_name(std::string_view name);

}  // namespace gatepost::checks::spf

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/spf/impl/macro.ipp"
#endif

#endif  // GATEPOST_CHECKS_SPF_MACRO_HPP
