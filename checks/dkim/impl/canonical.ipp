#ifndef GATEPOST_CHECKS_DKIM_IMPL_CANONICAL_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_CANONICAL_IPP

#include <cstdint>
#include <cstring>

#include "checks/dkim/canonical.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::dkim {
namespace detail {

inline bool is_wsp(char c) { return c == ' ' || c == '\t'; }

// Above this no octet is special in a body.
inline bool is_graphic(char c) { return static_cast<unsigned char>(c) > ' '; }

// Sixteen octets at a time.
using octets16 = unsigned char __attribute__((vector_size(16)));

inline octets16 load16(const char* at) {
  octets16 v;
  std::memcpy(&v, at, sizeof v);
  return v;
}

// Whether one of the 16 octets here ends a plain run. That depends on the two octets behind it
// alone, so that 18 are looked at.
inline bool plain_ends_within_16(const char* at) {
  const octets16 here = load16(at), next = load16(at + 1), third = load16(at + 2);
  const auto blank_at_end = (here == ' ') & (next <= ' ');
  const auto line_end = (next == '\n') & (third > ' ');
  const auto ends = (here == '\t') | blank_at_end | ((here == '\r') & ~line_end);
  std::uint64_t halves[2];
  std::memcpy(halves, &ends, sizeof halves);
  return (halves[0] | halves[1]) != 0;
}

// RFC 6376 §3.4.2: unfolded, each run of white space one blank, none at the ends.
inline void append_relaxed_value(std::string& out, std::string_view value) {
  bool space = false;
  bool begun = false;
  for (std::size_t i = 0; i < value.size();) {
    if (value[i] == '\r' && i + 1 < value.size() && value[i + 1] == '\n') {
      i += 2;
      continue;
    }
    if (is_wsp(value[i])) {
      space = true;
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    while (end < value.size() && value[end] != '\r' && !is_wsp(value[end])) ++end;
    if (space && begun) out += ' ';
    space = false;
    begun = true;
    out += value.substr(i, end - i);
    i = end;
  }
}

}  // namespace detail

GATEPOST_DECL void append_canonical_field(std::string& out, canonicalization how,
                                          std::string_view field, std::string_view name,
                                          std::string_view value) {
  if (how == canonicalization::simple) {
    out += field;
    if (!field.ends_with("\r\n")) out += "\r\n";
    return;
  }
  for (const char c : name) out += smtp::to_lower_ascii(c);
  out += ':';
  detail::append_relaxed_value(out, value);
  out += "\r\n";
}

GATEPOST_DECL std::string without_signature(std::string_view text, std::size_t offset,
                                            std::size_t size) {
  std::string out(text.substr(0, offset));
  out += text.substr(offset + size);
  return out;
}

GATEPOST_DECL std::size_t body_canonicalizer::plain_until(std::string_view text,
                                                          std::size_t at) noexcept {
  const auto graphic = [text](std::size_t i) {
    return i < text.size() && detail::is_graphic(text[i]);
  };
  while (text.size() - at >= 18 && !detail::plain_ends_within_16(text.data() + at)) at += 16;
  while (at < text.size()) {
    const char c = text[at];
    if (detail::is_graphic(c)) {
      ++at;
    } else if (c == ' ') {
      if (!graphic(at + 1)) break;
      at += 2;
    } else if (c == '\r') {
      if (at + 1 >= text.size() || text[at + 1] != '\n' || !graphic(at + 2)) break;
      at += 3;
    } else if (c == '\t') {
      break;
    } else {
      ++at;
    }
  }
  return at;
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_CANONICAL_IPP
