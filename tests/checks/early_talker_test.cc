// This header stands alone.
#include "checks/early_talker.hpp"

#include <gtest/gtest.h>

#include "checks/testing.hpp"

namespace gatepost::checks {
namespace {

struct outcome {
  verdict connect, mail, message;
};

outcome talk(bool early, bool ahead, early_talker_options options = {},
             const char* address = "192.0.2.1") {
  trial t;
  t.add<early_talker>(options);
  t.facts().client.address = *smtp::parse_ip_address(address);
  t.facts().early_talker = early;
  outcome o;
  o.connect = t.connect();
  t.facts().pipelined_early = ahead;
  o.mail = t.mail("<a@example.test>");
  if (o.mail.negative()) return o;
  t.rcpt("<b@example.test>");
  o.message = t.message("\r\n");
  return o;
}

TEST(EarlyTalker, WhoWaitsPasses) {
  const outcome o = talk(false, false);
  EXPECT_TRUE(o.connect.passes());
  EXPECT_TRUE(o.mail.passes());
  EXPECT_FALSE(o.message.has_effects());
}

TEST(EarlyTalker, WhoSpeaksBeforeTheGreetingIsRefused) {
  const outcome o = talk(true, false);
  EXPECT_EQ(o.connect.reply().code(), 554);
  EXPECT_EQ(o.connect.reply().enhanced(), (smtp::enhanced_code{5, 5, 1}));
}

TEST(EarlyTalker, WhoSendsAheadGetsPoints) {
  const outcome o = talk(false, true);
  EXPECT_TRUE(o.mail.passes());
  EXPECT_DOUBLE_EQ(o.message.what_else().score, 2.0);
}

TEST(EarlyTalker, ActionsAreOptions) {
  EXPECT_TRUE(talk(true, true, {.greeting = early_talker_action::ignore}).connect.passes());
  EXPECT_DOUBLE_EQ(talk(true, true, {.greeting = early_talker_action::score, .points = 3})
                       .message.what_else()
                       .score,
                   6.0);
  EXPECT_EQ(talk(false, true, {.pipelining = early_talker_action::refuse}).mail.reply().code(),
            554);
  EXPECT_FALSE(
      talk(false, true, {.pipelining = early_talker_action::ignore}).message.has_effects());
}

TEST(EarlyTalker, SomeAreExempt) {
  EXPECT_TRUE(talk(true, true, {}, "127.0.0.1").connect.passes());
}

}  // namespace
}  // namespace gatepost::checks
