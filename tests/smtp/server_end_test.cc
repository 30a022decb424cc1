// A server's ends: stop(), stop_now() and the destructor, whatever its sessions are doing just
// then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/any_io_executor.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "smtp/server.hpp"
#include "smtp/tls/self_signed.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/running_server.hpp"

namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;
using tests::raw_client;
using tests::running_server;

MATCHER_P(begins_with, prefix, "") { return std::string(arg).starts_with(prefix); }

// Has nothing against anything, and its policy counts those that live.
class counted_session : public session_policy {
 public:
  explicit counted_session(std::atomic<int>& living) : living_(living) { ++living_; }
  ~counted_session() override { --living_; }
  asio::awaitable<verdict> ask(stage) override { co_return verdict::pass(); }
  asio::awaitable<verdict> header_end(const message_view&) override { co_return verdict::pass(); }
  asio::awaitable<verdict> body(std::string_view) override { co_return verdict::pass(); }
  asio::awaitable<verdict> message(const message_view&) override { co_return verdict::pass(); }

 private:
  std::atomic<int>& living_;
};

// Answers MAIL only when it is cancelled, and knows which of its sessions live.
class hesitant final : public policy {
 public:
  std::unique_ptr<session_policy> open(const session_view&) override {
    return std::make_unique<session>(*this);
  }
  std::atomic<int> living{0};
  std::atomic<int> waiting{0};

 private:
  class session final : public counted_session {
   public:
    explicit session(hesitant& all) : counted_session(all.living), all_(all) {}
    asio::awaitable<verdict> ask(stage s) override {
      if (s == stage::mail) {
        const auto executor = co_await asio::this_coro::executor;
        asio::steady_timer forever(executor, asio::steady_timer::time_point::max());
        timer_ = &forever;
        ++all_.waiting;
        std::error_code ignored;
        co_await forever.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        timer_ = nullptr;
        --all_.waiting;
      }
      co_return verdict::pass();
    }
    void cancel() override {
      if (timer_ != nullptr) timer_->cancel();
    }

   private:
    hesitant& all_;
    asio::steady_timer* timer_ = nullptr;
  };
};

void until(const std::function<bool()>& there) {
  // lint: allow sleep (a real socket and the kernel take part)
  for (int i = 0; i < 2000 && !there(); ++i) ::usleep(5000);
  EXPECT_TRUE(there());
}

// One way of being in the middle of something.
struct situation {
  const char* name;
  std::function<void(server_options&, listener&)> set_up;
  std::function<void(raw_client&, running_server&, hesitant&)> go;
  const char* last_words;  // how the last reply of the server begins; "": it says nothing
  bool asked = false;      // the policy is
};

void nothing(server_options&, listener&) {}

void greet(raw_client& c) { EXPECT_THAT(c.reply(), begins_with("220 ")); }

void begin_mail(raw_client& c) {
  greet(c);
  c.ask("EHLO client.example");
}

const server_context& certificate() {
  static server_context context;
  if (context.ready()) return context;
  const pem_pair pem = make_self_signed({"mx.example.test"}, 1);
  tls_server_options o;
  o.certificates.push_back(certificate_source::from_pem(pem.cert_pem, pem.key_pem));
  EXPECT_TRUE(context.load(o));
  return context;
}

const situation situations[] = {
    {"idle", nothing, [](raw_client& c, running_server&, hesitant&) { greet(c); }, "421 4.3.2 "},
    {"after_ehlo", nothing, [](raw_client& c, running_server&, hesitant&) { begin_mail(c); },
     "421 4.3.2 "},
    {"greeting_delay",
     [](server_options& o, listener&) { o.channels.front().greeting_delay = 60s; },
     [](raw_client&, running_server& s, hesitant&) {
       until([&] { return s->counters().accepted == 1; });
     },
     "421 4.3.2 "},
    {"proxy_header",
     [](server_options& o, listener& where) {
       o.proxies = network_set::loopback();
       o.channels.front().limits.proxy_timeout = 60s;
       where.proxy = true;
     },
     [](raw_client& c, running_server&, hesitant&) { c.send("PROXY TCP4 "); }, ""},
    {"tls_handshake",
     [](server_options& o, listener& where) {
       o.tls = &certificate();
       where.implicit_tls = true;
     },
     [](raw_client&, running_server& s, hesitant&) {
       until([&] { return s->counters().accepted == 1; });
     },
     ""},
    {"starttls", [](server_options& o, listener&) { o.tls = &certificate(); },
     [](raw_client& c, running_server&, hesitant&) {
       begin_mail(c);
       EXPECT_THAT(c.ask("STARTTLS"), begins_with("220 "));
     },
     ""},
    {"tarpit", [](server_options& o, listener&) { o.channels.front().tarpit = 60s; },
     [](raw_client& c, running_server&, hesitant&) {
       greet(c);
       c.send("WHAT\r\n");
     },
     "421 4.3.2 "},
    {"question", nothing,
     [](raw_client& c, running_server&, hesitant& p) {
       begin_mail(c);
       c.send("MAIL FROM:<a@example.test>\r\n");
       until([&] { return p.waiting == 1; });
     },
     "421 4.3.2 ", true},
};

class server_end : public ::testing::TestWithParam<situation> {
 protected:
  // With one client in the middle of it.
  void arrange(std::chrono::milliseconds stop_within = 60s) {
    server_options o;
    o.stop_within = stop_within;
    listener where{.address = "127.0.0.1:0"};
    GetParam().set_up(o, where);
    policy_ = std::make_unique<hesitant>();
    server_.emplace(o, std::vector{where}, 1, policy_.get());
    client_.emplace(server_->port());
    GetParam().go(*client_, *server_, *policy_);
  }
  // The server has nothing left to do soon, and the client has heard of it.
  void expect_end() {
    const auto from = std::chrono::steady_clock::now();
    server_->join();
    EXPECT_LT(std::chrono::steady_clock::now() - from, 10s);
    std::string last;
    for (std::string said = client_->reply(); !said.empty(); said = client_->reply()) last = said;
    EXPECT_THAT(last, begins_with(GetParam().last_words));
    EXPECT_EQ(last.empty(), std::string(GetParam().last_words).empty()) << last;
    EXPECT_EQ(policy_->living, 0);
  }
  std::unique_ptr<hesitant> policy_;
  std::optional<running_server> server_;
  std::optional<raw_client> client_;
};

INSTANTIATE_TEST_SUITE_P(all, server_end, ::testing::ValuesIn(situations),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(server_end, stop_now) {
  arrange();
  (*server_)->stop_now();
  expect_end();
}

TEST_P(server_end, stop_now_while_it_is_accepted) {
  server_options o;
  listener where{.address = "127.0.0.1:0"};
  GetParam().set_up(o, where);
  policy_ = std::make_unique<hesitant>();
  server_.emplace(o, std::vector{where}, 1, policy_.get());
  client_.emplace(server_->port());
  (*server_)->stop_now();
  const auto from = std::chrono::steady_clock::now();
  server_->join();
  EXPECT_LT(std::chrono::steady_clock::now() - from, 10s);
  while (!client_->reply().empty()) continue;
}

TEST_P(server_end, stop_with_a_deadline) {
  arrange(200ms);
  (*server_)->stop();
  expect_end();
}

TEST_P(server_end, destroyed_and_nothing_runs_any_more) {
  arrange();
  server_->destroy();
  EXPECT_EQ(policy_->living, GetParam().asked ? 1 : 0);
  // A question that is out is the policy's own: it has to outlive the io_context.
  if (!GetParam().asked) policy_.reset();
  EXPECT_TRUE(client_->closed());
  server_.reset();
}

TEST_P(server_end, destroyed_and_the_threads_run_on) {
  arrange();
  server_->destroy();
  if (!GetParam().asked) policy_.reset();
  server_->run_on();
  EXPECT_TRUE(client_->closed());
  if (GetParam().asked) {
    EXPECT_EQ(policy_->living, 0);
  }
}

TEST(server_end, destroyed_in_the_middle_of_a_message) {
  server_options o;
  running_server server(o);
  raw_client c(server.port());
  begin_mail(c);
  c.ask("MAIL FROM:<a@example.test>");
  c.ask("RCPT TO:<b@example.test>");
  EXPECT_THAT(c.ask("DATA"), begins_with("354 "));
  c.send("Subject: x\r\n\r\nhi\r\n");
  memory_budget& memory = server->memory();
  until([&] { return memory.used() > 0; });
  server.destroy();
  EXPECT_TRUE(c.closed());
  EXPECT_THAT(server.log.ends(), ::testing::ElementsAre("shutdown"));
}

// Stops the io_context at EHLO. What the session does until it waits it still does: give others
// their turn, after a while, which it never gets back.
class stopper final : public policy {
 public:
  std::unique_ptr<session_policy> open(const session_view&) override {
    return std::make_unique<session>(*this);
  }
  std::atomic<int> living{0};
  std::atomic<bool> stopped{false};

 private:
  class session final : public counted_session {
   public:
    explicit session(stopper& all) : counted_session(all.living), all_(all) {}
    asio::awaitable<verdict> ask(stage s) override {
      if (s == stage::helo) {
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        asio::execution_context& context = asio::query(executor, asio::execution::context);
        static_cast<asio::io_context&>(context).stop();
        all_.stopped = true;
      }
      co_return verdict::pass();
    }

   private:
    stopper& all_;
  };
};

class while_others_have_their_turn : public ::testing::Test {
 protected:
  while_others_have_their_turn() {
    server_.emplace(server_options(), std::vector<listener>{{.address = "127.0.0.1:0"}}, 1,
                    &policy_);
    client_.emplace(server_->port());
    greet(*client_);
    std::string commands = "EHLO client.example\r\n";
    for (int i = 0; i < 100; ++i) commands += "MAIL FROM:<>\r\nRSET\r\n";
    client_->send(commands);
    until([&] { return policy_.stopped.load(); });
    server_->destroy();
    EXPECT_EQ(policy_.living, 1);
  }

  stopper policy_;
  std::optional<running_server> server_;
  std::optional<raw_client> client_;
};

TEST_F(while_others_have_their_turn, destroyed_and_nothing_runs_any_more) {
  server_.reset();
  EXPECT_EQ(policy_.living, 0);
  while (!client_->reply().empty()) continue;
}

TEST_F(while_others_have_their_turn, destroyed_and_the_threads_run_on) {
  server_->run_on();
  while (!client_->reply().empty()) continue;
  EXPECT_EQ(policy_.living, 0);
}

TEST(server_end, a_server_that_never_ran) {
  accept_all policy;
  discard_all delivery;
  asio::io_context io;
  server s(io, {}, policy, delivery);
  EXPECT_FALSE(s.listen({.address = "127.0.0.1:0"}));
  raw_client c(s.endpoints().front().port);
  s.stop();
}

// Nobody reads what it has to say: there is a second for that, not limits.write_timeout.
TEST(server_end, stop_now_does_not_wait_for_a_client_that_does_not_read) {
  server_options o;
  session_limits& limits = o.channels.front().limits;
  limits.write_timeout = 20s;
  limits.idle_commands = limits.bad_commands = 1000000000;
  limits.command_buffer = 1 << 20;
  limits.pending_output = 100 << 20;  // more than the kernel takes
  running_server server(o);
  raw_client c;
  c.receive_buffer(1000);
  c.connect(server.port());
  std::string commands;
  for (int i = 0; i < 10000; ++i) commands += "HELP\r\n";
  // Until nobody takes them any more.
  // lint: allow sleep (a real socket and the kernel take part)
  for (int stuck = 0; stuck < 20; ::usleep(5000)) stuck = c.send_some(commands) > 0 ? 0 : stuck + 1;
  EXPECT_THAT(server.log.ends(), ::testing::IsEmpty());
  server->stop_now();
  const auto from = std::chrono::steady_clock::now();
  server.join();
  EXPECT_LT(std::chrono::steady_clock::now() - from, 10s);
}

TEST(server_end, listening_after_the_end) {
  running_server server;
  raw_client c(server.port());
  begin_mail(c);
  c.ask("MAIL FROM:<a@example.test>");
  server->stop();
  until([&] {
    return server.on_front([&] { return server->listen({.address = "127.0.0.1:0"}); }) ==
           "127.0.0.1:0: the server has stopped";
  });
  EXPECT_EQ(server->endpoints().size(), 1U);
}

}  // namespace
}  // namespace gatepost::smtp
