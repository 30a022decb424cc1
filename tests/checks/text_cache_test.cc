// This header stands alone.
#include "checks/text_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace gatepost::checks {
namespace {

// Reads by counting how often it reads. "bad" is not worth keeping; others cost what they say.
class word {
 public:
  explicit word(std::string_view text) : text_(text) { ++read; }
  const std::string& text() const { return text_; }
  std::size_t octets() const { return text_.size(); }
  bool worth_keeping() const { return text_ != "bad"; }

  static inline std::atomic<int> read{0};

 private:
  std::string text_;
};

class TextCache : public ::testing::Test {
 protected:
  TextCache() { word::read = 0; }
};

TEST_F(TextCache, ReadsATextOnce) {
  text_cache<word> cache;
  const auto first = cache.get("one");
  EXPECT_EQ(first->text(), "one");
  EXPECT_EQ(cache.get(std::string("one")), first);
  EXPECT_EQ(word::read, 1);
  EXPECT_EQ(cache.get("One")->text(), "One");
  EXPECT_EQ(cache.counters().hits, 1u);
  EXPECT_EQ(cache.counters().misses, 2u);
  EXPECT_EQ(cache.octets(), 2 * text_cache<word>::cost_of(*first));
}

TEST_F(TextCache, KeepsWhatIsWorthIt) {
  text_cache<word> cache;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cache.get("bad")->text(), "bad");
  EXPECT_EQ(word::read, 3);
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(TextCache, ForgetsTheLeastRecentlyUsed) {
  text_cache<word> cache({.entries = 2});
  cache.get("a");
  cache.get("b");
  cache.get("a");
  cache.get("c");  // b goes
  EXPECT_EQ(word::read, 3);
  cache.get("a");
  EXPECT_EQ(word::read, 3);
  cache.get("b");
  EXPECT_EQ(word::read, 4);
  EXPECT_EQ(cache.counters().evictions, 2u);
}

TEST_F(TextCache, KeepsToItsOctets) {
  const std::size_t one = text_cache<word>::cost_of(word("0000"));
  text_cache<word> cache({.octets = 20 * one});
  for (int i = 1000; i < 1100; ++i) {
    cache.get(std::to_string(i));
    ASSERT_LE(cache.octets(), 20 * one);
  }
  EXPECT_EQ(cache.size(), 20u);
  // One that is too large for its share is given, and throws out nobody.
  EXPECT_EQ(cache.get(std::string(20 * one, 'x'))->text().size(), 20 * one);
  EXPECT_EQ(cache.size(), 20u);
}

TEST_F(TextCache, NothingIsKeptWhereNothingMayBe) {
  text_cache<word> cache({.entries = 0});
  cache.get("a");
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(TextCache, ServesThreads) {
  text_cache<word> cache({.entries = 5});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 2000; ++i) {
        const std::string text = std::to_string(1000 + (i * (t + 1)) % 12);
        ASSERT_EQ(cache.get(text)->text(), text);
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(cache.size(), 5u);
  EXPECT_EQ(cache.octets(), 5 * text_cache<word>::cost_of(word("1000")));
}

}  // namespace
}  // namespace gatepost::checks
