// Keeps what goes into aggregate reports: counts it, closes what is due, and has it until it was
// handed on.
//
// memory_report_store keeps all of it in memory, within bounds, and writes it to a file and reads
// it again, so that neither a restart nor a crash loses what was saved. Thread-safe.
//
//     memory_report_store store;
//     store.add(policy, row, now);
//     for (const auto id : store.close(now, 24h)) {
//       if (send(*store.closed(id))) store.settle(id);
//     }
#ifndef GATEPOST_CHECKS_DMARC_REPORT_STORE_HPP
#define GATEPOST_CHECKS_DMARC_REPORT_STORE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
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

namespace detail {
class report_encoder;
}

// Where messages are counted.
class report_store {
 public:
  virtual ~report_store() = default;

  // Counts one message. Called for each message, from any thread.
  virtual void add(const report_policy& policy, report_row row, std::chrono::sys_seconds now) = 0;
};

// What has no room is counted as dropped: by a report on its domain that is still counting, which
// tells the number (RFC 9990 §3.1.5), else by the store. What load() reads had room already: only
// the share of what is free does not hold for it.
struct report_limits {
  // Memory of all reports, as estimated from above; those that are closed count until they are
  // settled. Strangers choose most of it: a policy may have 35 KiB and a row 6. 64 MiB are about
  // 20000 domains with three sources each, or 90000 sources of one.
  std::size_t octets = 64u << 20;
  // The same, of one organization (report_policy::organization), so that some who are many or
  // whose rows are large leave room for others. 5000 usual rows.
  std::size_t octets_per_organization = 4u << 20;
  // An organization has no more than this part of what is free, so that any number of them leaves
  // room for the next: eight that take all they can leave half of it, a hundred a fourteenth. At
  // least 1.
  std::size_t share_of_free = 8;
  // Reports of one organization. One wildcard in its DNS gives it as many domains, each with a
  // policy of its own, as somebody has names for; large ones have a few dozen records.
  std::size_t reports_per_organization = 200;
  // Reports of one domain. A changed policy begins another one; two or three are before and after
  // a change, and some more is for who is trying things out. Past it messages are counted in the
  // last one while that is open (RFC 9990 §3.3 allows such a mix); where none is, a report begins.
  std::size_t reports_per_domain = 4;
};

class memory_report_store final : public report_store {
 public:
  explicit memory_report_store(report_limits limits = {}) : limits_(limits) {}

  // A message with another policy than the last one of its domain ends that one's period. No two
  // unsettled periods of a domain overlap or are the same (RFC 9990 §3.1.1.4, §3.5.1); one that
  // ends more than an hour ahead is of a clock that was wrong, and does not count for that.
  GATEPOST_DECL void add(const report_policy& policy, report_row row,
                         std::chrono::sys_seconds now) override;

  // Ends, at `now`, the periods that began `interval` ago or earlier. Gives all that are due by
  // that and not settled, the oldest first; an id is good for this object's life.
  GATEPOST_DECL std::vector<std::uint64_t> close(std::chrono::sys_seconds now,
                                                 std::chrono::seconds interval);

  // One whose period is over; it never changes, and has a row at least (RFC 9990 §3.1.1.2).
  // nullptr: there is none.
  GATEPOST_DECL std::shared_ptr<const report> closed(std::uint64_t id) const;

  // It was handed on, or nobody wants it: it is forgotten.
  GATEPOST_DECL void settle(std::uint64_t id) noexcept;

  // Grows with every change: whether there is something to save.
  GATEPOST_DECL std::uint64_t changes() const;

  // Messages that found no room in any report.
  GATEPOST_DECL std::uint64_t dropped() const;

  // Writes everything to a file, which is there as a whole or not at all. Waits for the disk; add()
  // goes on meanwhile, and what it counts may be written or not.
  GATEPOST_DECL std::error_code save(const std::filesystem::path& file) const;

  // Takes in what a file has, into a store that is new. An error: nothing was taken in.
  // no_such_file_or_directory: there is no file. not_supported: another version has written it.
  // illegal_byte_sequence: save() has not, or it is damaged.
  GATEPOST_DECL std::error_code load(const std::filesystem::path& file);

 private:
  struct entry {
    std::shared_ptr<report> collected;
    bool open = true;  // it counts; else it never changes
    std::unordered_multimap<std::size_t, std::size_t> index = {};  // of the rows, by hash
    std::size_t octets = 0;
  };
  struct account {
    std::size_t reports = 0;
    std::size_t octets = 0;
  };
  struct domain_state {
    entry* open = nullptr;
    std::size_t reports = 0;
    std::chrono::sys_seconds end = {};  // of the last period that is over, and not far ahead
  };

  // What asks for room: a message, or what had room before a restart.
  enum class claim : std::uint8_t { fresh, saved };

  domain_state state_of(const std::string& domain, std::chrono::sys_seconds now);
  bool has_room(const report_policy& p, std::size_t octets, std::size_t reports, claim by) const;
  entry* entry_for(const report_policy& policy, std::size_t octets, std::chrono::sys_seconds now);
  entry& begin_report(const report_policy& policy, std::chrono::sys_seconds begin);
  void count(entry& e, counted_row row, std::size_t hash, std::size_t octets, claim by);
  void charge(entry& e, std::size_t octets);
  void end_period(entry& e, std::chrono::sys_seconds now);
  void restore(report r);
  std::vector<std::uint64_t> all_ids() const;
  void encode(std::uint64_t id, detail::report_encoder& out) const;

  const report_limits limits_;
  // Of the rows, which strangers choose.
  const smtp::seeded_hash row_hash_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, entry> entries_;  // by id
  // Ids by domain, and what organizations have. Strangers choose both names.
  std::unordered_multimap<std::string, std::uint64_t, smtp::seeded_hash> domains_;
  std::unordered_map<std::string, account, smtp::seeded_hash> organizations_;
  std::size_t octets_ = 0;
  std::uint64_t next_id_ = 1;
  std::uint64_t dropped_ = 0;
  std::uint64_t changes_ = 0;
};

// Reports as octets, for stores that keep them elsewhere. Versioned; nothing where the text was not
// written by write_reports() of this version.
GATEPOST_DECL std::string write_reports(const std::vector<report>& reports);
GATEPOST_DECL std::optional<std::vector<report>> read_reports(std::string_view text);

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/report_store.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_REPORT_STORE_HPP
