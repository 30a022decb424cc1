// The embedded spool: RocksDB for envelopes and small texts, one file each for large ones.
//
// Commits of all sessions share syncs: one thread writes what has gathered in one batch, syncs the
// log once, and answers each session on its own executor. A second thread, which begins with the
// first large message, writes and syncs the files, so that large messages do not hold up small
// ones. After a failed write the spool refuses messages and tries by itself until writing works
// again. In directory/db lies the database, in directory/bodies the files; a restart removes what a
// crash left unfinished, and moves a file that no message knows to directory/lost.
//
// What is damaged is never passed over in silence. A log that a power failure has torn at its end
// is read up to there: nothing behind it was safe yet. One that is damaged before something that
// was safe makes open() fail, until `repair` asks for what can be read. RocksDB guards its tables
// and small texts by checksums, and this spool the files of large ones.
#ifndef GATEPOST_ROUTING_ROCKSDB_SPOOL_HPP
#define GATEPOST_ROUTING_ROCKSDB_SPOOL_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "routing/spool.hpp"
#include "smtp/config.hpp"
#include "smtp/memory_budget.hpp"
#include "smtp/observer.hpp"

namespace gatepost::routing {

// Where a test can make the spool fail.
enum class spool_step : std::uint8_t {
  body_write,   // octets of a large message
  body_sync,    // sync and rename of its file
  batch_write,  // write and sync of the log
  reopen,       // the attempt to write again after a failure
};

struct rocksdb_spool_options {
  rocksdb_spool_options() = default;
  explicit rocksdb_spool_options(std::string where) : directory(std::move(where)) {}

  // Made with mode 0700 where it does not exist; its parent has to.
  std::string directory;

  // Texts up to this many octets are held in memory and stored in the database. Most mail is
  // smaller than 100 KiB; with a file each, a message costs a sync of its own.
  std::size_t inline_limit = 256u << 10;

  // Free octets of the file system that are left alone: at less, messages are refused. The database
  // needs some room to get rid of what was delivered: up to three memtables. 0: no such limit.
  std::uint64_t free_reserve = 256ull << 20;

  // Octets that gather in memory before the database writes a table. Three times this may be in
  // use.
  std::size_t memtable_octets = 64u << 20;

  // Opens a spool whose log is damaged, without what cannot be read: up to 32 KiB of the log around
  // each damage. Messages whose record was there are gone, and their large texts in directory/lost;
  // one whose removal was there comes again. A copy of the log is left in directory/lost.
  bool repair = false;

  // The longest that a lazy change is written but not synced.
  std::chrono::milliseconds lazy_sync = std::chrono::seconds(1);

  // After a failed write, the first wait before the next attempt; it doubles up to the second.
  std::chrono::milliseconds first_retry = std::chrono::milliseconds(500);
  std::chrono::milliseconds longest_retry = std::chrono::seconds(30);

  // Charged for texts held in memory; where it is used up, texts go to files. Outlives the spool
  // and its writers. nullptr: not counted.
  smtp::memory_budget* budget = nullptr;

  // Hears of trouble (on_trouble only), on any thread. Outlives the spool. nullptr: nobody.
  smtp::observer* observer = nullptr;

  // For tests: an error makes that step fail. Called on the spool's threads.
  std::function<std::error_code(spool_step)> fault;
};

namespace detail {
class spool_engine;
}

class rocksdb_spool final : public spool {
 public:
  // nullptr: `problem` has one line for people, which names the directory and a remedy. May take
  // some seconds after a crash.
  GATEPOST_DECL static std::unique_ptr<rocksdb_spool> open(const rocksdb_spool_options& options,
                                                           std::string& problem);

  // Writes what is queued, and closes. Waits for the disk.
  GATEPOST_DECL ~rocksdb_spool() override;

  GATEPOST_DECL std::error_code available() const override;
  GATEPOST_DECL std::unique_ptr<spool_writer> begin() override;
  GATEPOST_DECL asio::awaitable<std::error_code> update(const spool_message& message,
                                                        durability how) override;
  GATEPOST_DECL asio::awaitable<std::error_code> remove(std::string_view id,
                                                        durability how) override;
  GATEPOST_DECL smtp::result<spool_message> load(std::string_view id) const override;
  GATEPOST_DECL smtp::result<std::unique_ptr<body_reader>> open(std::string_view id) const override;
  GATEPOST_DECL std::error_code for_each(const spool_visitor& visitor) const override;
  GATEPOST_DECL spool_stats stats() const override;

 private:
  explicit rocksdb_spool(std::shared_ptr<detail::spool_engine> engine)
      : engine_(std::move(engine)) {}

  // Shared with the writers, which may outlive the spool.
  std::shared_ptr<detail::spool_engine> engine_;
};

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/rocksdb_spool.ipp"
#endif

#endif  // GATEPOST_ROUTING_ROCKSDB_SPOOL_HPP
