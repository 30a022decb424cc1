// This header stands alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "smtp/drive.hpp"
#include "smtp/testing/forwarding_transport.hpp"
#include "tests/support/memory_sessions.hpp"

// Every wait of a session has an end. RFC 5321 §4.5.3.2.
namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using testing::fake_delivery;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using namespace tests;  // NOLINT(google-build-using-namespace)

const std::string timed_out = "421 4.4.2 Timed out waiting for your command (ID1)\r\n";
const std::string too_slow = "421 4.4.2 Data arrives too slowly (ID1)\r\n";
const std::string took_too_long = "451 4.3.0 Processing took too long, try again later (ID1)\r\n";

// The session ends after exactly this long, with these words.
void expect_end(fake_session& f, std::chrono::milliseconds after, const std::string& words,
                std::string_view why) {
  f.session->advance(after - 1ms);
  EXPECT_EQ(f.session->heard(), "");
  EXPECT_FALSE(f.session->ended());
  f.session->advance(1ms);
  EXPECT_EQ(f.session->heard(), words);
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.session->ended_by(), why);
}

// --- Silence
// ----------------------------------------------------------------------------------------------

TEST(drive_time, a_client_that_never_speaks) {
  fake_session f;
  f.begin();
  expect_end(f, 5min, timed_out, "timeout");
}

TEST(drive_time, a_client_that_says_no_more) {
  fake_session f;
  f.begin_message();
  expect_end(f, 5min, timed_out, "timeout");
  EXPECT_EQ(f.policy.asked.back(), "reset");
}

// By octets it gets no more time.
TEST(drive_time, a_command_that_comes_slowly) {
  fake_session f;
  f.begin();
  f.says("EHLO client.example\r\n");
  for (const char octet : {'N', 'O', 'O', 'P'}) {
    f.session->advance(1min);
    EXPECT_EQ(f.says({&octet, 1}), "");
  }
  expect_end(f, 1min, timed_out, "timeout");
}

TEST(drive_time, each_command_has_its_time) {
  fake_session f;
  f.begin();
  f.says("EHLO client.example\r\n");
  for (int i = 0; i < 4; ++i) {
    f.session->advance(4min);
    EXPECT_EQ(f.says("NOOP\r\n"), "250 2.0.0 OK\r\n");
  }
  // Half a command is none, and does not begin the time anew.
  f.session->advance(4min);
  f.says("NOO");
  expect_end(f, 1min, timed_out, "timeout");
}

TEST(drive_time, half_a_command_behind_a_whole_one_has_its_own_time) {
  fake_session f;
  f.begin();
  f.says("EHLO client.example\r\n");
  f.session->advance(5min - 1s);
  EXPECT_EQ(f.says("NOOP\r\nNO"), "250 2.0.0 OK\r\n");
  f.session->advance(2s);
  EXPECT_EQ(f.says("OP\r\n"), "250 2.0.0 OK\r\n");
}

TEST(drive_time, a_message_that_does_not_begin) {
  fake_session f;
  f.begin_message();
  f.says("DATA\r\n");
  expect_end(f, 3min, timed_out, "timeout");
  EXPECT_EQ(f.delivery.forgotten, 1U);
}

TEST(drive_time, no_session_lasts_for_ever) {
  fake_session f(mx_with([](channel& c) { c.limits.session_time = 10min; }));
  f.begin();
  f.says("EHLO client.example\r\n");
  f.session->advance(4min);
  f.says("NOOP\r\n");
  f.session->advance(4min);
  f.says("NOOP\r\n");
  expect_end(f, 2min, "421 4.4.2 Session has lasted too long (ID1)\r\n", "timeout");
}

TEST(drive_time, a_client_that_does_not_read) {
  fake_session f;
  f.begin();
  f.session->connection.server().limit_window(10);
  f.session->connection.client().try_write("EHLO client.example\r\n");
  f.session->advance(3min - 1ms);
  EXPECT_FALSE(f.session->ended());
  f.session->advance(1ms);
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.session->ended_by(), "timeout");
}

// --- The least rate of a message
// ----------------------------------------------------------------------------

TEST(drive_time, a_message_that_trickles) {
  fake_session f;  // 100 octets a second after 30 seconds
  f.begin_message();
  f.says("DATA\r\n");
  f.says("Subject: x\r\n");
  expect_end(f, 30s, too_slow, "too slow");
  EXPECT_EQ(f.delivery.forgotten, 1U);
}

TEST(drive_time, octets_buy_time) {
  fake_session f;
  f.begin_message();
  f.says("DATA\r\n");
  f.says("Subject: x\r\n\r\n" + std::string(5984, 'y') + "\r\n");  // 6000 octets: worth a minute
  f.session->advance(59s);
  EXPECT_FALSE(f.session->ended());
  f.says(std::string(100, 'z'));  // and a second more
  f.session->advance(1500ms);
  EXPECT_FALSE(f.session->ended());
  f.session->advance(500ms);
  EXPECT_EQ(f.session->heard(), too_slow);
}

TEST(drive_time, who_is_fast_enough_may_take_long) {
  fake_session f;
  f.begin_message();
  f.says("DATA\r\n");
  f.says("Subject: x\r\n\r\n");
  for (int i = 0; i < 60; ++i) {
    f.session->advance(10s);
    const std::string line = std::string(800, 'y') + "\r\n";
    EXPECT_EQ(f.says(line + line), "");
  }
  EXPECT_EQ(f.says(".\r\n"), "250 2.0.0 OK\r\n");
}

// Only the time in which we wait for the client counts.
TEST(drive_time, our_own_slowness_is_not_the_clients) {
  fake_session f;
  f.begin_message();
  f.says("DATA\r\n");
  f.policy.waits(stage::body, f.gate);
  f.says("Subject: x\r\n\r\n");
  f.session->advance(2min);
  f.gate.open();
  f.session->heard();
  f.session->advance(29s);
  EXPECT_FALSE(f.session->ended());
  EXPECT_EQ(f.says(".\r\n"), "250 2.0.0 OK\r\n");
}

// RFC 3030: between two chunks a client may take its time, as between two commands.
TEST(drive_time, pauses_between_chunks) {
  fake_session f;
  f.begin_message();
  EXPECT_THAT(f.says("BDAT 4\r\na\r\nb"), StartsWith("250 "));
  f.session->advance(4min);
  f.says("BDAT 4 LAST\r\n\r\n");
  f.session->advance(20s);
  EXPECT_EQ(f.says("c\n"), "550 5.6.0 Message has a bare CR or LF; lines end with CR LF (ID1)\r\n");
}

// Nor is the pause counted as slowness of the chunks around it.
TEST(drive_time, pauses_between_chunks_are_not_slow) {
  fake_session f;
  f.begin_message();
  f.says("BDAT 4\r\n");
  EXPECT_THAT(f.says("a\r\nb"), StartsWith("250 "));
  f.session->advance(4min);
  EXPECT_EQ(f.says("BDAT 4 LAST\r\n"), "");
  f.session->advance(20s);
  EXPECT_EQ(f.says("c\r\n"), "");
  EXPECT_EQ(f.says("d"), "250 2.0.0 OK\r\n");
}

// A message that was slow says nothing of the next one, nor of a chunk that nobody takes.
TEST(drive_time, slowness_is_of_one_message) {
  fake_session f;
  f.delivery.resolves("nobody@example.test", verdict::refuse(replies::no_such_user));
  f.begin_message();
  f.says("DATA\r\n");
  f.says(std::string(20'000, 'x') + "\r\n");
  f.session->advance(40s);
  EXPECT_THAT(f.says("y\r\n.\r\n"), StartsWith("5"));  // a long line
  f.says("MAIL FROM:<a@client.example>\r\nRCPT TO:<nobody@example.test>\r\n");
  f.says("BDAT 50000 LAST\r\nxx");
  f.says("xx");
  f.session->advance(20s);
  EXPECT_EQ(f.session->heard(), "");
  EXPECT_FALSE(f.session->ended());
}

TEST(drive_time, no_least_rate) {
  fake_session f(mx_with([](channel& c) { c.limits.min_body_rate = 0; }));
  f.begin_message();
  f.says("DATA\r\n");
  f.says("S");
  expect_end(f, 3min, timed_out, "timeout");
}

// --- Early talkers
// ------------------------------------------------------------------------------------------

TEST(drive_time, greeting_delay) {
  fake_session f(mx_with([](channel& c) { c.greeting_delay = 5s; }));
  EXPECT_EQ(f.begin(), "");
  f.session->advance(4999ms);
  EXPECT_EQ(f.session->heard(), "");
  EXPECT_TRUE(f.policy.asked.empty());
  f.session->advance(1ms);
  EXPECT_EQ(f.session->heard(), "220 mx.example.test ESMTP\r\n");
  EXPECT_FALSE(f.session->facts().early_talker);
}

TEST(drive_time, an_early_talker_is_known_to_the_policy) {
  fake_session f(mx_with([](channel& c) { c.greeting_delay = 5s; }));
  f.policy.answers(stage::connect, verdict::refuse({554, {5, 7, 1}, "wait for the greeting"}));
  f.begin();
  EXPECT_EQ(
      f.says("EHLO bot.example\r\n"),
      "554 5.7.1 wait for the greeting (ID1)\r\n503 5.5.1 Bad sequence of commands (ID1)\r\n");
  EXPECT_TRUE(f.session->facts().early_talker);
}

TEST(drive_time, what_an_early_talker_said_is_not_lost) {
  fake_session f(mx_with([](channel& c) { c.greeting_delay = 5s; }));
  f.begin();
  EXPECT_THAT(f.says("EHLO bot.example\r\n"), StartsWith("220 mx.example.test ESMTP\r\n250-"));
}

// As a TLS engine has it that decrypted more than the end of the handshake.
class holds_octets final : public testing::forwarding_transport {
 public:
  holds_octets(transport& to, std::string held)
      : forwarding_transport(to), held_(std::move(held)) {}

  io_result try_read(std::span<char> into) override {
    if (held_.empty()) return forwarding_transport::try_read(into);
    const std::size_t n = held_.copy(into.data(), into.size());
    held_.erase(0, n);
    return {n, {}};
  }

 private:
  std::string held_;
};

TEST(drive_time, an_early_talker_within_tls) {
  asio::io_context io{1};
  testing::virtual_clock clock;
  testing::memory_connection connection(io.get_executor(), clock);
  holds_octets server(connection.server(), "EHLO bot.example\r\n");
  testing::fake_policy policy;
  fake_delivery delivery;
  observer log;
  const channel settings = mx_with([](channel& c) { c.greeting_delay = 5s; });
  session_facts facts;
  facts.tls.emplace();
  const session_services services{.policy = policy, .delivery = delivery, .observer = log};
  buffer_pool pool;
  asio::cancellation_signal cancel;
  session_driver driver(server, settings, facts, services, pool);
  asio::co_spawn(io, driver.run(cancel),
                 asio::bind_cancellation_slot(cancel.slot(), asio::detached));
  testing::settle(io);
  EXPECT_TRUE(facts.early_talker);
  EXPECT_THAT(connection.client().read_all(), StartsWith("220 mx.example.test ESMTP\r\n250-"));
  connection.client().break_off();
  testing::settle(io);
}

TEST(drive_time, leaving_is_no_talking) {
  fake_session f(mx_with([](channel& c) { c.greeting_delay = 5s; }));
  f.begin();
  f.session->leaves();
  EXPECT_TRUE(f.session->ended());
  EXPECT_FALSE(f.session->facts().early_talker);
  EXPECT_TRUE(f.policy.asked.empty());
  EXPECT_EQ(f.session->ended_by(), "client left");
}

// --- The tarpit
// ---------------------------------------------------------------------------------------------

TEST(drive_time, tarpit) {
  fake_session f(mx_with([](channel& c) { c.tarpit = 1s; }));
  f.begin();
  EXPECT_EQ(f.says("FOO\r\n"), "");
  f.session->advance(999ms);
  EXPECT_EQ(f.session->heard(), "");
  f.session->advance(1ms);
  EXPECT_THAT(f.session->heard(), StartsWith("500 "));
  EXPECT_EQ(f.says("NOOP\r\n"), "250 2.0.0 OK\r\n");
  EXPECT_EQ(f.says("FOO\r\n"), "");
  f.session->advance(2s);
  EXPECT_THAT(f.session->heard(), StartsWith("500 "));
}

TEST(drive_time, a_tarpit_ends_with_the_server) {
  fake_session f(mx_with([](channel& c) { c.tarpit = 1h; }));
  f.begin();
  f.says("FOO\r\n");
  f.session->stop_now();
  EXPECT_THAT(f.session->heard(),
              EndsWith("421 4.3.2 Server is shutting down, try again later (ID1)\r\n"));
  EXPECT_TRUE(f.session->ended());
}

// --- Answers that take too long
// -----------------------------------------------------------------------------

// RFC 5321 §4.5.3.2.6: the client waits ten minutes; a 250 after that would make it send the
// message again.
TEST(drive_time, a_late_verdict_is_451) {
  for (const stage at : {stage::helo, stage::mail, stage::rcpt, stage::data, stage::message}) {
    fake_session f;
    f.policy.waits(at, f.gate);
    f.begin();
    for (const std::string line : {"EHLO client.example", "MAIL FROM:<a@client.example>",
                                   "RCPT TO:<b@example.test>", "DATA", "Subject: x\r\n\r\nhi\r\n."})
      if (f.gate.waiting() == 0) f.says(line + "\r\n");
    ASSERT_EQ(f.gate.waiting(), 1U);
    f.session->advance(5min - 1ms);
    EXPECT_EQ(f.session->heard(), "");
    f.session->advance(1ms);
    EXPECT_EQ(f.session->heard(), took_too_long) << to_string(at);
    EXPECT_EQ(f.session->reached(limit_kind::processing_time), 1U);
    EXPECT_THAT(f.policy.asked, Contains("cancel"));
    EXPECT_EQ(f.delivery.kept.size(), 0U);
    EXPECT_FALSE(f.session->ended());
    EXPECT_THAT(f.says("NOOP\r\n"), StartsWith("250 "));
  }
}

TEST(drive_time, late_verdicts_within_a_message) {
  for (const stage at : {stage::header_end, stage::body}) {
    fake_session f;
    f.begin_message();
    f.policy.waits(at, f.gate);
    f.says("DATA\r\n");
    f.says("Subject: x\r\n\r\nhi\r\n");
    f.session->advance(5min);
    EXPECT_EQ(f.session->heard(), "");
    EXPECT_EQ(f.delivery.forgotten, 1U);
    EXPECT_EQ(f.says(".\r\n"), took_too_long) << to_string(at);
  }
}

// The client waits from its final dot on, whatever is asked in how many parts.
TEST(drive_time, all_questions_about_a_message_have_one_limit) {
  testing::gate second;  // gates outlive the session
  testing::gate third;
  fake_session f;
  f.policy.waits(stage::header_end, f.gate).waits(stage::body, second);
  f.policy.waits(stage::message, third);
  f.begin_message();
  f.says("DATA\r\n");
  f.says("Subject: x\r\n\r\nhi\r\n.\r\n");
  f.session->advance(2min);
  f.gate.open();
  f.session->advance(2min);
  second.open();
  f.session->advance(1min - 1ms);
  EXPECT_EQ(f.session->heard(), "");
  f.session->advance(1ms);
  EXPECT_EQ(f.session->heard(), took_too_long);
  EXPECT_EQ(f.delivery.kept.size(), 0U);
}

// What came before the client was waited for once more is not counted: it had not said all.
TEST(drive_time, a_message_that_is_waited_for_begins_anew) {
  testing::gate second;
  fake_session f;
  f.policy.waits(stage::header_end, f.gate).waits(stage::message, second);
  f.begin_message();
  f.says("DATA\r\n");
  f.says("Subject: x\r\n\r\nhi\r\n");
  f.session->advance(4min);
  f.gate.open();
  f.session->advance(5s);
  f.says(".\r\n");
  f.session->advance(4min);
  second.open();
  EXPECT_EQ(f.session->heard(), "250 2.0.0 OK\r\n");
}

TEST(drive_time, a_commit_that_takes_too_long_is_revoked) {
  fake_session f;
  f.delivery.waits(fake_delivery::step::commit, f.gate);
  f.begin_message();
  f.sends();
  f.session->advance(6min);
  EXPECT_EQ(f.session->heard(), "");  // nobody knows yet what became of it
  EXPECT_THAT(f.policy.asked, Not(Contains("cancel")));
  f.gate.open();
  EXPECT_EQ(f.session->heard(), took_too_long);
  ASSERT_EQ(f.delivery.kept.size(), 1U);
  EXPECT_TRUE(f.delivery.kept[0].revoked);
  EXPECT_THAT(
      f.events(),
      ElementsAre(
          "message deferred 451 4.3.0 Processing took too long, try again later (18 octets)"));
}

TEST(drive_time, a_revoke_that_fails_is_told) {
  fake_session f;
  f.delivery.waits(fake_delivery::step::commit, f.gate);
  f.delivery.fails_at(fake_delivery::step::revoke, 1, fake_delivery::fault::exception);
  f.begin_message();
  f.sends();
  f.session->advance(6min);
  f.gate.open();
  EXPECT_EQ(f.session->heard(), took_too_long);
  EXPECT_THAT(f.events(), Contains("trouble delivery: the delivery is broken"));
}

TEST(drive_time, lmtp_late) {
  fake_session f(lmtp());
  f.delivery.waits(fake_delivery::step::commit, f.gate);
  f.delivery.answers(reply(452, {4, 2, 2}, "all"),
                     {reply(250, {2, 0, 0}, "one"), reply(452, {4, 2, 2}, "two")});
  f.begin_message({"a@example.test", "b@example.test"});
  f.sends();
  f.session->advance(6min);
  f.gate.open();
  EXPECT_EQ(f.session->heard(), took_too_long + took_too_long);
  EXPECT_TRUE(f.delivery.kept.at(0).revoked);
}

TEST(drive_time, durations_are_told) {
  fake_session f;
  f.policy.waits(stage::message, f.gate);
  f.begin_message();
  f.says("DATA\r\n");
  f.session->advance(7s);  // not the message's time: its first octet has not come
  f.says("Subject: x\r\n");
  f.session->advance(2s);
  f.says(".\r\n");
  f.session->advance(3s);
  f.gate.open();
  f.session->heard();
  EXPECT_EQ(f.session->log.last_duration, 5s);
}

}  // namespace
}  // namespace gatepost::smtp
