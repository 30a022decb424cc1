#ifndef GATEPOST_ROUTING_IMPL_CUT_THROUGH_IPP
#define GATEPOST_ROUTING_IMPL_CUT_THROUGH_IPP

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/execution.hpp>
#include <asio/io_context.hpp>
#include <asio/query.hpp>
#include <asio/this_coro.hpp>
#include <exception>
#include <map>
#include <utility>
#include <vector>

#include "routing/cut_through.hpp"
#include "routing/detail/hop_client.hpp"
#include "routing/detail/spill_buffer.hpp"
#include "smtp/socket_connector.hpp"

namespace gatepost::routing {
namespace detail {

namespace cut_through_replies {

// What the next hop is, and what exactly happened, is for our log: the client may be anybody.
inline constexpr smtp::fixed_reply unreachable{
    451, {4, 4, 1}, "The next hop cannot be reached, try again later"};
inline constexpr smtp::fixed_reply unanswered{
    451, {4, 4, 2}, "The next hop did not answer, try again later"};
inline constexpr smtp::fixed_reply no_next_hop{451, {4, 3, 5}, "This recipient has no next hop"};
inline constexpr smtp::fixed_reply cannot_hold{
    451, {4, 7, 0}, "Message needs to be looked at, and cannot be kept here; try again later"};

}  // namespace cut_through_replies

// What the client is told of what the next hop has said.
inline smtp::reply passed_on(const smtp::recipient_outcome& o) {
  const std::string text(o.reply.text());
  if (o.state == smtp::recipient_state::delivered) return {250, o.reply.enhanced(), text};
  if (!o.from_server && o.state == smtp::recipient_state::deferred)
    return cut_through_replies::unanswered;
  // 421 speaks of a connection (RFC 5321 §3.8), and not of the client's.
  if (o.reply.code() == 421) return {451, o.reply.enhanced(), text};
  return o.reply;
}

class cut_through_intake final : public smtp::intake {
 public:
  cut_through_intake(const cut_through_options& options, const smtp::session_view& session)
      : options_(options),
        session_(session),
        text_(options.memory_per_message, options.directory, options.memory) {}

  asio::awaitable<std::error_code> write(std::string_view text) override {
    co_return text_.append(text);
  }

  asio::awaitable<smtp::delivery_outcome> commit(const smtp::disposition& what) override;

 private:
  using groups = std::map<std::string, std::vector<open_recipient>>;

  groups group_recipients() const;
  asio::awaitable<void> deliver(const route& where, std::vector<open_recipient> open);
  asio::awaitable<void> deliver_by(const next_hop& hop, smtp::client_connection& c,
                                   std::vector<open_recipient>& open);
  asio::awaitable<smtp::transaction_outcome> send(smtp::client_connection& c,
                                                  const std::vector<open_recipient>& to);
  smtp::transaction transaction_for(const std::vector<open_recipient>& to, std::uint64_t size) const;
  void settle(std::size_t k, std::string_view hop, const smtp::recipient_outcome& o, bool tls);
  const smtp::recipient& recipient_at(std::size_t k) const {
    return session_.envelope.recipients()[what_->recipients[k]];
  }

  const cut_through_options& options_;
  const smtp::session_view& session_;
  spill_buffer text_;

  // During commit().
  const smtp::disposition* what_ = nullptr;
  std::vector<smtp::reply> each_;  // one per entry of what_->recipients
};

GATEPOST_DECL asio::awaitable<smtp::delivery_outcome> cut_through_intake::commit(
    const smtp::disposition& what) {
  // Who is to look at it would find nothing here, and must not find it delivered.
  if (what.hold) co_return smtp::delivery_outcome(cut_through_replies::cannot_hold);
  what_ = &what;
  each_.assign(what.recipients.size(), cut_through_replies::no_next_hop);
  const groups all = group_recipients();
  for (const auto& [text, open] : all) {
    const smtp::result<route> where = parse_route(text);
    if (where && where->kind() == route_kind::next_hops) co_await deliver(*where, open);
  }
  const auto taken = std::find_if(each_.begin(), each_.end(),
                                  [](const smtp::reply& r) { return r.positive(); });
  smtp::delivery_outcome outcome;
  if (!each_.empty()) outcome.overall = taken != each_.end() ? *taken : each_.front();
  outcome.each = std::move(each_);
  co_return outcome;
}

// By the route that resolve() has noted; recipients of one route share a transaction.
GATEPOST_DECL cut_through_intake::groups cut_through_intake::group_recipients() const {
  groups all;
  for (std::size_t k = 0; k < what_->recipients.size(); ++k)
    all[recipient_at(k).route].emplace_back(k, cut_through_replies::no_next_hop);
  return all;
}

// Tries the next hops in their order.
GATEPOST_DECL asio::awaitable<void> cut_through_intake::deliver(const route& where,
                                                                std::vector<open_recipient> open) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::execution_context& context = asio::query(executor, asio::execution::context);
  smtp::socket_connector by(static_cast<asio::io_context&>(context));
  const hop_client us{options_.hostname, &options_.client, options_.tls, nullptr};
  for (const next_hop& listed : where.hops()) {
    const next_hop hop = hop_for(session_.envelope.requiretls(), listed);
    std::string why_not;
    std::unique_ptr<smtp::client_connection> c = co_await open_hop(us, hop, by, why_not);
    smtp::recipient_outcome unreachable;
    unreachable.state = smtp::recipient_state::deferred;
    unreachable.reply = smtp::reply(451, {4, 4, 1}, why_not);
    if (c) {
      co_await deliver_by(hop, *c, open);
      // The client waits for the message, not for the goodbye.
      if (c->usable()) {
        asio::co_spawn(executor, leave_hop(std::move(c), nullptr), [](std::exception_ptr) {});
      }
    } else {
      for (open_recipient& r : open) r.why = unreachable.reply;
    }
    if (open.empty()) co_return;
  }
  for (const open_recipient& r : open) {
    smtp::recipient_outcome o;
    o.state = smtp::recipient_state::deferred;
    o.reply = r.why;
    settle(r.index, "", o, false);
  }
}

}  // namespace detail
}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_CUT_THROUGH_IPP
