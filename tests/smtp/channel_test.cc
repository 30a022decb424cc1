// This header stands alone.
#include "smtp/channel.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

TEST(channel, defaults_are_those_of_a_public_server) {
  const channel c;
  EXPECT_EQ(c.line_ends, line_ends::strict);
  EXPECT_FALSE(c.auth_without_tls);
  EXPECT_FALSE(c.require_tls);  // RFC 3207 §4: not for a public MX
  EXPECT_TRUE(c.xclient_from.empty());
  EXPECT_EQ(c.merge, merge_rule::refuse_if_any);
  EXPECT_EQ(c.extensions, default_extensions);
}

}  // namespace
}  // namespace gatepost::smtp
