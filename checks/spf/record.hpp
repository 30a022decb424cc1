// An SPF record as text and as terms (RFC 7208 §3, §4.5, §4.6, §5, §6, §12).
//
// The whole record is checked, macros included: a syntax error anywhere makes all of it void
// (§4.6). No DNS, no evaluation; see evaluate.hpp. Pure functions; any thread.
#ifndef GATEPOST_CHECKS_SPF_RECORD_HPP
#define GATEPOST_CHECKS_SPF_RECORD_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/spf/macro.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks::spf {

enum class qualifier : std::uint8_t { pass, fail, softfail, neutral };  // + - ~ ?

enum class mechanism : std::uint8_t { all, include, a, mx, ptr, ip4, ip6, exists };

// The views of a directive or a record go into the record's text.
struct directive {
  std::string_view text = {};  // as written, with its qualifier
  spf::qualifier qualifier = qualifier::pass;
  spf::mechanism mechanism = mechanism::all;
  std::uint8_t bits4 = 32;        // how much of an IPv4 address counts: of ip4, a, mx (§5.3, §5.6)
  std::uint8_t bits6 = 128;       // and of an IPv6 address: of ip6, a, mx
  smtp::ip_address address = {};  // of ip4 and ip6, as written
  macro_string domain = {};       // of the others; empty: the domain whose record it is
};

struct record {
  std::vector<directive> directives;
  std::optional<macro_string> redirect;     // §6.1
  std::optional<macro_string> explanation;  // exp, §6.2
};

struct parsed_record {
  spf::record record;
  std::string problem;  // what is wrong and where, for people; empty: nothing

  explicit operator bool() const { return problem.empty(); }
};

// Whether a TXT record is an SPF record: "v=spf1" in any case, and then a blank or nothing (§4.5).
GATEPOST_DECL bool is_record(std::string_view txt);

// Reads a text for which is_record() is true. The text has to outlive the record.
GATEPOST_DECL parsed_record parse_record(std::string_view text);

}  // namespace gatepost::checks::spf

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/spf/impl/record.ipp"
#endif

#endif  // GATEPOST_CHECKS_SPF_RECORD_HPP
