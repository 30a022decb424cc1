#ifndef GATEPOST_CHECKS_IMPL_AUTH_RESULTS_IPP
#define GATEPOST_CHECKS_IMPL_AUTH_RESULTS_IPP

#include <algorithm>
#include <charconv>
#include <utility>

#include "checks/auth_results.hpp"
#include "checks/detail/auth_scanner.hpp"
#include "smtp/domain.hpp"
#include "smtp/errc.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks {
namespace detail::auth {

inline bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// RFC 2045 §5.1
inline bool is_token_octet(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u > ' ' && u < 0x7f &&
         std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

// RFC 5322 §3.2.3
inline bool is_atom_octet(char c) {
  return is_alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
}

// RFC 5321 Keyword, with the underscore that some properties in use have ("header.x_y").
inline bool is_keyword_octet(char c) { return is_alnum(c) || c == '-' || c == '_'; }

// RFC 8601 §2.2 pvalue, its second form: [ [ local-part ] "@" ] domain-name. A quoted local part
// takes the first form.
inline bool is_mailbox_value(std::string_view text) {
  const auto sign = text.find('@');
  if (sign == text.npos || !smtp::valid_domain(text.substr(sign + 1))) return false;
  const std::string_view local = text.substr(0, sign);
  return std::all_of(local.begin(), local.end(), is_atom_octet);
}

// Cut to the limit, between characters; what is no UTF-8, and controls, become '?'.
inline std::string clean(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::max<std::size_t>(smtp::utf8_sequence(text, at), 1);
    if (out.size() + size > max_auth_text_octets) break;
    const auto u = static_cast<unsigned char>(text[at]);
    const bool good = smtp::utf8_sequence(text, at) != 0 && u >= ' ' && u != 0x7f;
    out += good ? text.substr(at, size) : std::string_view("?");
    at += size;
  }
  return out;
}

inline void append_keyword(std::string& out, std::string_view word) {
  const std::string_view cut = word.substr(0, max_auth_text_octets);
  for (const char c : cut) out += is_keyword_octet(c) ? c : '-';
  if (cut.empty()) out += '-';
}

inline void append_escaped(std::string& out, std::string_view text, std::string_view special) {
  for (const char c : clean(text)) {
    if (special.find(c) != special.npos) out += '\\';
    out += c;
  }
}

inline void append_value(std::string& out, std::string_view text) {
  const bool token = !text.empty() && std::all_of(text.begin(), text.end(), is_token_octet);
  const bool bare = text.size() <= max_auth_text_octets && (token || is_mailbox_value(text));
  if (bare) {
    out += text;
    return;
  }
  out += '"';
  append_escaped(out, text, "\"\\");
  out += '"';
}

inline void append_method(std::string& out, const auth_method& m) {
  append_keyword(out, m.method);
  if (m.version != 1) out += "/" + std::to_string(m.version);
  out += '=';
  append_keyword(out, m.result);
  if (!m.comment.empty()) {
    out += " (";
    append_escaped(out, m.comment, "()\\");
    out += ')';
  }
  if (!m.reason.empty()) {
    out += " reason=";
    append_value(out, m.reason);
  }
  for (const auth_property& p : m.properties) {
    out += ' ';
    append_keyword(out, p.ptype);
    out += '.';
    append_keyword(out, p.property);
    out += '=';
    append_value(out, p.value);
  }
}

// Reads RFC 8601 §2.2 authres-payload.
class parser {
 public:
  parser(std::string_view text, const auth_results_limits& limits) : in_(text), limits_(limits) {}

  smtp::result<auth_results_view> parse() {
    if (!read_id()) return smtp::errc::bad_header_field;
    bool none = false;
    while (in_.take(';')) {
      if (!in_.skip_blanks() || none) return smtp::errc::bad_header_field;
      if (in_.at_end() && !out_.methods.empty()) break;  // a ';' too many is common
      const std::size_t begin = in_.position();
      if (out_.methods.empty() && read_none()) {
        none = true;
        continue;
      }
      in_.back_to(begin);
      if (out_.methods.size() == limits_.methods) return smtp::errc::too_many_parameters;
      if (!read_method()) return error_;
    }
    if (!in_.at_end() || (!none && out_.methods.empty())) return smtp::errc::bad_header_field;
    return std::move(out_);
  }

 private:
  bool read_id() {
    if (!in_.skip_blanks()) return false;
    auto id = read_value();
    if (!id || id->empty() || !in_.skip_blanks()) return false;
    out_.authserv_id = *std::move(id);
    return !in_.skipped() || read_number(out_.version, false);
  }

  // [ 1*DIGIT [CFWS] ]
  bool read_number(unsigned& number, bool wanted) {
    const auto digits = in_.take_while([](char c) { return c >= '0' && c <= '9'; });
    if (digits.empty()) return !wanted;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc{} && in_.skip_blanks();
  }

  bool read_none() {
    const auto word = in_.take_while(is_keyword_octet);
    return smtp::equal_ignoring_case(word, "none") && in_.skip_blanks() && in_.at_end();
  }

  bool read_method() {
    auth_method m;
    m.method = smtp::to_lower_ascii(in_.take_while(is_keyword_octet));
    if (m.method.empty() || !in_.skip_blanks()) return false;
    if (in_.take('/') && !(in_.skip_blanks() && read_number(m.version, true))) return false;
    if (!in_.take('=') || !in_.skip_blanks()) return false;
    m.result = smtp::to_lower_ascii(in_.take_while(is_keyword_octet));
    if (m.result.empty() || !in_.skip_blanks()) return false;
    if (!read_properties(m)) return false;
    out_.methods.push_back(std::move(m));
    return true;
  }

  bool read_properties(auth_method& m) {
    while (!in_.at_end()) {
      const std::size_t begin = in_.position();
      if (in_.take(';')) {
        in_.back_to(begin);
        return true;
      }
      if (m.properties.size() == limits_.properties) {
        error_ = smtp::errc::too_many_parameters;
        return false;
      }
      if (!read_property(m)) return false;
    }
    return true;
  }

  // reasonspec / propspec
  bool read_property(auth_method& m) {
    auth_property p;
    p.ptype = smtp::to_lower_ascii(in_.take_while(is_keyword_octet));
    if (p.ptype.empty() || !in_.skip_blanks()) return false;
    const bool reason = p.ptype == "reason" && m.reason.empty() && in_.take('=');
    if (!reason) {
      if (!in_.take('.') || !in_.skip_blanks()) return false;
      p.property = smtp::to_lower_ascii(in_.take_while(is_keyword_octet));
      if (p.property.empty() || !in_.skip_blanks() || !in_.take('=')) return false;
    }
    if (!in_.skip_blanks()) return false;
    auto value = read_value();
    if (!value || !in_.skip_blanks()) return false;
    if (reason) {
      m.reason = *std::move(value);
    } else {
      p.value = *std::move(value);
      m.properties.push_back(std::move(p));
    }
    return true;
  }

  // value / [ [ local-part ] "@" ] domain-name; and what is in use beyond it: any run of octets
  // that are no blank, ';', '(' or '"' ("header.b=a/b=").
  std::optional<std::string> read_value() {
    const auto run = [](char c) { return !is_blank(c) && c != ';' && c != '(' && c != '"'; };
    const std::size_t begin = in_.position();
    auto quoted = in_.take_quoted();
    if (!quoted) {
      in_.back_to(begin);
      const auto bare = in_.take_while(run);
      if (bare.empty()) return std::nullopt;
      return std::string(bare);
    }
    // A quoted local part.
    *quoted += in_.take_while(run);
    return quoted;
  }

  scanner in_;
  const auth_results_limits& limits_;
  auth_results_view out_;
  smtp::errc error_ = smtp::errc::bad_header_field;
};

inline std::size_t rank_of(std::string_view method) {
  constexpr std::string_view order[] = {"auth", "iprev", "spf", "dkim", "arc", "dmarc"};
  return static_cast<std::size_t>(std::find(std::begin(order), std::end(order), method) -
                                  std::begin(order));
}

inline std::string canonical_id(std::string_view id) {
  if (id.ends_with('.')) id.remove_suffix(1);
  return smtp::canonical_domain(id);
}

}  // namespace detail::auth

GATEPOST_DECL std::string write_auth_results(std::string_view authserv_id,
                                             std::span<const auth_method> methods) {
  std::string out;
  detail::auth::append_value(out, authserv_id);
  for (const auth_method& m : methods) {
    out += "; ";
    detail::auth::append_method(out, m);
  }
  if (methods.empty()) out += "; none";
  return out;
}

GATEPOST_DECL smtp::result<auth_results_view> parse_auth_results(
    std::string_view value, const auth_results_limits& limits) {
  if (value.size() > limits.octets) return smtp::errc::header_field_too_long;
  return detail::auth::parser(value, limits).parse();
}

GATEPOST_DECL std::string authserv_id_of(std::string_view value) {
  detail::auth::scanner in(value);
  return detail::auth::take_any_id(in);
}

GATEPOST_DECL bool same_authserv_id(std::string_view a, std::string_view b) {
  return detail::auth::canonical_id(a) == detail::auth::canonical_id(b);
}

GATEPOST_DECL std::vector<smtp::octet_range> forged_auth_results(
    std::span<const smtp::field_view> fields, std::span<const std::string> authserv_ids) {
  std::vector<smtp::octet_range> found;
  for (const smtp::field_view* field : smtp::all_fields(fields, "Authentication-Results")) {
    const std::string id = authserv_id_of(field->value);
    const bool ours =
        std::any_of(authserv_ids.begin(), authserv_ids.end(),
                    [&](const std::string& own) { return same_authserv_id(id, own); });
    if (ours || id.empty() || detail::auth::has_other_version(field->value))
      found.push_back(field->octets);
  }
  return found;
}

GATEPOST_DECL void add_auth_result(notes& where, auth_method found) {
  auto* collected = where.find<collected_auth_results>();
  if (collected == nullptr) collected = &where.emplace<collected_auth_results>();
  collected->methods.push_back(std::move(found));
}

GATEPOST_DECL void sort_auth_results(std::vector<auth_method>& methods) {
  const auto before = [](const auth_method& a, const auth_method& b) {
    const auto left = detail::auth::rank_of(a.method);
    const auto right = detail::auth::rank_of(b.method);
    return left != right ? left < right : a.method < b.method;
  };
  // Behind its equals, so that those stay in order; there are a handful.
  std::vector<auth_method> sorted;
  for (auth_method& m : methods)
    sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), m, before), std::move(m));
  methods = std::move(sorted);
}

GATEPOST_DECL std::vector<auth_method> all_auth_results(const notes& session,
                                                        const notes& transaction) {
  std::vector<auth_method> all;
  for (const notes* scope : {&session, &transaction})
    if (const auto* found = scope->find<collected_auth_results>())
      all.insert(all.end(), found->methods.begin(), found->methods.end());
  sort_auth_results(all);
  return all;
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_AUTH_RESULTS_IPP
