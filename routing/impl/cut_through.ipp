#ifndef GATEPOST_ROUTING_IMPL_CUT_THROUGH_IPP
#define GATEPOST_ROUTING_IMPL_CUT_THROUGH_IPP

#include <algorithm>
#include <asio/any_io_executor.hpp>
#include <asio/execution/context.hpp>
#include <asio/io_context.hpp>
#include <asio/query.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <chrono>
#include <exception>
#include <map>
#include <utility>
#include <vector>

#include "routing/cut_through.hpp"
#include "routing/detail/hop_client.hpp"
#include "routing/detail/spill_buffer.hpp"
#include "smtp/detail/early_wait.hpp"
#include "smtp/socket_connector.hpp"
#include "smtp/transport.hpp"

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
  if (o.state == smtp::recipient_state::deferred && !o.from_server) {
    return o.step == smtp::client_step::connect ? cut_through_replies::unreachable
                                                : cut_through_replies::unanswered;
  }
  // 421 speaks of a connection (RFC 5321 §3.8), and not of the client's.
  if (o.reply.code() == 421) return {451, o.reply.enhanced(), text};
  // RFC 5321 §4.5.3.1.10: a 552 that is to be taken as 452. Our client is told so, it may not know.
  if (o.state == smtp::recipient_state::deferred && o.reply.code() >= 500)
    return {452, {4, 5, 3}, text};
  return o.reply;
}

inline void ignore_end(std::exception_ptr) {}

class cut_through_intake final : public smtp::intake {
 public:
  cut_through_intake(const cut_through_options& options, const smtp::session_view& session)
      : options_(options),
        session_(session),
        text_(options.memory_per_message, options.directory, options.memory) {}

  asio::awaitable<std::error_code> write(std::string_view text) override {
    const std::error_code failed = text_.append(text);
    if (failed && options_.observer != nullptr)
      options_.observer->on_trouble({"cut-through", text_.problem(), session_.facts.id});
    co_return failed;
  }

  asio::awaitable<smtp::delivery_outcome> commit(const smtp::disposition& what) override;

 private:
  using groups = std::map<std::string, std::vector<open_recipient>>;

  groups group_recipients() const;
  asio::awaitable<void> deliver(const route& where, std::vector<open_recipient> open);
  asio::awaitable<void> deliver_to(const next_hop& hop, std::vector<open_recipient>& open);
  asio::awaitable<void> hand_over(smtp::client_connection& c, const std::string& name,
                                  std::vector<open_recipient>& open);
  asio::awaitable<smtp::transaction_outcome> send(smtp::client_connection& c,
                                                  const std::vector<open_recipient>& to);
  asio::awaitable<std::error_code> send_text(smtp::client_connection& c, smtp::transaction& t,
                                             smtp::transaction_outcome& outcome);
  smtp::transaction transaction_for(const std::vector<open_recipient>& to) const;
  void settle(std::size_t k, const smtp::recipient_outcome& o, std::string_view hop, bool tls);
  void report(std::size_t k, const smtp::recipient_outcome& o, std::string_view hop,
              bool tls) const;
  // at_most is for all groups and hops together: the timer may be late.
  bool is_over() const {
    return at_work_->cancelled() || std::chrono::steady_clock::now() >= until_;
  }
  const smtp::recipient& recipient_at(std::size_t k) const {
    return session_.envelope.recipients()[what_->recipients[k]];
  }

  const cut_through_options& options_;
  const smtp::session_view& session_;
  spill_buffer text_;
  std::shared_ptr<connections_at_work> at_work_ = std::make_shared<connections_at_work>();

  // During commit().
  const smtp::disposition* what_ = nullptr;
  smtp::time_point until_;
  std::vector<smtp::reply> each_;  // one per entry of what_->recipients
};

GATEPOST_DECL asio::awaitable<smtp::delivery_outcome> cut_through_intake::commit(
    const smtp::disposition& what) {
  // Who is to look at it would find nothing here, and must not find it delivered.
  if (!what.held.empty()) co_return smtp::delivery_outcome(cut_through_replies::cannot_hold);
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  until_ = std::chrono::steady_clock::now() + options_.at_most;
  asio::steady_timer limit(executor, until_);
  limit.async_wait([at_work = at_work_](std::error_code ec) {
    if (!ec) at_work->cancel();
  });
  what_ = &what;
  each_.assign(what.recipients.size(), cut_through_replies::no_next_hop);
  const groups all = group_recipients();
  for (const auto& [text, open] : all) {
    const smtp::result<route> where = parse_route(text);
    if (where && where->kind() == route_kind::next_hops) co_await deliver(*where, open);
  }
  const auto taken =
      std::find_if(each_.begin(), each_.end(), [](const smtp::reply& r) { return r.positive(); });
  smtp::delivery_outcome outcome;
  if (!each_.empty()) outcome.overall = taken != each_.end() ? *taken : each_.front();
  outcome.each = std::move(each_);
  co_return outcome;
}

// By the route that resolve() has noted; recipients of one route share a transaction.
GATEPOST_DECL cut_through_intake::groups cut_through_intake::group_recipients() const {
  groups all;
  for (std::size_t k = 0; k < what_->recipients.size(); ++k)
    all[recipient_at(k).route].emplace_back(k, unreachable("there is no next hop"));
  return all;
}

// Tries the next hops in their order. Where the time is over, open_hop() asks none of them any
// more.
GATEPOST_DECL asio::awaitable<void> cut_through_intake::deliver(const route& where,
                                                                std::vector<open_recipient> open) {
  std::string last;
  for (const next_hop& listed : where.hops()) {
    const next_hop hop = hop_for(session_.envelope.requiretls(), listed);
    last = name_of(hop);
    co_await deliver_to(hop, open);
    if (open.empty()) co_return;
    if (is_over()) break;
  }
  for (const open_recipient& r : open) settle(r.index, r.last, last, false);
}

GATEPOST_DECL asio::awaitable<void> cut_through_intake::deliver_to(
    const next_hop& hop, std::vector<open_recipient>& open) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::execution_context& context = asio::query(executor, asio::execution::context);
  smtp::socket_connector by(static_cast<asio::io_context&>(context));
  const hop_client us{options_.hostname, &options_.client, options_.tls, at_work_.get(), until_};
  std::string why_not;
  std::unique_ptr<smtp::client_connection> c = co_await open_hop(us, hop, by, why_not);
  if (!c) {
    for (open_recipient& r : open) r.note(unreachable(why_not));
    co_return;
  }
  const std::string name = name_of(hop);
  co_await hand_over(*c, name, open);
  // The client waits for the message, not for our goodbye; nothing is at stake in that any more.
  try {
    smtp::detail::spawn(executor, leave_hop(std::move(c), nullptr), ignore_end);
  } catch (...) {  // no memory for it
  }
}

GATEPOST_DECL asio::awaitable<void> cut_through_intake::hand_over(
    smtp::client_connection& c, const std::string& name, std::vector<open_recipient>& open) {
  for (bool more = true; more;) {
    const smtp::transaction_outcome outcome = co_await send(c, open);
    const bool tls = c.tls() != nullptr;
    more = settle_decided(open, outcome, [&](std::size_t k, const smtp::recipient_outcome& o) {
      settle(k, o, name, tls);
    });
  }
}

GATEPOST_DECL asio::awaitable<smtp::transaction_outcome> cut_through_intake::send(
    smtp::client_connection& c, const std::vector<open_recipient>& to) {
  smtp::transaction t = transaction_for(to);
  smtp::transaction_outcome outcome;
  std::error_code failed;
  if (asks_too_much(t, c.session().features())) {
    edited_body edited(text_.reader(), what_->edits);
    failed = co_await ask_for_what_is_needed(t, edited, *at_work_);
    outcome = given_up(to.size());
    if (at_work_->cancelled()) co_return outcome;
  }
  if (!failed) {
    const std::error_code unread = co_await send_text(c, t, outcome);
    failed = unread;
  }
  if (!failed) co_return outcome;
  // Nothing that another next hop could do better.
  for (smtp::recipient_outcome& o : outcome.recipients) {
    if (!is_trouble_of_hop(o)) continue;
    o.from_server = true;
    o.step = smtp::client_step::body;
    o.reply = smtp::replies::local_error;
  }
  co_return outcome;
}

// Why the text could not be read, if so.
GATEPOST_DECL asio::awaitable<std::error_code> cut_through_intake::send_text(
    smtp::client_connection& c, smtp::transaction& t, smtp::transaction_outcome& outcome) {
  edited_body edited(text_.reader(), what_->edits);
  t.size = edited.size();
  reader_source source(edited);
  const work_mark mark(at_work_.get(), &c);
  outcome = co_await c.send(t, source);
  co_return source.error();
}

GATEPOST_DECL smtp::transaction cut_through_intake::transaction_for(
    const std::vector<open_recipient>& to) const {
  const smtp::envelope& e = session_.envelope;
  smtp::transaction t;
  t.reverse_path = e.reverse_path();
  for (const open_recipient& r : to) t.recipients.push_back(recipient_at(r.index));
  t.body = e.body();
  t.smtputf8 = e.smtputf8();
  t.requiretls = e.requiretls();
  t.ret = e.ret();
  t.envid = e.envid();
  t.auth = e.auth();
  t.solicit = e.solicit();
  return t;
}

GATEPOST_DECL void cut_through_intake::settle(std::size_t k, const smtp::recipient_outcome& o,
                                              std::string_view hop, bool tls) {
  each_[k] = passed_on(o);
  if (options_.observer != nullptr) report(k, o, hop, tls);
}

GATEPOST_DECL void cut_through_intake::report(std::size_t k, const smtp::recipient_outcome& o,
                                              std::string_view hop, bool tls) const {
  const std::string said = o.reply.to_string();
  smtp::delivery_event event;
  event.session_id = session_.facts.id;
  event.reverse_path = session_.envelope.reverse_path().text();
  event.forward_path = recipient_at(k).forward_path.text();
  event.next_hop = hop;
  event.result = smtp::to_string(o.state);
  event.reply = said;
  event.attempt = 1;
  event.tls = tls;
  try {
    options_.observer->on_delivery(event);
  } catch (...) {
    // The next hop has the message, whatever the observer thinks of it.
  }
}

inline bool may_relay(const cut_through_options& options, const smtp::session_facts& who) {
  if (who.authenticated()) return true;
  return who.has_client_address() ? options.relay_from.contains(who.client.address)
                                  : options.relay_from_unix;
}

}  // namespace detail

GATEPOST_DECL cut_through::cut_through(router& routes, cut_through_options options)
    : routes_(routes), options_(std::move(options)) {}

GATEPOST_DECL cut_through::~cut_through() = default;

GATEPOST_DECL asio::awaitable<smtp::verdict> cut_through::resolve(const smtp::session_view& session,
                                                                  smtp::recipient& to) {
  const smtp::envelope& e = session.envelope;
  const bool exact = session.facts.protocol == smtp::protocol::lmtp || e.prdr();
  if (e.recipients().size() > 1 && !exact)
    co_return smtp::verdict::defer(smtp::replies::split_recipients);
  const route_result found = co_await routes_.route(to.forward_path, &session);
  if (found.status() != route_status::found) co_return smtp::verdict::refuse(found.reply());
  if (found.by_default() && !detail::may_relay(options_, session.facts))
    co_return smtp::verdict::refuse(smtp::replies::relaying_denied);
  if (found.where().kind() == route_kind::refuse)
    co_return smtp::verdict::refuse(found.where().refusal());
  if (found.where().kind() != route_kind::next_hops)
    co_return smtp::verdict::refuse(detail::cut_through_replies::no_next_hop);
  to.route = to_string(found.where());
  to.policy_class = found.policy_class();
  co_return smtp::verdict::pass();
}

GATEPOST_DECL asio::awaitable<std::unique_ptr<smtp::intake>> cut_through::begin(
    const smtp::session_view& session) {
  std::unique_ptr<smtp::intake> message =
      std::make_unique<detail::cut_through_intake>(options_, session);
  co_return message;
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_CUT_THROUGH_IPP
