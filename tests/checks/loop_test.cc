// This header stands alone.
#include "checks/loop.hpp"

#include <gtest/gtest.h>

#include <string>

#include "checks/testing.hpp"

namespace gatepost::checks {
namespace {

std::string received(const char* by, int times = 1) {
  std::string all;
  for (int i = 0; i < times; ++i)
    all += std::string("Received: from a.test by ") + by +
           " with ESMTP; Mon, 1 Jan 2024 00:00:00 +0000\r\n";
  return all;
}

verdict send(const std::string& header, loop_options options = {}) {
  trial t;
  t.add<loop>(std::move(options));
  t.mail("<a@example.test>");
  t.rcpt("<list@example.test>");
  t.rcpt("<ann@example.test>");
  return t.message(header + "Subject: x\r\n\r\ntext\r\n");
}

TEST(Loop, AnOrdinaryMessagePasses) {
  const verdict v = send(received("mx.example.test", 3));
  EXPECT_TRUE(v.passes());
  EXPECT_FALSE(v.has_effects());
}

TEST(Loop, TooManyHops) {
  EXPECT_TRUE(send(received("a.test", 50)).passes());
  EXPECT_EQ(send(received("a.test", 51)).reply(), smtp::reply(smtp::replies::too_many_hops));
  EXPECT_TRUE(send(received("a.test", 6), {.hops = 5}).negative());
  EXPECT_TRUE(send(received("a.test", 200), {.hops = 0}).passes());
}

TEST(Loop, TooOftenHere) {
  const loop_options ours{.own_names = {"mx.example.test"}, .own_visits = 2};
  EXPECT_TRUE(send(received("mx.example.test", 2) + received("b.test", 10), ours).passes());
  EXPECT_EQ(send(received("MX.example.test", 3), ours).reply().enhanced(),
            (smtp::enhanced_code{5, 4, 6}));
  EXPECT_TRUE(
      send(received("mx.example.test", 9), {.own_names = {"mx.example.test"}, .own_visits = 0})
          .passes());
}

TEST(Loop, DeliveredBeforeIsForThatRecipient) {
  const verdict v = send("Delivered-To: ann@example.test\r\n");
  EXPECT_TRUE(v.passes());
  ASSERT_EQ(v.what_else().recipients.size(), 1u);
  EXPECT_EQ(v.what_else().recipients[0].first, 1u);
  EXPECT_EQ(v.what_else().recipients[0].second.reply().code(), 554);
  EXPECT_FALSE(send("Delivered-To: bob@example.test\r\n").has_effects());
  EXPECT_FALSE(send("Delivered-To: ann@example.test\r\n", {.delivered_to = false}).has_effects());
}

TEST(Loop, AHeaderThatCannotBeReadIsNotItsBusiness) {
  EXPECT_TRUE(send("X: " + std::string(200'000, 'x') + "\r\n").passes());
}

}  // namespace
}  // namespace gatepost::checks
