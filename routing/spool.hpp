// Where messages wait between the 250 and the next hop: the durable store behind routing::relay.
//
// A message is written once, through a spool_writer, committed, updated as delivery goes on, and
// removed. When commit() has answered without an error the message survives a crash of the process
// and of the machine; a message whose commit nobody saw succeed is not kept. rocksdb_spool is the
// embedded implementation, memory_spool the one for tests.
#ifndef GATEPOST_ROUTING_SPOOL_HPP
#define GATEPOST_ROUTING_SPOOL_HPP

#include <array>
#include <asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "routing/body_reader.hpp"
#include "routing/spool_message.hpp"
#include "smtp/config.hpp"
#include "smtp/result.hpp"

namespace gatepost::routing {

// How long a change waits until it is said to be done.
enum class durability : std::uint8_t {
  synced,  // until it is on disk
  // Not at all: it is queued, written and synced soon after, and tried again until that succeeds. A
  // crash in between undoes it.
  lazy,
};

// One message on its way in. Destroyed without a commit() that succeeded: nothing is left of it.
// For one thread at a time; the spool may be destroyed before it, and then all that it does fails.
class spool_writer {
 public:
  virtual ~spool_writer() = default;

  // The message's id, from the beginning on.
  virtual const std::string& id() const = 0;
  // Octets written so far.
  virtual std::uint64_t size() const = 0;

  // Octets of the message, in order. `text` is good until this returns. After an error every
  // further call fails too. Errors: spool_full, spool_failed, cancelled.
  virtual asio::awaitable<std::error_code> write(std::string_view text) = 0;

  // Makes the message durable. At most once, and nothing after it. `id` and `size` of `message` are
  // not looked at: they are the writer's. Where the coroutine that awaits this is cancelled or
  // destroyed before the answer, the message is taken back. Errors: as write().
  virtual asio::awaitable<std::error_code> commit(const spool_message& message) = 0;
};

struct spool_stats {
  // Batches by size: of 1 operation, of 2-3, 4-7, ... and the last of all that is larger.
  static constexpr std::size_t batch_classes = 12;

  std::uint64_t messages = 0;  // kept now
  std::uint64_t octets = 0;    // of their texts

  std::uint64_t commits = 0;  // since the start, like all below
  std::uint64_t updates = 0;
  std::uint64_t removals = 0;
  std::uint64_t failures = 0;  // operations that were answered with an error
  std::uint64_t syncs = 0;     // of the log that all share
  std::uint64_t body_syncs = 0;
  std::chrono::nanoseconds sync_time{0};  // in which the log was written and synced
  std::array<std::uint64_t, batch_classes> batches{};
};

// Called with each message, or with what is wrong with it. False: no more.
using spool_visitor = std::function<bool(std::string_view id, smtp::result<spool_message> message)>;

// Thread-safe. What is awaited must be awaited on an executor that runs one handler at a time: an
// io_context with one thread, or a strand.
class spool {
 public:
  virtual ~spool() = default;

  // Whether a message would be taken now; cheap. Errors: spool_full, spool_failed.
  virtual std::error_code available() const = 0;

  // Never nullptr: a writer that cannot write says so.
  virtual std::unique_ptr<spool_writer> begin() = 0;

  // Stores all of `message` but its text anew. Errors: not_found, spool_full, spool_failed; with
  // durability::lazy none.
  virtual asio::awaitable<std::error_code> update(const spool_message& message, durability how) = 0;

  // Forgets a message. Errors: as update(); after spool_full and spool_failed it may be gone all
  // the same.
  virtual asio::awaitable<std::error_code> remove(std::string_view id, durability how) = 0;

  // Both may wait for the disk, for a few milliseconds at most where it is idle. They show what is
  // written, which a lazy update need not be yet. Errors: not_found, spool_corrupt, spool_failed.
  virtual smtp::result<spool_message> load(std::string_view id) const = 0;
  virtual smtp::result<std::unique_ptr<body_reader>> open(std::string_view id) const = 0;

  // Every message that was there when this was called and has not been removed meanwhile, by id and
  // so by age; for the start of a relay and for lists. The visitor may use the spool. Error:
  // spool_failed, where the spool cannot be read.
  virtual std::error_code for_each(const spool_visitor& visitor) const = 0;

  virtual spool_stats stats() const = 0;
};

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_SPOOL_HPP
