// This header stands alone.
#include <gtest/gtest.h>

#include <string>

#include "smtp/session.hpp"
#include "tests/support/sessions.hpp"

namespace gatepost::smtp {
namespace {

using testing::script;
using namespace tests;  // NOLINT(google-build-using-namespace)

// --- The greeting --------------------------------------------------------------------------------

// RFC 5321 §3.1: "A 554 response in the initial connection opening message ... MUST wait for the
// client to send a QUIT before closing the connection and SHOULD respond to any intervening
// commands with '503 bad sequence of commands'."
TEST(session_hello, a_client_that_is_refused_may_say_quit) {
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
      .client("HELP\r\nXYZZY\r\nQUIT\r\n")
      .server("503 ")
      .server("500 ")
      .server("221 ")
      .closed();
  EXPECT_EQ(t.check(), "");
}

TEST(session_hello, a_client_that_is_deferred_or_dropped_gets_421) {
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
TEST(session_hello, a_421_of_the_policy_ends_the_session) {
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
TEST(session_hello, http_is_turned_away_at_once) {
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

// --- HELO, EHLO, LHLO ----------------------------------------------------------------------------

TEST(session_hello, ehlo_lists_what_is_offered) {
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
TEST(session_hello, ehlo_without_extensions_is_one_line) {
  script s(mx_with([](channel& c) { c.extensions = {}; }));
  s.server("220 ")
      .client("EHLO client.example\r\n")
      .server("250 mx.example.test\r\n")
      .client("QUIT\r\n")
      .server("221 Bye\r\n")
      .closed();  // RFC 2034 §4: codes only where they are offered
  EXPECT_EQ(s.check(), "");
}

TEST(session_hello, helo_gets_one_line) {
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
TEST(session_hello, ehlo_again_is_a_reset) {
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
TEST(session_hello, an_ehlo_that_is_refused_changes_nothing) {
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

TEST(session_hello, the_first_ehlo_that_is_refused_leaves_the_session_at_its_start) {
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

TEST(session_hello, a_hello_name_has_limits) {
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

}  // namespace
}  // namespace gatepost::smtp
