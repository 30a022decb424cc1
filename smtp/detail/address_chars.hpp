// The character classes of RFC 5321 §4.1.2, as one table.
#ifndef GATEPOST_SMTP_DETAIL_ADDRESS_CHARS_HPP
#define GATEPOST_SMTP_DETAIL_ADDRESS_CHARS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp::detail::address_chars {

enum address_class : std::uint8_t {
  atext = 1u << 0,     // RFC 5322 §3.2.3
  qtext = 1u << 1,     // qtextSMTP
  ldh = 1u << 2,       // letters, digits and hyphen
  digit = 1u << 3,     // DIGIT
  dcontent = 1u << 4,  // of a General-address-literal
};

constexpr std::array<std::uint8_t, 256> make_address_classes() {
  std::array<std::uint8_t, 256> table{};
  const auto add = [&table](unsigned from, unsigned to, address_class c) {
    for (unsigned i = from; i <= to; ++i) table[i] = static_cast<std::uint8_t>(table[i] | c);
  };
  for (const auto c : {atext, ldh}) {
    add('A', 'Z', c);
    add('a', 'z', c);
    add('0', '9', c);
  }
  for (const char c : std::string_view("!#$%&'*+-/=?^_`{|}~")) {
    add(static_cast<unsigned char>(c), static_cast<unsigned char>(c), atext);
  }
  add('-', '-', ldh);
  add('0', '9', digit);
  add(32, 33, qtext);
  add(35, 91, qtext);
  add(93, 126, qtext);
  add(33, 90, dcontent);
  add(94, 126, dcontent);
  return table;
}

inline constexpr std::array<std::uint8_t, 256> address_classes = make_address_classes();

constexpr bool is(address_class wanted, char c) noexcept {
  return (address_classes[static_cast<unsigned char>(c)] & wanted) != 0;
}

// Where the run of ASCII octets of that class ends which begins at text[at].
constexpr std::size_t skip(address_class wanted, std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && is(wanted, text[at])) ++at;
  return at;
}

// The same with well-formed UTF-8 between them (RFC 6531 §3.3: UTF8-non-ascii joins the class).
constexpr std::size_t skip_with_utf8(address_class wanted, std::string_view text,
                                     std::size_t at) noexcept {
  for (;;) {
    at = skip(wanted, text, at);
    if (at == text.size() || is_ascii(text[at])) return at;
    const std::size_t size = utf8_sequence(text, at);
    if (size == 0) return at;
    at += size;
  }
}

}  // namespace gatepost::smtp::detail::address_chars

#endif  // GATEPOST_SMTP_DETAIL_ADDRESS_CHARS_HPP
