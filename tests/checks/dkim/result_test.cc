// This header stands alone.
#include "checks/dkim/result.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace gatepost::checks::dkim {
namespace {

outcome of(const std::vector<outcome>& each) {
  std::vector<signature_result> results(each.size());
  for (std::size_t i = 0; i < each.size(); ++i) results[i].outcome = each[i];
  return report(std::move(results)).outcome();
}

TEST(DkimResult, OneWordForAll) {
  EXPECT_EQ(of({}), outcome::none);
  EXPECT_EQ(of({outcome::fail, outcome::pass, outcome::permerror}), outcome::pass);
  EXPECT_EQ(of({outcome::fail, outcome::temperror}), outcome::temperror);
  EXPECT_EQ(of({outcome::permerror, outcome::fail}), outcome::fail);
  EXPECT_EQ(of({outcome::permerror, outcome::policy}), outcome::policy);
  EXPECT_EQ(of({outcome::permerror, outcome::neutral}), outcome::neutral);
  EXPECT_EQ(of({outcome::permerror}), outcome::permerror);
}

// RFC 8601 §2.7.1
TEST(DkimResult, Words) {
  EXPECT_EQ(to_string(outcome::none), "none");
  EXPECT_EQ(to_string(outcome::pass), "pass");
  EXPECT_EQ(to_string(outcome::fail), "fail");
  EXPECT_EQ(to_string(outcome::policy), "policy");
  EXPECT_EQ(to_string(outcome::neutral), "neutral");
  EXPECT_EQ(to_string(outcome::temperror), "temperror");
  EXPECT_EQ(to_string(outcome::permerror), "permerror");
}

}  // namespace
}  // namespace gatepost::checks::dkim
