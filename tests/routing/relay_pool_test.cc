// A relay's connections to next hops: used again, given up, limited in number.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "routing/relay.hpp"
#include "tests/routing/relay_support.hpp"
#include "tests/routing/wire_hop.hpp"

namespace gatepost::routing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using tests::relay_bench;
using tests::run_out;
using tests::run_until;
using tests::wire_hop;

class RelayPool : public ::testing::Test {
 protected:
  RelayPool() {
    bench.options.idle_connection = 1h;
    bench.routes.add("b.test", hop.hop());
    bench.routes.add("c.test", other.hop());
  }

  void send_one_after_the_other(std::size_t messages) {
    for (std::size_t i = 0; i < messages; ++i) {
      bench.send({"r@b.test"});
      ASSERT_TRUE(bench.settled(i + 1));
    }
  }

  relay_bench bench;
  wire_hop hop{bench.io};
  wire_hop other{bench.io};
};

TEST_F(RelayPool, AConnectionServesManyMessages) {
  bench.start();
  send_one_after_the_other(5);
  EXPECT_THAT(hop.messages(), SizeIs(5));
  EXPECT_EQ(hop.connections(), 1);
  EXPECT_EQ(bench.relay->stats().connections, 1u);
}

TEST_F(RelayPool, ButNotMoreThanItsShare) {
  bench.options.messages_per_connection = 2;
  bench.start();
  send_one_after_the_other(5);
  EXPECT_EQ(hop.connections(), 3);
  EXPECT_EQ(hop.messages()[1].connection, 1);
  EXPECT_EQ(hop.messages()[2].connection, 2);
  // RFC 5321 §4.1.1.10: no connection ends without QUIT.
  ASSERT_TRUE(run_until(bench.io, [&] { return hop.count("QUIT") == 2; }));
  EXPECT_EQ(hop.open_connections(), 1u);
}

TEST_F(RelayPool, AfterARefusalTheConnectionIsStillGood) {
  hop.answer("RCPT", "550 5.1.1 nobody");
  bench.start();
  send_one_after_the_other(1);
  hop.answer({});
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(hop.connections(), 1);
  EXPECT_THAT(hop.messages(), SizeIs(1));
}

TEST_F(RelayPool, IdleConnectionsAreLeftWhenTheirTimeIsOver) {
  bench.options.idle_connection = 20ms;
  bench.start();
  send_one_after_the_other(1);
  hop.go_away();
  other.go_away();
  ASSERT_TRUE(run_out(bench.io));  // nothing else waits
  EXPECT_EQ(hop.count("QUIT"), 1u);
  EXPECT_EQ(hop.open_connections(), 0u);
}

// --- Connections that died
// ------------------------------------------------------------------------

TEST_F(RelayPool, OneThatTheHopEndedMeanwhileIsNoTrouble) {
  bench.start();
  send_one_after_the_other(1);
  hop.drop_connections();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(hop.connections(), 2);
  EXPECT_EQ(bench.log.count("delivered"), 2u);
  EXPECT_EQ(bench.log.count("deferred"), 0u);
}

// It is seen to be dead only when we speak: no attempt, no dead hop, the next connection at once.
TEST_F(RelayPool, OneThatEndsWhenWeSpeakIsNoTroubleEither) {
  int mails = 0;
  hop.answer([&](int connection, std::string_view line) -> std::string {
    if (!line.starts_with("MAIL")) return "";
    return ++mails == 2 && connection == 1 ? std::string(wire_hop::drop) : "";
  });
  bench.start();
  send_one_after_the_other(1);
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(mails, 3);
  EXPECT_EQ(hop.connections(), 2);
  EXPECT_EQ(bench.log.last("r@b.test").attempt, 1u);
  EXPECT_EQ(bench.log.count("delivered"), 2u);
}

TEST_F(RelayPool, AGoodbyeOfTheHopIsHeardBeforeTheNextMessage) {
  bench.start();
  send_one_after_the_other(1);
  hop.say_to_all("421 4.4.2 idle for too long\r\n");
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(hop.connections(), 2);
  EXPECT_EQ(bench.log.count("delivered"), 2u);
}

// RFC 5321 §3.8: 421 speaks of this connection.
TEST_F(RelayPool, AGoodbyeInsteadOfAnAnswerIsNoTroubleEither) {
  for (const std::string command : {"MAIL", "RCPT"}) {
    SCOPED_TRACE(command);
    const int before = hop.connections();
    const std::size_t notes = bench.log.count();
    if (!bench.relay) bench.start();
    hop.answer({});
    bench.send({"r@b.test"});
    ASSERT_TRUE(bench.settled(notes + 1));
    const int used = hop.connections();
    hop.answer([&](int connection, std::string_view line) -> std::string {
      return line.starts_with(command) && connection == used ? "421 4.4.2 served enough" : "";
    });
    bench.send({"r@b.test"});
    ASSERT_TRUE(bench.settled(notes + 2));
    EXPECT_GT(hop.connections(), before);
    EXPECT_EQ(hop.connections(), used + 1);
  }
  EXPECT_EQ(bench.log.count("delivered"), 4u);
  EXPECT_EQ(bench.log.count("deferred"), 0u);
}

TEST_F(RelayPool, AGoodbyeOnAFreshConnectionIsAnAttempt) {
  hop.answer("MAIL", "421 4.4.2 not today");
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(hop.connections(), 1);
  EXPECT_EQ(bench.log.last("r@b.test").reply, "421 4.4.2 not today");
}

// --- How many at once
// -----------------------------------------------------------------------------

TEST_F(RelayPool, NoMoreAtOnceThanAHopHasPlaces) {
  bench.options.deliveries_per_hop = 2;
  bench.start();
  for (int i = 0; i < 9; ++i) bench.send({"r@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.count("delivered") == 9; }));
  EXPECT_LE(hop.most_at_once(), 2u);
  EXPECT_EQ(bench.log.count(), 9u);
  ASSERT_TRUE(bench.settled(9));
  EXPECT_EQ(bench.relay->stats().queued, 0u);
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

TEST_F(RelayPool, WhoWaitsForAPlaceIsInNobodysWay) {
  hop.answer("MAIL", std::string(wire_hop::silent));
  bench.options.deliveries = 2;
  bench.options.deliveries_per_hop = 1;
  bench.start();
  for (int i = 0; i < 5; ++i) bench.send({"r@b.test"});
  bench.send({"r@c.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.count("delivered") == 1; }));
  EXPECT_THAT(other.messages(), SizeIs(1));
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.relay->stats().active == 1; }));
  EXPECT_EQ(bench.relay->stats().queued, 5u);  // one is at work, four are parked
}

TEST_F(RelayPool, WhoWaitedLongestIsNext) {
  bench.options.deliveries_per_hop = 1;
  hop.answer([&](int connection, std::string_view line) -> std::string {
    return line.starts_with("MAIL") && connection == 1 ? std::string(wire_hop::silent) : "";
  });
  bench.start();
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(bench.send({"r@b.test"}));
  ASSERT_TRUE(run_until(bench.io, [&] { return hop.count("MAIL") == 1; }));
  hop.drop_connections();
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.count("delivered") == 4; }));
  std::vector<std::string> order;
  for (const auto& note : bench.log.notes())
    if (note.result == "delivered") order.push_back(note.queue_id);
  EXPECT_THAT(order, ElementsAre(ids[1], ids[2], ids[3], ids[4]));
}

// --- Hops that limit connections
// ------------------------------------------------------------------

TEST_F(RelayPool, AHopThatTurnsConnectionsAwayIsNotDead) {
  hop.answer([&](int, std::string_view line) -> std::string {
    return line.empty() && hop.open_connections() > 5 ? "421 4.7.0 too many connections" : "";
  });
  bench.start();
  for (int i = 0; i < 60; ++i) bench.send({"r@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.count("delivered") == 60; }));
  EXPECT_EQ(bench.log.count(), 60u);  // not one was put off
  EXPECT_LE(hop.connections(), 20);   // and it was not asked over and over
  ASSERT_TRUE(bench.settled(60));
  EXPECT_EQ(bench.relay->stats().queued, 0u);
}

TEST_F(RelayPool, ItHasItsPlacesAgainAfterAWhile) {
  bench.options.dead_hop = 0ms;  // a second, then
  hop.answer([](int connection, std::string_view line) -> std::string {
    if (line.starts_with("MAIL") && connection == 1) return std::string(wire_hop::silent);
    return line.empty() && connection == 2 ? "421 4.7.0 too many connections" : "";
  });
  bench.start();
  bench.send({"1@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return hop.count("MAIL") == 1; }));
  bench.send({"2@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.count("delivered") == 1; }));
  EXPECT_EQ(hop.connections(), 3);
  EXPECT_EQ(bench.log.last("2@b.test").attempt, 1u);
  EXPECT_EQ(bench.log.count("deferred"), 0u);
}

TEST_F(RelayPool, WithNothingElseAtWorkItIsDead) {
  bench.options.dead_hop = 1h;
  hop.answer("", "421 4.7.0 too many connections");
  bench.start();
  bench.send({"1@b.test"});
  ASSERT_TRUE(bench.settled(1));
  bench.send({"2@b.test"});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(hop.connections(), 1);
  EXPECT_EQ(bench.log.last("1@b.test").attempt, 1u);
  EXPECT_EQ(bench.log.last("2@b.test").attempt, 0u);
}

// The first destination goes its way while the second one has no place.
TEST_F(RelayPool, PartOfAMessageMayWaitForAPlace) {
  hop.answer([](int connection, std::string_view line) -> std::string {
    return line.starts_with("MAIL") && connection == 1 ? std::string(wire_hop::silent) : "";
  });
  bench.options.deliveries_per_hop = 1;
  bench.start();
  bench.send({"first@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return hop.count("MAIL") == 1; }));
  const std::string id = bench.send({"second@b.test", "second@c.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.count("delivered") == 1; }));
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.relay->stats().active == 1; }));
  EXPECT_EQ(bench.kept(id).recipients[0].state, recipient_state::pending);
  EXPECT_EQ(bench.kept(id).recipients[0].attempts, 0u);
  EXPECT_EQ(bench.kept(id).recipients[1].state, recipient_state::delivered);
  hop.drop_connections();
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.count("delivered") == 2; }));
  EXPECT_EQ(bench.log.last("second@b.test").result, "delivered");
  EXPECT_THAT(other.messages(), SizeIs(1));
}

TEST_F(RelayPool, NoMoreDeliveriesAtOnceThanAllowed) {
  hop.answer("MAIL", std::string(wire_hop::silent));
  bench.options.deliveries = 3;
  bench.start();
  for (int i = 0; i < 5; ++i) bench.send({"r@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.relay->stats().queued == 5; }));
  ASSERT_TRUE(run_until(bench.io, [&] { return hop.count("MAIL") == 3; }));
  EXPECT_EQ(bench.relay->stats().active, 3u);
  hop.answer({});
  hop.drop_connections();
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.count("delivered") == 2; }));
}

}  // namespace
}  // namespace gatepost::routing
