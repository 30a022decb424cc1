// This header stands alone.
#include "checks/circuit_breaker.hpp"

#include <gtest/gtest.h>

namespace gatepost::checks {
namespace {

using namespace std::chrono_literals;
using change = circuit_breaker::change;

const circuit_breaker::time_point start{1000s};

circuit_breaker_options three() { return {.failures = 3, .rest = 10s}; }

TEST(CircuitBreaker, RestsAfterSomeFailuresInARow) {
  circuit_breaker b(three());
  EXPECT_EQ(b.failed(start), change::none);
  EXPECT_EQ(b.failed(start), change::none);
  EXPECT_TRUE(b.may_try(start));
  EXPECT_FALSE(b.resting());
  EXPECT_EQ(b.failed(start), change::rests);
  EXPECT_TRUE(b.resting());
  EXPECT_FALSE(b.may_try(start));
  EXPECT_FALSE(b.may_try(start + 10s - 1ns));
}

TEST(CircuitBreaker, ASuccessBetweenThemStartsAnew) {
  circuit_breaker b(three());
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(b.failed(start), change::none);
    EXPECT_EQ(b.failed(start), change::none);
    EXPECT_EQ(b.succeeded(), change::none);
  }
  EXPECT_TRUE(b.may_try(start));
}

TEST(CircuitBreaker, ThenOneMayTry) {
  circuit_breaker b(three());
  for (int i = 0; i < 3; ++i) b.failed(start);
  EXPECT_TRUE(b.may_try(start + 10s));
  EXPECT_FALSE(b.may_try(start + 10s)) << "somebody is at it";
  EXPECT_EQ(b.failed(start + 11s), change::none) << "it rested before";
  EXPECT_FALSE(b.may_try(start + 19s));
  EXPECT_TRUE(b.may_try(start + 20s));
  EXPECT_EQ(b.succeeded(), change::works_again);
  EXPECT_TRUE(b.may_try(start + 20s));
  EXPECT_TRUE(b.may_try(start + 20s));
  EXPECT_FALSE(b.resting());
  EXPECT_EQ(b.succeeded(), change::none);
}

TEST(CircuitBreaker, ATrialThatNeverEndsIsFollowedByAnother) {
  circuit_breaker b(three());
  for (int i = 0; i < 3; ++i) b.failed(start);
  EXPECT_TRUE(b.may_try(start + 10s));
  EXPECT_FALSE(b.may_try(start + 15s));
  EXPECT_TRUE(b.may_try(start + 20s));
}

}  // namespace
}  // namespace gatepost::checks
