// Failure reports: what a domain's owner is told of one message that failed (RFC 9991, in the
// format of RFC 6591 and RFC 5965).
//
// They show strangers a message and whom it came from, so nobody sends them unless told to. Whether
// one is wanted, where it may go (destinations.hpp, with record::ruf) and its text are here; who
// sends them bounds their number (RFC 9991 §2 speaks of attackers who make others send reports).
//
//     if (failure_report_wanted(e, found)) {
//       ... destinations d(e.record_domain, regime, e.record->ruf);
//       text = write_failure_report(message, sender, to, now);
//
// Values in, text out: no I/O, no clock.
#ifndef GATEPOST_CHECKS_DMARC_FAILURE_REPORT_HPP
#define GATEPOST_CHECKS_DMARC_FAILURE_REPORT_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "checks/dmarc/evaluate.hpp"
#include "checks/dmarc/identifiers.hpp"
#include "checks/dmarc/report_xml.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks::dmarc {

// Octets of a message's header in a report; the rest is left out. Real headers are shorter.
inline constexpr std::size_t max_reported_header = 64u << 10;

// RFC 6591 §3.2.2.
enum class delivery_result : std::uint8_t { delivered, spam, policy, reject, other };

GATEPOST_DECL std::string_view to_string(delivery_result r);

// What is told of the message. Everything that is empty is left out.
struct failed_message {
  dmarc::evaluation outcome;
  dmarc::identifiers found = {};

  smtp::ip_address source = {};
  std::chrono::system_clock::time_point arrived = {};
  std::string reverse_path = {};   // empty: the null one
  std::string forward_path = {};   // only where its owner's consent is had
  std::string authserv_id = {};    // of Authentication-Results
  std::string dkim_identity = {};  // i= of reported_signature()
  std::string spf_record = {};     // the text of the SPF record of found.spf's domain
  delivery_result delivery = delivery_result::other;
  std::string_view header = {};  // its lines with CRLF, without the empty one behind them
  std::uint64_t incidents = 1;   // messages like it that this report stands for
};

// Whether the owner asks for a report (RFC 9989 §4.7, fo=): never by the record of a Public Suffix
// Domain (RFC 9991 §2), never without a record, or where the DNS kept us from knowing.
GATEPOST_DECL bool failure_report_wanted(const evaluation& e, const identifiers& found);

// The signature that a report tells of: the first that failed, of an aligned domain where there is
// such (RFC 9991 §4). nullptr: none failed.
GATEPOST_DECL const authenticated_dkim* reported_signature(const evaluation& e,
                                                           const identifiers& found);

// What a report shows of a header: whole lines, max_reported_header octets at most. For who keeps a
// copy until the report is written.
GATEPOST_DECL std::string_view reported_header(std::string_view header);

// The message that carries the report: a part for people, the machine-readable part, and the header
// of the message as text/rfc822-headers (RFC 5965 §2). To be sent with the null reverse-path, and
// signed, so that DMARC passes for it (RFC 9991 §5.1). `id` makes its Message-ID unique.
GATEPOST_DECL std::string write_failure_report(const failed_message& m, const report_sender& sender,
                                               std::string_view to, std::string_view id,
                                               std::chrono::system_clock::time_point now);

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/failure_report.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_FAILURE_REPORT_HPP
