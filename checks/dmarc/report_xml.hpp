// Aggregate reports as they are sent: XML, gzip, file name and message (RFC 9990, RFC 7489 §7.2).
//
//     const std::string xml = write_report_xml(r, sender);
//     const auto file = gzip(xml);
//     const std::string message = write_report_message(r, sender, "rua@example.com", *file, now);
//
// Time and the report's id are parameters; no I/O. Texts from messages and the DNS are escaped.
#ifndef GATEPOST_CHECKS_DMARC_REPORT_XML_HPP
#define GATEPOST_CHECKS_DMARC_REPORT_XML_HPP

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "checks/dmarc/report.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::dmarc {

// Who reports.
struct report_sender {
  std::string organization;  // "Example Receiver, Inc."
  std::string domain;        // "receiver.example": the submitter
  std::string email;         // whom to ask; the message's From. Its domain has to pass DMARC
  std::string contact = {};  // more of it, a URL perhaps
  std::string generator = "gatepost";
};

// Unique among the reports on one domain, the same if it is sent again (RFC 9990 §3.5.1):
// "1721054318-1721140717-example.com@receiver.example".
GATEPOST_DECL std::string report_id(const report& r, const report_sender& sender);

// RFC 9990 App. A, or RFC 7489 App. C by the policy's regime.
GATEPOST_DECL std::string write_report_xml(const report& r, const report_sender& sender);

// RFC 9990 §3.5.2: "receiver.example!example.com!1721054318!1721140717.xml.gz".
GATEPOST_DECL std::string report_file_name(const report& r, const report_sender& sender);

// RFC 1952, without name and time, so that the same text gives the same octets. Nothing: zlib
// failed, which is lack of memory.
GATEPOST_DECL std::optional<std::string> gzip(std::string_view text);

// What the file has in the message: base64, in lines.
GATEPOST_DECL std::size_t encoded_octets(std::string_view gzipped);

// The message that carries a report: header, a line for people, the file. Lines end with CRLF.
GATEPOST_DECL std::string write_report_message(const report& r, const report_sender& sender,
                                               std::string_view to, std::string_view gzipped,
                                               std::chrono::system_clock::time_point now);

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/report_xml.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_REPORT_XML_HPP
