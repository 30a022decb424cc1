// Domain names on the wire: RFC 1035 §3.1 and §4.1.4, and their text (§5.1).
#ifndef GATEPOST_SMTP_DNS_DETAIL_WIRE_NAME_HPP
#define GATEPOST_SMTP_DNS_DETAIL_WIRE_NAME_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/utf8.hpp"

namespace gatepost::smtp::dns::detail {

inline constexpr std::size_t header_size = 12;  // RFC 1035 §4.1.1: no name is in the header

inline constexpr std::size_t max_label = 63;  // RFC 1035 §2.3.4
inline constexpr std::size_t max_name = 255;  // with all length octets

// Compression pointers within one name. One follows at least one label in what servers send, and a
// name has 127 labels at most.
inline constexpr int max_pointers = 127;

// A name without compression, its final zero octet included; empty only before it is read.
class wire_name {
 public:
  std::string_view octets() const { return {octets_.data(), size_}; }
  bool is_root() const { return size_ == 1; }

  void clear() { size_ = 0; }
  // One label, or the root if it is empty. False where the name would be too long.
  bool add(std::string_view label) {
    if (label.size() > max_label || size_ + 1 + label.size() > max_name) return false;
    octets_[size_++] = static_cast<char>(label.size());
    for (const char c : label) octets_[size_++] = c;
    return true;
  }

  // Without regard to case (RFC 4343). Length octets are below 'A' and compare as they are.
  friend bool operator==(const wire_name& a, const wire_name& b) {
    return equal_ignoring_case(a.octets(), b.octets());
  }

 private:
  std::array<char, max_name> octets_;
  std::size_t size_ = 0;
};

inline std::size_t octet_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// Whether `name` is `parent` or below it.
inline bool is_within(const wire_name& name, const wire_name& parent) {
  std::string_view rest = name.octets();
  while (rest.size() > parent.octets().size()) rest.remove_prefix(1 + octet_at(rest, 0));
  return equal_ignoring_case(rest, parent.octets());
}

// Reads the name at message[at]; gives the offset behind it. Pointers go backwards only: each one
// before the run of labels that it ends, so that no name is longer than the message before it.
inline std::optional<std::size_t> read_name(std::string_view message, std::size_t at,
                                            wire_name& name) {
  name.clear();
  std::optional<std::size_t> end;
  std::size_t run = at;
  for (int pointers = 0;;) {
    if (at >= message.size()) return std::nullopt;
    const std::size_t length = octet_at(message, at);
    if (length <= max_label) {
      if (message.size() - at - 1 < length) return std::nullopt;
      if (!name.add(message.substr(at + 1, length))) return std::nullopt;
      at += 1 + length;
      if (length == 0) return end ? end : at;
      continue;
    }
    // RFC 1035 §4.1.4: both high bits; 01 and 10 are reserved.
    if ((length & 0xc0) != 0xc0 || message.size() - at < 2) return std::nullopt;
    const std::size_t target = (length & 0x3f) << 8 | octet_at(message, at + 1);
    if (target < header_size || target >= run || ++pointers > max_pointers) return std::nullopt;
    if (!end) end = at + 2;
    run = at = target;
  }
}

// RFC 1035 §5.1: what stands for itself in text. A dot inside a label must not become one between
// labels.
inline bool is_plain(char c) { return c > ' ' && c < 0x7f && c != '.' && c != '\\'; }

inline void append_label(std::string& out, std::string_view label) {
  for (const char c : label) {
    if (is_plain(c)) {
      out += c;
      continue;
    }
    const auto value = static_cast<unsigned char>(c);
    out += '\\';
    out += static_cast<char>('0' + value / 100);
    out += static_cast<char>('0' + value / 10 % 10);
    out += static_cast<char>('0' + value % 10);
  }
}

// Without a final dot; the root is empty.
inline std::string to_text(const wire_name& name) {
  std::string out;
  for (std::string_view rest = name.octets(); rest.size() > 1;) {
    const std::size_t length = octet_at(rest, 0);
    if (!out.empty()) out += '.';
    append_label(out, rest.substr(1, length));
    rest.remove_prefix(1 + length);
  }
  return out;
}

// The octet that a backslash at text[at] and what follows it stand for; `at` moves to its last one.
inline std::optional<char> unescaped(std::string_view text, std::size_t& at) {
  const auto is_digit = [&](std::size_t i) {
    return i < text.size() && text[i] >= '0' && text[i] <= '9';
  };
  if (at + 1 >= text.size()) return std::nullopt;
  if (!is_digit(at + 1)) return text[++at];
  if (!is_digit(at + 2) || !is_digit(at + 3)) return std::nullopt;
  const int value = (text[at + 1] - '0') * 100 + (text[at + 2] - '0') * 10 + (text[at + 3] - '0');
  if (value > 255) return std::nullopt;
  at += 3;
  return static_cast<char>(value);
}

// Nothing where the text is no name: an empty label, one of more than 63 octets, more than 255 in
// all, a broken escape. A final dot may be there. Any octet may stand in a label (RFC 2181 §11).
inline std::optional<wire_name> from_text(std::string_view text) {
  wire_name name;
  std::string label;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '.') {
      if (label.empty() || !name.add(label)) return std::nullopt;
      label.clear();
      continue;
    }
    if (c == '\\') {
      const auto octet = unescaped(text, at);
      if (!octet) return std::nullopt;
      c = *octet;
    }
    label += c;
    if (label.size() > max_label) return std::nullopt;
  }
  if (!label.empty() && !name.add(label)) return std::nullopt;
  if (name.octets().empty() || !name.add({})) return std::nullopt;
  return name;
}

}  // namespace gatepost::smtp::dns::detail

#endif  // GATEPOST_SMTP_DNS_DETAIL_WIRE_NAME_HPP
