// This header stands alone.
#include "smtp/drive.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/memory_sessions.hpp"

namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::fake_delivery;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using namespace tests;  // NOLINT(google-build-using-namespace)

// --- A session
// --------------------------------------------------------------------------------------------

TEST(drive, a_message_goes_through) {
  fake_session f;
  EXPECT_EQ(f.begin(), "220 mx.example.test ESMTP\r\n");
  EXPECT_THAT(f.says("EHLO client.example\r\n"), StartsWith("250-mx.example.test\r\n"));
  EXPECT_EQ(
      f.says("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"),
      "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n354 End data with <CR><LF>.<CR><LF>\r\n");
  EXPECT_EQ(f.says("Subject: x\r\n\r\n..hi\r\n.\r\n"), "250 2.0.0 OK\r\n");
  EXPECT_EQ(f.says("QUIT\r\n"), "221 2.0.0 Bye\r\n");
  EXPECT_TRUE(f.session->ended());
  EXPECT_TRUE(f.session->connection.client().at_end());
  EXPECT_THAT(f.session->log.lines,
              ElementsAre("verdict rcpt delivery pass",
                          "message accepted Q1 250 2.0.0 OK (19 octets)", "session quit"));
  EXPECT_THAT(f.policy.asked, ElementsAre("open", "connect", "helo", "mail", "rcpt", "data",
                                          "header_end", "body", "message", "reset"));
  ASSERT_EQ(f.delivery.kept.size(), 1U);
  EXPECT_EQ(f.delivery.kept[0].reverse_path, "a@client.example");
  EXPECT_THAT(f.delivery.kept[0].recipients, ElementsAre("b@example.test"));
  EXPECT_EQ(f.delivery.kept[0].received, "Subject: x\r\n\r\n.hi\r\n");
  EXPECT_EQ(f.policy.body, f.delivery.kept[0].received);
  EXPECT_EQ(f.policy.header, "Subject: x\r\n");
  EXPECT_EQ(f.policy.size, 19U);
}

TEST(drive, however_the_octets_come) {
  for (const std::size_t most : {1U, 2U, 3U, 17U}) {
    fake_session f;
    f.begin();
    testing::memory_transport& server = f.session->connection.server();
    server.limit_reads(most);
    server.limit_writes(most);
    server.limit_window(most + 1);
    f.session->connection.client().limit_window(most);
    f.says(
        "EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT "
        "TO:<b@example.test>\r\nDATA\r\n");
    const std::string said = f.says("Subject: x\r\n\r\n..hi\r\n.\r\nQUIT\r\n");
    EXPECT_EQ(said, "250 2.0.0 OK\r\n221 2.0.0 Bye\r\n");
    EXPECT_EQ(f.delivery.kept.at(0).received, "Subject: x\r\n\r\n.hi\r\n");
    EXPECT_TRUE(f.session->ended());
  }
}

TEST(drive, by_chunks) {
  fake_session f;
  f.begin_message();
  EXPECT_EQ(f.says("BDAT 9\r\nSubject: BDAT 7\r\nx\r\n\r\nhiBDAT 0 LAST\r\n"),
            "250 2.0.0 Chunk received\r\n250 2.0.0 Chunk received\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(f.delivery.kept.at(0).received, "Subject: x\r\n\r\nhi");
  EXPECT_EQ(f.policy.header, "Subject: x\r\n");
}

TEST(drive, messages_in_a_row) {
  fake_session f;
  f.begin_message();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n");
    f.says("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.test>\r\n");
  }
  EXPECT_EQ(f.delivery.kept.size(), 3U);
  f.says("RSET\r\n");
  EXPECT_EQ(f.session->facts().messages, 3U);
  EXPECT_EQ(f.session->facts().transactions, 4U);
}

// --- Questions
// --------------------------------------------------------------------------------------------

TEST(drive, refusals_of_policy_and_delivery) {
  fake_session f;
  f.policy.answers(stage::helo, verdict::refuse({550, {5, 7, 1}, "bad name"}));
  f.policy.answers(stage::mail, verdict::refuse({550, {5, 7, 1}, "bad sender"}));
  f.policy.answers(stage::rcpt, verdict::refuse({550, {5, 7, 1}, "bad recipient"}));
  f.policy.answers(stage::data, verdict::refuse({550, {5, 7, 1}, "bad everything"}));
  f.delivery.resolves("nobody@example.test", verdict::refuse(replies::no_such_user));
  f.begin();
  EXPECT_EQ(f.says("EHLO client.example\r\n"), "550 5.7.1 bad name (ID1)\r\n");
  EXPECT_THAT(f.says("EHLO client.example\r\n"), StartsWith("250-"));
  EXPECT_EQ(f.says("MAIL FROM:<>\r\n"), "550 5.7.1 bad sender (ID1)\r\n");
  EXPECT_EQ(f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n"),
            "250 2.1.0 Sender OK\r\n550 5.7.1 bad recipient (ID1)\r\n");
  EXPECT_EQ(f.delivery.resolved.size(), 0U);  // the delivery is not asked about who is refused
  EXPECT_EQ(f.says("RCPT TO:<nobody@example.test>\r\n"), "550 5.1.1 No such user here (ID1)\r\n");
  EXPECT_THAT(f.session->log.lines, Contains("verdict rcpt delivery refuse No such user here"));
  f.says("RCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.says("DATA\r\n"), "550 5.7.1 bad everything (ID1)\r\n");
  EXPECT_EQ(f.delivery.begun, 0U);
  EXPECT_EQ(f.says("QUIT\r\n"), "221 2.0.0 Bye\r\n");
}

TEST(drive, drop_ends_the_session) {
  for (const stage at : {stage::connect, stage::helo, stage::mail, stage::rcpt, stage::data,
                         stage::header_end, stage::body, stage::message}) {
    fake_session f;
    f.policy.answers(at, verdict::drop("flood"));
    std::string said = f.begin();
    for (const std::string line : {"EHLO client.example", "MAIL FROM:<>",
                                   "RCPT TO:<b@example.test>", "DATA", "Subject: x\r\n\r\nhi\r\n."})
      said += f.says(line + "\r\n");
    EXPECT_THAT(said, ::testing::EndsWith("421 4.7.0 Service not available to you (ID1)\r\n"))
        << to_string(at);
    EXPECT_TRUE(f.session->ended());
    EXPECT_EQ(f.session->ended_by(), "policy");
    EXPECT_EQ(f.delivery.kept.size(), 0U);
    EXPECT_EQ(f.delivery.forgotten, f.delivery.begun);
  }
}

TEST(drive, classes_of_recipients) {
  fake_session f(mx_with([](channel& c) { c.split_classes = true; }));
  f.delivery.classifies("b@example.test", "strict").classifies("c@example.test", "lax");
  const std::string said = f.begin_message({"b@example.test", "c@example.test"});
  EXPECT_THAT(said, HasSubstr("250 2.1.5 Recipient OK\r\n452 4.5.3 Send this recipient in a "
                              "message of its own (ID1)\r\n"));
  f.sends();
  EXPECT_THAT(f.delivery.kept.at(0).recipients, ElementsAre("b@example.test"));
}

// A check's word and the delivery's: both have to be the same.
TEST(drive, classes_that_the_policy_tells) {
  fake_session f(mx_with([](channel& c) { c.split_classes = true; }));
  f.delivery.classifies("c@example.test", "lax");
  for (int n = 0; n < 3; ++n)
    f.policy.answers(stage::rcpt, verdict::pass().policy_class("spam filter"));
  f.policy.answers(stage::rcpt, verdict::pass());
  const std::string said =
      f.begin_message({"a@example.test", "b@example.test", "c@example.test", "d@example.test"});
  EXPECT_THAT(said, HasSubstr("250 2.1.5 Recipient OK\r\n250 2.1.5 Recipient OK\r\n"
                              "452 4.5.3 Send this recipient in a message of its own (ID1)\r\n"
                              "452 4.5.3 "));
  f.sends();
  EXPECT_THAT(f.delivery.kept.at(0).recipients, ElementsAre("a@example.test", "b@example.test"));
}

TEST(drive, etrn) {
  fake_session f(with_extension(extension::etrn));
  f.delivery.fails_at(fake_delivery::step::etrn, 2).fails_at(fake_delivery::step::commit, 1);
  f.begin();
  f.says("EHLO client.example\r\n");
  EXPECT_EQ(f.says("ETRN example.org\r\n"), "250 2.0.0 OK\r\n");
  EXPECT_EQ(f.says("ETRN example.org\r\n"), "458 4.3.0 Unable to queue messages (ID1)\r\n");
  f.delivery.fails_at(fake_delivery::step::etrn, 3, fake_delivery::fault::exception);
  EXPECT_THAT(f.says("ETRN example.org\r\n"), StartsWith("451 4.3.0 "));
  EXPECT_THAT(f.delivery.nodes, ElementsAre("example.org", "example.org", "example.org"));
}

// XCLIENT begins the session anew; the policy sees another client.
TEST(drive, xclient_opens_another_policy) {
  fake_session f(mx_with([](channel& c) {
    c.extensions.add(extension::xclient);
    c.xclient_from = {*parse_ip_network("192.0.2.0/24")};
  }));
  f.begin();
  f.says("EHLO proxy.example\r\n");
  EXPECT_EQ(f.says("XCLIENT ADDR=203.0.113.9 NAME=client.example\r\n"),
            "220 mx.example.test ESMTP\r\n");
  EXPECT_THAT(f.policy.asked, ElementsAre("open", "connect", "helo", "open", "connect"));
  f.says("EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  f.sends();
  EXPECT_THAT(
      f.delivery.kept.at(0).text,
      StartsWith(
          "Received: from client.example (client.example [203.0.113.9])\r\n by mx.example.test"));
}

// --- TLS -----------------------------------------------------------------------------------------

TEST(drive, starttls) {
  fake_session f;
  f.options.tls = true;
  f.begin();
  f.says("EHLO client.example\r\n");
  EXPECT_EQ(f.says("STARTTLS\r\n"), "220 2.0.0 Ready to start TLS\r\n");
  EXPECT_TRUE(f.session->starts_tls());
  EXPECT_EQ(f.session->facts().tls->version, "TLSv1.3");
  EXPECT_EQ(f.session->facts().helo, "");
  EXPECT_THAT(f.says("EHLO client.example\r\n"), Not(HasSubstr("STARTTLS")));
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  f.sends();
  EXPECT_THAT(f.delivery.kept.at(0).text, HasSubstr(" with ESMTPS"));
  EXPECT_THAT(f.policy.asked, Contains("tls"));
}

TEST(drive, starttls_fails) {
  fake_session f;
  f.options.tls = true;
  f.begin();
  f.says("EHLO client.example\r\n");
  f.says("STARTTLS\r\n");
  EXPECT_EQ(f.says("EHLO evil.example\r\n"), "");
  EXPECT_TRUE(f.session->ended());
  EXPECT_THAT(f.events(),
              ElementsAre("trouble tls: plain text where TLS was expected", "session tls failed"));
  EXPECT_EQ(f.session->log.ended_by_limit, "");
}

TEST(drive, starttls_takes_too_long) {
  fake_session f;
  f.options.tls = true;
  f.begin();
  f.says("EHLO client.example\r\n");
  f.says("STARTTLS\r\n");
  f.session->advance(29s);
  EXPECT_FALSE(f.session->ended());
  f.session->advance(1s);
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.session->ended_by(), "tls failed");
  EXPECT_EQ(f.session->log.ended_by_limit, "tls_timeout");
  EXPECT_EQ(f.session->reached(limit_kind::tls_timeout), 1U);
}

// --- Fairness
// ---------------------------------------------------------------------------------------------

// Who pipelines a thousand commands does not keep the thread from the other sessions until all of
// them are answered.
TEST(drive, a_client_with_much_to_say_leaves_the_others_their_turn) {
  fake_session f(mx_with([](channel& c) { c.limits.transactions = 0; }));
  f.begin();
  f.says("EHLO client.example\r\n");
  std::string much;
  for (int i = 0; i < 500; ++i) much += "MAIL FROM:<a@client.example>\r\nRSET\r\n";
  std::size_t before = f.policy.questions, most = 0;
  const std::size_t from = before;
  ASSERT_EQ(f.session->connection.client().try_write(much).octets, much.size());
  f.session->io.restart();
  while (f.session->io.poll_one() != 0) {
    most = std::max(most, f.policy.questions - before);
    before = f.policy.questions;
  }
  EXPECT_EQ(f.policy.questions - from, 500u);
  EXPECT_LE(most, 64u);
  f.says("QUIT\r\n");
  EXPECT_TRUE(f.session->ended());
}

// --- AUTH
// -------------------------------------------------------------------------------------------------

// Takes "secret" for a password, by PLAIN in one step and by LOGIN in two.
class fake_authenticator final : public authenticator {
 public:
  std::unique_ptr<auth_exchange> start(std::string_view mechanism, const session_facts&) override {
    started.emplace_back(mechanism);
    if (mechanism == "NONE") return nullptr;
    return std::make_unique<exchange>(mechanism == "LOGIN" ? 2 : 1);
  }
  std::vector<std::string> started;

 private:
  class exchange final : public auth_exchange {
   public:
    explicit exchange(int steps) : steps_(steps) {}
    asio::awaitable<auth_answer> step(std::string response, bool initial) override {
      if (!initial) co_return auth_answer::challenge("?");
      if (response == "throw") throw std::runtime_error("directory down");
      if (--steps_ > 0) co_return auth_answer::challenge("again?");
      if (response == "secret") co_return auth_answer::success("user");
      co_return auth_answer::failure();
    }

   private:
    int steps_;
  };
};

struct auth_session : fake_session {
  auth_session()
      : fake_session(mx_with([](channel& c) {
          c.extensions.add(extension::auth);
          c.auth_mechanisms = {"PLAIN", "LOGIN", "NONE"};
          c.auth_without_tls = true;
        })) {
    options.authenticator = &auth;
    options.transcript = true;
  }
  fake_authenticator auth;
};

TEST(drive, auth) {
  auth_session f;
  f.begin();
  f.says("EHLO client.example\r\n");
  EXPECT_EQ(f.says("AUTH PLAIN\r\n"), "334 Pw==\r\n");
  EXPECT_EQ(f.says("d3Jvbmc=\r\n"), "535 5.7.8 Authentication credentials invalid (ID1)\r\n");
  EXPECT_EQ(f.says("AUTH NONE\r\n"), "504 5.5.4 Authentication mechanism not supported (ID1)\r\n");
  EXPECT_EQ(f.says("AUTH PLAIN c2VjcmV0\r\n"), "235 2.7.0 Authentication succeeded\r\n");
  EXPECT_EQ(f.session->facts().auth_identity, "user");
  EXPECT_THAT(f.policy.asked, Contains("auth"));
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  f.sends();
  EXPECT_THAT(f.delivery.kept.at(0).text, HasSubstr(" with ESMTPA"));
}

// What a cancelled exchange had got does not reach the next one.
TEST(drive, auth_begins_anew) {
  auth_session f;
  f.begin();
  f.says("EHLO client.example\r\n");
  EXPECT_EQ(f.says("AUTH LOGIN dXNlcg==\r\n"), "334 YWdhaW4/\r\n");
  EXPECT_THAT(f.says("*\r\n"), StartsWith("501 5.7.0 "));
  EXPECT_EQ(f.says("AUTH PLAIN c2VjcmV0\r\n"), "235 2.7.0 Authentication succeeded\r\n");
  EXPECT_THAT(f.auth.started, ElementsAre("LOGIN", "PLAIN"));
}

TEST(drive, auth_breaks_down) {
  auth_session f;
  f.begin();
  f.says("EHLO client.example\r\n");
  EXPECT_EQ(f.says("AUTH PLAIN dGhyb3c=\r\n"),
            "454 4.7.0 Temporary authentication failure (ID1)\r\n");
  EXPECT_THAT(f.events(), ElementsAre("trouble auth: directory down"));
}

TEST(drive, auth_is_not_offered_without_authenticator) {
  auth_session f;
  f.options.authenticator = nullptr;
  f.begin();
  EXPECT_THAT(f.says("EHLO client.example\r\n"), Not(HasSubstr("AUTH")));
}

// --- Transcripts
// ------------------------------------------------------------------------------------------

TEST(drive, transcript) {
  auth_session f;
  f.begin();
  f.says("EHLO client.example\r\n");
  f.says("AUTH PLAIN\r\n");
  f.says("c2VjcmV0\r\n");
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  f.sends("Subject: private\r\n\r\nvery private\r\n");
  f.says("QUIT\r\n");
  const auto& lines = f.session->log.transcript;
  EXPECT_EQ(lines.front(), "S: 220 mx.example.test ESMTP");
  const std::vector<std::string> last(lines.end() - 14, lines.end());
  EXPECT_THAT(
      last, ElementsAre("C: AUTH PLAIN", "S: 334 (challenge)", "C: (response)",
                        "S: 235 2.7.0 Authentication succeeded", "C: MAIL FROM:<>",
                        "S: 250 2.1.0 Sender OK", "C: RCPT TO:<b@example.test>",
                        "S: 250 2.1.5 Recipient OK", "C: DATA",
                        "S: 354 End data with <CR><LF>.<CR><LF>", "C: (34 octets of message text)",
                        "S: 250 2.0.0 OK", "C: QUIT", "S: 221 2.0.0 Bye"));
}

TEST(drive, no_transcript_where_nobody_wants_one) {
  fake_session f;
  f.begin_message();
  EXPECT_TRUE(f.session->log.transcript.empty());
}

}  // namespace
}  // namespace gatepost::smtp
