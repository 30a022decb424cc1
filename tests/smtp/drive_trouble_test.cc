// This header stands alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "smtp/drive.hpp"
#include "smtp/memory_budget.hpp"
#include "tests/support/memory_sessions.hpp"

// When policy, delivery, client or server do not do what they should.
namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using testing::fake_delivery;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using namespace tests;  // NOLINT(google-build-using-namespace)

const std::string local_error = "451 4.3.0 Local error in processing, try again later (ID1)\r\n";
const std::string shutting_down = "421 4.3.2 Server is shutting down, try again later (ID1)\r\n";
constexpr stage all_stages[] = {stage::connect, stage::helo,       stage::mail, stage::rcpt,
                                stage::data,    stage::header_end, stage::body, stage::message};

// Everything a client would send for one message; what it hears of it.
std::string whole_session(fake_session& f) {
  std::string said = f.begin();
  for (const std::string line :
       {"EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@example.test>", "DATA",
        "Subject: x\r\n\r\nhi\r\n.", "QUIT"})
    said += f.says(line + "\r\n");
  return said;
}

// --- A policy that throws
// -----------------------------------------------------------------------------------

// DESIGN: "Errors in a user's check become 451 and a log line."
TEST(drive_trouble, a_policy_that_throws) {
  for (const stage at : all_stages) {
    fake_session f;
    f.policy.throws(at, "check \"x\" is broken: secret detail");
    const std::string said = whole_session(f);
    EXPECT_THAT(said, HasSubstr(at == stage::connect ? "421 4.7.0 Local error" : local_error))
        << to_string(at);
    EXPECT_THAT(said, Not(HasSubstr("secret detail")));
    EXPECT_THAT(f.events(), Contains("trouble policy: check \"x\" is broken: secret detail"));
    EXPECT_TRUE(f.session->ended());
    EXPECT_EQ(f.delivery.kept.size(), 0U);
  }
}

TEST(drive_trouble, a_policy_that_throws_something_strange) {
  for (const stage at : all_stages) {
    fake_session f;
    f.policy.throws_strangely(at);
    whole_session(f);
    EXPECT_THAT(f.events(), Contains("trouble policy: an exception that is no std::exception"))
        << to_string(at);
    EXPECT_TRUE(f.session->ended());
  }
}

TEST(drive_trouble, a_policy_that_throws_at_each_question) {
  for (std::size_t n = 0; n < 8; ++n) {
    fake_session f;
    f.policy.fails_at(n);
    EXPECT_THAT(whole_session(f), HasSubstr("Local error in processing")) << n;
    EXPECT_TRUE(f.session->ended());
    EXPECT_EQ(f.delivery.kept.size(), 0U);
  }
}

TEST(drive_trouble, no_policy) {
  fake_session f;
  f.policy.fails_to_open();
  EXPECT_EQ(f.begin(), "421 4.7.0 Local error in processing, try again later (ID1)\r\n");
  EXPECT_TRUE(f.session->ended());
  EXPECT_THAT(f.events(), ElementsAre("trouble policy: no policy to be had", "session policy"));
}

// --- A delivery that fails
// ----------------------------------------------------------------------------------

TEST(drive_trouble, a_delivery_that_fails) {
  for (const auto step : {fake_delivery::step::resolve, fake_delivery::step::begin,
                          fake_delivery::step::write, fake_delivery::step::commit}) {
    for (const auto how : {fake_delivery::fault::error, fake_delivery::fault::exception}) {
      fake_session f;
      f.delivery.fails_at(step, 1, how);
      EXPECT_THAT(whole_session(f), HasSubstr(local_error));
      EXPECT_TRUE(f.session->ended());
      EXPECT_EQ(f.session->ended_by(), "quit");
      EXPECT_EQ(f.delivery.kept.size(), 0U);
      const bool told = std::string(f.events().front()).starts_with("trouble delivery: ");
      EXPECT_EQ(told, how == fake_delivery::fault::exception || step == fake_delivery::step::write);
    }
  }
}

TEST(drive_trouble, any_write_may_fail) {
  for (std::size_t n = 1; n <= 4; ++n) {
    fake_session f;
    f.delivery.fails_at(fake_delivery::step::write, n, fake_delivery::fault::error,
                        errc::spool_full);
    f.begin_message();
    f.says("DATA\r\n");
    for (int i = 0; i < 4; ++i) f.says("line " + std::to_string(i) + ": x\r\n");
    EXPECT_EQ(f.says(".\r\n"), "452 4.3.1 Insufficient system storage (ID1)\r\n");
    EXPECT_EQ(f.delivery.forgotten, 1U);
    EXPECT_THAT(f.events(), Contains(StartsWith("message deferred 452 4.3.1 ")));
    // The session goes on, and the next message is taken.
    f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
    EXPECT_EQ(f.sends("x: y\r\n"), "250 2.0.0 OK\r\n");
  }
}

TEST(drive_trouble, a_chunk_after_a_delivery_that_cannot_begin) {
  fake_session f;
  f.delivery.fails_at(fake_delivery::step::begin);
  f.begin_message();
  EXPECT_EQ(f.says("BDAT 5\r\nQUIT\nBDAT 5 LAST\r\nQUIT\n"),
            local_error + "503 5.5.1 Send MAIL first (ID1)\r\n");
  EXPECT_EQ(f.says("NOOP\r\n"), "250 2.0.0 OK\r\n");
}

TEST(drive_trouble, memory_has_an_end) {
  memory_budget budget(100u << 10);
  fake_session a;
  fake_session b;
  a.options.memory = b.options.memory = &budget;
  a.begin_message();
  b.begin_message();
  a.says("DATA\r\n");
  EXPECT_EQ(budget.used(), 64u << 10);
  EXPECT_EQ(b.says("DATA\r\n"), "452 4.3.1 Insufficient system storage (ID1)\r\n");
  EXPECT_EQ(b.delivery.begun, 0U);
  a.says("x\r\n.\r\n");
  EXPECT_EQ(budget.used(), 0U);
  b.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(b.sends(), "250 2.0.0 OK\r\n");
  b.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n");
  b.session->breaks_off();
  EXPECT_EQ(budget.used(), 0U);
}

// A header that grows is paid for, too.
TEST(drive_trouble, memory_of_headers_has_an_end) {
  memory_budget budget(100u << 10);
  fake_session f;
  f.options.memory = &budget;
  f.begin_message();
  f.says("DATA\r\n");
  std::string field = "X-Long: " + std::string(900, 'x') + "\r\n";
  for (int n = 0; n < 20; ++n) EXPECT_EQ(f.says(field), "");
  EXPECT_GE(budget.used(), (64u << 10) + 20 * field.size());
  for (int n = 0; n < 60; ++n) EXPECT_EQ(f.says(field), "");
  EXPECT_LE(budget.used(), 100u << 10);
  EXPECT_EQ(f.says("\r\nhi\r\n.\r\n"), "452 4.3.1 Insufficient system storage (ID1)\r\n");
  EXPECT_EQ(f.session->reached(limit_kind::memory), 1U);
  EXPECT_EQ(budget.used(), 0U);
  EXPECT_EQ(f.delivery.forgotten, 1U);
}

TEST(drive_trouble, a_delivery_that_is_closed) {
  fake_session f;
  f.begin_message();
  f.delivery.closes(errc::spool_full);
  EXPECT_EQ(f.says("DATA\r\n"), "452 4.3.1 Insufficient system storage (ID1)\r\n");
  f.delivery.closes(errc::spool_failed);
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.says("DATA\r\n"), local_error);
  EXPECT_EQ(f.delivery.begun, 0U);
  f.delivery.closes({});
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n");
}

// --- A client that leaves
// -----------------------------------------------------------------------------------

TEST(drive_trouble, leaving_during_a_question_cancels_it) {
  for (const stage at : all_stages) {
    fake_session f;
    f.policy.waits(at, f.gate);
    f.begin();
    for (const std::string line : {"EHLO client.example", "MAIL FROM:<a@client.example>",
                                   "RCPT TO:<b@example.test>", "DATA", "Subject: x\r\n\r\nhi\r\n."})
      if (f.gate.waiting() == 0) f.says(line + "\r\n");
    ASSERT_EQ(f.gate.waiting(), 1U) << to_string(at);
    if (at == stage::header_end || at == stage::body) {
      // The rest of the text is there to be read: that is not gone.
      f.session->leaves();
      if (f.gate.waiting() == 1) f.session->breaks_off();
    } else {
      f.session->leaves();
    }
    EXPECT_EQ(f.gate.waiting(), 0U) << to_string(at);
    EXPECT_TRUE(f.session->ended()) << to_string(at);
    EXPECT_EQ(f.session->ended_by(), "client left");
    EXPECT_THAT(f.policy.asked, Contains("cancel"));
    EXPECT_EQ(f.delivery.kept.size(), 0U);
    EXPECT_EQ(f.delivery.forgotten, f.delivery.begun);
  }
}

// What it has sent before may be a whole message: it is done with before anybody notices.
TEST(drive_trouble, what_was_sent_before_leaving_counts) {
  fake_session f;
  f.policy.waits(stage::mail, f.gate);
  f.begin();
  f.says("EHLO client.example\r\n");
  f.says("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.test>\r\nBDAT 2 LAST\r\nhi");
  f.session->leaves();
  EXPECT_EQ(f.gate.waiting(), 1U);
  EXPECT_THAT(f.policy.asked, Not(Contains("cancel")));
  f.gate.open();
  f.session->heard();
  EXPECT_EQ(f.delivery.kept.size(), 1U);
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.session->ended_by(), "client left");
}

TEST(drive_trouble, leaving_while_the_message_is_made_durable) {
  fake_session f;
  f.delivery.waits(fake_delivery::step::commit, f.gate);
  f.begin_message();
  f.sends();
  EXPECT_EQ(f.gate.waiting(), 1U);
  f.session->leaves();
  EXPECT_EQ(f.gate.waiting(), 1U);  // it is made durable
  f.gate.open();
  f.session->heard();
  EXPECT_EQ(f.delivery.kept.size(), 1U);
  EXPECT_TRUE(f.session->ended());
}

TEST(drive_trouble, leaving_in_the_middle_of_a_message) {
  fake_session f;
  f.begin_message();
  f.says("DATA\r\n");
  f.says("Subject: x\r\n");
  f.session->leaves();
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.delivery.forgotten, 1U);
  EXPECT_EQ(f.policy.asked.back(), "reset");
  EXPECT_THAT(f.events(), ElementsAre("session client left"));
}

TEST(drive_trouble, leaving_without_waiting_for_goodbye_is_still_quit) {
  fake_session f;
  f.begin();
  f.session->connection.client().try_write("QUIT\r\n");
  f.session->breaks_off();
  EXPECT_TRUE(f.session->ended());
  fake_session g;
  g.begin();
  g.session->connection.server().limit_window(0);
  g.says("QUIT\r\n");
  g.session->breaks_off();
  EXPECT_EQ(g.session->ended_by(), "quit");
}

// --- Stopping
// -----------------------------------------------------------------------------------------------

TEST(drive_trouble, stop_between_messages) {
  fake_session f;
  f.begin();
  f.says("EHLO client.example\r\n");
  f.session->stop();
  EXPECT_EQ(f.session->heard(), shutting_down);
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.session->ended_by(), "shutdown");
}

TEST(drive_trouble, stop_lets_a_message_finish) {
  fake_session f;
  f.begin_message();
  f.session->stop();
  EXPECT_EQ(f.session->heard(), "");
  EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n" + shutting_down);
  EXPECT_EQ(f.delivery.kept.size(), 1U);
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.session->ended_by(), "shutdown");
}

TEST(drive_trouble, stop_during_a_question) {
  for (const stage at : {stage::connect, stage::helo}) {
    fake_session f;
    f.policy.waits(at, f.gate);
    f.begin();
    f.says("EHLO client.example\r\n");
    f.session->stop();
    EXPECT_FALSE(f.session->ended());
    f.gate.open();
    EXPECT_THAT(f.session->heard(), EndsWith(shutting_down));
    EXPECT_TRUE(f.session->ended());
  }
}

TEST(drive_trouble, stop_before_the_greeting) {
  fake_session f(mx_with([](channel& c) { c.greeting_delay = 5s; }));
  EXPECT_EQ(f.begin(), "");
  f.session->stop();
  EXPECT_EQ(f.session->heard(), shutting_down);
  EXPECT_TRUE(f.session->ended());
}

TEST(drive_trouble, stop_during_a_handshake) {
  fake_session f;
  f.options.tls = true;
  f.begin();
  f.says("EHLO client.example\r\n");
  f.says("STARTTLS\r\n");
  f.session->stop();
  EXPECT_TRUE(f.session->ended());
  EXPECT_THAT(f.events(), ElementsAre("session shutdown"));
}

TEST(drive_trouble, stop_now_at_any_question) {
  for (const stage at : all_stages) {
    fake_session f;
    f.policy.waits(at, f.gate);
    f.begin();
    for (const std::string line : {"EHLO client.example", "MAIL FROM:<a@client.example>",
                                   "RCPT TO:<b@example.test>", "DATA", "Subject: x\r\n\r\nhi\r\n."})
      if (f.gate.waiting() == 0) f.says(line + "\r\n");
    ASSERT_EQ(f.gate.waiting(), 1U);
    f.session->stop_now();
    EXPECT_THAT(f.session->heard(), EndsWith(shutting_down)) << to_string(at);
    EXPECT_TRUE(f.session->ended()) << to_string(at);
    EXPECT_EQ(f.session->ended_by(), "shutdown");
    // The client was not told of success, so that nothing may be kept: it will come again.
    EXPECT_EQ(f.delivery.kept.size(), 0U) << to_string(at);
    EXPECT_EQ(f.delivery.forgotten, f.delivery.begun);
  }
}

// The text that a check looks at has to stay, whatever happens meanwhile.
TEST(drive_trouble, stop_now_leaves_a_check_its_text) {
  fake_session f;
  f.begin_message();
  f.says("DATA\r\n");
  f.policy.waits(stage::body, f.gate);
  const std::string text = "Subject: x\r\n\r\n" + std::string(1000, 'y') + "\r\n";
  f.says(text);
  f.session->stop_now();
  f.session->heard();
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.policy.body, text);
}

// Never both 421 and a message that is kept.
TEST(drive_trouble, stop_now_while_the_message_is_made_durable) {
  fake_session f;
  f.delivery.waits(fake_delivery::step::commit, f.gate);
  f.begin_message();
  f.sends();
  f.session->stop_now();
  EXPECT_EQ(f.session->heard(), "");
  f.gate.open();
  EXPECT_EQ(f.session->heard(), "250 2.0.0 OK\r\n" + shutting_down);
  EXPECT_EQ(f.delivery.kept.size(), 1U);
  EXPECT_TRUE(f.session->ended());
}

TEST(drive_trouble, stop_now_while_the_client_does_not_read) {
  fake_session f;
  f.begin();
  f.session->connection.server().limit_window(0);
  f.says("NOOP\r\n");
  f.session->stop_now();
  EXPECT_FALSE(f.session->ended());
  f.session->advance(3min);  // limits.write_timeout
  EXPECT_TRUE(f.session->ended());
}

// --- Limits that end a session
// --------------------------------------------------------------------------------

// Each limit has a counter of its own, and the log says which of them ended a session.
TEST(drive_trouble, limits_are_counted_by_name) {
  const std::string begin = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n";
  const std::string data = "EHLO a\r\n" + begin + "DATA\r\n";
  const struct {
    std::string sends;
    limit_kind kind;
    bool ends;
  } cases[] = {
      {"F\r\nF\r\nF\r\n", limit_kind::bad_commands, true},
      {std::string(600, 'x') + "\r\n", limit_kind::command_line, false},
      {"EHLO a\r\n" + begin + "RCPT TO:<e@d.test>\r\n", limit_kind::recipients, false},
      {"EHLO a\r\nMAIL FROM:<a@b.test> SIZE=101\r\n", limit_kind::message, false},
      {data + std::string(101, 'x') + "\r\n.\r\n", limit_kind::message, false},
      {data + "\r\n" + std::string(60, 'x') + "\r\n.\r\n", limit_kind::text_line, false},
      {data + "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\nF: 1\r\n\r\n.\r\n", limit_kind::header,
       false},
      {data + "Received: a\r\nReceived: b\r\n\r\n.\r\n", limit_kind::hops, false},
      {"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<no@d.test>\r\nRCPT TO:<no@d.test>\r\n",
       limit_kind::bad_recipients, true},
      {"EHLO a\r\n" + begin + "BDAT 101 LAST\r\n" + std::string(101, 'x'), limit_kind::message,
       false},
      {"EHLO a\r\n" + begin + "RSET\r\n" + "EHLO a\r\n" + begin + "RSET\r\n" + begin,
       limit_kind::transactions, true},
      {"NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n", limit_kind::idle_commands, true},
  };
  for (const auto& c : cases) {
    fake_session f(mx_with([](channel& s) {
      s.limits.bad_commands = 2;
      s.limits.command_line = 512;
      s.limits.recipients = 1;
      s.limits.message = 100;
      s.limits.transactions = 2;
      s.limits.text_line = 50;
      s.limits.header = 35;
      s.limits.hops = 1;
      s.limits.bad_recipients = 1;
      s.limits.idle_commands = 3;
    }));
    f.delivery.resolves("no@d.test", verdict::refuse(replies::no_such_user));
    f.begin();
    f.says(c.sends);
    const limit_counts counts = f.session->counters.counts();
    EXPECT_EQ(counts[static_cast<std::size_t>(c.kind)], 1u) << c.sends;
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0u), 1u) << c.sends;
    EXPECT_EQ(f.session->ended(), c.ends) << c.sends;
    EXPECT_EQ(f.session->log.ended_by_limit, c.ends ? to_string(c.kind) : "") << c.sends;
  }
}

TEST(drive_trouble, the_limit_that_came_first_has_ended_the_session) {
  fake_session f(mx_with([](channel& s) { s.limits.bad_commands = 2; }));
  f.begin();
  f.session->connection.server().limit_window(0);
  f.says("F\r\nF\r\nF\r\n");
  f.session->advance(3min);  // limits.write_timeout
  EXPECT_TRUE(f.session->ended());
  EXPECT_EQ(f.session->log.ended_by_limit, "bad_commands");
}

// The client would send a message again that is kept.
TEST(drive_trouble, an_observer_that_throws_at_a_message) {
  class throwing final : public observer {
   public:
    void on_message(const message_event&) override { throw std::runtime_error("the disk is full"); }
    void on_trouble(const trouble_event& e) override { troubles.emplace_back(e.what); }
    std::vector<std::string> troubles;
  } watching;
  fake_session f;
  f.options.observer = &watching;
  f.begin_message();
  EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n");
  EXPECT_EQ(f.delivery.kept.size(), 1U);
  EXPECT_EQ(f.says("QUIT\r\n"), "221 2.0.0 Bye\r\n");
  EXPECT_THAT(watching.troubles, ElementsAre("the disk is full"));
}

TEST(drive_trouble, reasons_for_an_end) {
  const struct {
    std::string sends;
    std::string_view why;
  } cases[] = {
      {"QUIT\r\n", "quit"},
      {"GET / HTTP/1.0\r\n", "protocol"},
      {"BDAT x\r\n", "protocol"},
      {"F\r\nF\r\nF\r\n", "limit"},
  };
  for (const auto& c : cases) {
    fake_session f(mx_with([](channel& s) { s.limits.bad_commands = 2; }));
    f.begin();
    f.says(c.sends);
    EXPECT_TRUE(f.session->ended());
    EXPECT_EQ(f.session->ended_by(), c.why) << c.sends;
  }
}

}  // namespace
}  // namespace gatepost::smtp
