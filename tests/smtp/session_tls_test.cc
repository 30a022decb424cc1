// This header stands alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "smtp/session.hpp"
#include "tests/support/sessions.hpp"

namespace gatepost::smtp {
namespace {

using testing::script;
using namespace tests;  // NOLINT(google-build-using-namespace)

const std::string ready = "220 2.0.0 Ready to start TLS\r\n";

// RFC 3207 §5
TEST(session_tls, example) {
  script s = greeted();
  s.client("STARTTLS\r\n")
      .server(ready)
      .starts_tls()
      .asks(stage::tls)
      .client("EHLO client.example\r\n")
      .server(
          "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE "
          "52428800\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
          // §4.2: "A server MUST NOT return the STARTTLS extension in response to an EHLO command
          // received after a TLS handshake has completed."
          "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-REQUIRETLS\r\n250-LIMITS RCPTMAX=1000 "
          "MAILMAX=1000\r\n250 HELP\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// §4.2: "the SMTP protocol is reset to the initial state ... The server MUST discard any knowledge
// obtained from the client, such as the argument to the EHLO command".
TEST(session_tls, nothing_is_kept_from_before) {
  channel settings = mx_with([](channel& c) {
    c.extensions.add(extension::auth);
    c.auth_mechanisms = {"PLAIN"};
    c.auth_without_tls = true;
  });
  script s = greeted(settings);
  s.client("AUTH PLAIN =\r\n")
      .authenticates("", auth_answer::success("me"))
      .server("235 ")
      .client("STARTTLS\r\n")
      .server(ready)
      .starts_tls()
      .client("MAIL FROM:<>\r\n")
      .server("503 5.5.1 Send HELO or EHLO first\r\n");
  const testing::script_run r = s.play();
  EXPECT_EQ(r.problem, "");
  EXPECT_EQ(r.facts.helo, "");
  EXPECT_EQ(r.facts.auth_identity, "");
  EXPECT_EQ(r.facts.protocol, protocol::none);
  s.client("EHLO client.example\r\n")
      .server("250-")
      .client("AUTH PLAIN =\r\n")
      .authenticates("", auth_answer::success("you"))
      .server("235 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// The injection of CVE-2011-0411: what a man in the middle adds behind STARTTLS in plain text would
// seem to come from the protected client.
TEST(session_tls, nothing_may_follow_starttls) {
  for (const std::string more :
       {"EHLO evil.example\r\nMAIL FROM:<evil@example.test>\r\n", "N", "\r\n", "\x16\x03\x01"}) {
    script s = greeted();
    s.client("STARTTLS\r\n" + more)
        .server("554 5.5.1 Commands after STARTTLS must wait for TLS\r\n")
        .closed(session_end::protocol);
    // What came in one segment is the point: no splits.
    const testing::script_run run = s.play();
    EXPECT_EQ(run.problem, "") << more;
    EXPECT_EQ(run.facts.transactions, 0U);
  }
}

// The same where it comes too late to be seen then: it is not there after the handshake.
TEST(session_tls, what_was_read_too_early_is_forgotten) {
  channel settings = mx();
  session_facts facts;
  buffer_pool pool;
  session engine(settings, facts, pool, {.tls = true, .auth = false});
  std::string wire;
  const auto feed = [&](std::string_view text) {
    text.copy(engine.prepare().data(), text.size());
    engine.received(text.size());
  };
  std::string texts[] = {"EHLO a.example\r\n", "STARTTLS\r\n", "QUIT\r\n"};
  for (int i = 0; i < 3;) {
    const action a = engine.next();
    if (a.kind == action_kind::ask) engine.answer(verdict::pass());
    if (a.kind == action_kind::read) feed(texts[i++]);
    if (a.kind == action_kind::start_tls) {
      feed("EHLO evil.example\r\nMAIL FROM:<evil@example.test>\r\n");  // got into the buffer
                                                                       // meanwhile
      engine.tls_started();
    }
    if (a.kind == action_kind::close) break;
    wire += engine.output();
    engine.sent(engine.output().size());
  }
  EXPECT_EQ(facts.helo, "");
  EXPECT_EQ(facts.transactions, 0U);
}

TEST(session_tls, the_handshake_may_fail) {
  script s = greeted();
  s.client("STARTTLS\r\n").server(ready).tls_fails().closed(session_end::client_left);
  EXPECT_EQ(s.check(), "");
}

// §4: "501 Syntax error (no parameters allowed)", "454 TLS not available due to temporary reason".
TEST(session_tls, when_it_is_not_to_be_had) {
  script s = greeted();
  s.client("STARTTLS please\r\n")
      .server("501 5.5.4 Syntax: STARTTLS\r\n")
      .client("STARTTLS\r\n")
      .server(ready)
      .starts_tls()
      .client("EHLO client.example\r\n")
      .server("250-")
      .client("STARTTLS\r\n")
      .server("503 5.5.1 TLS is already active\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = greeted();
  t.abilities({})
      .client("STARTTLS\r\n")
      .server("454 4.7.0 TLS not available due to temporary reason\r\n");
  leave(t);
  EXPECT_EQ(t.check(), "");
  EXPECT_EQ(t.play().wire.find("STARTTLS"), std::string::npos);
  script u(mx());
  u.server("220 ").client("STARTTLS\r\n").server("503 5.5.1 Send HELO or EHLO first\r\n");
  leave(u);
  EXPECT_EQ(u.check(), "");
  script v = addressed();
  v.client("STARTTLS\r\n").server("503 5.5.1 Bad sequence of commands\r\n");
  leave(v);
  EXPECT_EQ(v.check(), "");
}

// §4: a server that requires TLS SHOULD return "530 Must issue a STARTTLS command first to every
// command other than NOOP, EHLO, STARTTLS, or QUIT."
TEST(session_tls, required) {
  channel settings = mx_with([](channel& c) {
    c.require_tls = true;
    c.extensions.add(extension::vrfy).add(extension::auth).add(extension::etrn);
    c.auth_mechanisms = {"PLAIN"};
  });
  script s(settings);
  s.server("220 ");
  for (const std::string command : {"HELO client.example", "MAIL FROM:<>", "RCPT TO:<a@b.example>",
                                    "DATA", "RSET", "VRFY a", "HELP", "AUTH PLAIN =", "ETRN a"})
    s.client(command + "\r\n").server("530 5.7.0 Must issue a STARTTLS command first\r\n");
  s.client("NOOP\r\n")
      .server("250 ")
      .client("EHLO client.example\r\n")
      .server("250-")
      .client("MAIL FROM:<>\r\n")
      .server("530 5.7.0 ")
      .client("STARTTLS\r\n")
      .server(ready)
      .starts_tls()
      .client("EHLO client.example\r\n")
      .server("250-")
      .client("MAIL FROM:<>\r\n")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_tls, a_policy_may_not_want_this_tls) {
  script s = greeted();
  s.client("STARTTLS\r\n")
      .server(ready)
      .starts_tls()
      .asks(stage::tls, verdict::refuse({550, {5, 7, 1}, "too weak"}))
      .server("421 4.7.0 too weak\r\n")
      .closed(session_end::policy);
  EXPECT_EQ(s.check(), "");
}

// RFC 8314 §3: TLS from the first octet.
TEST(session_tls, implicit) {
  session_facts facts;
  facts.tls.emplace();
  script s(mx_with([](channel& c) { c.require_tls = true; }));
  s.facts(facts)
      .server("220 ")
      .client("EHLO client.example\r\n")
      .server("250-")
      .client("MAIL FROM:<> REQUIRETLS\r\n")
      .server("250 ")
      .client("STARTTLS\r\n")
      .server("503 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// RFC 8689 §2: REQUIRETLS is an option of a session that has TLS.
TEST(session_tls, requiretls_needs_it) {
  script s = greeted();
  s.client("MAIL FROM:<a@b.example> REQUIRETLS\r\n")
      .server("555 5.5.4 ")
      .client("STARTTLS\r\n")
      .server(ready)
      .starts_tls()
      .client("EHLO client.example\r\n")
      .server("250-")
      .client("MAIL FROM:<a@b.example> REQUIRETLS=1\r\n")
      .server("501 5.5.4 ")
      .client("MAIL FROM:<a@b.example> REQUIRETLS\r\n")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

}  // namespace
}  // namespace gatepost::smtp
