// This header stands alone.
#include "checks/helo_dns.hpp"

#include <gtest/gtest.h>

#include <string>

#include "checks/testing.hpp"
#include "smtp/testing/fake_resolver.hpp"

namespace gatepost::checks {
namespace {

using namespace std::chrono_literals;
using smtp::testing::fake_resolver;

smtp::ip_address ip(const char* text) { return *smtp::parse_ip_address(text); }

void fill(fake_resolver& dns) {
  dns.add_a("mail.example", {"192.0.2.9", "192.0.2.1"}).add_aaaa("mail.example", {"2001:db8::1"});
  dns.add_a("other.example", {"192.0.2.99"});
  dns.add_aaaa("six.example", {"2001:db8::1"});
  dns.add_mx("onlymx.example", {{10, "mail.example"}});
  dns.add_txt("text.example", {"nothing but text"});
  dns.add_a("xn--bcher-kva.example", {"192.0.2.1"});
  dns.fails("slow.example", "timeout");
}

smtp::verdict judge(fake_resolver& dns, const std::string& helo, helo_dns_options options = {},
                    const char* client = "192.0.2.1") {
  trial t;
  t.add<helo_dns>(dns, std::move(options));
  t.facts().client.address = ip(client);
  t.connect();
  EXPECT_TRUE(t.helo(helo).passes());
  t.mail("<ann@example.test>");
  return t.verdicts().back().verdict;
}

double score_of(const smtp::verdict& v) { return v.has_effects() ? v.what_else().score : 0; }

TEST(HeloDns, ScoresByDefault) {
  struct {
    const char* helo;
    double score;
    const char* client = "192.0.2.1";
  } const cases[] = {
      {"mail.example", 0},
      {"MAIL.Example", 0},
      {"mail.example", 0, "2001:db8::1"},
      {"mail.example", 0, "::ffff:192.0.2.1"},
      {"xn--bcher-kva.example", 0},
      {"other.example", 0.5},
      {"six.example", 0.5},
      {"onlymx.example", 0.5},
      {"text.example", 2},
      {"nowhere.example", 2},
      {"slow.example", 0},
  };
  for (const auto& c : cases) {
    fake_resolver dns;
    fill(dns);
    const smtp::verdict v = judge(dns, c.helo, {}, c.client);
    EXPECT_TRUE(v.passes()) << c.helo;
    EXPECT_EQ(score_of(v), c.score) << c.helo << ' ' << c.client;
  }
}

// RFC 5321 §4.1.4: no option refuses because the name does not match.
TEST(HeloDns, NeverRefusesAMismatch) {
  helo_dns_options o;
  o.unknown.response = response::refuse;
  o.on_trouble = dns_trouble::defer;
  fake_resolver dns;
  fill(dns);
  EXPECT_TRUE(judge(dns, "other.example", o).passes());
  EXPECT_TRUE(judge(dns, "onlymx.example", o).passes());
  EXPECT_EQ(judge(dns, "nowhere.example", o).reply().to_string(),
            "550 5.7.1 The name in HELO, nowhere.example, is not in the DNS "
            "(RFC 5321 section 2.3.5)");
  EXPECT_EQ(judge(dns, "slow.example", o).reply().code(), 451);
}

TEST(HeloDns, WhatIsNoNameIsNotAskedAbout) {
  fake_resolver dns;
  for (const char* helo : {"[192.0.2.1]", "[IPv6:2001:db8::1]", "192.0.2.1", "a_b.example", "a..b"})
    EXPECT_EQ(score_of(judge(dns, helo)), 0) << helo;
  EXPECT_TRUE(dns.asked().empty());
}

TEST(HeloDns, AsksForBothFamiliesAtOnceAndForMxOnlyIfItHasTo) {
  fake_resolver dns;
  fill(dns);
  dns.delay(1ms);
  trial t;
  t.add<helo_dns>(dns);
  t.facts().client.address = ip("192.0.2.1");
  t.connect();
  t.helo("mail.example");
  EXPECT_EQ(dns.open(), 2u);
  t.mail("<ann@example.test>");
  EXPECT_EQ(dns.asked().size(), 2u);
  // EHLO again, as after STARTTLS: nothing new.
  t.helo("mail.example");
  t.mail("<ann@example.test>");
  EXPECT_EQ(dns.asked().size(), 2u);
  t.helo("nowhere.example");
  t.mail("<ann@example.test>");
  EXPECT_EQ(dns.asked().back(), "MX nowhere.example");
  EXPECT_EQ(dns.asked().size(), 5u);
}

class note_reader final : public check {
 public:
  explicit note_reader(helo_dns_result& seen) : seen_(seen) {}
  std::string_view name() const override { return "note_reader"; }
  asio::awaitable<verdict> on_message(context& ctx) override {
    if (const auto* note = ctx.transaction_notes().find<helo_dns_result>()) seen_ = *note;
    co_return verdict::pass();
  }

 private:
  helo_dns_result& seen_;
};

// Behind our own border, it is the name that the client gave there.
TEST(HeloDns, OfTheTrueClient) {
  fake_resolver dns;
  fill(dns);
  true_client_options behind;
  behind.upstreams = *smtp::parse_network_set("198.51.100.1");
  helo_dns_options o;
  o.client = true_client(behind);
  helo_dns_result seen;
  trial t;
  t.add<helo_dns>(dns, o);
  t.add<note_reader>(seen);
  t.facts().client.address = ip("198.51.100.1");
  t.connect();
  t.helo("border.example");
  t.mail("<ann@example.test>");
  EXPECT_TRUE(dns.asked().empty());
  t.message("Received: from mail.example (x [192.0.2.1]) by border.example; x\r\n\r\n");
  EXPECT_EQ(seen.status(), helo_dns_status::match);
  EXPECT_EQ(seen.name(), "mail.example");
}

}  // namespace
}  // namespace gatepost::checks
