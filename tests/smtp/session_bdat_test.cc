// This header stands alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "smtp/session.hpp"
#include "tests/support/sessions.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::script;
using namespace tests;  // NOLINT(google-build-using-namespace)

const std::string chunk_ok = "250 2.0.0 Chunk received\r\n";
const std::string accepted = "250 2.0.0 OK\r\n";

// --- RFC 3030 §4
// -------------------------------------------------------------------------------------

TEST(session_bdat, example_1_simple_chunking) {
  script s = greeted();
  const std::string text =
      "To: Susan@random.com\r\nFrom: Sam@random.com\r\nSubject: This is a bodyless test "
      "message\r\n";
  ASSERT_EQ(text.size(), 86U);
  s.client("MAIL FROM:<Sam@Random.com>\r\n")
      .server("250 2.1.0 ")
      .client("RCPT TO:<Susan@Random.com>\r\n")
      .server("250 2.1.5 ")
      .client("BDAT 86 LAST\r\n" + text)
      .asks(stage::data)
      .text(text)
      .asks(stage::message)
      .server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_bdat, example_2_pipelining_binarymime) {
  std::string first;
  for (int i = 0; first.size() < 100000; ++i) first.push_back(static_cast<char>(i * 7));
  const std::string second(324, '\0');
  script s = greeted(with_extension(extension::binarymime));
  s.client(
       "MAIL FROM:<ned@ymir.claremont.edu> BODY=BINARYMIME\r\nRCPT "
       "TO:<gvaudre@cnri.reston.va.us>\r\n"
       "RCPT TO:<jstewart@cnri.reston.va.us>\r\n")
      .server("250 2.1.0 ")
      .server("250 2.1.5 ")
      .server("250 2.1.5 ")
      .client("BDAT 100000\r\n" + first + "BDAT 324\r\n" + second + "BDAT 0 LAST\r\n")
      .text(first + second)
      .server(chunk_ok)
      .server(chunk_ok)
      .server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// --- Chunks
// ------------------------------------------------------------------------------------------

TEST(session_bdat, dots_and_commands_in_a_chunk_are_text) {
  script s = addressed();
  const std::string text = ".\r\nQUIT\r\n.\r\n..\r\nBDAT 5 LAST\r\n";
  s.client("BDAT " + std::to_string(text.size()) + " LAST\r\n" + text).text(text).server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_bdat, a_line_may_be_cut_by_a_chunk) {
  script s = addressed();
  s.client("BDAT 2\r\na\rBDAT 3\r\n\nb\rBDAT 1 LAST\r\n\n")
      .text("a\r\nb\r\n")
      .server(chunk_ok)
      .server(chunk_ok)
      .server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// RFC 3030 §2: "The last BDAT command MAY have a byte-count of zero".
TEST(session_bdat, empty_chunks) {
  script s = addressed();
  s.client("BDAT 0\r\nBDAT 3\r\na\r\nBDAT 0 LAST\r\n")
      .text("a\r\n")
      .server(chunk_ok)
      .server(chunk_ok)
      .server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = addressed();
  t.client("BDAT 0 LAST\r\n").asks(stage::data).text("").asks(stage::message).server(accepted);
  leave(t);
  EXPECT_EQ(t.check(), "");
}

TEST(session_bdat, violations_end_the_message_with_their_chunk) {
  script s = addressed();
  s.client("BDAT 4\r\na\nb\r")
      .resets()
      .server("550 5.6.0 Message has a bare CR or LF; lines end with CR LF\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = addressed();
  t.client(std::string_view("BDAT 3 LAST\r\na\0b", 16))
      .server("550 5.6.0 Message has a NUL octet\r\n");
  leave(t);
  EXPECT_EQ(t.check(), "");
  // A CR that nothing follows is bare; between two chunks nobody knows yet.
  script u = addressed();
  u.client("BDAT 2\r\na\r").server(chunk_ok).client("BDAT 0 LAST\r\n").server("550 5.6.0 ");
  leave(u);
  EXPECT_EQ(u.check(), "");
}

// RFC 3030 §3: "BINARYMIME ... MUST NOT be used without ... the BDAT command".
TEST(session_bdat, binarymime_needs_bdat) {
  script s = greeted(with_extension(extension::binarymime));
  s.client("MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n")
      .server("250 ")
      .client("RCPT TO:<b@example.test>\r\n")
      .server("250 ")
      .client("DATA\r\n")
      .server("503 5.5.1 BODY=BINARYMIME needs BDAT\r\n")
      .client("BDAT 3 LAST\r\n\n\r\r")
      .text("\n\r\r")
      .server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = greeted();
  t.client("MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n").server("555 5.5.4 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
}

// --- Order
// -------------------------------------------------------------------------------------------

// RFC 3030 §2: "If a DATA statement is issued after a BDAT for the current transaction, a 503 'Bad
// sequence of commands' MUST be issued. ... A RSET command MUST be sent to clear the transaction
// before continuing."
TEST(session_bdat, data_after_bdat) {
  script s = addressed();
  s.client("BDAT 3\r\na\r\n")
      .server(chunk_ok)
      .client("DATA\r\n")
      .server("503 5.5.1 DATA and BDAT may not be mixed\r\n")
      .client("RSET\r\n")
      .server(accepted)
      .client("MAIL FROM:<>\r\n")
      .server("250 ")
      .client("RCPT TO:<b@example.test>\r\n")
      .server("250 ")
      .client("DATA\r\n")
      .server("354 ")
      .client(".\r\n")
      .text("")
      .server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// "Any BDAT command sent after the BDAT LAST is illegal and MUST be replied to with a 503".
TEST(session_bdat, bdat_after_the_last) {
  script s = addressed();
  s.client("BDAT 1 LAST\r\naBDAT 6\r\nQUIT\r\n")
      .server(accepted)
      .server("503 5.5.1 Send MAIL first\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_THAT(s.play().messages, ElementsAre("a"));
}

// "The RSET command, when issued after the first BDAT and before the BDAT LAST, clears all segments
// sent during that transaction and resets the session."
TEST(session_bdat, rset_between_chunks) {
  script s = addressed();
  s.client("BDAT 5\r\naaaaa")
      .server(chunk_ok)
      .client("RSET\r\n")
      .resets()
      .server(accepted)
      .client("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nBDAT 1 LAST\r\nb")
      .server("250 ")
      .server("250 ")
      .server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_THAT(s.play().messages, ElementsAre("b"));
}

TEST(session_bdat, between_chunks_no_recipient_and_no_sender) {
  script s = addressed();
  s.client("BDAT 1\r\na")
      .server(chunk_ok)
      .client("RCPT TO:<c@example.test>\r\n")
      .server("503 5.5.1 Bad sequence of commands\r\n")
      .client("MAIL FROM:<>\r\n")
      .server("503 5.5.1 Sender already specified\r\n")
      .client("STARTTLS\r\n")
      .server("503 ")
      .client("NOOP\r\n")
      .server(accepted)
      .client("EHLO client.example\r\n")
      .resets()
      .server("250-")
      .client("BDAT 1 LAST\r\na")
      .server("503 5.5.1 Send MAIL first\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// A chunk's octets follow whatever the server says, so that they are never taken for commands.
TEST(session_bdat, a_chunk_out_of_order_is_skipped) {
  const std::string chunk = "BDAT 19 LAST\r\nMAIL FROM:<a@b.c>\r\n";
  script s(mx());
  s.server("220 ")
      .client(chunk)
      .server("503 5.5.1 Send HELO or EHLO first\r\n")
      .client("EHLO client.example\r\n")
      .server("250-")
      .client(chunk)
      .server("503 5.5.1 Send MAIL first\r\n")
      .client("MAIL FROM:<a@b.example>\r\n")
      .server("250 ")
      .client(chunk)
      .resets()
      .server("503 5.5.1 Send RCPT first\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().facts.transactions, 1U);
}

TEST(session_bdat, not_offered) {
  script s = addressed(without_extension(extension::chunking));
  s.client("BDAT 6 LAST\r\nQUIT\r\n").server("502 5.5.1 Command not implemented\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = greeted(mx_with([](channel& c) { c.require_tls = true; }));
  t.client("BDAT 6 LAST\r\nQUIT\r\n").server("530 5.7.0 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
}

// Where the number cannot be read, nobody knows where the next command begins.
TEST(session_bdat, a_chunk_without_a_size_ends_the_session) {
  for (const std::string argument :
       {"", " x", " -1", " 1 2", " 5 LASTX", " 99999999999999999999999", " 0x10", " 5\xC3\xBC"}) {
    script s = addressed();
    s.client("BDAT" + argument + "\r\nQUIT\r\n")
        .resets()
        .server("501 5.5.4 Syntax: BDAT octets [LAST]\r\n")
        .closed(session_end::protocol);
    EXPECT_EQ(s.check(), "") << argument;
  }
}

// The same where the line cannot be read at all.
TEST(session_bdat, a_line_that_cannot_be_read_ends_the_session) {
  using namespace std::string_literals;
  const std::string blanks(3000, ' ');
  for (const std::string& line :
       {"BDAT 30\x01 LAST"s, "BDAT 30\0"s, "bdat 30\n"s, "BDAT\r30"s, "BDAT " + blanks + "30 LAST"s,
        "BDAT\n"s, "DATA\x01"s, "data\n"s}) {
    script s = addressed();
    s.client(line + "\r\nRSET\r\nMAIL FROM:<x@y.example>\r\n")
        .resets()
        .server("500 5.5.")
        .closed(session_end::protocol);
    EXPECT_EQ(s.check(), "") << line.substr(0, 20);
  }
  script t = addressed();  // another word, and no text behind it
  t.client("BDATA 30\x01\r\nDATABASE\n\r\n").server("500 5.5.").server("500 5.5.");
  leave(t);
  EXPECT_EQ(t.check(), "");
}

TEST(session_bdat, nobody_skips_the_octets_for_a_client_that_was_turned_away) {
  script s(mx());
  s.asks(stage::connect, verdict::refuse({554, {5, 7, 1}, "Not you"}))
      .server("554 5.7.1 Not you\r\n")
      .client("BDAT 6\r\nQUIT\r\n")
      .server("503 5.5.1 ")
      .closed(session_end::protocol);
  EXPECT_EQ(s.check(), "");
}

// --- Refusals
// ----------------------------------------------------------------------------------------

// RFC 3030 §2: "If a failure occurs after a BDAT command is received, the receiver-SMTP MUST accept
// and discard the associated message data before sending the appropriate 5XX or 4XX code. ... the
// receiver SMTP MUST be prepared to accept and discard additional BDAT chunks already in the
// pipeline after the failed BDAT."
TEST(session_bdat, chunks_behind_a_failed_one_are_discarded) {
  const auto few_errors = mx_with([](channel& c) { c.limits.bad_commands = 0; });
  script s = addressed(few_errors);
  s.client("BDAT 3\r\na\r\nBDAT 3\r\nb\r\nBDAT 5\r\nNOOP\nBDAT 5 LAST\r\nRSET\nNOOP\r\n")
      .asks(stage::data, verdict::defer({452, {4, 3, 1}, "full"}))
      .resets()
      .server("452 4.3.1 full\r\n")
      .server("503 5.5.1 ")
      .server("503 5.5.1 ")
      .server("503 5.5.1 ")
      .server(accepted);
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_THAT(s.play().messages, IsEmpty());
  EXPECT_EQ(s.play().facts.bad_commands, 0U);
  // Behind the last one, or another command, it is a mistake again.
  script t = addressed(few_errors);
  t.client("BDAT 1\r\naNOOP\r\nBDAT 1\r\nb")
      .asks(stage::data, verdict::defer({452, {4, 3, 1}, "full"}))
      .server("452 ")
      .server(accepted)
      .server("503 5.5.1 ")
      .server("421 4.7.0 ")
      .closed(session_end::limit);
  EXPECT_EQ(t.check(), "");
}

TEST(session_bdat, an_objection_is_told_at_the_chunks_end) {
  script s = addressed();
  s.client("BDAT 9\r\nSubject: BDAT 3 LAST\r\na\r\n")
      .objects({550, {5, 7, 1}, "no"})
      .resets()
      .server("550 5.7.1 no\r\n")
      .server("503 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// RFC 1870 §6.3
TEST(session_bdat, size) {
  const auto small = [] { return mx_with([](channel& c) { c.limits.message = 10; }); };
  script s = addressed(small());
  s.client("BDAT 11 LAST\r\nNOOP\r\n1234\n").server("552 5.3.4 Message exceeds the size limit\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = addressed(small());
  t.client("BDAT 6\r\n123456BDAT 5 LAST\r\nNOOP\n").server(chunk_ok).resets().server("552 5.3.4 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
  script u = addressed(small());
  u.client("BDAT 6\r\n123456BDAT 4 LAST\r\n7890").server(chunk_ok).server(accepted);
  leave(u);
  EXPECT_EQ(u.check(), "");
}

TEST(session_bdat, draining_ends) {
  const auto settings = mx_with([](channel& c) {
    c.limits.message = 10;
    c.limits.drain = 100;
  });
  script s = addressed(settings);
  s.client("BDAT 9999999999 LAST\r\n" + std::string(200, 'x'))
      .resets()
      .server("552 5.3.4 ")
      .closed(session_end::limit);
  EXPECT_EQ(s.check(), "");
  // Also over many chunks that were sent ahead.
  script t = addressed(settings);
  t.client("BDAT 50\r\n" + std::string(50, 'x') + "BDAT 60\r\n" + std::string(60, 'x') +
           "BDAT 60\r\n" + std::string(60, 'x'))
      .server("552 5.3.4 ")
      .server("503 5.5.1 ")
      .server("503 5.5.1 ")
      .closed(session_end::limit);
  EXPECT_EQ(t.check(), "");
}

TEST(session_bdat, transcript_has_each_chunk) {
  script s = addressed();
  s.client("BDAT 3\r\na\r\n").server("250 ").client("BDAT 4 LAST\r\nbc\r\n").server("250 ");
  EXPECT_EQ(s.check(), "");
  const auto lines = s.play().transcript;
  EXPECT_THAT(
      std::vector<std::string>(lines.end() - 6, lines.end()),
      ElementsAre("C: BDAT 3", "C: (3 octets of message text)", "S: 250 2.0.0 Chunk received",
                  "C: BDAT 4 LAST", "C: (4 octets of message text)", "S: 250 2.0.0 OK"));
}

}  // namespace
}  // namespace gatepost::smtp
