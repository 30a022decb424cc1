// Waits of a coroutine for which memory can only be lacking before they have begun.
//
// Asio 1.22 begins what `co_await x.async_wait(asio::use_awaitable)` stands for when the coroutine
// is suspended already, where nothing can be thrown: a lack of memory for the operation, for its
// place among the timers or for its being cancelled ends the program. Here the coroutine begins the
// operation itself, which throws std::bad_alloc as any other call does, and is suspended after
// that, for which no memory is needed.
//
//     early_wait wait;
//     asio::awaitable<void> over = wait.over();
//     asio::post(executor, wait.handler());
//     co_await std::move(over);
//
// The operation completes on the thread of the coroutine, and never within the call that begins it.
#ifndef GATEPOST_SMTP_DETAIL_EARLY_WAIT_HPP
#define GATEPOST_SMTP_DETAIL_EARLY_WAIT_HPP

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/execution.hpp>
#include <asio/execution_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace gatepost::smtp::detail {

class early_wait {
 public:
  class completion;

  early_wait() = default;
  early_wait(const early_wait&) = delete;
  early_wait& operator=(const early_wait&) = delete;

  // For the operation, once. `slot`: what cancels the operation.
  completion handler(asio::cancellation_slot slot = {});

  // Called before the operation begins, as it needs memory, and awaited right after that.
  asio::awaitable<void> over() {
    const auto begin = [this](coroutine then) { waiting_.emplace(std::move(then)); };
    const asio::use_awaitable_t<> token;
    return asio::async_initiate<const asio::use_awaitable_t<>, void()>(begin, token);
  }

  // After that: how the operation went.
  std::error_code error() const { return error_; }

 private:
  using coroutine = asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;

  // This goes with the coroutine that goes on, or goes away.
  void resume(std::error_code ec) {
    error_ = ec;
    coroutine then = std::move(*waiting_);
    waiting_.reset();
    then();
  }
  void drop() {
    if (!waiting_) return;  // the operation did not begin
    const coroutine dropped = std::move(*waiting_);
    waiting_.reset();
  }

  std::optional<coroutine> waiting_;
  std::error_code error_;
};

// Owns the suspended coroutine: whoever drops it uncalled, as an io_context does at its end,
// destroys the coroutine, as with Asio's own.
class early_wait::completion {
 public:
  using cancellation_slot_type = asio::cancellation_slot;

  completion(early_wait& w, asio::cancellation_slot slot) : wait_(&w), slot_(slot) {}
  completion(completion&& other) noexcept
      : wait_(std::exchange(other.wait_, nullptr)), slot_(other.slot_) {}
  completion& operator=(completion&&) = delete;
  ~completion() {
    if (wait_ != nullptr) wait_->drop();
  }

  cancellation_slot_type get_cancellation_slot() const noexcept { return slot_; }
  void operator()(std::error_code ec = {}) { std::exchange(wait_, nullptr)->resume(ec); }

 private:
  early_wait* wait_;
  asio::cancellation_slot slot_;
};

inline early_wait::completion early_wait::handler(asio::cancellation_slot slot) {
  return completion(*this, slot);
}

// As timer.async_wait(): an error where the timer, or this coroutine, is cancelled.
inline asio::awaitable<std::error_code> wait_for(asio::steady_timer& timer) {
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  asio::cancellation_slot slot = state.slot();
  early_wait wait;
  asio::awaitable<void> over = wait.over();
  try {
    timer.async_wait(wait.handler(slot));
  } catch (...) {
    // What is there of the operation must not be cancelled.
    if (slot.is_connected()) slot.clear();
    throw;
  }
  co_await std::move(over);
  co_return wait.error();
}

// The others of this thread have their turn.
inline asio::awaitable<void> let_others_run() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  early_wait wait;
  asio::awaitable<void> over = wait.over();
  asio::post(executor, wait.handler());
  co_await std::move(over);
}

// Of the handler that spawn() calls when a coroutine is over: it is called in the coroutine's last
// turn, for which no memory is needed, where by Asio's own executors it would be. Where the
// coroutine never waited it is posted, as always.
class last_turn {
 public:
  // Two arguments, because an executor that could be made of any executor is asked for ever whether
  // it is one. `later`: it is not called in this turn, but in one of its own.
  last_turn(asio::any_io_executor of, bool later) : of_(std::move(of)), later_(later) {}

  asio::execution_context& query(asio::execution::context_t) const noexcept {
    return asio::query(of_, asio::execution::context);
  }
  last_turn require(asio::execution::blocking_t::never_t) const { return {of_, true}; }
  last_turn require(asio::execution::blocking_t::possibly_t) const { return {of_, false}; }

  template <class Function>
  void execute(Function&& f) const {
    if (later_) return asio::post(of_, std::forward<Function>(f));
    std::decay_t<Function> now(std::forward<Function>(f));
    now();
  }

  friend bool operator==(const last_turn& a, const last_turn& b) noexcept {
    return a.of_ == b.of_ && a.later_ == b.later_;
  }
  friend bool operator!=(const last_turn& a, const last_turn& b) noexcept { return !(a == b); }

 private:
  asio::any_io_executor of_;
  bool later_;
};

// Asio calls a coroutine the first time by a function for which it takes memory, where a lack of it
// ends the program: this makes sure that the executor's thread, which calls it, has it at hand.
// Throws std::bad_alloc.
inline void ready_to_spawn(const asio::any_io_executor& executor) {
  struct function {
    void operator()() const {}
    unsigned char as_large_as_any[256] = {};
  };
  executor.execute(function());
}

// As asio::co_spawn(), on the executor's thread: throws std::bad_alloc where there is no memory to
// begin `work`, and then never calls `handler`. `slot`: what cancels the work.
template <class T, class Handler>
void spawn(const asio::any_io_executor& executor, asio::awaitable<T> work, Handler handler,
           asio::cancellation_slot slot = {}) {
  ready_to_spawn(executor);
  auto then = asio::bind_executor(last_turn(executor, false), std::move(handler));
  // lint: allow spawn (this is what the others call)
  asio::co_spawn(executor, std::move(work), asio::bind_cancellation_slot(slot, std::move(then)));
}

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_DETAIL_EARLY_WAIT_HPP
