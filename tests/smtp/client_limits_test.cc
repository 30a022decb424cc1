// This header stands alone.
#include "smtp/client_limits.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

using std::chrono::minutes;

// RFC 5321 §4.5.3.2: the least that a client waits.
TEST(client_limits, no_shorter_than_the_rfc_has_it) {
  const client_limits l;
  EXPECT_GE(l.greeting, minutes(5));
  EXPECT_GE(l.mail, minutes(5));
  EXPECT_GE(l.rcpt, minutes(5));
  EXPECT_GE(l.data, minutes(2));
  EXPECT_GE(l.data_block, minutes(3));
  EXPECT_GE(l.final_dot, minutes(10));
}

// Replies of the size that RFC 5321 §4.5.3.1.5 allows do not fill the window while we write.
TEST(client_limits, outstanding_replies_fit_a_receive_window) {
  const client_limits l;
  EXPECT_LE(l.outstanding * reply::max_line, 64u << 10);
  EXPECT_GE(l.reply.line, reply::max_line);
}

}  // namespace
}  // namespace gatepost::smtp
