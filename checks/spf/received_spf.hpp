// The Received-SPF header field (RFC 7208 §9.1).
//
// Whatever the client and the DNS have put into the values, the field keeps to its grammar: values
// are dot-atoms or quoted strings, and no octet ends the comment. Pure; any thread.
#ifndef GATEPOST_CHECKS_SPF_RECEIVED_SPF_HPP
#define GATEPOST_CHECKS_SPF_RECEIVED_SPF_HPP

#include <string>
#include <string_view>

#include "checks/spf/outcome.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks::spf {

inline constexpr std::string_view received_spf_name = "Received-SPF";

// What the field tells beside the outcome. The views are read during the call only.
struct received_spf_facts {
  smtp::ip_address client = {};
  std::string_view reverse_path = {};  // as in MAIL, without <>; empty: the null sender
  std::string_view helo = {};
  std::string_view receiver = {};  // our name; empty: not told
};

// The field's value; smtp::write_field() and verdict::add_header() fold it.
GATEPOST_DECL std::string received_spf(const outcome& found, const received_spf_facts& facts);

}  // namespace gatepost::checks::spf

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/spf/impl/received_spf.ipp"
#endif

#endif  // GATEPOST_CHECKS_SPF_RECEIVED_SPF_HPP
