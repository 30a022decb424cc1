#ifndef GATEPOST_CHECKS_DMARC_IMPL_REPORT_STORE_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_REPORT_STORE_IPP

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "checks/dmarc/detail/report_codec.hpp"
#include "checks/dmarc/report_store.hpp"
#include "smtp/detail/owned_fd.hpp"
#include "smtp/detail/whole_file.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

// The nodes of tables that an entry and a row have, their keys included.
inline constexpr std::size_t entry_overhead = 1024;
inline constexpr std::size_t row_overhead = 64;

// Rows of an open report that are copied while add() waits.
inline constexpr std::size_t rows_at_a_time = 256;
// What save() has in memory.
inline constexpr std::size_t save_buffer = 256u << 10;

// Clocks that are wrong by less are put right without a jump. A period that ends further ahead than
// this is of a clock that was wrong.
inline constexpr std::chrono::hours clock_jump{1};

// Vectors grow by doubling.
inline std::size_t charge_of(const report_row& row) {
  return memory_of(row) + sizeof(counted_row) + row_overhead;
}

inline std::error_code read_whole_file(const std::filesystem::path& file, std::string& into) {
  const smtp::detail::owned_fd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened) return {errno, std::generic_category()};
  char part[1u << 16];
  for (;;) {
    const auto n = ::read(opened.get(), part, sizeof part);
    if (n == 0) return {};
    if (n > 0) into.append(part, static_cast<std::size_t>(n));
    if (n < 0 && errno != EINTR) return {errno, std::generic_category()};
  }
}

inline const std::string& organization_of(const report_policy& p) {
  return p.organization.empty() ? p.domain : p.organization;
}

// Whether it is due. One that begins far ahead is of a clock that was wrong.
inline bool is_due(const report& r, std::chrono::sys_seconds now, std::chrono::seconds interval) {
  return std::chrono::abs(now - r.begin) >= interval;
}

// Where a period begins that comes behind another one.
inline std::chrono::sys_seconds begin_behind(std::chrono::sys_seconds end,
                                             std::chrono::sys_seconds now) {
  return end > now + clock_jump ? now : std::max(now, end);
}

// Behind the length of the first text.
inline bool is_of_other_version(std::string_view text) {
  const std::string_view begin = text.substr(std::min<std::size_t>(text.size(), 8));
  return begin.starts_with(report_magic_of_all) && !begin.starts_with(report_magic);
}

}  // namespace detail

// --- Counting ------------------------------------------------------------------------------------

GATEPOST_DECL void memory_report_store::add(const report_policy& policy, report_row row,
                                            std::chrono::sys_seconds now) {
  const std::size_t hash = hash_of(row, row_hash_);
  const std::size_t octets = detail::charge_of(row);
  const std::lock_guard lock(mutex_);
  ++changes_;
  entry* const e = entry_for(policy, octets, now);
  if (e == nullptr)
    ++dropped_;
  else
    count(*e, {std::move(row), 1}, hash, octets, claim::fresh);
}

GATEPOST_DECL memory_report_store::domain_state memory_report_store::state_of(
    const std::string& domain, std::chrono::sys_seconds now) {
  domain_state state;
  const auto [first, last] = domains_.equal_range(domain);
  for (auto it = first; it != last; ++it) {
    entry& e = entries_.find(it->second)->second;
    ++state.reports;
    if (e.open)
      state.open = &e;
    else if (e.collected->end <= now + detail::clock_jump)
      state.end = std::max(state.end, e.collected->end);
  }
  return state;
}

GATEPOST_DECL bool memory_report_store::has_room(const report_policy& p, std::size_t octets,
                                                 std::size_t reports, claim by) const {
  const auto found = organizations_.find(detail::organization_of(p));
  const account has = found == organizations_.end() ? account() : found->second;
  if (octets_ + octets > limits_.octets || has.octets + octets > limits_.octets_per_organization ||
      has.reports + reports > limits_.reports_per_organization)
    return false;
  const std::size_t free = limits_.octets - octets_ - octets;
  return by == claim::saved ||
         has.octets + octets <= free / std::max<std::size_t>(1, limits_.share_of_free);
}

// The one that counts the message; nullptr: none does. `octets`: of its row.
GATEPOST_DECL memory_report_store::entry* memory_report_store::entry_for(
    const report_policy& policy, std::size_t octets, std::chrono::sys_seconds now) {
  const domain_state domain = state_of(policy.domain, now);
  if (domain.open != nullptr &&
      (domain.open->collected->policy == policy || domain.reports >= limits_.reports_per_domain))
    return domain.open;
  const std::size_t head = memory_of(policy) + detail::entry_overhead;
  if (!has_room(policy, head + octets, 1, claim::fresh)) return domain.open;
  std::chrono::sys_seconds begin = std::max(now, domain.end);
  if (domain.open != nullptr) {
    end_period(*domain.open, begin);
    begin = detail::begin_behind(domain.open->collected->end, now);
  }
  return &begin_report(policy, begin);
}

GATEPOST_DECL memory_report_store::entry& memory_report_store::begin_report(
    const report_policy& policy, std::chrono::sys_seconds begin) {
  entry fresh;
  fresh.collected = std::make_shared<report>();
  fresh.collected->policy = policy;
  fresh.collected->begin = fresh.collected->end = begin;
  account& organization = organizations_[detail::organization_of(policy)];
  // No memory for one of the two: there is neither.
  auto entered = entries_.insert_or_assign(next_id_, std::move(fresh)).first;
  try {
    domains_.emplace(policy.domain, next_id_);
  } catch (...) {
    entries_.erase(entered);
    throw;
  }
  ++next_id_;
  ++organization.reports;
  charge(entered->second, memory_of(policy) + detail::entry_overhead);
  return entered->second;
}

GATEPOST_DECL void memory_report_store::charge(entry& e, std::size_t octets) {
  e.octets += octets;
  octets_ += octets;
  organizations_[detail::organization_of(e.collected->policy)].octets += octets;
}

GATEPOST_DECL void memory_report_store::count(entry& e, counted_row row, std::size_t hash,
                                              std::size_t octets, claim by) {
  auto& rows = e.collected->rows;
  const auto [first, last] = e.index.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (!(rows[it->second].row == row.row)) continue;
    rows[it->second].count += row.count;
    return;
  }
  if (!has_room(e.collected->policy, octets, 0, by)) {
    e.collected->dropped += row.count;
    return;
  }
  rows.push_back(std::move(row));
  charge(e, octets);
  e.index.emplace(hash, rows.size() - 1);
}

// --- Closing -------------------------------------------------------------------------------------

// A second at least: the same begin and end would be the same Report-ID (RFC 9990 §3.5.1).
GATEPOST_DECL void memory_report_store::end_period(entry& e, std::chrono::sys_seconds now) {
  e.collected->end = std::max(now, e.collected->begin + std::chrono::seconds(1));
  e.open = false;
  e.index.clear();
  ++changes_;
}

GATEPOST_DECL std::vector<std::uint64_t> memory_report_store::all_ids() const {
  std::vector<std::uint64_t> ids;
  const std::lock_guard lock(mutex_);
  ids.reserve(entries_.size());
  for (const auto& [id, e] : entries_) ids.push_back(id);
  return ids;
}

// One after the other, so that add() never waits for long.
GATEPOST_DECL std::vector<std::uint64_t> memory_report_store::close(std::chrono::sys_seconds now,
                                                                    std::chrono::seconds interval) {
  std::vector<std::uint64_t> ids = all_ids();
  std::erase_if(ids, [&](std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || !detail::is_due(*found->second.collected, now, interval))
      return true;
    if (found->second.open) end_period(found->second, now);
    return false;
  });
  return ids;
}

GATEPOST_DECL std::shared_ptr<const report> memory_report_store::closed(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.open) return nullptr;
  return found->second.collected;
}

GATEPOST_DECL void memory_report_store::settle(std::uint64_t id) noexcept {
  std::shared_ptr<const report> last;  // destroyed behind the lock
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.open) return;
  last = found->second.collected;
  const auto [first, end] = domains_.equal_range(last->policy.domain);
  domains_.erase(std::find_if(first, end, [id](const auto& named) { return named.second == id; }));
  const auto has = organizations_.find(detail::organization_of(last->policy));
  has->second.octets -= found->second.octets;
  if (--has->second.reports == 0) organizations_.erase(has);
  octets_ -= found->second.octets;
  entries_.erase(found);
  ++changes_;
}

GATEPOST_DECL std::uint64_t memory_report_store::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

GATEPOST_DECL std::uint64_t memory_report_store::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

// --- The file ------------------------------------------------------------------------------------

GATEPOST_DECL std::error_code memory_report_store::save(const std::filesystem::path& file) const {
  smtp::detail::whole_file fresh(file);
  detail::report_encoder out;
  out.begin();
  for (const std::uint64_t id : all_ids()) {
    encode(id, out);
    if (out.size() >= detail::save_buffer) fresh.write(out.take());
  }
  out.end();
  fresh.write(out.take());
  return fresh.keep();
}

// Of one that is open the rows are copied under the lock, some at a time: they become more
// meanwhile, and count more, but never fewer.
GATEPOST_DECL void memory_report_store::encode(std::uint64_t id,
                                               detail::report_encoder& out) const {
  std::unique_lock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  const std::shared_ptr<const report> r = found->second.collected;
  const bool open = found->second.open;
  const std::size_t rows = r->rows.size();
  const std::uint64_t dropped = r->dropped;
  lock.unlock();
  if (!open) return out.put(*r);
  out.put_head(r->policy, {r->begin, r->begin}, dropped, rows);
  std::vector<counted_row> part;
  for (std::size_t at = 0; at < rows; at += part.size()) {
    lock.lock();
    const auto from = r->rows.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t n = std::min(rows - at, detail::rows_at_a_time);
    part.assign(from, from + static_cast<std::ptrdiff_t>(n));
    lock.unlock();
    for (const counted_row& row : part) out.put(row);
  }
}

GATEPOST_DECL std::error_code memory_report_store::load(const std::filesystem::path& file) {
  std::string text;
  if (const std::error_code error = detail::read_whole_file(file, text)) return error;
  auto reports = read_reports(text);
  if (!reports)
    return std::make_error_code(detail::is_of_other_version(text)
                                    ? std::errc::not_supported
                                    : std::errc::illegal_byte_sequence);
  const std::lock_guard lock(mutex_);
  for (report& r : *reports) restore(std::move(r));
  return {};
}

// The limits may be others than those that it was counted by.
GATEPOST_DECL void memory_report_store::restore(report r) {
  entry* e = nullptr;
  const std::size_t head = memory_of(r.policy) + detail::entry_overhead;
  for (counted_row& row : r.rows) {
    const std::size_t hash = hash_of(row.row, row_hash_);
    const std::size_t octets = detail::charge_of(row.row);
    if (e == nullptr && has_room(r.policy, head + octets, 1, claim::saved))
      e = &begin_report(r.policy, r.begin);
    if (e == nullptr)
      dropped_ += row.count;
    else
      count(*e, std::move(row), hash, octets, claim::saved);
  }
  if (e == nullptr) {
    dropped_ += r.dropped;
    return;
  }
  e->collected->dropped += r.dropped;
  if (r.end > r.begin) end_period(*e, r.end);
}

GATEPOST_DECL std::string write_reports(const std::vector<report>& reports) {
  detail::report_encoder out;
  out.begin();
  for (const report& r : reports) out.put(r);
  out.end();
  return out.take();
}

GATEPOST_DECL std::optional<std::vector<report>> read_reports(std::string_view text) {
  detail::report_decoder in(text);
  std::vector<report> reports;
  while (in.flag()) reports.push_back(in.read_report());
  if (!in.good() || !in.at_end()) return std::nullopt;
  return reports;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_REPORT_STORE_IPP
