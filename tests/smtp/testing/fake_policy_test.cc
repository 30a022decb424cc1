// This header stands alone.
#include "smtp/testing/fake_policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "smtp/testing/run.hpp"

namespace gatepost::smtp::testing {
namespace {

using ::testing::ElementsAre;

struct surroundings {
  session_facts facts;
  envelope mail;
  session_view view{facts, mail};
};

TEST(fake_policy, passes_and_remembers) {
  surroundings s;
  fake_policy policy;
  const auto session = policy.open(s.view);
  EXPECT_TRUE(run(session->ask(stage::connect)).passes());
  EXPECT_TRUE(run(session->header_end({"a: b\r\n", 6})).passes());
  EXPECT_TRUE(run(session->body("a: b\r\n")).passes());
  EXPECT_TRUE(run(session->body("\r\ntext")).passes());
  EXPECT_TRUE(run(session->message({"a: b\r\n", 12})).passes());
  session->reset();
  session->cancel();
  EXPECT_THAT(policy.asked,
              ElementsAre("open", "connect", "header_end", "body", "message", "reset", "cancel"));
  EXPECT_EQ(policy.header, "a: b\r\n");
  EXPECT_EQ(policy.body, "a: b\r\n\r\ntext");
  EXPECT_EQ(policy.size, 12U);
}

TEST(fake_policy, answers_once_each_in_order) {
  surroundings s;
  fake_policy policy;
  policy.answers(stage::rcpt, verdict::refuse(replies::no_such_user))
      .answers(stage::rcpt, verdict::defer());
  const auto session = policy.open(s.view);
  EXPECT_TRUE(run(session->ask(stage::mail)).passes());
  EXPECT_EQ(run(session->ask(stage::rcpt)).kind(), decision::refuse);
  EXPECT_EQ(run(session->ask(stage::rcpt)).kind(), decision::defer);
  EXPECT_TRUE(run(session->ask(stage::rcpt)).passes());
}

TEST(fake_policy, fails) {
  surroundings s;
  fake_policy policy;
  policy.throws(stage::helo, "x").throws_strangely(stage::mail).fails_at(3);
  const auto session = policy.open(s.view);
  EXPECT_THROW(run(session->ask(stage::helo)), std::runtime_error);
  EXPECT_THROW(run(session->ask(stage::mail)), int);
  EXPECT_TRUE(run(session->ask(stage::rcpt)).passes());
  EXPECT_THROW(run(session->ask(stage::rcpt)), std::runtime_error);
  EXPECT_THROW(fake_policy().fails_to_open().open(s.view), std::runtime_error);
}

TEST(fake_policy, waits_for_a_gate_or_to_be_cancelled) {
  surroundings s;
  fake_policy policy;
  gate g;
  policy.waits(stage::mail, g).ignores(stage::body);
  const auto session = policy.open(s.view);
  EXPECT_TRUE(session->ignores(stage::body));
  asio::io_context io;
  bool answered = false;
  asio::co_spawn(io, session->ask(stage::mail),
                 [&](std::exception_ptr, verdict) { answered = true; });
  settle(io);
  EXPECT_FALSE(answered);
  session->cancel();
  settle(io);
  EXPECT_TRUE(answered);
}

}  // namespace
}  // namespace gatepost::smtp::testing
