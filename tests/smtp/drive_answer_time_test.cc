// The delivery and the authenticator have limits.answer_time for each answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "smtp/drive.hpp"
#include "tests/support/memory_sessions.hpp"

namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using testing::fake_delivery;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace tests;  // NOLINT(google-build-using-namespace)
using step = fake_delivery::step;

const std::string took_too_long = "451 4.3.0 Processing took too long, try again later (ID1)\r\n";
const std::string cancelled = "trouble delivery: it has not answered in time, and is cancelled";

// Nothing is heard before the time is over; then the gate has nobody left who waits.
std::string heard_after_a_minute(fake_session& f) {
  EXPECT_EQ(f.gate.waiting(), 1U);
  f.session->advance(1min - 1ms);
  EXPECT_EQ(f.session->heard(), "");
  EXPECT_EQ(f.gate.waiting(), 1U);
  f.session->advance(2s);
  EXPECT_EQ(f.gate.waiting(), 0U);
  EXPECT_THAT(f.events(), Contains(cancelled));
  return f.session->heard();
}

// The next message is taken as if nothing had been.
void expect_it_goes_on(fake_session& f) {
  f.gate.open();
  EXPECT_EQ(f.says("RSET\r\n"), "250 2.0.0 OK\r\n");
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n");
  EXPECT_EQ(f.delivery.kept.size(), 1U);
  EXPECT_EQ(f.says("QUIT\r\n"), "221 2.0.0 Bye\r\n");
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.session->ended_by(), "quit");
}

TEST(drive_answer_time, at_rcpt) {
  fake_session f;
  f.delivery.waits(step::resolve, f.gate);
  f.begin_message();
  EXPECT_EQ(heard_after_a_minute(f), took_too_long);
  EXPECT_EQ(f.session->reached(limit_kind::answer_time), 1U);
  EXPECT_EQ(f.session->reached(limit_kind::processing_time), 0U);
  expect_it_goes_on(f);
}

// What goes wrong later is trouble of its own.
TEST(drive_answer_time, does_not_hide_what_comes_after_it) {
  fake_session f;
  f.delivery.waits(step::resolve, f.gate);
  f.begin_message();
  EXPECT_EQ(heard_after_a_minute(f), took_too_long);
  f.policy.throws(stage::mail, "the policy is broken");
  EXPECT_THAT(f.says("RSET\r\nMAIL FROM:<>\r\n"), HasSubstr("451 4.3.0 Local error"));
  EXPECT_THAT(f.events(), Contains("trouble policy: the policy is broken"));
}

TEST(drive_answer_time, at_data) {
  for (const std::string command : {"DATA\r\n", "BDAT 4 LAST\r\nx: y"}) {
    fake_session f;
    f.delivery.waits(step::begin, f.gate);
    f.begin_message();
    f.says(command);
    EXPECT_EQ(heard_after_a_minute(f), took_too_long) << command;
    expect_it_goes_on(f);
  }
}

TEST(drive_answer_time, while_text_is_written) {
  fake_session f;
  f.begin_message();
  f.says("DATA\r\n");
  f.delivery.waits(step::write, f.gate);
  EXPECT_EQ(f.says("Subject: x\r\n\r\nhi\r\n"), "");
  EXPECT_EQ(heard_after_a_minute(f), "");
  EXPECT_EQ(f.delivery.forgotten, 1U);
  EXPECT_EQ(f.says("more\r\n.\r\n"), took_too_long);
  expect_it_goes_on(f);
}

TEST(drive_answer_time, at_etrn) {
  fake_session f(with_extension(extension::etrn));
  f.delivery.waits(step::etrn, f.gate);
  f.begin();
  f.says("EHLO client.example\r\n");
  f.says("ETRN example.test\r\n");
  EXPECT_EQ(heard_after_a_minute(f), took_too_long);
  expect_it_goes_on(f);
}

TEST(drive_answer_time, is_a_limit_of_the_channel) {
  fake_session f(mx_with([](channel& c) { c.limits.answer_time = 10s; }));
  f.delivery.waits(step::resolve, f.gate);
  f.begin_message();
  f.session->advance(11s);
  EXPECT_EQ(f.session->heard(), took_too_long);
}

// What is being made safe is made safe, however long that takes.
TEST(drive_answer_time, is_not_for_the_commit) {
  fake_session f;
  f.delivery.waits(step::commit, f.gate);
  f.begin_message();
  EXPECT_EQ(f.sends(), "");
  f.session->advance(4min);
  EXPECT_EQ(f.gate.waiting(), 1U);
  f.gate.open();
  EXPECT_EQ(f.session->heard(), "250 2.0.0 OK\r\n");
}

// The client has said all, and goes: its message is still one.
TEST(drive_answer_time, a_client_that_leaves_while_its_text_is_written) {
  fake_session f;
  f.begin_message();
  f.says("DATA\r\n");
  f.delivery.waits(step::write, f.gate);
  f.says("Subject: x\r\n\r\nhi\r\n.\r\n");
  f.session->leaves();
  f.session->advance(2s);
  EXPECT_EQ(f.gate.waiting(), 1U);
  f.gate.open();
  f.session->heard();
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.delivery.kept.size(), 1U);
}

TEST(drive_answer_time, a_stop_does_not_wait_for_it) {
  for (const step s : {step::resolve, step::begin, step::write}) {
    fake_session f;
    f.delivery.waits(s, f.gate);
    f.begin_message();
    if (s != step::resolve) f.says("DATA\r\n");
    if (s == step::write) f.says("Subject: x\r\n\r\nhi\r\n");
    EXPECT_EQ(f.gate.waiting(), 1U);
    f.session->stop_now();
    EXPECT_EQ(f.gate.waiting(), 0U);
    EXPECT_EQ(f.session->heard(), "421 4.3.2 Server is shutting down, try again later (ID1)\r\n");
    EXPECT_TRUE(f.session->ended());
    EXPECT_THAT(f.events(), Not(Contains(cancelled)));
  }
}

// The message may come twice then; the client is not kept waiting for ever.
TEST(drive_answer_time, of_a_revoke) {
  fake_session f;
  testing::gate late;
  f.delivery.waits(step::commit, late);
  f.delivery.waits(step::revoke, f.gate);
  f.begin_message();
  EXPECT_EQ(f.sends(), "");
  f.session->advance(6min);
  late.open();
  EXPECT_EQ(f.session->heard(), "");
  EXPECT_EQ(heard_after_a_minute(f), took_too_long);
  EXPECT_FALSE(f.delivery.kept.at(0).revoked);
  EXPECT_EQ(f.says("QUIT\r\n"), "221 2.0.0 Bye\r\n");
  EXPECT_TRUE(f.session->ended());
}

// Nor does a stop make it come twice.
TEST(drive_answer_time, a_stop_waits_for_a_revoke) {
  fake_session f;
  testing::gate late;
  f.delivery.waits(step::commit, late);
  f.delivery.waits(step::revoke, f.gate);
  f.begin_message();
  f.sends();
  f.session->advance(6min);
  late.open();
  f.session->heard();
  f.session->stop_now();
  EXPECT_EQ(f.gate.waiting(), 1U);
  f.gate.open();
  EXPECT_EQ(f.session->heard(),
            took_too_long + "421 4.3.2 Server is shutting down, try again later (ID1)\r\n");
  EXPECT_TRUE(f.session->ended());
  EXPECT_TRUE(f.delivery.kept.at(0).revoked);
}

// What is told comes from the clock, which sees to other sessions as well.
TEST(drive_answer_time, an_observer_that_throws_keeps_nothing_from_its_end) {
  struct broken final : observer {
    void on_trouble(const trouble_event&) override { throw std::runtime_error("disk full"); }
  };
  broken log;
  asio::io_context io{1};
  testing::virtual_clock clock;
  testing::memory_connection connection(io.get_executor(), clock);
  testing::gate gate;
  testing::fake_policy policy;
  fake_delivery delivery;
  delivery.waits(step::resolve, gate);
  const channel settings = mx();
  session_facts facts;
  facts.id = "ID1";
  const session_services services{.policy = policy, .delivery = delivery, .observer = log};
  buffer_pool pool;
  asio::cancellation_signal cancel;
  session_driver driver(connection.server(), settings, facts, services, pool);
  asio::co_spawn(io, driver.run(cancel),
                 asio::bind_cancellation_slot(cancel.slot(), asio::detached));
  connection.client().try_write(
      "EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  testing::settle(io);
  EXPECT_EQ(gate.waiting(), 1U);
  connection.client().read_all();
  EXPECT_NO_THROW(clock.advance(1min));
  testing::settle(io);
  EXPECT_EQ(gate.waiting(), 0U);
  EXPECT_TRUE(connection.client().read_all().ends_with(took_too_long));
  connection.client().break_off();
  testing::settle(io);
}

// --- AUTH ----------------------------------------------------------------------------------------

class slow_authenticator final : public authenticator {
 public:
  explicit slow_authenticator(testing::gate& g) : gate_(g) {}
  std::unique_ptr<auth_exchange> start(std::string_view, const session_facts&) override {
    return std::make_unique<exchange>(gate_);
  }

 private:
  class exchange final : public auth_exchange {
   public:
    explicit exchange(testing::gate& g) : gate_(g) {}
    asio::awaitable<auth_answer> step(std::string, bool) override {
      co_await gate_.pass();
      co_return auth_answer::success("user");
    }

   private:
    testing::gate& gate_;
  };
  testing::gate& gate_;
};

TEST(drive_answer_time, of_the_authenticator) {
  fake_session f(mx_with([](channel& c) {
    c.extensions.add(extension::auth);
    c.auth_mechanisms = {"PLAIN"};
    c.auth_without_tls = true;
  }));
  slow_authenticator slow(f.gate);
  f.options.authenticator = &slow;
  f.begin();
  f.says("EHLO client.example\r\n");
  f.says("AUTH PLAIN AHUAcA==\r\n");
  f.session->advance(1min - 1ms);
  EXPECT_EQ(f.session->heard(), "");
  f.session->advance(2s);
  EXPECT_EQ(f.session->heard(), "454 4.7.0 Temporary authentication failure (ID1)\r\n");
  EXPECT_EQ(f.gate.waiting(), 0U);
  EXPECT_FALSE(f.session->facts().authenticated());
  EXPECT_THAT(f.events(), Contains(HasSubstr("trouble auth: ")));
  f.gate.open();
  EXPECT_EQ(f.says("AUTH PLAIN AHUAcA==\r\n"), "235 2.7.0 Authentication succeeded\r\n");
  f.session.reset();
}

}  // namespace
}  // namespace gatepost::smtp
