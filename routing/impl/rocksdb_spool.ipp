#ifndef GATEPOST_ROUTING_IMPL_ROCKSDB_SPOOL_IPP
#define GATEPOST_ROUTING_IMPL_ROCKSDB_SPOOL_IPP

#include <algorithm>
#include <asio/any_io_executor.hpp>
#include <asio/this_coro.hpp>
#include <utility>
#include <vector>

#include "routing/detail/crc32c.hpp"
#include "routing/detail/spool_engine.hpp"
#include "routing/rocksdb_spool.hpp"

namespace gatepost::routing {
namespace detail {

// Octets in a buffer before they go to the file, and what is held at most of a text that is
// spilled.
inline constexpr std::size_t spill_chunk = 256u << 10;
// Memory is reserved in steps, so that small writes do not each touch the shared count.
inline constexpr std::size_t reserve_step = 4096;

// Takes the message back, if the coroutine goes away after the commit was answered and before it
// heard.
class commit_wait {
 public:
  commit_wait(const asio::any_io_executor& executor, std::shared_ptr<spool_engine> engine,
              const std::string& id)
      : waiter_(executor), engine_(std::move(engine)), id_(id) {}
  commit_wait(const commit_wait&) = delete;
  commit_wait& operator=(const commit_wait&) = delete;
  ~commit_wait() {
    if (!waiter_.leave()) return;
    try {
      engine_->take_back(id_);
    } catch (...) {
      // No memory for that. The next start finds the message, as one that was committed right
      // before a crash: it is delivered, and nobody was promised that it is not.
    }
  }

  const std::shared_ptr<wait_state>& state() const { return waiter_.state(); }
  asio::awaitable<std::error_code> wait() { return waiter_.wait(); }

 private:
  waiter waiter_;
  std::shared_ptr<spool_engine> engine_;
  std::string id_;
};

class rocksdb_writer final : public spool_writer {
 public:
  explicit rocksdb_writer(std::shared_ptr<spool_engine> engine)
      : engine_(std::move(engine)), id_(engine_->next_id()), held_(engine_->options().budget) {}

  ~rocksdb_writer() override {
    if (!spilled_) return;
    // Removing a file waits for the disk, so the body thread does it.
    body_job forget{std::move(spilled_), nullptr, nullptr};
    try {
      engine_->push(forget);
    } catch (...) {
      // No memory for that: this thread does it, at the end of this block.
    }
  }

  const std::string& id() const override { return id_; }
  std::uint64_t size() const override { return size_; }

  asio::awaitable<std::error_code> write(std::string_view text) override {
    if (!failed_ && size_ == 0) failed_ = engine_->available();
    if (failed_ || text.empty()) co_return failed_;
    size_ += text.size();
    crc32c_ = crc32c(text, crc32c_);
    if (!spilled_ && fits(text.size())) {
      buffer_.append(text);
      co_return std::error_code{};
    }
    if (!spilled_) spill();
    failed_ = co_await write_spilled(text);
    co_return failed_;
  }

  asio::awaitable<std::error_code> commit(const spool_message& message) override {
    if (!failed_) failed_ = engine_->available();
    if (failed_) co_return failed_;
    // Whatever happens, nothing comes after this.
    failed_ = smtp::errc::cancelled;
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    commit_wait answer(executor, engine_, id_);
    if (!submit(message, answer.state())) co_return smtp::errc::spool_failed;
    const std::error_code error = co_await answer.wait();
    co_return error;
  }

 private:
  bool fits(std::size_t more) {
    const std::size_t wanted = buffer_.size() + more;
    if (wanted > engine_->options().inline_limit) return false;
    return held_.grow_to((wanted + reserve_step - 1) / reserve_step * reserve_step);
  }

  void spill() {
    spilled_ = std::make_shared<spilled_text>(engine_->create_file(id_), std::move(buffer_),
                                              std::move(held_));
    buffer_ = {};
  }

  asio::awaitable<std::error_code> write_spilled(std::string_view text) {
    std::string& buffer = spilled_->buffer;
    while (!text.empty()) {
      const std::size_t room = spill_chunk - std::min(buffer.size(), spill_chunk);
      const std::string_view part = text.substr(0, room);
      text.remove_prefix(part.size());
      const bool reserved = spilled_->held.grow_to(buffer.size() + part.size());
      buffer.append(part);
      if (reserved && buffer.size() < spill_chunk) continue;
      const std::error_code error = co_await flush();
      if (error) co_return error;
    }
    co_return std::error_code{};
  }

  asio::awaitable<std::error_code> flush() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    waiter answer(executor);
    // If this coroutine goes away meanwhile, the buffer is the body thread's, and this writer
    // fails.
    failed_ = smtp::errc::cancelled;
    body_job job{spilled_, answer.state(), nullptr};
    if (!engine_->push(job)) co_return smtp::errc::spool_failed;
    const std::error_code error = co_await answer.wait();
    failed_ = error;
    co_return error;
  }

  bool submit(const spool_message& message, const std::shared_ptr<wait_state>& answer) {
    auto commit = std::make_unique<spool_operation>(spool_operation::kind::commit, id_);
    encode_spool_record(message, kept_text(size_, crc32c_), commit->record);
    commit->size = size_;
    commit->wait = answer;
    commit->in_file = spilled_ != nullptr;
    if (!spilled_) {
      commit->body = std::move(buffer_);
      commit->held = std::move(held_);
      return engine_->push(commit);
    }
    body_job job{std::move(spilled_), nullptr, std::move(commit)};
    return engine_->push(job);
  }

  std::shared_ptr<spool_engine> engine_;
  std::string id_;
  std::uint64_t size_ = 0;
  std::uint32_t crc32c_ = 0;  // of the text so far
  std::error_code failed_;    // what every further call answers
  std::string buffer_;
  smtp::memory_reservation held_;
  std::shared_ptr<spilled_text> spilled_;
};

// Queues an update or a removal, and waits for it unless it is lazy.
inline asio::awaitable<std::error_code> submit(std::shared_ptr<spool_engine> engine,
                                               operation_ptr operation, durability how) {
  operation->synced = how == durability::synced;
  if (how == durability::lazy) {
    const bool pushed = engine->push(operation);
    co_return pushed ? std::error_code{} : make_error_code(smtp::errc::spool_failed);
  }
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  waiter answer(executor);
  operation->wait = answer.state();
  if (!engine->push(operation)) co_return smtp::errc::spool_failed;
  const std::error_code error = co_await answer.wait();
  co_return error;
}

inline void report_damage(const spool_engine& engine, std::string_view id, std::string_view what) {
  engine.report(engine.options().directory + ": message " + std::string(id) + ": " +
                std::string(what) + "; it stays where it is and is not delivered");
}

inline smtp::result<spool_message> decode_or_report(const spool_engine& engine, std::string_view id,
                                                    std::string_view record) {
  auto message = decode_spool_record(id, record);
  if (!message) report_damage(engine, id, "its record is damaged");
  return message;
}

}  // namespace detail

GATEPOST_DECL std::unique_ptr<rocksdb_spool> rocksdb_spool::open(
    const rocksdb_spool_options& options, std::string& problem) {
  auto engine = std::make_shared<detail::spool_engine>(options);
  problem = engine->start();
  if (!problem.empty()) return nullptr;
  return std::unique_ptr<rocksdb_spool>(new rocksdb_spool(std::move(engine)));
}

GATEPOST_DECL rocksdb_spool::~rocksdb_spool() { engine_->stop(); }

GATEPOST_DECL std::error_code rocksdb_spool::available() const { return engine_->available(); }

GATEPOST_DECL std::unique_ptr<spool_writer> rocksdb_spool::begin() {
  return std::make_unique<detail::rocksdb_writer>(engine_);
}

GATEPOST_DECL asio::awaitable<std::error_code> rocksdb_spool::update(const spool_message& message,
                                                                     durability how) {
  using detail::spool_operation;
  auto operation = std::make_unique<spool_operation>(spool_operation::kind::update, message.id);
  encode_spool_record(message, kept_text(message.size, message.crc32c), operation->record);
  return detail::submit(engine_, std::move(operation), how);
}

GATEPOST_DECL asio::awaitable<std::error_code> rocksdb_spool::remove(std::string_view id,
                                                                     durability how) {
  using detail::spool_operation;
  auto operation = std::make_unique<spool_operation>(spool_operation::kind::remove, id);
  return detail::submit(engine_, std::move(operation), how);
}

GATEPOST_DECL smtp::result<spool_message> rocksdb_spool::load(std::string_view id) const {
  std::string record;
  const rocksdb::Status status = engine_->store().read(detail::record_key(id), record);
  if (!status.ok()) return detail::error_of(status);
  return detail::decode_or_report(*engine_, id, record);
}

GATEPOST_DECL smtp::result<std::unique_ptr<body_reader>> rocksdb_spool::open(
    std::string_view id) const {
  std::string record;
  rocksdb::Status status = engine_->store().read(detail::record_key(id), record);
  if (!status.ok()) return detail::error_of(status);
  const auto kept = text_in_spool_record(record);
  std::string text;
  status = engine_->store().read(detail::body_key(id), text);
  // RocksDB has compared its own checksums.
  if (status.ok() && kept && text.size() == kept->size) {
    return std::unique_ptr<body_reader>(std::make_unique<memory_body>(std::move(text)));
  }
  if (!status.ok() && !status.IsNotFound()) return detail::error_of(status);
  if (status.IsNotFound() && kept) {
    auto body = engine_->files().read(std::string(id), *kept);
    if (body || body.error() == smtp::errc::spool_failed) return body;
  }
  detail::report_damage(*engine_, id, "its text is missing or not as long as it was");
  return smtp::errc::spool_corrupt;
}

GATEPOST_DECL std::error_code rocksdb_spool::for_each(const spool_visitor& visitor) const {
  // Records that are held in memory at once, and read without a write in between.
  constexpr std::size_t page = 256;
  const std::string prefix(1, detail::record_prefix);
  std::string from = prefix;
  std::vector<detail::rocksdb_store::record> found;
  do {
    found.clear();
    const rocksdb::Status status = engine_->store().scan(from, prefix, page, found);
    if (!status.ok()) return detail::error_of(status);
    for (const auto& r : found) {
      const std::string_view id = std::string_view(r.key).substr(1);
      if (!visitor(id, detail::decode_or_report(*engine_, id, r.value))) return {};
    }
    if (!found.empty()) from = found.back().key + '\0';
  } while (!found.empty());
  return {};
}

GATEPOST_DECL spool_stats rocksdb_spool::stats() const { return engine_->stats(); }

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_ROCKSDB_SPOOL_IPP
