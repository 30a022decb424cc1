// This header stands alone.
#include "routing/spool_id.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace gatepost::routing {
namespace {

using std::chrono::microseconds;
using std::chrono::system_clock;

constexpr system_clock::time_point now(microseconds(1'700'000'000'123'456));

TEST(spool_id, is_of_its_alphabet_and_tells_the_time) {
  spool_id_source source(0x7fff);
  const std::string id = source.next(now);
  EXPECT_EQ(id.size(), spool_id_characters);
  EXPECT_TRUE(is_spool_id(id)) << id;
  EXPECT_EQ(time_of_spool_id(id), now);
  EXPECT_EQ(id.substr(11), "zzz");
}

TEST(spool_id, sorts_by_time) {
  spool_id_source source(1);
  std::string before = source.next(now);
  for (int i = 0; i < 5000; ++i) {
    const std::string id = source.next(now + microseconds(i * 977));
    EXPECT_LT(before, id);
    before = id;
  }
}

TEST(spool_id, is_never_given_twice_even_if_the_clock_stands_or_goes_back) {
  spool_id_source source(1);
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(source.next(now));
  for (int i = 0; i < 1000; ++i) ids.insert(source.next(now - std::chrono::hours(1)));
  ids.insert(source.next(system_clock::time_point(microseconds(-5))));
  EXPECT_EQ(ids.size(), 2001u);
}

TEST(spool_id, goes_on_behind_what_it_has_seen) {
  spool_id_source old(1);
  const std::string last = old.next(now + std::chrono::hours(1));
  spool_id_source source(0);
  source.seen(last);
  source.seen("not an id");
  EXPECT_GT(source.next(now), last);
}

TEST(spool_id, differs_by_salt) {
  spool_id_source a(1);
  spool_id_source b(2);
  EXPECT_NE(a.next(now), b.next(now));
}

TEST(spool_id, threads_get_different_ones) {
  spool_id_source source(1);
  std::vector<std::vector<std::string>> given(4);
  std::vector<std::thread> threads;
  for (auto& mine : given) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) mine.push_back(source.next(now));
    });
  }
  for (std::thread& t : threads) t.join();
  std::set<std::string> ids;
  for (const auto& mine : given) ids.insert(mine.begin(), mine.end());
  EXPECT_EQ(ids.size(), 20000u);
}

TEST(spool_id, other_text_is_no_id) {
  for (const char* text :
       {"", "0123456789abc", "0123456789abcde", "0123456789abcD", "0123456789abci",
        "../0123456789a", "0123456789abc/", "0123456789abc."}) {
    EXPECT_FALSE(is_spool_id(text)) << text;
    EXPECT_FALSE(time_of_spool_id(text)) << text;
  }
  EXPECT_FALSE(is_spool_id(std::string_view("0123456789abc\0", 14)));
}

TEST(spool_id, times_beyond_the_clock_are_none) {
  EXPECT_TRUE(is_spool_id("zzzzzzzzzzzzzz"));
  EXPECT_FALSE(time_of_spool_id("zzzzzzzzzzzzzz"));
}

}  // namespace
}  // namespace gatepost::routing
