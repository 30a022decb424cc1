// This header stands alone.
#include "smtp/id.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

namespace gatepost::smtp {
namespace {

using namespace std::chrono;  // NOLINT(google-build-using-namespace)

constexpr system_clock::time_point start = sys_days(year(2026) / November / 23);

TEST(id, sixteen_harmless_characters) {
  id_source ids;
  const std::string id = ids.next(start);
  EXPECT_EQ(id.size(), 16U);
  EXPECT_EQ(id.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ"), std::string::npos);
}

TEST(id, ordered_by_time_and_then_by_count) {
  id_source ids(1);
  std::string last = ids.next(start);
  for (int i = 1; i < 3000; ++i) {
    const std::string next = ids.next(start + milliseconds(i / 3));
    EXPECT_LT(last, next);
    last = next;
  }
}

TEST(id, says_when) {
  id_source a(7);
  id_source b(7);
  EXPECT_EQ(a.next(start), b.next(start));
  EXPECT_NE(id_source(7).next(start), id_source(8).next(start));
  EXPECT_EQ(id_source(7).next(start).substr(12), id_source(7).next(start + hours(1)).substr(12));
  // The epoch itself, and the last millisecond that 41 bits hold.
  EXPECT_EQ(id_source(0).next(sys_days(year(2020) / January / 1)), "0000000000000000");
  const auto last = sys_days(year(2020) / January / 1) + milliseconds((1ll << 41) - 1);
  EXPECT_EQ(id_source(0).next(last).substr(0, 8), "ZZZZZZZZ");
}

TEST(id, unique_over_threads) {
  id_source ids;
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made)
    threads.emplace_back([&ids, &mine] {
      for (int i = 0; i < 5000; ++i) mine.push_back(ids.next(start));
    });
  for (auto& t : threads) t.join();
  std::set<std::string> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 20000U);
}

}  // namespace
}  // namespace gatepost::smtp
