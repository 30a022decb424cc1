// The DMARC Policy Record: what a domain's owner publishes at _dmarc.DOMAIN (RFC 9989 §4.7, §4.8).
//
// Reads the tags of RFC 9989 and those that RFC 7489 had besides (pct, rf, ri, sizes of report
// URIs). What is wrong in a tag costs that tag alone, except in p, sp and np: there usable() tells
// what the RFC makes of the record. Values only; no I/O, no state.
#ifndef GATEPOST_CHECKS_DMARC_RECORD_HPP
#define GATEPOST_CHECKS_DMARC_RECORD_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::checks::dmarc {

// The octets of a record that are read; a longer one is no record. Real ones stay below 500; one
// with twenty report addresses has 2 KiB.
inline constexpr std::size_t max_record_octets = 16u << 10;

// Report addresses of one tag that are kept. RFC 9990 lets the reporter limit them; two or three
// are usual.
inline constexpr std::size_t max_report_uris = 16;

// Problems of one record that are told. There are twelve tags, and whoever publishes "p=;" a
// thousand times has seen why by then.
inline constexpr std::size_t max_record_problems = 16;

// What the owner asks for, from mild to strict.
enum class policy : std::uint8_t { none, quarantine, reject };

// How alike two domains have to be (RFC 9989 §3.2.10).
enum class alignment_mode : std::uint8_t {
  relaxed,  // of one Organizational Domain
  strict,   // the same
};

// psd=: whether the record's domain is a Public Suffix Domain.
enum class psd_flag : std::uint8_t { unknown, no, yes };

GATEPOST_DECL std::string_view to_string(policy p);
GATEPOST_DECL std::string_view to_string(alignment_mode mode);

// One address of rua= or ruf=.
struct report_uri {
  std::string uri;               // as published, without a size
  std::string address = {};      // of a mailto: URI, decoded; empty: another scheme
  std::uint64_t max_octets = 0;  // RFC 7489 §6.2 "!10m"; 0: none. RFC 9989 lets it be ignored

  // Whether it wants a report of that many octets, compressed and encoded (RFC 7489 §7.2.1).
  bool takes(std::uint64_t octets) const { return max_octets == 0 || octets <= max_octets; }

  friend bool operator==(const report_uri&, const report_uri&) = default;
};

// fo=: when failure reports are wanted.
struct failure_options {
  bool all_fail = true;    // 0: nothing passed aligned
  bool any_fails = false;  // 1: something did not
  bool dkim = false;       // d: a signature failed, aligned or not
  bool spf = false;        // s: SPF failed, aligned or not

  friend bool operator==(const failure_options&, const failure_options&) = default;
};

struct record {
  // Absent too where the value is none of the three; `bad_policy` or `bad_np` then is true.
  std::optional<policy> p = {};
  std::optional<policy> sp = {};
  std::optional<policy> np = {};
  bool bad_policy = false;  // p or sp is there and not valid
  bool bad_np = false;      // np is, which RFC 7489 does not know

  psd_flag psd = psd_flag::unknown;
  bool testing = false;  // t=y
  alignment_mode adkim = alignment_mode::relaxed;
  alignment_mode aspf = alignment_mode::relaxed;
  failure_options fo = {};
  std::string fo_text = "0";  // as published, for reports
  std::vector<report_uri> rua = {};
  std::vector<report_uri> ruf = {};

  // RFC 7489 §6.3
  unsigned pct = 100;
  std::uint32_t ri = 86400;  // seconds

  // What was passed over, in few words: for a report's <error>. max_record_problems at most.
  std::vector<std::string> problems = {};

  // RFC 9989 §4.10.1, RFC 7489 §6.6.3: a record whose p, sp or np is not valid, or (by RFC 7489)
  // that has no p, stands for p=none where somebody wants reports, else for no record.
  bool usable() const { return valid() || !rua.empty(); }

  // The record as it is to be applied: itself, or p=none. Only where usable() is true.
  GATEPOST_DECL record applied() const;

  // The record as RFC 7489 §6.3 reads it: unknown tags are ignored.
  GATEPOST_DECL record without_np() const;

  // The record as RFC 9989 §4.7 reads it: without p it has p=none, and sp and np hold.
  GATEPOST_DECL record with_default_policy() const;

  // The policy for the record's own domain, for an existing subdomain, and for one that does not
  // exist.
  policy own_policy() const { return p.value_or(policy::none); }
  policy subdomain_policy() const { return sp.value_or(own_policy()); }
  policy nonexistent_policy() const { return np.value_or(subdomain_policy()); }

  friend bool operator==(const record&, const record&) = default;

 private:
  bool valid() const { return p && !bad_policy && !bad_np; }
};

// Reads one TXT record, its strings joined. Nothing: it is no DMARC record, for it does not begin
// with v=DMARC1, or has a blank before that (RFC 9989 §4.8). Of a tag that comes again the first
// one counts.
GATEPOST_DECL std::optional<record> parse_record(std::string_view text);

// Reads a list of report URIs. What is no URI (RFC 3986), or a mailto: without one mailbox, is left
// out.
GATEPOST_DECL std::vector<report_uri> parse_report_uris(std::string_view list);

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/record.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_RECORD_HPP
