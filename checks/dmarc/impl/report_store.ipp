#ifndef GATEPOST_CHECKS_DMARC_IMPL_REPORT_STORE_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_REPORT_STORE_IPP

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <utility>

#include "checks/dmarc/detail/report_codec.hpp"
#include "checks/dmarc/report_store.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

inline std::error_code system_error() { return {errno, std::generic_category()}; }

inline std::error_code write_all(int file, std::string_view octets) {
  while (!octets.empty()) {
    const auto n = ::write(file, octets.data(), octets.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return system_error();
    octets.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file) != 0) return system_error();
  return {};
}

// The file's name is durable only when its folder is.
inline std::error_code sync_folder(const std::filesystem::path& file) {
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return system_error();
  const std::error_code failed = ::fsync(opened) != 0 ? system_error() : std::error_code();
  ::close(opened);
  return failed;
}

inline std::error_code replace_file(const std::filesystem::path& file, std::string_view octets) {
  std::filesystem::path fresh = file;
  fresh += ".new";
  const int opened = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (opened < 0) return system_error();
  std::error_code failed = write_all(opened, octets);
  if (::close(opened) != 0 && !failed) failed = system_error();
  if (!failed) std::filesystem::rename(fresh, file, failed);
  if (failed) {
    ::unlink(fresh.c_str());
    return failed;
  }
  return sync_folder(file);
}

}  // namespace detail

GATEPOST_DECL void memory_report_store::add(const report_policy& policy, report_row row,
                                            std::chrono::sys_seconds now) {
  const std::lock_guard lock(mutex_);
  entry* e = entry_of(policy, now);
  if (e == nullptr) {
    ++dropped_;
    return;
  }
  e->collected.begin = std::min(e->collected.begin, now);
  count(*e, std::move(row), 1);
}

// nullptr: there is no room for one more.
GATEPOST_DECL memory_report_store::entry* memory_report_store::entry_of(
    const report_policy& policy, std::chrono::sys_seconds begin) {
  const auto [first, last] = entries_.equal_range(policy.domain);
  for (auto it = first; it != last; ++it)
    if (it->second.collected.policy == policy) return &it->second;
  if (entries_.size() >= limits_.reports) return nullptr;
  entry fresh;
  fresh.collected.policy = policy;
  fresh.collected.begin = fresh.collected.end = begin;
  return &entries_.emplace(policy.domain, std::move(fresh))->second;
}

GATEPOST_DECL void memory_report_store::count(entry& e, report_row row, std::uint64_t times) {
  auto& rows = e.collected.rows;
  const std::size_t hash = hash_of(row, row_hash_);
  const auto [first, last] = e.index.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (!(rows[it->second].row == row)) continue;
    rows[it->second].count += times;
    return;
  }
  if (rows.size() >= limits_.rows || rows_ >= limits_.all_rows) {
    e.collected.dropped += times;
    return;
  }
  e.index.emplace(hash, rows.size());
  rows.push_back({std::move(row), times});
  ++rows_;
}

GATEPOST_DECL std::vector<report> memory_report_store::take(std::chrono::sys_seconds now,
                                                            std::chrono::seconds interval) {
  std::vector<report> due;
  const std::lock_guard lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end();) {
    report& r = it->second.collected;
    if (now - r.begin < interval) {
      ++it;
      continue;
    }
    r.end = now;
    rows_ -= r.rows.size();
    due.push_back(std::move(r));
    it = entries_.erase(it);
  }
  std::sort(due.begin(), due.end(), [](const report& a, const report& b) {
    return a.policy.domain != b.policy.domain ? a.policy.domain < b.policy.domain
                                              : a.begin < b.begin;
  });
  return due;
}

GATEPOST_DECL std::uint64_t memory_report_store::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

GATEPOST_DECL std::error_code memory_report_store::save(const std::filesystem::path& file) const {
  std::vector<report> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [domain, e] : entries_) all.push_back(e.collected);
  }
  return detail::replace_file(file, write_reports(all));
}

GATEPOST_DECL std::error_code memory_report_store::load(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::make_error_code(std::errc::no_such_file_or_directory);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) return std::make_error_code(std::errc::io_error);
  auto reports = read_reports(text, limits_);
  if (!reports) return std::make_error_code(std::errc::illegal_byte_sequence);
  const std::lock_guard lock(mutex_);
  for (report& r : *reports) {
    entry* e = entry_of(r.policy, r.begin);
    if (e == nullptr) {
      for (const counted_row& row : r.rows) dropped_ += row.count;
      continue;
    }
    e->collected.begin = std::min(e->collected.begin, r.begin);
    e->collected.dropped += r.dropped;
    for (counted_row& row : r.rows) count(*e, std::move(row.row), row.count);
  }
  return {};
}

GATEPOST_DECL std::string write_reports(const std::vector<report>& reports) {
  detail::report_encoder out;
  out.text(detail::report_magic);
  out.list(reports, [&](const report& r) { out.put(r); });
  return out.take();
}

GATEPOST_DECL std::optional<std::vector<report>> read_reports(std::string_view text,
                                                              const report_limits& limits) {
  detail::report_decoder in(text, limits.text_octets);
  if (in.text() != detail::report_magic) return std::nullopt;
  std::vector<report> reports;
  in.list(limits.reports, [&] { reports.push_back(in.read_report(limits.rows)); });
  if (!in.good() || !in.at_end()) return std::nullopt;
  return reports;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_REPORT_STORE_IPP
