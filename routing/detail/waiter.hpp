// How a coroutine waits for something that another thread does.
//
// The coroutine's frame holds a `waiter`, the other thread the `wait_state` of it. Nothing of the
// coroutine is ever owned by the other thread: a frame may be destroyed, and its io_context with
// it, while the work goes on; finish() then says that nobody waits any more.
//
// A batch of answers is one post to each io_context, not one for every answer: the thread that
// works and the one that waits would fight for the context's lock.
#ifndef GATEPOST_ROUTING_DETAIL_WAITER_HPP
#define GATEPOST_ROUTING_DETAIL_WAITER_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/execution_context.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "smtp/errc.hpp"

namespace gatepost::routing::detail {

class wait_state;

// The answers that came for coroutines of one execution context and were not told yet.
class wake_lane final : public asio::execution_context::service {
 public:
  inline static asio::execution_context::id id;

  explicit wake_lane(asio::execution_context& context) : service(context) {}

  // On any thread, while `context` lives.
  void wake(std::shared_ptr<wait_state> state);

 private:
  // The waiting coroutines go after this, so that answers still come meanwhile.
  void shutdown() override {
    const std::lock_guard lock(mutex_);
    answered_.clear();
  }
  void drain(const asio::any_io_executor& here);

  std::mutex mutex_;
  std::vector<std::shared_ptr<wait_state>> answered_;
  bool posted_ = false;  // drain() is to come
};

class wait_state : public std::enable_shared_from_this<wait_state> {
 public:
  explicit wait_state(asio::any_io_executor executor)
      : executor_(std::move(executor)),
        lane_(asio::use_service<wake_lane>(asio::query(executor_, asio::execution::context))) {}

  // The other thread, once: this is the answer. False: nobody waits for it.
  bool finish(std::error_code answer) {
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
  asio::steady_timer* timer_ = nullptr;
  std::error_code answer_;
  bool done_ = false;
  bool left_ = false;
};

inline void wake_lane::wake(std::shared_ptr<wait_state> state) {
  const asio::any_io_executor executor = state->executor_;
  {
    const std::lock_guard lock(mutex_);
    answered_.push_back(std::move(state));
    if (std::exchange(posted_, true)) return;
  }
  try {
    asio::post(executor, [this, executor] { drain(executor); });
  } catch (...) {  // no memory: the next answer brings this one along
    const std::lock_guard lock(mutex_);
    posted_ = false;
    throw;
  }
}

inline void wake_lane::drain(const asio::any_io_executor& here) {
  std::vector<std::shared_ptr<wait_state>> answered;
  {
    const std::lock_guard lock(mutex_);
    answered.swap(answered_);
    posted_ = false;
  }
  for (std::shared_ptr<wait_state>& state : answered) {
    const asio::any_io_executor executor = state->executor_;
    if (executor == here) {
      state->wake();
    } else {  // of a strand
      asio::post(executor, [state = std::move(state)] { state->wake(); });
    }
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
    std::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
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
