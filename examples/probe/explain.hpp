// What the replies and keywords of an SMTP server mean, in a line for people. Pure.
//
// Basic codes: RFC 5321 §4.2 and the extensions that add some. Enhanced codes: RFC 3463 and
// whatever the registry of RFC 5248 has gained since (RFC 4954, 6531, 6710, 7293, 7372, 7505, 8617,
// 8689). A code that is in no table is explained by its digits.
#ifndef GATEPOST_EXAMPLES_PROBE_EXPLAIN_HPP
#define GATEPOST_EXAMPLES_PROBE_EXPLAIN_HPP

#include <string>
#include <string_view>

#include "smtp/reply.hpp"

namespace probe {

// "permanent failure: mailbox unavailable ... (RFC 5321 §4.2.3); 5.1.1: no such mailbox (RFC 3463
// §3.2)". `enhanced` may be empty.
std::string explain(int code, gatepost::smtp::enhanced_code enhanced = {});

// A keyword line of the reply to EHLO or LHLO, without its code: "SIZE 10485760" is "messages of up
// to 10485760 octets, 10.0 MiB (RFC 1870)". Empty where there is no keyword.
std::string explain_keyword(std::string_view line);

// "5.1.1"; empty for the empty code.
std::string to_text(gatepost::smtp::enhanced_code code);

}  // namespace probe

#endif  // GATEPOST_EXAMPLES_PROBE_EXPLAIN_HPP
