// The whole of it in one process: a client sends, a Maildir has the message.
#include "gateway.hpp"

#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "smtp/body_source.hpp"
#include "smtp/client.hpp"
#include "smtp/observer.hpp"
#include "smtp/socket_connector.hpp"

namespace consumer {
namespace {

namespace fs = std::filesystem;
namespace smtp = gatepost::smtp;

constexpr std::string_view text = "Subject: hello\r\n\r\nYours\r\n";

class counter final : public smtp::observer {
 public:
  void on_delivery(const smtp::delivery_event& e) override {
    if (e.result == "delivered") ++delivered;
  }
  int delivered = 0;
};

smtp::address address_of(std::string_view written) {
  const auto a = smtp::address::from_text(written);
  EXPECT_TRUE(a) << written;
  return a ? *a : smtp::address();
}

// Sends a message; what became of it for each recipient.
asio::awaitable<smtp::transaction_outcome> send(asio::io_context& io, std::uint16_t port,
                                                smtp::transaction t) {
  smtp::client_options options;
  options.hello_name = "client.example.org";
  smtp::client_connection client(options);
  smtp::socket_connector connector(io);
  const auto where = smtp::parse_connect_target("127.0.0.1", port);
  EXPECT_TRUE(where);
  const std::error_code failed = co_await client.connect(connector, *where);
  EXPECT_FALSE(failed) << client.failure().text();
  smtp::text_source body(text);
  const smtp::transaction_outcome outcome = co_await client.send(t, body);
  co_await client.quit();
  co_return outcome;
}

class Gateway : public ::testing::Test {
 protected:
  Gateway() {
    options.spool = folder + "/spool";
    options.mail = folder + "/mail";
    options.observer = &log;
    fs::create_directories(options.mail);
  }
  ~Gateway() override { fs::remove_all(folder); }

  static std::string fresh_folder() {
    const char* root = std::getenv("TEST_TMPDIR");
    std::string name = std::string(root != nullptr ? root : "/tmp") + "/gateway.XXXXXX";
    return ::mkdtemp(name.data()) != nullptr ? name : std::string();
  }

  template <class Condition>
  bool run_until(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds())
      if (io.run_one_until(deadline) == 0) return holds();
    return true;
  }

  smtp::transaction_outcome send_from(std::string_view sender, std::string_view recipient,
                                      std::uint16_t port) {
    smtp::transaction t;
    t.reverse_path = address_of(sender);
    t.recipients.emplace_back().forward_path = address_of(recipient);
    smtp::transaction_outcome outcome;
    bool done = false;
    asio::co_spawn(io, send(io, port, t), [&](std::exception_ptr e, smtp::transaction_outcome o) {
      EXPECT_FALSE(e);
      outcome = std::move(o);
      done = true;
    });
    EXPECT_TRUE(run_until([&] { return done; }));
    return outcome;
  }

  std::vector<std::string> mails_of(const std::string& user) const {
    std::vector<std::string> all;
    const fs::path arrived = fs::path(options.mail) / user / "new";
    if (!fs::exists(arrived)) return all;
    for (const auto& entry : fs::directory_iterator(arrived)) {
      std::ifstream file(entry.path(), std::ios::binary);
      all.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return all;
  }

  const std::string folder = fresh_folder();
  asio::io_context io{1};
  counter log;
  gateway_options options;
};

TEST_F(Gateway, WhatWasSentIsInTheMaildir) {
  gateway mx(io, options);
  const auto outcome = send_from("carol@example.org", "alice@example.test", mx.port());
  ASSERT_EQ(outcome.recipients.size(), 1u);
  EXPECT_EQ(outcome.recipients[0].state, smtp::recipient_state::delivered);
  EXPECT_EQ(outcome.recipients[0].reply.code(), 250);
  ASSERT_TRUE(run_until([&] { return log.delivered == 1; }));
  const std::vector<std::string> mails = mails_of("alice");
  ASSERT_EQ(mails.size(), 1u);
  EXPECT_NE(mails[0].find("Return-Path: <carol@example.org>"), std::string::npos);
  EXPECT_NE(mails[0].find("Received: from client.example.org"), std::string::npos);
  EXPECT_NE(mails[0].find("Subject: hello"), std::string::npos);
  EXPECT_TRUE(mails_of("bob").empty());
  mx.stop();
  EXPECT_TRUE(run_until([&] { return io.stopped(); }));
}

TEST_F(Gateway, RefusesByItsCheckAndByItsRoutes) {
  gateway mx(io, options);
  const auto own = send_from("alice@example.test", "alice@example.test", mx.port());
  EXPECT_EQ(own.recipients.at(0).reply.to_string().substr(0, 33),
            "550 5.7.1 That is our own domain ");
  const auto unknown = send_from("carol@example.org", "eve@example.test", mx.port());
  EXPECT_EQ(unknown.recipients.at(0).reply.code(), 550);
  const auto elsewhere = send_from("carol@example.org", "a@elsewhere.test", mx.port());
  EXPECT_EQ(elsewhere.recipients.at(0).reply.code(), 550);
  mx.stop();
  EXPECT_TRUE(run_until([&] { return io.stopped(); }));
  EXPECT_EQ(log.delivered, 0);
}

}  // namespace
}  // namespace consumer
