// This header stands alone.
#include "checks/spf/outcome.hpp"

#include <gtest/gtest.h>

namespace gatepost::checks::spf {
namespace {

// RFC 7208 §9.1, RFC 8601 §2.7.2
TEST(SpfOutcome, NamesOfResults) {
  EXPECT_EQ(to_string(result::none), "none");
  EXPECT_EQ(to_string(result::neutral), "neutral");
  EXPECT_EQ(to_string(result::pass), "pass");
  EXPECT_EQ(to_string(result::fail), "fail");
  EXPECT_EQ(to_string(result::softfail), "softfail");
  EXPECT_EQ(to_string(result::temperror), "temperror");
  EXPECT_EQ(to_string(result::permerror), "permerror");
  EXPECT_EQ(to_string(identity::helo), "helo");
  EXPECT_EQ(to_string(identity::mail_from), "mailfrom");
}

TEST(SpfOutcome, IsNoneAtFirst) { EXPECT_EQ(outcome().result, result::none); }

}  // namespace
}  // namespace gatepost::checks::spf
