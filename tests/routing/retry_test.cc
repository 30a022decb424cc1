// This header stands alone.
#include "routing/retry.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

namespace gatepost::routing {
namespace {

using namespace std::chrono_literals;
using time_point = std::chrono::system_clock::time_point;

const time_point t0 = time_point(1'700'000'000s);
constexpr double middle = 0.5;  // no jitter

// After `attempts` failed ones, at `t0`, of a message that came in just now.
std::chrono::milliseconds wait_after(std::uint32_t attempts, double random = middle,
                                     const retry_options& options = {}) {
  const auto next = next_attempt(options, attempts, t0, t0, random);
  return next ? std::chrono::duration_cast<std::chrono::milliseconds>(*next - t0) : -1ms;
}

TEST(Retry, BacksOffExponentiallyUpToTheLongestWait) {
  const std::chrono::minutes expected[] = {5min,  10min,  20min,  40min,
                                           80min, 160min, 240min, 240min};
  std::uint32_t attempts = 0;
  for (const std::chrono::minutes wait : expected)
    EXPECT_EQ(wait_after(++attempts), wait) << attempts;
}

TEST(Retry, TwoAttemptsInTheFirstHourAsRfc5321Advises) {
  EXPECT_LE(wait_after(1, 0.999) + wait_after(2, 0.999), 1h);
}

TEST(Retry, JitterSpreadsBothWays) {
  EXPECT_EQ(wait_after(1, 0), 4min);
  EXPECT_EQ(wait_after(1, 0.25), 270s);
  EXPECT_GT(wait_after(1, 0.9999), 359s);
  EXPECT_LT(wait_after(1, 0.9999), 360s);
  // Also at the longest wait.
  EXPECT_EQ(wait_after(100, 0), 192min);
}

TEST(Retry, TheLastAttemptIsMadeWhenTheTimeIsUpAndThenWeGiveUp) {
  const retry_options options;
  const time_point end = t0 + options.give_up;
  EXPECT_EQ(next_attempt(options, 30, t0, end - 3h, middle), end);
  EXPECT_EQ(next_attempt(options, 30, t0, end - 4h - 1ms, middle), end - 1ms);
  EXPECT_EQ(next_attempt(options, 31, t0, end, middle), std::nullopt);
  EXPECT_EQ(next_attempt(options, 31, t0, end + 1h, middle), std::nullopt);
  EXPECT_EQ(next_attempt(options, 30, t0, end - 1ms, middle), end);
}

// The clock was set forward, by a year: that is no reason to lose all mail.
TEST(Retry, TimeAloneGivesNothingUp) {
  const retry_options options;
  const time_point old = t0 - 24h * 365;
  EXPECT_EQ(next_attempt(options, 1, old, t0, middle), t0 + 5min);
  EXPECT_EQ(next_attempt(options, least_attempts - 1, old, t0, middle), t0 + 10min);
  EXPECT_EQ(next_attempt(options, least_attempts, old, t0, middle), std::nullopt);
  retry_options brief;
  brief.give_up = 1min;
  EXPECT_EQ(next_attempt(brief, 1, old, t0, middle), t0 + 1min);
}

// The clock was set back.
TEST(Retry, AMessageFromTheFutureIsNew) {
  const retry_options options;
  EXPECT_EQ(next_attempt(options, 1, t0 + 24h * 365, t0, middle), t0 + 5min);
  retry_options brief;
  brief.give_up = 1min;
  EXPECT_EQ(next_attempt(brief, 9, t0 + 24h * 365, t0, middle), t0 + 1min);
}

TEST(Retry, NoWaitIsLongerThanTheLongest) {
  retry_options options;
  EXPECT_EQ(longest_retry_wait(options), 288min);
  EXPECT_LE(wait_after(100, 0.9999), longest_retry_wait(options));
  options.jitter = -7;
  EXPECT_EQ(longest_retry_wait(options), 32h);
  options.longest = 0s;
  EXPECT_EQ(longest_retry_wait(options), 1s);
  options.longest = std::chrono::seconds::max();
  EXPECT_EQ(longest_retry_wait(options), 24h * 3650);
}

TEST(Retry, WithoutTimeThereIsNoSecondAttempt) {
  retry_options options;
  options.give_up = 0s;
  EXPECT_EQ(next_attempt(options, 1, t0, t0, middle), std::nullopt);
}

TEST(Retry, NeverAtOnceAndNeverInThePast) {
  retry_options options;
  options.first = 0s;
  EXPECT_EQ(wait_after(1, middle, options), 1s);
  options.first = 5min;
  options.jitter = 7;  // nonsense
  EXPECT_EQ(wait_after(1, 0, options), 1s);
  options.jitter = 0;
  options.first = -5min;
  EXPECT_EQ(wait_after(1, middle, options), 1s);
}

TEST(Retry, HugeNumbersAreNoTrouble) {
  constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
  EXPECT_EQ(wait_after(most), 4h);
  EXPECT_EQ(wait_after(0), 5min);
  retry_options options;
  options.longest = std::chrono::seconds::max();
  EXPECT_EQ(wait_after(most, middle, options), options.give_up);
  options.factor = 0.5;
  EXPECT_EQ(wait_after(most, middle, options), 1s);
  options.first = 0s;
  options.factor = std::numeric_limits<double>::infinity();
  EXPECT_GE(wait_after(most, middle, options), 1s);  // 0 times infinity
}

// --- Messages that could not be tried
// -------------------------------------------------------------

TEST(Retry, WhoCouldNotBeTriedWaitsByItsAgeAndIsNeverGivenUp) {
  const retry_options options;
  const auto wait = [&](std::chrono::system_clock::duration age, double random = middle) {
    return next_visit(options, t0 - age, t0, random) - t0;
  };
  EXPECT_EQ(wait(0s), 5min);
  EXPECT_EQ(wait(-1h), 5min);  // the clock was set back
  EXPECT_EQ(wait(35min), 35min);
  EXPECT_EQ(wait(24h * 400), 4h);
  EXPECT_EQ(wait(0s, 0), 4min);
}

// All waits of a message that fails every time, from its arrival to the end.
TEST(Retry, AWholeLifeEndsAtTheGiveUpTime) {
  const retry_options options;
  time_point now = t0;
  std::uint32_t attempts = 1;
  while (const auto next = next_attempt(options, attempts, t0, now, middle)) {
    ASSERT_GT(*next, now);
    now = *next;
    ++attempts;
  }
  EXPECT_EQ(now, t0 + options.give_up);
  // 5+10+20+40+80+160 minutes, then every four hours of five days.
  EXPECT_EQ(attempts, 36u);
}

}  // namespace
}  // namespace gatepost::routing
