// This header stands alone.
#include <gtest/gtest.h>

#include <string>

#include "smtp/session.hpp"
#include "tests/support/sessions.hpp"

namespace gatepost::smtp {
namespace {

using testing::script;
using namespace tests;  // NOLINT(google-build-using-namespace)

const reply nobody(550, {5, 1, 1}, "No such user here");

// --- RFC 5321 appendix D -------------------------------------------------------------------------

TEST(session_commands, appendix_d1_a_typical_transaction) {
  script s(mx());
  s.server("220 mx.example.test ESMTP\r\n")
      .client("EHLO bar.com\r\n")
      .server("250-mx.example.test\r\n250-")
      .client("MAIL FROM:<Smith@bar.com>\r\n")
      .asks(stage::mail)
      .server("250 2.1.0 Sender OK\r\n")
      .client("RCPT TO:<Jones@foo.com>\r\n")
      .asks(stage::rcpt)
      .server("250 2.1.5 Recipient OK\r\n")
      .client("RCPT TO:<Green@foo.com>\r\n")
      .asks(stage::rcpt, verdict::refuse(nobody))
      .server("550 5.1.1 No such user here\r\n")
      .client("RCPT TO:<Brown@foo.com>\r\n")
      .asks(stage::rcpt)
      .server("250 2.1.5 Recipient OK\r\n")
      .client("DATA\r\n")
      .asks(stage::data)
      .server("354 End data with <CR><LF>.<CR><LF>\r\n")
      .client("Blah blah blah...\r\n...etc. etc. etc.\r\n.\r\n")
      .asks(stage::message)
      // §4.5.2: the first of the dots is transparency.
      .text("Blah blah blah...\r\n..etc. etc. etc.\r\n")
      .resets()
      .server("250 2.0.0 OK\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_commands, appendix_d2_an_aborted_transaction) {
  script s(mx());
  s.server("220 ")
      .client("EHLO bar.com\r\n")
      .server("250-")
      .client("MAIL FROM:<Smith@bar.com>\r\n")
      .server("250 2.1.0 ")
      .client("RCPT TO:<Jones@foo.com>\r\n")
      .server("250 2.1.5 ")
      .client("RCPT TO:<Green@foo.com>\r\n")
      .asks(stage::rcpt, verdict::refuse(nobody))
      .server("550 5.1.1 ")
      .client("RSET\r\n")
      .resets()
      .server("250 2.0.0 OK\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_commands, appendix_d3_a_source_route_is_read_and_dropped) {
  script s = greeted();
  s.client("MAIL FROM:<JQP@bar.com>\r\n")
      .server("250 2.1.0 ")
      .client("RCPT TO:<@foo.com:Jones@XYZ.COM>\r\n")
      .server("250 2.1.5 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// D.4 answers VRFY with the mailbox; §3.5.3 has 252 for who does not tell, and §7.3 why.
TEST(session_commands, appendix_d4_verifying_and_sending) {
  channel settings = with_extension(extension::vrfy);
  script s = greeted(settings);
  s.client("VRFY Crispin\r\n")
      .server("252 2.5.2 ")
      .client("MAIL FROM:<EAK@bar.com>\r\n")
      .server("250 2.1.0 ")
      .client("RCPT TO:<Admin.MRC@foo.com>\r\n")
      .server("250 2.1.5 ")
      .client("DATA\r\n")
      .server("354 ")
      .client("Blah blah blah...\r\n.\r\n")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// --- Order ---------------------------------------------------------------------------------------

TEST(session_commands, commands_out_of_order_get_503) {
  script s(mx());
  s.server("220 ")
      .client("MAIL FROM:<a@client.example>\r\n")
      .server("503 5.5.1 Send HELO or EHLO first\r\n")
      .client("RCPT TO:<b@example.test>\r\n")
      .server("503 5.5.1 Send MAIL first\r\n")
      .client("DATA\r\n")
      .server("503 5.5.1 Send MAIL first\r\n")
      .client("EHLO client.example\r\n")
      .server("250-")
      .client("RCPT TO:<b@example.test>\r\n")
      .server("503 5.5.1 Send MAIL first\r\n")
      .client("MAIL FROM:<a@client.example>\r\n")
      .server("250 ")
      // RFC 5321 §3.3: "If there was no MAIL, or no RCPT, command, or all such commands were
      // rejected, the server MAY return a 'command out of sequence' (503) or 'no valid recipients'
      // (554) reply".
      .client("DATA\r\n")
      .server("503 5.5.1 Send RCPT first\r\n")
      // §4.1.4: MAIL "MUST NOT be sent if a mail transaction is already open".
      .client("MAIL FROM:<a@client.example>\r\n")
      .server("503 5.5.1 Sender already specified\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// RFC 5321 §4.1.4: "The NOOP, HELP, EXPN, VRFY, and RSET commands can be used at any time during a
// session".
TEST(session_commands, some_commands_come_at_any_time) {
  channel settings = with_extension(extension::vrfy);
  settings.extensions.add(extension::expn);
  script s(settings);
  const std::string all =
      "NOOP\r\nNOOP ignored words\r\nHELP\r\nHELP MAIL\r\nVRFY a\r\nEXPN list\r\nRSET\r\n";
  const auto answers = [](script& to) -> script& {
    return to.server("250 2.0.0 OK\r\n")
        .server("250 2.0.0 OK\r\n")
        .server("214 2.0.0 ")
        .server("214 2.0.0 ")
        .server("252 2.5.2 ")
        .server("252 2.5.2 ")
        .server("250 2.0.0 OK\r\n");
  };
  answers(s.server("220 ").client(all));
  answers(s.client("EHLO client.example\r\n").server("250-").client(all));
  s.client("MAIL FROM:<a@client.example>\r\n").server("250 ");
  answers(s.client(all));
  s.client("MAIL FROM:<a@client.example>\r\n").server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// RFC 5321 §4.1.1.5: RSET "MUST NOT close the connection"; it is answered whatever the state.
TEST(session_commands, rset_forgets_the_transaction) {
  script s = addressed();
  s.client("RSET\r\n")
      .resets()
      .server("250 2.0.0 OK\r\n")
      .client("DATA\r\n")
      .server("503 5.5.1 ")
      .client("RSET\r\n")
      .server("250 2.0.0 OK\r\n")
      .client("RSET now\r\n")
      .server("501 5.5.4 Syntax: RSET\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_commands, what_has_no_arguments_takes_none) {
  script s = addressed();
  s.client("DATA now\r\n")
      .server("501 5.5.4 Syntax: DATA\r\n")
      .client("QUIT now\r\n")
      .server("501 5.5.4 Syntax: QUIT\r\n")
      .client("STARTTLS now\r\n")
      .server("503 5.5.1 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_commands, verbs_in_any_case_and_blanks_around_them) {
  script s(mx());
  s.server("220 ")
      .client("eHlO client.example  \r\n")
      .server("250-")
      .client("mail from:<a@client.example>\r\n")
      .server("250 ")
      .client("RcPt\tTo: <b@example.test> \t\r\n")
      .server("250 ")
      .client("data \r\n")
      .server("354 ")
      .client(".\r\n")
      .server("250 ")
      .client("quit\t\r\n")
      .server("221 ")
      .closed();
  EXPECT_EQ(s.check(), "");
}

// --- Commands that are not to be had
// ----------------------------------------------------------------

TEST(session_commands, what_is_not_offered_gets_502) {
  // RFC 5321 §4.2.4: 502 for a command that is recognised but not implemented.
  channel settings = mx();
  settings.extensions = {};
  script t(settings);
  t.server("220 ").client("EHLO client.example\r\n").server("250 ");
  for (const std::string command :
       {"HELP", "STARTTLS", "AUTH PLAIN", "ETRN a", "XCLIENT ADDR=192.0.2.1", "XFORWARD NAME=a"})
    t.client(command + "\r\n").server("502 Command not implemented\r\n");
  t.client("QUIT\r\n").server("221 ").closed();
  EXPECT_EQ(t.check(), "");
}

// RFC 5321 §7.3: "If a site disables these commands for security reasons, the SMTP server MUST
// return a 252 response".
TEST(session_commands, vrfy_and_expn_that_are_off_get_252) {
  channel settings = mx();
  settings.extensions = {};
  script t(settings);
  t.server("220 ")
      .client("EHLO client.example\r\n")
      .server("250 ")
      .client("VRFY a\r\n")
      .server("252 Cannot VRFY user; send some mail, I'll try my best\r\n")
      .client("EXPN list\r\n")
      .server("252 ")
      .client("QUIT\r\n")
      .server("221 ")
      .closed();
  EXPECT_EQ(t.check(), "");
}

TEST(session_commands, unknown_words_get_500) {
  script s = greeted();
  s.client("FOO\r\n")
      .server("500 5.5.2 Command not recognised\r\n")
      .client("\r\n")
      .server("500 5.5.2 ")
      .client(" NOOP\r\n")
      .server("500 5.5.2 ")
      .client("MAILFROM:<a@b.example>\r\n")
      .server("500 5.5.2 ")
      .client("SEND FROM:<a@b.example>\r\n")
      .server("500 5.5.2 ")
      .client("NOO\r\n")
      .server("500 5.5.2 ")
      .client("LHLO client.example\r\n")
      .server("500 5.5.2 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// RFC 5321 §2.4: "Receiving systems SHOULD reject such commands, normally using '500 syntax error -
// invalid character' replies."
TEST(session_commands, octets_above_127) {
  script s = greeted();
  s.client("NOOP \xC3\xBC\r\n")
      .server("500 5.5.2 Command has a character that is not ASCII\r\n")
      .client("EHLO b\xC3\xBC.example\r\n")
      .server("500 5.5.2 ")
      .client("\xFF\xFE\r\n")
      .server("500 5.5.2 ")
      .client("RSET \x80\r\n")
      .server("500 5.5.2 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_commands, control_characters) {
  script s = greeted();
  s.client("NOOP \x01\r\n")
      .server("500 5.5.2 Command has a control character\r\n")
      .client("NO\x7FOP\r\n")
      .server("500 5.5.2 ")
      .client(std::string_view("NOOP\0\r\n", 7))
      .server("500 5.5.2 ")
      .client("NOOP\x0Bx\r\n")
      .server("500 5.5.2 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// RFC 5321 §2.3.8: "Conforming implementations MUST NOT recognize or generate any other character
// or character sequence as a line terminator."
TEST(session_commands, only_crlf_ends_a_line) {
  script s = greeted();
  s.client("NOOP\nNOOP\r\n")
      .server("500 5.5.2 A line ends with CR LF; bare CR or LF is not accepted\r\n")
      .client("NOOP\rNOOP\r\n")
      .server("500 5.5.2 ")
      .client("NOOP\r\r\n")
      .server("500 5.5.2 ")
      .client("\n\r\n")
      .server("500 5.5.2 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// A client that ends lines with LF waits for its answer. The line goes on up to its CRLF all the
// same: no part of it is a command, and it is one mistake.
TEST(session_commands, a_bare_lf_is_answered_at_once) {
  struct faulty {
    std::string begin;
    std::string reply;
  };
  const faulty cases[] = {
      {"NOOP\n", "500 5.5.2 A line ends with CR LF; bare CR or LF is not accepted\r\n"},
      {"NOOP\rNOOP", "500 5.5.2 A line ends with CR LF; bare CR or LF is not accepted\r\n"},
      {std::string("NOOP \0", 6), "500 5.5.2 Command has a control character\r\n"},
      {"NOOP " + std::string(3000, 'x'), "500 5.5.6 Line too long\r\n"},
  };
  for (const faulty& f : cases) {
    script s = greeted();
    s.client(f.begin)
        .server(f.reply)
        .client("QUIT\n")
        .client("RSET\nQUIT\r\n")
        .client("NOOP\r\n")
        .server("250 ")
        .client(f.begin + "\r\nNOOP\r\n")
        .server(f.reply)
        .server("250 ");
    leave(s);
    EXPECT_EQ(s.check(), "") << f.reply;
    EXPECT_EQ(s.check_splits(), "") << f.reply;
    EXPECT_EQ(s.check_lost_at_every_step(), "") << f.reply;
    EXPECT_EQ(s.play().facts.bad_commands, 2u) << f.reply;
  }
}

TEST(session_commands, a_trusted_channel_takes_bare_lf) {
  script s(mx_with([](channel& c) { c.line_ends = line_ends::normalise; }));
  s.server("220 ")
      .client("EHLO client.example\n")
      .server("250-")
      .client("NOOP\nNOOP\r\n")
      .server("250 2.0.0 OK\r\n")
      .server("250 2.0.0 OK\r\n")
      .client("NOOP\rNOOP\n")
      .server("500 5.5.2 ")
      .client("QUIT\n")
      .server("221 ")
      .closed();
  EXPECT_EQ(s.check(), "");
}

// --- ETRN ----------------------------------------------------------------------------------------

// RFC 1985 §5.
TEST(session_commands, etrn) {
  script s = greeted(with_extension(extension::etrn));
  s.client("ETRN\r\n")
      .server("501 5.5.4 Syntax: ETRN node\r\n")
      .client("ETRN uninett.no\r\n")
      .delivers_for("uninett.no", reply(250, {2, 0, 0}, "OK, queuing for node uninett.no started"))
      .server("250 2.0.0 OK, queuing for node uninett.no started\r\n")
      .client("ETRN @net.no\r\n")
      .delivers_for("@net.no", reply(459, {4, 7, 0}, "not you"))
      .server("459 4.7.0 not you\r\n")
      .client("MAIL FROM:<>\r\n")
      .server("250 ")
      .client("ETRN uninett.no\r\n")
      .server("503 5.5.1 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// --- Ids -----------------------------------------------------------------------------------------

TEST(session_commands, refusals_quote_the_id) {
  session_facts facts;
  facts.id = "0123ABCD";
  script s(mx());
  s.facts(facts)
      .server("220 ")
      .client("EHLO client.example\r\n")
      .server("250-")
      .client("FOO\r\n")
      .server("500 5.5.2 Command not recognised (0123ABCD)\r\n")
      .client("MAIL FROM:<a@client.example>\r\n")
      .asks(stage::mail, verdict::refuse({550, {5, 7, 1}, "first line\nsecond line"}))
      .server("550-5.7.1 first line\r\n550 5.7.1 second line (0123ABCD)\r\n")
      .client("NOOP\r\n")
      .server("250 2.0.0 OK\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  channel quiet = mx();
  quiet.quote_id = false;
  script t(quiet);
  t.facts(facts).server("220 ").client("FOO\r\n").server("500 5.5.2 Command not recognised\r\n");
  EXPECT_EQ(t.check(), "");
}

}  // namespace
}  // namespace gatepost::smtp
