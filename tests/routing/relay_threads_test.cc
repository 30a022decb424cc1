// Sessions on several threads, one relay on the first of them: a server as it is in use.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/post.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "routing/memory_spool.hpp"
#include "routing/relay.hpp"
#include "routing/table.hpp"
#include "smtp/io_threads.hpp"
#include "smtp/server.hpp"
#include "tests/routing/wire_hop.hpp"
#include "tests/support/raw_client.hpp"

namespace gatepost::routing {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using tests::raw_client;
using tests::wire_hop;

// Counts deliveries, and lets a test wait for so many.
class counter final : public smtp::observer {
 public:
  void on_delivery(const smtp::delivery_event& e) override {
    const std::lock_guard lock(mutex_);
    if (e.result == "delivered") ++delivered_;
    changed_.notify_all();
  }
  bool wait_for(std::size_t delivered) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, gatepost::testing::patience,
                             [&] { return delivered_ >= delivered; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t delivered_ = 0;
};

class RelayThreads : public ::testing::Test {
 protected:
  RelayThreads() {
    routes.add("b.test", hop.hop());
    relay_options ours;
    ours.hostname = "relay.test";
    ours.observer = &log;
    delivery = std::make_unique<relay>(threads.front(), spool, routes, ours);
    smtp::server_options theirs;
    theirs.channels[0].hostname = "relay.test";
    server = std::make_unique<smtp::server>(threads.contexts(), theirs, policy, *delivery);
    EXPECT_FALSE(server->listen({.address = "127.0.0.1:0"}));
    EXPECT_FALSE(delivery->start());
    port = server->endpoints().at(0).port;
    runner = std::thread([this] { threads.run(); });
  }
  ~RelayThreads() override { stop(); }

  void stop() {
    server->stop();
    delivery->stop();
    asio::post(threads.front(), [this] { hop.go_away(); });
    if (runner.joinable()) runner.join();  // run() returns
  }

  void send(std::size_t messages, std::string_view from) const {
    raw_client client(port);
    client.reply();
    client.ask("EHLO client.test");
    for (std::size_t i = 0; i < messages; ++i) {
      client.ask("MAIL FROM:<" + std::string(from) + ">");
      client.ask("RCPT TO:<r@b.test>");
      client.ask("DATA");
      EXPECT_THAT(client.ask("Subject: " + std::to_string(i) + "\r\n\r\n..text\r\n."),
                  StartsWith("250 2.0.0 OK queued as "));
    }
    client.ask("QUIT");
  }

  counter log;
  smtp::accept_all policy;
  memory_spool spool;
  table routes;
  smtp::io_threads threads{2};
  wire_hop hop{threads.front()};
  std::unique_ptr<relay> delivery;
  std::unique_ptr<smtp::server> server;
  std::uint16_t port = 0;
  std::thread runner;
};

TEST_F(RelayThreads, WhatComesInOnAnyThreadGoesOut) {
  constexpr std::size_t clients = 4;
  constexpr std::size_t messages = 10;
  std::vector<std::thread> senders;
  for (std::size_t i = 0; i < clients; ++i)
    senders.emplace_back([this, i] { send(messages, "s" + std::to_string(i) + "@a.test"); });
  for (int i = 0; i < 20; ++i) {
    delivery->flush();
    EXPECT_LE(delivery->stats().active, clients * messages);
    EXPECT_EQ(delivery->queue([](std::string_view, const auto&) { return true; }),
              std::error_code());
  }
  for (std::thread& t : senders) t.join();
  EXPECT_TRUE(log.wait_for(clients * messages));
  stop();
  ASSERT_THAT(hop.messages(), SizeIs(clients * messages));
  EXPECT_EQ(spool.stats().messages, 0u);
  const std::string& text = hop.messages()[0].text;
  EXPECT_THAT(text, StartsWith("Received: from client.test "));
  EXPECT_THAT(text, HasSubstr("by relay.test"));
  EXPECT_THAT(text, HasSubstr("\r\n\r\n.text\r\n"));
}

TEST_F(RelayThreads, StopLosesNothingThatWasAccepted) {
  std::thread sender([this] { send(20, "s@a.test"); });
  log.wait_for(3);
  delivery->stop();
  sender.join();
  stop();
  EXPECT_EQ(hop.messages().size() + spool.stats().messages, 20u);
}

}  // namespace
}  // namespace gatepost::routing
