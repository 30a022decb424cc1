#ifndef GATEPOST_SMTP_IMPL_XTEXT_IPP
#define GATEPOST_SMTP_IMPL_XTEXT_IPP

#include <algorithm>
#include <cstddef>
#include <optional>

#include "smtp/utf8.hpp"
#include "smtp/xtext.hpp"

namespace gatepost::smtp {
namespace detail::xtext {

inline constexpr std::string_view hex_digits = "0123456789ABCDEF";

enum class hex_case : std::uint8_t { upper, any };

inline int hex_value(char c, hex_case letters) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f' && letters == hex_case::any) return c - 'a' + 10;
  return -1;
}

// RFC 3461 §4: xchar = any ASCII CHAR between "!" (33) and "~" (126) inclusive, except for "+" and
// "=".
inline bool is_xchar(char c) { return c > ' ' && c < 0x7f && c != '+' && c != '='; }

inline bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

inline bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_control);
}

// The octet that "+XX" at the beginning of `text` stands for.
inline std::optional<char> hexchar(std::string_view text, hex_case letters) {
  if (text.size() < 3 || text[0] != '+') return std::nullopt;
  const int high = hex_value(text[1], letters);
  const int low = hex_value(text[2], letters);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high << 4 | low);
}

// Gives the octets that xtext stands for, in order, to `takes`, which says whether it takes one.
// True: that is xtext, and all were taken.
template <class Takes>
bool read(std::string_view text, hex_case letters, Takes takes) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool plain = is_xchar(text[i]);
    const std::optional<char> octet = plain ? text[i] : hexchar(text.substr(i), letters);
    if (!octet || !takes(*octet)) return false;
    if (!plain) i += 2;
  }
  return true;
}

inline result<std::string> decode(std::string_view text, hex_case letters) {
  std::string out;
  out.reserve(text.size());
  const auto append = [&out](char octet) {
    out += octet;
    return true;
  };
  if (!read(text, letters, append)) return errc::bad_parameter;
  return out;
}

// RFC 6533 §3: QCHAR, the ASCII that stands for itself.
inline bool is_qchar(char c) { return is_xchar(c) && c != '\\'; }

// The code point of the well-formed character `text`.
inline char32_t code_point(std::string_view text) {
  constexpr unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  char32_t value = static_cast<unsigned char>(text[0]) & lead_bits[text.size()];
  for (const char c : text.substr(1)) value = value << 6 | (static_cast<unsigned char>(c) & 0x3f);
  return value;
}

inline void append_utf8(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    tail(12), tail(6), tail(0);
  }
}

// HEXPOINT: two digits at least, more without a zero in front.
inline void append_embedded(std::string& out, char32_t c) {
  int shift = 20;
  while (shift > 4 && c >> shift == 0) shift -= 4;
  out += "\\x{";
  for (; shift >= 0; shift -= 4) out += hex_digits[c >> shift & 0xf];
  out += '}';
}

// What "\x{...}" may stand for: what cannot stand for itself, and is no control character and no
// surrogate.
inline bool may_be_embedded(char32_t c) {
  if (c < 0x80) return c == ' ' || c == '+' || c == '=' || c == '\\';
  return c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
}

struct embedded_char {
  char32_t value = 0;
  std::size_t size = 0;  // octets of its text
};

inline std::optional<embedded_char> embedded(std::string_view text) {
  if (!text.starts_with("\\x{")) return std::nullopt;
  const auto end = text.find('}');
  if (end == text.npos) return std::nullopt;
  const auto digits = text.substr(3, end - 3);
  if (digits.size() < 2 || digits.size() > 6) return std::nullopt;
  if (digits.size() > 2 && digits[0] == '0') return std::nullopt;
  embedded_char found{0, end + 1};
  for (const char c : digits) {
    const int value = hex_value(c, hex_case::any);  // RFC 5234 §2.3: HEXDIG has no case
    if (value < 0) return std::nullopt;
    found.value = found.value << 4 | static_cast<char32_t>(value);
  }
  if (!may_be_embedded(found.value)) return std::nullopt;
  return found;
}

// Gives the parts of a utf-8 address in order: `text` gets what stands for itself, `character` what
// is escaped. errc{}: all of it is well-formed.
template <class Text, class Character>
errc read_utf8(std::string_view all, Text text, Character character) {
  for (std::size_t at = 0; at < all.size();) {
    const auto size = utf8_sequence(all, at);
    if (size == 0) return errc::bad_utf8;
    if (size > 1 || is_qchar(all[at])) {
      text(all.substr(at, size));
      at += size;
      continue;
    }
    const auto found = embedded(all.substr(at));
    if (!found) return errc::bad_parameter;
    character(found->value);
    at += found->size;
  }
  return errc{};
}

}  // namespace detail::xtext

GATEPOST_DECL bool is_xtext(std::string_view text) noexcept {
  return detail::xtext::read(text, detail::xtext::hex_case::upper, [](char) { return true; });
}

GATEPOST_DECL bool is_printable_xtext(std::string_view text) noexcept {
  const auto is_printable = [](char octet) {
    return static_cast<unsigned char>(octet) < 128 && !detail::xtext::is_control(octet);
  };
  return detail::xtext::read(text, detail::xtext::hex_case::upper, is_printable);
}

GATEPOST_DECL bool is_utf8_xtext(std::string_view text) noexcept {
  return detail::xtext::read_utf8(text, [](std::string_view) {}, [](char32_t) {}) == errc{};
}

GATEPOST_DECL std::string encode_xtext(std::string_view octets) {
  std::string out;
  out.reserve(octets.size());
  for (const char c : octets) {
    if (detail::xtext::is_xchar(c)) {
      out += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    out += {'+', detail::xtext::hex_digits[octet >> 4], detail::xtext::hex_digits[octet & 0xf]};
  }
  return out;
}

GATEPOST_DECL result<std::string> decode_xtext(std::string_view text) {
  return detail::xtext::decode(text, detail::xtext::hex_case::upper);
}

GATEPOST_DECL result<std::string> decode_printable_xtext(std::string_view text) {
  auto value = decode_xtext(text);
  if (value && (!is_ascii(*value) || detail::xtext::has_control(*value))) {
    return errc::control_character;
  }
  return value;
}

GATEPOST_DECL result<std::string> encode_utf8_xtext(std::string_view address) {
  std::string out;
  for (std::size_t at = 0; at < address.size();) {
    const auto size = utf8_sequence(address, at);
    if (size == 0) return errc::bad_utf8;
    const auto character = address.substr(at, size);
    at += size;
    if (detail::xtext::is_qchar(character[0])) {
      out += character;
      continue;
    }
    if (detail::xtext::is_control(character[0])) return errc::control_character;
    detail::xtext::append_embedded(out, detail::xtext::code_point(character));
  }
  return out;
}

GATEPOST_DECL result<std::string> decode_utf8_xtext(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const errc wrong = detail::xtext::read_utf8(
      text, [&out](std::string_view part) { out += part; },
      [&out](char32_t c) { detail::xtext::append_utf8(out, c); });
  if (wrong != errc{}) return wrong;
  return out;
}

GATEPOST_DECL result<xclient_value> decode_xclient_value(std::string_view text) {
  using kind = xclient_value::kind;
  if (equal_ignoring_case(text, "[UNAVAILABLE]")) return xclient_value{kind::unavailable, {}};
  if (equal_ignoring_case(text, "[TEMPUNAVAIL]")) {
    return xclient_value{kind::temporarily_unavailable, {}};
  }
  auto value = detail::xtext::decode(text, detail::xtext::hex_case::any);
  if (!value) return value.error();
  if (detail::xtext::has_control(*value)) return errc::control_character;
  return xclient_value{kind::present, *std::move(value)};
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_XTEXT_IPP
