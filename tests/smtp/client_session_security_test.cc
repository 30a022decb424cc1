// client_session: TLS, AUTH, and servers that mean harm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "smtp/base64.hpp"
#include "smtp/client_session.hpp"
#include "tests/smtp/client_session_support.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::HasSubstr;

// --- TLS -----------------------------------------------------------------------------------------

TEST(client_session, starttls_then_ehlo_again) {
  client_script s = greeted("STARTTLS,PIPELINING,SIZE 10");
  s.client("STARTTLS\r\n")
      .server("220 go\r\n")
      .starts_tls()
      .client("EHLO localhost\r\n")
      .server("250-mx.example\r\n250 8BITMIME\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  const client_run r = s.play();
  EXPECT_EQ(r.features.extensions, extension_set{extension::eightbitmime});
  EXPECT_EQ(r.features.max_size, 0u);
}

TEST(client_session, starttls_policy) {
  client_options none;
  none.starttls = starttls_use::none;
  client_script plain = greeted("STARTTLS", none);
  closing(plain);
  EXPECT_EQ(plain.check(), "");

  client_script refused = greeted("STARTTLS");
  refused.client("STARTTLS\r\n").server("454 4.7.0 not now\r\n");
  closing(refused);
  EXPECT_EQ(refused.check(), "");

  client_options must;
  must.starttls = starttls_use::required;
  client_script absent = greeted("SIZE", must);
  absent.client("QUIT\r\n").server("221 bye\r\n").fails(errc::tls_not_offered);
  EXPECT_EQ(absent.check(), "");

  client_script no = greeted("STARTTLS", must);
  no.client("STARTTLS\r\n").server("454 no\r\n").client("QUIT\r\n").server("221 bye\r\n");
  no.fails(errc::tls_failed);
  EXPECT_EQ(no.check(), "");
  EXPECT_EQ(no.play().failure.reply.code(), 454);

  client_script handshake = greeted("STARTTLS");
  handshake.client("STARTTLS\r\n").server("220 go\r\n").tls_fails().fails(errc::tls_failed);
  EXPECT_EQ(handshake.check(), "");
  EXPECT_EQ(handshake.play().failure.text(),
            "TLS handshake failed (the TLS handshake): no common cipher");

  client_options implicit;
  implicit.tls_active = true;
  implicit.starttls = starttls_use::required;
  client_script under_tls = greeted("STARTTLS", implicit);
  closing(under_tls);
  EXPECT_EQ(under_tls.check(), "");
}

// RFC 3207 §4.2, and CVE-2011-0411 seen from this side: nothing that came in plain text counts.
TEST(client_session, octets_behind_the_reply_to_starttls) {
  for (const std::string_view injected : {"250 AUTH PLAIN\r\n", "2", "\r\n", "421 bye\r\n"}) {
    client_script s = greeted("STARTTLS");
    s.client("STARTTLS\r\n")
        .server("220 go\r\n" + std::string(injected))
        .fails(errc::tls_injection);
    // What came in one segment is the point; what comes apart is below.
    EXPECT_EQ(s.play().problem, "") << injected;
    client_script apart = greeted("STARTTLS");
    apart.client("STARTTLS\r\n").server("220 go\r\n").server_too_early(injected);
    apart.fails(errc::tls_injection);
    EXPECT_EQ(apart.check(), "") << injected;
  }
}

TEST(client_session, no_helo_under_tls) {
  client_script s = greeted("STARTTLS");
  s.client("STARTTLS\r\n")
      .server("220 go\r\n")
      .starts_tls()
      .client("EHLO localhost\r\n")
      .server("500 what?\r\n")
      .client("QUIT\r\n")
      .server("221 bye\r\n")
      .fails(errc::service_refused);
  EXPECT_EQ(s.check(), "");
}

// --- AUTH ----------------------------------------------------------------------------------------

TEST(client_session, auth_plain) {
  client_script s = greeted("AUTH LOGIN PLAIN", with_login());
  // RFC 4616: NUL user NUL password.
  s.client("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n").server("235 2.7.0 welcome\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  const client_run r = s.play();
  EXPECT_TRUE(r.logged_in);
  EXPECT_THAT(r.transcript, ::testing::Contains("C: AUTH PLAIN ****"));
  EXPECT_THAT(r.transcript, ::testing::Not(::testing::Contains(HasSubstr("AHVz"))));
}

TEST(client_session, auth_plain_that_is_too_long_for_a_command) {
  client_options o = with_login();
  o.login->password.assign(400, 'p');
  const std::string response = base64_encode(std::string("\0user\0", 6) + std::string(400, 'p'));
  client_script s = greeted("AUTH PLAIN", o);
  s.client("AUTH PLAIN\r\n").server("334 \r\n").client(response + "\r\n").server("235 ok\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_THAT(s.play().transcript, ::testing::Not(::testing::Contains(HasSubstr("cHBw"))));
}

TEST(client_session, auth_login) {
  client_script s = greeted("AUTH=LOGIN", with_login());
  s.client("AUTH LOGIN\r\n")
      .server("334 VXNlcm5hbWU6\r\n")
      .client("dXNlcg==\r\n")
      .server("334 UGFzc3dvcmQ6\r\n")
      .client("c2VjcmV0\r\n")
      .server("235 ok\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_THAT(s.play().transcript,
              ::testing::IsSupersetOf({"C: AUTH LOGIN", "C: ****", "S: 235 ok"}));
}

TEST(client_session, auth_fails) {
  client_script wrong = greeted("AUTH PLAIN", with_login());
  wrong.client("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n").server("535 5.7.8 no\r\n");
  wrong.client("QUIT\r\n").server("221 bye\r\n").fails(errc::auth_failed);
  EXPECT_EQ(wrong.check(), "");
  EXPECT_EQ(wrong.play().failure.reply, reply(535, {5, 7, 8}, "no"));

  client_script garbage = greeted("AUTH LOGIN", with_login());
  garbage.client("AUTH LOGIN\r\n").server("334 !\r\n").client("*\r\n").server("501 cancelled\r\n");
  garbage.client("QUIT\r\n").server("221 bye\r\n").fails(errc::auth_failed);
  EXPECT_EQ(garbage.check(), "");

  client_script endless = greeted("AUTH LOGIN", with_login());
  endless.client("AUTH LOGIN\r\n").server("334 \r\n").client("dXNlcg==\r\n").server("334 \r\n");
  endless.client("c2VjcmV0\r\n").server("334 more?\r\n").client("*\r\n").server("501 no\r\n");
  endless.client("QUIT\r\n").server("221 bye\r\n").fails(errc::auth_failed);
  EXPECT_EQ(endless.check(), "");
}

TEST(client_session, no_password_without_tls) {
  client_options o = with_login();
  o.tls_active = false;
  client_script s = greeted("AUTH PLAIN", o);
  s.client("QUIT\r\n").server("221 bye\r\n").fails(errc::auth_not_offered);
  EXPECT_EQ(s.check(), "");

  o.auth_without_tls = true;
  client_script allowed = greeted("AUTH PLAIN", o);
  allowed.client("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n").server("235 ok\r\n");
  closing(allowed);
  EXPECT_EQ(allowed.check(), "");

  client_script other = greeted("AUTH CRAM-MD5", with_login());
  other.client("QUIT\r\n").server("221 bye\r\n").fails(errc::auth_not_offered);
  EXPECT_EQ(other.check(), "");
}

// RFC 4954 §14, RFC 8314: who is in between can do TLS, too.
TEST(client_session, no_password_where_the_certificate_is_not_verified) {
  client_options o = with_login();
  o.auth_without_verification = false;
  client_script s = greeted("AUTH PLAIN", o);
  s.client("QUIT\r\n").server("221 bye\r\n").fails(errc::auth_not_offered);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().failure.detail, "no password where the certificate is not verified");

  const auto logs_in = [](const client_options& options) {
    client_script allowed = greeted("AUTH PLAIN", options);
    allowed.client("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n").server("235 ok\r\n");
    closing(allowed);
    return allowed.check();
  };
  client_options local = o;
  local.local = true;
  EXPECT_EQ(logs_in(local), "");
  // Whoever may send it in plain text may send it under any TLS.
  client_options plain = o;
  plain.auth_without_tls = true;
  EXPECT_EQ(logs_in(plain), "");

  o.tls_active = false;
  client_script verified = greeted("STARTTLS", o);
  verified.client("STARTTLS\r\n").server("220 go\r\n").starts_tls();
  greet(verified, "AUTH PLAIN").client("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n").server("235 ok\r\n");
  closing(verified);
  EXPECT_EQ(verified.check(), "");
}

// --- Hostile servers -----------------------------------------------------------------------------

TEST(client_session, answers_that_fit_no_command) {
  const auto at_envelope = [](std::string_view replies, errc why) {
    client_script s = greeted("PIPELINING");
    s.sends(to_two(), text)
        .client(
            "MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nRCPT "
            "TO:<y@b.example>\r\nDATA\r\n")
        .server(replies)
        .fails(why);
    EXPECT_EQ(s.check(), "") << replies;
    EXPECT_EQ(s.play().outcomes[0].count(state::delivered), 0u);
    return summary(s.play().outcomes[0]);
  };
  EXPECT_EQ(at_envelope("354 go\r\n", errc::bad_reply),
            "deferred 451 (ours), deferred 451 (ours)");                     // to MAIL
  at_envelope("250 ok\r\n354 go\r\n", errc::bad_reply);                      // to RCPT
  at_envelope("250 ok\r\n550 no\r\n334 go\r\n", errc::bad_reply);            // to RCPT
  at_envelope("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n", errc::bad_reply);  // to DATA
  at_envelope("250 ok\r\n150 ok\r\n", errc::bad_reply);
  at_envelope("250 ok\r\nhello\r\n", errc::bad_reply);
  at_envelope("250-ok\r\n251 ok\r\n", errc::bad_reply);
  at_envelope("250-" + std::string(5000, 'x'), errc::reply_too_long);
  EXPECT_EQ(at_envelope("250 ok\r\n250 ok\r\n550 no\r\nboo\r\n", errc::bad_reply),
            "deferred 451 (ours), failed 550");
}

TEST(client_session, replies_before_their_commands) {
  client_script ehlo;
  ehlo.server("220 x\r\n250 PIPELINING\r\n").fails(errc::reply_out_of_step);
  EXPECT_EQ(ehlo.play().problem, "");

  // The reply to the message, before the message.
  client_script final = greeted("PIPELINING");
  final.sends(message({"x@b.example"}), text)
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n354 go\r\n")
      .server_too_early("250 queued\r\n")
      .fails(errc::reply_out_of_step);
  EXPECT_EQ(final.check(), "");
  EXPECT_EQ(final.play().outcomes[0].count(state::delivered), 0u);

  client_script idle = greeted("PIPELINING");
  idle.server_while_idle("250 hello?\r\n").fails(errc::reply_out_of_step);
  EXPECT_EQ(idle.check(), "");

  // Part of a reply while idle is read to its end before anything is said.
  client_script part = greeted("PIPELINING");
  part.server_while_idle("25").sends(to_two()).server("0 ok\r\n").fails(errc::reply_out_of_step);
  EXPECT_EQ(part.check(), "");
  client_script part_of_421 = greeted("PIPELINING");
  part_of_421.server_while_idle("42")
      .sends(to_two())
      .server("1 idle\r\n")
      .fails(errc::server_closing);
  EXPECT_EQ(part_of_421.check(), "");
}

TEST(client_session, a_greeting_that_is_none) {
  for (const std::string_view greeting :
       {"250 hi\r\n", "354 go\r\n", "HTTP/1.1 400 Bad Request\r\n", "\r\n", "SSH-2.0-x\r\n"}) {
    client_script s;
    s.server(greeting).fails(errc::bad_reply);
    EXPECT_EQ(s.check(), "") << greeting;
  }
}

TEST(client_session, an_endless_greeting_is_cut) {
  client_session s;
  const std::string line = "220-" + std::string(1000, 'x') + "\r\n";
  std::size_t fed = 0;
  while (s.next().kind == client_action_kind::read && fed < 10u << 20) {
    s.received(line);
    fed += line.size();
  }
  EXPECT_EQ(s.next().kind, client_action_kind::failed);
  EXPECT_EQ(s.failure().error, errc::reply_too_long);
  EXPECT_LT(fed, 70u << 10);
}

TEST(client_session, whatever_quit_is_answered) {
  for (const std::string_view reply :
       {"221 bye\r\n", "500 what?\r\n", "421 timeout\r\n", "boo\r\n"}) {
    client_script s = greeted("PIPELINING");
    s.quits().client("QUIT\r\n").server(reply);
    EXPECT_EQ(s.check(), "") << reply;
  }
}

}  // namespace
}  // namespace gatepost::smtp
