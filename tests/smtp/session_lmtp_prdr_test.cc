// This header stands alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "smtp/session.hpp"
#include "tests/support/sessions.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::ElementsAre;
using testing::script;
using namespace tests;  // NOLINT(google-build-using-namespace)

const reply ok(250, {2, 0, 0}, "OK");
const reply over_quota(452, {4, 2, 2}, "<green@foo.edu> is temporarily over quota");

// --- LMTP (RFC 2033)
// -----------------------------------------------------------------------------------

// §4.2's example.
TEST(session_lmtp, example) {
  script s(lmtp());
  s.server("220 ")
      .client("LHLO foo.edu\r\n")
      .server("250-")
      .client("MAIL FROM:<chris@bar.com>\r\n")
      .server("250 ")
      .client("RCPT TO:<pat@foo.edu>\r\n")
      .server("250 ")
      .client("RCPT TO:<jones@foo.edu>\r\n")
      .asks(stage::rcpt, verdict::refuse({550, {5, 1, 1}, "No such user here"}))
      .server("550 5.1.1 No such user here\r\n")
      .client("RCPT TO:<green@foo.edu>\r\n")
      .server("250 ")
      .client("DATA\r\n")
      .server("354 ")
      .client("Blah blah blah...\r\n...etc. etc. etc.\r\n.\r\n")
      .asks_message(ok, {ok, over_quota})
      .resets()
      .server("250 2.0.0 OK\r\n")
      .server("452 4.2.2 <green@foo.edu> is temporarily over quota\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().facts.protocol, protocol::lmtp);
}

TEST(session_lmtp, greets_as_what_it_is) {
  const auto greeting = [](channel settings) {
    settings.hostname = "mx.example.test";
    script s(std::move(settings));
    s.server("220 ");
    leave(s);
    EXPECT_EQ(s.check(), "");
    const std::string said = s.play().wire;
    return said.substr(0, said.find("\r\n"));
  };
  EXPECT_EQ(greeting(lmtp()), "220 mx.example.test LMTP");
  EXPECT_EQ(greeting(channel()), "220 mx.example.test ESMTP");
  channel own = lmtp();
  own.greeting = "LMTP, and no more";
  EXPECT_EQ(greeting(own), "220 mx.example.test LMTP, and no more");
}

script to_two(channel settings = lmtp()) {
  script s = greeted(std::move(settings));
  s.client("MAIL FROM:<a@b.example>\r\nRCPT TO:<b@example.test>\r\nRCPT TO:<b@example.test>\r\n")
      .server("250 ")
      .server("250 ")
      .server("250 ");
  return s;
}

// "Even if there were multiple successful RCPT commands giving the same forward-path, there must be
// one reply for each successful RCPT command."
TEST(session_lmtp, one_reply_for_each_recipient) {
  script s = to_two();
  s.client("DATA\r\n")
      .server("354 ")
      .client(".\r\n")
      .server("250 2.0.0 OK\r\n")
      .server("250 2.0.0 OK\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = to_two();
  t.client("DATA\r\n")
      .server("354 ")
      .client(".\r\n")
      .asks_message(over_quota)
      .server("452 4.2.2 ")
      .server("452 4.2.2 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
  // Fewer replies than recipients: the one for all fills in.
  script u = to_two();
  u.client("DATA\r\n")
      .server("354 ")
      .client(".\r\n")
      .asks_message(over_quota, {ok})
      .server("250 ")
      .server("452 4.2.2 ");
  leave(u);
  EXPECT_EQ(u.check(), "");
}

TEST(session_lmtp, what_is_wrong_with_the_text_is_told_to_each) {
  script s = to_two();
  s.client("DATA\r\n")
      .server("354 ")
      .client("a\nb\r\n.\r\n")
      .resets()
      .server("550 5.6.0 ")
      .server("550 5.6.0 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// "when there have been no successful RCPT commands in the mail transaction, the DATA command MUST
// fail with a 503 reply code." And BDAT likewise: one reply.
TEST(session_lmtp, nobody_to_reply_for) {
  script s = greeted(lmtp());
  s.client("MAIL FROM:<a@b.example>\r\n")
      .server("250 ")
      .client("DATA\r\n")
      .server("503 5.5.1 Send RCPT first\r\n")
      .client("BDAT 3 LAST\r\nabc")
      .server("503 5.5.1 Send RCPT first\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = to_two();
  t.client("DATA\r\n").asks(stage::data, verdict::defer()).server("451 4.3.0 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
}

// A reply for each recipient belongs to the chunk that ends the message; the others have one.
TEST(session_lmtp, chunks) {
  script s = to_two();
  s.client("BDAT 3\r\na\r\nBDAT 0 LAST\r\n")
      .asks_message(ok, {over_quota, ok})
      .server("250 2.0.0 Chunk received\r\n")
      .server("452 ")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = to_two();
  t.client("BDAT 3\r\na\nb").server("550 5.6.0 ").client("NOOP\r\n").server("250 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
  script u = to_two();
  u.client("BDAT 3 LAST\r\na\nb").server("550 5.6.0 ").server("550 5.6.0 ");
  leave(u);
  EXPECT_EQ(u.check(), "");
}

// §4.1: "The HELO and EHLO commands of ESMTP are replaced by the LHLO command."
TEST(session_lmtp, hello) {
  script s(lmtp());
  s.server("220 ")
      .client("EHLO a.example\r\n")
      .server("500 5.5.2 ")
      .client("HELO a.example\r\n")
      .server("500 5.5.2 ")
      .client("MAIL FROM:<>\r\n")
      .server("503 5.5.1 Send LHLO first\r\n")
      .client("LHLO\r\n")
      .server("501 5.5.4 Syntax: LHLO hostname\r\n")
      .client("LHLO a.example\r\n")
      .server("250-");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_lmtp, classes_need_no_messages_of_their_own) {
  channel settings = lmtp();
  settings.split_classes = true;
  EXPECT_EQ(to_two(settings).check(), "");
}

// --- PRDR (draft-hall-prdr-00, as Exim has it)
// -----------------------------------------------------------

script prdr(std::string_view parameter = " PRDR") {
  script s = greeted(with_extension(extension::prdr));
  s.client("MAIL FROM:<a@b.example>" + std::string(parameter) +
           "\r\nRCPT TO:<b@example.test>\r\nRCPT TO:<c@example.test>\r\nDATA\r\n")
      .server("250 ")
      .server("250 ")
      .server("250 ")
      .server("354 ")
      .client("text\r\n.\r\n");
  return s;
}

TEST(session_prdr, one_reply_for_each_and_one_for_all) {
  script s = prdr();
  s.asks_message(ok, {ok, over_quota})
      .server("353 Per-recipient replies follow\r\n")
      .server("250 2.0.0 OK\r\n")
      .server("452 4.2.2 ")
      .server("250 2.0.0 OK\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_prdr, a_refusal_of_all) {
  script s = prdr();
  s.asks(stage::message, verdict::refuse({550, {5, 7, 1}, "spam"}))
      .server("353 ")
      .server("550 5.7.1 ")
      .server("550 5.7.1 ")
      .server("550 5.7.1 spam\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_prdr, not_for_one_recipient) {
  script s = greeted(with_extension(extension::prdr));
  s.client("MAIL FROM:<a@b.example> PRDR\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
      .server("250 ")
      .server("250 ")
      .server("354 ")
      .client(".\r\n")
      .asks_message(ok, {over_quota})
      .server("250 2.0.0 OK\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_prdr, only_where_the_client_asks_for_it) {
  script s = prdr("");
  s.asks_message(ok, {ok, over_quota}).server("250 2.0.0 OK\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = greeted();
  t.client("MAIL FROM:<a@b.example> PRDR\r\n").server("555 5.5.4 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
  script u = greeted(with_extension(extension::prdr));
  u.client("MAIL FROM:<a@b.example> PRDR=1\r\n").server("501 5.5.4 ");
  leave(u);
  EXPECT_EQ(u.check(), "");
}

// The text itself is refused by one reply, which holds for all.
TEST(session_prdr, a_bad_text_is_refused_at_once) {
  script s = greeted(with_extension(extension::prdr));
  s.client(
       "MAIL FROM:<a@b.example> PRDR\r\nRCPT TO:<b@example.test>\r\nRCPT "
       "TO:<c@example.test>\r\nDATA\r\n")
      .server("250 ")
      .server("250 ")
      .server("250 ")
      .server("354 ")
      .client("a\nb\r\n.\r\n")
      .server("550 5.6.0 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// --- Classes of recipients
// -------------------------------------------------------------------------------

// The classes are for policy and delivery to set, so this one drives the engine by hand.
TEST(session_classes, a_recipient_of_another_class_gets_a_message_of_its_own) {
  channel settings = mx();
  settings.split_classes = true;
  session_facts facts;
  buffer_pool pool;
  session engine(settings, facts, pool);
  std::string wire;
  std::string text =
      "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<red1@example.test>\r\nRCPT "
      "TO:<blue@example.test>\r\nRCPT TO:<red2@example.test>\r\n";
  bool fed = false;
  for (action a = engine.next();; a = engine.next()) {
    if (a.kind == action_kind::ask) {
      if (a.stage == stage::rcpt)
        engine.asked_recipient().policy_class =
            engine.asked_recipient().forward_path.local_part().substr(0, 1);
      engine.answer(verdict::pass());
    }
    if (a.kind != action_kind::read) continue;
    wire += engine.output();
    engine.sent(engine.output().size());
    if (fed) break;
    fed = true;
    text.copy(engine.prepare().data(), text.size());
    engine.received(text.size());
  }
  EXPECT_NE(wire.find("250 2.1.5 Recipient OK\r\n452 4.5.3 Send this recipient in a message of its "
                      "own\r\n250 2.1.5 Recipient OK\r\n"),
            std::string::npos)
      << wire;
  ASSERT_EQ(engine.envelope().recipients().size(), 2U);
  EXPECT_EQ(engine.envelope().recipients()[1].forward_path.text(), "red2@example.test");
}

}  // namespace
}  // namespace gatepost::smtp
