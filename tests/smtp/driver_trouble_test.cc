// What goes wrong behind the engine, as a client sees it: ports that throw, headers that are too
// much.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "smtp/io_threads.hpp"
#include "smtp/server.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/running_server.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::HasSubstr;
using tests::raw_client;
using tests::recorder;

MATCHER_P(begins_with, prefix, "") { return std::string(arg).starts_with(prefix); }

// Nobody outside may read this.
constexpr const char* secret = "cannot open /etc/secret: password=hunter2";

enum class where : std::uint8_t {
  nowhere,
  open,
  mail,
  rcpt,
  data,
  header_end,
  body,
  message,
  resolve,
  begin,
  write,
  commit,
};

void fail_if(bool here) {
  if (here) throw std::runtime_error(secret);
}

class failing_policy final : public policy {
 public:
  explicit failing_policy(where w) : where_(w) {}

  std::unique_ptr<session_policy> open(const session_view&) override {
    fail_if(where_ == where::open);
    return std::make_unique<session>(where_);
  }

 private:
  class session final : public session_policy {
   public:
    explicit session(where w) : where_(w) {}
    asio::awaitable<verdict> ask(stage s) override {
      fail_if(s == stage::mail && where_ == where::mail);
      fail_if(s == stage::rcpt && where_ == where::rcpt);
      fail_if(s == stage::data && where_ == where::data);
      co_return verdict::pass();
    }
    asio::awaitable<verdict> header_end(const message_view&) override {
      fail_if(where_ == where::header_end);
      co_return verdict::pass();
    }
    asio::awaitable<verdict> body(std::string_view) override {
      fail_if(where_ == where::body);
      co_return verdict::pass();
    }
    asio::awaitable<verdict> message(const message_view&) override {
      fail_if(where_ == where::message);
      co_return verdict::pass();
    }

   private:
    where where_;
  };

  where where_;
};

class failing_delivery final : public delivery {
 public:
  explicit failing_delivery(where w) : where_(w) {}

  asio::awaitable<verdict> resolve(const session_view&, recipient&) override {
    fail_if(where_ == where::resolve);
    co_return verdict::pass();
  }
  asio::awaitable<std::unique_ptr<intake>> begin(const session_view&) override {
    fail_if(where_ == where::begin);
    std::unique_ptr<intake> message = std::make_unique<text>(where_);
    co_return message;
  }

 private:
  class text final : public intake {
   public:
    explicit text(where w) : where_(w) {}
    asio::awaitable<std::error_code> write(std::string_view) override {
      fail_if(where_ == where::write);
      co_return std::error_code{};
    }
    asio::awaitable<delivery_outcome> commit(const disposition&) override {
      fail_if(where_ == where::commit);
      co_return delivery_outcome(replies::ok);
    }

   private:
    where where_;
  };

  where where_;
};

class failing_server {
 public:
  explicit failing_server(where w, const session_limits& limits = {}) : policy_(w), delivery_(w) {
    server_options options;
    options.channels.front().limits = limits;
    options.observer = &log;
    server_ = std::make_unique<server>(threads_.contexts(), options, policy_, delivery_);
    const auto wrong = server_->listen({.address = "127.0.0.1:0"});
    if (wrong) throw std::runtime_error(*wrong);
    runner_ = std::thread([this] { threads_.run(); });
  }
  ~failing_server() {
    server_->stop_now();
    runner_.join();
  }

  std::uint16_t port() const { return server_->endpoints().front().port; }

  recorder log;

 private:
  io_threads threads_{1};
  failing_policy policy_;
  failing_delivery delivery_;
  std::unique_ptr<server> server_;
  std::thread runner_;
};

// A whole session; all that the server said. Where DATA is refused no text is sent.
std::string converse(std::uint16_t port, std::string_view text) {
  raw_client c(port);
  std::string all = c.reply();
  if (all.starts_with("421 ")) return all;
  for (const char* command :
       {"EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@example.test>"})
    all += c.ask(command);
  const std::string go_on = c.ask("DATA");
  all += go_on;
  if (go_on.starts_with("354 ")) all += c.ask(std::string(text) + ".");
  return all + c.ask("QUIT");
}

TEST(driver_trouble, no_exceptions_text_reaches_the_wire) {
  for (int w = static_cast<int>(where::open); w <= static_cast<int>(where::commit); ++w) {
    SCOPED_TRACE(w);
    failing_server server(static_cast<where>(w));
    const std::string said = converse(server.port(), "Subject: x\r\n\r\ntext\r\n");
    const bool at_connect = static_cast<where>(w) == where::open;
    EXPECT_THAT(said, HasSubstr(at_connect ? "421 " : "\r\n451 4.3.0 "));
    EXPECT_EQ(said.find("secret"), std::string::npos) << said;
    EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
    ASSERT_TRUE(server.log.ended(1));
    // But whoever runs the server reads it.
    ASSERT_FALSE(server.log.troubles().empty());
    EXPECT_THAT(server.log.troubles().front(), HasSubstr(secret));
  }
}

TEST(driver_trouble, without_any_the_message_is_taken) {
  failing_server server(where::nowhere);
  EXPECT_THAT(converse(server.port(), "Subject: x\r\n\r\ntext\r\n"),
              HasSubstr("\r\n250 2.0.0 OK\r\n221 "));
  ASSERT_TRUE(server.log.ended(1));
  EXPECT_TRUE(server.log.troubles().empty());
}

TEST(driver_trouble, a_header_that_is_too_big_is_refused) {
  session_limits limits;
  limits.header = 1000;
  failing_server server(where::nowhere, limits);
  const std::string field = "X-Filler: " + std::string(70, 'x') + "\r\n";
  std::string header;
  while (header.size() + field.size() <= 1000) header += field;
  EXPECT_THAT(converse(server.port(), header + "\r\ntext\r\n"),
              HasSubstr("\r\n250 2.0.0 OK\r\n221 "));
  EXPECT_THAT(converse(server.port(), header + field + "\r\ntext\r\n"),
              HasSubstr("\r\n552 5.3.4 Message header exceeds the size limit"));
  // Also one that never ends, and one without a body.
  EXPECT_THAT(converse(server.port(), "X: " + std::string(5000, 'x') + "\r\n"),
              HasSubstr("\r\n552 5.3.4 "));
}

TEST(driver_trouble, too_many_hops_are_a_loop) {
  session_limits limits;
  limits.hops = 3;
  failing_server server(where::nowhere, limits);
  const auto with_hops = [&server](int n) {
    std::string text;
    for (int i = 0; i < n; ++i)
      text += "Received: from a by b; Mon, 23 Nov 2026 09:16:54 +0000\r\n";
    return converse(server.port(), text + "\r\ntext\r\n");
  };
  EXPECT_THAT(with_hops(3), HasSubstr("\r\n250 2.0.0 OK\r\n221 "));
  EXPECT_THAT(with_hops(4), HasSubstr("\r\n554 5.4.6 Too many hops"));
}

}  // namespace
}  // namespace gatepost::smtp
