// What the spool does when writing fails, and when those that wait for it go away.
#include <gtest/gtest.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "routing/rocksdb_spool.hpp"
#include "tests/routing/spool_fixtures.hpp"
#include "tests/routing/spool_support.hpp"

namespace gatepost::routing {
namespace {

using testing::run;
using tests::eventually;
using tests::ids_in;
using tests::put;
using tests::text_of;
using tests::text_of_size;

class rocksdb_spool_fault_test : public tests::faulty_spool_test {
 protected:
  // From now on `step` fails by `why`, for as long as failing holds.
  void fail_at(spool_step step, std::errc why) {
    failing = true;
    on_step = [=, this](spool_step s) {
      return s == step && failing ? std::make_error_code(why) : std::error_code{};
    };
  }

  std::size_t files() const {
    namespace fs = std::filesystem;
    const fs::directory_iterator all(options.directory + "/bodies");
    return static_cast<std::size_t>(std::distance(fs::begin(all), fs::end(all)));
  }

  std::error_code put_error(std::string text) {
    const auto writer = spool->begin();
    std::error_code error = run(writer->write(text));
    if (!error) error = run(writer->commit(tests::full_message()));
    return error;
  }

  std::atomic<bool> failing{false};
};

TEST_F(rocksdb_spool_fault_test, refuses_while_writing_fails_and_returns_by_itself) {
  struct fault {
    std::errc why;
    smtp::errc expected;
  };
  for (const fault& f : {fault{std::errc::no_space_on_device, smtp::errc::spool_full},
                         fault{std::errc::io_error, smtp::errc::spool_failed}}) {
    const std::string before = run(put(*spool, "before"));
    fail_at(spool_step::batch_write, f.why);
    EXPECT_EQ(put_error("lost"), f.expected);
    EXPECT_EQ(spool->available(), f.expected);
    EXPECT_EQ(put_error("refused at once"), f.expected);
    EXPECT_EQ(*text_of(*spool, before), "before");
    EXPECT_TRUE(trouble.contains("cannot write"));
    failing = false;
    EXPECT_TRUE(eventually([&] { return !spool->available(); }));
    EXPECT_TRUE(trouble.contains("writing works again"));
    const std::string after = run(put(*spool, "after"));
    EXPECT_FALSE(after.empty());
    reopen();
    EXPECT_EQ(ids_in(*spool), (std::vector<std::string>{before, after}));
    run(spool->remove(before, durability::synced));
    run(spool->remove(after, durability::synced));
  }
}

TEST_F(rocksdb_spool_fault_test, keeps_trying_while_the_database_does_not_open) {
  std::atomic<int> attempts{0};
  std::atomic<bool> written{false};
  failing = true;
  on_step = [&](spool_step step) {
    if (step == spool_step::reopen && ++attempts < 5)
      return std::make_error_code(std::errc::io_error);
    if (step == spool_step::batch_write && !written.exchange(true)) {
      return std::make_error_code(std::errc::io_error);
    }
    return std::error_code{};
  };
  EXPECT_EQ(put_error("lost"), smtp::errc::spool_failed);
  EXPECT_TRUE(eventually([&] { return !spool->available(); }));
  EXPECT_EQ(attempts, 5);
  EXPECT_FALSE(put_error("kept"));
  EXPECT_EQ(ids_in(*spool).size(), 1u);
}

TEST_F(rocksdb_spool_fault_test, lazy_changes_wait_for_better_times) {
  const std::string delivered = run(put(*spool, "delivered"));
  fail_at(spool_step::batch_write, std::errc::io_error);
  EXPECT_FALSE(run(spool->remove(delivered, durability::lazy)));
  EXPECT_TRUE(eventually([&] { return bool(spool->available()); }));
  EXPECT_EQ(run(spool->remove(delivered, durability::synced)), smtp::errc::spool_failed);
  EXPECT_TRUE(spool->load(delivered));
  failing = false;
  EXPECT_TRUE(eventually([&] { return ids_in(*spool).empty(); }));
}

// A loss of power must not leave a record without its text.
TEST_F(rocksdb_spool_fault_test, a_text_is_there_until_the_removal_is_synced) {
  options.lazy_sync = std::chrono::hours(1);
  reopen();
  const std::string large = run(put(*spool, text_of_size(5000)));
  const std::string small = run(put(*spool, "small"));
  // What the first one does is done when the second one begins.
  for (const std::string& id : {large, small}) {
    EXPECT_FALSE(run(spool->remove(id, durability::lazy)));
    ASSERT_TRUE(eventually([&] { return !spool->load(id); }));
  }
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(spool->stats().messages, 0u);
  put_error("is synced, and all before it");
  EXPECT_TRUE(eventually([&] { return files() == 0; }));
}

// The database opens again, but cannot be written: what was lazy is as unsafe as before.
TEST_F(rocksdb_spool_fault_test, a_file_stays_while_a_repair_cannot_write) {
  options.lazy_sync = std::chrono::hours(1);
  reopen();
  const std::string id = run(put(*spool, text_of_size(5000)));
  EXPECT_FALSE(run(spool->remove(id, durability::lazy)));
  EXPECT_TRUE(eventually([&] { return spool->stats().removals == 1; }));
  EXPECT_EQ(files(), 1u);
  std::atomic<int> reopened{0};
  failing = true;
  on_step = [&](spool_step step) {
    if (step == spool_step::reopen) ++reopened;
    return step == spool_step::batch_write && failing ? std::make_error_code(std::errc::io_error)
                                                      : std::error_code{};
  };
  EXPECT_EQ(put_error("is lost"), smtp::errc::spool_failed);
  EXPECT_TRUE(eventually([&] { return reopened >= 3; }));
  EXPECT_EQ(files(), 1u);
  failing = false;
  EXPECT_TRUE(eventually([&] { return files() == 0; }));
}

TEST_F(rocksdb_spool_fault_test, lazy_changes_have_a_last_chance_at_the_end) {
  options.first_retry = std::chrono::hours(1);
  reopen();
  const std::string delivered = run(put(*spool, "delivered"));
  fail_at(spool_step::batch_write, std::errc::io_error);
  EXPECT_FALSE(run(spool->remove(delivered, durability::lazy)));
  EXPECT_TRUE(eventually([&] { return bool(spool->available()); }));
  failing = false;
  reopen();
  EXPECT_TRUE(ids_in(*spool).empty());
}

TEST_F(rocksdb_spool_fault_test, a_file_that_cannot_be_written_fails_its_message_only) {
  for (const spool_step step : {spool_step::body_write, spool_step::body_sync}) {
    fail_at(step, std::errc::no_space_on_device);
    EXPECT_EQ(put_error(text_of_size(600000)), smtp::errc::spool_full);
    EXPECT_FALSE(spool->available());
    EXPECT_FALSE(put_error("small"));
    EXPECT_TRUE(trouble.contains("/bodies: cannot write a message's text"));
  }
  spool.reset();
  EXPECT_EQ(files(), 0u);
}

TEST_F(rocksdb_spool_fault_test, a_failed_commit_leaves_no_file) {
  fail_at(spool_step::batch_write, std::errc::io_error);
  EXPECT_EQ(put_error(text_of_size(5000)), smtp::errc::spool_failed);
  failing = false;
  EXPECT_TRUE(eventually([&] { return !spool->available(); }));
  EXPECT_EQ(files(), 0u);
  EXPECT_TRUE(ids_in(*spool).empty());
}

TEST_F(rocksdb_spool_fault_test, leaves_the_reserve_alone) {
  options.free_reserve = std::uint64_t{1} << 60;
  reopen();
  EXPECT_EQ(spool->available(), smtp::errc::spool_full);
  EXPECT_EQ(put_error("x"), smtp::errc::spool_full);
  EXPECT_TRUE(trouble.contains("MiB are free"));
}

// --- Batches -------------------------------------------------------------------------------------

// Holds the first batch until it is told to go on.
struct gate {
  std::error_code operator()(spool_step step) {
    if (step == spool_step::batch_write && !closed.exchange(true)) {
      entered.count_down();
      open.wait();
    }
    return {};
  }
  std::atomic<bool> closed{false};
  std::latch entered{1};
  std::latch open{1};
};

void start_put(asio::io_context& io, spool& into, std::string text, std::vector<std::string>& ids) {
  asio::co_spawn(io, put(into, std::move(text)),
                 [&](std::exception_ptr, std::string id) { ids.push_back(std::move(id)); });
}

TEST_F(rocksdb_spool_fault_test, what_gathers_during_a_sync_shares_the_next_one) {
  gate held;
  on_step = std::ref(held);
  asio::io_context io(1);
  std::vector<std::string> ids;
  start_put(io, *spool, "first", ids);
  io.poll();
  held.entered.wait();
  for (int i = 0; i < 63; ++i) start_put(io, *spool, "another", ids);
  io.poll();
  held.open.count_down();
  io.run();
  EXPECT_EQ(ids.size(), 64u);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), ""), 0);
  const spool_stats stats = spool->stats();
  EXPECT_EQ(stats.commits, 64u);
  EXPECT_EQ(stats.syncs, 2u);
  EXPECT_EQ(stats.messages, 64u);
}

// --- Those that wait go away ---------------------------------------------------------------------

// The session ends while its message is being written: nobody was told 250, so nothing is kept.
TEST_F(rocksdb_spool_fault_test, takes_back_what_was_written_for_nobody) {
  for (const std::size_t size : {100u, 5000u}) {
    gate held;
    on_step = std::ref(held);
    std::vector<std::string> ids;
    {
      asio::io_context io(1);
      start_put(io, *spool, text_of_size(size), ids);
      io.poll();
      held.entered.wait();
    }
    held.open.count_down();
    EXPECT_TRUE(eventually([&] { return spool->stats().removals == spool->stats().commits; }));
    EXPECT_FALSE(put_error("is written behind it"));
    EXPECT_EQ(ids_in(*spool).size(), 1u);
    EXPECT_TRUE(ids.empty());
    EXPECT_FALSE(run(spool->remove(ids_in(*spool)[0], durability::synced)));
    EXPECT_EQ(files(), 0u);
  }
}

TEST_F(rocksdb_spool_fault_test, never_writes_what_nobody_waits_for_any_more) {
  gate held;
  on_step = std::ref(held);
  asio::io_context io(1);
  std::vector<std::string> ids;
  start_put(io, *spool, "first", ids);
  io.poll();
  held.entered.wait();
  {
    asio::io_context gone(1);
    start_put(gone, *spool, "second", ids);
    gone.poll();
  }
  held.open.count_down();
  io.run();
  EXPECT_FALSE(put_error("third"));
  EXPECT_EQ(spool->stats().commits, 2u);
  EXPECT_EQ(ids_in(*spool).size(), 2u);
}

// The answer is on its way when the io_context ends.
TEST_F(rocksdb_spool_fault_test, takes_back_what_nobody_heard_of) {
  {
    asio::io_context io(1);
    std::vector<std::string> ids;
    start_put(io, *spool, "text", ids);
    io.poll();
    EXPECT_TRUE(eventually([&] { return spool->stats().commits == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return spool->stats().messages == 0; }));
  EXPECT_TRUE(ids_in(*spool).empty());
}

TEST_F(rocksdb_spool_fault_test, a_cancelled_commit_is_taken_back) {
  gate held;
  on_step = std::ref(held);
  asio::io_context io(1);
  asio::cancellation_signal cancel;
  std::string id = "not answered";
  asio::co_spawn(
      io, put(*spool, "text"),
      asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr e, std::string i) {
        if (!e) id = i;
      }));
  io.poll();
  held.entered.wait();
  cancel.emit(asio::cancellation_type::terminal);
  io.run();
  EXPECT_EQ(id, "");
  held.open.count_down();
  EXPECT_TRUE(eventually([&] { return spool->stats().removals == 1; }));
  EXPECT_TRUE(ids_in(*spool).empty());
}

// The body thread still has the buffer when the session ends.
TEST_F(rocksdb_spool_fault_test, a_session_may_end_while_its_file_is_written) {
  std::latch entered(1);
  std::latch open(1);
  std::atomic<bool> held{false};
  on_step = [&](spool_step step) {
    if (step == spool_step::body_write && !held.exchange(true)) {
      entered.count_down();
      open.wait();
    }
    return std::error_code{};
  };
  {
    asio::io_context io(1);
    std::vector<std::string> ids;
    start_put(io, *spool, text_of_size(2000000), ids);
    io.poll();
    entered.wait();
  }
  open.count_down();
  spool.reset();
  EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace gatepost::routing
