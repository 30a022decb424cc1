#ifndef GATEPOST_CHECKS_IMPL_EARLY_TALKER_IPP
#define GATEPOST_CHECKS_IMPL_EARLY_TALKER_IPP

#include "checks/early_talker.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks {
namespace detail {

inline verdict early_talker_verdict(early_talker_action what, double points,
                                    const smtp::fixed_reply& why) {
  switch (what) {
    case early_talker_action::refuse: return verdict::refuse(why);
    case early_talker_action::score:
      return verdict::pass().score(points).add_tag("early_talker", std::string(why.text));
    case early_talker_action::ignore: break;
  }
  return verdict::pass();
}

}  // namespace detail

GATEPOST_DECL asio::awaitable<verdict> early_talker::on_connect(context& ctx) {
  static constexpr smtp::fixed_reply reply{
      554, {5, 5, 1}, "You spoke before our greeting (RFC 5321 section 3.1)"};
  const smtp::session_facts& facts = ctx.facts();
  if (!facts.early_talker || options_.exempt.contains(facts.client.address))
    co_return verdict::pass();
  co_return detail::early_talker_verdict(options_.greeting, options_.points, reply);
}

// Not at HELO: what was sent ahead is seen only behind it.
GATEPOST_DECL asio::awaitable<verdict> early_talker::on_mail(context& ctx) {
  static constexpr smtp::fixed_reply reply{
      554, {5, 5, 1}, "You sent commands ahead without PIPELINING (RFC 2920 section 3.1)"};
  const smtp::session_facts& facts = ctx.facts();
  if (!facts.pipelined_early || options_.exempt.contains(facts.client.address))
    co_return verdict::pass();
  co_return detail::early_talker_verdict(options_.pipelining, options_.points, reply);
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_EARLY_TALKER_IPP
