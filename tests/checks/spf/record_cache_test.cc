// This header stands alone.
#include "checks/spf/record_cache.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "checks/spf/record.hpp"

namespace gatepost::checks::spf {
namespace {

// All that a record says, in one text.
std::string told(const record& r) {
  const auto spec = [](const macro_string& m) {
    return std::string(m.text) + (m.plain ? 'p' : '-') + (m.needs_validated_name ? 'n' : '-') +
           (m.needs_local_part ? 'l' : '-');
  };
  std::string all;
  for (const directive& d : r.directives)
    all += std::string(d.text) + ' ' + std::to_string(static_cast<int>(d.qualifier)) + ' ' +
           std::to_string(static_cast<int>(d.mechanism)) + ' ' + std::to_string(d.bits4) + ' ' +
           std::to_string(d.bits6) + ' ' + d.address.text() + ' ' + spec(d.domain) + '\n';
  if (r.redirect) all += "redirect " + spec(*r.redirect) + '\n';
  if (r.explanation) all += "exp " + spec(*r.explanation) + '\n';
  return all;
}

std::string numbered(std::size_t i) { return "v=spf1 a:h" + std::to_string(i) + ".example -all"; }

bool lies_in(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

TEST(SpfRecordCache, GivesWhatParsingGives) {
  record_cache cache;
  const std::vector<std::string> texts = {
      "v=spf1",
      "v=spf1 -all",
      "V=SPF1 -ALL",
      "v=spf1  -all",
      "v=spf1 ip4:192.0.2.0/24 ?ip6:2001:db8::/32 ~all",
      "v=spf1 a/24//64 mx:%{d2} ptr exists:%{ir}.%{l1r+-}.x.example -all exp=%{p}.example",
      "v=spf1 include:_spf.example.com redirect=_spf.example.org",
  };
  for (int round = 0; round < 3; ++round)
    for (const std::string& text : texts) {
      const parsed_record fresh = parse_record(text);
      const shared_record kept = cache.get(text);
      ASSERT_TRUE(fresh && kept->problem().empty()) << text;
      EXPECT_EQ(kept->text(), text);
      EXPECT_EQ(told(kept->record()), told(fresh.record)) << text;
    }
  EXPECT_EQ(cache.size(), texts.size());
  EXPECT_EQ(cache.counters().misses, texts.size());
  EXPECT_EQ(cache.counters().hits, 2 * texts.size());
}

// The views go into the cache's own text, not into the caller's.
TEST(SpfRecordCache, TheTextMayGo) {
  record_cache cache;
  shared_record kept;
  {
    const std::string text = "v=spf1 include:a-long-name-that-is-on-the-heap.example.com -all";
    kept = cache.get(text);
  }
  for (const directive& d : kept->record().directives) EXPECT_TRUE(lies_in(d.text, kept->text()));
  EXPECT_EQ(kept->record().directives[0].domain.text,
            "a-long-name-that-is-on-the-heap.example.com");
}

TEST(SpfRecordCache, RecordsWithAProblemAreNotKept) {
  record_cache cache;
  for (int round = 0; round < 2; ++round) {
    const shared_record bad = cache.get("v=spf1 nonsense -all");
    EXPECT_EQ(bad->problem(), parse_record("v=spf1 nonsense -all").problem);
    EXPECT_FALSE(bad->problem().empty());
  }
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.octets(), 0u);
}

TEST(SpfRecordCache, TheLeastRecentlyUsedGoes) {
  record_cache cache({.entries = 3});
  for (std::size_t i = 0; i < 3; ++i) cache.get(numbered(i));
  cache.get(numbered(0));
  cache.get(numbered(3));
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.counters().evictions, 1u);
  const auto misses = cache.counters().misses;
  for (const std::size_t i : {0, 2, 3}) cache.get(numbered(i));
  EXPECT_EQ(cache.counters().misses, misses);
  cache.get(numbered(1));
  EXPECT_EQ(cache.counters().misses, misses + 1);
}

TEST(SpfRecordCache, IsBoundedByOctets) {
  const std::size_t one = record_cache::cost_of(owned_record(numbered(1000)));
  record_cache cache({.entries = 100'000, .octets = 50 * one});
  for (std::size_t i = 0; i < 1000; ++i) {
    cache.get(numbered(1000 + i));
    ASSERT_LE(cache.octets(), 50 * one);
  }
  EXPECT_EQ(cache.size(), 50u);
  EXPECT_EQ(cache.counters().evictions, 950u);
}

// What is evicted lives as long as somebody has it.
TEST(SpfRecordCache, AnEvictedRecordStaysGood) {
  record_cache cache({.entries = 1});
  const shared_record first = cache.get(numbered(1));
  cache.get(numbered(2));
  EXPECT_EQ(first->text(), numbered(1));
  EXPECT_EQ(first->record().directives[0].domain.text, "h1.example");
}

TEST(SpfRecordCache, ARecordThatIsTooBigDoesNotThrowOutTheOthers) {
  record_cache cache({.entries = 100, .octets = 16 * 1024});
  cache.get(numbered(1));
  std::string big = "v=spf1";
  while (big.size() < 2000) big += " a";
  EXPECT_EQ(cache.get(big)->record().directives.size(), (big.size() - 6) / 2);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(SpfRecordCache, NothingIsKeptWhereNothingMay) {
  record_cache cache({.entries = 0});
  EXPECT_TRUE(cache.get(numbered(1))->problem().empty());
  EXPECT_EQ(cache.size(), 0u);
}

TEST(SpfRecordCache, ServesSeveralThreads) {
  record_cache cache({.entries = 20});
  const auto work = [&cache](std::size_t from) {
    for (std::size_t i = 0; i < 5000; ++i) {
      const std::string text = numbered((from + i * 7) % 40);
      ASSERT_EQ(cache.get(text)->text(), text);
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) threads.emplace_back(work, t);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(cache.size(), 20u);
  EXPECT_EQ(cache.counters().hits + cache.counters().misses, 20'000u);
}

}  // namespace
}  // namespace gatepost::checks::spf
