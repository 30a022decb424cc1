#ifndef GATEPOST_SMTP_IMPL_COMMAND_IPP
#define GATEPOST_SMTP_IMPL_COMMAND_IPP

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <iterator>

#include "smtp/command.hpp"
#include "smtp/detail/plain_text.hpp"
#include "smtp/impl/command_parameters.ipp"

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

// Four letters as one number, in upper case (other octets change as well, or not: a key decides
// nothing by itself).
constexpr std::uint32_t four_letters(std::string_view word) {
  std::uint32_t key = 0;
  for (const char c : word) key = key << 8 | (static_cast<unsigned char>(c) & 0xDFu);
  return key;
}

constexpr auto verb_keys = [] {
  std::array<std::uint32_t, std::size(verb_table)> keys{};
  for (std::size_t i = 0; i < keys.size(); ++i)
    keys[i] = verb_table[i].word.size() == 4 ? four_letters(verb_table[i].word) : 0;
  return keys;
}();

inline verb find_verb(std::string_view word) {
  // Nearly every command has four letters.
  const std::uint32_t key = word.size() == 4 ? four_letters(word) : 0;
  for (std::size_t i = 0; i < verb_keys.size(); ++i) {
    if (verb_keys[i] == key && equal_ignoring_case(verb_table[i].word, word))
      return verb_table[i].verb;
  }
  return verb::unknown;
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

// How to read a text: as UTF-8 only where it holds some.
inline address_options options_for(std::string_view text, bool smtputf8) {
  address_options o;
  if (smtputf8 && !is_plain_text(text)) o.utf8 = utf8_policy::smtputf8;
  return o;
}

// The commands are read into the place from which they are returned: to copy what was written an
// instant ago costs more than to read it.
inline errc read_mail(std::string_view argument, const parse_options& options, mail_command& m) {
  const auto text = after_prefix(argument, "FROM:");
  if (!text) return errc::bad_argument;
  // RFC 6531 §3.4: SMTPUTF8 stands behind the address that it allows, so that the path is read with
  // UTF-8 where the extension is offered, and refused afterwards if the parameter is missing.
  const bool offered = options.offered.has(extension::smtputf8);
  const auto path = read_reverse_path(*text, options_for(*text, offered));
  if (!path) return path.error();
  m.reverse_path = *path;
  const auto rest = after_path(*text, path->size);
  if (!rest) return rest.error();
  const errc e = parse_mail_parameters(*rest, options, offered, m.parameters);
  if (e != no_error) return e;
  return m.reverse_path.box.utf8 && !m.parameters.smtputf8 ? errc::non_ascii_address : no_error;
}

inline errc read_rcpt(std::string_view argument, const parse_options& options, bool smtputf8,
                      rcpt_command& r) {
  const auto text = after_prefix(argument, "TO:");
  if (!text) return errc::bad_argument;
  const auto path = read_forward_path(*text, options_for(*text, smtputf8));
  if (!path) return path.error();
  r.forward_path = *path;
  auto rest = after_path(*text, path->size);
  if (!rest) return rest.error();
  for (std::size_t count = 0; !rest->empty(); ++count) {
    if (count == options.max_parameters) return errc::too_many_parameters;
    const auto p = take_parameter(*rest, smtputf8);
    if (!p) return p.error();
    const errc e = apply_rcpt_parameter(*p, options, smtputf8, r.parameters);
    if (e != no_error) return e;
  }
  return no_error;
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
  result<mail_command> command(std::in_place);
  const errc e = detail::read_mail(argument, options, *command);
  if (e != detail::no_error) command = e;
  return command;
}

GATEPOST_DECL result<rcpt_command> parse_rcpt(std::string_view argument,
                                              const parse_options& options, bool smtputf8) {
  result<rcpt_command> command(std::in_place);
  const errc e = detail::read_rcpt(argument, options, smtputf8, *command);
  if (e != detail::no_error) command = e;
  return command;
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

GATEPOST_DECL bool is_solicitation_keyword(std::string_view word) noexcept {
  const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  const auto may_follow = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':';
  };
  return !word.empty() && is_letter(word[0]) && std::all_of(word.begin(), word.end(), may_follow);
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
