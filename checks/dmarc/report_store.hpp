// Keeps what goes into aggregate reports until they are due.
//
// memory_report_store counts in memory, within bounds, and can be written to a file and read again,
// so that a restart loses nothing. Thread-safe.
//
//     memory_report_store store;
//     store.add(policy, row, now);
//     for (report& r : store.take(now, 24h)) send(r);
#ifndef GATEPOST_CHECKS_DMARC_REPORT_STORE_HPP
#define GATEPOST_CHECKS_DMARC_REPORT_STORE_HPP

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "checks/dmarc/report.hpp"
#include "smtp/config.hpp"
#include "smtp/seeded_hash.hpp"

namespace gatepost::checks::dmarc {

class report_store {
 public:
  virtual ~report_store() = default;

  // Counts one message. Called for each message, from any thread.
  virtual void add(const report_policy& policy, report_row row, std::chrono::sys_seconds now) = 0;

  // The reports whose period is over, at `now`: of domains whose first message came `interval` ago
  // or earlier. They are the caller's from then on.
  virtual std::vector<report> take(std::chrono::sys_seconds now, std::chrono::seconds interval) = 0;
};

struct report_limits {
  // Domains (and policies of one domain) between two reports. A domain that asks for reports and
  // sends nothing but spam costs as much as any other.
  std::size_t reports = 20000;
  // Rows of one report: sources and outcomes. A row has about 500 octets, a report of that many
  // 200 KiB gzipped.
  std::size_t rows = 5000;
  // Rows of all reports together; what would be more is only counted.
  std::size_t all_rows = 200000;
  // Of a file that is read: no row can take more.
  std::size_t text_octets = 64u << 10;
};

class memory_report_store final : public report_store {
 public:
  explicit memory_report_store(report_limits limits = {}) : limits_(limits) {}

  GATEPOST_DECL void add(const report_policy& policy, report_row row,
                         std::chrono::sys_seconds now) override;
  GATEPOST_DECL std::vector<report> take(std::chrono::sys_seconds now,
                                         std::chrono::seconds interval) override;

  // Messages that found no room, in no report at all.
  GATEPOST_DECL std::uint64_t dropped() const;

  // Writes everything to a file, which is there as a whole or not at all: a new one is written,
  // synced and renamed.
  GATEPOST_DECL std::error_code save(const std::filesystem::path& file) const;

  // Adds what a file has to what is there. An error: nothing was added (the file is absent, damaged
  // or of another version).
  GATEPOST_DECL std::error_code load(const std::filesystem::path& file);

 private:
  struct entry {
    report collected;
    std::unordered_multimap<std::size_t, std::size_t> index = {};  // of the rows, by hash
  };

  entry* entry_of(const report_policy& policy, std::chrono::sys_seconds begin);
  void count(entry& e, report_row row, std::uint64_t times);

  report_limits limits_;
  mutable std::mutex mutex_;
  // By domain. Strangers choose the domains, and most of a row.
  std::unordered_multimap<std::string, entry, smtp::seeded_hash> entries_;
  const smtp::seeded_hash row_hash_;
  std::size_t rows_ = 0;
  std::uint64_t dropped_ = 0;
};

// Reports as octets, for stores that keep them elsewhere. Versioned; nothing where the text was not
// written by write_reports() of this version.
GATEPOST_DECL std::string write_reports(const std::vector<report>& reports);
GATEPOST_DECL std::optional<std::vector<report>> read_reports(std::string_view text,
                                                              const report_limits& limits = {});

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/report_store.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_REPORT_STORE_HPP
