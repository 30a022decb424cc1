// How many messages a second the spool makes durable, against the bare disk.
//
// commit/WRITERS/OCTETS: that many coroutines on one thread, each commits and removes (lazily) one
// message after the other. raw/BATCH/OCTETS: one thread appends the octets of BATCH such messages
// to a file and calls fdatasync: what the spool could reach if it did nothing else. The files lie
// in $SPOOL_BENCH_DIR, or in the current directory.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "routing/rocksdb_spool.hpp"

namespace gatepost::routing {
namespace {

// A directory for one benchmark.
class bench_directory {
 public:
  bench_directory() {
    const char* root = std::getenv("SPOOL_BENCH_DIR");
    path_ = std::string(root != nullptr ? root : ".") + "/spool_bench.XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
  }
  ~bench_directory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

spool_message envelope() {
  spool_message m;
  m.session_id = "0123456789abcdef";
  m.received_at = std::chrono::system_clock::now();
  m.reverse_path = "sender@example.test";
  m.recipients.emplace_back().forward_path = "recipient@example.test";
  m.recipients.back().route = "smtp:[192.0.2.25]:25";
  m.edits.prepend("Received", std::string(200, 'r'));
  return m;
}

// Messages that all writers together still have to write.
struct work {
  explicit work(rocksdb_spool& s, std::string t) : spool(s), text(std::move(t)) {}
  rocksdb_spool& spool;
  std::string text;
  spool_message message = envelope();
  long left = 0;
};

asio::awaitable<void> write_messages(work& w) {
  while (w.left-- > 0) {
    const auto writer = w.spool.begin();
    std::error_code failed = co_await writer->write(w.text);
    if (!failed) failed = co_await writer->commit(w.message);
    if (failed) throw std::system_error(failed);
    failed = co_await w.spool.remove(writer->id(), durability::lazy);
    if (failed) throw std::system_error(failed);
  }
}

void commit(benchmark::State& state) {
  const bench_directory directory;
  std::string problem;
  const auto spool = rocksdb_spool::open(rocksdb_spool_options(directory.path()), problem);
  if (!spool) throw std::runtime_error(problem);
  const auto writers = static_cast<int>(state.range(0));
  work w(*spool, std::string(static_cast<std::size_t>(state.range(1)), 'x'));
  const long round = 200L * writers;
  for (auto _ : state) {
    w.left = round;
    asio::io_context io(1);
    for (int i = 0; i < writers; ++i) {
      asio::co_spawn(io, write_messages(w), [](std::exception_ptr e) {
        if (e) std::rethrow_exception(e);
      });
    }
    io.run();
  }
  const spool_stats stats = spool->stats();
  state.SetItemsProcessed(state.iterations() * round);
  state.SetBytesProcessed(state.iterations() * round * state.range(1));
  state.counters["per_sync"] =
      static_cast<double>(stats.commits) / static_cast<double>(stats.syncs);
}

void raw(benchmark::State& state) {
  const bench_directory directory;
  const std::string path = directory.path() + "/file";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const auto messages = state.range(0);
  const std::string octets(static_cast<std::size_t>(messages * (state.range(1) + 500)), 'x');
  for (auto _ : state) {
    if (::write(fd, octets.data(), octets.size()) < 0 || ::fdatasync(fd) != 0) {
      state.SkipWithError("cannot write");
    }
  }
  ::close(fd);
  state.SetItemsProcessed(state.iterations() * messages);
  state.SetBytesProcessed(state.iterations() * messages * state.range(1));
}

BENCHMARK(commit)
    ->ArgsProduct({{1, 8, 50, 64}, {2000, 10000, 100000}})
    ->ArgNames({"writers", "octets"})
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(raw)
    ->ArgsProduct({{1, 8, 64}, {2000, 10000, 100000}})
    ->ArgNames({"batch", "octets"})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace gatepost::routing
