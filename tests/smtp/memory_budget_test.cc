// This header stands alone.
#include "smtp/memory_budget.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

namespace gatepost::smtp {
namespace {

TEST(memory_budget, reserves_up_to_its_limit) {
  memory_budget budget(100);
  EXPECT_TRUE(budget.try_reserve(60));
  EXPECT_FALSE(budget.try_reserve(41));
  EXPECT_EQ(budget.used(), 60u);
  EXPECT_TRUE(budget.try_reserve(40));
  EXPECT_FALSE(budget.try_reserve(1));
  EXPECT_TRUE(budget.try_reserve(0));
  budget.release(100);
  EXPECT_EQ(budget.used(), 0u);
}

TEST(memory_budget, huge_requests_do_not_wrap) {
  memory_budget budget(100);
  EXPECT_TRUE(budget.try_reserve(1));
  EXPECT_FALSE(budget.try_reserve(std::numeric_limits<std::size_t>::max()));
  EXPECT_EQ(budget.used(), 1u);
  budget.release(1);
}

TEST(memory_budget, a_lowered_limit_holds_at_once) {
  memory_budget budget(100);
  EXPECT_TRUE(budget.try_reserve(80));
  budget.limit(50);
  EXPECT_FALSE(budget.try_reserve(1));
  budget.release(40);
  EXPECT_TRUE(budget.try_reserve(10));
  EXPECT_FALSE(budget.try_reserve(1));
  budget.release(50);
}

TEST(memory_reservation, grows_shrinks_and_ends) {
  memory_budget budget(100);
  {
    memory_reservation r(&budget);
    EXPECT_TRUE(r.grow_to(40));
    EXPECT_TRUE(r.grow_to(30));
    EXPECT_EQ(r.octets(), 40u);
    EXPECT_FALSE(r.grow_to(101));
    EXPECT_EQ(r.octets(), 40u);
    r.shrink_to(10);
    EXPECT_EQ(budget.used(), 10u);
    r.shrink_to(20);
    EXPECT_EQ(budget.used(), 10u);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(memory_reservation, moves_and_releases_once) {
  memory_budget budget(100);
  memory_reservation first(&budget);
  EXPECT_TRUE(first.grow_to(40));
  memory_reservation second(std::move(first));
  EXPECT_EQ(budget.used(), 40u);
  memory_reservation third(&budget);
  EXPECT_TRUE(third.grow_to(20));
  third = std::move(second);
  EXPECT_EQ(budget.used(), 40u);
  EXPECT_EQ(third.octets(), 40u);
  third.release();
  EXPECT_EQ(budget.used(), 0u);
}

TEST(memory_reservation, of_no_budget_has_no_limit) {
  memory_reservation r(nullptr);
  EXPECT_TRUE(r.grow_to(std::numeric_limits<std::size_t>::max()));
}

TEST(memory_budget, threads_never_have_more_than_the_limit) {
  constexpr std::size_t limit = 10;
  memory_budget budget(limit);
  std::atomic<std::size_t> held{0};
  std::atomic<bool> too_much{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        if (!budget.try_reserve(3)) continue;
        if (held.fetch_add(3) + 3 > limit) too_much = true;
        held.fetch_sub(3);
        budget.release(3);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_FALSE(too_much);
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace gatepost::smtp
