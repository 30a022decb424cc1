// The domain of a From field's first address. For dkim's .ipp files only.
#ifndef GATEPOST_CHECKS_DKIM_DETAIL_AUTHOR_HPP
#define GATEPOST_CHECKS_DKIM_DETAIL_AUTHOR_HPP

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace gatepost::checks::dkim::detail {

// Where the comment or quoted string that begins at text[at] ends (RFC 5322 §3.2.2, §3.2.4).
inline std::size_t skip_quoted(std::string_view text, std::size_t at) {
  const bool quoted = text[at] == '"';
  std::size_t depth = quoted ? 0 : 1;
  for (++at; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\') {
      ++at;
    } else if (quoted) {
      if (c == '"') return at + 1;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && --depth == 0) {
      return at + 1;
    }
  }
  return text.size();
}

// The text without comments and quoted strings; what stands in their place is one 'q'.
inline std::string without_quoted(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '"' || text[at] == '(') {
      if (text[at] == '"') out += 'q';
      at = skip_quoted(text, at);
    } else {
      out += text[at++];
    }
  }
  return out;
}

// Empty where there is no address.
inline std::string author_domain(std::string_view from) {
  const std::string plain = without_quoted(from);
  std::string_view rest = plain;
  // A name may hold anything but these; what is in the brackets is the address.
  const std::size_t bracket = rest.find('<');
  const std::size_t comma = rest.find(',');
  if (bracket != rest.npos && bracket < comma) rest.remove_prefix(bracket + 1);
  rest = rest.substr(0, std::min(rest.find_first_of(",>;"), rest.size()));
  const std::size_t at = rest.rfind('@');
  if (at == rest.npos) return {};
  std::string domain;
  for (const char c : rest.substr(at + 1)) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') domain += c;
  }
  return domain;
}

}  // namespace gatepost::checks::dkim::detail

#endif  // GATEPOST_CHECKS_DKIM_DETAIL_AUTHOR_HPP
