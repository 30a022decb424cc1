#ifndef GATEPOST_SMTP_IMPL_COMMAND_IPP
#define GATEPOST_SMTP_IMPL_COMMAND_IPP

#include <charconv>

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
