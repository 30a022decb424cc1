// What the parsers of routes and of tables share: words, and texts in messages.
#ifndef GATEPOST_ROUTING_DETAIL_ROUTE_TEXT_HPP
#define GATEPOST_ROUTING_DETAIL_ROUTE_TEXT_HPP

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "smtp/address.hpp"
#include "smtp/domain.hpp"

namespace gatepost::routing::detail {

// A table may name whatever a client may.
inline constexpr smtp::domain_options map_domains{smtp::utf8_policy::smtputf8,
                                                  smtp::literal_tags::any};
inline constexpr smtp::address_options map_addresses{.utf8 = smtp::utf8_policy::smtputf8,
                                                     .tags = smtp::literal_tags::any};

inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

inline std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Takes the text before `end` off `rest`, and `end` itself; all of it where there is no `end`.
inline std::string_view take_until(std::string_view& rest, char end) {
  const std::size_t at = std::min(rest.find(end), rest.size());
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return taken;
}

inline std::string_view take_word(std::string_view& rest) {
  rest = trim(rest);
  std::size_t end = 0;
  while (end < rest.size() && !is_blank(rest[end])) ++end;
  const std::string_view word = rest.substr(0, end);
  rest = trim(rest.substr(end));
  return word;
}

// Somebody's text in a message for people: one line, and not too long.
inline std::string quoted(std::string_view text) {
  constexpr std::size_t most = 80;
  std::string out = "\"";
  for (const char c : text.substr(0, most)) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return out + (text.size() > most ? "...\"" : "\"");
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_ROUTE_TEXT_HPP
