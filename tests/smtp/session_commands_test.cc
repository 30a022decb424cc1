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

// --- HELO, EHLO, LHLO ----------------------------------------------------------------------------

TEST(session_commands, ehlo_lists_what_is_offered) {
  script s(mx());
  s.server("220 mx.example.test ESMTP\r\n")
      .client("EHLO client.example\r\n")
      .server(
          "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE "
          "52428800\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
          "250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-STARTTLS\r\n"
          "250-LIMITS RCPTMAX=1000 MAILMAX=1000\r\n250 HELP\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// RFC 5321 §4.1.1.1: where nothing is offered, the reply is one line.
TEST(session_commands, ehlo_without_extensions_is_one_line) {
  script s(mx_with([](channel& c) { c.extensions = {}; }));
  s.server("220 ")
      .client("EHLO client.example\r\n")
      .server("250 mx.example.test\r\n")
      .client("QUIT\r\n")
      .server("221 Bye\r\n")
      .closed();  // RFC 2034 §4: codes only where they are offered
  EXPECT_EQ(s.check(), "");
}

TEST(session_commands, helo_gets_one_line) {
  script s(mx());
  s.server("220 ")
      .client("HELO client.example\r\n")
      .server("250 mx.example.test\r\n")
      .client("MAIL FROM:<>\r\n")
      .server("250 2.1.0 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().facts.protocol, protocol::smtp);
}

// RFC 5321 §4.1.4: EHLO later in the session "MUST clear all buffers and reset the state exactly as
// if a RSET command had been issued".
TEST(session_commands, ehlo_again_is_a_reset) {
  script s = addressed();
  s.client("EHLO other.example\r\n")
      .resets()
      .server("250-")
      .client("RCPT TO:<b@example.test>\r\n")
      .server("503 5.5.1 Send MAIL first\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().facts.helo, "other.example");
}

// RFC 5321 §4.1.4: "The SMTP server MUST stay in the same state after transmitting these replies
// that it was in before the EHLO was received."
TEST(session_commands, an_ehlo_that_is_refused_changes_nothing) {
  script s = addressed();
  s.client("EHLO other.example\r\n")
      .asks(stage::helo, verdict::refuse({550, {5, 7, 1}, "not you"}))
      .server("550 5.7.1 not you\r\n")
      .client("EHLO\r\n")
      .server("501 5.5.4 Syntax: EHLO hostname\r\n")
      .client("RCPT TO:<c@example.test>\r\n")
      .server("250 2.1.5 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().facts.helo, "client.example");
}

TEST(session_commands, the_first_ehlo_that_is_refused_leaves_the_session_at_its_start) {
  script s(mx());
  s.server("220 ")
      .client("EHLO bad.example\r\n")
      .asks(stage::helo, verdict::refuse({550, {5, 7, 1}, "no"}))
      .server("550 5.7.1 no\r\n")
      .client("MAIL FROM:<>\r\n")
      .server("503 5.5.1 Send HELO or EHLO first\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().facts.helo, "");
}

TEST(session_commands, a_hello_name_has_limits) {
  script s(mx());
  s.server("220 ")
      .client("EHLO \r\n")
      .server("501 5.5.4 ")
      .client("HELO\r\n")
      .server("501 5.5.4 ")
      .client("EHLO " + std::string(256, 'a') + "\r\n")
      .server("501 5.5.4 ")
      .client("EHLO " + std::string(255, 'a') + "\r\n")
      .server("250-");
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
  for (const std::string command : {"VRFY a", "EXPN a", "HELP", "STARTTLS", "AUTH PLAIN", "ETRN a",
                                    "XCLIENT ADDR=192.0.2.1", "XFORWARD NAME=a"})
    t.client(command + "\r\n").server("502 Command not implemented\r\n");
  t.client("QUIT\r\n").server("221 ").closed();
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

// --- The greeting --------------------------------------------------------------------------------

// RFC 5321 §3.1: "A 554 response in the initial connection opening message ... MUST wait for the
// client to send a QUIT before closing the connection and SHOULD respond to any intervening
// commands with '503 bad sequence of commands'."
TEST(session_commands, a_client_that_is_refused_may_say_quit) {
  script s(mx());
  s.asks(stage::connect, verdict::refuse({550, {5, 7, 1}, "your network is not welcome"}))
      .server("554 5.7.1 your network is not welcome\r\n")
      .client("EHLO client.example\r\n")
      .server("503 5.5.1 ")
      .client("MAIL FROM:<>\r\nGET / HTTP/1.0\r\n")
      .server("503 5.5.1 ")
      .server("554 5.7.1 ")
      .closed(session_end::protocol);
  EXPECT_EQ(s.check(), "");
  script t(mx());
  t.asks(stage::connect, verdict::refuse({550, {5, 7, 1}, "no"}))
      .server("554 5.7.1 no\r\n")
      .client("HELP\r\nXYZZY\r\nBDAT 3 LAST\r\nabc\r\nQUIT\r\n")
      .server("503 ")
      .server("500 ")
      .server("503 ")
      .server("500 ")
      .server("221 ")
      .closed();
  EXPECT_EQ(t.check(), "");
}

TEST(session_commands, a_client_that_is_deferred_or_dropped_gets_421) {
  script s(mx());
  s.asks(stage::connect, verdict::defer({450, {4, 7, 1}, "come back later"}))
      .server("421 4.7.0 come back later\r\n")
      .closed(session_end::policy);
  EXPECT_EQ(s.check(), "");
  script t(mx());
  t.asks(stage::connect, verdict::drop("flood"))
      .server("421 4.7.0 Service not available to you\r\n")
      .closed(session_end::policy);
  EXPECT_EQ(t.check(), "");
}

// RFC 5321 §3.8: a server closes the connection after QUIT, "and MUST NOT ... except" after 421.
TEST(session_commands, a_421_of_the_policy_ends_the_session) {
  for (const stage at : {stage::helo, stage::mail, stage::rcpt, stage::data, stage::message}) {
    script s(mx());
    s.server("220 ").client(
        "EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n");
    if (at == stage::message)
      s.server("250-").server("250 ").server("250 ").server("354 ").client(".\r\n");
    s.asks(at, verdict::defer({421, {4, 7, 0}, "enough"}));
    if (at > stage::helo && at < stage::message) s.server("250-");
    if (at > stage::mail && at < stage::message) s.server("250 2.1.0");
    if (at > stage::rcpt && at < stage::message) s.server("250 2.1.5");
    s.server("421 4.7.0 enough\r\n").closed(session_end::policy);
    EXPECT_EQ(s.check(), "") << to_string(at);
  }
}

// Cross-protocol attacks: a browser is made to POST to port 25.
TEST(session_commands, http_is_turned_away_at_once) {
  for (const std::string line :
       {"GET / HTTP/1.1", "POST / HTTP/1.0", "CONNECT mx:25 HTTP/1.1", "PRI * HTTP/2.0"}) {
    script s(mx());
    s.server("220 ")
        .client(line + "\r\nHost: mx\r\n\r\nEHLO client.example\r\nMAIL FROM:<>\r\n")
        .server("554 5.7.1 No SMTP service for you here\r\n")
        .closed(session_end::protocol);
    EXPECT_EQ(s.check(), "") << line;
  }
  script later = greeted();
  later.client("GET / HTTP/1.1\r\n").server("500 5.5.2 ");
  leave(later);
  EXPECT_EQ(later.check(), "");
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
