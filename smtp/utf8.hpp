// Well-formed UTF-8 (RFC 3629), and ASCII text without regard to case.
//
// Everything here takes octets as they came from the wire and never allocates. "Well-formed"
// refuses overlong forms, surrogates and code points above U+10FFFF.
#ifndef GATEPOST_SMTP_UTF8_HPP
#define GATEPOST_SMTP_UTF8_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "smtp/config.hpp"

namespace gatepost::smtp {

constexpr bool is_ascii(char c) noexcept { return static_cast<unsigned char>(c) < 0x80; }

constexpr bool is_ascii(std::string_view text) noexcept {
  for (const char c : text) {
    if (!is_ascii(c)) return false;
  }
  return true;
}

// How many octets the well-formed character at text[at] has: 1 to 4, or 0 where there is none (also
// at the end of the text). RFC 3629 §4.
constexpr std::size_t utf8_sequence(std::string_view text, std::size_t at) noexcept {
  if (at >= text.size()) return 0;
  const auto octet = [text, at](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const auto tail = [octet](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return octet(i) >= low && octet(i) <= high;
  };
  const unsigned lead = octet(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return tail(1) ? 2 : 0;
  if (lead < 0xF0) {
    return tail(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF) && tail(2) ? 3 : 0;
  }
  if (lead > 0xF4) return 0;
  const bool second = tail(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
  return second && tail(2) && tail(3) ? 4 : 0;
}

constexpr bool valid_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = utf8_sequence(text, at);
    if (size == 0) return false;
    at += size;
  }
  return true;
}

// The character at text[at], or the octet there that belongs to none. `at` is within the text.
constexpr std::string_view character_at(std::string_view text, std::size_t at) noexcept {
  return text.substr(at, std::max<std::size_t>(utf8_sequence(text, at), 1));
}

// Whether a character, or an octet that belongs to none, is a control: C0, DEL, or C1 (U+0080 to
// U+009F, also as a lone octet), which terminals obey as well.
constexpr bool is_control(std::string_view character) noexcept {
  if (character.empty()) return false;
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || (first >= 0x7F && first < 0xA0);
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

// The lower-case form of an ASCII letter; every other octet as it is. Knows no locale.
constexpr char to_lower_ascii(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

namespace detail {

// to_lower_ascii() of eight octets. Their lower seven bits, with what makes the top bit of an octet
// tell that it is 'A' or more, and more than 'Z'; no octet overflows into its neighbour.
constexpr std::uint64_t to_lower_ascii8(std::uint64_t octets) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101;
  const std::uint64_t low = octets & (ones * 0x7F);
  const std::uint64_t from_a = low + ones * (0x80 - 'A');
  const std::uint64_t past_z = low + ones * (0x7F - 'Z');
  const std::uint64_t letters = (from_a ^ past_z) & ~octets & (ones * 0x80);
  return octets | letters >> 2;
}

// Texts of one size, as numbers of which the last two may overlap.
template <class Number>
bool equal_words_ignoring_case(const char* a, const char* b, std::size_t size) noexcept {
  const auto differ = [a, b](std::size_t at) {
    Number x, y;
    std::memcpy(&x, a + at, sizeof x);
    std::memcpy(&y, b + at, sizeof y);
    return x != y && to_lower_ascii8(x) != to_lower_ascii8(y);
  };
  const std::size_t last = size - sizeof(Number);
  for (std::size_t at = 0; at < last; at += sizeof(Number))
    if (differ(at)) return false;
  return !differ(last);
}

constexpr bool equal_octets_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(),
                    [](char x, char y) { return to_lower_ascii(x) == to_lower_ascii(y); });
}

}  // namespace detail

// Whether two texts are the same but for the case of ASCII letters.
constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  if (std::is_constant_evaluated() || a.size() < 4) return detail::equal_octets_ignoring_case(a, b);
  // Most texts that are not the same differ at once: what is looked for in a table.
  if (((a[0] ^ b[0]) & ~0x20) != 0) return false;
  return a.size() < 8
             ? detail::equal_words_ignoring_case<std::uint32_t>(a.data(), b.data(), a.size())
             : detail::equal_words_ignoring_case<std::uint64_t>(a.data(), b.data(), a.size());
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_UTF8_HPP
