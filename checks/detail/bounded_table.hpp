// Counters by key for checks that count: bounded in memory, shared by all threads.
//
// Entries that say nothing any more make room for new ones. Where every entry still says something
// a new key is not entered: what is counted already stays counted, and nobody can push it out. Keys
// are hashed with seeds, since those who are counted choose them.
#ifndef GATEPOST_CHECKS_DETAIL_BOUNDED_TABLE_HPP
#define GATEPOST_CHECKS_DETAIL_BOUNDED_TABLE_HPP

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>

#include "smtp/seeded_hash.hpp"

namespace gatepost::checks::detail {

using table_time = std::chrono::steady_clock::time_point;

// How much of a rate is used up: one point in time, by the generic cell rate algorithm. `count`
// events may come at once; after that one every `per / count`.
class meter {
 public:
  bool take(std::uint32_t count, std::chrono::nanoseconds per, table_time now) {
    const auto each = per / count;
    const table_time from = std::max(empty_at_, now);
    if (from - now > per - each) return false;
    empty_at_ = from + each;
    return true;
  }

  bool empty(table_time now) const { return empty_at_ <= now; }

 private:
  table_time empty_at_{};
};

// Entry has a default constructor and `bool idle(table_time) const`: it says nothing any more.
template <class Key, class Entry>
class bounded_table {
 public:
  explicit bounded_table(std::size_t capacity)
      : shard_capacity_(std::max<std::size_t>(capacity / shard_count, 1)) {}

  // Calls f(Entry&) with the entry of `key`, which is made if need be, under a lock; gives its
  // result, or `if_full` where there is no room.
  template <class F, class R>
  R with(const Key& key, table_time now, R if_full, F f) {
    shard& s = shard_of(key);
    const std::lock_guard lock(s.mutex);
    auto at = s.entries.find(key);
    if (at == s.entries.end()) {
      if (s.entries.size() >= shard_capacity_) sweep(s, now);
      if (s.entries.size() >= shard_capacity_) return if_full;
      at = s.entries.try_emplace(key).first;
    }
    return f(at->second);
  }

  // As with(), of an entry that is there already, or not at all.
  template <class F>
  void with_known(const Key& key, F f) {
    shard& s = shard_of(key);
    const std::lock_guard lock(s.mutex);
    const auto at = s.entries.find(key);
    if (at != s.entries.end()) f(at->second);
  }

  std::size_t size() {
    std::size_t all = 0;
    for (shard& s : shards_) {
      const std::lock_guard lock(s.mutex);
      all += s.entries.size();
    }
    return all;
  }

 private:
  // Enough for as many threads as a machine has to seldom meet.
  static constexpr std::size_t shard_count = 16;
  // A full table is not searched for idle entries again and again.
  static constexpr std::chrono::milliseconds sweep_interval{100};

  struct alignas(64) shard {
    std::mutex mutex;
    absl::flat_hash_map<Key, Entry, smtp::seeded_hash, std::equal_to<>> entries;
    table_time next_sweep{};
  };

  shard& shard_of(const Key& key) { return shards_[choose_(key) % shard_count]; }

  static void sweep(shard& s, table_time now) {
    if (now < s.next_sweep) return;
    s.next_sweep = now + sweep_interval;
    absl::erase_if(s.entries, [now](const auto& e) { return e.second.idle(now); });
  }

  std::size_t shard_capacity_;
  const smtp::seeded_hash choose_;  // each shard has its own
  std::array<shard, shard_count> shards_;
};

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_BOUNDED_TABLE_HPP
