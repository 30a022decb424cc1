// This header stands alone.
#include "checks/iprev.hpp"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <string>
#include <vector>

#include "smtp/testing/fake_resolver.hpp"
#include "tests/support/run.hpp"

namespace gatepost::checks {
namespace {

using smtp::testing::fake_resolver;

smtp::ip_address ip(const char* text) { return *smtp::parse_ip_address(text); }

iprev_result find(fake_resolver& dns, const char* address, std::size_t names = max_iprev_names) {
  asio::io_context io(1);
  return testing::run(io, find_iprev(dns, ip(address), names));
}

// RFC 8601 §2.7.3
TEST(Iprev, PassesWhereANameLeadsBack) {
  fake_resolver dns;
  dns.add_ptr("192.0.2.1", {"Mail.Example.TEST."}).add_a("mail.example.test", {"192.0.2.1"});
  dns.add_ptr("2001:db8::1", {"six.example.test"})
      .add_aaaa("six.example.test", {"2001:db8::2", "2001:db8::1"});
  EXPECT_EQ(find(dns, "192.0.2.1").status(), iprev_status::pass);
  EXPECT_EQ(find(dns, "192.0.2.1").name(), "mail.example.test");
  EXPECT_EQ(find(dns, "::ffff:192.0.2.1").name(), "mail.example.test");
  EXPECT_EQ(find(dns, "2001:db8::1").name(), "six.example.test");
}

TEST(Iprev, SaysWhyItDoesNot) {
  fake_resolver dns;
  dns.add_ptr("192.0.2.1", {"other.example", "gone.example"})
      .add_a("other.example", {"192.0.2.99"});
  dns.add_ptr("192.0.2.2", {"six.example"}).add_aaaa("six.example", {"2001:db8::1"});
  dns.add_ptr("192.0.2.3", {"slow.example", "other.example"}).fails("slow.example", "SERVFAIL");
  dns.fails("4.2.0.192.in-addr.arpa", "timeout");
  struct {
    const char* address;
    iprev_status status;
    const char* name;
  } const cases[] = {
      {"192.0.2.1", iprev_status::fail, "other.example"},
      {"192.0.2.2", iprev_status::fail, "six.example"},
      {"192.0.2.3", iprev_status::temperror, "slow.example"},
      {"192.0.2.4", iprev_status::temperror, ""},
      {"192.0.2.5", iprev_status::permerror, ""},
      {"2001:db8::5", iprev_status::permerror, ""},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(find(dns, c.address).status(), c.status) << c.address;
    EXPECT_EQ(find(dns, c.address).name(), c.name) << c.address;
  }
}

TEST(Iprev, OneNameThatLeadsBackIsEnough) {
  fake_resolver dns;
  dns.add_ptr("192.0.2.1", {"slow.example", "other.example", "good.example"})
      .fails("slow.example", "timeout")
      .add_a("other.example", {"192.0.2.99"})
      .add_a("good.example", {"192.0.2.1"});
  EXPECT_EQ(find(dns, "192.0.2.1").status(), iprev_status::pass);
  EXPECT_EQ(find(dns, "192.0.2.1").name(), "good.example");
}

TEST(Iprev, OnlySoManyNamesAreLookedAt) {
  fake_resolver dns;
  std::vector<std::string> names;
  for (int i = 0; i < 12; ++i) names.push_back("n" + std::to_string(i) + ".example");
  dns.add_ptr("192.0.2.1", names).add_a("n10.example", {"192.0.2.1"});
  EXPECT_EQ(find(dns, "192.0.2.1").status(), iprev_status::fail);
  EXPECT_EQ(dns.asked().size(), 1 + max_iprev_names);
  EXPECT_EQ(find(dns, "192.0.2.1", 11).status(), iprev_status::pass);
}

TEST(Iprev, WhatIsNoHostNameIsNotAskedAbout) {
  fake_resolver dns;
  dns.add_ptr("192.0.2.1", {"a b.example", "x\r\ny", "", std::string(300, 'a'), "*.example"});
  EXPECT_EQ(find(dns, "192.0.2.1").status(), iprev_status::fail);
  EXPECT_EQ(find(dns, "192.0.2.1").name(), "");
  for (const std::string& question : dns.asked())
    EXPECT_TRUE(question.starts_with("PTR ")) << question;
}

TEST(Iprev, HasTheWordsOfItsRfc) {
  EXPECT_EQ(to_string(iprev_status::pass), "pass");
  EXPECT_EQ(to_string(iprev_status::fail), "fail");
  EXPECT_EQ(to_string(iprev_status::temperror), "temperror");
  EXPECT_EQ(to_string(iprev_status::permerror), "permerror");
}

}  // namespace
}  // namespace gatepost::checks
