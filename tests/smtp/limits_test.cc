// This header stands alone.
#include "smtp/limits.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

// RFC 5321 §4.5.3.1 names what every server has to take at the least, and §4.5.3.2 how long it
// waits.
TEST(limits, defaults_are_not_below_the_rfc) {
  const session_limits limits;
  EXPECT_GE(limits.command_line, 512u);                         // §4.5.3.1.4
  EXPECT_GE(limits.auth_line, 12288u);                          // RFC 4954 §4
  EXPECT_GE(limits.message, 64u << 10);                         // §4.5.3.1.7
  EXPECT_GE(limits.recipients, 100u);                           // §4.5.3.1.8
  EXPECT_GE(limits.command_timeout, std::chrono::minutes(5));   // §4.5.3.2.7
  EXPECT_GE(limits.data_timeout, std::chrono::minutes(3));      // §4.5.3.2.5
  EXPECT_LT(limits.processing_time, std::chrono::minutes(10));  // §4.5.3.2.6: the client gives up
  EXPECT_GE(limits.hops, 20u);
}

TEST(limits, a_line_fits_its_buffer) {
  const session_limits limits;
  EXPECT_LT(limits.command_line, limits.command_buffer);
  EXPECT_LT(limits.auth_line, limits.command_buffer);
  EXPECT_LE(limits.command_buffer, limits.read_buffer);
}

}  // namespace
}  // namespace gatepost::smtp
