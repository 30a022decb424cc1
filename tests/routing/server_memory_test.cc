// A server with a chain of checks, a relay and the embedded spool, where memory runs out at each
// single allocation of a session, with nothing at hand of sessions before: the server answers the
// next client, and every message that a client heard 250 for is in the spool.
#include <gtest/gtest.h>

#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "checks/chain.hpp"
#include "checks/detail/errand.hpp"
#include "routing/relay.hpp"
#include "routing/rocksdb_spool.hpp"
#include "routing/table.hpp"
#include "smtp/detail/early_wait.hpp"
#include "smtp/io_threads.hpp"
#include "smtp/server.hpp"
#include "tests/routing/scratch_directory.hpp"
#include "tests/routing/spool_fixtures.hpp"
#include "tests/support/failing_new.hpp"
#include "tests/support/raw_client.hpp"

namespace gatepost::routing {
namespace {

using std::chrono::milliseconds;
using tests::raw_client;
namespace failing_new = tests::failing_new;

asio::awaitable<int> some_work() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, milliseconds(1));
  [[maybe_unused]] const std::error_code ended = co_await smtp::detail::wait_for(timer);
  co_return 1;
}

// Waits, and has work done beside the session.
class waiting : public checks::check {
 public:
  std::string_view name() const override { return "waiting"; }
  asio::awaitable<checks::verdict> on_mail(checks::context&) override { return wait(); }
  asio::awaitable<checks::verdict> on_message(checks::context&) override { return wait(); }

 private:
  static asio::awaitable<checks::verdict> wait() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto work = checks::detail::errand<int>::start(executor, some_work());
    [[maybe_unused]] const bool done = co_await work->wait();
    co_return checks::verdict::pass();
  }
};

// RocksDB itself does not bear a lack of memory where it reads: it goes on with what it had begun.
class sheltered final : public tests::forwarding_spool {
 public:
  using forwarding_spool::forwarding_spool;

  smtp::result<spool_message> load(std::string_view id) const override {
    const failing_new::shelter from_failure;
    return forwarding_spool::load(id);
  }
  smtp::result<std::unique_ptr<body_reader>> open(std::string_view id) const override {
    const failing_new::shelter from_failure;
    return forwarding_spool::open(id);
  }
  std::error_code for_each(const spool_visitor& visitor) const override {
    const failing_new::shelter from_failure;
    return forwarding_spool::for_each(visitor);
  }
};

// One server on a thread that is new.
class bench {
 public:
  explicit bench(spool& store) : store_(store) {
    const checks::run_options how{std::chrono::seconds(10), checks::on_error::defer};
    auto group = chain_.concurrently();
    group.add<waiting>(how);
    group.add<waiting>(how);
    chain_.add<waiting>(how);
    // Nobody listens there: what is taken stays.
    routes_.add("b.test", *parse_route("smtp:[127.0.0.1]:1"));
    delivery_ = std::make_unique<relay>(threads_.front(), store_, routes_, relay_options());
    server_ = std::make_unique<smtp::server>(threads_.contexts(), smtp::server_options(), chain_,
                                             *delivery_);
    EXPECT_FALSE(server_->listen({.address = "127.0.0.1:0"}));
    EXPECT_FALSE(delivery_->start());
    runner_ = std::thread([this] { threads_.run(); });
  }
  ~bench() {
    server_->stop_now();
    delivery_->stop(milliseconds(0));
    runner_.join();
  }

  // Sends a message; its id in the spool, where it was taken.
  std::string send() {
    raw_client c(server_->endpoints().at(0).port);
    std::string id;
    try {
      id = send_by(c);
    } catch (const std::exception& e) {
      EXPECT_STRNE(e.what(), "the server says nothing");
    }
    c.close();
    EXPECT_TRUE(no_session_left());
    return id;
  }

  void on_front(const std::function<void()>& call) {
    std::promise<void> done;
    asio::post(threads_.front(), [&] {
      call();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  // The server's thread has its turn until it has got there.
  bool no_session_left() {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (server_->counters().sessions != 0 && std::chrono::steady_clock::now() < until)
      on_front([] {});
    return server_->counters().sessions == 0;
  }

  static std::string send_by(raw_client& c) {
    c.reply();
    for (const char* line : {"EHLO client.test", "MAIL FROM:<s@a.test>", "RCPT TO:<r@b.test>"})
      if (!c.ask(line).starts_with("250")) return {};
    if (!c.ask("DATA").starts_with("354")) return {};
    std::string text = "Subject: memory\r\n\r\n";
    for (int i = 0; i < 100; ++i) text += std::string(78, 'x') + "\r\n";
    const std::string said = c.ask(text + ".");
    constexpr std::string_view taken = "250 2.0.0 OK queued as ";
    if (!said.starts_with(taken)) return {};
    return said.substr(taken.size(), said.find_first_of("\r\n") - taken.size());
  }

  sheltered store_;
  checks::chain chain_;
  table routes_;
  smtp::io_threads threads_{1};
  std::unique_ptr<relay> delivery_;
  std::unique_ptr<smtp::server> server_;
  std::thread runner_;
};

// `inline_limit`: a text that is longer has a file of its own.
void check(std::size_t inline_limit) {
  const tests::scratch_directory scratch;
  rocksdb_spool_options options(scratch / "spool");
  options.free_reserve = 0;
  options.inline_limit = inline_limit;
  std::string problem;
  auto store = rocksdb_spool::open(options, problem);
  ASSERT_TRUE(store) << problem;
  std::vector<std::string> accepted;
  std::size_t n = 0;
  for (bool failed = true; failed;) {
    SCOPED_TRACE("allocation " + std::to_string(++n));
    bench b(*store);
    b.on_front([n] { failing_new::arm(n); });
    if (const std::string id = b.send(); !id.empty()) accepted.push_back(id);
    b.on_front([&] {
      failed = failing_new::failed() != 0;
      failing_new::disarm();
    });
    const std::string next = b.send();
    ASSERT_NE(next, "");
    accepted.push_back(next);
  }
  std::printf("%zu allocations\n", n - 1);
  EXPECT_GT(n, 50u);
  store.reset();
  store = rocksdb_spool::open(options, problem);
  ASSERT_TRUE(store) << problem;
  for (const std::string& id : accepted) EXPECT_TRUE(store->load(id)) << id;
}

TEST(server_memory, runs_out_in_a_session_and_nothing_is_lost) { check(100'000); }
TEST(server_memory, runs_out_with_a_text_that_has_a_file) { check(1000); }

}  // namespace
}  // namespace gatepost::routing
