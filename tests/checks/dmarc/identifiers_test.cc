// This header stands alone.
#include "checks/dmarc/identifiers.hpp"

#include <gtest/gtest.h>

namespace gatepost::checks::dmarc {
namespace {

TEST(Identifiers, AreLeftAsANote) {
  notes transaction;
  identifiers_of(transaction).spf = authenticated_spf{"example.com", auth_result::pass};
  identifiers_of(transaction).dkim.push_back({"example.net", "s1", auth_result::fail});
  const auto* found = transaction.find<identifiers>();
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->spf->domain, "example.com");
  EXPECT_EQ(found->dkim.size(), 1u);
  EXPECT_FALSE(found->arc);
}

TEST(Identifiers, ResultsHaveTheNamesOfRfc8601) {
  EXPECT_EQ(to_string(auth_result::none), "none");
  EXPECT_EQ(to_string(auth_result::pass), "pass");
  EXPECT_EQ(to_string(auth_result::fail), "fail");
  EXPECT_EQ(to_string(auth_result::softfail), "softfail");
  EXPECT_EQ(to_string(auth_result::neutral), "neutral");
  EXPECT_EQ(to_string(auth_result::policy), "policy");
  EXPECT_EQ(to_string(auth_result::temperror), "temperror");
  EXPECT_EQ(to_string(auth_result::permerror), "permerror");
}

}  // namespace
}  // namespace gatepost::checks::dmarc
