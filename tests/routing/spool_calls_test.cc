// Each single write and sync of the spool fails once, or for a while, as the kernel says it. What
// was acknowledged is there afterwards, whole; what was removed is not; and the spool goes on by
// itself.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "routing/rocksdb_spool.hpp"
#include "tests/routing/scratch_directory.hpp"
#include "tests/routing/spool_support.hpp"
#include "tests/support/failing_calls.hpp"

namespace gatepost::routing {
namespace {

namespace failing_calls = tests::failing_calls;
using testing::run;
using tests::call;
using tests::eventually;
using tests::put;
using tests::text_of;
using tests::text_of_size;

// What the spool has promised.
struct promises {
  std::map<std::string, std::size_t> kept;  // ids and sizes
  std::set<std::string> removed;
};

rocksdb_spool_options quick_options(const std::string& directory) {
  rocksdb_spool_options options(directory);
  options.free_reserve = 0;
  options.inline_limit = 5000;
  options.first_retry = std::chrono::milliseconds(1);
  options.longest_retry = std::chrono::milliseconds(4);
  options.lazy_sync = std::chrono::milliseconds(1);
  return options;
}

std::unique_ptr<rocksdb_spool> open_spool(const rocksdb_spool_options& options) {
  std::string problem;
  auto spool = rocksdb_spool::open(options, problem);
  EXPECT_TRUE(spool) << problem;
  return spool;
}

class spool_calls : public ::testing::TestWithParam<call> {
 protected:
  static void put_one(rocksdb_spool& spool, std::size_t size, promises& p) {
    const std::string id = run(put(spool, text_of_size(size)));
    if (!id.empty()) p.kept.emplace(id, size);
  }

  // A day in the life of a spool.
  static promises use(rocksdb_spool& spool) {
    promises p;
    for (const std::size_t size : {100u, 200'000u, 3000u, 70'000u}) {
      put_one(spool, size, p);
      if (p.kept.empty()) continue;
      const std::string first = p.kept.begin()->first;
      if (size != 3000) continue;
      // After an error either is right: the removal may be in the log.
      if (!run(spool.remove(first, durability::synced))) p.removed.insert(first);
      p.kept.erase(first);
    }
    for (const auto& [id, size] : p.kept) {
      auto m = spool.load(id);
      if (!m) continue;
      m->recipients.front().attempts += 1;
      // Either is right after an error.
      (void)run(spool.update(*m, durability::lazy));
    }
    return p;
  }

  static void expect_kept(const rocksdb_spool& spool, const promises& p) {
    for (const auto& [id, size] : p.kept) {
      const auto text = text_of(spool, id);
      ASSERT_TRUE(text) << id << " is lost";
      EXPECT_EQ(*text, text_of_size(size));
      EXPECT_TRUE(spool.load(id)) << id;
    }
    for (const std::string& id : p.removed) EXPECT_FALSE(spool.load(id)) << id << " has returned";
  }

  // One run, in a new spool.
  void check(int error, std::size_t first, std::size_t count) {
    SCOPED_TRACE(std::string(to_string(GetParam())) + " number " + std::to_string(first) + " of " +
                 std::to_string(count) + ": " + std::strerror(error));
    const tests::scratch_directory scratch;
    const rocksdb_spool_options options = quick_options(scratch / "spool");
    auto spool = open_spool(options);
    ASSERT_TRUE(spool);
    failing_calls::fail(GetParam(), error, first, count);
    promises p = use(*spool);
    failing_calls::stop();
    // A lazy change may fail only now.
    for (const std::size_t size : {50u, 50'000u}) {
      const std::size_t before = p.kept.size();
      ASSERT_TRUE(eventually([&] {
        put_one(*spool, size, p);
        return p.kept.size() > before;
      })) << "it does not return";
    }
    expect_kept(*spool, p);
    spool.reset();
    spool = open_spool(options);
    ASSERT_TRUE(spool);
    expect_kept(*spool, p);
  }

  // How many such calls there are when none fails.
  std::size_t count_calls() {
    const tests::scratch_directory scratch;
    const auto spool = open_spool(quick_options(scratch / "spool"));
    failing_calls::fail(GetParam(), 0, 0);
    const promises p = use(*spool);
    EXPECT_EQ(p.kept.size(), 3u);
    return failing_calls::stop();
  }
};

TEST_P(spool_calls, fail_one_by_one_and_for_a_while) {
  const std::size_t all = count_calls();
  ASSERT_GT(all, 0u) << "it is not called, or not by that name";
  for (const int error : {EIO, ENOSPC})
    for (const std::size_t count : {std::size_t{1}, failing_calls::for_ever})
      for (std::size_t first = 1; first <= all; ++first) check(error, first, count);
}

// A removal whose sync fails has taken place, or it has not; its text is there as long as its
// record is.
TEST(spool_removal, leaves_no_text_behind_whatever_fails) {
  namespace fs = std::filesystem;
  for (const durability how : {durability::synced, durability::lazy}) {
    for (std::size_t first = 1; first <= 3; ++first) {
      const tests::scratch_directory scratch;
      const rocksdb_spool_options options = quick_options(scratch / "spool");
      const auto spool = open_spool(options);
      ASSERT_TRUE(spool);
      const std::string id = run(put(*spool, text_of_size(70'000)));
      failing_calls::fail(call::fdatasync, EIO, first);
      (void)run(spool->remove(id, how));
      ASSERT_TRUE(eventually([&] { return !run(put(*spool, "small")).empty(); }));
      failing_calls::stop();
      ASSERT_TRUE(eventually([&] { return !run(put(*spool, "small")).empty(); }));
      const bool removed = !spool->load(id);
      EXPECT_TRUE(removed || how == durability::synced);
      EXPECT_TRUE(eventually([&] {
        return fs::is_empty(options.directory + "/bodies") == removed;
      })) << first;
    }
  }
}

// What was refused is not delivered after the next start, though the log had it.
TEST(spool_commit, is_taken_back_at_the_end_where_its_sync_failed) {
  const tests::scratch_directory scratch;
  rocksdb_spool_options options = quick_options(scratch / "spool");
  options.first_retry = std::chrono::hours(1);
  auto spool = open_spool(options);
  ASSERT_TRUE(spool);
  failing_calls::fail(call::fdatasync, EIO, 1);
  EXPECT_EQ(run(put(*spool, "refused")), "");
  failing_calls::stop();
  spool.reset();
  spool = open_spool(options);
  ASSERT_TRUE(spool);
  EXPECT_EQ(spool->stats().messages, 0u);
}

INSTANTIATE_TEST_SUITE_P(all, spool_calls,
                         ::testing::Values(call::write, call::fsync, call::fdatasync,
                                           call::renameat, call::openat),
                         [](const auto& p) { return std::string(to_string(p.param)); });

}  // namespace
}  // namespace gatepost::routing
