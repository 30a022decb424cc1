// A bound on memory that many sessions share: octets of messages in flight.
//
// Whoever holds octets on behalf of a client reserves them first, and does something else where
// that fails: writes to disk, or turns the client away. Counts only; allocates nothing, never
// waits. Thread-safe; a memory_reservation belongs to one thread at a time.
#ifndef GATEPOST_SMTP_MEMORY_BUDGET_HPP
#define GATEPOST_SMTP_MEMORY_BUDGET_HPP

#include <atomic>
#include <cassert>
#include <cstddef>
#include <utility>

#include "smtp/config.hpp"

namespace gatepost::smtp {

class memory_budget {
 public:
  explicit memory_budget(std::size_t limit) noexcept : limit_(limit) {}
  memory_budget(const memory_budget&) = delete;
  memory_budget& operator=(const memory_budget&) = delete;

  // False: that would be more than the limit, and nothing is reserved.
  bool try_reserve(std::size_t octets) noexcept {
    std::size_t used = used_.load(std::memory_order_relaxed);
    do {
      const std::size_t limit = limit_.load(std::memory_order_relaxed);
      if (used > limit || octets > limit - used) return false;
    } while (!used_.compare_exchange_weak(used, used + octets, std::memory_order_relaxed));
    return true;
  }

  // Gives back what was reserved.
  void release(std::size_t octets) noexcept {
    [[maybe_unused]] const std::size_t before = used_.fetch_sub(octets, std::memory_order_relaxed);
    assert(before >= octets);
  }

  std::size_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  std::size_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }

  // May be less than what is used: then nothing can be reserved until enough was released.
  void limit(std::size_t octets) noexcept { limit_.store(octets, std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> used_{0};
  std::atomic<std::size_t> limit_;
};

// What one holder has reserved; released by its destructor. The budget outlives it.
class memory_reservation {
 public:
  // Of no budget: grow_to() always succeeds.
  memory_reservation() noexcept = default;
  // nullptr: of no budget.
  explicit memory_reservation(memory_budget* budget) noexcept : budget_(budget) {}

  memory_reservation(memory_reservation&& other) noexcept
      : budget_(other.budget_), octets_(std::exchange(other.octets_, 0)) {}
  memory_reservation& operator=(memory_reservation&& other) noexcept {
    if (this == &other) return *this;
    release();
    budget_ = other.budget_;
    octets_ = std::exchange(other.octets_, 0);
    return *this;
  }
  ~memory_reservation() { release(); }

  // Reserves what is missing to `octets`; never gives anything back. False: nothing has changed.
  bool grow_to(std::size_t octets) noexcept {
    if (octets <= octets_) return true;
    if (budget_ != nullptr && !budget_->try_reserve(octets - octets_)) return false;
    octets_ = octets;
    return true;
  }

  void shrink_to(std::size_t octets) noexcept {
    if (octets >= octets_) return;
    if (budget_ != nullptr) budget_->release(octets_ - octets);
    octets_ = octets;
  }

  void release() noexcept { shrink_to(0); }

  std::size_t octets() const noexcept { return octets_; }

 private:
  memory_budget* budget_ = nullptr;
  std::size_t octets_ = 0;
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_MEMORY_BUDGET_HPP
