// This header stands alone.
#include "smtp/channel_switch.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace gatepost::smtp {
namespace {

session_facts with_certificate() {
  session_facts f;
  f.tls.emplace();
  f.tls->peer.present = true;
  f.tls->peer.subject = "CN=relay.example.test,OU=a\\,CN=admin,O=Example\\+CN=root";
  f.tls->peer.sha256 = std::string(60, 'a') + "01ef";
  f.tls->peer.dns_names = {"relay.example.test", "*.printers.test"};
  f.tls->peer.emails = {"ann@example.test"};
  f.tls->peer_verified = true;
  return f;
}

TEST(channel_switch, by_identity) {
  session_facts f;
  EXPECT_FALSE(fits({.identity = "*", .channel = "c"}, f));
  EXPECT_FALSE(fits({.channel = "c"}, f));
  f.auth_identity = "ann";
  EXPECT_TRUE(fits({.identity = "*", .channel = "c"}, f));
  EXPECT_TRUE(fits({.identity = "ann", .channel = "c"}, f));
  EXPECT_FALSE(fits({.identity = "Ann", .channel = "c"}, f));
  EXPECT_FALSE(fits({.identity = "an", .channel = "c"}, f));
  EXPECT_FALSE(fits({.channel = "c"}, f));
  EXPECT_FALSE(fits({.certificate = "*", .channel = "c"}, f));
  EXPECT_FALSE(fits({.certificate = "ann", .channel = "c"}, f));
}

TEST(channel_switch, by_certificate) {
  session_facts f = with_certificate();
  for (const std::string& name :
       {std::string("*"), std::string("relay.example.test"), std::string("Relay.Example.TEST"),
        std::string("*.printers.test"), std::string("ann@example.test"),
        std::string(60, 'A') + "01EF", f.tls->peer.subject})
    EXPECT_TRUE(fits({.certificate = name, .channel = "c"}, f)) << name;
  // A name of the subject is the value of a CN, and nothing that only looks like one.
  for (const std::string name : {"admin", "root", "Example", "CN=relay.example.test", "relay",
                                 "one.printers.test", "O=Example", "a\\,CN=admin"})
    EXPECT_FALSE(fits({.certificate = name, .channel = "c"}, f)) << name;
  f.tls->peer.dns_names.clear();
  EXPECT_TRUE(fits({.certificate = "relay.example.test", .channel = "c"}, f));
  f.tls->peer_verified = false;
  EXPECT_FALSE(fits({.certificate = "*", .channel = "c"}, f));
  EXPECT_FALSE(fits({.certificate = "relay.example.test", .channel = "c"}, f));
  f.tls->peer_verified = true;
  f.tls->peer.present = false;
  EXPECT_FALSE(fits({.certificate = "*", .channel = "c"}, f));
  f.tls.reset();
  EXPECT_FALSE(fits({.certificate = "*", .channel = "c"}, f));
}

TEST(channel_switch, both_have_to_fit_and_the_first_rule_wins) {
  session_facts f = with_certificate();
  const std::array<channel_switch, 3> rules = {
      channel_switch{.identity = "ann", .certificate = "relay.example.test", .channel = "both"},
      channel_switch{.certificate = "*", .channel = "certificate"},
      channel_switch{.identity = "*", .channel = "identity"}};
  EXPECT_EQ(find_switch(rules, f)->channel, "certificate");
  f.auth_identity = "ann";
  EXPECT_EQ(find_switch(rules, f)->channel, "both");
  f.tls.reset();
  EXPECT_EQ(find_switch(rules, f)->channel, "identity");
  f.auth_identity.clear();
  EXPECT_EQ(find_switch(rules, f), nullptr);
}

}  // namespace
}  // namespace gatepost::smtp
