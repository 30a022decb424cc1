#ifndef GATEPOST_SMTP_DNS_IMPL_CACHE_IPP
#define GATEPOST_SMTP_DNS_IMPL_CACHE_IPP

#include <algorithm>
#include <utility>
#include <variant>

#include "smtp/dns/cache.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp::dns {
namespace detail {

inline std::size_t heap_octets(const std::string& text) { return text.capacity() + 1; }
inline std::size_t cost_of(const ip_address&) { return 0; }
inline std::size_t cost_of(const std::string& text) { return heap_octets(text); }
inline std::size_t cost_of(const mx_record& r) { return heap_octets(r.exchange); }
inline std::size_t cost_of(const tlsa_record& r) { return heap_octets(r.data); }

// List node, slot of the index (at its load factor), and what the allocator adds to each.
inline constexpr std::size_t entry_overhead = 96;

template <class Record>
std::size_t cost_of(const answer<Record>& a) {
  std::size_t sum = heap_octets(a.reason()) + a.records().capacity() * sizeof(Record);
  for (const Record& r : a.records()) sum += cost_of(r);
  return sum;
}

inline void set_ttl(any_answer& a, std::chrono::seconds ttl) {
  std::visit([ttl](auto& x) { x.set_ttl(ttl); }, a);
}

inline std::chrono::seconds ttl_of(const any_answer& a) {
  return std::visit([](const auto& x) { return x.ttl(); }, a);
}

inline bool is_definite(const any_answer& a) {
  return std::visit([](const auto& x) { return x.is_definite(); }, a);
}

// The key of a name that does not exist, from that of any question about it: type 0 is none (RFC
// 6895 §3.1). Empty: it says nothing of this type.
inline std::string absence_key_of(std::string key) {
  const auto cname = static_cast<std::uint16_t>(record_type::cname);
  if (key[0] == 0 && static_cast<unsigned char>(key[1]) == cname) return {};
  key[0] = key[1] = 0;
  return key;
}

// What is known of a name's absence, as an answer of that type.
inline any_answer as_type(record_type type, const any_answer& a) {
  if (status_of(a) != status::no_such_name) return a;
  any_answer out = no_such_name(type);
  const bool validated = std::visit([](const auto& x) { return x.authenticated(); }, a);
  std::visit([=](auto& x) { x.set_authenticated(validated); }, out);
  set_ttl(out, ttl_of(a));
  return out;
}

// What is left of the time until `until`, in whole seconds, rounded up.
inline std::chrono::seconds left(cache::time_point until, cache::time_point now) {
  return std::chrono::ceil<std::chrono::seconds>(until - now);
}

}  // namespace detail

GATEPOST_DECL std::string cache::key_of(const question& asked) {
  std::string_view name = asked.name;
  if (name.ends_with('.')) name.remove_suffix(1);
  const auto type = static_cast<std::uint16_t>(asked.type);
  std::string key(2 + name.size(), '\0');
  key[0] = static_cast<char>(type >> 8);
  key[1] = static_cast<char>(type & 0xff);
  std::transform(name.begin(), name.end(), key.begin() + 2,
                 [](char c) { return to_lower_ascii(c); });
  return key;
}

GATEPOST_DECL std::optional<any_answer> cache::find(const question& asked, time_point now) {
  std::string key = key_of(asked);
  entry* own = use(key);
  if (own != nullptr && now < own->until) return valid_answer(*own, now);
  entry* absent = use(detail::absence_key_of(std::move(key)));
  if (absent != nullptr && now < absent->until)
    return detail::as_type(asked.type, valid_answer(*absent, now));
  for (entry* e : newest_first(own, absent)) {
    if (e == nullptr || now >= e->retry) continue;
    if (may_serve_stale(*e, now)) return stale_answer(*e, asked.type);
    ++counters_.failure_hits;
    return failed(asked.type, e->why);
  }
  for (entry* e : {own, absent})
    if (e != nullptr && !may_serve_stale(*e, now)) forget(e->key);
  return std::nullopt;
}

// nullptr: there is none.
GATEPOST_DECL cache::entry* cache::use(std::string_view key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &*found->second;
}

GATEPOST_DECL std::array<cache::entry*, 2> cache::newest_first(entry* a, entry* b) {
  const bool swapped = a != nullptr && b != nullptr && a->until < b->until;
  return swapped ? std::array{b, a} : std::array{a, b};
}

GATEPOST_DECL any_answer cache::valid_answer(const entry& e, time_point now) {
  const bool positive = status_of(e.answer) == status::found;
  ++(positive ? counters_.hits : counters_.negative_hits);
  any_answer known = e.answer;
  detail::set_ttl(known, detail::left(e.until, now));
  return known;
}

GATEPOST_DECL any_answer cache::store(const question& asked, any_answer answer, time_point now) {
  std::string key = key_of(asked);
  std::string absence = detail::absence_key_of(key);
  if (!detail::is_definite(answer))
    return store_failure(std::move(key), asked.type, std::move(answer), now);
  const std::chrono::seconds ttl = clamped(answer);
  detail::set_ttl(answer, ttl);
  // What was known before is not true any more, also where the new answer is for now only.
  forget(key);
  forget(absence);
  const bool absent = status_of(answer) == status::no_such_name && !absence.empty();
  if (ttl.count() > 0) keep(absent ? std::move(absence) : std::move(key), answer, now, ttl);
  return answer;
}

GATEPOST_DECL void cache::clear() {
  index_.clear();
  entries_.clear();
  octets_ = 0;
}

GATEPOST_DECL std::chrono::seconds cache::clamped(const any_answer& a) const {
  const std::chrono::seconds ttl = std::max(detail::ttl_of(a), options_.min_ttl);
  const bool positive = status_of(a) == status::found;
  return std::min(
      ttl, positive ? options_.max_ttl : std::min(options_.max_ttl, options_.max_negative_ttl));
}

GATEPOST_DECL void cache::keep(std::string key, any_answer answer, time_point now,
                               std::chrono::seconds ttl) {
  entry e;
  e.key = std::move(key);
  e.answer = std::move(answer);
  e.until = now + ttl;
  put(std::move(e));
}

// RFC 2308 §7: a failure is remembered for a short time, and takes nothing away that may still
// serve.
GATEPOST_DECL any_answer cache::store_failure(std::string key, record_type type, any_answer answer,
                                              time_point now) {
  const failure why = failure_of(answer);
  for (entry* e : newest_first(use(key), use(detail::absence_key_of(key)))) {
    if (e == nullptr || !may_serve_stale(*e, now)) continue;
    e->why = why;
    e->retry = now + options_.stale_ttl;
    return stale_answer(*e, type);
  }
  forget(key);
  if (options_.failure_ttl.count() <= 0) return answer;
  entry e;
  e.key = std::move(key);
  e.answer = failed(type, why);
  e.until = now;
  e.retry = now + options_.failure_ttl;
  e.why = why;
  put(std::move(e));
  return answer;
}

// What was validated is not given past its time: its signatures may have ended as well, and without
// the mark that it was validated it would mean something else (RFC 7672 §2.1).
GATEPOST_DECL bool cache::may_serve_stale(const entry& e, time_point now) const {
  const bool validated = std::visit([](const auto& a) { return a.authenticated(); }, e.answer);
  return detail::is_definite(e.answer) && !validated && now < e.until + options_.stale;
}

GATEPOST_DECL any_answer cache::stale_answer(const entry& e, record_type type) {
  ++counters_.stale;
  any_answer old = detail::as_type(type, e.answer);
  detail::set_ttl(old, options_.stale_ttl);
  return old;
}

GATEPOST_DECL void cache::put(entry e) {
  e.cost = sizeof(entry) + detail::entry_overhead + detail::heap_octets(e.key) +
           std::visit([](const auto& a) { return detail::cost_of(a); }, e.answer);
  // Larger than everything: not kept, rather than everything else forgotten for it.
  if (options_.entries == 0 || e.cost > options_.octets) return;
  octets_ += e.cost;
  entries_.push_front(std::move(e));
  index_.emplace(entries_.front().key, entries_.begin());
  make_room();
}

GATEPOST_DECL void cache::forget(std::string_view key) {
  if (const auto known = index_.find(key); known != index_.end()) drop(known->second);
}

GATEPOST_DECL void cache::drop(place p) {
  index_.erase(p->key);
  octets_ -= p->cost;
  entries_.erase(p);
}

GATEPOST_DECL void cache::make_room() {
  while (entries_.size() > options_.entries || octets_ > options_.octets) {
    ++counters_.evictions;
    drop(std::prev(entries_.end()));
  }
}

}  // namespace gatepost::smtp::dns

#endif  // GATEPOST_SMTP_DNS_IMPL_CACHE_IPP
