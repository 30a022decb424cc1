// The promise itself: what was acknowledged is there after a crash, and nothing is there by half.
//
// Each step runs in a child process of its own, because RocksDB's threads do not survive a fork().
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <csignal>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "routing/rocksdb_spool.hpp"
#include "tests/routing/small_disk.hpp"
#include "tests/routing/spool_support.hpp"

namespace gatepost::routing {
namespace {

using testing::run;
using tests::eventually;
using tests::require;
using tests::run_child;
using tests::start_child;
using tests::status_of;
using tests::text_of;

constexpr std::size_t writers = 20;
rocksdb_spool_options options_for(const std::string& directory) {
  rocksdb_spool_options options(directory);
  options.free_reserve = 0;
  options.inline_limit = 8000;
  options.memtable_octets = 256u << 10;  // so that tables are written too
  options.first_retry = std::chrono::milliseconds(1);
  return options;
}

std::unique_ptr<rocksdb_spool> open_spool(const rocksdb_spool_options& options) {
  std::string problem;
  auto spool = rocksdb_spool::open(options, problem);
  require(spool != nullptr, problem);
  return spool;
}

// A text that tells by itself whether it is whole.
std::string text_number(std::size_t n) {
  return tests::text_of_size(n % 7 == 0 ? 20000 + n : n % 3000);
}

void tell(int report, char what, const std::string& id) {
  const std::string line = what + id + "\n";
  require(::write(report, line.data(), line.size()) > 0, "pipe");
}

// Writes messages until it is killed, and tells `report`, one line each: "+ID" a commit was
// acknowledged, "?ID" a removal begins, which every third message gets, "-ID" it was acknowledged.
asio::awaitable<void> write_until_killed(rocksdb_spool& spool, int report, std::size_t n) {
  for (;; n += 100) {
    const std::string id = co_await tests::put(spool, text_number(n));
    require(!id.empty(), "commit failed");
    tell(report, '+', id);
    if (n % 3 != 0) continue;
    tell(report, '?', id);
    const std::error_code failed = co_await spool.remove(id, durability::synced);
    require(!failed, "removal failed");
    tell(report, '-', id);
  }
}

void write_messages(const std::string& directory, int report) {
  const auto spool = open_spool(options_for(directory));
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      asio::io_context io(1);
      for (std::size_t i = t; i < writers; i += 2) {
        asio::co_spawn(io, write_until_killed(*spool, report, i), [](std::exception_ptr e) {
          if (e) std::rethrow_exception(e);
        });
      }
      io.run();
    });
  }
  for (std::thread& t : threads) t.join();
}

// Kills a writing child after `lines` acknowledgements; all that were made until then.
std::string kill_after(const std::string& directory, std::size_t lines) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = start_child([&] { write_messages(directory, ends[1]); });
  ::close(ends[1]);
  std::string report;
  char buffer[4096];
  bool killed = false;
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    report.append(buffer, static_cast<std::size_t>(got));
    const auto seen = static_cast<std::size_t>(std::count(report.begin(), report.end(), '\n'));
    if (seen >= lines && !std::exchange(killed, true)) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  EXPECT_EQ(status_of(child), 128 + SIGKILL);
  return report;
}

// What the children said, by what it means after they were killed.
struct expectation {
  std::set<std::string> promised;
  std::set<std::string> removed;
  std::size_t in_doubt = 0;  // messages of which either may be true

  void add(const std::string& report) {
    // Each writer had one message on its way when it was killed.
    in_doubt += writers;
    std::size_t at = 0;
    for (std::size_t end; (end = report.find('\n', at)) != std::string::npos; at = end + 1) {
      const std::string id = report.substr(at + 1, end - at - 1);
      if (report[at] == '+') promised.insert(id);
      if (report[at] == '?') promised.erase(id);
      if (report[at] == '-') removed.insert(id);
    }
  }
};

// Opens what is left, and compares.
void check_after_crash(const std::string& directory, const expectation& expected) {
  const auto options = options_for(directory);
  const auto spool = open_spool(options);
  std::set<std::string> in_files;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/bodies")) {
    in_files.insert(entry.path().filename());
  }
  std::set<std::string> found;
  const std::error_code failed = spool->for_each([&](std::string_view id, const auto& message) {
    require(message.has_value(), "a damaged record");
    const auto text = text_of(*spool, id);
    require(text.has_value(), "a text that cannot be read");
    require(*text == tests::text_of_size(message->size), "a text that is not whole");
    const bool large = message->size > options.inline_limit;
    require(in_files.erase(std::string(id)) == (large ? 1 : 0), "a file too many or too few");
    found.emplace(id);
    return true;
  });
  require(!failed, "cannot list");
  require(in_files.empty(), "files without message");
  for (const std::string& id : expected.promised) require(found.contains(id), "lost " + id);
  for (const std::string& id : expected.removed) require(!found.contains(id), "returned " + id);
  require(found.size() <= expected.promised.size() + expected.in_doubt, "too many messages");
}

TEST(rocksdb_spool_crash_test, what_was_acknowledged_survives_kill_9) {
  const tests::scratch_directory scratch;
  const std::string directory = scratch / "spool";
  expectation expected;
  for (const std::size_t lines : {1u, 10u, 100u, 500u, 1000u}) {
    expected.add(kill_after(directory, lines));
    EXPECT_EQ(run_child([&] { check_after_crash(directory, expected); }), 0)
        << "killed after " << lines;
  }
  EXPECT_GT(expected.promised.size(), 500u);
  EXPECT_GT(expected.removed.size(), 100u);
}

// --- Real failures of the disk -------------------------------------------------------------------

// Commits until the log fails (a file that does says nothing of it); the ids of what was
// acknowledged.
std::set<std::string> fill(rocksdb_spool& spool) {
  std::set<std::string> ids;
  for (std::size_t n = 1; n < 100000; ++n) {
    const std::string id = run(tests::put(spool, text_number(n)));
    if (!id.empty()) ids.insert(id);
    if (id.empty() && spool.available()) return ids;
  }
  require(false, "the limit was never reached");
  return ids;
}

void expect_exactly(const spool& spool, const std::set<std::string>& ids) {
  const auto found = tests::ids_in(spool);
  require(std::set<std::string>(found.begin(), found.end()) == ids, "not what was acknowledged");
  for (const std::string& id : found) require(text_of(spool, id).has_value(), "a text is missing");
}

// Works on after a failure that `free` ends: the spool has what was acknowledged, and takes more.
void fail_and_return(const std::string& directory, const std::function<void()>& free) {
  auto spool = open_spool(options_for(directory));
  std::set<std::string> ids = fill(*spool);
  require(!ids.empty(), "nothing could be written at all");
  free();
  require(eventually([&] { return !spool->available(); }), "it does not return");
  const std::string after = run(tests::put(*spool, "after"));
  require(!after.empty(), "cannot write after the return");
  ids.insert(after);
  expect_exactly(*spool, ids);
  spool.reset();
  expect_exactly(*open_spool(options_for(directory)), ids);
}

void limit_files(rlim_t octets) {
  const rlimit limit{octets, RLIM_INFINITY};
  require(::setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
}

// A write to the log that fails by half: EFBIG.
TEST(rocksdb_spool_crash_test, returns_after_a_failed_write) {
  const tests::scratch_directory scratch;
  EXPECT_EQ(run_child([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              limit_files(100000);
              fail_and_return(scratch / "spool", [] { limit_files(RLIM_INFINITY); });
            }),
            0);
}

TEST(rocksdb_spool_crash_test, returns_after_a_full_disk) {
  const tests::scratch_directory scratch;
  const int status = run_child([&] {
    const std::string disk = scratch / "disk";
    tests::mount_small_disk(disk);
    const std::string ballast = disk + "/ballast";
    tests::write_file(ballast, std::string(8u << 20, 'x'));
    fail_and_return(disk + "/spool", [&] { ::unlink(ballast.c_str()); });
  });
  if (status == tests::cannot) GTEST_SKIP() << "may not mount a small file system here";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace gatepost::routing
