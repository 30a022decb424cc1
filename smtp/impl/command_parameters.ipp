#ifndef GATEPOST_SMTP_IMPL_COMMAND_PARAMETERS_IPP
#define GATEPOST_SMTP_IMPL_COMMAND_PARAMETERS_IPP

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "smtp/command.hpp"
#include "smtp/xtext.hpp"

// The words of a command line, and the parameters of MAIL and RCPT: RFC 5321 §4.1.1.11 and the
// extensions.
namespace gatepost::smtp::detail {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

constexpr std::string_view trim(std::string_view s) {
  while (!s.empty() && is_blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_blank(s.back())) s.remove_suffix(1);
  return s;
}

// The next word, taken off `s` with the blanks behind it.
constexpr std::string_view take_word(std::string_view& s) {
  std::size_t end = 0;
  while (end < s.size() && !is_blank(s[end])) ++end;
  const std::string_view word = s.substr(0, end);
  s.remove_prefix(end);
  while (!s.empty() && is_blank(s.front())) s.remove_prefix(1);
  return word;
}

// RFC 5321 §4.1.2: esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-").
constexpr bool is_keyword(std::string_view s) {
  if (s.empty() || s.front() == '-') return false;
  for (const char c : s) {
    const bool good =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
    if (!good) return false;
  }
  return true;
}

// What an octet can be in a parameter. RFC 5321 §4.1.2: esmtp-value = 1*(%d33-60 / %d62-126); RFC
// 6531 §3.3 adds UTF-8.
constexpr std::uint8_t odd_in_value = 1;
constexpr std::uint8_t not_ascii_in_value = 2;
constexpr std::uint8_t behind_value = 4;
constexpr std::uint8_t behind_keyword = 8;

constexpr auto value_octets = [] {
  std::array<std::uint8_t, 256> kinds{};
  for (unsigned c = 0; c < kinds.size(); ++c) {
    if (c == ' ' || c == '\t')
      kinds[c] = behind_keyword | behind_value | odd_in_value;
    else if (c == '=')
      kinds[c] = behind_keyword | odd_in_value;
    else if (c < 32 || c == 127)
      kinds[c] = odd_in_value;
    else if (c >= 128)
      kinds[c] = not_ascii_in_value;
  }
  return kinds;
}();

constexpr std::uint8_t kind_in_value(char c) { return value_octets[static_cast<unsigned char>(c)]; }

// Whether a text is a value, by all the kinds of its octets.
constexpr bool is_value_of(std::uint8_t kinds, std::string_view s, bool utf8) {
  if (s.empty() || (kinds & odd_in_value) != 0) return false;
  return (kinds & not_ascii_in_value) == 0 || (utf8 && valid_utf8(s));
}

constexpr bool is_value(std::string_view s, bool utf8) {
  std::uint8_t kinds = 0;
  for (const char c : s) kinds |= kind_in_value(c);
  return is_value_of(kinds, s, utf8);
}

// Of a parameter that is none of ours.
inline errc not_known(std::string_view keyword) {
  return is_keyword(keyword) ? errc::unknown_parameter : errc::bad_parameter;
}

struct parameter {
  std::string_view keyword;  // may be anything
  std::string_view value;
  bool has_value = false;
};

// The next parameter, taken off `rest` with the blanks behind it.
inline result<parameter> take_parameter(std::string_view& rest, bool utf8) {
  std::size_t end = 0;
  while (end < rest.size() && (kind_in_value(rest[end]) & behind_keyword) == 0) ++end;
  parameter p{rest.substr(0, end), {}, end < rest.size() && rest[end] == '='};
  std::uint8_t kinds = 0;
  if (p.has_value) {
    const std::size_t begin = ++end;
    for (; end < rest.size(); ++end) {
      const std::uint8_t kind = kind_in_value(rest[end]);
      if ((kind & behind_value) != 0) break;
      kinds |= kind;
    }
    p.value = rest.substr(begin, end - begin);
  }
  while (end < rest.size() && is_blank(rest[end])) ++end;
  rest.remove_prefix(end);
  // RFC 4954 §5 and RFC 3461 allow "=" nowhere else, but AUTH=<> and the like hold what a value
  // may.
  if (p.has_value && !is_value_of(kinds, p.value, utf8)) return errc::bad_parameter;
  return p;
}

template <class Number>
std::optional<Number> read_number(std::string_view s) {
  Number n{};
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), n);
  if (s.empty() || error != std::errc{} || end != s.data() + s.size()) return std::nullopt;
  return n;
}

// A SIZE too large for 64 bits is a large message, not a syntax error (RFC 1870 §4 allows 20
// digits).
inline std::optional<std::uint64_t> read_size(std::string_view s) {
  if (s.empty() || s.size() > 20) return std::nullopt;
  std::uint64_t n = 0;
  for (const char c : s) {
    const auto digit = static_cast<unsigned char>(c - '0');
    if (digit > 9) return std::nullopt;
    n = n * 10 + digit;  // may be wrong of 20 digits
  }
  return s.size() < 20 ? n : read_number<std::uint64_t>(s).value_or(~0ull);
}

using mail_setter = errc (*)(const parameter&, mail_parameters&);

struct mail_parameter_row {
  std::string_view keyword;
  extension needs;
  bool value;  // it is written KEYWORD=value
  mail_setter set;
};

inline constexpr errc no_error{};

inline errc set_size(const parameter& p, mail_parameters& m) {
  m.size = read_size(p.value);
  return m.size ? no_error : errc::bad_parameter;
}

inline errc set_body(const parameter& p, mail_parameters& m) {
  if (equal_ignoring_case(p.value, "7BIT"))
    m.body = body_type::seven_bit;
  else if (equal_ignoring_case(p.value, "8BITMIME"))
    m.body = body_type::eight_bit_mime;
  else if (equal_ignoring_case(p.value, "BINARYMIME"))
    m.body = body_type::binary_mime;
  else
    return errc::bad_parameter;
  return no_error;
}

inline errc set_smtputf8(const parameter&, mail_parameters& m) {
  m.smtputf8 = true;
  return no_error;
}

inline errc set_requiretls(const parameter&, mail_parameters& m) {
  m.requiretls = true;
  return no_error;
}

inline errc set_prdr(const parameter&, mail_parameters& m) {
  m.prdr = true;
  return no_error;
}

inline errc set_ret(const parameter& p, mail_parameters& m) {
  if (equal_ignoring_case(p.value, "FULL"))
    m.ret = dsn_return::full;
  else if (equal_ignoring_case(p.value, "HDRS"))
    m.ret = dsn_return::headers;
  else
    return errc::bad_parameter;
  return no_error;
}

inline errc set_envid(const parameter& p, mail_parameters& m) {
  m.envid = p.value;
  // RFC 3461 §4.4: printable, and at most 100 characters.
  return is_printable_xtext(p.value) && p.value.size() <= 100 ? no_error : errc::bad_parameter;
}

inline errc set_auth(const parameter& p, mail_parameters& m) {
  m.auth = p.value;
  // RFC 4954 §5: "<>" or a mailbox, as xtext; at most 500 characters (RFC 4954 §3).
  return is_printable_xtext(p.value) && p.value.size() <= 500 ? no_error : errc::bad_parameter;
}

inline errc set_solicit(const parameter& p, mail_parameters& m) {
  m.solicit = p.value;
  // RFC 3865 §2.2: keywords, of at most 1000 characters in all.
  if (p.value.size() > 1000) return errc::bad_parameter;
  for (std::optional<std::string_view> rest = p.value; rest;)
    if (!is_solicitation_keyword(take_item(rest))) return errc::bad_parameter;
  return no_error;
}

inline constexpr mail_parameter_row mail_parameter_table[] = {
    {"SIZE", extension::size, true, set_size},
    {"BODY", extension::eightbitmime, true, set_body},
    {"SMTPUTF8", extension::smtputf8, false, set_smtputf8},
    {"REQUIRETLS", extension::requiretls, false, set_requiretls},
    {"PRDR", extension::prdr, false, set_prdr},
    {"RET", extension::dsn, true, set_ret},
    {"ENVID", extension::dsn, true, set_envid},
    {"AUTH", extension::auth, true, set_auth},
    {"SOLICIT", extension::no_soliciting, true, set_solicit},
};

// `seen`: one bit per row of the table, for what may not come twice (RFC 5321 §4.1.1.11).
inline errc apply_mail_parameter(const parameter& p, const parse_options& options,
                                 std::uint32_t& seen, mail_parameters& m) {
  std::uint32_t bit = 1;
  for (const mail_parameter_row& row : mail_parameter_table) {
    const std::uint32_t mine = bit;
    bit <<= 1;
    if (!equal_ignoring_case(row.keyword, p.keyword)) continue;
    if (!options.offered.has(row.needs)) return errc::unknown_parameter;
    if ((seen & mine) != 0) return errc::duplicate_parameter;
    if (row.value != p.has_value) return errc::bad_parameter;
    seen |= mine;
    m.given.add(row.needs);
    if (const errc e = row.set(p, m); e != no_error) return e;
    // RFC 3030 §3: BINARYMIME is an extension of its own.
    if (m.body == body_type::binary_mime && !options.offered.has(extension::binarymime))
      return errc::unknown_parameter;
    return no_error;
  }
  return not_known(p.keyword);
}

inline errc parse_mail_parameters(std::string_view text, const parse_options& options, bool utf8,
                                  mail_parameters& m) {
  std::uint32_t seen = 0;
  for (std::size_t count = 0; !text.empty(); ++count) {
    if (count == options.max_parameters) return errc::too_many_parameters;
    const auto p = take_parameter(text, utf8);
    if (!p) return p.error();
    if (const errc e = apply_mail_parameter(*p, options, seen, m); e != no_error) return e;
  }
  return no_error;
}

// RFC 3461 §4.1: "NEVER", or a list of SUCCESS, FAILURE, DELAY.
inline errc set_notify(std::string_view list, rcpt_parameters& r) {
  for (std::optional<std::string_view> rest = list; rest;) {
    const std::string_view item = take_item(rest);
    std::uint8_t bit = 0;
    if (equal_ignoring_case(item, "NEVER"))
      bit = notify_never;
    else if (equal_ignoring_case(item, "SUCCESS"))
      bit = notify_success;
    else if (equal_ignoring_case(item, "FAILURE"))
      bit = notify_failure;
    else if (equal_ignoring_case(item, "DELAY"))
      bit = notify_delay;
    if (bit == 0) return errc::bad_parameter;
    r.notify |= bit;
  }
  // NEVER stands alone.
  const bool both = (r.notify & notify_never) != 0 && r.notify != notify_never;
  return both ? errc::bad_parameter : no_error;
}

// RFC 3461 §4.2: addr-type ";" xtext; RFC 6533 §3 adds utf-8-addr-unitext, hence UTF-8.
inline errc set_orcpt(std::string_view value, bool smtputf8, rcpt_parameters& r) {
  const std::size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos || !is_keyword(value.substr(0, semicolon)))
    return errc::bad_parameter;
  const std::string_view address = value.substr(semicolon + 1);
  const bool unitext = equal_ignoring_case(value.substr(0, semicolon), "utf-8");
  if (address.empty() || value.size() > 500) return errc::bad_parameter;
  const bool good =
      unitext ? is_value(address, smtputf8) && is_utf8_xtext(address) : is_printable_xtext(address);
  if (!good) return errc::bad_parameter;
  r.orcpt = value;
  return no_error;
}

inline errc apply_rcpt_parameter(const parameter& p, const parse_options& options, bool smtputf8,
                                 rcpt_parameters& r) {
  const bool notify = equal_ignoring_case(p.keyword, "NOTIFY");
  if (!notify && !equal_ignoring_case(p.keyword, "ORCPT")) return not_known(p.keyword);
  if (!options.offered.has(extension::dsn)) return errc::unknown_parameter;
  if (!p.has_value) return errc::bad_parameter;
  if (notify ? r.notify != 0 : !r.orcpt.empty()) return errc::duplicate_parameter;
  r.given.add(extension::dsn);
  return notify ? set_notify(p.value, r) : set_orcpt(p.value, smtputf8, r);
}

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_IMPL_COMMAND_PARAMETERS_IPP
