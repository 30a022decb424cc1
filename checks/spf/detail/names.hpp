// Names that the DNS is asked about. Several are looked at in each evaluation, so octets are looked
// at eight at a time.
#ifndef GATEPOST_CHECKS_SPF_DETAIL_NAMES_HPP
#define GATEPOST_CHECKS_SPF_DETAIL_NAMES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gatepost::checks::spf::detail {

// The same octet eight times.
constexpr std::uint64_t octets_of(unsigned char c) { return 0x0101010101010101u * c; }

// Whether one of eight octets is 0. A borrow can only mark what lies above a 0.
constexpr bool has_zero(std::uint64_t word) {
  return ((word - octets_of(1)) & ~word & octets_of(0x80)) != 0;
}

// Whether one of eight octets is not printable ASCII, or a backslash.
constexpr bool has_bad_octet(std::uint64_t word) {
  const std::uint64_t below_blank = (word - octets_of(' ')) & ~word;
  const std::uint64_t above_tilde = (word + octets_of(0x7f - '~')) | word;
  return ((below_blank | above_tilde) & octets_of(0x80)) != 0 || has_zero(word ^ octets_of('\\'));
}

// Whether `is` is true of any eight octets, or of any two that follow each other, since words
// overlap by one; what is missing to eight is made up by octets that were looked at before, or by
// blanks.
template <class Predicate>
bool any_word(std::string_view text, Predicate is) {
  std::uint64_t word = octets_of(' ');
  if (text.size() < sizeof word) {
    for (const char c : text) word = word << 8 | static_cast<unsigned char>(c);
    return is(word);
  }
  const std::size_t last = text.size() - sizeof word;
  for (std::size_t at = 0; at < last; at += sizeof word - 1) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if (is(word)) return true;
  }
  std::memcpy(&word, text.data() + last, sizeof word);
  return is(word);
}

// As smtp::is_ascii().
inline bool is_ascii(std::string_view text) {
  return !any_word(text, [](std::uint64_t word) { return (word & octets_of(0x80)) != 0; });
}

// A mark for each of eight octets that is a dot: exactly, without a borrow from its neighbours.
constexpr std::uint64_t dots_in(std::uint64_t word) {
  const std::uint64_t other = word ^ octets_of('.');
  constexpr std::uint64_t low = octets_of(0x7f);
  return ~(((other & low) + low) | other | low);
}

constexpr bool has_empty_label(std::uint64_t word) {
  const std::uint64_t dots = dots_in(word);
  return (dots & (dots << 8)) != 0;
}

// A name as it is asked about: without the final dot.
inline std::string_view without_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

// As text.rfind('@'), which looks at one octet after the other.
inline std::size_t last_at(std::string_view text) {
  const void* at = ::memrchr(text.data(), '@', text.size());
  return at == nullptr ? text.npos
                       : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

inline bool has_dot(std::string_view name) {
  return any_word(name, [](std::uint64_t word) { return dots_in(word) != 0; });
}

// A label of more than 63 octets (RFC 1035 §2.3.4).
inline bool has_long_label(std::string_view name) {
  constexpr std::size_t max_label = 63;
  while (name.size() > max_label) {
    const std::size_t dot = name.find('.');
    if (std::min(dot, name.size()) > max_label) return true;
    if (dot == name.npos) return false;
    name.remove_prefix(dot + 1);
  }
  return false;
}

// As valid_name(), which also looks at how long it is.
inline bool is_name(std::string_view name) {
  if (name.empty() || name.front() == '.' || name.back() == '.' || has_long_label(name))
    return false;
  return !any_word(name,
                   [](std::uint64_t word) { return has_bad_octet(word) || has_empty_label(word); });
}

}  // namespace gatepost::checks::spf::detail

#endif  // GATEPOST_CHECKS_SPF_DETAIL_NAMES_HPP
