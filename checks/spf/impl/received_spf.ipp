#ifndef GATEPOST_CHECKS_SPF_IMPL_RECEIVED_SPF_IPP
#define GATEPOST_CHECKS_SPF_IMPL_RECEIVED_SPF_IPP

#include <algorithm>

#include "checks/spf/received_spf.hpp"

namespace gatepost::checks::spf {
namespace detail {

// RFC 5322 §3.2.3
inline bool is_atext(char c) {
  const bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
  return alnum || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

inline bool is_dot_atom(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  if (text.find("..") != text.npos) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_atext(c) || c == '.'; });
}

inline bool is_control(char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }

// Appends text of which no octet has a meaning: `special` ones are quoted (RFC 5322 §3.2.1), and
// controls become '?'.
inline void append_quoted(std::string& out, std::string_view text, std::string_view special) {
  for (const char c : text) {
    if (c == '\\' || special.find(c) != special.npos) out += '\\';
    out += is_control(c) ? '?' : c;
  }
}

inline void append_pair(std::string& out, std::string_view key, std::string_view value) {
  out += out.back() == ')' ? " " : "; ";
  out += key;
  out += '=';
  if (is_dot_atom(value)) {
    out += value;
    return;
  }
  out += '"';
  append_quoted(out, value, "\"");
  out += '"';
}

// What the result says, in words (RFC 7208 §2.6).
inline std::string sentence(const outcome& found, std::string_view client) {
  const std::string by = std::string(client);
  const std::string domain(found.domain());
  switch (found.result) {
    case result::none: return "no SPF record for " + domain;
    case result::neutral: return domain + " neither permits nor denies " + by;
    case result::pass: return domain + " designates " + by + " as permitted sender";
    case result::fail: return domain + " does not designate " + by + " as permitted sender";
    case result::softfail: return domain + " probably does not permit " + by;
    case result::temperror: return "temporary error for " + domain;
    case result::permerror: return "SPF record of " + domain + " is in error";
  }
  return domain;
}

// RFC 7208 §9.1: "default" where none matched.
inline std::string_view mechanism_of(const outcome& found) {
  std::string_view text = found.mechanism;
  if (text.empty()) return "default";
  if (std::string_view("+-~?").find(text[0]) != std::string_view::npos) text.remove_prefix(1);
  return text;
}

}  // namespace detail

GATEPOST_DECL std::string received_spf(const outcome& found, const received_spf_facts& facts) {
  const std::string client = facts.client.unmapped().text();
  std::string out(to_string(found.result));
  out += " (";
  if (!facts.receiver.empty()) {
    detail::append_quoted(out, facts.receiver, "()");
    out += ": ";
  }
  detail::append_quoted(out, detail::sentence(found, client), "()");
  out += ')';
  detail::append_pair(out, "identity", to_string(found.identity));
  detail::append_pair(out, "client-ip", client);
  if (!facts.receiver.empty()) detail::append_pair(out, "receiver", facts.receiver);
  if (found.identity == identity::mail_from)
    detail::append_pair(out, "envelope-from",
                        facts.reverse_path.empty() ? "<>" : facts.reverse_path);
  detail::append_pair(out, "helo", facts.helo);
  if (found.result != result::none && found.problem.empty())
    detail::append_pair(out, "mechanism", detail::mechanism_of(found));
  if (!found.problem.empty()) detail::append_pair(out, "problem", found.problem);
  return out;
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_RECEIVED_SPF_IPP
