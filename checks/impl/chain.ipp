#ifndef GATEPOST_CHECKS_IMPL_CHAIN_IPP
#define GATEPOST_CHECKS_IMPL_CHAIN_IPP

#include <exception>

#include "checks/chain.hpp"
#include "checks/detail/flight.hpp"
#include "checks/detail/plan.hpp"
#include "checks/detail/session_state.hpp"
#include "smtp/detail/exception_text.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks {
namespace detail {

// Marks the time in which a question is under way.
class question {
 public:
  question(session_state& state, smtp::stage s, const smtp::message_view& m) : state_(state) {
    state_.enter(s, m);
  }
  question(const question&) = delete;
  question& operator=(const question&) = delete;
  ~question() { state_.done(); }

 private:
  session_state& state_;
};

// A group in which somebody may wait.
inline asio::awaitable<void> run_flight(std::shared_ptr<session_state> state, const step& group,
                                        verdict_merger& merged, std::string_view text) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto f =
      std::make_shared<flight>(state, state->what(), group, merged, state->ctx(), text, executor);
  state->set_flight(f);
  co_await fly(f);
  for (const flight::seat& s : f->seats()) {
    if (!s.trouble.empty()) state->trouble(s.who->name, s.trouble);
    if (s.decided) state->report(s.who->name, s.answer, s.took);
    if (s.running) state->trouble(s.who->name, "does not end when it is cancelled");
  }
}

// Whether nobody of the group has to wait this time. All begin their work at once.
inline bool prepared(session_state& state, const step& group,
                     const asio::any_io_executor& executor) {
  bool all = true;
  for (const entry* e : group.entries) {
    if ((e->waits & bit(state.ctx().stage())) == 0) continue;
    try {
      all = e->what->prepare(state.ctx(), executor) && all;
    } catch (...) {  // the call will tell
      all = false;
    }
  }
  return all;
}

inline check_clock::time_point now_if(bool wanted) {
  return wanted ? check_clock::now() : check_clock::time_point{};
}

// One question from beginning to end. Holds whatever a question needs, so that the policy may be
// destroyed meanwhile.
inline asio::awaitable<verdict> run_stage(std::shared_ptr<session_state> state, smtp::stage s,
                                          smtp::message_view message, std::string_view text) {
  const question under_way(*state, s, message);
  if (s == smtp::stage::rcpt) {
    std::optional<verdict> held = state->held_refusal_speaks();
    if (held) co_return std::move(*held);
  }
  const plan& what = state->what();
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  verdict_merger merged;
  for (const step& group : what.steps(s)) {
    if (what.over(merged)) break;
    if (group.waits && !prepared(*state, group, executor)) {
      co_await run_flight(state, group, merged, text);
      if (state->stopped()) co_return verdict::defer(smtp::replies::took_too_long);
      continue;
    }
    // Nobody waits: one by one, in this coroutine.
    for (const entry* e : group.entries) {
      const auto begun = now_if(state->observed());
      verdict answer;
      std::exception_ptr error;
      try {
        answer = co_await invoke(*e->what, state->ctx(), text);
      } catch (...) {
        error = std::current_exception();
      }
      if (error) {
        const asio::cancellation_state client = co_await asio::this_coro::cancellation_state;
        if (client.cancelled() != asio::cancellation_type::none) std::rethrow_exception(error);
        state->trouble(e->name, smtp::detail::exception_text(error));
        answer = failure(*e, smtp::replies::local_error);
      }
      state->report(e->name, answer, now_if(state->observed()) - begun);
      merged.add(answer, e->name);
      if (what.over(merged)) break;
    }
  }
  co_return state->conclude(merged);
}

class chain_session final : public smtp::session_policy {
 public:
  explicit chain_session(std::shared_ptr<session_state> state) : state_(std::move(state)) {}
  ~chain_session() override {
    try {
      state_->leave();
    } catch (...) {
      // No memory for the copy that checks in flight would be shown; they are cancelled all the
      // same.
    }
  }

  asio::awaitable<verdict> ask(smtp::stage s) override { return run_stage(state_, s, {}, {}); }
  asio::awaitable<verdict> header_end(const smtp::message_view& message) override {
    return run_stage(state_, smtp::stage::header_end, message, {});
  }
  asio::awaitable<verdict> body(std::string_view text) override {
    const smtp::message_view so_far{{}, state_->count_body(text.size())};
    return run_stage(state_, smtp::stage::body, so_far, text);
  }
  asio::awaitable<verdict> message(const smtp::message_view& message) override {
    return run_stage(state_, smtp::stage::message, message, {});
  }
  void reset() override { state_->reset(); }
  void cancel() override { state_->stop(); }
  // At tls, rcpt and message more is done than to run checks: see session_state.
  bool ignores(smtp::stage s) const noexcept override {
    if (s == smtp::stage::tls || s == smtp::stage::rcpt || s == smtp::stage::message) return false;
    return state_->what().steps(s).empty();
  }

 private:
  std::shared_ptr<session_state> state_;
};

}  // namespace detail

GATEPOST_DECL std::string_view to_string(on_error what) {
  switch (what) {
    case on_error::defer: return "defer";
    case on_error::skip: return "skip";
    case on_error::refuse: return "refuse";
  }
  return "?";
}

GATEPOST_DECL bool let_postmaster_through(const context& ctx, std::span<const held_refusal>) {
  const std::string_view local_part = ctx.recipient().forward_path.local_part();
  return smtp::equal_ignoring_case(local_part, "postmaster") ||
         smtp::equal_ignoring_case(local_part, "abuse");
}

GATEPOST_DECL chain::chain(chain_options options)
    : plan_(std::make_shared<detail::plan>(std::move(options))) {}

GATEPOST_DECL chain::~chain() = default;

GATEPOST_DECL chain::group chain::concurrently() { return group(*this, plan_->new_group()); }

GATEPOST_DECL void chain::insert(std::size_t group, std::shared_ptr<check> what,
                                 detail::stage_set stages, run_options how) {
  std::string name = how.name.empty() ? std::string(what->name()) : std::move(how.name);
  plan_->insert({std::move(what), std::move(name), how.deadline, how.on_error, group, stages, 0});
}

GATEPOST_DECL std::unique_ptr<smtp::session_policy> chain::open(const smtp::session_view& view) {
  plan_->use();
  return std::make_unique<detail::chain_session>(
      std::make_shared<detail::session_state>(plan_, view));
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_CHAIN_IPP
