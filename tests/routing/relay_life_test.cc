// A relay's start, end and accidents: nothing is lost, and nothing that was noted is delivered
// twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <string_view>

#include "routing/relay.hpp"
#include "tests/routing/relay_support.hpp"
#include "tests/routing/wire_hop.hpp"

namespace gatepost::routing {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using tests::relay_bench;
using tests::run_until;
using tests::wire_hop;

class RelayLife : public ::testing::Test {
 protected:
  RelayLife() { bench.routes.add("b.test", hop.hop()); }

  bool stop(std::chrono::milliseconds at_most = 30s) {
    hop.go_away();
    bench.relay->stop(at_most);
    return tests::run_out(bench.io);
  }

  void restart() {
    bench.relay.reset();
    hop.come_back();
    bench.start();
  }

  relay_bench bench;
  wire_hop hop{bench.io};
};

// --- The end
// --------------------------------------------------------------------------------------

TEST_F(RelayLife, WithNothingToDoItEndsAtOnce) {
  bench.start();
  EXPECT_TRUE(stop());
}

TEST_F(RelayLife, IdleConnectionsSayGoodbye) {
  bench.options.idle_connection = 1h;
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  ASSERT_TRUE(stop());
  EXPECT_EQ(hop.count("QUIT"), 1u);
}

TEST_F(RelayLife, MessagesThatWaitStayInTheSpool) {
  hop.answer("RCPT", "450 4.2.1 later");
  bench.start();
  const std::string id = bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  ASSERT_TRUE(stop());  // although the next attempt is minutes away
  EXPECT_EQ(bench.kept(id).recipients.at(0).attempts, 1u);
}

TEST_F(RelayLife, ADeliveryThatIsUnderWayComesToItsEnd) {
  bench.start();
  hop.answer([&](int, std::string_view line) -> std::string {
    if (line == ".") bench.relay->stop();
    return "";
  });
  bench.send({"r@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return hop.messages().size() == 1; }));
  ASSERT_TRUE(stop());
  EXPECT_EQ(bench.log.count("delivered"), 1u);
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

TEST_F(RelayLife, ButNotForLongerThanAllowedAndThatIsNoAttempt) {
  hop.answer("MAIL", std::string(wire_hop::silent));
  bench.start();
  const std::string id = bench.send({"1@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return hop.count("MAIL") == 1; }));
  ASSERT_TRUE(stop(10ms));
  const spool_recipient r = bench.kept(id).recipients.at(0);
  EXPECT_EQ(r.state, recipient_state::pending);
  EXPECT_EQ(r.attempts, 0u);
  EXPECT_THAT(bench.log.notes(), IsEmpty());

  hop.answer({});
  restart();
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(hop.messages(), SizeIs(1));
}

TEST_F(RelayLife, WhatComesInWhileItEndsIsKeptForTheNextStart) {
  bench.start();
  bench.relay->stop();
  bench.send({"r@b.test"});
  ASSERT_TRUE(stop());
  EXPECT_THAT(hop.messages(), IsEmpty());
  EXPECT_EQ(bench.store.stats().messages, 1u);
  restart();
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(hop.messages(), SizeIs(1));
}

TEST_F(RelayLife, NoFurtherDestinationIsBegunAfterTheStop) {
  wire_hop other(bench.io);
  bench.routes.add("c.test", other.hop());
  bench.start();
  hop.answer([&](int, std::string_view line) -> std::string {
    if (line == ".") bench.relay->stop();
    return "";
  });
  const std::string id = bench.send({"1@b.test", "2@c.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.count() == 1; }));
  other.go_away();
  ASSERT_TRUE(stop());
  EXPECT_EQ(other.connections(), 0);
  EXPECT_EQ(bench.kept(id).recipients[0].state, recipient_state::delivered);
  EXPECT_EQ(bench.kept(id).recipients[1].state, recipient_state::pending);
}

// The relay goes while messages are on their way, and so does the io_context.
TEST_F(RelayLife, ItMayBeDestroyedAtAnyMoment) {
  bool all = false;
  for (int steps = 0; !all; ++steps) {
    relay_bench brief;
    wire_hop next(brief.io);
    brief.routes.add("b.test", next.hop());
    brief.options.deliveries_per_hop = 2;
    brief.start();
    for (int i = 0; i < 3; ++i) brief.send({"r@b.test"});
    brief.io.restart();
    for (int i = 0; i < steps && !all; ++i) {
      ASSERT_EQ(brief.io.run_one_for(gatepost::testing::patience), 1u);
      all = brief.log.count("delivered") == 3;
    }
    EXPECT_GE(brief.store.stats().messages + brief.log.count("delivered"), 3u);
    brief.relay.reset();
  }
}

// --- The start
// ------------------------------------------------------------------------------------

// A message that waits in the spool, as a clock has left it that went wrong by `by`.
struct wrong_clock {
  std::chrono::hours by;
  std::uint32_t attempts;
  const char* result;
};

TEST_F(RelayLife, AWrongClockNeitherStopsMailNorLosesIt) {
  using namespace std::chrono_literals;
  const wrong_clock cases[] = {
      {24h * 365, 0, "deferred"},  {24h * 365, 5, "deferred"}, {-24h * 365, 0, "deferred"},
      {-24h * 365, 1, "deferred"}, {-24h * 365, 2, "failed"},
  };
  hop.answer("RCPT", "450 4.2.1 later");
  for (const wrong_clock& c : cases) {
    SCOPED_TRACE(std::to_string(c.by.count()) + " " + std::to_string(c.attempts));
    bench.start();
    bench.relay->stop();
    spool_message m = bench.kept(bench.send({"r@b.test"}));
    ASSERT_TRUE(stop());
    m.received_at += c.by;
    m.recipients.at(0).next_attempt += c.by;
    m.recipients.at(0).attempts = c.attempts;
    ASSERT_FALSE(gatepost::testing::run(bench.io, bench.store.update(m, durability::synced)));
    const std::size_t before = bench.log.count();
    restart();
    ASSERT_TRUE(bench.settled(before + 1));
    EXPECT_EQ(bench.log.last("r@b.test").result, c.result);
    EXPECT_EQ(bench.relay->stats().queued, c.result == std::string_view("deferred") ? 1u : 0u);
    ASSERT_TRUE(stop());
    ASSERT_FALSE(gatepost::testing::run(bench.io, bench.store.remove(m.id, durability::synced)));
    bench.relay.reset();
    hop.come_back();
  }
}

// The same while it runs.
TEST_F(RelayLife, AClockThatIsSetBackMakesNoMessageWaitForIt) {
  std::chrono::hours wrong_by = 24h * 365;
  bench.options.now = [&] { return std::chrono::system_clock::now() + wrong_by; };
  hop.answer("RCPT", "450 4.2.1 later");
  bench.start();
  bench.send({"early@b.test"});
  ASSERT_TRUE(bench.settled(1));
  hop.answer({});
  wrong_by = 0h;
  bench.send({"now@b.test"});  // for this one it looks at the clock
  ASSERT_TRUE(bench.settled(3));
  EXPECT_EQ(bench.log.last("early@b.test").result, "delivered");
  EXPECT_EQ(bench.log.last("early@b.test").attempt, 2u);
  EXPECT_EQ(bench.relay->stats().queued, 0u);
}

// A little is what may be right, too: then the time that was set is waited for.
TEST_F(RelayLife, WhatWaitsNoLongerThanAMessageMayWaitsOn) {
  std::chrono::hours wrong_by = 1h;
  bench.options.now = [&] { return std::chrono::system_clock::now() + wrong_by; };
  hop.answer("RCPT", "450 4.2.1 later");
  bench.start();
  bench.send({"early@b.test"});
  ASSERT_TRUE(bench.settled(1));
  wrong_by = 0h;
  bench.send({"now@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(bench.log.last("early@b.test").attempt, 1u);
  EXPECT_EQ(bench.relay->stats().queued, 2u);
}

TEST_F(RelayLife, TheStartFindsWhatWasCommitted) {
  bench.start();
  std::set<std::string> sent;
  bench.relay->stop();
  for (int i = 0; i < 5; ++i) sent.insert(bench.send({"r@b.test"}));
  ASSERT_TRUE(stop());
  restart();
  EXPECT_EQ(bench.relay->stats().queued, 5u);
  ASSERT_TRUE(bench.settled(5));
  std::set<std::string> got;
  for (const auto& note : bench.log.notes()) got.insert(note.queue_id);
  EXPECT_EQ(got, sent);
  EXPECT_THAT(hop.messages(), SizeIs(5));
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

TEST_F(RelayLife, TheTimeOfTheNextAttemptOutlivesTheProcess) {
  hop.answer("RCPT", "450 4.2.1 later");
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  ASSERT_TRUE(stop());
  hop.answer({});
  restart();
  bench.send({"other@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(bench.log.last("r@b.test").result, "deferred");  // not yet
  EXPECT_EQ(bench.relay->stats().queued, 1u);
}

}  // namespace
}  // namespace gatepost::routing
