#ifndef GATEPOST_SMTP_IMPL_COMMAND_IPP
#define GATEPOST_SMTP_IMPL_COMMAND_IPP

#include <charconv>

#include "smtp/command.hpp"
#include "smtp/detail/plain_text.hpp"

namespace gatepost::smtp {
namespace detail {

struct verb_row {
  std::string_view word;
  smtp::verb verb;
};

inline constexpr verb_row verb_table[] = {
    {"HELO", verb::helo}, {"EHLO", verb::ehlo},         {"LHLO", verb::lhlo},
    {"MAIL", verb::mail}, {"RCPT", verb::rcpt},         {"DATA", verb::data},
    {"BDAT", verb::bdat}, {"RSET", verb::rset},         {"NOOP", verb::noop},
    {"QUIT", verb::quit}, {"VRFY", verb::vrfy},         {"EXPN", verb::expn},
    {"HELP", verb::help}, {"STARTTLS", verb::starttls}, {"AUTH", verb::auth},
    {"ETRN", verb::etrn}, {"XCLIENT", verb::xclient},   {"XFORWARD", verb::xforward},
};

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

inline verb find_verb(std::string_view word) {
  if (word.size() == 4) {
    // Nearly every command has four letters: compared as one number, in upper case.
    const auto key = [](std::string_view w) {
      std::uint32_t k = 0;
      for (const char c : w) k = k << 8 | (static_cast<unsigned char>(c) & 0xDFu);
      return k;
    };
    const std::uint32_t k = key(word);
    for (const verb_row& row : verb_table)
      if (row.word.size() == 4 && key(row.word) == k && equal_ignoring_case(row.word, word))
        return row.verb;
    return verb::unknown;
  }
  for (const verb_row& row : verb_table)
    if (equal_ignoring_case(row.word, word)) return row.verb;
  return verb::unknown;
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

// RFC 5321 §4.1.2: esmtp-value = 1*(%d33-60 / %d62-126); RFC 6531 §3.3 adds UTF-8.
constexpr bool is_value(std::string_view s, bool utf8) {
  bool ascii = true;
  for (const char ch : s) {
    const auto c = static_cast<unsigned char>(ch);
    if (c <= 32 || c == '=' || c == 127) return false;
    ascii = ascii && c < 128;
  }
  return !s.empty() && (ascii || (utf8 && valid_utf8(s)));
}

// RFC 3461 §4: xtext, the encoding of ENVID, ORCPT and AUTH.
constexpr bool is_xtext(std::string_view s) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto c = static_cast<unsigned char>(s[i]);
    if (c < 33 || c > 126 || c == '=') return false;
    if (c != '+') continue;
    if (i + 2 >= s.size() || !hex(s[i + 1]) || !hex(s[i + 2])) return false;
    i += 2;
  }
  return true;
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

inline result<parameter> take_parameter(std::string_view& rest, bool utf8) {
  const std::string_view word = take_word(rest);
  const std::size_t equals = word.find('=');
  parameter p{word.substr(0, equals), {}, equals != std::string_view::npos};
  if (p.has_value) p.value = word.substr(equals + 1);
  // RFC 4954 §5 and RFC 3461 allow "=" nowhere else, but AUTH=<> and the like hold what a value
  // may.
  if (p.has_value && !is_value(p.value, utf8)) return errc::bad_parameter;
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
  for (const char c : s)
    if (c < '0' || c > '9') return std::nullopt;
  return read_number<std::uint64_t>(s).value_or(~0ull);
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
  // RFC 3461 §4.4: at most 100 characters.
  return is_xtext(p.value) && p.value.size() <= 100 ? no_error : errc::bad_parameter;
}

inline errc set_auth(const parameter& p, mail_parameters& m) {
  m.auth = p.value;
  // RFC 4954 §5: "<>" or a mailbox, as xtext; at most 500 characters (RFC 4954 §3).
  return is_xtext(p.value) && p.value.size() <= 500 ? no_error : errc::bad_parameter;
}

inline errc set_solicit(const parameter& p, mail_parameters& m) {
  m.solicit = p.value;
  return p.value.size() <= 1000 ? no_error : errc::bad_parameter;  // RFC 3865 §2.3
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
  while (true) {
    const std::size_t comma = list.find(',');
    const std::string_view item = list.substr(0, comma);
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
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
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
  if (unitext ? !is_value(address, smtputf8) : !is_xtext(address)) return errc::bad_parameter;
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

// "FROM:" or "TO:", and the text behind it. RFC 5321 §4.1.1.2 has no space after the colon; §3.3
// warns of it; every server takes it, since many clients send it.
inline std::optional<std::string_view> after_prefix(std::string_view argument,
                                                    std::string_view prefix) {
  if (argument.size() < prefix.size()) return std::nullopt;
  if (!equal_ignoring_case(argument.substr(0, prefix.size()), prefix)) return std::nullopt;
  return trim(argument.substr(prefix.size()));
}

// What follows a path: nothing, or a blank and the parameters.
inline result<std::string_view> after_path(std::string_view text, std::size_t size) {
  std::string_view rest = text.substr(size);
  if (!rest.empty() && !is_blank(rest.front())) return errc::trailing_characters;
  return trim(rest);
}

inline address_options options_for(bool smtputf8) {
  address_options o;
  o.utf8 = smtputf8 ? utf8_policy::smtputf8 : utf8_policy::ascii_only;
  return o;
}

}  // namespace detail

GATEPOST_DECL std::string_view to_string(verb v) {
  for (const detail::verb_row& row : detail::verb_table)
    if (row.verb == v) return row.word;
  return "";
}

GATEPOST_DECL result<command_line> parse_command(std::string_view line) {
  command_line c;
  if (!detail::is_plain_text(line)) {
    for (const char octet : line) {
      const auto u = static_cast<unsigned char>(octet);
      if ((u < 32 && u != '\t') || u == 127) return errc::control_character;
      c.ascii = c.ascii && u < 128;
    }
  }
  std::string_view rest = line;
  c.word = detail::take_word(rest);
  if (c.word.empty()) return errc::empty_command;
  c.argument = detail::trim(rest);
  c.verb = detail::find_verb(c.word);
  return c;
}

GATEPOST_DECL result<mail_command> parse_mail(std::string_view argument,
                                              const parse_options& options) {
  const auto text = detail::after_prefix(argument, "FROM:");
  if (!text) return errc::bad_argument;
  // RFC 6531 §3.4: SMTPUTF8 stands behind the address that it allows, so that the path is read with
  // UTF-8 where the extension is offered, and refused afterwards if the parameter is missing.
  const bool offered = options.offered.has(extension::smtputf8);
  const auto path = read_reverse_path(*text, detail::options_for(offered));
  if (!path) return path.error();
  const auto rest = detail::after_path(*text, path->size);
  if (!rest) return rest.error();

  mail_command m{*path, {}};
  const errc e = detail::parse_mail_parameters(*rest, options, offered, m.parameters);
  if (e != detail::no_error) return e;
  if (path->box.utf8 && !m.parameters.smtputf8) return errc::non_ascii_address;
  return m;
}

GATEPOST_DECL result<rcpt_command> parse_rcpt(std::string_view argument,
                                              const parse_options& options, bool smtputf8) {
  const auto text = detail::after_prefix(argument, "TO:");
  if (!text) return errc::bad_argument;
  const auto path = read_forward_path(*text, detail::options_for(smtputf8));
  if (!path) return path.error();
  auto rest = detail::after_path(*text, path->size);
  if (!rest) return rest.error();

  rcpt_command r{*path, {}};
  for (std::size_t count = 0; !rest->empty(); ++count) {
    if (count == options.max_parameters) return errc::too_many_parameters;
    const auto p = detail::take_parameter(*rest, smtputf8);
    if (!p) return p.error();
    const errc e = detail::apply_rcpt_parameter(*p, options, smtputf8, r.parameters);
    if (e != detail::no_error) return e;
  }
  return r;
}

GATEPOST_DECL result<bdat_command> parse_bdat(std::string_view argument) {
  const std::string_view digits = detail::take_word(argument);
  const auto size = detail::read_number<std::uint64_t>(digits);
  if (!size) return digits.empty() ? errc::missing_argument : errc::bad_chunk;
  bdat_command b{*size, false};
  if (argument.empty()) return b;
  if (!equal_ignoring_case(argument, "LAST")) return errc::bad_chunk;
  b.last = true;
  return b;
}

GATEPOST_DECL result<auth_command> parse_auth(std::string_view argument) {
  auth_command a;
  a.mechanism = detail::take_word(argument);
  if (a.mechanism.empty()) return errc::missing_argument;
  // RFC 4422 §3.1: a mechanism's name has 1 to 20 of A-Z 0-9 - _.
  if (a.mechanism.size() > 20) return errc::bad_argument;
  for (const char c : a.mechanism) {
    const bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                      c == '-' || c == '_';
    if (!good) return errc::bad_argument;
  }
  if (argument.empty()) return a;
  a.initial_response = detail::take_word(argument);
  if (!argument.empty()) return errc::trailing_characters;
  return a;
}

GATEPOST_DECL result<attribute_list> parse_attributes(std::string_view argument) {
  attribute_list list;
  while (!argument.empty()) {
    const std::string_view word = detail::take_word(argument);
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos || equals == 0) return errc::bad_argument;
    if (list.count == list.items.size()) return errc::too_many_parameters;
    list.items[list.count++] = {word.substr(0, equals), word.substr(equals + 1)};
  }
  if (list.count == 0) return errc::missing_argument;
  return list;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_COMMAND_IPP
