// This header stands alone.
#include "checks/arc/lookup.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <string>

#include "smtp/testing/fake_resolver.hpp"
#include "smtp/testing/run.hpp"
#include "tests/support/json.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::checks::arc {
namespace {

using tests::json;

const std::chrono::system_clock::time_point now(std::chrono::seconds(1'796'000'000));

// What the suite has; fewer would mean that cases were lost on the way.
constexpr std::size_t cases_of_the_suite = 86;

TEST(ArcLookup, AgreesWithTheTestSuite) {
  GATEPOST_REQUIRE_SHARED(path, "arc/validation.json");
  const json all = tests::parse_json(tests::read_file(path));
  std::size_t agreed = 0;
  std::size_t count = 0;
  for (const json& scenario : all.array()) {
    smtp::testing::fake_resolver dns;
    for (const auto& [name, text] : scenario["txt-records"].object())
      dns.add_txt(name, {text.string()});
    for (const auto& [name, test] : scenario["tests"].object()) {
      const report r = smtp::testing::run(validate(dns, test["message"].string(), {}, now));
      const std::string expected = test["cv"].string();
      const std::string got(to_string(r.chain));
      const bool good =
          expected == got || (expected == "fail-or-none" && r.chain != chain_status::pass);
      EXPECT_TRUE(good) << name << " expects " << expected << ", got " << got << ": " << r.reason;
      agreed += good ? 1 : 0;
      ++count;
    }
  }
  std::cout << "ARC validation suite: " << agreed << " of " << count << " agree\n";
  EXPECT_EQ(count, cases_of_the_suite);
}

TEST(ArcLookup, AKeyThatCannotBeFetched) {
  GATEPOST_REQUIRE_SHARED(path, "arc/validation.json");
  const json all = tests::parse_json(tests::read_file(path));
  smtp::testing::fake_resolver dns;
  dns.fails("dummy._domainkey.example.org", "timeout");
  const std::string message = all[0]["tests"]["cv_pass_i2_1"]["message"].string();
  const report r = smtp::testing::run(validate(dns, message, {}, now));
  EXPECT_EQ(r.chain, chain_status::fail);
  EXPECT_TRUE(r.temporary);
}

}  // namespace
}  // namespace gatepost::checks::arc
