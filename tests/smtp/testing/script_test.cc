// This header stands alone.
#include "smtp/testing/script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/sessions.hpp"

namespace gatepost::smtp::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::addressed;
using tests::greeted;
using tests::leave;
using tests::mx;

std::string problem_of(const script& s) { return s.play().problem; }

TEST(script, a_conversation_that_goes_as_written) {
  script s = greeted();
  leave(s);
  EXPECT_EQ(s.check(), "");
  const script_run r = s.play();
  EXPECT_THAT(r.questions, ElementsAre("connect", "helo"));
  EXPECT_EQ(r.transcript.front(), "S: 220 mx.example.test ESMTP");
  EXPECT_EQ(r.transcript.at(1), "C: EHLO client.example");
  EXPECT_EQ(r.ended_by, session_end::quit);
  EXPECT_EQ(r.wire.substr(r.wire.size() - 15), "221 2.0.0 Bye\r\n");
}

// --- What a script finds
// ---------------------------------------------------------------------------

TEST(script, finds_other_words) {
  script s = greeted();
  s.client("NOOP\r\n").server("250 2.0.0 Yes\r\n");
  EXPECT_THAT(problem_of(s), HasSubstr("expected \"250 2.0.0 Yes\\r\\n\", heard \"250 2.0.0 OK"));
}

TEST(script, finds_words_that_are_missing_and_words_too_many) {
  script missing = greeted();
  missing.client("NOOP\r\n").server("250 ").server("250 ");
  EXPECT_THAT(problem_of(missing), HasSubstr("heard \"\""));
  script too_many = greeted();
  too_many.client("NOOP\r\nNOOP\r\n").server("250 ");
  EXPECT_THAT(problem_of(too_many), HasSubstr("heard also \"250 2.0.0 OK"));
}

TEST(script, a_text_without_crlf_is_the_beginning_of_a_whole_reply) {
  script s(mx());
  s.server("220").client("EHLO client.example\r\n").server("250-mx").client("NOOP\r\n").server("2");
  EXPECT_EQ(problem_of(s), "");
  script half(mx());
  half.server("220 ").client("EHLO client.example\r\n").server("250-mx.example.test\r\n");
  EXPECT_THAT(problem_of(half), HasSubstr("heard also \"250-"));
}

TEST(script, finds_questions_that_are_not_asked) {
  script s = greeted();
  s.client("NOOP\r\n").asks(stage::mail).server("250 ");
  EXPECT_THAT(problem_of(s), HasSubstr("the script expects a question of stage mail"));
}

TEST(script, finds_a_session_that_closes_or_does_not) {
  script closes = greeted();
  closes.client("QUIT\r\n").server("221 ");
  EXPECT_THAT(problem_of(closes), HasSubstr("closed (quit)"));
  script stays = greeted();
  stays.client("NOOP\r\n").server("250 ").closed();
  EXPECT_THAT(problem_of(stays), HasSubstr("expects the end"));
  script why = greeted();
  why.client("QUIT\r\n").server("221 ").closed(session_end::limit);
  EXPECT_THAT(problem_of(why), HasSubstr("because of quit"));
  script too_early = greeted();
  too_early.client("QUIT\r\n").server("221 ").closed().client("NOOP\r\n").server("250 ");
  EXPECT_THAT(problem_of(too_early), HasSubstr("before the script's end"));
}

TEST(script, finds_another_text) {
  script s = addressed();
  s.client("DATA\r\n").server("354 ").client("..a\r\n.\r\n").text("..a\r\n").server("250 ");
  EXPECT_THAT(problem_of(s), HasSubstr("the text is \".a\\r\\n\""));
}

TEST(script, finds_tls_and_auth_that_nobody_expects) {
  script s = greeted();
  s.client("STARTTLS\r\n").server("220 ");
  EXPECT_THAT(problem_of(s), HasSubstr("TLS begins"));
  channel c = mx();
  c.extensions.add(extension::auth);
  c.auth_mechanisms = {"PLAIN"};
  c.auth_without_tls = true;
  script t = greeted(c);
  t.client("AUTH PLAIN\r\n").server("334 ");
  EXPECT_THAT(problem_of(t), HasSubstr("auth_step"));
}

TEST(script, answers_as_the_script_says_and_only_there) {
  script s = greeted();
  s.client("MAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n")
      .server("250 2.1.0")
      .asks(stage::rcpt)
      .server("250 2.1.5")
      .asks(stage::rcpt, verdict::refuse({551, {5, 1, 6}, "moved"}))
      .server("551 5.1.6 moved\r\n");
  EXPECT_EQ(s.check(), "");
}

TEST(script, messages_and_refusals_are_kept) {
  script s = addressed();
  s.client("DATA\r\n")
      .server("354 ")
      .client("a\r\n.\r\n")
      .server("250 ")
      .client("MAIL FROM:<>\r\n")
      .server("250 ")
      .client("RCPT TO:<b@example.test>\r\n")
      .server("250 ")
      .client("DATA\r\n")
      .server("354 ")
      .client("b\n\r\n.\r\n")
      .server("550 5.6.0");
  const script_run r = s.play();
  EXPECT_THAT(r.messages, ElementsAre("a\r\n"));
  EXPECT_THAT(r.refusals, ElementsAre(HasSubstr("550 5.6.0")));
  EXPECT_EQ(r.resets, 2U);
}

// --- What the variations find: an octet that does not wait for its turn
// -------------------------------

// STARTTLS and what follows it in one packet is refused; in two packets it is not: a difference
// that check_splits() has to see.
TEST(script, splits_are_seen) {
  script s = greeted();
  s.client("STARTTLS\r\nNOOP\r\n").server("554 ").closed(session_end::protocol);
  EXPECT_EQ(problem_of(s), "");
  EXPECT_NE(s.check_splits(), "");
  EXPECT_EQ(s.check_lost_at_every_step(), "");
}

TEST(script, reply_fault_knows_a_reply) {
  EXPECT_EQ(reply_fault("250 ok\r\n250-a\r\n250 b\r\n"), "");
  EXPECT_NE(reply_fault("250 ok\r\n25"), "");
  EXPECT_NE(reply_fault("250-a\r\n550 b\r\n"), "");
  EXPECT_NE(reply_fault("ok\r\n"), "");
  EXPECT_NE(reply_fault("250 a\nb\r\n"), "");
  EXPECT_NE(reply_fault("650 a\r\n"), "");
  EXPECT_NE(reply_fault("250 " + std::string(507, 'a') + "\r\n"), "");
  EXPECT_EQ(reply_fault("250 " + std::string(506, 'a') + "\r\n"), "");
}

}  // namespace
}  // namespace gatepost::smtp::testing
