// This header stands alone.
#include "smtp/limit_counters.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string_view>
#include <thread>
#include <vector>

namespace gatepost::smtp {
namespace {

TEST(limit_counters, every_kind_has_its_name_and_its_count) {
  limit_counters counters;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < limit_kinds; ++i) {
    const auto kind = static_cast<limit_kind>(i);
    names.insert(to_string(kind));
    for (std::size_t n = 0; n <= i; ++n) counters.count(kind);
  }
  EXPECT_EQ(names.size(), limit_kinds);
  EXPECT_FALSE(names.contains("?"));
  for (std::size_t i = 0; i < limit_kinds; ++i) EXPECT_EQ(counters.counts()[i], i + 1);
}

TEST(limit_counters, threads_lose_nothing) {
  limit_counters counters;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) counters.count(limit_kind::memory);
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(counters.counts()[static_cast<std::size_t>(limit_kind::memory)], 4000u);
}

}  // namespace
}  // namespace gatepost::smtp
