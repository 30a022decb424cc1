// What DKIM found: a result for each signature, in the words of RFC 8601 §2.7.1.
//
// Values only. checks::dkim::verifier leaves a report among the transaction's notes, for DMARC and
// for Authentication-Results.
#ifndef GATEPOST_CHECKS_DKIM_RESULT_HPP
#define GATEPOST_CHECKS_DKIM_RESULT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::checks::dkim {

enum class outcome : std::uint8_t {
  none,       // the message is not signed
  pass,       // verified, and acceptable to us
  fail,       // signed, and the signature or the body's hash is wrong
  policy,     // verified, but not as we want it (unsigned octets behind l=, a weak algorithm)
  neutral,    // signed, and nothing is made of it
  temperror,  // the key could not be fetched: later it may be
  permerror,  // it cannot be verified: syntax, no key, an expired or unacceptable signature
};

constexpr std::string_view to_string(outcome o) {
  switch (o) {
    case outcome::none: return "none";
    case outcome::pass: return "pass";
    case outcome::fail: return "fail";
    case outcome::policy: return "policy";
    case outcome::neutral: return "neutral";
    case outcome::temperror: return "temperror";
    case outcome::permerror: return "permerror";
  }
  return "?";
}

struct signature_result {
  dkim::outcome outcome = dkim::outcome::none;
  std::string reason;     // a sentence; empty for a plain pass
  std::string domain;     // d=, in A-labels and lower case; empty where it could not be read
  std::string identity;   // i=, or "@" and d=; empty likewise
  std::string selector;   // s=; empty likewise
  std::string algorithm;  // "rsa-sha256", ...; empty likewise
  std::string b;          // b= without white space; header.b takes the first octets (RFC 6008)
  unsigned key_bits = 0;  // of the modulus, 256 for Ed25519; 0: no key
  // t=y: the domain is testing DKIM, and RFC 6376 §3.6.1 wants its mail treated as unsigned mail
  // is. The outcome is told as it is all the same, and DMARC counts an aligned pass: many domains
  // have left t=y in their keys for years, and a pass shows who signed whether they test or not. A
  // failure costs nothing anyway, tested or not.
  bool testing = false;
  // Octets of the canonical body that the signature does not cover, by its l=.
  std::uint64_t unsigned_octets = 0;
};

class report {
 public:
  report() = default;
  explicit report(std::vector<signature_result> signatures, std::size_t skipped = 0)
      : signatures_(std::move(signatures)), skipped_(skipped) {}

  // From the top of the message downwards.
  const std::vector<signature_result>& signatures() const { return signatures_; }
  // Signatures beyond verify_options::max_signatures; nobody looked at them.
  std::size_t skipped() const { return skipped_; }

  // One word for the message: pass where any signature passes; none where there is none; else the
  // best known: a temporary error, a failure, a policy, neutral, a permanent error.
  dkim::outcome outcome() const {
    for (const auto o : {dkim::outcome::pass, dkim::outcome::temperror, dkim::outcome::fail,
                         dkim::outcome::policy, dkim::outcome::neutral, dkim::outcome::permerror}) {
      const bool found = std::any_of(signatures_.begin(), signatures_.end(),
                                     [o](const signature_result& r) { return r.outcome == o; });
      if (found) return o;
    }
    return dkim::outcome::none;
  }

 private:
  std::vector<signature_result> signatures_;
  std::size_t skipped_ = 0;
};

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_RESULT_HPP
