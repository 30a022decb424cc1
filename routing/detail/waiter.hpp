// How a coroutine waits for something that another thread does.
//
// The coroutine's frame holds a `waiter`, the other thread the `wait_state` of it. Nothing of the
// coroutine is ever owned by the other thread: a frame may be destroyed, and its io_context with
// it, while the work goes on; finish() then says that nobody waits any more.
#ifndef GATEPOST_ROUTING_DETAIL_WAITER_HPP
#define GATEPOST_ROUTING_DETAIL_WAITER_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "smtp/errc.hpp"

namespace gatepost::routing::detail {

class wait_state : public std::enable_shared_from_this<wait_state> {
 public:
  explicit wait_state(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  // The other thread, once: this is the answer. False: nobody waits for it.
  bool finish(std::error_code answer) {
    // Held while posting: as long as somebody waits, the executor's context lives.
    const std::lock_guard lock(mutex_);
    if (left_) return false;
    answer_ = answer;
    done_ = true;
    asio::post(executor_, [self = shared_from_this()] { self->wake(); });
    return true;
  }

  // The other thread, before it begins.
  bool abandoned() const {
    const std::lock_guard lock(mutex_);
    return left_;
  }

 private:
  friend class waiter;

  // On the coroutine's executor, as everything that touches timer_.
  void wake() {
    if (timer_ != nullptr) timer_->cancel();
  }

  mutable std::mutex mutex_;
  asio::any_io_executor executor_;
  asio::steady_timer* timer_ = nullptr;
  std::error_code answer_;
  bool done_ = false;
  bool left_ = false;
};

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
