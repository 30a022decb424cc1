#ifndef GATEPOST_CHECKS_DKIM_IMPL_KEY_FETCH_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_KEY_FETCH_IPP

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <deque>
#include <exception>
#include <system_error>
#include <utility>
#include <variant>

#include "checks/dkim/key_fetch.hpp"

namespace gatepost::checks::dkim {

// Shared with the questions' coroutines, which may end later.
struct key_fetch::state {
  state(const asio::any_io_executor& executor, smtp::dns::resolver& r, std::vector<std::string> n)
      : resolver(r),
        names(std::move(n)),
        answers(names.size()),
        cancel(names.size()),
        open(names.size()),
        done(executor, asio::steady_timer::time_point::max()) {}

  void ended() {
    if (--open == 0) done.cancel();
  }

  smtp::dns::resolver& resolver;
  std::vector<std::string> names;
  std::vector<smtp::dns::answer<std::string>> answers;
  std::deque<asio::cancellation_signal> cancel;
  std::size_t open;
  asio::steady_timer done;  // never; its waiters are woken
};

GATEPOST_DECL key_fetch::key_fetch(const asio::any_io_executor& executor,
                                   smtp::dns::resolver& resolver, std::vector<std::string> names)
    : state_(std::make_shared<state>(executor, resolver, std::move(names))) {
  for (std::size_t i = 0; i < state_->names.size(); ++i) {
    const auto known = resolver.known({state_->names[i], smtp::dns::record_type::txt});
    const auto* texts = known ? std::get_if<smtp::dns::answer<std::string>>(&*known) : nullptr;
    if (texts != nullptr) {
      state_->answers[i] = *texts;
      --state_->open;
      continue;
    }
    asio::co_spawn(executor, ask(state_, i),
                   asio::bind_cancellation_slot(state_->cancel[i].slot(),
                                                [s = state_](std::exception_ptr) { s->ended(); }));
  }
}

GATEPOST_DECL key_fetch::~key_fetch() {
  if (state_->open == 0) return;
  for (asio::cancellation_signal& signal : state_->cancel)
    signal.emit(asio::cancellation_type::terminal);
}

GATEPOST_DECL asio::awaitable<void> key_fetch::ask(std::shared_ptr<state> s, std::size_t index) {
  smtp::dns::answer<std::string> answer = co_await s->resolver.txt(s->names[index]);
  s->answers[index] = std::move(answer);
}

GATEPOST_DECL bool key_fetch::done() const { return state_->open == 0; }

GATEPOST_DECL asio::awaitable<void> key_fetch::wait() { return wait_for(state_); }

GATEPOST_DECL asio::awaitable<void> key_fetch::wait_for(std::shared_ptr<state> s) {
  while (s->open > 0) {
    std::error_code error;
    co_await s->done.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (s->open > 0) throw std::system_error(asio::error::operation_aborted);
  }
}

GATEPOST_DECL const std::vector<smtp::dns::answer<std::string>>& key_fetch::answers() const {
  return state_->answers;
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_KEY_FETCH_IPP
