// What rocksdb_spool and its writers share: the database, the files, and the two threads that
// write.
//
// Life of a commit: a session queues an operation and waits; a large text goes through the body
// thread, which syncs the file and its name; the log thread writes the record with all that has
// gathered, syncs, and answers. Everything marked "log thread" is used by that thread alone once
// the spool is open.
#ifndef GATEPOST_ROUTING_DETAIL_SPOOL_ENGINE_HPP
#define GATEPOST_ROUTING_DETAIL_SPOOL_ENGINE_HPP

#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

#include "routing/detail/batch_worker.hpp"
#include "routing/detail/body_files.hpp"
#include "routing/detail/free_space.hpp"
#include "routing/detail/rocksdb_store.hpp"
#include "routing/detail/waiter.hpp"
#include "routing/rocksdb_spool.hpp"
#include "routing/spool_id.hpp"
#include "routing/spool_record.hpp"

namespace gatepost::routing::detail {

// Keys of the database.
inline constexpr char record_prefix = 'm';
inline constexpr char body_prefix = 'b';
inline constexpr std::string_view format_key = "!format";
inline constexpr std::string_view format_value = "1";

inline std::string record_key(std::string_view id) { return record_prefix + std::string(id); }
inline std::string body_key(std::string_view id) { return body_prefix + std::string(id); }

struct spool_operation {
  enum class kind : std::uint8_t { commit, update, remove };

  spool_operation(kind k, std::string_view i) : what(k), id(i) {}
  spool_operation(const spool_operation&) = delete;
  spool_operation& operator=(const spool_operation&) = delete;
  // Whatever becomes of it, who waits is told.
  ~spool_operation() { finish(smtp::errc::spool_failed); }

  // False: somebody was to wait, and does no more.
  bool finish(std::error_code with) noexcept {
    const std::shared_ptr<wait_state> who = std::exchange(wait, nullptr);
    return !who || who->finish(with);
  }

  // Of a message whose commit nobody waited for.
  void become_removal() noexcept {
    what = kind::remove;
    synced = false;
    answer.clear();
  }

  kind what;
  bool synced = true;
  bool in_file = false;  // commit: the text is in a file
  bool written = false;  // is part of the batch that is being written
  bool tried = false;    // remove: was part of one before, which may be in the log
  std::string id;
  std::string record;      // commit, update
  std::string body;        // commit: the text, unless in_file
  std::uint64_t size = 0;  // of the text
  smtp::memory_reservation held;
  std::shared_ptr<wait_state> wait;  // nobody: the operation is lazy
  std::error_code answer;
};

using operation_ptr = std::unique_ptr<spool_operation>;

// A text that is too large for memory. While the body thread has a job with it nobody else touches
// it.
struct spilled_text {
  spilled_text(std::shared_ptr<unfinished_file> f, std::string b, smtp::memory_reservation h)
      : file(std::move(f)), buffer(std::move(b)), held(std::move(h)) {}

  std::shared_ptr<unfinished_file> file;
  std::string buffer;  // not written yet
  smtp::memory_reservation held;
};

// With `commit`: write what is left, finish the file, go on to the log. With `wait`: write the
// buffer. With neither: forget the text.
struct body_job {
  std::shared_ptr<spilled_text> text;
  std::shared_ptr<wait_state> wait;
  operation_ptr commit;
};

class spool_engine {
 public:
  // One batch: enough to share a sync among hundreds, short enough not to keep the first one
  // waiting.
  static constexpr std::uint64_t batch_octets = 4u << 20;

  explicit spool_engine(const rocksdb_spool_options& options)
      : options_(options),
        ids_(std::random_device{}()),
        space_(options.directory, options.free_reserve),
        store_(options.directory + "/db", options.memtable_octets),
        retry_wait_(options.first_retry),
        log_("gatepost-spool", [this](auto& batch) { return run_log(batch); }),
        bodies_("gatepost-bodies", [this](auto& jobs) { return run_bodies(jobs); }) {}

  // --- Start and end -----------------------------------------------------------------------------

  // What is wrong, for people; empty: it is open.
  std::string start();

  void stop() {
    bodies_.stop();
    log_.stop();
    finish();
    store_.close();
  }

  // --- For sessions, on any thread ---------------------------------------------------------------

  std::error_code available() {
    const int broken = broken_.load(std::memory_order_relaxed);
    if (broken != 0) return static_cast<smtp::errc>(broken);
    const bool low = !space_.enough();
    if (low != low_.load(std::memory_order_relaxed) && low != low_.exchange(low)) report_space(low);
    return low ? make_error_code(smtp::errc::spool_full) : std::error_code{};
  }

  std::string next_id() { return ids_.next(std::chrono::system_clock::now()); }

  std::shared_ptr<unfinished_file> create_file(const std::string& id) { return files_.create(id); }

  bool push(operation_ptr& operation) { return log_.push(operation); }
  bool push(body_job& job) { return bodies_.push(job); }

  // A commit whose answer nobody has heard.
  void take_back(const std::string& id) {
    auto removal = removal_of(id);
    log_.push(removal);
  }

  const rocksdb_spool_options& options() const { return options_; }
  const rocksdb_store& store() const { return store_; }
  const body_files& files() const { return files_; }

  spool_stats stats() const {
    const std::lock_guard lock(stats_mutex_);
    return stats_;
  }

  void report(const std::string& what) const {
    if (options_.observer == nullptr) return;
    options_.observer->on_trouble({.where = "spool", .what = what, .session_id = {}});
  }

 private:
  using clock = std::chrono::steady_clock;
  using wake_up = std::optional<std::chrono::milliseconds>;

  // --- Start -------------------------------------------------------------------------------------
  std::string prepare_directory();
  std::string check_access(const struct stat& found) const;
  std::string open_store();
  std::string check_format();
  std::string write_format();
  std::string count_messages();
  void report_torn_end() const;
  std::string keep_damaged_log();
  std::string tidy_files();
  std::string set_aside(const std::string& name);

  // --- Body thread -------------------------------------------------------------------------------
  wake_up run_bodies(std::vector<body_job>& jobs);
  void do_job(body_job& job, std::vector<operation_ptr>& finished);
  std::error_code write_buffer(spilled_text& text);
  std::error_code finish_file(spilled_text& text);
  void hand_over(std::vector<operation_ptr>& finished);
  bool pass_on(operation_ptr& operation);

  // --- Log thread --------------------------------------------------------------------------------
  wake_up run_log(std::vector<operation_ptr>& batch);
  void work_off(std::vector<operation_ptr>& operations);
  void write(std::span<operation_ptr> operations);
  std::error_code try_to_write(std::span<operation_ptr> operations);
  void make_room(std::size_t operations);
  void begin_batch();
  void prepare(spool_operation& operation, bool& sync);
  std::error_code find(const std::string& id);
  void prepare_removal(spool_operation& operation);
  rocksdb::Status write_batch(bool sync);
  rocksdb::Status write_batch_unguarded(bool sync);
  void settle(operation_ptr& operation, std::error_code written);
  void succeed(operation_ptr& operation);
  void fail(operation_ptr& operation);
  void doubt(operation_ptr& operation);
  void removed(spool_operation& operation);
  void remove_unneeded_files();
  void sync_if_due();
  void break_down(const rocksdb::Status& status);
  void try_again();
  rocksdb::Status repair();
  void dispel(spool_operation& doubtful);
  wake_up next_wake_up() const;
  void finish();
  void finish_log();

  // --- Both --------------------------------------------------------------------------------------
  static operation_ptr removal_of(std::string_view id) {
    auto removal = std::make_unique<spool_operation>(spool_operation::kind::remove, id);
    removal->synced = false;
    return removal;
  }
  std::error_code fault(spool_step step) const {
    return options_.fault ? options_.fault(step) : std::error_code{};
  }
  std::error_code trouble_with_file(std::error_code why) const;
  void report_space(bool low) const;
  // On the threads, where nothing may go wrong by that: not by a lack of memory for the words, nor
  // by the observer.
  template <class Words>
  void complain(Words words) const noexcept {
    try {
      report(words());
    } catch (...) {
    }
  }
  template <class Change>
  void count(Change change) {
    const std::lock_guard lock(stats_mutex_);
    change(stats_);
  }

  const rocksdb_spool_options options_;
  descriptor lock_;  // the directory; its lock says that it is ours
  spool_id_source ids_;
  free_space space_;
  rocksdb_store store_;
  body_files files_;
  bool new_ = false;  // the database was begun by this start

  std::atomic<int> broken_{0};  // an smtp::errc: why nothing can be written
  std::atomic<bool> low_{false};
  mutable std::mutex stats_mutex_;
  spool_stats stats_;

  // --- Log thread --------------------------------------------------------------------------------
  rocksdb::WriteBatch batch_;
  std::string found_;
  std::unordered_set<std::string> in_file_;     // ids of the messages with a file
  std::unordered_set<std::string_view> going_;  // ids that the batch removes
  std::vector<operation_ptr> follow_ups_;       // removals of commits that nobody waited for
  std::vector<operation_ptr> retries_;          // lazy operations that failed
  // Failed commits and removals: the log may hold them all the same.
  std::vector<operation_ptr> doubtful_;
  // Texts of messages that are removed. They go when that is synced: else a loss of power could
  // leave a record without its text.
  std::vector<std::string> unneeded_files_;
  std::optional<clock::time_point> unsynced_since_;
  clock::time_point next_attempt_{};
  std::chrono::milliseconds retry_wait_;

  batch_worker<operation_ptr> log_;
  batch_worker<body_job> bodies_;
};

}  // namespace gatepost::routing::detail

#include "routing/detail/spool_log.hpp"
#include "routing/detail/spool_repair.hpp"
#include "routing/detail/spool_start.hpp"

#endif  // GATEPOST_ROUTING_DETAIL_SPOOL_ENGINE_HPP
