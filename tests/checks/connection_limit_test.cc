// This header stands alone.
#include "checks/connection_limit.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "checks/testing.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {
namespace {

using namespace std::chrono_literals;
using time_point = std::chrono::steady_clock::time_point;

// Sessions of one chain, with a clock that stands still until it is moved.
class ConnectionLimit : public ::testing::Test {
 protected:
  connection_limit& make(connection_limit_options options) {
    options.now = [this] { return now_; };
    chain_ = std::make_unique<chain>(trial::immediate());
    return chain_->add<connection_limit>(trial::patient(), std::move(options));
  }

  struct client {
    smtp::session_facts facts;
    smtp::envelope envelope;
    std::unique_ptr<smtp::session_policy> session;
  };

  verdict connect(const std::string& address) {
    auto c = std::make_unique<client>();
    c->facts.client.address = *smtp::parse_ip_address(address);
    c->session = chain_->open({c->facts, c->envelope});
    clients_.push_back(std::move(c));
    return runner_.run(clients_.back()->session->ask(smtp::stage::connect));
  }

  void leave_all() { clients_.clear(); }

  time_point now_{1h};
  std::unique_ptr<chain> chain_;
  std::vector<std::unique_ptr<client>> clients_;
  trial runner_;
};

TEST_F(ConnectionLimit, CountsOpenConnections) {
  make({.connections = 2, .rate = 0});
  EXPECT_TRUE(connect("192.0.2.1").passes());
  EXPECT_TRUE(connect("192.0.2.1").passes());
  const verdict v = connect("192.0.2.1");
  EXPECT_EQ(v.reply(), smtp::reply(smtp::replies::too_many_connections));
  EXPECT_TRUE(connect("192.0.2.2").passes());
  leave_all();
  EXPECT_TRUE(connect("192.0.2.1").passes());
}

TEST_F(ConnectionLimit, ARefusedConnectionIsNotCounted) {
  make({.connections = 1, .rate = 0});
  EXPECT_TRUE(connect("192.0.2.1").passes());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(connect("192.0.2.1").negative());
  leave_all();
  EXPECT_TRUE(connect("192.0.2.1").passes());
}

TEST_F(ConnectionLimit, RateIsABurstAndThenSteady) {
  make({.connections = 0, .rate = 3, .per = 3s});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(connect("192.0.2.1").passes()) << i;
  leave_all();
  EXPECT_EQ(connect("192.0.2.1").reply().code(), 421);
  now_ += 1s;
  EXPECT_TRUE(connect("192.0.2.1").passes());
  EXPECT_TRUE(connect("192.0.2.1").negative());
  now_ += 10s;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(connect("192.0.2.1").passes()) << i;
  EXPECT_TRUE(connect("192.0.2.1").negative());
}

TEST_F(ConnectionLimit, NetworksByPrefix) {
  make({.connections = 1, .rate = 0});
  EXPECT_TRUE(connect("2001:db8:0:1::1").passes());
  EXPECT_TRUE(connect("2001:db8:0:1:ffff::2").negative());
  EXPECT_TRUE(connect("2001:db8:0:2::1").passes());
  EXPECT_TRUE(connect("192.0.2.1").passes());
  EXPECT_TRUE(connect("::ffff:192.0.2.1").negative());
  make({.connections = 1, .rate = 0, .v4_bits = 24});
  EXPECT_TRUE(connect("192.0.2.1").passes());
  EXPECT_TRUE(connect("192.0.2.200").negative());
}

TEST_F(ConnectionLimit, SomeAreExempt) {
  make({.connections = 1, .rate = 1});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(connect("127.0.0.1").passes());
}

// PROXY at a Unix socket: the client is a stranger all the same.
TEST_F(ConnectionLimit, StrangersBehindAUnixSocketAreCounted) {
  make({.connections = 1, .rate = 0});
  const auto enter = [this](bool told) {
    auto c = std::make_unique<client>();
    c->facts.unix_peer = "/run/proxy";
    c->facts.trusted_hop = told;
    c->facts.client.address = *smtp::parse_ip_address("192.0.2.1");
    c->session = chain_->open({c->facts, c->envelope});
    clients_.push_back(std::move(c));
    return runner_.run(clients_.back()->session->ask(smtp::stage::connect)).passes();
  };
  EXPECT_TRUE(enter(true));
  EXPECT_FALSE(enter(true));
  EXPECT_TRUE(enter(false));
}

TEST_F(ConnectionLimit, AnotherClientByXclientIsCountedInItsPlace) {
  make({.connections = 1, .rate = 0});
  EXPECT_TRUE(connect("192.0.2.1").passes());
  client& first = *clients_.back();
  first.facts.client.address = *smtp::parse_ip_address("192.0.2.9");
  EXPECT_TRUE(runner_.run(first.session->ask(smtp::stage::connect)).passes());
  EXPECT_TRUE(connect("192.0.2.1").passes());
  EXPECT_TRUE(connect("192.0.2.9").negative());
}

TEST_F(ConnectionLimit, MemoryIsBounded) {
  connection_limit& limit = make({.connections = 1, .rate = 0, .networks = 160});
  for (int i = 0; i < 2000; ++i)
    EXPECT_TRUE(
        connect("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256)).passes());
  EXPECT_LE(limit.networks(), 160u);
  leave_all();
  now_ += 1s;
  for (int i = 0; i < 2000; ++i) {
    connect("10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256));
    leave_all();
    now_ += 1s;
  }
  EXPECT_LE(limit.networks(), 160u);
}

TEST_F(ConnectionLimit, WhoIsCountedStaysCountedInAFullTable) {
  make({.connections = 1, .rate = 0, .networks = 16});
  EXPECT_TRUE(connect("192.0.2.1").passes());
  for (int i = 0; i < 500; ++i)
    connect("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256));
  EXPECT_TRUE(connect("192.0.2.1").negative());
}

TEST(ConnectionLimitThreads, ManyThreadsCountTogether) {
  chain c(trial::immediate());
  auto& limit = c.add<connection_limit>(trial::patient(),
                                        connection_limit_options{.connections = 1000, .rate = 0});
  const auto serve = [&c] {
    trial runner;
    for (int i = 0; i < 500; ++i) {
      smtp::session_facts facts;
      facts.client.address = *smtp::parse_ip_address("192.0.2." + std::to_string(i % 50));
      const smtp::envelope envelope;
      const auto session = c.open({facts, envelope});
      EXPECT_TRUE(runner.run(session->ask(smtp::stage::connect)).passes());
    }
  };
  std::thread other(serve);
  serve();
  other.join();
  EXPECT_EQ(limit.networks(), 50u);
}

}  // namespace
}  // namespace gatepost::checks
