#ifndef GATEPOST_ROUTING_IMPL_RELAY_IPP
#define GATEPOST_ROUTING_IMPL_RELAY_IPP

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <set>
#include <utility>

#include "routing/detail/relay_engine.hpp"
#include "routing/detail/waiter.hpp"
#include "routing/relay.hpp"

namespace gatepost::routing {
namespace detail {

// One message on its way into the spool.
class relay_intake final : public smtp::intake {
 public:
  relay_intake(std::shared_ptr<relay_engine> engine, const smtp::session_view& session)
      : engine_(std::move(engine)), session_(session), writer_(engine_->store.begin()) {}

  // Until now the message could be taken back; whoever committed it has had the time to.
  ~relay_intake() override {
    if (due_ == spool_time()) return;
    try {
      engine_->post_schedule(writer_->id(), due_);
    } catch (...) {
      // Out of memory. The message is in the spool, and the next start finds it.
    }
  }

  asio::awaitable<std::error_code> write(std::string_view text) override {
    const std::error_code failed = co_await writer_->write(text);
    co_return failed;
  }

  asio::awaitable<smtp::delivery_outcome> commit(const smtp::disposition& what) override {
    const spool_message message = describe(what);
    const std::error_code failed = co_await writer_->commit(message);
    if (failed) {
      engine_->trouble("spool", "cannot keep a message: " + failed.message(), message.session_id);
      const bool full = failed == smtp::errc::spool_full;
      co_return smtp::delivery_outcome(full ? smtp::replies::no_storage
                                            : smtp::replies::local_error);
    }
    if (message.due()) due_ = message.received_at;
    smtp::delivery_outcome outcome(smtp::reply(250, {2, 0, 0}, "OK queued as " + writer_->id()));
    outcome.queue_id = writer_->id();
    co_return outcome;
  }

  asio::awaitable<void> revoke() override {
    due_ = {};
    const std::error_code failed =
        co_await engine_->store.remove(writer_->id(), durability::synced);
    if (failed && failed != smtp::errc::not_found)
      engine_->trouble("spool",
                       "a message came too late and cannot be removed: " + failed.message(),
                       session_.facts.id);
  }

 private:
  spool_message describe(const smtp::disposition& what) const {
    spool_message m;
    m.take(session_.envelope, what.recipients);
    m.session_id = session_.facts.id;
    m.received_at = engine_->options.now();
    for (spool_recipient& r : m.recipients) r.next_attempt = m.received_at;
    const std::set<std::size_t> held(what.held.begin(), what.held.end());
    for (std::size_t k = 0; k < m.recipients.size(); ++k)
      if (held.contains(what.recipients[k])) m.recipients[k].state = recipient_state::held;
    m.hold_reason = what.hold_reason;
    m.tags = what.tags;
    m.edits = what.edits;
    return m;
  }

  std::shared_ptr<relay_engine> engine_;
  const smtp::session_view& session_;
  std::unique_ptr<spool_writer> writer_;
  spool_time due_{};  // of a message that is to be scheduled
};

}  // namespace detail

GATEPOST_DECL relay::relay(asio::io_context& io, spool& store, router& routes,
                           relay_options options)
    : engine_(std::make_shared<detail::relay_engine>(io, store, routes, std::move(options))) {}

GATEPOST_DECL relay::~relay() { engine_->abandon(); }

GATEPOST_DECL std::error_code relay::start() { return engine_->start(); }

GATEPOST_DECL void relay::stop(std::chrono::milliseconds at_most) {
  asio::post(engine_->io, [engine = engine_, at_most] { engine->stop(at_most); });
}

GATEPOST_DECL void relay::flush() {
  asio::post(engine_->io, [engine = engine_] { engine->flush(); });
}

GATEPOST_DECL relay_stats relay::stats() const { return engine_->stats(); }

GATEPOST_DECL std::error_code relay::queue(const spool_visitor& visitor) const {
  return engine_->store.for_each(visitor);
}

GATEPOST_DECL asio::awaitable<std::error_code> relay::release(std::string id) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  detail::waiter released(executor);
  engine_->post_release(std::move(id), released.state());
  const std::error_code failed = co_await released.wait();
  co_return failed;
}

GATEPOST_DECL asio::awaitable<std::error_code> relay::remove(std::string id) {
  engine_->post_forget(id);
  const std::error_code failed = co_await engine_->store.remove(id, durability::synced);
  co_return failed;
}

GATEPOST_DECL std::error_code relay::available() const { return engine_->store.available(); }

GATEPOST_DECL asio::awaitable<smtp::verdict> relay::resolve(const smtp::session_view& session,
                                                            smtp::recipient& to) {
  const smtp::address who = engine_->with_domain(to.forward_path);
  const route_result found = co_await engine_->routes.route(who, &session);
  if (found.status() != route_status::found) co_return smtp::verdict::refuse(found.reply());
  if (found.by_default() && !engine_->may_relay(session.facts))
    co_return smtp::verdict::refuse(smtp::replies::relaying_denied);
  if (found.where().kind() == route_kind::refuse)
    co_return smtp::verdict::refuse(found.where().refusal());
  to.route = to_string(found.where());
  to.policy_class = found.policy_class();
  co_return smtp::verdict::pass();
}

GATEPOST_DECL asio::awaitable<smtp::reply> relay::etrn(const smtp::session_view& session,
                                                       std::string node) {
  if (!engine_->may_relay(session.facts)) co_return smtp::reply(detail::etrn_replies::not_for_you);
  detail::etrn_node wanted;
  const smtp::reply refusal = detail::read_node(node, wanted);
  if (!refusal.empty()) co_return refusal;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  detail::waiter started(executor);
  const auto request = std::make_shared<detail::etrn_request>(std::move(wanted), started.state());
  engine_->post_etrn(request);
  const std::error_code failed = co_await started.wait();
  if (failed) co_return smtp::reply(detail::etrn_replies::not_now);
  co_return request->answer;
}

GATEPOST_DECL asio::awaitable<std::unique_ptr<smtp::intake>> relay::begin(
    const smtp::session_view& session) {
  std::unique_ptr<smtp::intake> message = std::make_unique<detail::relay_intake>(engine_, session);
  co_return message;
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_RELAY_IPP
