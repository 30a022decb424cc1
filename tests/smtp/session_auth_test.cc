// This header stands alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "smtp/session.hpp"
#include "tests/support/sessions.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::script;
using namespace tests;  // NOLINT(google-build-using-namespace)

channel submission() {
  return mx_with([](channel& c) {
    c.extensions.add(extension::auth);
    c.auth_mechanisms = {"PLAIN", "LOGIN", "CRAM-MD5"};
    c.auth_without_tls = true;
  });
}

const std::string succeeded = "235 2.7.0 Authentication succeeded\r\n";
const std::string failed = "535 5.7.8 Authentication credentials invalid\r\n";
const std::string plain("test\0test\0001234", 14);  // RFC 4954 §4.1's first example

TEST(session_auth, ehlo_lists_the_mechanisms) {
  script s(submission());
  s.server("220 ")
      .client("EHLO client.example\r\n")
      .server(
          "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE "
          "52428800\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
          "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-STARTTLS\r\n250-LIMITS RCPTMAX=1000 "
          "MAILMAX=1000\r\n"
          "250-AUTH PLAIN LOGIN CRAM-MD5\r\n250 HELP\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_auth, a_response_that_ends_with_lf_is_refused_at_once) {
  script s = greeted(submission());
  s.client("AUTH PLAIN\r\n")
      .authenticates(std::nullopt, auth_answer::challenge(""))
      .server("334 \r\n")
      .client("dGVzdAB0ZXN0ADEyMzQ=\n")
      .server("500 5.5.2 ")
      .client("QUIT\n")
      .client("\r\nNOOP\r\n")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.check_splits(), "");
}

// RFC 4954 §4.1: "AUTH PLAIN" with an initial response.
TEST(session_auth, initial_response) {
  script s = greeted(submission());
  s.client("AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=\r\n")
      .authenticates(plain, auth_answer::success("test"))
      .server(succeeded)
      .asks(stage::auth)
      .client("EHLO client.example\r\n")
      .server(
          "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
          "250-SMTPUTF8\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-STARTTLS\r\n"
          "250-LIMITS RCPTMAX=1000 MAILMAX=1000\r\n250 HELP\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().facts.auth_identity, "test");
  EXPECT_EQ(s.play().facts.auth_mechanism, "PLAIN");
}

// "Note that the AUTH command is still subject to the line length limitations": and without a
// response, the server sends an empty challenge.
TEST(session_auth, without_initial_response) {
  script s = greeted(submission());
  s.client("AUTH plain\r\n")
      .authenticates(std::nullopt, auth_answer::challenge(""))
      .server("334 \r\n")
      .client("dGVzdAB0ZXN0ADEyMzQ=\r\n")
      .authenticates(plain, auth_answer::success("test"))
      .server(succeeded);
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_auth, several_steps) {
  script s = greeted(submission());
  s.client("AUTH LOGIN\r\n")
      .authenticates(std::nullopt, auth_answer::challenge("Username:"))
      .server("334 VXNlcm5hbWU6\r\n")
      .client("am9obg==\r\n")
      .authenticates("john", auth_answer::challenge("Password:"))
      .server("334 UGFzc3dvcmQ6\r\n")
      .client("\r\n")
      .authenticates("", auth_answer::failure())
      .server(failed)
      .client("AUTH LOGIN am9obg==\r\n")
      .authenticates("john", auth_answer::success("john"))
      .server(succeeded);
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// "If the client is transmitting an initial response of zero length, it MUST instead transmit the
// response as a single equals sign ('=')."
TEST(session_auth, an_empty_initial_response) {
  script s = greeted(submission());
  s.client("AUTH PLAIN =\r\n").authenticates("", auth_answer::failure()).server(failed);
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// "If the client wishes to cancel the authentication exchange, it issues a line with a single '*'.
// If the server receives such a response, it MUST reject the AUTH command by sending a 501 reply."
// The next exchange begins at its beginning.
TEST(session_auth, a_cancelled_exchange_leaves_nothing_behind) {
  script s = greeted(submission());
  s.client("AUTH LOGIN\r\n")
      .authenticates(std::nullopt, auth_answer::challenge("Username:"))
      .server("334 ")
      .client("*\r\n")
      .server("501 5.7.0 Authentication cancelled\r\n")
      .client("AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=\r\n")
      .authenticates(plain, auth_answer::success("test"))
      .server(succeeded);
  leave(s);
  EXPECT_EQ(s.check(), "");

  // Whoever answers can tell by auth_begins().
  channel settings = submission();
  session_facts facts;
  buffer_pool pool;
  session engine(settings, facts, pool, {.tls = false, .auth = true});
  const auto until_auth = [&](std::string_view text) {
    for (action a = engine.next();; a = engine.next()) {
      if (a.kind == action_kind::ask) engine.answer(verdict::pass());
      if (a.kind == action_kind::auth_step) return;
      if (a.kind != action_kind::read) continue;
      text.copy(engine.prepare().data(), text.size());
      engine.received(text.size());
    }
  };
  until_auth("EHLO a.example\r\nAUTH LOGIN\r\n");
  EXPECT_TRUE(engine.auth_begins());
  EXPECT_FALSE(engine.has_auth_response());
  engine.answer_auth(auth_answer::challenge("Username:"));
  until_auth("am9obg==\r\n");
  EXPECT_FALSE(engine.auth_begins());
  EXPECT_TRUE(engine.has_auth_response());
  engine.answer_auth(auth_answer::challenge("Password:"));
  until_auth("*\r\nAUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=\r\n");
  EXPECT_TRUE(engine.auth_begins());
  EXPECT_EQ(engine.auth_mechanism(), "PLAIN");
}

// "If the server cannot [BASE64] decode any client response, it MUST reject the AUTH command with a
// 501 reply (and an enhanced status code of 5.5.2)."
TEST(session_auth, bad_base64) {
  for (const std::string bad : {"!!!!", "YQ", "YQ=", "YQ==YQ==", "YR==", "=", "Y Q=", "YWI=\x80"}) {
    if (bad != "=") {
      script s = greeted(submission());
      s.client("AUTH PLAIN " + bad + "\r\n")
          .server(bad == "YWI=\x80" ? "500 5.5.2 "
                  : bad == "Y Q="   ? "501 5.5.4 "
                                    : "501 5.5.2 Response is not valid base64\r\n");
      leave(s);
      EXPECT_EQ(s.check(), "") << bad;
    }
    script t = greeted(submission());
    t.client("AUTH PLAIN\r\n")
        .authenticates(std::nullopt, auth_answer::challenge(""))
        .server("334 ")
        .client(bad + "\r\n")
        .server("501 5.5.2 Response is not valid base64\r\n");
    leave(t);
    EXPECT_EQ(t.check(), "") << bad;
  }
}

// "If the client sends a response that exceeds this length, the server fails the AUTH command with
// the 500 reply"; 12288 octets fit. Strict line ends hold here, too.
TEST(session_auth, lines_have_a_limit) {
  const std::string most = std::string(12284, 'A') + "QQ==";
  ASSERT_EQ(most.size() % 4, 0U);
  const std::string fits = most.substr(4, 12284);
  script s = greeted(submission());
  s.client("AUTH PLAIN\r\n")
      .authenticates(std::nullopt, auth_answer::challenge(""))
      .server("334 ")
      .client(fits + "\r\n")
      .authenticates(std::string(9210, '\0') + "A", auth_answer::failure())
      .server(failed);
  leave(s);
  EXPECT_EQ(s.play().problem, "");
  EXPECT_EQ(s.check_lost_at_every_step(), "");
  script t = greeted(submission());
  t.client("AUTH PLAIN\r\n")
      .authenticates(std::nullopt, auth_answer::challenge(""))
      .server("334 ")
      .client(most + "\r\n")
      .server("500 5.5.6 Line too long\r\n");
  leave(t);
  EXPECT_EQ(t.play().problem, "");
  for (const std::string line : {"dGVzdA==\n", "dGVz\rdA==", "dG\nVzdA=="}) {
    script u = greeted(submission());
    u.client("AUTH PLAIN\r\n")
        .authenticates(std::nullopt, auth_answer::challenge(""))
        .server("334 ")
        .client(line + "\r\n")
        .server("500 5.5.2 ");
    leave(u);
    EXPECT_EQ(u.check(), "") << line;
  }
}

// RFC 4954 §4: it ends the exchange, not the session; and each octet of it counts once.
TEST(session_auth, a_response_without_an_end) {
  channel settings = submission();
  settings.limits.auth_line = 100;
  settings.limits.bad_commands = 2;
  for (const auto& [octets, ends] : {std::pair{299, false}, std::pair{300, true}}) {
    script s = greeted(settings);
    s.client("AUTH PLAIN\r\n")
        .authenticates(std::nullopt, auth_answer::challenge(""))
        .server("334 ")
        .client(std::string(static_cast<std::size_t>(octets - 2), 'A') + "\r\n")
        .server("500 5.5.6 Line too long\r\n");
    if (ends)
      s.server("421 4.7.0 Too many errors\r\n").closed(session_end::limit);
    else
      leave(s);
    EXPECT_EQ(s.check(), "") << octets;
  }
}

// "If the requested authentication mechanism is invalid (e.g., is not supported ...), the server
// rejects the AUTH command with a 504 reply."
TEST(session_auth, mechanisms) {
  script s = greeted(submission());
  s.client("AUTH GSSAPI\r\n")
      .server("504 5.5.4 Authentication mechanism not supported\r\n")
      .client("AUTH\r\n")
      .server("501 5.5.4 ")
      .client("AUTH PLA.IN\r\n")
      .server("501 5.5.4 ")
      .client("AUTH " + std::string(21, 'A') + "\r\n")
      .server("501 5.5.4 ")
      .client("AUTH PLAIN a b\r\n")
      .server("501 5.5.4 ")
      .client("AUTH cram-md5\r\n")
      .authenticates(std::nullopt, auth_answer::challenge("<1@mx>"))
      .server("334 PDFAbXg+\r\n")
      .client("*\r\n")
      .server("501 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// "a server MUST reject any further AUTH commands with a 503 reply".
TEST(session_auth, only_once) {
  script s = greeted(submission());
  s.client("AUTH PLAIN =\r\n")
      .authenticates("", auth_answer::success("me"))
      .server(succeeded)
      .client("AUTH PLAIN =\r\n")
      .server("503 5.5.1 Already authenticated\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// "An AUTH command issued during a mail transaction MUST be rejected with a 503 reply."
TEST(session_auth, not_in_a_transaction) {
  script s = addressed(submission());
  s.client("AUTH PLAIN =\r\n").server("503 5.5.1 Bad sequence of commands\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t(submission());
  t.server("220 ").client("AUTH PLAIN =\r\n").server("503 5.5.1 Send HELO or EHLO first\r\n");
  leave(t);
  EXPECT_EQ(t.check(), "");
}

// RFC 4954 §4: PLAIN without protection is not offered, and not taken.
TEST(session_auth, not_before_tls) {
  channel settings = submission();
  settings.auth_without_tls = false;
  script s = greeted(settings);
  s.client("AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=\r\n")
      .server("538 5.7.11 Encryption required for requested authentication mechanism\r\n")
      .client("STARTTLS\r\n")
      .server("220 ")
      .starts_tls()
      .client("EHLO client.example\r\n")
      .server("250-")
      .client("AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=\r\n")
      .authenticates(plain, auth_answer::success("test"))
      .server(succeeded);
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().wire.substr(0, s.play().wire.find("220 2.0.0 ")).find("AUTH"),
            std::string::npos);
}

TEST(session_auth, without_somebody_who_answers_it_is_not_there) {
  script s = greeted(submission());
  s.abilities({.tls = true, .auth = false})
      .client("AUTH PLAIN =\r\n")
      .server("502 5.5.1 ")
      .client("MAIL FROM:<> AUTH=<>\r\n")
      .server("555 5.5.4 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().wire.find("250-AUTH"), std::string::npos);
}

TEST(session_auth, required) {
  channel settings = submission();
  settings.require_auth = true;
  script s = greeted(settings);
  s.client("MAIL FROM:<a@b.example>\r\n")
      .server("530 5.7.0 Authentication required\r\n")
      .client("AUTH PLAIN =\r\n")
      .authenticates("", auth_answer::success("me"))
      .server(succeeded)
      .client("MAIL FROM:<a@b.example>\r\n")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_auth, failures_have_a_limit) {
  script s = greeted(submission());
  for (int i = 0; i < 3; ++i)
    s.client("AUTH PLAIN =\r\n").authenticates("", auth_answer::failure()).server(failed);
  s.server("421 4.7.0 Too many errors\r\n").closed(session_end::limit);
  EXPECT_EQ(s.check(), "");
}

// The client has its 235 when the policy is asked: what is left is not to go on.
TEST(session_auth, a_policy_may_not_want_this_user) {
  script s = greeted(submission());
  s.client("AUTH PLAIN =\r\n")
      .authenticates("", auth_answer::success("me"))
      .asks(stage::auth, verdict::refuse({550, {5, 7, 1}, "locked"}))
      .server(succeeded)
      .server("421 4.7.0 locked\r\n")
      .closed(session_end::policy);
  EXPECT_EQ(s.check(), "");
}

// RFC 4954 §5: AUTH= of MAIL is there also for who has authenticated.
TEST(session_auth, parameter_of_mail) {
  script s = greeted(submission());
  s.client("MAIL FROM:<e=mc2@example.com> AUTH=e+3Dmc2@example.com\r\n")
      .server("250 ")
      .client("RSET\r\n")
      .server("250 ")
      .client("MAIL FROM:<a@b.example> AUTH=<>\r\n")
      .server("250 ")
      .client("RSET\r\n")
      .server("250 ")
      .client("MAIL FROM:<a@b.example> AUTH=a+3\r\n")
      .server("501 5.5.4 ")
      .client("MAIL FROM:<a@b.example> AUTH\r\n")
      .server("501 5.5.4 ")
      .client("AUTH PLAIN =\r\n")
      .authenticates("", auth_answer::success("me"))
      .server(succeeded)
      .client("MAIL FROM:<a@b.example> AUTH=<>\r\n")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// --- Secrets
// -----------------------------------------------------------------------------------------

TEST(session_auth, transcripts_have_no_secrets) {
  const std::string secret = "c2VjcmV0";
  const std::string ways[] = {
      "AUTH PLAIN " + secret + "\r\n",
      "AUTH\tPLAIN\t" + secret + "\r\n",
      "auth  plain  " + secret + "  \r\n",
      "AUTH PLAIN\r\n" + secret + "\r\n",
      "AUTH PLAIN x " + secret + "\r\n",
      // A client that does not wait, where there is nothing to wait for.
      "AUTH NTLM\r\n" + secret + "\r\n" + secret + "\r\n",
      "AUTH NTLM " + secret + "\r\n" + secret + "\r\n",
      "AUTH LOGIN\r\n*\r\n" + secret + "\r\n",
  };
  for (const std::string& way : ways) {
    script s = greeted(submission());
    s.client(way).authenticates(std::nullopt, auth_answer::challenge(secret));
    EXPECT_THAT(s.play().transcript, Each(Not(HasSubstr(secret)))) << way;
    EXPECT_THAT(s.play().transcript, Each(Not(HasSubstr("YzJWamNtVjA"))))
        << way;  // as the challenge has it
  }
  script s = greeted(submission());
  s.client("AUTH PLAIN " + secret + "\r\n")
      .authenticates("secret", auth_answer::challenge("?"))
      .server("334 ")
      .client("*\r\n")
      .server("501 ");
  const auto lines = s.play().transcript;
  EXPECT_THAT(lines, Contains("C: AUTH PLAIN"));
  EXPECT_THAT(lines, Contains("S: 334 (challenge)"));
  EXPECT_THAT(lines, Contains("C: (response)"));
  script t = greeted(submission());
  t.client("AUTH NTLM\r\n" + secret + "\r\nNOOP\r\n" + "FOO\r\n")
      .server("504 ")
      .server("500 ")
      .server("250 ")
      .server("500 ");
  EXPECT_EQ(t.check(), "");
  EXPECT_THAT(t.play().transcript, Contains("C: (masked)"));
  EXPECT_THAT(t.play().transcript, Contains("C: FOO"));
}

}  // namespace
}  // namespace gatepost::smtp
