// This header stands alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "smtp/session.hpp"
#include "tests/support/sessions.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::ElementsAre;
using testing::script;
using namespace tests;  // NOLINT(google-build-using-namespace)

script in_data(channel settings = mx()) {
  script s = addressed(std::move(settings));
  s.client("DATA\r\n").server("354 ");
  return s;
}

const std::string accepted = "250 2.0.0 OK\r\n";
const std::string bare = "550 5.6.0 Message has a bare CR or LF; lines end with CR LF\r\n";
const std::string nul = "550 5.6.0 Message has a NUL octet\r\n";

// --- The end of a message
// --------------------------------------------------------------------------

struct text_case {
  std::string sent;
  std::string text;
  std::string reply;
};

TEST(session_data, texts) {
  const std::string zero(1, '\0');
  const text_case cases[] = {
      // RFC 5321 §4.1.1.4: "the first CRLF of this terminating sequence is also the <CRLF> that
      // ends the
      // final line of the data", or, for a message without text, the one of the DATA command.
      {".\r\n", "", accepted},
      {"\r\n.\r\n", "\r\n", accepted},
      {"a\r\n.\r\n", "a\r\n", accepted},
      // §4.5.2
      {"..\r\n.\r\n", ".\r\n", accepted},
      {"...a\r\n.\r\n", "..a\r\n", accepted},
      {".a\r\n.\r\n", "a\r\n", accepted},
      {"a.\r\n.\r\n", "a.\r\n", accepted},
      {". \r\n.\r\n", " \r\n", accepted},
      // §4.1.1.4: "an SMTP server MUST NOT ... <CR><LF>.<LF>": sequences that end no message.
      {"a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", bare},
      {"a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", bare},
      {"a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", bare},
      {"a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", bare},
      {"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", bare},
      {"a\r\r\n.\r\n", "a\r\r\n", bare},
      {"a\n\r\n.\r\n", "a\n\r\n", bare},
      {"a" + zero + "b\r\n.\r\n", "a" + zero + "b\r\n", nul},
      {"\xFF\xFE\xC3\xBC\r\n.\r\n", "\xFF\xFE\xC3\xBC\r\n", accepted},
      {"\x01\x02\x1B\x7F\r\n.\r\n", "\x01\x02\x1B\x7F\r\n", accepted},
  };
  for (const text_case& c : cases) {
    script s = in_data();
    s.client(c.sent).text(c.text).server(c.reply);
    leave(s);
    EXPECT_EQ(s.check(), "") << c.sent;
  }
}

// Smuggling: what stands behind a sequence that some servers take for the end of a message is never
// a command, whatever is made of the message.
TEST(session_data, no_octet_of_a_text_is_a_command) {
  for (const std::string sequence : {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n",
                                     "\n.\r", "\r\n.\r\r\n", "\r\r\n.\r\r\n"}) {
    script s = in_data();
    s.client("a" + sequence +
             "MAIL FROM:<admin@example.test>\r\nRCPT TO:<victim@example.test>\r\nDATA\r\n\r\n.\r\n")
        .server(bare);
    leave(s);
    EXPECT_EQ(s.check(), "") << sequence;
    const testing::script_run r = s.play();
    EXPECT_EQ(r.facts.transactions, 1U);
    EXPECT_EQ(r.facts.messages, 0U);
  }
}

TEST(session_data, what_follows_the_message_is_a_command) {
  script s = in_data();
  s.client("a\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
      .text("a\r\n")
      .server(accepted)
      .server("250 ")
      .server("250 ")
      .server("354 ")
      .client("b\r\n.\r\nQUIT\r\n")
      .server(accepted)
      .server("221 ")
      .closed();
  EXPECT_EQ(s.check(), "");
  EXPECT_THAT(s.play().messages, ElementsAre("a\r\n", "b\r\n"));
}

TEST(session_data, a_trusted_channel_gets_its_line_ends_mended) {
  script s = in_data(mx_with([](channel& c) { c.line_ends = line_ends::normalise; }));
  s.client("a\nb\rc\r\n.\n.\r\nd\r\n.\r\n").text("a\r\nb\r\nc\r\n\r\n.\r\nd\r\n").server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = in_data(mx_with([](channel& c) { c.line_ends = line_ends::normalise; }));
  t.client("a\n" + std::string(1, '\0') + "\r\n.\r\n").server(nul);
  leave(t);
  EXPECT_EQ(t.check(), "");
}

TEST(session_data, a_line_limit_counts_octets_of_a_line) {
  const auto with_limit = [] { return mx_with([](channel& c) { c.limits.text_line = 12; }); };
  script s = in_data(with_limit());
  s.client("0123456789\r\n.0123456789\r\n.\r\n")
      .text("0123456789\r\n0123456789\r\n")
      .server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = in_data(with_limit());
  t.client("01234567890\r\n.\r\n").server("550 5.6.0 Message has a line that is too long\r\n");
  leave(t);
  EXPECT_EQ(t.check(), "");
  script u = in_data(mx_with([](channel& c) {
    c.limits.text_line = 12;
    c.line_ends = line_ends::normalise;
  }));
  u.client("a\n01234567890\r\n.\r\n").server("550 5.6.0 Message has a line that is too long\r\n");
  leave(u);
  EXPECT_EQ(u.check(), "");
}

// RFC 5321 §4.5.3.1.6: 1000 octets with the CRLF, "not counting the leading dot duplicated for
// transparency".
TEST(session_data, longer_lines_than_the_rfcs_are_refused_by_default) {
  script s = in_data();
  const std::string dots = "." + std::string(997, 'x') + "\r\n";
  s.client("." + dots + ".\r\n").text(dots).server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = in_data();
  t.client(std::string(999, 'x') + "\r\n.\r\n")
      .server("550 5.6.0 Message has a line that is too long\r\n");
  leave(t);
  EXPECT_EQ(t.check(), "");
}

// For devices that cannot be mended.
TEST(session_data, a_channel_may_have_no_line_limit) {
  script s = in_data(mx_with([](channel& c) { c.limits.text_line = 0; }));
  const std::string line = std::string(5000, 'x') + "\r\n";
  s.client(line + ".\r\n").text(line).server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// --- Size
// --------------------------------------------------------------------------------------------

TEST(session_data, a_message_over_the_limit_is_refused_at_its_end) {
  const auto small = [] { return mx_with([](channel& c) { c.limits.message = 10; }); };
  script s = in_data(small());
  s.client("01234567\r\n.\r\n").text("01234567\r\n").server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = in_data(small());
  t.client("012345678\r\nNOOP\r\n.\r\nNOOP\r\n")
      .server("552 5.3.4 Message exceeds the size limit\r\n")
      .server(accepted);
  leave(t);
  EXPECT_EQ(t.check(), "");
  EXPECT_THAT(t.play().refusals, ElementsAre("552 5.3.4 Message exceeds the size limit"));
}

// What goes on coming of a refused message is thrown away up to a bound, and then so is the client.
TEST(session_data, draining_ends) {
  const auto settings = mx_with([](channel& c) {
    c.limits.message = 10;
    c.limits.drain = 100;
  });
  script s = in_data(settings);
  // The part that crosses the limit counts as a whole: so many octets came after the refusal, or
  // with it.
  s.client(std::string(12, 'a') + "\r\n")
      .client(std::string(70, 'b') + "\r\n.\r\n")
      .server("552 5.3.4 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = in_data(settings);
  t.client(std::string(500, 'a') + "\r\n")
      .server("552 5.3.4 Message exceeds the size limit\r\n")
      .closed(session_end::limit);
  EXPECT_EQ(t.check(), "");
  EXPECT_THAT(t.play().refusals, ElementsAre("552 5.3.4 Message exceeds the size limit"));
}

// --- Refusals
// ----------------------------------------------------------------------------------------

TEST(session_data, an_objection_in_the_middle_is_told_at_the_end) {
  script s = in_data();
  s.client("Subject: spam\r\n\r\n")
      .objects({550, {5, 7, 1}, "we do not want this"})
      .client("more\r\n")
      .client("and\r\n.\r\n")
      .server("550 5.7.1 we do not want this\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  const testing::script_run r = s.play();
  EXPECT_THAT(r.messages, ElementsAre());
  EXPECT_THAT(r.refusals, ElementsAre("550 5.7.1 we do not want this"));
}

TEST(session_data, the_first_objection_counts) {
  script s = in_data(mx_with([](channel& c) { c.limits.message = 30; }));
  s.client("a\n\r\n")
      .objects({451, {4, 3, 0}, "first"})
      .client(std::string(40, 'x') + "\r\n.\r\n")
      .server("451 4.3.0 first\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_data, an_objection_by_421_ends_the_session_at_the_messages_end) {
  script s = in_data();
  s.client("a\r\n.\r\n")
      .objects({421, {4, 3, 2}, "going down"})
      .server("421 4.3.2 going down\r\n")
      .closed(session_end::policy);
  EXPECT_EQ(s.check(), "");
}

TEST(session_data, verdicts_at_the_end) {
  const std::tuple<verdict, std::string> cases[] = {
      {verdict::pass(), "250 2.0.0 OK\r\n"},
      {verdict::accept(), "250 2.0.0 OK\r\n"},
      {verdict::discard("spam"), "250 2.0.0 OK\r\n"},
      {verdict::hold("virus?"), "250 2.0.0 OK\r\n"},
      {verdict::refuse({554, {5, 7, 1}, "spam"}), "554 5.7.1 spam\r\n"},
      {verdict::defer(), "451 4.3.0 Local error in processing, try again later\r\n"},
  };
  for (const auto& [answer, words] : cases) {
    script s = in_data();
    s.client("a\r\n.\r\n").asks(stage::message, answer).resets().server(words);
    leave(s);
    EXPECT_EQ(s.check(), "");
  }
  script s = in_data();
  s.client("a\r\n.\r\n")
      .asks(stage::message, verdict::drop("no"))
      .server("421 4.7.0 ")
      .closed(session_end::policy);
  EXPECT_EQ(s.check(), "");
}

TEST(session_data, the_delivery_says_what_the_client_hears) {
  script s = in_data();
  s.client("a\r\n.\r\n")
      .asks_message(reply(250, {2, 6, 0}, "queued as 4711"))
      .server("250 2.6.0 queued as 4711\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  // No answer is never taken for one.
  script t = in_data();
  t.client("a\r\n.\r\n").asks_message(reply()).server("451 4.3.0 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
}

TEST(session_data, data_may_be_refused) {
  script s = addressed();
  s.client("DATA\r\n")
      .asks(stage::data, verdict::defer({452, {4, 3, 1}, "no room"}))
      .resets()
      .server("452 4.3.1 no room\r\n")
      .client("MAIL FROM:<>\r\n")
      .server("250 2.1.0 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// RFC 2920 §3.1: DATA "can only appear as the last command in a group". A text that did not wait
// for 354 must not be taken for commands where 354 never came.
TEST(session_data, text_that_did_not_wait_is_no_command) {
  script s = addressed();
  s.client("DATA\r\nMAIL FROM:<evil@example.test>\r\n.\r\n")
      .asks(stage::data, verdict::refuse({550, {5, 7, 1}, "no"}))
      .resets()
      .server("550 5.7.1 no\r\n")
      .closed(session_end::protocol);
  // What came in one segment is the point: no splits.
  EXPECT_EQ(s.check_lost_at_every_step(), "");
  EXPECT_EQ(s.play().facts.transactions, 1U);
}

// The same where it is the order of commands that refuses DATA, or its argument.
TEST(session_data, text_behind_a_data_that_is_out_of_order_is_no_command) {
  for (const std::string ahead : {"DATA\r\n", "MAIL FROM:<a@b.example>\r\nDATA\r\n"}) {
    script s = greeted();
    s.client(ahead + "RSET\r\nMAIL FROM:<evil@example.test>\r\n");
    if (ahead.starts_with("MAIL")) s.server("250 2.1.0 ");
    s.server("503 5.5.1 ");
    if (ahead.starts_with("MAIL")) s.resets();
    s.closed(session_end::protocol);
    // What came in one segment is the point: no splits.
    EXPECT_EQ(s.check_lost_at_every_step(), "") << ahead;
    EXPECT_EQ(s.play().facts.transactions, ahead.starts_with("MAIL") ? 1U : 0U);
  }
  script s = addressed();
  s.client("DATA now\r\nMAIL FROM:<evil@example.test>\r\n")
      .server("501 5.5.4 ")
      .resets()
      .closed(session_end::protocol);
  EXPECT_EQ(s.check_lost_at_every_step(), "");
}

// --- RFC 2920 §5
// -------------------------------------------------------------------------------------

TEST(session_data, pipelining_example) {
  script s = greeted();
  s.client(
       "MAIL FROM:<mrose@dbc.mtview.ca.us>\r\nRCPT TO:<ned@innosoft.com>\r\nRCPT "
       "TO:<dan@innosoft.com>\r\n"
       "RCPT TO:<kvc@innosoft.com>\r\nDATA\r\n")
      .server("250 2.1.0 ")
      .server("250 2.1.5 ")
      .server("250 2.1.5 ")
      .server("250 2.1.5 ")
      .server("354 ")
      .client("Subject: a\r\n\r\ntext\r\n.\r\nQUIT\r\n")
      .server("250 ")
      .server("221 ")
      .closed();
  EXPECT_EQ(s.check(), "");
}

TEST(session_data, pipelining_example_where_nobody_is_left) {
  const verdict no = verdict::refuse({550, {5, 7, 1}, "remote mail not allowed"});
  script s = greeted();
  s.client(
       "MAIL FROM:<mrose@dbc.mtview.ca.us>\r\nRCPT TO:<nsb@thumper.bellcore.com>\r\nRCPT "
       "TO:<galvin@tis.com>\r\nDATA\r\n")
      .asks(stage::rcpt, no)
      .asks(stage::rcpt, no)
      .server("250 ")
      .server("550 5.7.1 ")
      .server("550 5.7.1 ")
      .server("503 5.5.1 Send RCPT first\r\n")
      .client("QUIT\r\n")
      .server("221 ")
      .closed();
  EXPECT_EQ(s.check(), "");
}

// The transcript has no text of messages, only how much there was.
TEST(session_data, transcript) {
  script s = in_data();
  s.client("secret text\r\n.\r\n").server("250 ");
  EXPECT_EQ(s.check(), "");
  const auto lines = s.play().transcript;
  ASSERT_GE(lines.size(), 2U);
  EXPECT_EQ(lines[lines.size() - 2], "C: (13 octets of message text)");
  EXPECT_EQ(lines.back(), "S: 250 2.0.0 OK");
}

}  // namespace
}  // namespace gatepost::smtp
