// This header stands alone.
#include "smtp/facts.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

TEST(facts, nobody_is_authenticated_or_trusted_at_first) {
  session_facts facts;
  EXPECT_FALSE(facts.authenticated());
  EXPECT_FALSE(facts.trusted_hop);
  EXPECT_FALSE(facts.tls.has_value());
  EXPECT_EQ(facts.protocol, protocol::none);
  facts.auth_identity = "alice";
  EXPECT_TRUE(facts.authenticated());
}

}  // namespace
}  // namespace gatepost::smtp
