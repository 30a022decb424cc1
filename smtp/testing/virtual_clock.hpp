// A clock whose hands the test turns: deadlines without waiting.
//
// What waits for a time sets an `alarm`; advance() rings the alarms that come due, in their order
// and each at its time. testing::memory_transport reads its deadlines from one. One thread.
#ifndef GATEPOST_SMTP_TESTING_VIRTUAL_CLOCK_HPP
#define GATEPOST_SMTP_TESTING_VIRTUAL_CLOCK_HPP

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::smtp::testing {

class virtual_clock {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;

  // Something that happens once, when its time has come. Unset when destroyed; the clock outlives
  // it.
  class alarm {
   public:
    explicit alarm(virtual_clock& clock) : clock_(clock) { clock_.alarms_.push_back(this); }
    alarm(const alarm&) = delete;
    alarm& operator=(const alarm&) = delete;
    ~alarm() { std::erase(clock_.alarms_, this); }

    // time_point::max(): never. `what` may set the alarm again.
    void set(time_point when, std::function<void()> what) {
      when_ = when;
      what_ = std::move(what);
    }
    void unset() { when_ = time_point::max(); }

   private:
    friend class virtual_clock;
    virtual_clock& clock_;
    time_point when_ = time_point::max();
    std::function<void()> what_;
  };

  time_point now() const { return now_; }

  // Turns the hands. What is due within `by` rings, the earliest first.
  void advance(duration by) {
    const time_point until = now_ + by;
    while (ring_next(until)) continue;
    now_ = until;
  }

  // When the next alarm rings, if one is set.
  std::optional<time_point> next_alarm() const {
    const alarm* a = earliest();
    return a != nullptr ? std::optional(a->when_) : std::nullopt;
  }

  // Turns the hands to the next alarm. False: none is set.
  bool advance_to_next() { return ring_next(time_point::max() - duration(1)); }

 private:
  alarm* earliest() const {
    alarm* first = nullptr;
    for (alarm* a : alarms_)
      if (a->when_ != time_point::max() && (first == nullptr || a->when_ < first->when_)) first = a;
    return first;
  }

  bool ring_next(time_point until) {
    alarm* a = earliest();
    if (a == nullptr || a->when_ > until) return false;
    now_ = std::max(now_, a->when_);
    a->unset();
    // It may set itself again, or be destroyed.
    const std::function<void()> what = std::exchange(a->what_, nullptr);
    what();
    return true;
  }

  // Not the epoch, so that a time of zero is seen to be none.
  time_point now_{std::chrono::hours(1000)};
  std::vector<alarm*> alarms_;
};

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_VIRTUAL_CLOCK_HPP
