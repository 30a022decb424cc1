// What the DNS has answered, for as long as it said: a bounded cache of positive answers, negative
// ones (RFC 2308) and failures.
//
// Sans-I/O: time is a parameter, and never goes back. The least recently used entry goes when the
// cache is full, by count or by octets. With `stale` set, an answer that has run out is kept so
// much longer, and given where no new one can be had (RFC 8767). One thread; entries are found by
// smtp::seeded_hash, since strangers choose the names.
//
// That a name does not exist holds for all types (RFC 2308 §5, RFC 8020), until another answer
// tells of it. Not for CNAME, in either way: a name that is an alias of none is told to not exist
// (RFC 6604 §3), and has that CNAME.
#ifndef GATEPOST_SMTP_DNS_CACHE_HPP
#define GATEPOST_SMTP_DNS_CACHE_HPP

#include <absl/container/flat_hash_map.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/dns/message.hpp"
#include "smtp/seeded_hash.hpp"

namespace gatepost::smtp::dns {

struct cache_options {
  // A busy server asks some thousand names an hour. 0: nothing is kept.
  std::size_t entries = 20000;
  // All entries together, with what it costs to keep them.
  std::size_t octets = 16u << 20;
  // Raised to this where the answer says less. 0: as the answer says; a TTL of 0 is not kept.
  std::chrono::seconds min_ttl{0};
  // A day: nobody waits longer for a change (RFC 8767 §4 lets a cache choose; a week is its most).
  std::chrono::seconds max_ttl = std::chrono::hours(24);
  // RFC 2308 §5: one to three hours.
  std::chrono::seconds max_negative_ttl = std::chrono::hours(3);
  // How long a failure is remembered: a dead server is not asked for each session. RFC 2308 §7.1:
  // not above five minutes. 0: not at all.
  std::chrono::seconds failure_ttl{5};
  // How long past its TTL an answer may serve when no new one is to be had. RFC 8767 §5 suggests
  // one to three days; off unless asked for, since a check that trusts an old record must want it.
  std::chrono::seconds stale{0};
  // What such an answer says about its TTL, and how long nobody asks again (RFC 8767 §4, §5).
  std::chrono::seconds stale_ttl{30};
};

struct cache_counters {
  std::uint64_t hits = 0;           // records, still valid
  std::uint64_t negative_hits = 0;  // no such name, no data
  std::uint64_t failure_hits = 0;
  std::uint64_t stale = 0;      // given past their time
  std::uint64_t misses = 0;     // questions that had to be asked
  std::uint64_t evictions = 0;  // for want of room
};

class cache {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  // The same for questions that are the same: the type, then the name in lower case without a final
  // dot.
  GATEPOST_DECL static std::string key_of(const question& asked);

  explicit cache(const cache_options& options = {}) : options_(options) {}
  cache(const cache&) = delete;
  cache& operator=(const cache&) = delete;

  // What is known now, its TTL what is left of it (at least 1 s); nothing: ask. A name in any case,
  // with or without a final dot. A failure that is remembered counts as known.
  // Hits are counted, a miss is not: it is for count_miss(), once somebody is really asked.
  GATEPOST_DECL std::optional<any_answer> find(const question& asked, time_point now);
  void count_miss() { ++counters_.misses; }

  // Takes what was answered, and gives what to tell: the answer, its TTL within the limits, or a
  // stale one in the place of a failure.
  GATEPOST_DECL any_answer store(const question& asked, any_answer answer, time_point now);

  GATEPOST_DECL void clear();

  std::size_t size() const { return entries_.size(); }
  // What the entries cost, about.
  std::size_t octets() const { return octets_; }
  const cache_counters& counters() const { return counters_; }
  const cache_options& options() const { return options_; }

 private:
  struct entry {
    std::string key;
    any_answer answer;  // definite, unless there is nothing but a failure
    time_point until;
    time_point retry;  // a failure keeps others from asking before
    failure why = failure::none;
    std::size_t cost = 0;
  };
  using place = std::list<entry>::iterator;

  entry* use(std::string_view key);
  static std::array<entry*, 2> newest_first(entry* a, entry* b);
  any_answer valid_answer(const entry& e, time_point now);
  std::chrono::seconds clamped(const any_answer& a) const;
  void keep(std::string key, any_answer answer, time_point now, std::chrono::seconds ttl);
  any_answer store_failure(std::string key, record_type type, any_answer answer, time_point now);
  any_answer stale_answer(const entry& e, record_type type);
  void forget(std::string_view key);
  bool may_serve_stale(const entry& e, time_point now) const;
  void put(entry e);
  void drop(place p);
  void make_room();

  cache_options options_;
  std::list<entry> entries_;  // the most recently used first
  absl::flat_hash_map<std::string_view, place, seeded_hash, std::equal_to<>> index_;
  std::size_t octets_ = 0;
  cache_counters counters_;
};

}  // namespace gatepost::smtp::dns

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/dns/impl/cache.ipp"
#endif

#endif  // GATEPOST_SMTP_DNS_CACHE_HPP
