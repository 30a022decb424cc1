// Many sessions on several threads use one spool at once. Run it with --config=tsan too.
#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "routing/rocksdb_spool.hpp"
#include "tests/routing/spool_support.hpp"

namespace gatepost::routing {
namespace {

constexpr std::size_t threads = 4;
constexpr std::size_t sessions = 8;   // of each thread
constexpr std::size_t messages = 25;  // of each session

struct tally {
  std::atomic<std::size_t> kept{0};
  std::atomic<std::size_t> wrong{0};
};

void expect(bool right, tally& t) {
  if (!right) ++t.wrong;
}

// The life of one message: written, read, updated; every second one is removed.
asio::awaitable<void> one_message(spool& into, tally& t, std::size_t n) {
  const std::string text = tests::text_of_size(n % 5 == 0 ? 9000 : 700);
  const std::string id = co_await tests::put(into, text, 500);
  expect(!id.empty(), t);
  auto message = into.load(id);
  expect(message.has_value(), t);
  if (!message) co_return;
  message->recipients[0].attempts = static_cast<std::uint32_t>(n);
  const auto how = n % 3 == 0 ? durability::lazy : durability::synced;
  const std::error_code not_updated = co_await into.update(*message, how);
  expect(!not_updated, t);
  const auto read = tests::text_of(into, id);
  expect(read && *read == text, t);
  if (n % 2 == 0) {
    const std::error_code not_removed = co_await into.remove(id, how);
    expect(!not_removed, t);
  } else {
    ++t.kept;
  }
}

asio::awaitable<void> session(spool& into, tally& t, std::size_t first) {
  for (std::size_t n = first; n < first + messages; ++n) {
    co_await one_message(into, t, n);
  }
}

void run_sessions(spool& into, tally& t, std::size_t first) {
  asio::io_context io(1);
  for (std::size_t s = 0; s < sessions; ++s) {
    asio::co_spawn(io, session(into, t, first + s * messages),
                   [&](std::exception_ptr e) { expect(!e, t); });
  }
  io.run();
}

TEST(rocksdb_spool_load_test, sessions_on_several_threads) {
  const tests::scratch_directory scratch;
  smtp::memory_budget budget(20000);
  rocksdb_spool_options options(scratch / "spool");
  options.free_reserve = 1;
  options.inline_limit = 4000;
  options.memtable_octets = 256u << 10;
  options.budget = &budget;
  options.lazy_sync = std::chrono::milliseconds(1);
  std::string problem;
  auto spool = rocksdb_spool::open(options, problem);
  ASSERT_TRUE(spool) << problem;

  tally t;
  std::vector<std::thread> running;
  for (std::size_t i = 0; i < threads; ++i) {
    running.emplace_back([&, i] { run_sessions(*spool, t, i * sessions * messages); });
  }
  // A list, while all that goes on.
  while (spool->stats().commits < threads * sessions * messages / 2) {
    EXPECT_FALSE(spool->for_each([](std::string_view, const auto& m) { return m.has_value(); }));
  }
  for (std::thread& r : running) r.join();

  EXPECT_EQ(t.wrong, 0u);
  const spool_stats stats = spool->stats();
  EXPECT_EQ(stats.commits, threads * sessions * messages);
  EXPECT_LT(stats.syncs, stats.commits) << "no sync was shared";
  EXPECT_EQ(stats.failures, 0u);
  spool.reset();
  EXPECT_EQ(budget.used(), 0u);

  spool = rocksdb_spool::open(options, problem);
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(spool->stats().messages, t.kept);
  EXPECT_FALSE(spool->for_each([&](std::string_view id, const auto& message) {
    EXPECT_TRUE(message);
    EXPECT_GT(message->recipients[0].attempts, 0u) << id;
    return true;
  }));
}

}  // namespace
}  // namespace gatepost::routing
