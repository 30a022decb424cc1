// Names that the DNS is asked about. Several are looked at in each evaluation, so octets are looked
// at eight at a time.
#ifndef GATEPOST_CHECKS_SPF_DETAIL_NAMES_HPP
#define GATEPOST_CHECKS_SPF_DETAIL_NAMES_HPP

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

// Whether `bad` is true of any eight octets; what is missing to eight is made up by octets that
// were looked at before, or by blanks.
template <class Predicate>
bool any_word(std::string_view text, Predicate bad) {
  std::uint64_t word = octets_of(' ');
  if (text.size() < sizeof word) {
    for (const char c : text) word = word << 8 | static_cast<unsigned char>(c);
    return bad(word);
  }
  const std::size_t last = text.size() - sizeof word;
  for (std::size_t at = 0; at < last; at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if (bad(word)) return true;
  }
  std::memcpy(&word, text.data() + last, sizeof word);
  return bad(word);
}

// As smtp::is_ascii().
inline bool is_ascii(std::string_view text) {
  return !any_word(text, [](std::uint64_t word) { return (word & octets_of(0x80)) != 0; });
}

// How many labels a name has that can be asked about, see valid_name(), which also looks at how
// long it is; 0: it cannot.
inline std::size_t labels_of(std::string_view name) {
  constexpr std::size_t max_label = 63;
  if (any_word(name, has_bad_octet)) return 0;
  std::size_t labels = 1;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (name[at] != '.') continue;
    if (at == begin || at - begin > max_label) return 0;
    begin = at + 1;
    ++labels;
  }
  return begin == name.size() || name.size() - begin > max_label ? 0 : labels;
}

}  // namespace gatepost::checks::spf::detail

#endif  // GATEPOST_CHECKS_SPF_DETAIL_NAMES_HPP
