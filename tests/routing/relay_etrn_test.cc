// ETRN (RFC 1985): who asks for its mail gets it now.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <chrono>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "routing/relay.hpp"
#include "tests/routing/relay_support.hpp"
#include "tests/routing/wire_hop.hpp"

namespace gatepost::routing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;
using tests::mail_session;
using tests::relay_bench;
using tests::run_until;
using tests::some_text;
using tests::wire_hop;

class RelayEtrn : public ::testing::Test {
 protected:
  relay_bench bench;
  wire_hop hop{bench.io};

  void start() {
    bench.options.dead_hop = std::chrono::hours(1);
    bench.options.relay_from = *smtp::parse_network_set("192.0.2.0/24");
    bench.routes.add("*", hop.hop());
    bench.start();
  }

  // So many messages wait, because the hop is away; and then it is back.
  void wait(std::vector<std::string> recipients) {
    hop.go_away();
    for (const std::string& r : recipients) bench.send({r});
    ASSERT_TRUE(bench.settled(recipients.size()));
    ASSERT_EQ(bench.relay->stats().queued, recipients.size());
    hop.come_back();
  }

  std::string etrn(const std::string& node) {
    mail_session client(*bench.relay);
    return gatepost::testing::run(bench.io, bench.relay->etrn(client.view, node)).to_string();
  }

  std::vector<std::string> delivered() const {
    std::vector<std::string> all;
    for (const tests::taken_message& m : hop.messages())
      all.insert(all.end(), m.rcpt.begin(), m.rcpt.end());
    return all;
  }
};

TEST_F(RelayEtrn, StartsWhatWaitsForTheDomain) {
  start();
  wait({"1@b.test", "2@B.TEST", "3@sub.b.test", "4@c.test"});
  EXPECT_EQ(etrn("other.test"), "251 2.0.0 OK, no messages waiting for node other.test");
  EXPECT_EQ(etrn("B.test"), "253 2.0.0 OK, 2 pending messages for node b.test started");
  ASSERT_TRUE(bench.settled(6));
  EXPECT_THAT(delivered(), UnorderedElementsAre("RCPT TO:<1@b.test>", "RCPT TO:<2@B.TEST>"));
  EXPECT_EQ(etrn("b.test"), "251 2.0.0 OK, no messages waiting for node b.test");
  EXPECT_EQ(bench.relay->stats().queued, 2u);
}

TEST_F(RelayEtrn, AtMeansTheDomainsBelowAsWell) {
  start();
  wait({"1@b.test", "2@x.sub.b.test", "3@notb.test", "4@[192.0.2.7]"});
  EXPECT_EQ(etrn("@b.test"), "253 2.0.0 OK, 2 pending messages for node b.test started");
  EXPECT_EQ(etrn("[192.0.2.7]"), "253 2.0.0 OK, 1 pending messages for node [192.0.2.7] started");
  ASSERT_TRUE(bench.settled(7));
  EXPECT_THAT(delivered(), UnorderedElementsAre("RCPT TO:<1@b.test>", "RCPT TO:<2@x.sub.b.test>",
                                                "RCPT TO:<4@[192.0.2.7]>"));
}

TEST_F(RelayEtrn, OnlyPendingRecipientsCount) {
  start();
  hop.answer([](int, std::string_view line) -> std::string {
    if (line.starts_with("RCPT TO:<no@")) return "550 5.1.1 nobody";
    if (line.starts_with("RCPT TO:<later@")) return "450 4.2.0 later";
    return "";
  });
  mail_session client(*bench.relay);
  client.from("<s@a.test>").to(bench.io, {"held@h.test", "no@f.test", "ok@d.test", "later@p.test"});
  auto message = client.begin(bench.io, some_text);
  smtp::disposition what = client.to_all();
  what.held = {0};
  const auto outcome = gatepost::testing::run(bench.io, message->commit(what));
  message.reset();
  ASSERT_TRUE(outcome.overall.positive());
  ASSERT_TRUE(bench.settled(3));
  for (const char* domain : {"h.test", "f.test", "d.test"})
    EXPECT_THAT(etrn(domain), StartsWith("251 ")) << domain;
  hop.answer({});
  EXPECT_THAT(etrn("p.test"), StartsWith("253 2.0.0 OK, 1 "));
  ASSERT_TRUE(bench.settled(4));
  EXPECT_THAT(delivered(), ElementsAre("RCPT TO:<ok@d.test>", "RCPT TO:<later@p.test>"));
  EXPECT_TRUE(bench.kept(outcome.queue_id).held());
}

TEST_F(RelayEtrn, OnlyForThoseWhoMayRelay) {
  start();
  wait({"1@b.test"});
  mail_session stranger(*bench.relay);
  stranger.facts.client.address = *smtp::parse_ip_address("198.51.100.1");
  const auto ask = [&] {
    return gatepost::testing::run(bench.io, bench.relay->etrn(stranger.view, "b.test")).to_string();
  };
  EXPECT_EQ(ask(), "459 4.7.1 Node not allowed: you may not start delivery here");
  EXPECT_THAT(hop.messages(), IsEmpty());
  stranger.facts.auth_identity = "user";
  EXPECT_THAT(ask(), StartsWith("253 "));
}

TEST_F(RelayEtrn, Nodes) {
  start();
  const std::pair<const char*, const char*> cases[] = {
      {"#queue", "459 4.7.0 Node not allowed: queues have no names here"},
      {"@test", "459 4.7.0 Node not allowed: a top-level domain is not one node"},
      {"test", "251 2.0.0 OK, no messages waiting for node test"},
      {"b\xc3\xbc"
       "cher.test",
       "251 2.0.0 OK, no messages waiting for node xn--bcher-kva.test"},
      {"@[192.0.2.1]", "501 5.5.4 Syntax: ETRN domain or ETRN @domain"},
      {"@", "501 5.5.4 Syntax: ETRN domain or ETRN @domain"},
      {"b..test", "501 5.5.4 Syntax: ETRN domain or ETRN @domain"},
      {"a@b.test", "501 5.5.4 Syntax: ETRN domain or ETRN @domain"},
      {"b.test c.test", "501 5.5.4 Syntax: ETRN domain or ETRN @domain"},
  };
  for (const auto& [node, said] : cases) EXPECT_EQ(etrn(node), said) << node;
}

TEST_F(RelayEtrn, LooksAtSoManyMessagesOnly) {
  bench.options.etrn_messages = 2;
  start();
  wait({"1@b.test", "2@b.test", "3@b.test"});
  EXPECT_THAT(etrn("c.test"), StartsWith("458 4.3.2 "));
  EXPECT_EQ(etrn("b.test"), "252 2.0.0 OK, pending messages for node b.test started");
  ASSERT_TRUE(bench.settled(5));
  EXPECT_THAT(hop.messages(), SizeIs(2));
  EXPECT_THAT(etrn("b.test"), StartsWith("253 2.0.0 OK, 1 "));
}

TEST_F(RelayEtrn, OneAtATime) {
  start();
  wait(std::vector<std::string>(40, "r@b.test"));
  mail_session client(*bench.relay);
  std::vector<std::string> said;
  for (int twice = 0; twice < 2; ++twice)
    asio::co_spawn(bench.io, bench.relay->etrn(client.view, "b.test"),
                   [&](std::exception_ptr, smtp::reply r) { said.push_back(r.to_string()); });
  ASSERT_TRUE(run_until(bench.io, [&] { return said.size() == 2; }));
  EXPECT_THAT(said, ElementsAre(StartsWith("458 4.3.2 "), StartsWith("253 2.0.0 OK, 40 ")));
  ASSERT_TRUE(bench.settled(80));
  EXPECT_THAT(etrn("b.test"), StartsWith("251 "));
}

TEST_F(RelayEtrn, NothingIsStartedOnceItStops) {
  start();
  wait({"1@b.test"});
  bench.relay->stop();
  EXPECT_THAT(etrn("b.test"), StartsWith("458 4.3.2 "));
  EXPECT_THAT(hop.messages(), IsEmpty());
}

}  // namespace
}  // namespace gatepost::routing
