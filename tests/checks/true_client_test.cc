// This header stands alone.
#include "checks/true_client.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gatepost::checks {
namespace {

smtp::ip_address ip(const char* text) { return *smtp::parse_ip_address(text); }

smtp::session_facts from(const char* address) {
  smtp::session_facts facts;
  facts.channel = "default";
  facts.client.address = facts.peer.address = ip(address);
  facts.helo = "helo.example";
  return facts;
}

true_client_options behind_a_border() {
  true_client_options o;
  o.upstreams = *smtp::parse_network_set("198.51.100.0/28, 10.0.0.0/8, 2001:db8:1::/48");
  return o;
}

seen_client by_header(const std::string& header, const char* peer = "198.51.100.1",
                      const true_client_options& options = behind_a_border()) {
  const auto read = smtp::read_header(header);
  return true_client(options).find(from(peer), read->fields);
}

TEST(TrueClient, IsTheOtherEndOfTheConnection) {
  const seen_client who = true_client().find(from("192.0.2.1"));
  EXPECT_TRUE(who.known());
  EXPECT_EQ(who.address, ip("192.0.2.1"));
  EXPECT_EQ(who.helo, "helo.example");
  EXPECT_EQ(true_client().find(from("::ffff:192.0.2.1")).address, ip("192.0.2.1"));
  EXPECT_EQ(true_client().find(from("2001:db8::1")).address, ip("2001:db8::1"));
}

TEST(TrueClient, IsWhomAProxyOrXclientTellsOf) {
  smtp::session_facts facts = from("198.51.100.1");
  facts.client.address = ip("192.0.2.1");
  facts.trusted_hop = true;
  const seen_client who = true_client(behind_a_border()).find(facts);
  EXPECT_TRUE(who.known());
  EXPECT_EQ(who.address, ip("192.0.2.1"));
  // By a Unix socket as well.
  facts.unix_peer = "/run/mta.sock";
  EXPECT_TRUE(true_client(behind_a_border()).find(facts).known());
}

TEST(TrueClient, SomeAreNeverJudged) {
  const auto why = [](const smtp::session_facts& facts, true_client_options options = {}) {
    const seen_client who = true_client(options).find(facts);
    EXPECT_EQ(who.knowledge, client_knowledge::never);
    return std::string(who.why);
  };
  smtp::session_facts facts = from("192.0.2.1");
  facts.auth_identity = "ann";
  EXPECT_EQ(why(facts), "authenticated");
  facts = from("0.0.0.0");
  facts.unix_peer = "/run/mta.sock";
  EXPECT_EQ(why(facts), "Unix socket");
  for (const char* address : {"127.0.0.1", "::1", "10.1.2.3", "172.31.0.1", "192.168.1.1",
                              "100.64.0.1", "169.254.1.1", "fd00::1", "fe80::1", "::ffff:10.1.2.3"})
    EXPECT_EQ(why(from(address)), "exempt network") << address;
  for (const char* address : {"172.32.0.1", "100.128.0.1", "11.0.0.1", "2001:db8::1"})
    EXPECT_TRUE(true_client().find(from(address)).known()) << address;

  true_client_options inner;
  inner.border = false;
  EXPECT_EQ(why(from("192.0.2.1"), inner), "behind another border");
  true_client_options channel;
  channel.inner_channels = {"submission"};
  EXPECT_TRUE(true_client(channel).find(from("192.0.2.1")).known());
  facts = from("192.0.2.1");
  facts.channel = "submission";
  EXPECT_EQ(why(facts, channel), "behind another border");
}

// The classic mistake: SPF, or a list, is asked about our own border.
TEST(TrueClient, IsNeverOurOwnBorder) {
  const true_client rule(behind_a_border());
  for (const char* border : {"198.51.100.1", "10.0.0.1", "2001:db8:1::25", "::ffff:198.51.100.1"})
    EXPECT_EQ(rule.find(from(border)).knowledge, client_knowledge::later) << border;

  const seen_client who = by_header(
      "Received: from sender.example (sender.example [192.0.2.1]) by border.example.test; x\r\n"
      "Received: from before.example (before.example [203.0.113.9]) by sender.example; x\r\n");
  EXPECT_TRUE(who.known());
  EXPECT_EQ(who.address, ip("192.0.2.1"));
  EXPECT_EQ(who.helo, "sender.example");
}

TEST(TrueClient, IsWhomTheFirstOfOurServersSaw) {
  const seen_client who = by_header(
      "X-Filter: fine\r\n"
      "Received: from inner (inner [10.0.0.7]) by border2; x\r\n"
      "Received: from localhost (localhost [127.0.0.1]) by inner; x\r\n"
      "Received: from border (border [IPv6:2001:db8:1::25]) by inner; x\r\n"
      "Received: from sender.example ([203.0.113.5]) by border; x\r\n"
      // From here on anybody may have written it.
      "Received: from good.example (good.example [192.0.2.1]) by sender.example; x\r\n");
  EXPECT_TRUE(who.known());
  EXPECT_EQ(who.address, ip("203.0.113.5"));
}

TEST(TrueClient, IsNotKnownWhereOurServersDoNotSay) {
  struct {
    const char* header;
    const char* why;
  } const cases[] = {
      {"Subject: x\r\n", "no Received field of a client"},
      {"", "no Received field of a client"},
      // Written on our own machine; what is below was there before.
      {"Received: by border (Postfix, from userid 33); x\r\n"
       "Received: from a (a [192.0.2.1]) by b; x\r\n",
       "no address in Received"},
      {"Received: from a (a [unknown]) by b; x\r\n"
       "Received: from a (a [192.0.2.1]) by b; x\r\n",
       "no address in Received"},
      {"Received: from inner (inner [10.0.0.7]) by border; x\r\n", "no Received field of a client"},
      // A user of our border.
      {"Received: from home (home [192.0.2.1]) by border with ESMTPSA; x\r\n",
       "authenticated at an upstream"},
      {"Received: from lan (lan [192.168.1.5]) by border; x\r\n", "exempt network"},
  };
  for (const auto& c : cases) {
    const seen_client who = by_header(c.header);
    EXPECT_EQ(who.knowledge, client_knowledge::never) << c.header;
    EXPECT_EQ(who.why, c.why) << c.header;
  }
}

TEST(TrueClient, ReceivedOfOthersIsNotRead) {
  // The client itself is no upstream: what it wrote into the header counts for nothing.
  const seen_client who =
      by_header("Received: from good (good [203.0.113.5]) by b; x\r\n", "192.0.2.1");
  EXPECT_EQ(who.address, ip("192.0.2.1"));
  // Nor does it for those who are never judged.
  EXPECT_FALSE(
      by_header("Received: from good (good [203.0.113.5]) by b; x\r\n", "127.0.0.1").known());
}

TEST(TrueClient, OnlySoManyFieldsAreRead) {
  std::string header;
  for (int i = 0; i < 10; ++i) header += "Received: from inner (inner [10.0.0.7]) by border; x\r\n";
  const std::string client = "Received: from a (a [192.0.2.1]) by b; x\r\n";
  EXPECT_EQ(by_header(header + client).why, "too many servers of our own");
  true_client_options more = behind_a_border();
  more.hops = 11;
  EXPECT_TRUE(by_header(header + client, "198.51.100.1", more).known());
}

TEST(TrueClient, TheStageDecidesWhetherTheHeaderIsRead) {
  const smtp::session_facts facts = from("198.51.100.1");
  const smtp::envelope envelope;
  detail::session_store store;
  context ctx(facts, envelope, store);
  const true_client rule(behind_a_border());
  ctx.enter(smtp::stage::mail, {}, 0);
  EXPECT_EQ(rule.find(ctx).knowledge, client_knowledge::later);
  const std::string header = "Received: from a (a [192.0.2.1]) by b; x\r\n";
  for (const smtp::stage s : {smtp::stage::header_end, smtp::stage::message}) {
    ctx.enter(s, header, header.size());
    EXPECT_EQ(rule.find(ctx).address, ip("192.0.2.1"));
  }
}

}  // namespace
}  // namespace gatepost::checks
