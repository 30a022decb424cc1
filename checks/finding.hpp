// What a check does about something that it has found: nothing, points, or a refusal.
//
// For checks that each have several findings, every one with a policy of its own in the options.
#ifndef GATEPOST_CHECKS_FINDING_HPP
#define GATEPOST_CHECKS_FINDING_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "smtp/config.hpp"
#include "smtp/reply.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::checks {

enum class response : std::uint8_t {
  ignore,
  score,   // add points, and a tag for the log
  refuse,  // with the reply of the check
};

struct finding_policy {
  checks::response response = checks::response::ignore;
  double points = 0;  // for response::score
};

// Where the DNS does not answer for now.
enum class dns_trouble : std::uint8_t {
  skip,   // as if nothing was found; the log says that it could not tell
  defer,  // 451 4.4.3: the client comes again
};

// `check` names the tag; `refusal` is the reply, and its text what the tag says.
inline smtp::verdict respond(const finding_policy& policy, std::string_view check,
                             smtp::reply refusal) {
  using smtp::verdict;
  if (policy.response == response::refuse) return verdict::refuse(std::move(refusal));
  if (policy.response == response::ignore) return verdict::pass();
  return verdict::pass()
      .score(policy.points)
      .add_tag(std::string(check), std::string(refusal.text()));
}

// RFC 3463 §3.5: X.4.3, a directory server (here: the DNS) failed.
inline smtp::verdict respond(dns_trouble policy, const std::string& what) {
  if (policy == dns_trouble::skip) return smtp::verdict::inconclusive(what);
  return smtp::verdict::defer(smtp::reply(451, {4, 4, 3}, what + ", try again later"));
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_FINDING_HPP
