// This header stands alone.
#include "smtp/tls/peer.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace gatepost::smtp {
namespace {

// They are handed to coroutines, and g++ 12 destroys temporary aggregates there twice.
static_assert(!std::is_aggregate_v<tls_peer>);
static_assert(!std::is_aggregate_v<verify_answer>);

TEST(verify_answer, is_no_until_somebody_says_yes) {
  EXPECT_FALSE(verify_answer{}.accepted);
  EXPECT_TRUE(verify_answer{true}.accepted);
  EXPECT_EQ((verify_answer{false, "why"}.reason), "why");
  EXPECT_FALSE(verify_request{}.trusted);
}

TEST(tls_peer, leaves_the_choice_to_the_context) {
  const tls_peer peer{"mx.example.test"};
  EXPECT_EQ(peer.server_name, "mx.example.test");
  EXPECT_FALSE(peer.verify.has_value());
  EXPECT_FALSE(peer.hook);
  EXPECT_EQ(peer.resume, nullptr);
  EXPECT_FALSE(peer.keep_session);
}

}  // namespace
}  // namespace gatepost::smtp
