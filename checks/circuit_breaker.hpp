// Leaves alone for a while what has failed several times in a row.
//
// After `failures` failures without a success between them it rests for `rest`; then one caller may
// try, and after each further `rest` one more, until somebody succeeds. What a caller began and did
// not end counts as nothing. Time is a parameter. Thread-safe.
#ifndef GATEPOST_CHECKS_CIRCUIT_BREAKER_HPP
#define GATEPOST_CHECKS_CIRCUIT_BREAKER_HPP

#include <chrono>
#include <cstdint>
#include <mutex>

#include "smtp/config.hpp"

namespace gatepost::checks {

struct circuit_breaker_options {
  // One lost packet, or one slow answer, is no outage.
  std::uint32_t failures = 5;
  // Long enough to save what waiting costs, short enough to notice that it works again.
  std::chrono::milliseconds rest = std::chrono::minutes(5);
};

class circuit_breaker {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  // What a report changed.
  enum class change : std::uint8_t { none, rests, works_again };

  explicit circuit_breaker(circuit_breaker_options options = {}) : options_(options) {}

  // Whether to try now. After a rest, true to one caller only.
  bool may_try(time_point now) {
    const std::lock_guard lock(mutex_);
    if (failed_ < options_.failures) return true;
    if (now < try_at_) return false;
    try_at_ = now + options_.rest;
    return true;
  }

  change succeeded() {
    const std::lock_guard lock(mutex_);
    const bool rested = failed_ >= options_.failures;
    failed_ = 0;
    return rested ? change::works_again : change::none;
  }

  change failed(time_point now) {
    const std::lock_guard lock(mutex_);
    if (failed_ >= options_.failures) return change::none;  // it rests, and its trial has failed
    if (++failed_ < options_.failures) return change::none;
    try_at_ = now + options_.rest;
    return change::rests;
  }

  bool resting() const {
    const std::lock_guard lock(mutex_);
    return failed_ >= options_.failures;
  }

 private:
  const circuit_breaker_options options_;
  mutable std::mutex mutex_;
  std::uint32_t failed_ = 0;  // in a row
  time_point try_at_{};
};

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_CIRCUIT_BREAKER_HPP
