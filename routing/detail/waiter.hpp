// How a coroutine waits for something that another thread does.
//
// The coroutine's frame holds a `waiter`, the other thread the `wait_state` of it. Nothing of the
// coroutine is ever owned by the other thread: a frame may be destroyed, and its io_context with
// it, while the work goes on; finish() then says that nobody waits any more.
//
// A batch of answers is one post to each io_context, not one for every answer: the thread that
// works and the one that waits would fight for the context's lock. Nothing that the other thread
// does needs memory: who waits is told even where there is none.
#ifndef GATEPOST_ROUTING_DETAIL_WAITER_HPP
#define GATEPOST_ROUTING_DETAIL_WAITER_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "smtp/detail/early_wait.hpp"
#include "smtp/detail/handler_memory.hpp"
#include "smtp/errc.hpp"

namespace gatepost::routing::detail {

class wait_state;

// The answers that came for coroutines of one io_context and were not told yet.
class wake_lane final : public asio::execution_context::service {
 public:
  inline static asio::execution_context::id id;

  explicit wake_lane(asio::execution_context& context)
      : service(context), io_(static_cast<asio::io_context&>(context)) {}

  // On any thread, while `context` lives.
  void wake(std::shared_ptr<wait_state> state) noexcept;

 private:
  using chain = std::shared_ptr<wait_state>;  // of those that are waiting to be told, by next_

  // The waiting coroutines go after this, so that answers still come meanwhile.
  void shutdown() override;
  // With mutex_ held.
  void add(std::shared_ptr<wait_state> state) noexcept;
  void post() noexcept;
  void drain() noexcept;
  void tell(std::shared_ptr<wait_state> state) noexcept;

  asio::io_context& io_;
  std::mutex mutex_;
  chain first_;
  wait_state* last_ = nullptr;
  bool posted_ = false;  // drain() is to come
  bool closed_ = false;
  smtp::detail::handler_memory memory_;  // of what is posted
};

class wait_state : public std::enable_shared_from_this<wait_state> {
 public:
  explicit wait_state(asio::any_io_executor executor)
      : executor_(std::move(executor)),
        lane_(asio::use_service<wake_lane>(asio::query(executor_, asio::execution::context))) {}

  // The other thread, once: this is the answer. False: nobody waits for it.
  bool finish(std::error_code answer) noexcept {
    // Held while posting: as long as somebody waits, the executor's context lives.
    const std::lock_guard lock(mutex_);
    if (left_) return false;
    answer_ = answer;
    done_ = true;
    lane_.wake(shared_from_this());
    return true;
  }

  // The other thread, before it begins.
  bool abandoned() const {
    const std::lock_guard lock(mutex_);
    return left_;
  }

 private:
  friend class waiter;
  friend class wake_lane;

  // On the coroutine's executor, as everything that touches timer_.
  void wake() {
    if (timer_ != nullptr) timer_->cancel();
  }

  mutable std::mutex mutex_;
  asio::any_io_executor executor_;
  wake_lane& lane_;
  std::shared_ptr<wait_state> next_;  // of the lane
  asio::steady_timer* timer_ = nullptr;
  std::error_code answer_;
  bool done_ = false;
  bool left_ = false;
};

inline void wake_lane::shutdown() {
  chain dropped;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  dropped.swap(first_);
  // One by one: a long chain that goes at once goes by recursion.
  while (dropped) dropped = std::exchange(dropped->next_, nullptr);
  last_ = nullptr;
}

inline void wake_lane::add(std::shared_ptr<wait_state> state) noexcept {
  wait_state* const added = state.get();
  (last_ != nullptr ? last_->next_ : first_) = std::move(state);
  last_ = added;
}

inline void wake_lane::wake(std::shared_ptr<wait_state> state) noexcept {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  add(std::move(state));
  if (!std::exchange(posted_, true)) post();
}

// The lock is held: what is posted here is posted before the io_context begins to shut down.
inline void wake_lane::post() noexcept {
  const auto then = [this] { drain(); };
  asio::post(io_.get_executor(), smtp::detail::in_memory(memory_, then));
}

inline void wake_lane::drain() noexcept {
  chain answered;
  {
    const std::lock_guard lock(mutex_);
    answered.swap(first_);
    last_ = nullptr;
    posted_ = false;
  }
  while (answered) {
    std::shared_ptr<wait_state> next = std::exchange(answered->next_, nullptr);
    tell(std::exchange(answered, std::move(next)));
  }
}

inline void wake_lane::tell(std::shared_ptr<wait_state> state) noexcept {
  const asio::any_io_executor executor = state->executor_;
  if (executor == asio::any_io_executor(io_.get_executor())) return state->wake();
  try {  // of a strand
    asio::post(executor, [state] { state->wake(); });
  } catch (...) {  // there is no memory: once more
    wake(std::move(state));
  }
}

class waiter {
 public:
  explicit waiter(const asio::any_io_executor& executor)
      : timer_(executor, asio::steady_timer::time_point::max()),
        state_(std::make_shared<wait_state>(executor)) {
    state_->timer_ = &timer_;
  }
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;
  ~waiter() { leave(); }

  // For the other thread.
  const std::shared_ptr<wait_state>& state() const { return state_; }

  // errc::cancelled: this coroutine was cancelled before there was an answer.
  asio::awaitable<std::error_code> wait() {
    // However that ends, it is the state that says whether there was an answer.
    [[maybe_unused]] const std::error_code woken = co_await smtp::detail::wait_for(timer_);
    const std::lock_guard lock(state_->mutex_);
    if (!state_->done_) co_return smtp::errc::cancelled;
    taken_ = true;
    co_return state_->answer_;
  }

  // Stops waiting. True: there was an answer, it was no error, and nobody has had it from wait().
  bool leave() {
    const std::lock_guard lock(state_->mutex_);
    state_->left_ = true;
    state_->timer_ = nullptr;
    return state_->done_ && !state_->answer_ && !std::exchange(taken_, true);
  }

 private:
  asio::steady_timer timer_;
  std::shared_ptr<wait_state> state_;
  bool taken_ = false;
};

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_WAITER_HPP
