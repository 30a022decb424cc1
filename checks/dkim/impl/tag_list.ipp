#ifndef GATEPOST_CHECKS_DKIM_IMPL_TAG_LIST_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_TAG_LIST_IPP

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "checks/dkim/tag_list.hpp"
#include "smtp/base64.hpp"

namespace gatepost::checks::dkim {
namespace detail {

// RFC 6376 §2.8 FWS. Line ends alone count too: key records are written by people, and folds are
// checked where fields are read.
inline constexpr std::string_view blanks = " \t\r\n";

// The same as a search of the above, which is a call for each octet.
inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

inline bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

inline std::string_view trimmed(std::string_view text) {
  const auto begin = std::min(text.find_first_not_of(blanks), text.size());
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// ALPHA *ALNUMPUNC
inline bool is_tag_name(std::string_view name) {
  const auto inner = [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; };
  return !name.empty() && is_alpha(name.front()) && std::all_of(name.begin(), name.end(), inner);
}

// VALCHAR, and white space between such.
inline bool is_tag_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return (octet > 0x20 && octet != 0x7f && octet != ';') || is_blank(c);
  });
}

inline int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  // RFC 6376 §2.11: upper case; lower case is taken because RFC 2045 §6.7 lets a reader.
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace detail

GATEPOST_DECL parsed<tag_list> tag_list::parse(std::string_view text) {
  tag_list list;
  list.tags_.reserve(12);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(';', at), text.size());
    const std::string_view spec = text.substr(at, end - at);
    const bool last = end == text.size();
    // The list may end with a semicolon.
    if (last && at != 0 && detail::trimmed(spec).empty()) break;
    const std::size_t equals = spec.find('=');
    if (equals == spec.npos) return problem{"a tag without \"=\""};
    const std::size_t value = at + equals + 1;
    const tag one{detail::trimmed(spec.substr(0, equals)),
                  detail::trimmed(spec.substr(equals + 1)),
                  {value, end - value}};
    if (!detail::is_tag_name(one.name)) return problem{"a tag's name is invalid"};
    if (!detail::is_tag_value(one.value)) return problem{"a tag's value is invalid"};
    // RFC 6376 §3.2: tags with duplicate names must not occur; the entire list is invalid.
    if (list.find(one.name) != nullptr) return problem{"a tag is given twice"};
    if (list.tags_.size() == max_tags) return problem{"too many tags"};
    list.tags_.push_back(one);
    at = end + 1;
  }
  if (list.tags_.empty()) return problem{"no tags"};
  return list;
}

GATEPOST_DECL const tag* tag_list::find(std::string_view name) const noexcept {
  const auto found =
      std::find_if(tags_.begin(), tags_.end(), [&](const tag& t) { return t.name == name; });
  return found == tags_.end() ? nullptr : &*found;
}

GATEPOST_DECL std::string without_blanks(std::string_view value) {
  std::string out(value);
  std::erase_if(out, detail::is_blank);
  return out;
}

GATEPOST_DECL std::optional<std::string> decode_base64(std::string_view value) {
  std::string out(value.size() / 4 * 3 + 3, '\0');
  char* to = out.data();
  std::uint32_t bits = 0;
  std::size_t digits = 0;
  std::size_t padding = 0;
  for (const char c : value) {
    if (detail::is_blank(c)) continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const int digit = smtp::detail::base64_values[static_cast<unsigned char>(c)];
    if (digit < 0 || padding != 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    if (++digits % 4 == 1) continue;
    *to++ = static_cast<char>(bits >> (6 - 2 * ((digits - 1) % 4)) & 255);
  }
  const std::size_t rest = digits % 4;
  const bool padded = padding == 0 || (rest + padding == 4 && rest != 0);
  if (digits == 0 || rest == 1 || !padded) return std::nullopt;
  out.resize(static_cast<std::size_t>(to - out.data()));
  return out;
}

GATEPOST_DECL std::optional<std::string> decode_quoted_printable(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (detail::is_blank(value[i])) continue;
    if (value[i] != '=') {
      out += value[i];
      continue;
    }
    if (i + 2 >= value.size()) return std::nullopt;
    const int high = detail::hex_value(value[i + 1]);
    const int low = detail::hex_value(value[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

GATEPOST_DECL std::optional<std::uint64_t> parse_number(std::string_view value,
                                                        std::size_t digits) {
  if (value.empty() || value.size() > digits) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : value) {
    if (!detail::is_digit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    number = number > (most - digit) / 10 ? most : number * 10 + digit;
  }
  return number;
}

GATEPOST_DECL std::vector<std::string_view> split_colons(std::string_view value) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= value.size();) {
    const std::size_t end = std::min(value.find(':', at), value.size());
    parts.push_back(detail::trimmed(value.substr(at, end - at)));
    at = end + 1;
  }
  return parts;
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_TAG_LIST_IPP
