#ifndef GATEPOST_CHECKS_SPF_IMPL_RECORD_CACHE_IPP
#define GATEPOST_CHECKS_SPF_IMPL_RECORD_CACHE_IPP

#include <iterator>
#include <utility>

#include "checks/spf/record_cache.hpp"

namespace gatepost::checks::spf {
namespace detail {

// List node, slot of the index (at its load factor), the counts of the pointer, and what the
// allocator adds to each.
inline constexpr std::size_t kept_record_overhead = 160;

// The most of a cache that one record may take.
inline constexpr std::size_t smallest_share = 16;

}  // namespace detail

GATEPOST_DECL owned_record::owned_record(std::string_view text)
    : text_(text), parsed_(parse_record(text_)) {}

GATEPOST_DECL std::size_t owned_record::octets() const {
  return sizeof(*this) + text_.capacity() + 1 + parsed_.problem.capacity() + 1 +
         parsed_.record.directives.capacity() * sizeof(directive) + detail::kept_record_overhead;
}

// Read outside of the lock, so that a long record keeps nobody waiting.
GATEPOST_DECL shared_record record_cache::get(std::string_view text) {
  if (shared_record known = find(text)) return known;
  shared_record fresh = std::make_shared<const owned_record>(text);
  if (fresh->problem().empty()) keep(fresh);
  return fresh;
}

GATEPOST_DECL std::size_t record_cache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

GATEPOST_DECL std::size_t record_cache::octets() const {
  const std::lock_guard lock(mutex_);
  return octets_;
}

GATEPOST_DECL record_cache_counters record_cache::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

GATEPOST_DECL shared_record record_cache::find(std::string_view text) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(text);
  if (found == index_.end()) {
    ++counters_.misses;
    return nullptr;
  }
  ++counters_.hits;
  if (found->second != entries_.begin()) entries_.splice(entries_.begin(), entries_, found->second);
  return *found->second;
}

GATEPOST_DECL void record_cache::keep(const shared_record& r) {
  const std::size_t cost = r->octets();
  if (options_.entries == 0 || cost > options_.octets / detail::smallest_share) return;
  const std::lock_guard lock(mutex_);
  // Another thread may have read the same text meanwhile.
  if (index_.contains(r->text())) return;
  index_.reserve(entries_.size() + 1);  // all that may fail comes first
  entries_.push_front(r);
  index_.emplace(r->text(), entries_.begin());
  octets_ += cost;
  make_room();
}

GATEPOST_DECL void record_cache::make_room() {
  while (entries_.size() > options_.entries || octets_ > options_.octets) {
    ++counters_.evictions;
    const shared_record& last = entries_.back();
    octets_ -= last->octets();
    index_.erase(last->text());
    entries_.pop_back();
  }
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_RECORD_CACHE_IPP
