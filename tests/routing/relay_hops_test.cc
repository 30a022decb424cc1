// How a relay gets on with next hops: their replies, their order, their limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routing/relay.hpp"
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
using tests::wire_hop;

class RelayHops : public ::testing::Test {
 protected:
  RelayHops() { bench.options.dead_hop = std::chrono::hours(1); }

  route both() const { return route(std::vector<next_hop>{hop.hop(), second.hop()}); }

  relay_bench bench;
  wire_hop hop{bench.io};
  wire_hop second{bench.io};
};

// --- What became of each recipient
// ----------------------------------------------------------------

TEST_F(RelayHops, EachRecipientHasItsOwnEndAndOnlyTheDeferredIsTriedAgain) {
  hop.answer([](int, std::string_view line) -> std::string {
    if (line.starts_with("RCPT TO:<later@")) return "450 4.2.1 later";
    if (line.starts_with("RCPT TO:<never@")) return "550 5.1.1 nobody";
    return "";
  });
  bench.routes.add("b.test", hop.hop());
  bench.start();
  const std::string id = bench.send({"now@b.test", "later@b.test", "never@b.test"});
  ASSERT_TRUE(bench.settled(3));
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_THAT(hop.messages()[0].rcpt, ElementsAre("RCPT TO:<now@b.test>"));
  const spool_message m = bench.kept(id);
  ASSERT_THAT(m.recipients, SizeIs(3));
  EXPECT_EQ(m.recipients[0].state, recipient_state::delivered);
  EXPECT_EQ(m.recipients[1].state, recipient_state::pending);
  EXPECT_EQ(m.recipients[1].attempts, 1u);
  EXPECT_EQ(m.recipients[1].last_reply, "450 4.2.1 later");
  EXPECT_EQ(m.recipients[1].enhanced, (smtp::enhanced_code{4, 2, 1}));
  EXPECT_GE(m.recipients[1].next_attempt, m.received_at + std::chrono::minutes(4));
  EXPECT_EQ(m.recipients[2].state, recipient_state::failed);
  EXPECT_EQ(m.recipients[2].enhanced, (smtp::enhanced_code{5, 1, 1}));
  EXPECT_EQ(bench.relay->stats().queued, 1u);

  hop.answer({});
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(4));
  ASSERT_THAT(hop.messages(), SizeIs(2));
  EXPECT_THAT(hop.messages()[1].rcpt, ElementsAre("RCPT TO:<later@b.test>"));
  EXPECT_EQ(bench.log.last("later@b.test").attempt, 2u);
  EXPECT_EQ(bench.kept(id).recipients[2].state, recipient_state::failed);  // is kept
  EXPECT_EQ(bench.relay->stats().queued, 0u);
}

// A crash while the second destination lets us wait must not deliver to the first again.
TEST_F(RelayHops, ADeliveryIsNotedBeforeTheNextOneBegins) {
  second.answer("MAIL", std::string(wire_hop::silent));
  bench.routes.add("b.test", hop.hop());
  bench.routes.add("c.test", second.hop());
  bench.start();
  const std::string id = bench.send({"1@b.test", "2@c.test"});
  ASSERT_TRUE(tests::run_until(bench.io, [&] { return second.count("MAIL") == 1; }));
  const spool_message m = bench.kept(id);
  EXPECT_EQ(m.recipients[0].state, recipient_state::delivered);
  EXPECT_EQ(m.recipients[1].state, recipient_state::pending);
}

TEST_F(RelayHops, AlsoWhereTheNextOneIsTheSameHops) {
  hop.offers({"LIMITS RCPTMAX=1"});
  hop.answer("RCPT TO:<2@", std::string(wire_hop::silent));
  bench.routes.add("b.test", hop.hop());
  bench.start();
  const std::string id = bench.send({"1@b.test", "2@b.test"});
  ASSERT_TRUE(tests::run_until(bench.io, [&] { return hop.count("RCPT") == 2; }));
  EXPECT_EQ(bench.kept(id).recipients[0].state, recipient_state::delivered);
}

TEST_F(RelayHops, LmtpAnswersForEachRecipient) {
  hop.speak_lmtp();
  hop.answer([](int, std::string_view line) -> std::string {
    if (line == ". RCPT TO:<full@b.test>") return "452 4.2.2 mailbox full";
    if (line == ". RCPT TO:<never@b.test>") return "554 5.7.1 not this";
    return "";
  });
  bench.routes.add("b.test", hop.hop());
  bench.start();
  const std::string id = bench.send({"now@b.test", "full@b.test", "never@b.test"});
  ASSERT_TRUE(bench.settled(3));
  const spool_message m = bench.kept(id);
  EXPECT_EQ(m.recipients[0].state, recipient_state::delivered);
  EXPECT_EQ(m.recipients[1].last_reply, "452 4.2.2 mailbox full");
  EXPECT_EQ(m.recipients[1].state, recipient_state::pending);
  EXPECT_EQ(m.recipients[2].state, recipient_state::failed);
}

// --- What a hop lacks
// -----------------------------------------------------------------------------

constexpr std::string_view eight_bit_text = "Subject: hello\r\n\r\nGr\u00fc\u00dfe\r\n";
constexpr std::string_view utf8_header = "Subject: Gr\u00fc\u00dfe\r\n\r\nHi.\r\n";

struct unable {
  const char* offers;
  const char* mail;
  const char* rcpt;
  std::string_view text;
  const char* reply;
};

TEST_F(RelayHops, AHopThatCannotTakeTheMessageFailsItWithTheCode) {
  const unable cases[] = {
      {"SMTPUTF8", "<s@a.test> BODY=8BITMIME", "<r@b.test>", eight_bit_text, "554 5.6.3"},
      {"8BITMIME", "<s@a.test> SMTPUTF8", "<r@b.test>", utf8_header, "553 5.6.7"},
      {"8BITMIME", "<s@a.test> SMTPUTF8", "<\u00fc@b.test>", some_text, "553 5.6.7"},
      {"8BITMIME", "<\u00fc@a.test> SMTPUTF8", "<r@b.test>", some_text, "553 5.6.7"},
      {"SIZE 20", "<s@a.test>", "<r@b.test>", some_text, "552 5.3.4"},
      {"CHUNKING", "<s@a.test> BODY=BINARYMIME", "<r@b.test>", some_text, "554 5.6.3"},
      {"SMTPUTF8", "<s@a.test> SMTPUTF8", "<r@b.test>", eight_bit_text, "554 5.6.3"},
  };
  bench.routes.add("b.test", both());
  bench.start();
  std::size_t attempts = 0;
  for (const unable& c : cases) {
    for (wire_hop* const h : {&hop, &second}) {
      h->offers({c.offers});
      h->drop_connections();
    }
    mail_session client(*bench.relay);
    ASSERT_TRUE(client.from(c.mail).rcpt(bench.io, c.rcpt).passes());
    const std::string id = client.data(bench.io, c.text).queue_id;
    ASSERT_TRUE(bench.settled(++attempts));
    const spool_recipient r = bench.kept(id).recipients.at(0);
    EXPECT_EQ(r.state, recipient_state::failed) << c.reply;
    EXPECT_THAT(r.last_reply, StartsWith(c.reply));
  }
  EXPECT_THAT(hop.messages(), IsEmpty());
  EXPECT_THAT(second.messages(), IsEmpty());
}

struct announced {
  std::vector<std::string> offers;
  const char* mail;
  std::string_view text;
  const char* said;
};

// A client may announce more than its text needs (RFC 6531 §3.6).
TEST_F(RelayHops, AHopNeedNotOfferWhatIsOnlyAnnounced) {
  const announced cases[] = {
      {{}, "<s@a.test> BODY=8BITMIME", some_text, "MAIL FROM:<s@a.test>"},
      {{}, "<s@a.test> SMTPUTF8", some_text, "MAIL FROM:<s@a.test>"},
      {{"8BITMIME"}, "<> BODY=8BITMIME SMTPUTF8", some_text, "MAIL FROM:<>"},
      {{"8BITMIME"}, "<> SMTPUTF8", eight_bit_text, "MAIL FROM:<> BODY=8BITMIME"},
      {{"SMTPUTF8"}, "<> SMTPUTF8", some_text, "MAIL FROM:<>"},
      // Where nothing is lacking, nobody looks.
      {{"8BITMIME", "SMTPUTF8"},
       "<> BODY=8BITMIME SMTPUTF8",
       some_text,
       "MAIL FROM:<> BODY=8BITMIME SMTPUTF8"},
  };
  bench.routes.add("b.test", hop.hop());
  bench.start();
  std::size_t attempts = 0;
  for (const announced& c : cases) {
    hop.offers(c.offers);
    hop.drop_connections();
    mail_session client(*bench.relay);
    client.from(c.mail).to(bench.io, {"r@b.test"}).data(bench.io, c.text);
    ASSERT_TRUE(bench.settled(++attempts));
    EXPECT_EQ(bench.log.last("r@b.test").result, "delivered") << c.mail;
    ASSERT_THAT(hop.messages(), SizeIs(attempts));
    EXPECT_EQ(hop.messages().back().mail, c.said);
    EXPECT_EQ(hop.messages().back().text, c.text);
  }
}

TEST_F(RelayHops, WhatIsPutOnTopCountsAsText) {
  hop.offers({"8BITMIME"});
  bench.routes.add("b.test", hop.hop());
  bench.start();
  mail_session client(*bench.relay);
  client.edits.prepend("X-Note", "\u00fc");
  client.from("<s@a.test> SMTPUTF8").to(bench.io, {"r@b.test"}).data(bench.io, some_text);
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(bench.log.last("r@b.test").reply, StartsWith("553 5.6.7"));
}

TEST_F(RelayHops, ARecipientThatNeedsSmtputf8DoesNotStopTheOthers) {
  hop.offers({"8BITMIME"});
  bench.routes.add("b.test", hop.hop());
  bench.start();
  mail_session client(*bench.relay);
  client.from("<s@a.test> SMTPUTF8").to(bench.io, {"\u00fc@b.test", "r@b.test"});
  client.data(bench.io, some_text);
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(bench.log.last("r@b.test").result, "delivered");
  EXPECT_THAT(bench.log.last("\u00fc@b.test").reply, StartsWith("553 5.6.7"));
}

struct lacking {
  const char* mail;
  std::string_view text;
};

TEST_F(RelayHops, AnotherHopMayHaveWhatTheFirstLacks) {
  hop.offers({"SIZE 20"});
  second.offers({"8BITMIME", "SMTPUTF8"});
  bench.routes.add("b.test", both());
  bench.start();
  std::size_t attempts = 0;
  const lacking cases[] = {{"<s@a.test>", some_text},
                           {"<s@a.test> BODY=8BITMIME", eight_bit_text},
                           {"<s@a.test> SMTPUTF8", utf8_header}};
  for (const lacking& c : cases) {
    mail_session client(*bench.relay);
    client.from(c.mail).to(bench.io, {"r@b.test"}).data(bench.io, c.text);
    ASSERT_TRUE(bench.settled(++attempts));
    EXPECT_EQ(bench.log.last("r@b.test").result, "delivered") << c.mail;
  }
  EXPECT_THAT(hop.messages(), IsEmpty());
  EXPECT_THAT(second.messages(), SizeIs(3));
}

// One of them that is away may have it, and will be asked again.
TEST_F(RelayHops, NothingFailsForWhatAHopLacksWhileAnotherIsAway) {
  hop.offers({});
  second.go_away();
  bench.routes.add("b.test", both());
  bench.start();
  mail_session client(*bench.relay);
  client.from("<s@a.test> BODY=8BITMIME").to(bench.io, {"r@b.test"});
  const std::string id = client.data(bench.io, eight_bit_text).queue_id;
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.kept(id).recipients.at(0).state, recipient_state::pending);
}

TEST_F(RelayHops, TheTimeToGiveUpEndsInAFailure) {
  hop.answer("RCPT", "450 4.2.1 later");
  bench.options.retry.give_up = std::chrono::seconds(0);
  bench.routes.add("b.test", hop.hop());
  bench.start();
  const std::string id = bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  const spool_recipient r = bench.kept(id).recipients.at(0);
  EXPECT_EQ(r.state, recipient_state::failed);
  EXPECT_EQ(r.enhanced, (smtp::enhanced_code{5, 4, 7}));
  EXPECT_EQ(r.last_reply, "Delivery time expired; the last attempt said: 450 4.2.1 later");
  EXPECT_EQ(bench.log.last("r@b.test").result, "failed");
}

TEST_F(RelayHops, TriesAgainByItself) {
  hop.answer([n = 0](int, std::string_view line) mutable -> std::string {
    return line.starts_with("RCPT") && n++ == 0 ? "450 4.2.1 later" : "";
  });
  bench.options.retry.first = std::chrono::seconds(1);
  bench.options.retry.jitter = 0;
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(bench.log.last("r@b.test").result, "delivered");
}

// A hostile hop must fill neither memory nor spool: its words are for each recipient.
TEST_F(RelayHops, OfALongReplyOnlyTheBeginningIsKept) {
  std::string line(2000, 'x');
  std::string reply;
  for (int i = 0; i < 20; ++i) reply += "450-4.2.1 " + line + "\r\n";
  reply += "450 4.2.1 end";
  hop.answer([&](int, std::string_view said) -> std::string {
    return said.starts_with("RCPT") ? reply : "";
  });
  bench.routes.add("b.test", hop.hop());
  bench.routes.add("c.test", second.hop());
  second.answer("", reply);  // the greeting, and so all
  bench.start();
  const std::string id = bench.send({"1@b.test", "2@b.test", "3@c.test", "4@c.test"});
  ASSERT_TRUE(bench.settled(4));
  for (const spool_recipient& r : bench.kept(id).recipients) {
    EXPECT_THAT(r.last_reply, StartsWith("45"));
    EXPECT_EQ(r.last_reply.size(), max_kept_reply);
  }
  bench.send({"5@c.test"});  // of a dead hop
  ASSERT_TRUE(bench.settled(5));
  EXPECT_EQ(bench.log.last("5@c.test").reply.size(), max_kept_reply);
}

// --- Several next hops
// ----------------------------------------------------------------------------

TEST_F(RelayHops, TheSecondIsTriedWhereTheFirstIsAway) {
  hop.go_away();
  bench.routes.add("b.test", both());
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(second.messages(), SizeIs(1));
  EXPECT_EQ(bench.log.count("deferred"), 0u);
}

TEST_F(RelayHops, TheFirstComesFirst) {
  bench.routes.add("b.test", both());
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(hop.messages(), SizeIs(1));
  EXPECT_EQ(second.connections(), 0);
}

struct misbehaviour {
  const char* line;
  const char* says;
  bool second_is_tried;
  const char* reply;  // as the log has it
};

class RelayMisbehaviour : public RelayHops, public ::testing::WithParamInterface<misbehaviour> {};

TEST_P(RelayMisbehaviour, OnlyWhatIsAboutTheHopLeadsToTheNext) {
  const misbehaviour& c = GetParam();
  hop.answer([c](int, std::string_view line) -> std::string {
    const std::string_view begins = c.line;
    return begins.empty() ? line.empty() ? c.says : "" : line.starts_with(begins) ? c.says : "";
  });
  bench.routes.add("b.test", both());
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(second.messages().size(), c.second_is_tried ? 1u : 0u);
  EXPECT_EQ(bench.log.notes().size(), 1u);
  EXPECT_THAT(bench.log.last("r@b.test").reply, StartsWith(c.reply));
}

INSTANTIATE_TEST_SUITE_P(
    All, RelayMisbehaviour,
    ::testing::Values(misbehaviour{"", "554 5.7.1 go away", true, "250 "},
                      misbehaviour{"EHLO", "421 4.3.2 closing", true, "250 "},
                      misbehaviour{"EHLO", "drop", true, "250 "},
                      misbehaviour{"MAIL", "451 4.3.0 trouble", true, "250 "},
                      misbehaviour{"MAIL", "421 4.3.2 closing", true, "250 "},
                      misbehaviour{"MAIL", "drop", true, "250 "},
                      misbehaviour{"MAIL", "rubbish", true, "250 "},
                      misbehaviour{"RCPT", "421 4.3.2 closing", true, "250 "},
                      misbehaviour{"RCPT", "drop", true, "250 "},
                      misbehaviour{"DATA", "drop", true, "250 "},
                      misbehaviour{"MAIL", "550 5.7.1 not you", false, "550 5.7.1 not you"},
                      misbehaviour{"RCPT", "450 4.2.1 greylisted", false, "450 4.2.1 greylisted"},
                      misbehaviour{"RCPT", "550 5.1.1 nobody", false, "550 5.1.1 nobody"},
                      misbehaviour{"DATA", "451 4.3.0 trouble", false, "451 4.3.0 trouble"},
                      misbehaviour{".", "451 4.3.0 trouble", false, "451 4.3.0 trouble"},
                      misbehaviour{".", "554 5.7.1 not this", false, "554 5.7.1 not this"},
                      // RFC 1047: the message may have arrived.
                      misbehaviour{".", "drop", false, "451 4.4.2 "}));

TEST_F(RelayHops, WhereAllAreAwayTheMessageWaitsAndSaysWhy) {
  hop.go_away();
  second.go_away();
  bench.routes.add("b.test", both());
  bench.start();
  const std::string id = bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  const tests::delivery_note note = bench.log.last("r@b.test");
  EXPECT_EQ(note.result, "deferred");
  EXPECT_EQ(note.reply,
            "451 4.4.1 127.0.0.1:" + std::to_string(second.port()) + ": Connection refused");
  EXPECT_EQ(bench.kept(id).recipients.at(0).attempts, 1u);
}

TEST_F(RelayHops, ARouteThatNeedsMxSaysSo) {
  bench.routes.add("b.test", next_hop::mx_of("b.test"));
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(bench.log.last("r@b.test").reply, HasSubstr("MX"));
}

// --- Hops that were away a moment ago
// -------------------------------------------------------------

TEST_F(RelayHops, ADeadHopIsLeftAloneUntilFlush) {
  hop.go_away();
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"1@b.test"});
  ASSERT_TRUE(bench.settled(1));
  hop.come_back();
  bench.send({"2@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(hop.connections(), 0);
  EXPECT_THAT(bench.log.last("2@b.test").reply, HasSubstr("Connection refused"));
  EXPECT_EQ(bench.log.last("1@b.test").attempt, 1u);
  EXPECT_EQ(bench.log.last("2@b.test").attempt, 0u);  // nobody was asked
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(4));
  EXPECT_THAT(hop.messages(), SizeIs(2));
}

TEST_F(RelayHops, ADeadHopIsTriedAgainWhenItsTimeIsOver) {
  bench.options.dead_hop = std::chrono::milliseconds(0);
  hop.go_away();
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"1@b.test"});
  ASSERT_TRUE(bench.settled(1));
  hop.come_back();
  bench.send({"2@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(bench.log.last("2@b.test").result, "delivered");
}

// Only an attempt that has asked somebody ends a message.
TEST_F(RelayHops, WhoeverCouldNotBeTriedIsNotGivenUp) {
  hop.go_away();
  bench.options.retry.give_up = std::chrono::seconds(0);
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"1@b.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("1@b.test").result, "failed");
  const std::string id = bench.send({"2@b.test"});
  ASSERT_TRUE(bench.settled(2));
  const spool_message m = bench.kept(id);
  EXPECT_EQ(bench.log.last("2@b.test").result, "deferred");
  EXPECT_EQ(m.recipients.at(0).state, recipient_state::pending);
  EXPECT_EQ(m.recipients.at(0).attempts, 0u);
  EXPECT_GT(m.recipients.at(0).next_attempt, m.received_at + std::chrono::minutes(59));
  bench.relay->flush();  // the hop is asked
  ASSERT_TRUE(bench.settled(3));
  EXPECT_EQ(bench.log.last("2@b.test").result, "failed");
}

TEST_F(RelayHops, AnotherHopDoesNotSufferFromADeadOne) {
  hop.go_away();
  bench.routes.add("b.test", both());
  bench.start();
  bench.send({"1@b.test"});
  ASSERT_TRUE(bench.settled(1));
  hop.come_back();
  bench.send({"2@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(hop.connections(), 0);
  EXPECT_THAT(second.messages(), SizeIs(2));
}

// --- Limits of a hop (RFC 9422)
// -------------------------------------------------------------------

TEST_F(RelayHops, RecipientsThatWereTooManyAreSentAtOnceInFurtherTransactions) {
  hop.offers({"PIPELINING", "LIMITS RCPTMAX=2"});
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"1@b.test", "2@b.test", "3@b.test", "4@b.test", "5@b.test"});
  ASSERT_TRUE(bench.settled(5));
  ASSERT_THAT(hop.messages(), SizeIs(3));
  EXPECT_THAT(hop.messages()[2].rcpt, ElementsAre("RCPT TO:<5@b.test>"));
  EXPECT_EQ(hop.connections(), 1);
  EXPECT_EQ(bench.log.count("delivered"), 5u);
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

TEST_F(RelayHops, AHopThatTakesOneMessageAConnectionGetsMoreConnections) {
  hop.offers({"LIMITS MAILMAX=1 RCPTMAX=1"});
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"1@b.test", "2@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_THAT(hop.messages(), SizeIs(2));
  EXPECT_EQ(hop.connections(), 2);
  ASSERT_TRUE(tests::run_until(bench.io, [&] { return hop.count("QUIT") == 2; }));
}

// RFC 5321 §4.5.3.1.10: the server says 452 where it has enough.
TEST_F(RelayHops, TooManyRecipientsByReplyFollowAtOnceOnTheSameConnection) {
  int taken = 0;
  hop.answer([&](int, std::string_view line) -> std::string {
    if (line.starts_with("MAIL")) taken = 0;
    return line.starts_with("RCPT") && ++taken > 2 ? "452 4.5.3 too many" : "";
  });
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"1@b.test", "2@b.test", "3@b.test", "4@b.test", "5@b.test"});
  ASSERT_TRUE(bench.settled(5));
  ASSERT_THAT(hop.messages(), SizeIs(3));
  EXPECT_THAT(hop.messages()[2].rcpt, ElementsAre("RCPT TO:<5@b.test>"));
  EXPECT_EQ(hop.connections(), 1);
  EXPECT_EQ(bench.log.count("delivered"), 5u);
  EXPECT_EQ(bench.log.last("5@b.test").attempt, 1u);
}

TEST_F(RelayHops, OneThatIsTooManyByItselfIsTriedAgainLater) {
  hop.answer("RCPT TO:<2@", "452 4.5.3 too many");
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"1@b.test", "2@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(bench.log.last("2@b.test").result, "deferred");
  EXPECT_EQ(bench.log.last("1@b.test").result, "delivered");
  EXPECT_EQ(hop.count("RCPT TO:<2@"), 2);
}

// --- A hop that drops the connection at a recipient ----------------------------------------------

TEST_F(RelayHops, ARecipientThatAHopDoesNotBearHoldsUpNoOther) {
  hop.answer("RCPT TO:<bad@", std::string(wire_hop::drop));
  bench.routes.add("b.test", hop.hop());
  bench.start();
  const std::string id = bench.send({"1@b.test", "2@b.test", "bad@b.test", "4@b.test", "5@b.test"});
  ASSERT_TRUE(bench.settled(5));
  EXPECT_EQ(bench.log.count("delivered"), 4u);
  const tests::delivery_note bad = bench.log.last("bad@b.test");
  EXPECT_EQ(bad.result, "deferred");
  EXPECT_EQ(bad.attempt, 1u);
  EXPECT_EQ(bad.reply, "451 4.4.2 connection lost (RCPT)");
  EXPECT_EQ(bench.kept(id).recipients[2].state, recipient_state::pending);
  EXPECT_EQ(bench.relay->stats().queued, 1u);

  hop.answer({});
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(6));
  EXPECT_EQ(bench.log.last("bad@b.test").result, "delivered");
}

// Several of them, wherever they stand.
TEST_F(RelayHops, NorDoTwoOfThem) {
  hop.answer("RCPT TO:<bad", std::string(wire_hop::drop));
  bench.routes.add("b.test", hop.hop());
  bench.start();
  for (const auto& [one, other] : {std::pair("bad1", "bad2"), std::pair("bad3", "good")}) {
    const std::string first = std::string(one) + "@b.test";
    const std::string last = std::string(other) + "@b.test";
    const std::size_t before = bench.log.count();
    bench.send({first, "2@b.test", "3@b.test", "4@b.test", "5@b.test", last});
    ASSERT_TRUE(bench.settled(before + 6));
  }
  EXPECT_EQ(bench.log.count("delivered"), 9u);
  EXPECT_EQ(bench.log.count("deferred"), 3u);
}

TEST_F(RelayHops, OnlyThatRecipientGoesToTheNextHop) {
  hop.answer("RCPT TO:<bad@", std::string(wire_hop::drop));
  bench.routes.add("b.test", both());
  bench.start();
  bench.send({"1@b.test", "bad@b.test", "3@b.test"});
  ASSERT_TRUE(bench.settled(3));
  EXPECT_EQ(bench.log.count("delivered"), 3u);
  ASSERT_THAT(second.messages(), SizeIs(1));
  EXPECT_THAT(second.messages()[0].rcpt, ElementsAre("RCPT TO:<bad@b.test>"));
}

// The replies that it had not sent are lost: whose recipient it was cannot be seen.
TEST_F(RelayHops, AlsoWhereTheRepliesBeforeAreLost) {
  hop.answer([](int connection, std::string_view line) -> std::string {
    return connection < 3 && line.starts_with("MAIL") ? std::string(wire_hop::drop) : "";
  });
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"bad@b.test", "good@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(bench.log.last("bad@b.test").result, "deferred");
  EXPECT_EQ(bench.log.last("good@b.test").result, "delivered");
}

// It has not heard of any recipient yet.
TEST_F(RelayHops, WhereNothingIsPipelinedADropAtMailIsAboutTheHop) {
  hop.offers({});
  hop.answer("MAIL", std::string(wire_hop::drop));
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"1@b.test", "2@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(hop.connections(), 1);
}

TEST_F(RelayHops, AHopThatDropsEverybodyIsNotAskedForEach) {
  hop.answer("RCPT", std::string(wire_hop::drop));
  bench.routes.add("b.test", both());
  bench.start();
  mail_session client(*bench.relay);
  client.from("<s@a.test>");
  constexpr std::size_t many = 100;
  for (std::size_t i = 0; i < many; ++i) client.to(bench.io, {std::to_string(i) + "@b.test"});
  client.data(bench.io, some_text);
  ASSERT_TRUE(bench.settled(many));
  EXPECT_EQ(hop.connections(), 8);
  ASSERT_THAT(second.messages(), SizeIs(1));
  EXPECT_THAT(second.messages()[0].rcpt, SizeIs(many));
  EXPECT_EQ(bench.log.count("delivered"), many);
}

TEST_F(RelayHops, NorOneThatIsAwayAfterThat) {
  hop.answer([&](int, std::string_view line) -> std::string {
    if (!line.starts_with("RCPT")) return "";
    hop.go_away();
    return std::string(wire_hop::drop);
  });
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"1@b.test", "2@b.test", "3@b.test"});
  ASSERT_TRUE(bench.settled(3));
  EXPECT_EQ(hop.connections(), 1);
  for (const auto& note : bench.log.notes()) {
    EXPECT_EQ(note.result, "deferred");
    EXPECT_EQ(note.attempt, 1u);
  }
}

// That is an attempt, also where there is no place to try the others: they come later, not at once.
TEST_F(RelayHops, NorOneThatTurnsUsAwayAfterThat) {
  hop.answer([](int connection, std::string_view line) -> std::string {
    if (connection == 1 && line == ".") return std::string(wire_hop::silent);
    if (connection == 2 && line.starts_with("RCPT")) return std::string(wire_hop::drop);
    return connection == 3 && line.empty() ? "421 4.7.0 too many connections" : "";
  });
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"long@b.test"});
  ASSERT_TRUE(tests::run_until(bench.io, [&] { return hop.count("DATA") == 1; }));
  bench.send({"1@b.test", "2@b.test"});
  ASSERT_TRUE(tests::run_until(bench.io, [&] { return bench.log.count("deferred") == 2; }));
  EXPECT_EQ(bench.log.last("2@b.test").attempt, 1u);
  EXPECT_EQ(hop.connections(), 3);
}

}  // namespace
}  // namespace gatepost::routing
