#ifndef GATEPOST_CHECKS_DMARC_IMPL_REPORT_XML_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_REPORT_XML_IPP

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "checks/dmarc/report_xml.hpp"
#include "smtp/base64.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/trace.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

// Text and elements, indented.
class xml_writer {
 public:
  void open(std::string_view name, std::string_view attributes = {}) {
    indent();
    out_.append("<").append(name).append(attributes).append(">\n");
    ++depth_;
  }
  void close(std::string_view name) {
    --depth_;
    indent();
    out_.append("</").append(name).append(">\n");
  }
  void element(std::string_view name, std::string_view text) {
    indent();
    out_.append("<").append(name).append(">");
    escape(text);
    out_.append("</").append(name).append(">\n");
  }
  // Only where there is one.
  void optional_element(std::string_view name, std::string_view text) {
    if (!text.empty()) element(name, text);
  }
  void number(std::string_view name, std::int64_t n) { element(name, std::to_string(n)); }
  void raw(std::string_view text) { out_ += text; }

  std::string take() { return std::move(out_); }

 private:
  void indent() { out_.append(2 * depth_, ' '); }

  // XML 1.0 §2.2: characters it cannot hold become '?'.
  void escape(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = std::max<std::size_t>(smtp::utf8_sequence(text, at), 1);
      escape_one(text.substr(at, size), smtp::utf8_sequence(text, at) != 0);
      at += size;
    }
  }
  void escape_one(std::string_view one, bool good) {
    const char c = one.front();
    const bool control = static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\n';
    if (!good || control || one == "\xef\xbf\xbe" || one == "\xef\xbf\xbf")
      out_ += '?';
    else if (c == '&')
      out_ += "&amp;";
    else if (c == '<')
      out_ += "&lt;";
    else if (c == '>')
      out_ += "&gt;";
    else if (c == '"')
      out_ += "&quot;";
    else
      out_ += one;
  }

  std::string out_;
  std::size_t depth_ = 0;
};

// Writes one report in one of the two schemas.
class report_writer {
 public:
  report_writer(const report& r, const report_sender& sender)
      : report_(r), sender_(sender), old_(r.policy.regime == regime::rfc7489) {}

  std::string write() {
    xml_.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml_.open("feedback", old_ ? "" : " xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\"");
    xml_.element("version", "1.0");
    metadata();
    policy_published();
    for (const counted_row& row : report_.rows) record(row);
    xml_.close("feedback");
    return xml_.take();
  }

 private:
  void metadata() {
    xml_.open("report_metadata");
    xml_.element("org_name", sender_.organization);
    xml_.element("email", sender_.email);
    xml_.optional_element("extra_contact_info", sender_.contact);
    xml_.element("report_id", report_id(report_, sender_));
    xml_.open("date_range");
    xml_.number("begin", report_.begin.time_since_epoch().count());
    xml_.number("end", report_.end.time_since_epoch().count());
    xml_.close("date_range");
    xml_.optional_element("error", errors());
    if (!old_) xml_.optional_element("generator", sender_.generator);
    xml_.close("report_metadata");
  }

  // RFC 9990 §3.1.5: reasonably short.
  std::string errors() const {
    std::string out;
    for (const std::string& problem : report_.policy.published.problems) {
      if (out.size() > 200) break;
      out += (out.empty() ? "" : "; ") + problem;
    }
    if (report_.dropped > 0)
      out += (out.empty() ? "" : "; ") + std::to_string(report_.dropped) + " messages not listed";
    return out;
  }

  void policy_published() {
    const dmarc::record& p = report_.policy.published;
    xml_.open("policy_published");
    xml_.element("domain", report_.policy.domain);
    if (!old_) xml_.element("discovery_method", "treewalk");
    if (old_) modes(p);
    xml_.element("p", to_string(p.own_policy()));
    xml_.element("sp", to_string(p.subdomain_policy()));
    if (old_) {
      xml_.number("pct", p.pct);
      xml_.element("fo", p.fo_text);
    } else {
      xml_.element("np", to_string(p.nonexistent_policy()));
      xml_.element("fo", p.fo_text);
      modes(p);
      xml_.element("testing", p.testing ? "y" : "n");
    }
    xml_.close("policy_published");
  }

  void modes(const dmarc::record& p) {
    xml_.element("adkim", to_string(p.adkim));
    xml_.element("aspf", to_string(p.aspf));
  }

  void record(const counted_row& counted) {
    const report_row& row = counted.row;
    xml_.open("record");
    xml_.open("row");
    xml_.element("source_ip", row.source.text());
    xml_.number("count", static_cast<std::int64_t>(counted.count));
    policy_evaluated(row);
    xml_.close("row");
    xml_.open("identifiers");
    if (old_) xml_.element("envelope_from", row.envelope_from);
    xml_.element("header_from", row.header_from);
    if (!old_) xml_.element("envelope_from", row.envelope_from);
    xml_.close("identifiers");
    auth_results(row);
    xml_.close("record");
  }

  void policy_evaluated(const report_row& row) {
    xml_.open("policy_evaluated");
    // RFC 9990: "pass" where an enforcing policy had nothing to do.
    const bool pass = !old_ && row.passed && enforces();
    xml_.element("disposition", pass ? "pass" : to_string(row.disposition));
    xml_.element("dkim", row.dkim_aligned ? "pass" : "fail");
    xml_.element("spf", row.spf_aligned ? "pass" : "fail");
    for (const override_reason& reason : row.reasons) {
      xml_.open("reason");
      xml_.element("type", type_of(reason.type));
      xml_.optional_element("comment", reason.comment);
      xml_.close("reason");
    }
    xml_.close("policy_evaluated");
  }

  bool enforces() const {
    const dmarc::record& p = report_.policy.published;
    return p.own_policy() != policy::none || p.subdomain_policy() != policy::none ||
           p.nonexistent_policy() != policy::none;
  }

  // Each schema lacks what the other one has.
  std::string_view type_of(override_type t) const {
    const bool unknown = old_ ? t == override_type::policy_test_mode
                              : t == override_type::forwarded || t == override_type::sampled_out;
    return to_string(unknown ? override_type::other : t);
  }

  void auth_results(const report_row& row) {
    xml_.open("auth_results");
    for (const authenticated_dkim& s : row.dkim) {
      xml_.open("dkim");
      xml_.element("domain", s.domain);
      xml_.element("selector", s.selector);
      xml_.element("result", to_string(s.result));
      xml_.close("dkim");
    }
    if (row.spf) {
      xml_.open("spf");
      xml_.element("domain", row.spf->domain);
      xml_.element("scope", "mfrom");
      xml_.element("result", to_string(row.spf->result));
      xml_.close("spf");
    }
    xml_.close("auth_results");
  }

  const report& report_;
  const report_sender& sender_;
  bool old_;
  xml_writer xml_;
};

inline std::string period_of(const report& r, std::string_view separator) {
  return std::to_string(r.begin.time_since_epoch().count()) + std::string(separator) +
         std::to_string(r.end.time_since_epoch().count());
}

// RFC 2045 §6.8
inline constexpr std::size_t base64_line = 76;

inline void append_base64_lines(std::string& out, std::string_view octets) {
  const std::string all = smtp::base64_encode(octets);
  for (std::size_t at = 0; at < all.size(); at += base64_line) {
    out += std::string_view(all).substr(at, base64_line);
    out += "\r\n";
  }
}

}  // namespace detail

GATEPOST_DECL std::string report_id(const report& r, const report_sender& sender) {
  return detail::period_of(r, "-") + "-" + r.policy.domain + "@" + sender.domain;
}

GATEPOST_DECL std::string write_report_xml(const report& r, const report_sender& sender) {
  return detail::report_writer(r, sender).write();
}

GATEPOST_DECL std::string report_file_name(const report& r, const report_sender& sender) {
  return sender.domain + "!" + r.policy.domain + "!" + detail::period_of(r, "!") + ".xml.gz";
}

GATEPOST_DECL std::optional<std::string> gzip(std::string_view text) {
  if (text.size() > std::numeric_limits<uInt>::max() / 2) return std::nullopt;
  z_stream z{};
  constexpr int gzip_format = 15 + 16;  // zlib.h: a window of 32 KiB, and gzip's frame
  if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, gzip_format, 9, Z_DEFAULT_STRATEGY) != Z_OK)
    return std::nullopt;
  std::string out(deflateBound(&z, static_cast<uLong>(text.size())), '\0');
  std::string in(text);
  z.next_in = reinterpret_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int ended = deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  if (ended != Z_STREAM_END) return std::nullopt;
  return out;
}

GATEPOST_DECL std::size_t encoded_octets(std::string_view gzipped) {
  const std::size_t digits = (gzipped.size() + 2) / 3 * 4;
  const std::size_t lines = (digits + detail::base64_line - 1) / detail::base64_line;
  return digits + 2 * lines;
}

GATEPOST_DECL std::string write_report_message(const report& r, const report_sender& sender,
                                               std::string_view to, std::string_view gzipped,
                                               std::chrono::system_clock::time_point now) {
  const std::string id = report_id(r, sender);
  const std::string boundary = "=_dmarc_" + detail::period_of(r, "_");
  std::string out;
  smtp::write_field(out, "From", sender.email);
  smtp::write_field(out, "To", to);
  smtp::write_field(out, "Subject",
                    "Report Domain: " + r.policy.domain + " Submitter: " + sender.domain +
                        " Report-ID: <" + id + ">");
  smtp::write_field(out, "Date", smtp::date_text(now));
  smtp::write_field(out, "Message-ID", "<" + id + ">");
  smtp::write_field(out, "Auto-Submitted", "auto-generated");  // RFC 3834 §5
  smtp::write_field(out, "MIME-Version", "1.0");
  smtp::write_field(out, "Content-Type", "multipart/mixed; boundary=\"" + boundary + "\"");
  out += "\r\n--" + boundary + "\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" +
         "This is a DMARC aggregate report for " + r.policy.domain + ".\r\n\r\n--" + boundary +
         "\r\n";
  const std::string name = report_file_name(r, sender);
  smtp::write_field(out, "Content-Type", "application/gzip; name=\"" + name + "\"");
  smtp::write_field(out, "Content-Disposition", "attachment; filename=\"" + name + "\"");
  smtp::write_field(out, "Content-Transfer-Encoding", "base64");
  out += "\r\n";
  detail::append_base64_lines(out, gzipped);
  out += "\r\n--" + boundary + "--\r\n";
  return out;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_REPORT_XML_IPP
