// This header stands alone.
#include "checks/dkim/lookup.hpp"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <iostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/testing/fake_resolver.hpp"
#include "smtp/testing/run.hpp"
#include "tests/support/json.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::checks::dkim {
namespace {

using std::chrono::system_clock;
using tests::json;

// When the data was made: some of its signatures are from 2026, none has an x= behind it.
const auto now = system_clock::time_point(std::chrono::seconds(1'796'000'000));

report verified(const std::string& message, smtp::testing::fake_resolver& dns,
                verify_options options = {}) {
  return smtp::testing::run(verify(dns, message, options, now));
}

// --- The data set --------------------------------------------------------------------------------

void add_records(smtp::testing::fake_resolver& dns, const json& records,
                 const std::filesystem::path& folder) {
  for (const auto& [name, what] : records.object()) {
    if (name == "$ref") {
      add_records(dns, tests::parse_json(tests::read_file(folder / what.string())), folder);
    } else if (what.is_string()) {
      dns.add_txt(name, {what.string()});
    } else if (what.is_array()) {
      std::vector<std::string> all;
      for (const json& one : what.array()) all.push_back(one.string());
      dns.add_txt(name, all);
    } else if (what["rcode"].string() != "NXDOMAIN") {
      dns.fails(name, what["rcode"].string());
    }
  }
}

bool fits(std::string_view expected, outcome got) {
  const std::string_view text = to_string(got);
  if (expected == text) return true;
  if (expected == "permerror-or-fail") return text == "permerror" || text == "fail";
  if (expected == "pass-or-policy") return text == "pass" || text == "policy";
  if (expected == "not-pass") return text != "pass";
  return expected == "malformed-message" && text == "none";
}

// What is wrong with our report on one message; empty: nothing.
std::string disagreement(const json& test, const std::filesystem::path& folder) {
  smtp::testing::fake_resolver dns;
  add_records(dns, test["dns"], folder);
  const std::string message = tests::read_file(folder / test["message"].string());
  const report r = verified(message, dns);
  std::string said(to_string(r.outcome()));
  for (const signature_result& s : r.signatures())
    said += " [" + std::string(to_string(s.outcome)) + " " + s.reason + "]";
  if (!fits(test["expect"][0].string(), r.outcome())) return said;
  const json* each = test.find("expect_per_signature");
  if (each == nullptr || each->is_null()) return {};
  // Its authors take l= as RFC 6376 lets one.
  verify_options options;
  options.unsigned_octets = outcome::pass;
  const report lax = verified(message, dns, options);
  if (lax.signatures().size() < each->size()) return said;
  for (std::size_t i = 0; i < each->size(); ++i) {
    if (!fits((*each)[i]["state"].string(), lax.signatures()[i].outcome)) return said;
  }
  return {};
}

TEST(DkimLookup, AgreesWithTheDataSet) {
  GATEPOST_REQUIRE_SHARED(path, "dkim/manifest.json");
  const json all = tests::parse_json(tests::read_file(path));
  std::size_t agreed = 0;
  for (const json& test : all.array()) {
    const std::string wrong = disagreement(test, path.parent_path());
    EXPECT_EQ(wrong, "") << test["id"].string() << " expects " << test["expect"][0].string();
    agreed += wrong.empty() ? 1 : 0;
  }
  std::cout << "DKIM data set: " << agreed << " of " << all.size() << " agree\n";
  EXPECT_GT(all.size(), 0u);
}

}  // namespace
}  // namespace gatepost::checks::dkim
