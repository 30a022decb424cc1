// Base64 as AUTH uses it: RFC 4648 §4, strict. No line breaks, padding required, unused bits zero.
#ifndef GATEPOST_SMTP_BASE64_HPP
#define GATEPOST_SMTP_BASE64_HPP

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/config.hpp"

namespace gatepost::smtp {
namespace detail {

inline constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

inline constexpr auto base64_values = [] {
  std::array<std::int8_t, 256> values{};
  for (auto& v : values) v = -1;
  for (std::size_t i = 0; i < base64_alphabet.size(); ++i)
    values[static_cast<unsigned char>(base64_alphabet[i])] = static_cast<std::int8_t>(i);
  return values;
}();

}  // namespace detail

inline std::string base64_encode(std::string_view octets) {
  std::string out;
  out.reserve((octets.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < octets.size(); i += 3) {
    std::uint32_t bits = 0;
    const std::size_t n = octets.size() - i < 3 ? octets.size() - i : 3;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (k < n ? static_cast<unsigned char>(octets[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      out.push_back(k <= n ? detail::base64_alphabet[bits >> (18 - 6 * k) & 63] : '=');
  }
  return out;
}

// None: `text` is not what base64_encode writes.
inline std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool pad = i >= text.size() - padding;
    const int value = pad ? 0 : detail::base64_values[static_cast<unsigned char>(text[i])];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (i % 4 != 3) continue;
    out.push_back(static_cast<char>(bits >> 16 & 255));
    out.push_back(static_cast<char>(bits >> 8 & 255));
    out.push_back(static_cast<char>(bits & 255));
    bits = 0;
  }
  for (; padding > 0; --padding) {
    if (out.back() != '\0') return std::nullopt;  // unused bits must be zero
    out.pop_back();
  }
  return out;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_BASE64_HPP
