// Work that goes on beside the session: begun at one stage, waited for at a later one; or begun
// with others of its kind, to wait for all of them at once.
//
//     const auto ptr = errand<answer>::start(executor, dns.ptr(address));
//     ...
//     const bool done = co_await ptr->wait();
//     if (done) use(ptr->result());
//
// The coroutine of the work is on its own and holds the errand; it must own, or share, all that it
// touches. Whoever has no more use for it cancels it: keep the errand in an `errand_ptr`, which
// does so. All of it belongs to the thread of its executor.
#ifndef GATEPOST_CHECKS_DETAIL_ERRAND_HPP
#define GATEPOST_CHECKS_DETAIL_ERRAND_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/error.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "smtp/config.hpp"
#include "smtp/detail/early_wait.hpp"

namespace gatepost::checks::detail {

using errand_time = std::chrono::steady_clock::time_point;

template <class T>
class errand {
 public:
  // `until`: when wait() gives up and cancels the work; by default it does not.
  static std::shared_ptr<errand> start(const asio::any_io_executor& executor,
                                       asio::awaitable<T> work,
                                       errand_time until = errand_time::max()) {
    auto made = std::make_shared<errand>();
    made->timer_.emplace(executor, until);
    smtp::detail::spawn(executor, run(made, std::move(work)), kept{made}, made->signal_.slot());
    return made;
  }

  // One that needs no work: its result is there.
  static std::shared_ptr<errand> done_with(T result) {
    auto made = std::make_shared<errand>();
    made->result_.emplace(std::move(result));
    made->done_ = true;
    return made;
  }

  errand() = default;
  errand(const errand&) = delete;
  errand& operator=(const errand&) = delete;

  // The caller shares the errand until this ends. True: result() is there. False: it took too long.
  // Throws what the work has thrown; operation_aborted where the caller is cancelled, or the work.
  asio::awaitable<bool> wait() {
    while (!done_) {
      const std::error_code error = co_await smtp::detail::wait_for(*timer_);
      if (done_) break;
      if (error) throw asio::system_error(error);
      cancel();
      co_return false;
    }
    if (error_) std::rethrow_exception(error_);
    co_return true;
  }

  // Whether it has ended with a result.
  bool done() const { return result_.has_value(); }
  const T& result() const { return *result_; }

  // Work that has not begun yet does not begin.
  void cancel() {
    cancelled_ = true;
    if (running_) signal_.emit(asio::cancellation_type::all);
  }

 private:
  // The completion handler: keeps the signal alive until nothing of the coroutine is left.
  struct kept {
    std::shared_ptr<errand> what;
    void operator()(const std::exception_ptr&) const {}  // run() lets nothing out
  };

  // Whatever ends the coroutine, its executor going away included, nobody cancels it later.
  class running {
   public:
    explicit running(errand& e) : errand_(e) { errand_.running_ = true; }
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    ~running() { errand_.running_ = false; }

   private:
    errand& errand_;
  };

  static asio::awaitable<void> run(std::shared_ptr<errand> self, asio::awaitable<T> work) {
    const running now(*self);
    try {
      if (self->cancelled_) throw asio::system_error(asio::error::operation_aborted);
      T result = co_await std::move(work);
      self->result_.emplace(std::move(result));
    } catch (...) {
      self->error_ = std::current_exception();
    }
    self->done_ = true;
    self->timer_->cancel();
  }

  // Its end is the deadline; cancelled when the work is done. None where there was no work.
  std::optional<asio::steady_timer> timer_;
  asio::cancellation_signal signal_;
  std::optional<T> result_;
  std::exception_ptr error_;
  bool running_ = false;
  bool cancelled_ = false;
  bool done_ = false;
};

// Cancels the errand when it goes away, or takes another.
template <class T>
class errand_ptr {
 public:
  errand_ptr() = default;
  errand_ptr(std::shared_ptr<errand<T>> what) : what_(std::move(what)) {}  // NOLINT
  errand_ptr(errand_ptr&& other) noexcept : what_(std::move(other.what_)) {}
  // What was here is cancelled when `other` goes.
  errand_ptr& operator=(errand_ptr&& other) noexcept {
    std::swap(what_, other.what_);
    return *this;
  }
  ~errand_ptr() {
    if (what_) what_->cancel();
  }

  explicit operator bool() const { return what_ != nullptr; }
  bool done() const { return what_ && what_->done(); }
  errand<T>* operator->() const { return what_.get(); }
  // This one, or one that is begun now.
  template <class Begin>
  errand_ptr or_else(Begin begin) && {
    if (what_) return std::move(*this);
    return begin();
  }
  // For who waits: the errand may be replaced meanwhile.
  const std::shared_ptr<errand<T>>& share() const { return what_; }

 private:
  std::shared_ptr<errand<T>> what_;
};

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_ERRAND_HPP
