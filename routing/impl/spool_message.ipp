#ifndef GATEPOST_ROUTING_IMPL_SPOOL_MESSAGE_IPP
#define GATEPOST_ROUTING_IMPL_SPOOL_MESSAGE_IPP

#include <algorithm>

#include "routing/spool_message.hpp"

namespace gatepost::routing {

GATEPOST_DECL void spool_message::take(const smtp::envelope& from,
                                       std::span<const std::size_t> which) {
  reverse_path = from.reverse_path().text();
  body = from.body();
  smtputf8 = from.smtputf8();
  requiretls = from.requiretls();
  ret = from.ret();
  envid = from.envid();
  auth = from.auth();
  solicit = from.solicit();
  recipients.clear();
  recipients.reserve(which.size());
  for (const std::size_t index : which) {
    const smtp::recipient& r = from.recipients()[index];
    spool_recipient& kept = recipients.emplace_back();
    kept.forward_path = r.forward_path.text();
    kept.notify = r.notify;
    kept.orcpt = r.orcpt;
    kept.route = r.route;
  }
}

GATEPOST_DECL bool spool_message::held() const {
  return std::any_of(recipients.begin(), recipients.end(),
                     [](const spool_recipient& r) { return r.state == recipient_state::held; });
}

GATEPOST_DECL void spool_message::release(spool_time now) {
  for (spool_recipient& r : recipients) {
    if (r.state != recipient_state::held) continue;
    r.state = recipient_state::pending;
    r.next_attempt = now;
    received_at = now;
  }
}

GATEPOST_DECL void spool_message::retry(spool_time now) {
  for (spool_recipient& r : recipients) {
    if (r.state == recipient_state::delivered) continue;
    if (r.state != recipient_state::pending) received_at = now;
    r.state = recipient_state::pending;
    r.next_attempt = now;
  }
}
GATEPOST_DECL std::optional<spool_time> spool_message::due() const {
  std::optional<spool_time> earliest;
  for (const spool_recipient& r : recipients) {
    if (r.state != recipient_state::pending) continue;
    earliest = earliest ? std::min(*earliest, r.next_attempt) : r.next_attempt;
  }
  return earliest;
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_SPOOL_MESSAGE_IPP
