#ifndef GATEPOST_SMTP_IMPL_TRACE_IPP
#define GATEPOST_SMTP_IMPL_TRACE_IPP

#include <algorithm>
#include <cstdint>

#include "smtp/header_edits.hpp"
#include "smtp/trace.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp {
namespace detail::trace {

// Longer values are cut (a mailbox is left out), so that no clause can fill a line of 998 octets.
inline constexpr std::size_t max_host_octets = 255;  // RFC 5321 §4.5.3.1.2
inline constexpr std::size_t max_word_octets = 128;
inline constexpr std::size_t max_mailbox_octets = 512;

inline bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

inline bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

inline bool among(char c, std::string_view set) { return set.find(c) != set.npos; }

// RFC 5322 §3.2.3, with the dot.
inline bool is_atom_octet(char c) { return is_alphanumeric(c) || among(c, "!#$%&'*+-/=?^_`{|}~."); }

// Copies at most `max` octets, '?' in place of those that `allowed` has not.
template <class Allowed>
void append_limited(std::string& out, std::string_view text, std::size_t max, Allowed allowed) {
  for (const char c : text.substr(0, max)) out += allowed(c) ? c : '?';
}

inline void append_host(std::string& out, std::string_view host, std::string_view marks) {
  append_limited(out, host, max_host_octets,
                 [marks](char c) { return is_alphanumeric(c) || among(c, marks); });
}

// A domain name, as far as it looks like one. Never a literal: that would be read as the address.
inline void append_domain(std::string& out, std::string_view name) {
  append_host(out, name, ".-_");
}

// A domain name or address literal.
inline void append_helo(std::string& out, std::string_view helo) {
  const bool literal = helo.size() >= 2 && helo.front() == '[' && helo.back() == ']';
  append_host(out, helo, literal ? ".-_:[]" : ".-_");
}

inline void append_atom(std::string& out, std::string_view word) {
  append_limited(out, word, max_word_octets, is_atom_octet);
}

// Text inside a comment (RFC 5322 §3.2.2).
inline void append_comment_text(std::string& out, std::string_view text) {
  append_limited(out, text, max_word_octets,
                 [](char c) { return is_ascii(c) && !is_control(c) && !among(c, "()\\;"); });
}

// Whether a mailbox can stand in a field as it is: no control, no special outside of quotes, and no
// quote that stays open.
inline bool is_safe_mailbox(std::string_view mailbox) {
  bool quoted = false;
  for (std::size_t i = 0; i < mailbox.size(); ++i) {
    const char c = mailbox[i];
    if (is_control(c)) return false;
    if (c == '"') {
      quoted = !quoted;
    } else if (quoted && c == '\\') {
      if (++i == mailbox.size() || is_control(mailbox[i])) return false;
    } else if (!quoted && among(c, " ()<>,;\\")) {
      return false;
    }
  }
  return !quoted && valid_utf8(mailbox);
}

inline void append_mailbox(std::string& out, std::string_view mailbox) {
  if (is_safe_mailbox(mailbox)) {
    out += mailbox;
    return;
  }
  append_limited(out, mailbox, max_mailbox_octets,
                 [](char c) { return is_atom_octet(c) || among(c, "@[]:"); });
}

// Puts clauses on lines: a clause that does not fit begins a new one.
class clause_writer {
 public:
  clause_writer(std::string& out, std::string_view name) : out_(out), line_start_(out.size()) {
    out_ += name;
    out_ += ':';
  }

  void add(std::string_view clause) {
    if (out_.size() - line_start_ + 1 + clause.size() > preferred_line_octets && !first_) {
      out_ += "\r\n";
      line_start_ = out_.size();
    }
    first_ = false;
    out_ += ' ';
    out_ += clause;
  }

 private:
  std::string& out_;
  std::size_t line_start_;
  bool first_ = true;
};

// RFC 5321 §4.4: From-domain, and TCP-info in a clause of its own.
inline void add_from(clause_writer& writer, const received_facts& facts) {
  std::string clause = "from ";
  append_helo(clause, facts.helo.empty() ? "unknown" : facts.helo);
  writer.add(clause);
  if (!facts.client) return;
  clause = "(";
  if (!facts.client_name.empty()) {
    append_domain(clause, facts.client_name);
    clause += ' ';
  }
  clause += address_literal(*facts.client);
  clause += ')';
  writer.add(clause);
}

inline bool is_registered_name(std::string_view name) {
  return !name.empty() && name.size() <= max_word_octets &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alphanumeric(c) || among(c, "_-"); });
}

inline void add_tls_comment(clause_writer& writer, const tls_facts& tls) {
  std::string comment = "(version=";
  append_comment_text(comment, tls.version);
  if (!is_registered_name(tls.cipher)) {  // else the tls clause names it
    comment += " cipher=";
    append_comment_text(comment, tls.cipher);
  }
  comment += " bits=";
  comment += std::to_string(tls.cipher_bits);
  if (tls.peer.present) comment += tls.peer_verified ? " verify=yes" : " verify=no";
  comment += ')';
  writer.add(comment);
}

// RFC 8314 §4.3, an Additional-Registered-Clause.
inline void add_tls_clause(clause_writer& writer, const tls_facts& tls) {
  if (!is_registered_name(tls.cipher)) return;
  std::string clause = "tls " + tls.cipher;
  if (is_registered_name(tls.group)) clause += " group " + tls.group;
  writer.add(clause);
}

inline void add_with(clause_writer& writer, const received_facts& facts) {
  writer.add(std::string("with ").append(transmission_type(facts)));
  if (facts.tls != nullptr) add_tls_comment(writer, *facts.tls);
  if (!facts.authenticated || facts.auth_identity.empty()) return;
  std::string comment = "(authenticated: ";
  append_comment_text(comment, facts.auth_identity);
  comment += ')';
  writer.add(comment);
}

inline void add_id(clause_writer& writer, std::string_view id) {
  if (id.empty()) return;
  std::string clause = "id ";
  append_atom(clause, id);
  writer.add(clause);
}

// RFC 5321 §7.6: naming one of several recipients would tell them of each other.
inline void add_for(clause_writer& writer, const received_facts& facts) {
  if (facts.recipients != 1 || facts.recipient.empty()) return;
  if (facts.recipient.size() > max_mailbox_octets) return;
  std::string clause = "for <";
  append_mailbox(clause, facts.recipient);
  clause += '>';
  writer.add(clause);
}

inline void append_two_digits(std::string& out, std::int64_t value) {
  out += static_cast<char>('0' + value / 10 % 10);
  out += static_cast<char>('0' + value % 10);
}

}  // namespace detail::trace

GATEPOST_DECL std::string_view transmission_type(const received_facts& facts) noexcept {
  constexpr std::string_view smtp_types[] = {"ESMTP",    "ESMTPA",    "ESMTPS",    "ESMTPSA",
                                             "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"};
  constexpr std::string_view lmtp_types[] = {"LMTP",     "LMTPA",     "LMTPS",     "LMTPSA",
                                             "UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA"};
  const int which =
      (facts.utf8 ? 4 : 0) + (facts.tls != nullptr ? 2 : 0) + (facts.authenticated ? 1 : 0);
  if (facts.protocol == protocol::lmtp) return lmtp_types[which];
  if (facts.protocol != protocol::esmtp && which == 0) return "SMTP";
  return smtp_types[which];
}

GATEPOST_DECL void write_received(std::string& out, const received_facts& facts) {
  namespace impl = detail::trace;
  impl::clause_writer writer(out, "Received");
  impl::add_from(writer, facts);
  std::string by = "by ";
  impl::append_domain(by, facts.by.empty() ? "unknown" : facts.by);
  writer.add(by);
  impl::add_with(writer, facts);
  impl::add_id(writer, facts.id);
  impl::add_for(writer, facts);
  if (facts.tls != nullptr) impl::add_tls_clause(writer, *facts.tls);
  out += ';';
  writer.add(date_text(facts.time));
  out += "\r\n";
}

GATEPOST_DECL void write_return_path(std::string& out, std::string_view mailbox) {
  std::string value = "<";
  detail::trace::append_mailbox(value, mailbox);
  value += '>';
  write_field(out, "Return-Path", value);
}

GATEPOST_DECL void write_delivered_to(std::string& out, std::string_view mailbox) {
  std::string value;
  detail::trace::append_mailbox(value, mailbox);
  write_field(out, "Delivered-To", value);
}

GATEPOST_DECL void append_date(std::string& out, std::chrono::system_clock::time_point time) {
  using detail::trace::append_two_digits;
  using std::chrono::hours;
  using std::chrono::minutes;
  constexpr std::string_view weekdays = "SunMonTueWedThuFriSat";
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto second = std::chrono::floor<std::chrono::seconds>(time - day);
  out += weekdays.substr(3 * std::chrono::weekday(day).c_encoding(), 3);
  out += ", ";
  append_two_digits(out, unsigned{date.day()});
  out += ' ';
  out += months.substr(3 * (unsigned{date.month()} - 1), 3);
  out += ' ';
  append_two_digits(out, int{date.year()} / 100);
  append_two_digits(out, int{date.year()} % 100);
  out += ' ';
  append_two_digits(out, second / hours(1));
  out += ':';
  append_two_digits(out, second % hours(1) / minutes(1));
  out += ':';
  append_two_digits(out, (second % minutes(1)).count());
  out += " +0000";
}

GATEPOST_DECL std::string date_text(std::chrono::system_clock::time_point time) {
  std::string out;
  append_date(out, time);
  return out;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_TRACE_IPP
