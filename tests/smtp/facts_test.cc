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

TEST(session_facts, a_unix_socket_has_no_client_address_until_a_hop_tells_one) {
  session_facts f;
  EXPECT_TRUE(f.has_client_address());
  f.unix_peer = "/run/mail";
  EXPECT_FALSE(f.has_client_address());
  EXPECT_TRUE(f.from_this_machine());
  f.trusted_hop = true;  // XCLIENT may tell a name and no address
  EXPECT_FALSE(f.has_client_address());
  f.client.address = *parse_ip_address("192.0.2.1");
  EXPECT_TRUE(f.has_client_address());
  EXPECT_FALSE(f.from_this_machine());
}

}  // namespace
}  // namespace gatepost::smtp
