// This header stands alone.
#include "smtp/dns/cache.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace gatepost::smtp::dns {
namespace {

using namespace std::chrono_literals;

const cache::time_point start{1000h};
const question asks{"example.test", record_type::txt};

any_answer text(std::string value, std::chrono::seconds ttl) {
  return answer<std::string>::found({std::move(value)}, ttl);
}
any_answer fails(failure why = failure::timeout) { return failed(record_type::txt, why); }

const answer<std::string>& as_text(const any_answer& a) { return std::get<answer<std::string>>(a); }
// What is known of `asks`: the text, the status, or "unknown".
std::string known(cache& c, cache::time_point now, const question& q = asks) {
  const auto found = c.find(q, now);
  if (!found) return "unknown";
  const auto& a = as_text(*found);
  return a.has_records() ? a.records().front() : std::string(to_string(a.status()));
}

TEST(dns_cache, keeps_an_answer_for_its_ttl) {
  cache c;
  EXPECT_EQ(known(c, start), "unknown");
  EXPECT_EQ(as_text(c.store(asks, text("x", 60s), start)).ttl(), 60s);
  EXPECT_EQ(known(c, start), "x");
  EXPECT_EQ(as_text(*c.find(asks, start + 59500ms)).ttl(), 1s);
  EXPECT_EQ(as_text(*c.find(asks, start + 20s)).ttl(), 40s);
  EXPECT_EQ(known(c, start + 60s), "unknown");
  EXPECT_EQ(c.size(), 0u);
  EXPECT_EQ(c.octets(), 0u);
  EXPECT_EQ(c.counters().hits, 3u);
  EXPECT_EQ(c.counters().misses, 0u) << "nobody was asked";
  c.count_miss();
  EXPECT_EQ(c.counters().misses, 1u);
}

TEST(dns_cache, same_question) {
  cache c;
  c.store({"Example.TEST.", record_type::txt}, text("x", 60s), start);
  EXPECT_EQ(known(c, start), "x");
  EXPECT_EQ(known(c, start, {"example.test", record_type::ptr}), "unknown");
  EXPECT_EQ(known(c, start, {"xample.test", record_type::txt}), "unknown");
}

TEST(dns_cache, negative_answers) {
  cache c;
  c.store(asks, answer<std::string>::no_such_name(60s), start);
  c.store({"empty.test", record_type::txt}, answer<std::string>::no_data(30s), start);
  EXPECT_EQ(known(c, start + 59s), "no such name");
  EXPECT_EQ(known(c, start + 60s), "unknown");
  EXPECT_EQ(known(c, start + 29s, {"empty.test", record_type::txt}), "no data");
  EXPECT_EQ(c.counters().negative_hits, 2u);
  // RFC 2308 §5: without a SOA it is not kept.
  c.store(asks, answer<std::string>::no_such_name(0s), start);
  EXPECT_EQ(known(c, start), "unknown");
}

TEST(dns_cache, no_such_name_holds_for_all_types) {  // RFC 2308 §5, RFC 8020
  cache c;
  const question a{"Gone.test.", record_type::a};
  const question mx{"gone.test", record_type::mx};
  auto gone = answer<ip_address>::no_such_name(60s);
  gone.set_authenticated(true);
  c.store(a, gone, start);
  EXPECT_EQ(c.size(), 1u);
  const auto by_mx = c.find(mx, start + 20s);
  ASSERT_TRUE(by_mx);
  const auto& found = std::get<answer<mx_record>>(*by_mx);
  EXPECT_EQ(found.status(), status::no_such_name);
  EXPECT_EQ(found.ttl(), 40s);
  EXPECT_TRUE(found.authenticated());
  EXPECT_EQ(known(c, start + 59s, {"gone.test", record_type::txt}), "no such name");
  EXPECT_TRUE(c.find(a, start + 59s));
  EXPECT_EQ(c.counters().negative_hits, 3u);
  EXPECT_EQ(known(c, start, {"sub.gone.test", record_type::txt}), "unknown");
  // The name may be an alias of one that does not exist (RFC 6604 §3).
  EXPECT_FALSE(c.find({"gone.test", record_type::cname}, start));
  EXPECT_FALSE(c.find(mx, start + 60s));
  EXPECT_EQ(c.size(), 0u);
}

TEST(dns_cache, a_name_that_comes_into_being) {
  cache c;
  const question a{"example.test", record_type::a};
  c.store(a, answer<ip_address>::no_such_name(60s), start);
  c.store(asks, text("x", 10s), start + 1s);
  EXPECT_EQ(known(c, start + 1s), "x");
  EXPECT_FALSE(c.find(a, start + 1s)) << "it exists, and what A says is to be asked";
  c.store(a, answer<ip_address>::no_such_name(60s), start + 2s);
  c.store({"example.test", record_type::tlsa}, answer<tlsa_record>::no_data(5s), start + 3s);
  EXPECT_FALSE(c.find(a, start + 3s)) << "no data is of a name that exists, too";
  // What was found before it went serves for its time, and then it is gone.
  c.store(a, answer<ip_address>::no_such_name(60s), start + 4s);
  EXPECT_EQ(known(c, start + 10s), "x");
  EXPECT_EQ(known(c, start + 11s), "no such name");
  // One for now only takes it away.
  c.store(a, answer<ip_address>::no_such_name(0s), start + 12s);
  EXPECT_EQ(known(c, start + 12s), "unknown");
  // A CNAME tells of itself alone.
  c.store({"example.test", record_type::cname}, answer<std::string>::no_such_name(60s), start);
  EXPECT_EQ(known(c, start), "unknown");
  EXPECT_EQ(known(c, start, {"example.test", record_type::cname}), "no such name");
}

TEST(dns_cache, names_that_do_not_exist_are_bounded) {
  cache_options options;
  options.entries = 10;
  cache c(options);
  for (int i = 0; i < 100; ++i) {
    for (const auto type : {record_type::txt, record_type::ptr})
      c.store({"n" + std::to_string(i), type}, answer<std::string>::no_such_name(60s), start);
  }
  EXPECT_EQ(c.size(), 10u);
  EXPECT_EQ(known(c, start, {"n90", record_type::txt}), "no such name");
  EXPECT_EQ(known(c, start, {"n89", record_type::txt}), "unknown");
}

TEST(dns_cache, a_failure_takes_no_absence_away) {
  cache_options options;
  options.stale = 1h;
  cache c(options);
  c.store({"example.test", record_type::ptr}, answer<std::string>::no_such_name(60s), start);
  EXPECT_EQ(known(c, start + 61s), "unknown");
  EXPECT_EQ(as_text(c.store(asks, fails(), start + 61s)).status(), status::no_such_name);
  EXPECT_EQ(known(c, start + 62s), "no such name");
  // Of two that have run out the newer one serves.
  c.store(asks, text("old", 60s), start + 100s);
  c.store({"example.test", record_type::ptr}, answer<std::string>::no_such_name(600s),
          start + 101s);
  EXPECT_EQ(as_text(c.store(asks, fails(), start + 800s)).status(), status::no_such_name);
  cache plain;
  plain.store({"example.test", record_type::ptr}, answer<std::string>::no_such_name(60s), start);
  EXPECT_EQ(as_text(plain.store(asks, fails(), start + 61s)).failure(), failure::timeout);
  EXPECT_EQ(known(plain, start + 62s), "temporary failure");
}

TEST(dns_cache, limits_of_the_ttl) {
  cache_options options;
  options.min_ttl = 10s;
  options.max_ttl = 100s;
  options.max_negative_ttl = 50s;
  cache c(options);
  EXPECT_EQ(as_text(c.store(asks, text("x", 0s), start)).ttl(), 10s);
  EXPECT_EQ(as_text(c.store(asks, text("x", 99s), start)).ttl(), 99s);
  EXPECT_EQ(as_text(c.store(asks, text("x", 101s), start)).ttl(), 100s);
  EXPECT_EQ(as_text(c.store(asks, answer<std::string>::no_data(60s), start)).ttl(), 50s);
  EXPECT_EQ(known(c, start + 49s), "no data");
  EXPECT_EQ(known(c, start + 50s), "unknown");
}

TEST(dns_cache, a_new_answer_takes_the_old_ones_place) {
  cache c;
  c.store(asks, text("old", 60s), start);
  c.store(asks, text("new", 60s), start);
  EXPECT_EQ(known(c, start), "new");
  EXPECT_EQ(c.size(), 1u);
  c.store(asks, text("for now only", 0s), start);
  EXPECT_EQ(known(c, start), "unknown");
}

TEST(dns_cache, failures_are_remembered_briefly) {  // RFC 2308 §7
  cache c;
  EXPECT_EQ(as_text(c.store(asks, fails(failure::server_failure), start)).failure(),
            failure::server_failure);
  const auto again = c.find(asks, start + 4s);
  ASSERT_TRUE(again);
  EXPECT_EQ(as_text(*again).failure(), failure::server_failure);
  EXPECT_EQ(known(c, start + 5s), "unknown");
  EXPECT_EQ(c.counters().failure_hits, 1u);
  cache_options options;
  options.failure_ttl = 0s;
  cache forgetful(options);
  forgetful.store(asks, fails(), start);
  EXPECT_EQ(known(forgetful, start), "unknown");
  EXPECT_EQ(forgetful.size(), 0u);
}

TEST(dns_cache, no_stale_answer_unless_wanted) {
  cache c;
  c.store(asks, text("old", 60s), start);
  EXPECT_EQ(as_text(c.store(asks, fails(), start + 61s)).failure(), failure::timeout);
  EXPECT_EQ(c.counters().stale, 0u);
}

TEST(dns_cache, a_stale_answer_takes_the_place_of_a_failure) {  // RFC 8767
  cache_options options;
  options.stale = 1h;
  options.stale_ttl = 30s;
  cache c(options);
  c.store(asks, text("old", 60s), start);
  auto now = start + 61s;
  EXPECT_EQ(known(c, now), "unknown") << "the servers are asked first";
  const any_answer given = c.store(asks, fails(), now);
  EXPECT_EQ(as_text(given).records().front(), "old");
  EXPECT_EQ(as_text(given).ttl(), 30s);
  EXPECT_EQ(known(c, now + 29s), "old") << "nobody is asked for a while";
  EXPECT_EQ(known(c, now + 30s), "unknown");
  EXPECT_EQ(c.counters().stale, 2u);
  // Its time is bounded, counted from the end of its TTL.
  now = start + 60s + 1h;
  EXPECT_EQ(as_text(c.store(asks, fails(), now - 1s)).records().front(), "old");
  EXPECT_EQ(known(c, now - 1ms), "old");
  EXPECT_EQ(known(c, now), "temporary failure");
  EXPECT_EQ(as_text(c.store(asks, fails(), now)).failure(), failure::timeout);
  c.store(asks, text("new", 60s), now);
  EXPECT_EQ(known(c, now), "new");
}

TEST(dns_cache, what_was_validated_is_never_stale) {
  cache_options options;
  options.stale = 1h;
  cache c(options);
  auto a = answer<std::string>::found({"old"}, 60s);
  a.set_authenticated(true);
  c.store(asks, a, start);
  EXPECT_TRUE(as_text(*c.find(asks, start)).authenticated());
  EXPECT_EQ(as_text(c.store(asks, fails(), start + 61s)).failure(), failure::timeout);
}

TEST(dns_cache, the_least_recently_used_goes_first) {
  cache_options options;
  options.entries = 3;
  cache c(options);
  const auto q = [](int i) { return question{"n" + std::to_string(i), record_type::txt}; };
  for (int i = 0; i < 3; ++i) c.store(q(i), text("x", 60s), start);
  EXPECT_EQ(known(c, start, q(0)), "x");
  c.store(q(3), text("x", 60s), start);
  EXPECT_EQ(known(c, start, q(1)), "unknown");
  for (const int i : {0, 2, 3}) EXPECT_EQ(known(c, start, q(i)), "x") << i;
  EXPECT_EQ(c.size(), 3u);
  EXPECT_EQ(c.counters().evictions, 1u);
}

TEST(dns_cache, octets_are_bounded) {
  cache_options options;
  options.octets = 10000;
  cache c(options);
  const auto q = [](int i) { return question{"n" + std::to_string(i), record_type::txt}; };
  for (int i = 0; i < 100; ++i) {
    c.store(q(i), text(std::string(1000, 'x'), 60s), start);
    EXPECT_LE(c.octets(), options.octets);
    EXPECT_GE(c.octets(), c.size() * 1000);
  }
  EXPECT_GE(c.size(), 5u);
  EXPECT_EQ(c.counters().evictions, 100 - c.size());
  // One that is larger than all drives nobody out.
  const std::size_t before = c.size();
  c.store(asks, text(std::string(20000, 'x'), 60s), start);
  EXPECT_EQ(c.size(), before);
  EXPECT_EQ(known(c, start), "unknown");
  c.clear();
  EXPECT_EQ(c.octets(), 0u);
  EXPECT_EQ(known(c, start, q(99)), "unknown");
}

TEST(dns_cache, none) {
  cache_options options;
  options.entries = 0;
  cache c(options);
  EXPECT_EQ(as_text(c.store(asks, text("x", 60s), start)).records().front(), "x");
  EXPECT_EQ(known(c, start), "unknown");
  EXPECT_EQ(c.size(), 0u);
}

TEST(dns_cache, every_type) {
  cache c;
  c.store({"a", record_type::a}, answer<ip_address>::found({ip_address()}, 60s), start);
  c.store({"a", record_type::mx}, answer<mx_record>::found({{1, "b"}}, 60s), start);
  c.store({"a", record_type::tlsa}, answer<tlsa_record>::found({{1, 2, 3, "d"}}, 60s), start);
  EXPECT_EQ(
      std::get<answer<mx_record>>(*c.find({"a", record_type::mx}, start)).records()[0].exchange,
      "b");
  EXPECT_EQ(std::get<answer<tlsa_record>>(*c.find({"a", record_type::tlsa}, start)).ttl(), 60s);
  EXPECT_TRUE(std::get<answer<ip_address>>(*c.find({"a", record_type::a}, start)).has_records());
}

}  // namespace
}  // namespace gatepost::smtp::dns
