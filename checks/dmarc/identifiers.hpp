// What DMARC takes from other checks: the domains that SPF and DKIM have authenticated, or not.
//
// Plain values, so that this part knows neither of them. Before stage::message is judged, whoever
// runs SPF, DKIM and ARC leaves an `identifiers` in the transaction's notes:
//
//     auto& found = dmarc::identifiers_of(ctx.transaction_notes());
//     found.spf = dmarc::authenticated_spf{.domain = "example.com", .result = auth_result::pass};
#ifndef GATEPOST_CHECKS_DMARC_IDENTIFIERS_HPP
#define GATEPOST_CHECKS_DMARC_IDENTIFIERS_HPP

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/notes.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::dmarc {

// RFC 8601 §2.7.1 and §2.7.2.
enum class auth_result : std::uint8_t {
  none,
  pass,
  fail,
  softfail,  // SPF only
  neutral,
  policy,
  temperror,
  permerror,
};

constexpr std::string_view to_string(auth_result r) {
  switch (r) {
    case auth_result::none: return "none";
    case auth_result::pass: return "pass";
    case auth_result::fail: return "fail";
    case auth_result::softfail: return "softfail";
    case auth_result::neutral: return "neutral";
    case auth_result::policy: return "policy";
    case auth_result::temperror: return "temperror";
    case auth_result::permerror: return "permerror";
  }
  return "?";
}

// The MAIL FROM identity (RFC 9989 §4.4.2). For the null reverse-path it is the domain of HELO
// (RFC 7208 §2.4).
struct authenticated_spf {
  std::string domain;
  auth_result result = auth_result::none;

  friend bool operator==(const authenticated_spf&, const authenticated_spf&) = default;
};

// One DKIM-Signature.
struct authenticated_dkim {
  std::string domain;         // d=
  std::string selector = {};  // s=
  auth_result result = auth_result::none;

  friend bool operator==(const authenticated_dkim&, const authenticated_dkim&) = default;
};

// An ARC chain that passes, and was sealed by somebody whom we trust to tell what he saw (RFC 8617
// §7.2.1).
struct trusted_arc {
  std::string sealer;        // d= of the last ARC-Seal
  bool dmarc_pass = false;   // its ARC-Authentication-Results said dmarc=pass
  std::string comment = {};  // goes into reports: "arc=pass as[1].d=example.net as[1].s=s1"
  // The Author Domains for which it said so (header.from), as canonical_name() has them. Empty: it
  // did not tell which.
  std::vector<std::string> authors = {};

  // Whether that is good for this Author Domain: a pass of one author says nothing of another.
  // `only_one`: the message has no other.
  bool vouches_for(std::string_view author, bool only_one) const {
    if (!dmarc_pass || authors.empty()) return dmarc_pass && only_one;
    return std::find(authors.begin(), authors.end(), author) != authors.end();
  }
};

struct identifiers {
  std::optional<authenticated_spf> spf = {};
  std::vector<authenticated_dkim> dkim = {};
  std::optional<trusted_arc> arc = {};
};

// The note, made where there is none yet.
inline identifiers& identifiers_of(notes& transaction) {
  if (auto* found = transaction.find<identifiers>()) return *found;
  return transaction.emplace<identifiers>();
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IDENTIFIERS_HPP
