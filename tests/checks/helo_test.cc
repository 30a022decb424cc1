// This header stands alone.
#include "checks/helo.hpp"

#include <gtest/gtest.h>

#include <string>

#include "checks/testing.hpp"

namespace gatepost::checks {
namespace {

smtp::ip_address ip(const char* text) { return *smtp::parse_ip_address(text); }

helo_options ours() {
  helo_options o;
  o.own_names.push_back("MX.Example.test");
  o.own_addresses = {ip("198.51.100.7"), ip("2001:db8::25")};
  return o;
}

// The code of the reply; 0 where it passes.
int judge(const std::string& name, helo_options options = ours(),
          const char* client = "192.0.2.1") {
  trial t;
  t.add<helo>(std::move(options));
  t.facts().client.address = ip(client);
  t.facts().local.address = ip("198.51.100.1");
  return t.helo(name).reply().code();
}

TEST(Helo, WithTheDefaults) {
  struct {
    const char* name;
    int code;
  } const cases[] = {
      {"mail.example.com", 0},
      {"MAIL.Example.COM", 0},
      {"localhostess", 0},
      {"xn--bcher-kva.example", 0},
      {"[192.0.2.1]", 0},
      {"[192.0.2.99]", 0},  // behind NAT
      {"[IPv6:2001:db8::1]", 0},
      {"[10.0.0.1]", 0},
      {"mail_1.example.com", 501},  // RFC 5321 §4.1.2: no underscore
      {"-mail.example.com", 501},
      {"mail..example.com", 501},
      {"[nonsense]", 501},
      {"[192.0.2.1", 501},
      {"b\xc3\xbc"
       "cher.example",
       501},  // RFC 6531 §3.7.1: A-labels here
      {"192.0.2.1", 501},
      {"2001:db8::1", 501},
      {"mx.example.test", 550},
      {"mX.eXample.test", 550},
      {"localhost", 550},
      {"[198.51.100.7]", 550},
      {"[198.51.100.1]", 550},  // the address that it has connected to
      {"[IPv6:2001:db8::25]", 550},
      {"[IPv6:2001:DB8:0::25]", 550},
      {"[IPv6:::ffff:198.51.100.7]", 550},
  };
  for (const auto& c : cases) EXPECT_EQ(judge(c.name), c.code) << c.name;
}

TEST(Helo, TestsCanBeSwitched) {
  helo_options off = ours();
  off.syntax = off.bare_address = off.self_claim = false;
  for (const char* name : {"mail_1.example.com", "192.0.2.1", "mx.example.test", "[198.51.100.7]"})
    EXPECT_EQ(judge(name, off), 0) << name;

  helo_options strict = ours();
  strict.fully_qualified = strict.literal_mismatch = true;
  EXPECT_EQ(judge("mailhost", strict), 504);
  EXPECT_EQ(judge("mail.example.com", strict), 0);
  EXPECT_EQ(judge("[192.0.2.99]", strict), 550);
  EXPECT_EQ(judge("[192.0.2.1]", strict), 0);
  EXPECT_EQ(judge("[IPv6:2001:db8::1]", strict, "2001:db8::1"), 0);
}

TEST(Helo, ABareAddressOfOursIsAClaimToo) {
  helo_options o = ours();
  o.bare_address = false;
  EXPECT_EQ(judge("198.51.100.7", o), 550);
  EXPECT_EQ(judge("192.0.2.99", o), 0);
}

TEST(Helo, TheReplySaysTheName) {
  trial t;
  t.add<helo>(ours());
  t.facts().client.address = ip("192.0.2.1");
  EXPECT_EQ(t.helo("mx.example.test").reply().to_string(),
            "550 5.7.1 HELO mx.example.test: this is us, not you");
}

TEST(Helo, SomeAreNotLookedAt) {
  EXPECT_EQ(judge("localhost", ours(), "127.0.0.1"), 0);
  EXPECT_EQ(judge("[198.51.100.7]", ours(), "198.51.100.7"), 0);  // we ourselves
  trial t;
  t.add<helo>(ours());
  t.facts().client.address = ip("192.0.2.1");
  t.facts().auth_identity = "somebody";
  EXPECT_TRUE(t.helo("localhost").passes());
  t.facts().auth_identity.clear();
  t.facts().unix_peer = "/run/proxy";
  EXPECT_TRUE(t.helo("localhost").passes());
  t.facts().trusted_hop = true;  // who speaks for a stranger
  EXPECT_FALSE(t.helo("localhost").passes());
}

}  // namespace
}  // namespace gatepost::checks
