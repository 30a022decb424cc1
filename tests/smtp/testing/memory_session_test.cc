// This header stands alone.
#include "smtp/testing/memory_session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <memory>

#include "smtp/delivery.hpp"
#include "smtp/testing/fake_delivery.hpp"
#include "smtp/testing/fake_policy.hpp"

namespace gatepost::smtp::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::StartsWith;

TEST(memory_session, is_a_session) {
  accept_all policy;
  fake_delivery delivery;
  memory_session s(channel{}, policy, delivery);
  EXPECT_EQ(s.heard(), "220 localhost ESMTP\r\n");
  EXPECT_EQ(s.heard(), "");
  EXPECT_THAT(s.says("EHLO client.example\r\n"), StartsWith("250-localhost\r\n"));
  EXPECT_EQ(s.facts().helo, "client.example");
  EXPECT_EQ(s.facts().client.text(), "192.0.2.7:4321");
  EXPECT_FALSE(s.ended());
  s.says("QUIT\r\n");
  EXPECT_TRUE(s.ended());
  EXPECT_EQ(s.ended_by(), "quit");
  EXPECT_THAT(s.log.lines, ElementsAre("session quit"));
  EXPECT_EQ(s.says("NOOP\r\n"), "");
}

TEST(memory_session, the_clock_is_the_tests) {
  accept_all policy;
  fake_delivery delivery;
  memory_session s(channel{}, policy, delivery);
  s.heard();
  s.advance(5min);
  EXPECT_THAT(s.heard(), StartsWith("421 4.4.2 "));
  EXPECT_TRUE(s.ended());
}

TEST(memory_session, ends_with_its_client) {
  accept_all policy;
  fake_delivery delivery;
  memory_session s(channel{}, policy, delivery);
  s.leaves();
  EXPECT_EQ(s.ended_by(), "client left");
  memory_session t(channel{}, policy, delivery);
  t.breaks_off();
  EXPECT_TRUE(t.ended());
  memory_session left_open(channel{}, policy, delivery);
}

TEST(memory_session, options) {
  accept_all policy;
  fake_delivery delivery;
  memory_session_options options;
  options.tls = options.transcript = true;
  options.facts.emplace();
  options.facts->id = "mine";
  memory_session s(channel{}, policy, delivery, options);
  s.says("EHLO client.example\r\n");
  EXPECT_THAT(s.says("FOO\r\n"), StartsWith("500 5.5.2 Command not recognised (mine)"));
  EXPECT_THAT(s.says("STARTTLS\r\n"), StartsWith("220 2.0.0"));
  EXPECT_TRUE(s.starts_tls());
  EXPECT_TRUE(s.facts().tls);
  EXPECT_EQ(s.log.transcript.front(), "S: 220 localhost ESMTP");
}

TEST(memory_session, stops) {
  accept_all policy;
  fake_delivery delivery;
  memory_session s(channel{}, policy, delivery);
  s.heard();
  s.stop();
  EXPECT_THAT(s.heard(), StartsWith("421 4.3.2 "));
  memory_session t(channel{}, policy, delivery);
  t.stop_now();
  EXPECT_TRUE(t.ended());
}

// Waits for ever, whatever it is told.
class stubborn final : public delivery {
 public:
  asio::awaitable<verdict> resolve(const session_view&, recipient&) override {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer never(executor, asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
    co_return verdict::pass();
  }
  asio::awaitable<std::unique_ptr<intake>> begin(const session_view&) override {
    co_return nullptr;
  }
};

using memory_session_death_test = ::testing::Test;

TEST(memory_session_death_test, says_what_was_forgotten) {
  EXPECT_DEATH(
      {
        accept_all policy;
        stubborn delivery;
        memory_session s(channel{}, policy, delivery);
        s.says("EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n");
      },
      "open it before the end");
}

}  // namespace
}  // namespace gatepost::smtp::testing
