// What an aggregate report tells, and the counting of it (RFC 9990, RFC 7489 §7.2).
//
// A report is of one DMARC Policy Domain and one policy that it published. Rows that are alike are
// counted together. Values only: report_xml.hpp writes it, report_store.hpp keeps it.
#ifndef GATEPOST_CHECKS_DMARC_REPORT_HPP
#define GATEPOST_CHECKS_DMARC_REPORT_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dmarc/evaluate.hpp"
#include "checks/dmarc/identifiers.hpp"
#include "checks/dmarc/public_suffix.hpp"
#include "checks/dmarc/record.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"
#include "smtp/seeded_hash.hpp"

namespace gatepost::checks::dmarc {

// RFC 9990 §3.1.3: of one row.
inline constexpr std::size_t max_report_signatures = 100;

// Which schema and which rules.
struct report_policy {
  std::string domain;  // the DMARC Policy Domain: where the record was found
  dmarc::regime regime = regime::rfc9989;
  dmarc::record published = {};
  // Whose domain it is, for the bounds of a store: all that one owner has under his registered
  // domain counts together. Empty: the domain stands for itself.
  std::string organization = {};

  friend bool operator==(const report_policy&, const report_policy&) = default;
};

// What the messages of one row have in common.
struct report_row {
  smtp::ip_address source = {};
  bool passed = false;
  policy disposition = policy::none;
  bool dkim_aligned = false;
  bool spf_aligned = false;
  std::vector<override_reason> reasons = {};
  std::string header_from = {};
  std::string envelope_from = {};  // a domain; empty: the null reverse-path
  std::vector<authenticated_dkim> dkim = {};
  std::optional<authenticated_spf> spf = {};

  friend bool operator==(const report_row&, const report_row&) = default;
};

struct counted_row {
  report_row row;
  std::uint64_t count = 1;

  friend bool operator==(const counted_row&, const counted_row&) = default;
};

struct report {
  report_policy policy;
  std::chrono::sys_seconds begin = {};
  std::chrono::sys_seconds end = {};  // behind begin; else its period is not over
  std::vector<counted_row> rows = {};
  std::uint64_t dropped = 0;  // messages of rows for which there was no room

  friend bool operator==(const report&, const report&) = default;
};

// Whether the message belongs into a report: DMARC applied, and somebody asked for reports.
GATEPOST_DECL bool reportable(const evaluation& e);

// Only where reportable(e). The organization is the registered domain by the list. Without a list
// it is the last two labels, so that all of co.uk is one. It is not the Organizational Domain of
// the evaluation: there a wildcard record with psd=n makes every name one (RFC 9989 §4.10.2).
GATEPOST_DECL report_policy policy_of(const evaluation& e, dmarc::regime regime,
                                      const public_suffix_list* suffixes = nullptr);

// The row of one message. Of too many signatures the best ones are kept (RFC 9990 §3.1.3).
GATEPOST_DECL report_row row_of(const evaluation& e, const identifiers& found,
                                const smtp::ip_address& source, std::string_view envelope_from);

// The memory that it takes, as an estimate from above.
GATEPOST_DECL std::size_t memory_of(const report_policy& p);
GATEPOST_DECL std::size_t memory_of(const report_row& row);

// A number that is the same for equal rows with the same hash.
GATEPOST_DECL std::size_t hash_of(const report_row& row, const smtp::seeded_hash& hash);

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/report.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_REPORT_HPP
