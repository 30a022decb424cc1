#ifndef GATEPOST_SMTP_IMPL_SERVER_FEATURES_IPP
#define GATEPOST_SMTP_IMPL_SERVER_FEATURES_IPP

#include <charconv>

#include "smtp/server_features.hpp"

namespace gatepost::smtp {
namespace detail {

// What stands before the next `separator`, taken from the front of `text` with it.
inline std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view word = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return word;
}

inline std::string upper_case(std::string_view text) {
  std::string upper(text);
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return upper;
}

// RFC 5321 §4.1.1.1 ehlo-keyword; RFC 4422 §3.1 adds '_' for mechanisms.
inline bool is_feature_name(std::string_view word) {
  if (word.empty() || word.size() > max_feature_name) return false;
  for (const char c : word) {
    const bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alnum && c != '-' && c != '_') return false;
  }
  return word.front() != '-' && word.front() != '_';
}

inline void keep_name(std::vector<std::string>& names, std::string_view word) {
  if (names.size() >= max_feature_names || !is_feature_name(word)) return;
  std::string upper = upper_case(word);
  for (const std::string& known : names)
    if (known == upper) return;
  names.push_back(std::move(upper));
}

// 0 where the text is no number, or none that fits.
inline std::uint64_t read_number(std::string_view digits) {
  std::uint64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [last, error] = std::from_chars(digits.data(), end, value);
  return error == std::errc{} && last == end ? value : 0;
}

// RFC 9422 §4: "RCPTMAX=" and up to six digits, not 0.
inline void read_limit(server_features& f, std::string_view word) {
  const std::string name = upper_case(take_until(word, '='));
  if (word.size() > 6) return;
  const auto value = static_cast<std::size_t>(read_number(word));
  if (name == "RCPTMAX") f.max_recipients = value;
  if (name == "MAILMAX") f.max_messages = value;
  if (name == "RCPTDOMAINMAX") f.max_recipient_domains = value;
}

inline void read_parameters(server_features& f, extension e, std::string_view text) {
  if (e == extension::size) f.max_size = read_number(take_until(text, ' '));
  while (!text.empty()) {
    const std::string_view word = take_until(text, ' ');
    if (e == extension::auth) keep_name(f.mechanisms, word);
    if (e == extension::limits) read_limit(f, word);
  }
}

inline void read_feature(server_features& f, std::string_view line, extension_set ignored) {
  // "AUTH=LOGIN" is how servers of the last century write "AUTH LOGIN", and some of today for their
  // sake.
  const bool old_auth = line.size() > 5 && upper_case(line.substr(0, 5)) == "AUTH=";
  const std::string_view keyword = take_until(line, old_auth ? '=' : ' ');
  if (!is_feature_name(keyword)) return;
  const auto known = find_extension(keyword);
  if (!known) return keep_name(f.unknown, keyword);
  if (ignored.has(*known)) return;
  f.extensions.add(*known);
  read_parameters(f, *known, line);
}

}  // namespace detail

GATEPOST_DECL server_features parse_features(std::string_view text, extension_set ignored) {
  server_features f;
  f.esmtp = true;
  std::string_view first = detail::take_until(text, '\n');
  f.name = detail::take_until(first, ' ');
  for (std::size_t lines = 0; !text.empty() && lines < max_feature_lines; ++lines)
    detail::read_feature(f, detail::take_until(text, '\n'), ignored);
  return f;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SERVER_FEATURES_IPP
