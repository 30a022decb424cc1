// The test suite of RFC 7208, case by case (openspf.org, release 2014.04).
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <string>

#include "checks/spf/evaluate.hpp"
#include "checks/spf/record_cache.hpp"
#include "smtp/ip.hpp"
#include "tests/checks/spf/zone.hpp"
#include "tests/support/json.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::checks::spf {
namespace {

// What the suite has; fewer would mean that cases were lost on the way.
constexpr int cases_of_the_suite = 203;

std::string right_result(const tests::json& expected, const outcome& got) {
  std::string all;
  for (const tests::json& e : expected.array()) {
    if (e.string() == to_string(got.result)) return {};
    all += (all.empty() ? "" : " or ") + e.string();
  }
  return "expected " + all + ", got " + std::string(to_string(got.result)) +
         (got.problem.empty() ? "" : " (" + got.problem + ")");
}

std::string right_explanation(const tests::json& test, const outcome& got) {
  const auto* expected = test.find("explanation");
  if (expected == nullptr) return {};
  // DEFAULT: the domain has none that counts.
  const std::string wanted = expected->string() == "DEFAULT" ? "" : expected->string();
  return got.explanation == wanted ? ""
                                   : "expected \"" + wanted + "\", got \"" + got.explanation + '"';
}

// What is wrong, or nothing. `records` may be nullptr.
std::string run_case(const tests::json& zone_source, const tests::json& test,
                     record_cache* records) {
  zone z = zone::from_json(zone_source);
  const auto client = smtp::parse_ip_address(test["host"].string());
  if (!client) return "bad address";
  evaluation_options options;
  options.records = records;
  const outcome got = z.evaluate(
      query::mail_from(*client, test["mailfrom"].string(), test["helo"].string()), options);
  const std::string wrong = right_result(test["expect"], got);
  return wrong.empty() ? right_explanation(test, got) : wrong;
}

void run_suite(const std::string& path, record_cache* records) {
  const tests::json suite = tests::parse_json(tests::read_file(path));
  int right = 0;
  int all = 0;
  for (const tests::json& scenario : suite.array()) {
    std::printf("%s\n", scenario["name"].string().c_str());
    for (const tests::json& test : scenario["tests"].array()) {
      const std::string wrong = run_case(scenario["zone"], test, records);
      const std::string& id = test["id"].string();
      std::printf("  %-28s %s\n", id.c_str(), wrong.empty() ? "ok" : wrong.c_str());
      EXPECT_EQ(wrong, "") << id;
      ++all;
      if (wrong.empty()) ++right;
    }
  }
  std::printf("%d of %d\n", right, all);
  EXPECT_EQ(all, cases_of_the_suite);
  EXPECT_EQ(right, all);
}

TEST(SpfSuite, Rfc7208) {
  GATEPOST_REQUIRE_SHARED(path, "spf/rfc7208-tests.json");
  run_suite(path, nullptr);
}

// One cache for all zones: what was read for one domain serves any other.
TEST(SpfSuite, Rfc7208WithRecordsReadBefore) {
  GATEPOST_REQUIRE_SHARED(path, "spf/rfc7208-tests.json");
  record_cache records;
  run_suite(path, &records);
  const std::size_t size = records.size();
  const auto hits = records.counters().hits;
  run_suite(path, &records);
  EXPECT_EQ(records.size(), size);
  EXPECT_GE(records.counters().hits - hits, size);
}

}  // namespace
}  // namespace gatepost::checks::spf
