#ifndef GATEPOST_CHECKS_DMARC_IMPL_FAILURE_REPORT_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_FAILURE_REPORT_IPP

#include <algorithm>

#include "checks/dmarc/failure_report.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/trace.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

inline bool has_failed(auth_result r) {
  return r == auth_result::fail || r == auth_result::softfail || r == auth_result::policy ||
         r == auth_result::permerror;
}

// RFC 9991 §4: the mechanisms that failed to authenticate an aligned identity.
inline std::string identity_alignment(const evaluation& e) {
  const bool dkim = e.dkim != mechanism_result::pass;
  const bool spf = e.spf != mechanism_result::pass;
  if (dkim && spf) return "dkim, spf";
  return dkim ? "dkim" : spf ? "spf" : "none";
}

// RFC 8601 §2.2, in the part of the report where RFC 6591 §3.1 has it.
inline std::string authentication_results(const failed_message& m, const report_sender& sender) {
  std::string out = m.authserv_id.empty() ? sender.domain : m.authserv_id;
  out += "; dmarc=" + std::string(to_string(m.outcome.result)) +
         " header.from=" + m.outcome.author_domain;
  if (m.found.spf)
    out += "; spf=" + std::string(to_string(m.found.spf->result)) +
           " smtp.mailfrom=" + m.found.spf->domain;
  for (const authenticated_dkim& s : m.found.dkim)
    out += "; dkim=" + std::string(to_string(s.result)) + " header.d=" + s.domain +
           (s.selector.empty() ? "" : " header.s=" + s.selector);
  return out;
}

// message/feedback-report (RFC 5965 §3, RFC 6591 §3). Nobody but us chose the names of the fields,
// and write_field() makes every value harmless.
inline std::string feedback_fields(const failed_message& m, const report_sender& sender) {
  std::string out;
  const auto add = [&out](std::string_view name, std::string_view value) {
    if (!value.empty()) smtp::write_field(out, name, value);
  };
  add("Feedback-Type", "auth-failure");
  add("User-Agent", sender.generator + "/1.0");
  add("Version", "1");
  add("Original-Mail-From", "<" + m.reverse_path + ">");
  if (!m.forward_path.empty()) add("Original-Rcpt-To", "<" + m.forward_path + ">");
  if (m.arrived != std::chrono::system_clock::time_point{})
    add("Arrival-Date", smtp::date_text(m.arrived));
  if (!m.source.is_unspecified()) add("Source-IP", m.source.text());
  add("Reported-Domain", m.outcome.author_domain);
  add("Authentication-Results", authentication_results(m, sender));
  add("Auth-Failure", "dmarc");
  add("Delivery-Result", to_string(m.delivery));
  add("Identity-Alignment", identity_alignment(m.outcome));
  if (const authenticated_dkim* const s = reported_signature(m.outcome, m.found)) {
    add("DKIM-Domain", s->domain);
    add("DKIM-Identity", m.dkim_identity.empty() ? "@" + s->domain : m.dkim_identity);
    add("DKIM-Selector", s->selector);
  }
  if (m.found.spf && !m.spf_record.empty())
    add("SPF-DNS", "txt : " + m.found.spf->domain + " : \"" + m.spf_record + "\"");
  if (m.incidents > 1) add("Incidents", std::to_string(m.incidents));
  return out;
}

inline std::string text_for_people(const failed_message& m) {
  return "This is an email authentication failure report for a message from " +
         (m.source.is_unspecified() ? std::string("an unknown client") : m.source.text()) +
         ".\r\nIts author's domain is " + m.outcome.author_domain +
         ", which asks for such reports (RFC 9991).\r\n";
}

}  // namespace detail

GATEPOST_DECL std::string_view to_string(delivery_result r) {
  switch (r) {
    case delivery_result::delivered: return "delivered";
    case delivery_result::spam: return "spam";
    case delivery_result::policy: return "policy";
    case delivery_result::reject: return "reject";
    case delivery_result::other: return "other";
  }
  return "?";
}

GATEPOST_DECL bool failure_report_wanted(const evaluation& e, const identifiers& found) {
  const bool known = e.result == result::pass || e.result == result::fail;
  if (!known || !e.record || e.record->ruf.empty()) return false;
  if (e.psd_policy || e.record->psd == psd_flag::yes) return false;
  const failure_options& fo = e.record->fo;
  const bool dkim = e.dkim == mechanism_result::pass;
  const bool spf = e.spf == mechanism_result::pass;
  const bool signature_failed =
      std::any_of(found.dkim.begin(), found.dkim.end(),
                  [](const authenticated_dkim& s) { return detail::has_failed(s.result); });
  const bool spf_failed = found.spf && detail::has_failed(found.spf->result);
  return (fo.all_fail && !dkim && !spf) || (fo.any_fails && !(dkim && spf)) ||
         (fo.dkim && signature_failed) || (fo.spf && spf_failed);
}

GATEPOST_DECL const authenticated_dkim* reported_signature(const evaluation& e,
                                                           const identifiers& found) {
  const auto failed = [](const authenticated_dkim& s) { return detail::has_failed(s.result); };
  const auto aligned = [&](const authenticated_dkim& s) {
    return failed(s) && (s.domain == e.author_domain || s.domain == e.organizational_domain);
  };
  const auto& all = found.dkim;
  auto at = std::find_if(all.begin(), all.end(), aligned);
  if (at == all.end()) at = std::find_if(all.begin(), all.end(), failed);
  return at == all.end() ? nullptr : &*at;
}

GATEPOST_DECL std::string_view reported_header(std::string_view header) {
  if (header.size() <= max_reported_header) return header;
  const std::size_t end = header.rfind("\r\n", max_reported_header - 2);
  return end == header.npos ? std::string_view() : header.substr(0, end + 2);
}

GATEPOST_DECL std::string write_failure_report(const failed_message& m, const report_sender& sender,
                                               std::string_view to, std::string_view id,
                                               std::chrono::system_clock::time_point now) {
  // No line of a header is this: behind a name's blanks there is a colon (RFC 5322 §4.5).
  const std::string boundary = "=_dmarc failure_=";
  const std::string delimiter = "\r\n--" + boundary + "\r\n";
  std::string out;
  smtp::write_field(out, "From", sender.email);
  smtp::write_field(out, "To", to);
  smtp::write_field(out, "Subject", "DMARC failure report for " + m.outcome.author_domain);
  smtp::write_field(out, "Date", smtp::date_text(now));
  smtp::write_field(out, "Message-ID", "<" + std::string(id) + "@" + sender.domain + ">");
  smtp::write_field(out, "Auto-Submitted", "auto-generated");  // RFC 3834 §5: nobody answers it
  smtp::write_field(out, "MIME-Version", "1.0");
  // As it stands: write_field() might fold at the blank, which not every reader undoes.
  out += "Content-Type: multipart/report; report-type=feedback-report;\r\n boundary=\"" + boundary +
         "\"\r\n";
  out += delimiter + "Content-Type: text/plain; charset=utf-8\r\n" +
         "Content-Transfer-Encoding: 8bit\r\n\r\n" + detail::text_for_people(m);
  out += delimiter + "Content-Type: message/feedback-report\r\n\r\n" +
         detail::feedback_fields(m, sender);
  out += delimiter + "Content-Type: text/rfc822-headers\r\n\r\n";
  out += reported_header(m.header);
  out += "\r\n--" + boundary + "--\r\n";
  return out;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_FAILURE_REPORT_IPP
