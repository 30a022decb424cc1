// This header stands alone.
#include "routing/relay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/routing/relay_support.hpp"
#include "tests/routing/wire_hop.hpp"

namespace gatepost::routing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using tests::mail_session;
using tests::relay_bench;
using tests::some_text;
using tests::taken_message;
using tests::wire_hop;

class Relay : public ::testing::Test {
 protected:
  relay_bench bench;
  wire_hop hop{bench.io};

  // As an administrator does it, until io has nothing more to do.
  bool stop() {
    hop.go_away();
    return bench.stop();
  }

  const taken_message& delivered(std::size_t index = 0) {
    static const taken_message none;
    const auto& all = hop.messages();
    EXPECT_GT(all.size(), index);
    return all.size() > index ? all[index] : none;
  }
};

// --- A message on its way ------------------------------------------------------------------------

TEST_F(Relay, DeliversWhatCameInAndForgetsIt) {
  bench.routes.add("b.test", hop.hop());
  bench.start();
  const std::string id = bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_EQ(delivered().text, some_text);
  EXPECT_EQ(delivered().mail, "MAIL FROM:<s@a.test>");
  EXPECT_THAT(delivered().rcpt, ElementsAre("RCPT TO:<r@b.test>"));
  EXPECT_EQ(bench.store.stats().messages, 0u);

  const tests::delivery_note note = bench.log.last("r@b.test");
  EXPECT_EQ(note.result, "delivered");
  EXPECT_EQ(note.queue_id, id);
  EXPECT_EQ(note.reply, "250 2.0.0 taken");
  EXPECT_EQ(note.attempt, 1u);
  EXPECT_FALSE(note.tls);
  EXPECT_EQ(note.hop, "smtp:[127.0.0.1]:" + std::to_string(hop.port()) + " tls=none");
  const relay_stats stats = bench.relay->stats();
  EXPECT_EQ(stats.queued, 0u);
  EXPECT_EQ(stats.delivered, 1u);
  EXPECT_EQ(stats.connections, 1u);
}

TEST_F(Relay, AnswersWithTheQueueId) {
  bench.routes.add("b.test", hop.hop());
  bench.start();
  mail_session client(*bench.relay);
  const auto outcome =
      client.from("<s@a.test>").to(bench.io, {"r@b.test"}).data(bench.io, some_text);
  EXPECT_EQ(outcome.overall.to_string(), "250 2.0.0 OK queued as " + outcome.queue_id);
}

TEST_F(Relay, AppliesTheHeaderEdits) {
  bench.routes.add("b.test", hop.hop());
  bench.start();
  mail_session client(*bench.relay);
  client.edits.prepend("Received", "from somewhere");
  client.edits.erase({.offset = 0, .size = 16});  // the Subject
  client.from("<s@a.test>").to(bench.io, {"r@b.test"}).data(bench.io, some_text, 3);
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(delivered().text, "Received: from somewhere\r\n\r\nHi.\r\n.a dot\r\n");
}

TEST_F(Relay, PassesTheParametersOn) {
  hop.offers({"PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "DSN", "NO-SOLICITING"});
  bench.routes.add("b.test", hop.hop());
  bench.start();
  mail_session client(*bench.relay);
  client.from("<s@a.test> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314 SOLICIT=org.example:ADV");
  const smtp::verdict v =
      client.rcpt(bench.io, "<r@b.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;r@b.test");
  ASSERT_TRUE(v.passes());
  client.data(bench.io, some_text);
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(delivered().mail,
            "MAIL FROM:<s@a.test> SIZE=31 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314 "
            "SOLICIT=org.example:ADV");
  EXPECT_THAT(delivered().rcpt,
              ElementsAre("RCPT TO:<r@b.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;r@b.test"));
}

TEST_F(Relay, TheNullReversePathStaysNull) {
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"r@b.test"}, "<>");
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(delivered().mail, "MAIL FROM:<>");
}

TEST_F(Relay, ALargeMessageArrivesWhole) {
  bench.routes.add("b.test", hop.hop());
  bench.start();
  std::string text = "Subject: large\r\n\r\n";
  for (int i = 0; i < 50'000; ++i) text += "." + std::to_string(i) + " line of a large message\r\n";
  mail_session client(*bench.relay);
  client.from("<s@a.test>").to(bench.io, {"r@b.test"}).data(bench.io, text, 10'001);
  ASSERT_TRUE(bench.settled(1));
  EXPECT_TRUE(delivered().text == text);
}

// --- Where to ------------------------------------------------------------------------------------

TEST_F(Relay, RecipientsOfOneDestinationShareATransaction) {
  wire_hop other(bench.io);
  bench.routes.add("b.test", hop.hop());
  bench.routes.add("bb.test", hop.hop());
  bench.routes.add("c.test", other.hop());
  bench.start();
  bench.send({"1@b.test", "2@c.test", "3@bb.test", "4@b.test"});
  ASSERT_TRUE(bench.settled(4));
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_THAT(delivered().rcpt,
              ElementsAre("RCPT TO:<1@b.test>", "RCPT TO:<3@bb.test>", "RCPT TO:<4@b.test>"));
  ASSERT_THAT(other.messages(), SizeIs(1));
  EXPECT_THAT(other.messages()[0].rcpt, ElementsAre("RCPT TO:<2@c.test>"));
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

TEST_F(Relay, DiscardIsADeliveryToNobody) {
  bench.routes.add("b.test", route::discard());
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("r@b.test").result, "discarded");
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

TEST_F(Relay, WhomTheRoutesNoLongerKnowFailsAndIsKept) {
  bench.options.retry.first = std::chrono::hours(1);
  hop.answer("MAIL", "451 4.3.0 later");
  bench.routes.add("b.test", hop.hop());
  bench.start();
  const std::string id = bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  bench.routes.replace({});
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(2));
  const spool_recipient r = bench.kept(id).recipients.at(0);
  EXPECT_EQ(r.state, recipient_state::failed);
  EXPECT_THAT(r.last_reply, StartsWith("550 5.7.1"));
  EXPECT_EQ(r.attempts, 2u);
}

// --- Who may send, and to whom
// --------------------------------------------------------------------

TEST_F(Relay, AnUnknownDomainIsNotRelayedTo) {
  bench.routes.add("b.test", hop.hop());
  bench.routes.add_users("b.test", {"known"});
  bench.start();
  mail_session client(*bench.relay);
  client.from("<s@a.test>");
  EXPECT_TRUE(client.rcpt(bench.io, "<known@b.test>").passes());
  EXPECT_EQ(client.rcpt(bench.io, "<r@elsewhere.test>").reply().to_string(),
            "550 5.7.1 Relaying denied");
  EXPECT_EQ(client.rcpt(bench.io, "<other@b.test>").reply().to_string(),
            "550 5.1.1 No such user here");
}

// The default route goes everywhere: only those who are known may use it.
TEST_F(Relay, TheDefaultRouteIsNotForStrangers) {
  bench.routes.add("*", hop.hop());
  bench.options.relay_from = *smtp::parse_network_set("198.51.100.0/24, 2001:db8::/32");
  bench.start();
  struct client {
    const char* address;
    const char* identity;
    bool may;
  };
  const client clients[] = {
      {"192.0.2.1", "", false},          {"198.51.100.77", "", true}, {"2001:db8::7", "", true},
      {"2001:db9::7", "", false},        {"127.0.0.1", "", false},    {"192.0.2.1", "user", true},
      {"::ffff:198.51.100.7", "", true},
  };
  for (const client& c : clients) {
    mail_session session(*bench.relay);
    session.facts.client.address = *smtp::parse_ip_address(c.address);
    session.facts.auth_identity = c.identity;
    session.from("<s@a.test>");
    const smtp::verdict v = session.rcpt(bench.io, "<r@anywhere.test>");
    EXPECT_EQ(v.passes(), c.may) << c.address << " " << c.identity;
    EXPECT_EQ(v.reply().to_string(), c.may ? "0 " : "550 5.7.1 Relaying denied");
  }
}

// It has no address, which must not be taken for 0.0.0.0.
TEST_F(Relay, WhoComesByAUnixSocketIsOfNoNetwork) {
  bench.routes.add("*", hop.hop());
  bench.options.relay_from = *smtp::parse_network_set("0.0.0.0/0, ::/0");
  bench.start();
  mail_session session(*bench.relay);
  session.facts.unix_peer = "/run/mail";
  session.facts.client = {};
  session.from("<s@a.test>");
  EXPECT_EQ(session.rcpt(bench.io, "<r@anywhere.test>").reply().to_string(),
            "550 5.7.1 Relaying denied");
  // A trusted hop has said who is behind it.
  session.facts.trusted_hop = true;
  session.facts.client.address = *smtp::parse_ip_address("192.0.2.1");
  EXPECT_TRUE(session.rcpt(bench.io, "<r@anywhere.test>").passes());
}

TEST_F(Relay, WhoComesByAUnixSocketMayRelayWhereThatIsSaid) {
  bench.routes.add("*", hop.hop());
  bench.options.relay_from_unix = true;
  bench.start();
  mail_session session(*bench.relay);
  session.from("<s@a.test>");
  EXPECT_FALSE(session.rcpt(bench.io, "<r@anywhere.test>").passes());
  session.facts.unix_peer = "/run/mail";
  session.facts.client = {};
  EXPECT_TRUE(session.rcpt(bench.io, "<r@anywhere.test>").passes());
}

TEST_F(Relay, ARouteThatRefusesDoesSoAtRcpt) {
  bench.routes.add("b.test", route::refuse({551, {5, 1, 6}, "Moved"}));
  bench.start();
  mail_session client(*bench.relay);
  client.from("<s@a.test>");
  EXPECT_EQ(client.rcpt(bench.io, "<r@b.test>").reply().to_string(), "551 5.1.6 Moved");
}

// RFC 5321 §4.5.1.
TEST_F(Relay, PostmasterNeedsNoDomain) {
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"Postmaster"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(delivered().rcpt, ElementsAre("RCPT TO:<Postmaster>"));
}

TEST_F(Relay, PostmasterMayBeSomebody) {
  bench.routes.add("b.test", hop.hop());
  bench.options.postmaster = "root@b.test";
  bench.start();
  bench.send({"postmaster"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(delivered().rcpt, ElementsAre("RCPT TO:<root@b.test>"));
}

// --- A router that is in trouble
// ------------------------------------------------------------------

class moody_router final : public router {
 public:
  explicit moody_router(next_hop hop) : hop_(std::move(hop)) {}

  asio::awaitable<route_result> route(const smtp::address&, const smtp::session_view*) override {
    if (throws) throw std::runtime_error("the directory is on fire");
    if (!available) co_return route_result::unavailable({451, {4, 4, 3}, "Directory is away"});
    co_return route_result::found(hop_);
  }

  bool available = true;
  bool throws = false;

 private:
  next_hop hop_;
};

TEST_F(Relay, ARouterThatCannotTellPutsOff) {
  moody_router routes(hop.hop());
  bench.options.observer = &bench.log;
  bench.relay = std::make_unique<relay>(bench.io, bench.store, routes, bench.options);
  mail_session client(*bench.relay);
  client.from("<s@a.test>");
  routes.available = false;
  const smtp::verdict v = client.rcpt(bench.io, "<r@b.test>");
  EXPECT_EQ(v.kind(), smtp::decision::defer);
  EXPECT_EQ(v.reply().to_string(), "451 4.4.3 Directory is away");

  routes.available = true;
  EXPECT_TRUE(client.rcpt(bench.io, "<r@b.test>").passes());
  routes.available = false;
  const std::string id = client.data(bench.io, some_text).queue_id;
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("r@b.test").reply, "451 4.4.3 Directory is away");

  routes.throws = true;
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(2));
  EXPECT_THAT(bench.log.last("r@b.test").reply, StartsWith("451 4.3.0"));
  EXPECT_TRUE(bench.log.complained("the directory is on fire"));

  routes.throws = false;
  routes.available = true;
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(3));
  EXPECT_EQ(delivered().text, some_text);
}

TEST_F(Relay, RecipientsHaveTheClassOfTheirRoute) {
  bench.routes.add("b.test", hop.hop());
  bench.routes.add_class("vip@b.test", "strict");
  bench.start();
  mail_session client(*bench.relay);
  client.from("<s@a.test>").to(bench.io, {"vip@b.test", "r@b.test"});
  EXPECT_EQ(client.envelope.recipients()[0].policy_class, "strict");
  EXPECT_EQ(client.envelope.recipients()[1].policy_class, "");
}

// --- Take back, remove ---------------------------------------------------------------------------

TEST_F(Relay, AMessageThatWasTakenBackIsNeverDelivered) {
  bench.routes.add("b.test", hop.hop());
  bench.start();
  mail_session client(*bench.relay);
  client.from("<s@a.test>").to(bench.io, {"r@b.test"});
  auto message = client.begin(bench.io, some_text);
  const auto outcome = gatepost::testing::run(bench.io, message->commit(client.to_all()));
  ASSERT_TRUE(outcome.overall.positive());
  EXPECT_EQ(bench.store.stats().messages, 1u);
  bench.send({"other@b.test"});
  ASSERT_TRUE(bench.settled(1));  // a while later
  gatepost::testing::run(bench.io, message->revoke());
  message.reset();
  EXPECT_EQ(bench.store.stats().messages, 0u);
  ASSERT_TRUE(stop());
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_THAT(delivered().rcpt, ElementsAre("RCPT TO:<other@b.test>"));
}

TEST_F(Relay, WithoutCommitNothingIsKept) {
  bench.routes.add("b.test", hop.hop());
  bench.start();
  mail_session client(*bench.relay);
  client.from("<s@a.test>").to(bench.io, {"r@b.test"});
  client.begin(bench.io, some_text).reset();
  EXPECT_EQ(bench.store.stats().messages, 0u);
  EXPECT_EQ(bench.relay->stats().queued, 0u);
}

TEST_F(Relay, FailuresAreListedUntilTheyAreRemoved) {
  hop.answer("RCPT", "550 5.1.1 nobody");
  bench.routes.add("b.test", hop.hop());
  bench.start();
  const std::string id = bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  std::vector<std::string> failed;
  const auto list = [&](std::string_view, smtp::result<spool_message> m) {
    for (const spool_recipient& r : m->recipients)
      if (r.state == recipient_state::failed) failed.push_back(r.forward_path + " " + r.last_reply);
    return true;
  };
  EXPECT_FALSE(bench.relay->queue(list));
  EXPECT_THAT(failed, ElementsAre("r@b.test 550 5.1.1 nobody"));
  EXPECT_EQ(bench.relay->stats().queued, 0u);
  EXPECT_EQ(bench.relay->stats().failed, 1u);
  bench.relay->flush();  // it is not tried again
  ASSERT_TRUE(stop());
  EXPECT_EQ(hop.count("RCPT"), 1u);

  EXPECT_FALSE(gatepost::testing::run(bench.io, bench.relay->remove(id)));
  failed.clear();
  EXPECT_FALSE(bench.relay->queue(list));
  EXPECT_THAT(failed, IsEmpty());
}

TEST_F(Relay, AFullSpoolRefusesForNow) {
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.store.fail_with(smtp::errc::spool_full);
  EXPECT_EQ(bench.relay->available(), smtp::errc::spool_full);
  mail_session client(*bench.relay);
  client.from("<s@a.test>").to(bench.io, {"r@b.test"});
  auto message = gatepost::testing::run(bench.io, bench.relay->begin(client.view));
  EXPECT_EQ(gatepost::testing::run(bench.io, message->commit(client.to_all())).overall.code(), 452);
  bench.store.fail_with(smtp::errc::spool_failed);
  message = gatepost::testing::run(bench.io, bench.relay->begin(client.view));
  EXPECT_EQ(gatepost::testing::run(bench.io, message->commit(client.to_all())).overall.code(), 451);
  message.reset();
  EXPECT_EQ(bench.relay->stats().queued, 0u);
}

}  // namespace
}  // namespace gatepost::routing
