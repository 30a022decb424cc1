// This header stands alone.
#include "checks/arc/result.hpp"

#include <gtest/gtest.h>

namespace gatepost::checks::arc {
namespace {

// RFC 8617 §4.4
TEST(ArcResult, Words) {
  EXPECT_EQ(to_string(chain_status::none), "none");
  EXPECT_EQ(to_string(chain_status::pass), "pass");
  EXPECT_EQ(to_string(chain_status::fail), "fail");
  EXPECT_EQ(report().chain, chain_status::none);
}

}  // namespace
}  // namespace gatepost::checks::arc
