// This header stands alone.
#include "smtp/tls/facts.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace gatepost::smtp {
namespace {

// Coroutines return them, and g++ 12 destroys temporary aggregates there twice.
static_assert(!std::is_aggregate_v<tls_facts>);
static_assert(!std::is_aggregate_v<certificate_facts>);

TEST(tls_facts, nothing_is_claimed_that_nobody_has_found_out) {
  const tls_facts facts;
  EXPECT_FALSE(facts.peer_verified);
  EXPECT_FALSE(facts.peer.present);
  EXPECT_FALSE(facts.resumed);
  EXPECT_EQ(facts.cipher_bits, 0);
  EXPECT_EQ(facts.version, "");
}

}  // namespace
}  // namespace gatepost::smtp
