// The questions of one step of an evaluation, asked side by side.
//
// Each is a coroutine of its own. The evaluation's coroutine waits for a timer, which is set to the
// deadline and cancelled by the last answer. The round is shared: a question that is left behind
// (the deadline is over, nobody waits any more) is cancelled, and may still end later.
#ifndef GATEPOST_CHECKS_SPF_DETAIL_ROUND_HPP
#define GATEPOST_CHECKS_SPF_DETAIL_ROUND_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "checks/spf/evaluate.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/dns/resolver.hpp"

namespace gatepost::checks::spf::detail {

class round : public std::enable_shared_from_this<round> {
 public:
  using clock = std::chrono::steady_clock;
  using said = std::variant<smtp::dns::answer<std::string>, smtp::dns::answer<smtp::ip_address>,
                            smtp::dns::answer<smtp::dns::mx_record>>;

  // One question. What is not answered is a temporary failure.
  struct seat {
    explicit seat(const question& q) : type(q.type), name(q.name), address(q.address) {}

    record_type type;
    std::string name;
    smtp::ip_address address;
    detail::round::said answer;
    asio::cancellation_signal cancel;
    bool running = false;
  };

  round(const asio::any_io_executor& executor, smtp::dns::resolver& resolver,
        std::span<const question> questions)
      : resolver_(resolver), timer_(executor) {
    for (const question& q : questions) seats_.emplace_back(q);
  }

  void start() {
    for (seat& s : seats_) launch(s);
  }
  bool running() const { return running_ > 0; }
  asio::steady_timer& timer() { return timer_; }
  smtp::dns::resolver& resolver() { return resolver_; }

  void land(seat& s) {
    if (!s.running) return;
    s.running = false;
    if (--running_ == 0) timer_.cancel();
  }

  void cancel() {
    for (seat& s : seats_)
      if (s.running) s.cancel.emit(asio::cancellation_type::all);
  }

  // All is answered.
  void tell(evaluation& e) {
    for (std::size_t i = 0; i < seats_.size(); ++i)
      std::visit([&](auto& answer) { e.answer(i, std::move(answer)); }, seats_[i].answer);
  }

 private:
  void launch(seat& s);

  smtp::dns::resolver& resolver_;
  asio::steady_timer timer_;
  std::deque<seat> seats_;  // a signal cannot be moved
  std::size_t running_ = 0;
};

// Tells the round of a question's end, whatever it is.
class landing {
 public:
  landing(round& r, round::seat& s) : round_(r), seat_(s) {}
  landing(const landing&) = delete;
  landing& operator=(const landing&) = delete;
  ~landing() { round_.land(seat_); }

 private:
  round& round_;
  round::seat& seat_;
};

inline asio::awaitable<round::said> ask_one(smtp::dns::resolver& resolver, const round::seat& q) {
  if (q.type == record_type::mx) {
    auto exchanges = co_await resolver.mx(q.name);
    co_return std::move(exchanges);
  }
  if (q.type == record_type::a) {
    auto addresses = co_await resolver.a(q.name);
    co_return std::move(addresses);
  }
  if (q.type == record_type::aaaa) {
    auto addresses = co_await resolver.aaaa(q.name);
    co_return std::move(addresses);
  }
  if (q.type == record_type::ptr) {
    auto names = co_await resolver.ptr(q.address);
    co_return std::move(names);
  }
  auto texts = co_await resolver.txt(q.name);
  co_return std::move(texts);
}

inline asio::awaitable<void> fill(std::shared_ptr<round> r, round::seat& s) {
  const landing at_the_end(*r, s);
  try {
    s.answer = co_await ask_one(r->resolver(), s);
  } catch (const std::exception& e) {
    s.answer = smtp::dns::answer<std::string>::temporary_failure(e.what());
  } catch (...) {
    s.answer = smtp::dns::answer<std::string>::temporary_failure("an exception");
  }
}

// The completion handler: keeps the signal alive until nothing of the coroutine is left.
struct end_of_question {
  std::shared_ptr<round> kept;
  void operator()(const std::exception_ptr&) const {}  // fill() lets nothing out
};

inline void round::launch(seat& s) {
  s.running = true;
  ++running_;
  asio::co_spawn(
      timer_.get_executor(), fill(shared_from_this(), s),
      asio::bind_cancellation_slot(s.cancel.slot(), end_of_question{shared_from_this()}));
}

// Whatever ends the evaluation's coroutine, no question goes on as if somebody waited for it.
class round_guard {
 public:
  explicit round_guard(round& r) : round_(r) {}
  round_guard(const round_guard&) = delete;
  round_guard& operator=(const round_guard&) = delete;
  ~round_guard() { round_.cancel(); }

 private:
  round& round_;
};

// True when all is answered, false when the deadline was over before. Throws operation_aborted
// where this coroutine is cancelled.
inline asio::awaitable<bool> ask_all(std::shared_ptr<round> r, round::clock::time_point deadline) {
  if (round::clock::now() >= deadline) co_return false;
  const round_guard guard(*r);
  r->start();
  if (!r->running()) co_return true;
  std::error_code ended;
  r->timer().expires_at(deadline);
  co_await r->timer().async_wait(asio::redirect_error(asio::use_awaitable, ended));
  // Cancelled by the last answer, or with this coroutine.
  if (ended && r->running()) throw std::system_error(asio::error::operation_aborted);
  co_return !r->running();
}

}  // namespace gatepost::checks::spf::detail

#endif  // GATEPOST_CHECKS_SPF_DETAIL_ROUND_HPP
