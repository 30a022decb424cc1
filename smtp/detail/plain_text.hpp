// Small things about the text of command lines and replies.
#ifndef GATEPOST_SMTP_DETAIL_PLAIN_TEXT_HPP
#define GATEPOST_SMTP_DETAIL_PLAIN_TEXT_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace gatepost::smtp::detail {

// Every octet is one of ' ' to '~', looked at eight at a time: nearly every command line and reply
// is such a text, and needs no closer look.
inline bool is_plain_text(std::string_view text) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t tops = ones * 0x80;
  // Of octets below 128: the top bit of x - 0x20 is set for those below 0x20, of x + 1 for 0x7F.
  // An octet that borrows from its neighbour is found itself.
  const auto odd = [](const char* at) {
    std::uint64_t x;
    std::memcpy(&x, at, 8);
    return x | (x - ones * 0x20) | (x + ones);
  };
  const char* at = text.data();
  std::size_t left = text.size();
  if (left >= 8) {
    std::uint64_t found = odd(at + left - 8);  // the last eight, some of them looked at twice
    for (; left >= 8; at += 8, left -= 8) found |= odd(at);
    return (found & tops) == 0;
  }
  for (; left > 0; ++at, --left) {
    const auto c = static_cast<unsigned char>(*at);
    if (c < 0x20 || c > 0x7E) return false;
  }
  return true;
}

// The next item of a list with commas, taken off it; nothing is left behind the last one.
constexpr std::string_view take_item(std::optional<std::string_view>& list) {
  const std::size_t comma = list->find(',');
  const std::string_view item = list->substr(0, comma);
  if (comma == std::string_view::npos)
    list.reset();
  else
    list->remove_prefix(comma + 1);
  return item;
}

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_DETAIL_PLAIN_TEXT_HPP
