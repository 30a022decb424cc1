// This header stands alone.
#include "checks/dkim/key_set.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/checks/dkim/samples.hpp"

namespace gatepost::checks::dkim {
namespace {

using std::chrono::hours;
const std::chrono::system_clock::time_point start(std::chrono::seconds(1'800'000'000));

signing_key key(const char* pem, const char* domain, const char* selector) {
  return *signing_key::make(domain, selector, *private_key::from_pem(pem));
}

std::vector<std::string> selectors(const key_set& keys, const char* domain, int hour) {
  std::vector<std::string> out;
  for (const signing_key* k : keys.keys_for(domain, start + hours(hour)))
    out.push_back(k->selector);
  return out;
}

using strings = std::vector<std::string>;

TEST(DkimKeySet, TheKeyWhoseTimeCameLastSigns) {
  key_set keys;
  EXPECT_TRUE(keys.empty());
  keys.add(key(samples::rsa_pem, "example.test", "next"), start + hours(10));
  keys.add(key(samples::rsa_pem, "example.test", "old"));
  keys.add(key(samples::rsa_pem, "example.test", "now"), start);
  EXPECT_EQ(selectors(keys, "example.test", -1), (strings{"old"}));
  EXPECT_EQ(selectors(keys, "example.test", 0), (strings{"now"}));
  EXPECT_EQ(selectors(keys, "example.test", 9), (strings{"now"}));
  EXPECT_EQ(selectors(keys, "example.test", 10), (strings{"next"}));
}

TEST(DkimKeySet, OneKeyOfEachType) {
  key_set keys;
  keys.add(key(samples::ed25519_pem, "example.test", "ed"));
  keys.add(key(samples::rsa_pem, "example.test", "rsa"), start);
  EXPECT_EQ(selectors(keys, "example.test", 0), (strings{"rsa", "ed"}));
  EXPECT_EQ(selectors(keys, "example.test", -1), (strings{"ed"}));
}

TEST(DkimKeySet, TheNearestDomainAbove) {
  key_set keys;
  keys.add(key(samples::rsa_pem, "example.test", "top"));
  keys.add(key(samples::rsa_pem, "sub.example.test", "sub"));
  EXPECT_EQ(selectors(keys, "EXAMPLE.test", 0), (strings{"top"}));
  EXPECT_EQ(selectors(keys, "other.example.test", 0), (strings{"top"}));
  EXPECT_EQ(selectors(keys, "a.sub.example.test", 0), (strings{"sub"}));
  EXPECT_EQ(selectors(keys, "xexample.test", 0), strings{});
  EXPECT_EQ(selectors(keys, "test", 0), strings{});
  EXPECT_EQ(selectors(keys, "", 0), strings{});
}

}  // namespace
}  // namespace gatepost::checks::dkim
