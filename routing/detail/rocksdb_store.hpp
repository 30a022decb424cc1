// RocksDB as the spool uses it: tuned for records that live for seconds, and able to come back
// after a failed write.
//
// Included by rocksdb_spool's definitions only, so that nobody else sees RocksDB.
#ifndef GATEPOST_ROUTING_DETAIL_ROCKSDB_STORE_HPP
#define GATEPOST_ROUTING_DETAIL_ROCKSDB_STORE_HPP

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/iterator.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/status.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "routing/detail/log_scan.hpp"
#include "routing/detail/posix_file.hpp"
#include "smtp/errc.hpp"

namespace gatepost::routing::detail {

inline rocksdb::Slice slice_of(std::string_view text) { return {text.data(), text.size()}; }

inline smtp::errc error_of(const rocksdb::Status& status) {
  if (status.IsNotFound()) return smtp::errc::not_found;
  if (status.IsCorruption()) return smtp::errc::spool_corrupt;
  if (status.IsNoSpace()) return smtp::errc::spool_full;
  return smtp::errc::spool_failed;
}

// RocksDB would try to recover from a full disk by itself, beside what store_reopen does; in 7.8
// that may end in an assertion.
class no_self_help final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

// RocksDB's own log, beside the database, would be one more file to fail: 7.8 ends the program by
// an assertion when the disk is full and it writes there for the second time. Whatever goes wrong
// it tells us by a status, too.
class no_log final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

class rocksdb_store {
 public:
  struct record {
    record(std::string_view k, std::string_view v) : key(k), value(v) {}
    std::string key;
    std::string value;
  };

  explicit rocksdb_store(std::string path, std::size_t memtable_octets)
      : path_(std::move(path)), options_(options(memtable_octets)) {
    write_options_[1].sync = true;
  }

  // Also after a failed write: closes what is open and reads back what is on the disk. `salvage`:
  // leaves out what cannot be read of the log, up to 32 KiB around each damage.
  rocksdb::Status open(bool salvage = false) {
    const std::unique_lock lock(mutex_);
    db_.reset();
    if (is_beheaded()) return rocksdb::Status::Corruption("CURRENT is missing in " + path_);
    if (const rocksdb::Status read = scan_log(); !read.ok()) return read;
    if (log_.damaged() && !salvage) return rocksdb::Status::Corruption(place_of_damage());
    rocksdb::Options how = options_;
    if (log_.damaged()) how.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
    if (!has_room()) return rocksdb::Status::NoSpace();
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(how, path_, &db);
    db_.reset(db);
    if (!status.ok()) return status;
    // A log that was read back is removed: after a power failure it must not be there again, and
    // look like a damage where it was a torn end.
    const std::error_code failed = sync_directory_at(path_);
    if (!failed) return status;
    db_.reset();
    return rocksdb::Status::IOError(path_, failed.message());
  }

  // What open() has found in the log.
  const log_scanner& log() const { return log_; }
  std::string place_of_damage() const {
    const auto& place = log_.unreadable();
    if (!place) return {};
    return place->file + " cannot be read from octet " + std::to_string(place->offset) + " on";
  }

  void close() {
    const std::unique_lock lock(mutex_);
    db_.reset();
  }

  rocksdb::Status write(rocksdb::WriteBatch& batch, bool sync) {
    const std::shared_lock lock(mutex_);
    return db_ ? db_->Write(write_options_[sync], &batch) : closed();
  }

  rocksdb::Status sync() {
    const std::shared_lock lock(mutex_);
    return db_ ? db_->SyncWAL() : closed();
  }

  rocksdb::Status read(std::string_view key, std::string& value) const {
    const std::shared_lock lock(mutex_);
    return db_ ? db_->Get({}, slice_of(key), &value) : closed();
  }

  // The records from `from` on whose keys begin with `prefix`: at most `most`, and none more once
  // there are so many octets of them. None: there are no more.
  static constexpr std::size_t scan_octets = 4u << 20;
  rocksdb::Status scan(std::string_view from, std::string_view prefix, std::size_t most,
                       std::vector<record>& found) const {
    const std::shared_lock lock(mutex_);
    if (!db_) return closed();
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}));
    std::size_t octets = 0;
    for (it->Seek(slice_of(from)); it->Valid() && found.size() < most && octets < scan_octets;
         it->Next()) {
      const std::string_view key = it->key().ToStringView();
      if (!key.starts_with(prefix)) break;
      found.emplace_back(key, it->value().ToStringView());
      octets += found.back().value.size();
    }
    return it->status();
  }

 private:
  static rocksdb::Status closed() { return rocksdb::Status::IOError("the database is closed"); }

  // Whether there are data but no file that says which. RocksDB would begin a new database beside
  // them, and remove them as nobody's.
  bool is_beheaded() const {
    std::error_code failed;
    if (std::filesystem::exists(path_ + "/CURRENT", failed) || failed) return false;
    std::filesystem::directory_iterator file(path_, failed);
    for (; !failed && file != std::filesystem::directory_iterator(); file.increment(failed)) {
      const auto kind = file->path().extension();
      if (kind == ".log" || kind == ".sst" || kind == ".blob") return true;
    }
    return false;
  }

  // Every log, in the order in which they were written.
  rocksdb::Status scan_log() {
    log_ = log_scanner();
    std::map<std::uint64_t, std::string> logs;
    std::error_code failed;
    std::filesystem::directory_iterator file(path_, failed);
    for (; !failed && file != std::filesystem::directory_iterator(); file.increment(failed)) {
      const std::string name = file->path().filename();
      if (file->path().extension() == ".log")
        logs.emplace(std::strtoull(name.c_str(), nullptr, 10), name);
    }
    if (failed && failed != std::errc::no_such_file_or_directory)
      return rocksdb::Status::IOError(path_, failed.message());
    for (const auto& [number, name] : logs) {
      failed = scan_file(name);
      if (failed) return rocksdb::Status::IOError(path_ + "/" + name, failed.message());
    }
    log_.end_file();
    return rocksdb::Status::OK();
  }

  std::error_code scan_file(const std::string& name) {
    const std::string path = path_ + "/" + name;
    const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return last_error();
    log_.begin_file(path);
    std::string block(log_scanner::block_octets, '\0');
    std::size_t got = block.size();
    while (got == block.size()) {
      const std::error_code failed = read_all(file.number(), block, got);
      if (failed) return failed;
      log_.block(std::string_view(block).substr(0, got));
    }
    return {};
  }

  // What the log holds is written into a table first. Where there is no room for that, RocksDB 7.8
  // ends the program by an assertion, and does not say so.
  bool has_room() const {
    std::error_code failed;
    std::uintmax_t needed = 1u << 20;  // the files that say which files there are
    std::filesystem::directory_iterator file(path_, failed);
    for (; !failed && file != std::filesystem::directory_iterator(); file.increment(failed)) {
      const std::uintmax_t size = file->path().extension() == ".log" ? file->file_size(failed) : 0;
      if (!failed) needed += size;
    }
    const auto parent = std::filesystem::path(path_).parent_path();
    const std::filesystem::space_info space = std::filesystem::space(parent, failed);
    return failed || space.available >= needed;
  }

  static rocksdb::Options options(std::size_t memtable_octets) {
    rocksdb::Options o;
    o.create_if_missing = true;
    o.listeners.push_back(std::make_shared<no_self_help>());
    // A torn end of the log is what a power failure leaves; all that was synced lies before it. A
    // damage is no torn end, and open() does not let it come to this.
    o.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    // Most messages are removed before a memtable is written: the larger, the less gets to a table.
    o.write_buffer_size = memtable_octets;
    o.max_write_buffer_number = 3;
    o.max_background_jobs = 2;
    // One thread writes, so nothing is gained by ways for several.
    o.allow_concurrent_memtable_write = false;
    o.enable_write_thread_adaptive_yield = false;
    // Mail is written once and seldom read twice.
    o.compression = rocksdb::kNoCompression;
    // Texts stay out of compactions.
    o.enable_blob_files = true;
    o.min_blob_size = 4096;
    o.blob_file_size = 64u << 20;
    o.enable_blob_garbage_collection = true;
    o.max_open_files = 256;
    o.skip_stats_update_on_db_open = true;
    rocksdb::BlockBasedTableOptions table;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    o.info_log = std::make_shared<no_log>();
    o.stats_dump_period_sec = 0;
    o.stats_persist_period_sec = 0;
    return o;
  }

  std::string path_;
  log_scanner log_;
  rocksdb::Options options_;
  rocksdb::WriteOptions write_options_[2];  // [1] syncs
  mutable std::shared_mutex mutex_;         // exclusive: while db_ changes
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_ROCKSDB_STORE_HPP
