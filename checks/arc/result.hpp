// What ARC found: whether the chain holds, and who made it (RFC 8617 §5.2).
//
// Values only. checks::arc::verifier leaves a report among the transaction's notes; what trust
// follows from it is the receiver's matter, DMARC's first of all (RFC 8617 §7.2).
#ifndef GATEPOST_CHECKS_ARC_RESULT_HPP
#define GATEPOST_CHECKS_ARC_RESULT_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::checks::arc {

// RFC 8617 §4.4, in the words of cv= and of Authentication-Results.
enum class chain_status : std::uint8_t { none, pass, fail };

constexpr std::string_view to_string(chain_status s) {
  switch (s) {
    case chain_status::none: return "none";
    case chain_status::pass: return "pass";
    case chain_status::fail: return "fail";
  }
  return "?";
}

// One ARC set: what one handler of the message has said.
struct arc_set {
  unsigned instance = 0;
  std::string domain;    // d= of its seal, in A-labels and lower case
  std::string selector;  // s= of its seal
  std::string cv;        // cv= of its seal
  // What it saw when the message came in: its ARC-Authentication-Results without the instance, as
  // one line.
  std::string results;
};

struct report {
  chain_status chain = chain_status::none;
  std::string reason;      // why the chain fails
  bool temporary = false;  // it fails because a key could not be fetched; later it may pass

  // From the first handler to the last; empty where the chain fails by its structure.
  std::vector<arc_set> sets;

  // How many instances the ARC fields name, whatever the chain is like.
  unsigned instances = 0;

  // The instance of the oldest message signature that still verifies, and all after it do; 0 where
  // it verifies from the first one on (RFC 8617 §5.2 step 5). Only where it was asked for and the
  // chain passes.
  unsigned oldest_pass = 0;

  // The chain passes, and the sets from this instance up to the last are by trusted sealers: what
  // they say can be taken for true, what those before say cannot. 0: nobody is trusted.
  unsigned trusted_from = 0;
};

}  // namespace gatepost::checks::arc

#endif  // GATEPOST_CHECKS_ARC_RESULT_HPP
