// One group of one stage under way: checks that wait, side by side, each with its deadline.
//
// Each check is a coroutine of its own on the session's executor, so that one that does not come
// back can be left behind. The session's coroutine waits for a timer, which is set to the next
// deadline and cancelled by the check whose answer was still missing. All of it happens on one
// thread.
//
// The flight is shared by the session's coroutine and by each check that runs; whatever a check
// that was left behind can still touch belongs to the flight: its context shows a copy by then, the
// text of a body check is a copy from the start, and the cancellation signal that its coroutine is
// bound to lives in its seat.
#ifndef GATEPOST_CHECKS_DETAIL_FLIGHT_HPP
#define GATEPOST_CHECKS_DETAIL_FLIGHT_HPP

#include <algorithm>
#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "checks/detail/plan.hpp"
#include "smtp/detail/early_wait.hpp"
#include "smtp/detail/exception_text.hpp"

namespace gatepost::checks::detail {

class flight : public std::enable_shared_from_this<flight> {
 public:
  // One check of the group.
  struct seat {
    seat(const entry& e, const context& c) : who(&e), ctx(c) {}

    const entry* who;
    context ctx;
    asio::cancellation_signal cancel;
    check_clock::time_point begun{};
    std::chrono::nanoseconds took{0};
    verdict answer;
    std::string trouble;     // why `answer` is not the check's own; empty: it is
    bool running = false;    // its coroutine exists
    bool cancelled = false;  // nobody waits for its answer any more
    bool decided = false;    // `answer` holds
  };

  // `keep_alive`: what the contexts refer to.
  flight(std::shared_ptr<const void> keep_alive, const plan& p, const step& group,
         verdict_merger& into, const context& ctx, std::string_view text,
         const asio::any_io_executor& executor)
      : keep_alive_(std::move(keep_alive)),
        plan_(p),
        merged_(&into),
        text_(text),
        timer_(executor) {
    for (const entry* e : group.entries) seats_.emplace_back(*e, ctx);
  }

  const std::deque<seat>& seats() const { return seats_; }

  // --- For the session's coroutine
  // ------------------------------------------------------------------

  void start() {
    for (seat& s : seats_) {
      if (over()) return;
      launch(s);
    }
  }

  bool over() const { return next_ == seats_.size() || plan_.over(*merged_); }
  bool running() const { return running_ > 0; }
  // Nobody wants to know any more what the checks say.
  bool stopped() const { return stopped_; }
  // The session is destroyed, too.
  bool abandoned() const { return merged_ == nullptr; }

  void stop() {
    stopped_ = true;
    timer_.cancel();
  }

  // Gives up on those whose time is over.
  void expire() {
    const auto now = check_clock::now();
    for (seat& s : seats_) {
      if (!s.running || s.decided || now < s.begun + s.who->deadline) continue;
      s.answer = failure(*s.who, smtp::replies::took_too_long);
      s.trouble = "no answer within " + std::to_string(s.who->deadline.count()) + " ms";
      decide(s, now);
      cancel(s);
    }
  }

  check_clock::time_point next_deadline() const {
    auto next = check_clock::time_point::max();
    for (const seat& s : seats_)
      if (s.running && !s.decided) next = std::min(next, s.begun + s.who->deadline);
    return next;
  }

  void cancel_all() {
    for (seat& s : seats_) cancel(s);
  }

  // The timer at which the session's coroutine waits.
  asio::steady_timer& timer() { return timer_; }
  std::chrono::milliseconds grace() const { return plan_.options().cancellation_grace; }

  // Nobody waits any more: what still runs has to do with a copy from now on.
  void abandon() {
    if (abandoned()) return;
    merged_ = nullptr;
    if (!running()) return;
    cancel_all();
    std::shared_ptr<snapshot> copy;
    for (seat& s : seats_) {
      if (!s.running) continue;
      if (!copy) copy = s.ctx.take_snapshot();
      s.ctx.show(copy);
    }
    timer_.cancel();
  }

  // --- For the checks' coroutines
  // -------------------------------------------------------------------

  std::string_view text() const { return text_; }

  void land(seat& s, verdict answer, const std::exception_ptr& error) {
    s.running = false;
    --running_;
    if (!abandoned()) {
      if (!s.decided && !s.cancelled) take(s, std::move(answer), error);
      if (over() || !running()) timer_.cancel();
    }
  }

  // Its coroutine is destroyed without having ended: its executor goes away.
  void lose(seat& s) {
    if (!s.running) return;
    s.running = false;
    --running_;
  }

 private:
  void launch(seat& s);

  void take(seat& s, verdict answer, const std::exception_ptr& error) {
    if (error) {
      s.trouble = smtp::detail::exception_text(error);
      s.answer = failure(*s.who, smtp::replies::local_error);
    } else {
      s.answer = std::move(answer);
    }
    decide(s, check_clock::now());
  }

  void decide(seat& s, check_clock::time_point now) {
    s.decided = true;
    s.took = now - s.begun;
    for (; next_ < seats_.size() && seats_[next_].decided; ++next_)
      merged_->add(seats_[next_].answer, seats_[next_].who->name);
  }

  void cancel(seat& s) {
    if (!s.running || s.cancelled) return;
    s.cancelled = true;
    s.cancel.emit(asio::cancellation_type::all);
  }

  std::shared_ptr<const void> keep_alive_;
  const plan& plan_;
  verdict_merger* merged_;
  std::string text_;
  asio::steady_timer timer_;
  std::deque<seat> seats_;  // a signal cannot be moved
  std::size_t next_ = 0;    // of the seats, in order, the first that is not decided
  std::size_t running_ = 0;
  bool stopped_ = false;
};

// Tells the flight when a check's coroutine ends otherwise than by landing.
class boarding_pass {
 public:
  boarding_pass(flight& f, flight::seat& s) : flight_(f), seat_(s) {}
  boarding_pass(const boarding_pass&) = delete;
  boarding_pass& operator=(const boarding_pass&) = delete;
  ~boarding_pass() { flight_.lose(seat_); }

 private:
  flight& flight_;
  flight::seat& seat_;
};

inline asio::awaitable<void> fly_one(std::shared_ptr<flight> f, flight::seat& s) {
  const boarding_pass pass(*f, s);
  verdict answer;
  std::exception_ptr error;
  try {
    answer = co_await invoke(*s.who->what, s.ctx, f->text());
  } catch (...) {
    error = std::current_exception();
  }
  f->land(s, std::move(answer), error);
}

// The completion handler: keeps the signal alive until nothing of the coroutine is left.
struct end_of_flight {
  std::shared_ptr<flight> kept;
  void operator()(const std::exception_ptr&) const {}  // fly_one() lets nothing out
};

inline void flight::launch(seat& s) {
  const asio::any_io_executor executor = timer_.get_executor();
  s.begun = check_clock::now();
  s.running = true;
  ++running_;
  try {
    smtp::detail::spawn(executor, fly_one(shared_from_this(), s), end_of_flight{shared_from_this()},
                        s.cancel.slot());
  } catch (...) {
    s.running = false;
    --running_;
    throw;
  }
}

// Whatever ends the session's coroutine, no check goes on as if somebody waited for it.
class flight_guard {
 public:
  explicit flight_guard(flight& f) : flight_(f) {}
  flight_guard(const flight_guard&) = delete;
  flight_guard& operator=(const flight_guard&) = delete;
  ~flight_guard() {
    try {
      flight_.abandon();
    } catch (...) {
      // No memory for the copy; the checks are cancelled all the same.
    }
  }

 private:
  flight& flight_;
};

inline asio::awaitable<void> wait_until(asio::steady_timer& timer, check_clock::time_point when) {
  timer.expires_at(when);
  [[maybe_unused]] const std::error_code ended = co_await smtp::detail::wait_for(timer);
}

// Waits until the group's verdict is clear, or stop() is called. Throws operation_aborted where
// this coroutine itself is cancelled, or the session destroyed.
inline asio::awaitable<void> fly(std::shared_ptr<flight> f) {
  const flight_guard guard(*f);
  f->start();
  if (!f->running()) co_return;  // none of them had to wait
  // Cancellation is met by state below: the checks come first.
  const bool throwing = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  bool cancelled = false;
  while (!cancelled && !f->abandoned() && !f->stopped() && !f->over()) {
    co_await wait_until(f->timer(), f->next_deadline());
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    cancelled = state.cancelled() != asio::cancellation_type::none;
    if (!cancelled && !f->abandoned() && !f->stopped()) f->expire();
  }
  if (!f->abandoned()) f->cancel_all();
  const auto patience = check_clock::now() + f->grace();
  while (!f->abandoned() && f->running() && check_clock::now() < patience)
    co_await wait_until(f->timer(), patience);
  co_await asio::this_coro::throw_if_cancelled(throwing);
  if (cancelled || f->abandoned()) throw asio::system_error(asio::error::operation_aborted);
}

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_FLIGHT_HPP
