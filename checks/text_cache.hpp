// What was read from texts before: a bounded cache, by the text itself.
//
// For records of the DNS whose meaning depends on nothing but their text: what is found here is
// what reading it again would give, and there is nothing to expire. Most mail comes from few
// senders, whose records cost more to read than all the rest of a check.
//
// Thread-safe: one cache may serve all threads. What it gives may be kept as long as one likes, and
// does not change.
//
//     class entry {                                 // immutable
//      public:
//       explicit entry(std::string_view text);      // reads it
//       const std::string& text() const;            // as it was given
//       std::size_t octets() const;                 // what it holds, about
//       bool worth_keeping() const;                 // what nobody will use again is not
//     };
//     text_cache<entry> cache;
//     const std::shared_ptr<const entry> e = cache.get("v=spf1 -all");
#ifndef GATEPOST_CHECKS_TEXT_CACHE_HPP
#define GATEPOST_CHECKS_TEXT_CACHE_HPP

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/seeded_hash.hpp"

namespace gatepost::checks {

struct text_cache_options {
  // A busy server sees some thousand domains an hour, most of them with the records of a few hosts.
  // 0: nothing is kept.
  std::size_t entries = 4096;
  // All entries together, with what it costs to keep them; one that costs more than a sixteenth of
  // it is not kept, or a few records made for it would throw out all others.
  std::size_t octets = 4u << 20;
};

struct text_cache_counters {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t evictions = 0;  // for want of room
};

template <class Entry>
class text_cache {
 public:
  using shared_entry = std::shared_ptr<const Entry>;

  explicit text_cache(const text_cache_options& options = {}) : options_(options) {}
  text_cache(const text_cache&) = delete;
  text_cache& operator=(const text_cache&) = delete;

  // What Entry makes of `text`; never null. The least recently used one goes when there is no room.
  // It is read outside of the lock, so that a long text keeps nobody waiting.
  shared_entry get(std::string_view text) {
    if (shared_entry known = find(text)) return known;
    shared_entry fresh = std::make_shared<const Entry>(text);
    if (fresh->worth_keeping()) keep(fresh);
    return fresh;
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }
  // What one entry costs in all, and what all of them cost, about.
  static std::size_t cost_of(const Entry& e) { return e.octets() + overhead; }
  std::size_t octets() const {
    const std::lock_guard lock(mutex_);
    return octets_;
  }
  text_cache_counters counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  using place = typename std::list<shared_entry>::iterator;

  // List node, slot of the index (at its load factor), the counts of the pointer, and what the
  // allocator adds to each.
  static constexpr std::size_t overhead = 160;
  // The most of a cache that one entry may take.
  static constexpr std::size_t smallest_share = 16;

  shared_entry find(std::string_view text) {
    const std::size_t hash = hash_(text);  // outside of the lock, as it may be long
    const std::lock_guard lock(mutex_);
    const auto found = index_.find(text, hash);
    if (found == index_.end()) {
      ++counters_.misses;
      return nullptr;
    }
    ++counters_.hits;
    if (found->second != entries_.begin())
      entries_.splice(entries_.begin(), entries_, found->second);
    return *found->second;
  }

  void keep(const shared_entry& e) {
    const std::size_t cost = cost_of(*e);
    if (options_.entries == 0 || cost > options_.octets / smallest_share) return;
    const std::lock_guard lock(mutex_);
    // Another thread may have read the same text meanwhile.
    if (index_.contains(e->text())) return;
    index_.reserve(entries_.size() + 1);  // all that may fail comes first
    entries_.push_front(e);
    index_.emplace(e->text(), entries_.begin());
    octets_ += cost;
    make_room();
  }

  void make_room() {
    while (entries_.size() > options_.entries || octets_ > options_.octets) {
      ++counters_.evictions;
      const shared_entry& last = entries_.back();
      octets_ -= cost_of(*last);
      index_.erase(last->text());
      entries_.pop_back();
    }
  }

  const text_cache_options options_;
  const smtp::seeded_hash hash_;
  mutable std::mutex mutex_;
  std::list<shared_entry> entries_;  // the most recently used first
  // By a text that lies in its entry; strangers choose it.
  absl::flat_hash_map<std::string_view, place, smtp::seeded_hash, std::equal_to<>> index_{0, hash_};
  std::size_t octets_ = 0;
  text_cache_counters counters_;
};

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_TEXT_CACHE_HPP
