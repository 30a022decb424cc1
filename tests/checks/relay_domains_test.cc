// This header stands alone.
#include "checks/relay_domains.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "checks/testing.hpp"
#include "smtp/domain.hpp"

namespace gatepost::checks {
namespace {

TEST(DomainTable, NamesAndWhatIsBelowThem) {
  const domain_table t = {"example.test", ".sub.test", "[192.0.2.1]",
                          "b\xc3\xbc"
                          "cher.example"};
  struct {
    const char* domain;
    bool found;
  } const cases[] = {
      {"example.test", true}, {"a.example.test", false}, {"notexample.test", false},
      {"sub.test", false},    {"a.sub.test", true},      {"a.b.sub.test", true},
      {"asub.test", false},   {"test", false},           {"", false},
      {"[192.0.2.1]", true},  {"[192.0.2.2]", false},    {"xn--bcher-kva.example", true},
  };
  for (const auto& c : cases) EXPECT_EQ(t.contains(c.domain), c.found) << c.domain;
  EXPECT_EQ(t.size(), 4u);
}

TEST(DomainTable, AnySpelling) {
  domain_table t;
  EXPECT_TRUE(t.add("EXAMPLE.test"));
  EXPECT_TRUE(t.add("[IPv6:2001:DB8:0::1]"));
  EXPECT_TRUE(t.contains("example.test"));
  EXPECT_TRUE(t.contains(smtp::canonical_domain("[IPv6:2001:db8::1]")));
}

TEST(DomainTable, WhatIsNoDomain) {
  domain_table t;
  for (const char* text :
       {"", ".", "..", "a..b", "a_b.test", ".[192.0.2.1]", "a b", "@example.test"})
    EXPECT_FALSE(t.add(text)) << text;
  EXPECT_EQ(t.size(), 0u);
  EXPECT_THROW((domain_table{"example.test", "a b"}), std::invalid_argument);
}

relay_domains_options options() {
  relay_domains_options o;
  o.domains = {"example.test", ".sub.test"};
  o.trusted = {*smtp::parse_ip_network("198.51.100.0/24")};
  return o;
}

class RelayDomains : public ::testing::Test {
 protected:
  RelayDomains() : check_(t_.add<relay_domains>(options())) {
    t_.facts().client.address = *smtp::parse_ip_address("192.0.2.1");
    t_.mail("<a@elsewhere.test>");
  }

  trial t_;
  relay_domains& check_;
};

TEST_F(RelayDomains, OnlyOurDomains) {
  struct {
    const char* to;
    bool passes;
  } const cases[] = {
      {"<a@example.test>", true},
      {"<a@EXAMPLE.Test>", true},
      {"<a@x.sub.test>", true},
      {"<a@sub.test>", false},
      {"<a@elsewhere.test>", false},
      {"<a@[192.0.2.1]>", false},
      {"<Postmaster>", true},
      {"<postmaster@elsewhere.test>", false},
      {"<@example.test:a@elsewhere.test>", false},  // the route is not the destination
      {"<@elsewhere.test:a@example.test>", true},
      {"<a%elsewhere.test@example.test>", false},
      {"<\"a@elsewhere.test\"@example.test>", false},
      {"<\"a b\"@example.test>", true},
      {"<a+tag@example.test>", true},
  };
  for (const auto& c : cases) EXPECT_EQ(t_.rcpt(c.to).passes(), c.passes) << c.to;
}

TEST_F(RelayDomains, TheReply) {
  EXPECT_EQ(t_.rcpt("<a@elsewhere.test>").reply().to_string(), "550 5.7.1 Relaying denied");
}

TEST_F(RelayDomains, TrustedNetworksSendAnywhere) {
  t_.facts().client.address = *smtp::parse_ip_address("198.51.100.9");
  EXPECT_TRUE(t_.rcpt("<a@elsewhere.test>").passes());
  EXPECT_TRUE(t_.rcpt("<a%b@elsewhere.test>").passes());
  t_.facts().unix_peer = "/run/somebody";
  EXPECT_FALSE(t_.rcpt("<a@elsewhere.test>").passes());
}

TEST(RelayDomainsOptions, UnixSocketsAreTrustedWhereThatIsSaid) {
  for (const bool trusted : {false, true}) {
    relay_domains_options o = options();
    o.trusted = *smtp::parse_network_set("0.0.0.0/0");
    o.trusted_unix = trusted;
    trial t;
    t.add<relay_domains>(std::move(o));
    t.facts().unix_peer = "/run/somebody";
    t.facts().client = {};
    EXPECT_EQ(t.rcpt("<a@elsewhere.test>").passes(), trusted);
  }
}

TEST_F(RelayDomains, AuthenticatedClientsSendAnywhere) {
  t_.facts().auth_identity = "ann";
  EXPECT_TRUE(t_.rcpt("<a@elsewhere.test>").passes());
}

TEST_F(RelayDomains, TheTableIsReplacedWhileSessionsRun) {
  EXPECT_FALSE(t_.rcpt("<a@new.test>").passes());
  check_.replace({"new.test"});
  EXPECT_TRUE(t_.rcpt("<a@new.test>").passes());
  EXPECT_FALSE(t_.rcpt("<a@example.test>").passes());
}

TEST(RelayDomainsOptions, CanBeSwitched) {
  relay_domains_options o = options();
  o.authenticated = false;
  o.routed_local_parts = true;
  trial t;
  t.add<relay_domains>(std::move(o));
  t.facts().auth_identity = "ann";
  t.mail("<>");
  EXPECT_FALSE(t.rcpt("<a@elsewhere.test>").passes());
  EXPECT_TRUE(t.rcpt("<a%elsewhere.test@example.test>").passes());
}

TEST(RelayDomainsOptions, NothingIsOursByDefault) {
  trial t;
  t.add<relay_domains>(relay_domains_options{});
  t.facts().client.address = *smtp::parse_ip_address("127.0.0.1");
  t.mail("<>");
  EXPECT_FALSE(t.rcpt("<a@example.test>").passes());
  EXPECT_FALSE(t.rcpt("<a@localhost>").passes());
}

}  // namespace
}  // namespace gatepost::checks
