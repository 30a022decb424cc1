// This header stands alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "smtp/session.hpp"
#include "tests/support/sessions.hpp"

namespace gatepost::smtp {
namespace {

using testing::script;
using namespace std::chrono_literals;
using namespace tests;  // NOLINT(google-build-using-namespace)

// mx() with one limit changed.
template <class T>
channel with_limit(T session_limits::* limit, std::type_identity_t<T> value) {
  return mx_with([&](channel& c) { c.limits.*limit = value; });
}

const std::string too_many_errors = "421 4.7.0 Too many errors\r\n";

// --- Sizes
// -----------------------------------------------------------------------------------------------

TEST(session_limits, command_line) {
  script s = greeted(with_limit(&session_limits::command_line, 30));
  s.client("NOOP " + std::string(23, 'x') + "\r\n")
      .server("250 ")
      .client("NOOP " + std::string(24, 'x') + "\r\n")
      .server("500 5.5.6 Line too long\r\n")
      .client(std::string(500, 'x') + "\r\nNOOP\r\n")
      .server("500 5.5.6 ")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// RFC 5321 §4.5.3.1.4: 512 octets, and more where extensions ask for them: every parameter at its
// longest.
TEST(session_limits, a_line_with_everything_fits) {
  script s(mx_with([](channel& c) {
    c.extensions.add(extension::auth).add(extension::no_soliciting).add(extension::prdr);
    c.auth_mechanisms = {"PLAIN"};
  }));
  session_facts facts;
  facts.tls.emplace();
  const std::string path = std::string(64, 'a') + "@" + std::string(63, 'b') + "." +
                           std::string(63, 'c') + "." + std::string(58, 'd') + ".ee";
  ASSERT_EQ(path.size() + 2, 256U);
  s.facts(facts)
      .server("220 ")
      .client("EHLO a.example\r\n")
      .server("250-")
      .client("MAIL FROM:<" + path +
              "> SIZE=00000000000000000001 BODY=8BITMIME SMTPUTF8 REQUIRETLS PRDR RET=HDRS ENVID=" +
              std::string(100, 'e') + " AUTH=" + std::string(500, 'f') +
              " SOLICIT=" + std::string(1000, 'g') + "\r\n")
      .server("250 2.1.0 ")
      .client("RCPT TO:<" + path + "> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;" +
              std::string(493, 'h') + "\r\n")
      .server("250 2.1.5 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// Whatever a channel says of its buffers: a line that may come can be read.
TEST(session_limits, small_buffers) {
  script s = greeted(with_limit(&session_limits::command_buffer, 1));
  s.client("NOOP " + std::string(2000, 'x') + "\r\n").server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  script t = addressed(with_limit(&session_limits::read_buffer, 3));
  t.client("DATA\r\n")
      .server("354 ")
      .client("Subject: hello\r\n\r\n..\r\n.\r\n")
      .text("Subject: hello\r\n\r\n.\r\n")
      .server("250 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
}

TEST(session_limits, replies_that_nobody_reads) {
  channel settings = with_limit(&session_limits::pending_output, 100);
  settings.limits.idle_commands = 1000000;
  session_facts facts;
  buffer_pool pool;
  session engine(settings, facts, pool);
  std::string commands;
  for (int i = 0; i < 500; ++i) commands += "NOOP\r\n";
  std::size_t most = 0;
  bool fed = false;
  for (;;) {
    const action a = engine.next();
    most = std::max(most, engine.output().size());
    if (a.kind == action_kind::ask) engine.answer(verdict::pass());
    if (a.kind == action_kind::flush) engine.sent(engine.output().size());
    if (a.kind != action_kind::read) continue;
    if (fed) break;
    fed = true;
    commands.copy(engine.prepare().data(), commands.size());
    engine.received(commands.size());
  }
  EXPECT_LT(most, 200U);
}

// --- Counts
// ----------------------------------------------------------------------------------------------

TEST(session_limits, bad_commands) {
  script s = greeted(with_limit(&session_limits::bad_commands, 2));
  s.client("FOO\r\nNOOP x\r\n")
      .server("500 ")
      .server("250 ")
      .client("DATA\r\n")
      .server("503 ")
      .client("MAIL FROM:a\r\nNOOP\r\n")
      .server("501 ")
      .server(too_many_errors)
      .closed(session_end::limit);
  EXPECT_EQ(s.check(), "");
}

// As much of it as would be too many commands.
TEST(session_limits, a_line_without_an_end) {
  channel settings = with_limit(&session_limits::bad_commands, 2);
  settings.limits.command_line = 512;
  script s = greeted(settings);
  s.client(std::string(4 * 512, 'a'))
      .server("500 5.5.6 Line too long\r\n")
      .server(too_many_errors)
      .closed(session_end::limit);
  EXPECT_EQ(s.check(), "");
  script t = greeted(settings);
  t.client(std::string(2 * 512 - 3, 'a') + "\r\n").server("500 5.5.6 Line too long\r\n");
  t.client(std::string(2 * 512 - 2, 'a') + "\r\n").server("500 5.5.6 Line too long\r\n");
  t.server(too_many_errors).closed(session_end::limit);
  EXPECT_EQ(t.check(), "");
}

TEST(session_limits, bad_recipients) {
  const verdict no = verdict::refuse({550, {5, 1, 1}, "no"});
  script s = greeted(with_limit(&session_limits::bad_recipients, 2));
  s.client("MAIL FROM:<>\r\n").server("250 ");
  for (int i = 0; i < 3; ++i)
    s.client("RCPT TO:<a@example.test>\r\n").asks(stage::rcpt, no).server("550 5.1.1 no\r\n");
  s.server(too_many_errors).closed(session_end::limit);
  EXPECT_EQ(s.check(), "");
  script t = greeted(with_limit(&session_limits::bad_recipients, 0));
  t.client("MAIL FROM:<>\r\n").server("250 ");
  for (int i = 0; i < 200; ++i)
    t.client("RCPT TO:<a@example.test>\r\n").asks(stage::rcpt, no).server("550 5.1.1 no\r\n");
  // Too many for every split.
  EXPECT_EQ(t.play().problem, "");
}

// RFC 5321 §4.5.3.1.10: "452 ... the client SHOULD ... send the message to the recipients that were
// accepted".
TEST(session_limits, recipients) {
  channel settings = with_limit(&session_limits::recipients, 2);
  settings.limits.bad_commands = 0;
  script s = addressed(settings);
  s.client("RCPT TO:<c@example.test>\r\nRCPT TO:<d@example.test>\r\nRCPT TO:<e@example.test>\r\n")
      .server("250 ")
      .server("452 4.5.3 Too many recipients\r\n")
      .server("452 4.5.3 ")
      .client("DATA\r\n")
      .server("354 ")
      .client(".\r\n")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  // As many again are patience; what comes then is abuse.
  script t = addressed(settings);
  t.client("RCPT TO:<c@example.test>\r\n").server("250 ");
  for (int i = 0; i < 3; ++i) t.client("RCPT TO:<d@example.test>\r\n").server("452 ");
  t.server(too_many_errors).closed(session_end::limit);
  EXPECT_EQ(t.check(), "");
}

TEST(session_limits, transactions) {
  script s = greeted(with_limit(&session_limits::transactions, 2));
  s.client("MAIL FROM:<>\r\nRSET\r\n")
      .server("250 ")
      .server("250 ")
      .client("MAIL FROM:<>\r\nRSET\r\n")
      .server("250 ")
      .server("250 ")
      .client("MAIL FROM:<>\r\n")
      .server("421 4.7.0 Too many messages in this session\r\n")
      .closed(session_end::limit);
  EXPECT_EQ(s.check(), "");
}

// A storm of RSET, NOOP and the like brings no message nearer, and ends.
TEST(session_limits, idle_commands) {
  for (const std::string command :
       {"RSET", "NOOP", "HELP", "EHLO client.example", "HELO client.example"}) {
    channel settings = with_limit(&session_limits::idle_commands, 3);
    settings.limits.bad_commands = 1;
    script s(settings);
    s.server("220 ");
    for (int i = 0; i < 4; ++i) s.client(command + "\r\n").server("2");
    s.client(command + "\r\n").server(too_many_errors).closed(session_end::limit);
    EXPECT_EQ(s.check(), "") << command;
  }
}

TEST(session_limits, a_message_resets_the_count_of_idle_commands) {
  channel settings = with_limit(&session_limits::idle_commands, 3);
  settings.limits.bad_commands = 0;
  script s = greeted(settings);
  for (int i = 0; i < 5; ++i)
    s.client("NOOP\r\nNOOP\r\nMAIL FROM:<>\r\nRSET\r\n")
        .server("250 ")
        .server("250 ")
        .server("250 ")
        .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_limits, offers_of_messages_that_are_too_big_are_idle_talk) {
  channel settings = with_limit(&session_limits::idle_commands, 2);
  settings.limits.bad_commands = 0;
  script s = greeted(settings);
  s.client("MAIL FROM:<> SIZE=99999999999\r\n")
      .server("552 5.3.4 Message exceeds the size limit\r\n")
      .client("MAIL FROM:<> SIZE=99999999999\r\n")
      .server("552 ")
      .server(too_many_errors)
      .closed(session_end::limit);
  EXPECT_EQ(s.check(), "");
}

TEST(session_limits, empty_chunks_are_idle_talk) {
  channel settings = with_limit(&session_limits::idle_commands, 2);
  settings.limits.bad_commands = 0;
  script s = addressed(settings);
  s.client("BDAT 0\r\nBDAT 0\r\nBDAT 0\r\n")
      .server("250 ")
      .server("250 ")
      .server(too_many_errors)
      .closed(session_end::limit);
  EXPECT_EQ(s.check(), "");
}

TEST(session_limits, parameters) {
  script s = greeted(with_limit(&session_limits::parameters, 2));
  s.client("MAIL FROM:<> SIZE=1 BODY=7BIT SMTPUTF8\r\n")
      .server("501 5.5.4 ")
      .client("MAIL FROM:<> SIZE=1 BODY=7BIT\r\n")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// --- Waits
// -----------------------------------------------------------------------------------------------

TEST(session_limits, how_long_a_read_may_take) {
  channel settings = mx_with([](channel& c) {
    c.limits.first_command_timeout = 1s;
    c.limits.command_timeout = 2s;
    c.limits.data_timeout = 3s;
  });
  session_facts facts;
  buffer_pool pool;
  session engine(settings, facts, pool);
  const auto wait_after = [&](std::string_view text) {
    text.copy(engine.prepare().data(), text.size());
    engine.received(text.size());
    action a = engine.next();
    for (; a.kind != action_kind::read; a = engine.next())
      if (a.kind == action_kind::ask) engine.answer(verdict::pass());
    return a.wait;
  };
  EXPECT_EQ(wait_after(""), 1s);
  EXPECT_EQ(wait_after("NOOP\r\n"), 1s);  // that is no beginning
  EXPECT_EQ(wait_after("EHLO a.example\r\n"), 2s);
  EXPECT_EQ(wait_after("MAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\n"), 2s);
  EXPECT_EQ(wait_after("DATA\r\n"), 3s);
  EXPECT_EQ(wait_after(".\r\n"), 2s);
  EXPECT_EQ(wait_after("MAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nBDAT 2\r\na"), 3s);
  EXPECT_EQ(wait_after("b"), 2s);
}

TEST(session_limits, silence) {
  const std::string words = "421 4.4.2 Timed out waiting for your command\r\n";
  script s(mx());
  s.server("220 ").stays_silent().server(words).closed(session_end::timeout);
  EXPECT_EQ(s.check(), "");
  script t = addressed();
  t.client("DATA\r\n")
      .server("354 ")
      .client("Subj")
      .stays_silent()
      .resets()
      .server(words)
      .closed(session_end::timeout);
  EXPECT_EQ(t.check(), "");
}

TEST(session_limits, tarpit) {
  script s = greeted(mx_with([](channel& c) { c.tarpit = 10ms; }));
  s.client("FOO\r\n")
      .pauses(10ms)
      .server("500 ")
      .client("NOOP\r\n")
      .server("250 ")
      .client("FOO\r\n")
      .pauses(20ms)
      .server("500 ");
  for (int i = 3; i < 12; ++i) s.client("FOO\r\n").pauses(10ms * std::min(i, 10)).server("500 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// --- Other ways to end
// -----------------------------------------------------------------------------------

TEST(session_limits, leaving) {
  script s(mx());
  s.server("220 ").leaves().closed(session_end::client_left);
  EXPECT_EQ(s.check(), "");
  script t = addressed();
  t.client("DATA\r\n")
      .server("354 ")
      .client("text\r\n")
      .leaves()
      .resets()
      .closed(session_end::client_left);
  EXPECT_EQ(t.check(), "");
}

// RFC 5321 §3.8: 421 "if the server needs to shut down"; here after the transaction that is on.
TEST(session_limits, stopping) {
  const std::string words = "421 4.3.2 Server is shutting down, try again later\r\n";
  script s(mx());
  s.server("220 ").stops().server(words).closed(session_end::shutdown);
  EXPECT_EQ(s.check(), "");
  script t = addressed();
  t.stops()
      .client("RCPT TO:<c@example.test>\r\nDATA\r\n")
      .server("250 ")
      .server("354 ")
      .client("a\r\n.\r\nMAIL FROM:<>\r\n")
      .text("a\r\n")
      .server("250 2.0.0 OK\r\n")
      .server(words)
      .closed(session_end::shutdown);
  EXPECT_EQ(t.check(), "");
  script u = addressed();
  u.stops().client("RSET\r\n").server("250 ").server(words).closed(session_end::shutdown);
  EXPECT_EQ(u.check(), "");
  script v = addressed();
  v.client("BDAT 1\r\na")
      .server("250 ")
      .stops()
      .client("BDAT 1 LAST\r\nb")
      .server("250 ")
      .server(words)
      .closed(session_end::shutdown);
  EXPECT_EQ(v.check(), "");
}

TEST(session_limits, other_settings_may_come_while_it_goes_on) {
  channel other = mx_with([](channel& c) {
    c.name = "other";
    c.extensions = {};
    c.line_ends = line_ends::normalise;
    c.limits.command_line = 20;
  });
  script s = greeted();
  s.switches(other)
      .client("NOOP\n")
      .server("250 OK\r\n")
      .client("NOOP 1234567890123456\n")
      .server("500 Line too long\r\n")
      .client("QUIT\n")
      .server("221 ")
      .closed();
  EXPECT_EQ(s.check(), "");
  // Half a line stays half a line.
  script t = greeted();
  t.client("FOO\nNO")
      .server("500 5.5.2 A line ends with CR LF; ")
      .switches(other)
      .client("OP\nNOOP\r\nNOOP\n")
      .server("250 OK\r\n");
  EXPECT_EQ(t.check(), "");
}

}  // namespace
}  // namespace gatepost::smtp
