// This header stands alone.
#include "smtp/testing/virtual_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace gatepost::smtp::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

TEST(virtual_clock, stands_still) {
  virtual_clock clock;
  const auto start = clock.now();
  EXPECT_EQ(clock.now(), start);
  clock.advance(90s);
  EXPECT_EQ(clock.now() - start, 90s);
  EXPECT_FALSE(clock.next_alarm());
  EXPECT_FALSE(clock.advance_to_next());
}

TEST(virtual_clock, alarms_ring_in_order_and_at_their_time) {
  virtual_clock clock;
  const auto start = clock.now();
  std::vector<std::pair<int, std::chrono::nanoseconds>> rung;
  virtual_clock::alarm a(clock);
  virtual_clock::alarm b(clock);
  a.set(start + 20s, [&] { rung.emplace_back(1, clock.now() - start); });
  b.set(start + 10s, [&] { rung.emplace_back(2, clock.now() - start); });
  EXPECT_EQ(*clock.next_alarm() - start, 10s);
  clock.advance(5s);
  EXPECT_TRUE(rung.empty());
  clock.advance(60s);
  EXPECT_THAT(rung, ElementsAre(std::pair(2, std::chrono::nanoseconds(10s)),
                                std::pair(1, std::chrono::nanoseconds(20s))));
  EXPECT_EQ(clock.now() - start, 65s);
  clock.advance(60s);
  EXPECT_EQ(rung.size(), 2U);  // once
}

TEST(virtual_clock, an_alarm_may_set_itself_again) {
  virtual_clock clock;
  virtual_clock::alarm a(clock);
  int rung = 0;
  std::function<void()> again = [&] {
    ++rung;
    a.set(clock.now() + 1s, again);
  };
  a.set(clock.now() + 1s, again);
  clock.advance(10s);
  EXPECT_EQ(rung, 10);
}

TEST(virtual_clock, unset_and_destroyed_alarms_do_not_ring) {
  virtual_clock clock;
  int rung = 0;
  virtual_clock::alarm a(clock);
  a.set(clock.now() + 1s, [&] { ++rung; });
  a.unset();
  auto b = std::make_unique<virtual_clock::alarm>(clock);
  b->set(clock.now() + 1s, [&] { ++rung; });
  b.reset();
  auto c = std::make_unique<virtual_clock::alarm>(clock);
  c->set(clock.now() + 1s, [&] { c.reset(); });
  clock.advance(10s);
  EXPECT_EQ(rung, 0);
  EXPECT_EQ(c, nullptr);
}

TEST(virtual_clock, what_is_past_rings_at_once) {
  virtual_clock clock;
  virtual_clock::alarm a(clock);
  const auto start = clock.now();
  int rung = 0;
  a.set(start - 5s, [&] { ++rung; });
  EXPECT_TRUE(clock.advance_to_next());
  EXPECT_EQ(rung, 1);
  EXPECT_EQ(clock.now(), start);
}

}  // namespace
}  // namespace gatepost::smtp::testing
