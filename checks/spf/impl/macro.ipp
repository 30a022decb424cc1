#ifndef GATEPOST_CHECKS_SPF_IMPL_MACRO_IPP
#define GATEPOST_CHECKS_SPF_IMPL_MACRO_IPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "checks/spf/detail/chars.hpp"
#include "checks/spf/detail/names.hpp"
#include "checks/spf/macro.hpp"

namespace gatepost::checks::spf {
namespace detail {

// The delimiters of RFC 7208 §7.1.
inline constexpr std::string_view delimiters = ".-+,/_=";

// A bit for each of them; 0 for every other octet.
inline constexpr auto delimiter_bits = [] {
  std::array<std::uint8_t, 256> bits{};
  for (std::size_t i = 0; i < delimiters.size(); ++i)
    bits[static_cast<unsigned char>(delimiters[i])] = static_cast<std::uint8_t>(1u << i);
  return bits;
}();
inline unsigned delimiter_bit(char c) { return delimiter_bits[static_cast<unsigned char>(c)]; }

// RFC 7208 §7.1 macro-letter, in lower case.
inline bool is_macro_letter(char c) {
  switch (c) {
    case 's':
    case 'l':
    case 'o':
    case 'd':
    case 'i':
    case 'p':
    case 'h':
    case 'c':
    case 'r':
    case 't':
    case 'v': return true;
    default: return false;
  }
}

// No value has more parts: 128 is what has to be supported at least (§7.3).
inline constexpr unsigned most_parts = 1u << 16;

// One macro-expand with braces.
struct macro_term {
  char letter = 0;      // lower case
  bool escape = false;  // it was upper case
  bool reverse = false;
  unsigned parts = 0;       // 0: all
  unsigned delimiters = 0;  // delimiter_bit() of each; 0: none are given
  std::size_t end = 0;      // where the text goes on
};

// The macro at text[at], which is "%{". What is wrong with it, or nothing.
inline std::string_view read_macro(std::string_view text, std::size_t at, macro_term& m) {
  const auto peek = [&] { return at < text.size() ? text[at] : '\0'; };
  at += 2;
  m.letter = lower(peek());
  m.escape = m.letter != peek();
  if (!is_macro_letter(m.letter)) return "unknown macro letter";
  ++at;
  const std::size_t digits = at;
  for (; is_digit(peek()); ++at)
    m.parts = std::min(m.parts * 10 + static_cast<unsigned>(peek() - '0'), most_parts);
  // RFC 7208 §7.3: the value must be nonzero.
  if (at > digits && m.parts == 0) return "a macro keeps no part";
  m.reverse = lower(peek()) == 'r';
  if (m.reverse) ++at;
  for (; delimiter_bit(peek()) != 0; ++at) m.delimiters |= delimiter_bit(peek());
  if (peek() != '}') return "a macro is not closed";
  m.end = at + 1;
  return {};
}

// RFC 7208 §7.1 toplabel: not all digits, no hyphen at its ends.
inline bool is_top_label(std::string_view label) {
  if (label.empty() || !is_alnum(label.front()) || !is_alnum(label.back())) return false;
  const auto allowed = [](char c) { return is_alnum(c) || c == '-'; };
  return std::all_of(label.begin(), label.end(), allowed) &&
         !std::all_of(label.begin(), label.end(), is_digit);
}

// RFC 7208 §7.1 domain-end, where `tail` is what follows the last macro.
inline bool ends_like_a_domain(std::string_view text, std::string_view tail) {
  if (tail.empty()) return !text.empty();
  if (tail.back() == '.') tail.remove_suffix(1);
  const std::size_t dot = tail.rfind('.');
  return dot != tail.npos && is_top_label(tail.substr(dot + 1));
}

// Reads a macro string from left to right; what it does with the pieces is the caller's.
class macro_checker {
 public:
  macro_checker(std::string_view text, macro_use use) : text_(text), use_(use) {
    parsed_.value.text = text;
  }

  parsed_macro_string check() {
    while (at_ < text_.size() && parsed_.problem.empty()) step();
    if (parsed_.problem.empty() && use_ == macro_use::domain &&
        !ends_like_a_domain(text_, text_.substr(literal_)))
      parsed_.problem = "not a domain-spec: it ends neither in a top label nor in a macro";
    parsed_.value.is_name = parsed_.value.plain && valid_name(without_dot(text_));
    return parsed_;
  }

 private:
  void step() {
    const char c = text_[at_];
    if (c == '%') return percent();
    const bool literal = (c > ' ' && c <= '~') || (c == ' ' && use_ == macro_use::explanation);
    if (!literal) parsed_.problem = "an octet that is no visible ASCII character";
    ++at_;
  }

  void percent() {
    parsed_.value.plain = false;
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (next == '{') return macro();
    // RFC 7208 §7.1: a % that begins nothing is a syntax error.
    if (next != '%' && next != '_' && next != '-') parsed_.problem = "a % that begins no macro";
    at_ += 2;
    literal_ = at_;
  }

  void macro() {
    macro_term m;
    parsed_.problem = read_macro(text_, at_, m);
    if (!parsed_.problem.empty()) return;
    const bool of_explanations = m.letter == 'c' || m.letter == 'r' || m.letter == 't';
    // RFC 7208 §7.2
    if (of_explanations && use_ != macro_use::explanation)
      parsed_.problem = "the macros c, r and t are for explanations only";
    if (m.letter == 'p') parsed_.value.needs_validated_name = true;
    if (m.letter == 's' || m.letter == 'l') parsed_.value.needs_local_part = true;
    at_ = literal_ = m.end;
  }

  std::string_view text_;
  macro_use use_;
  parsed_macro_string parsed_;
  std::size_t at_ = 0;
  std::size_t literal_ = 0;  // where what follows the last macro begins
};

// RFC 7208 §7.3: the nibbles of an IPv6 address. In names in lower case, as in the examples of
// §7.4; in text in upper case, as the test suite of the RFC has it.
inline void write_dotted(std::string& out, const smtp::ip_address& address, std::string_view hex) {
  out.clear();
  if (address.is_v4()) return address.append_to(out);
  for (const std::uint8_t octet : address.octets()) {
    if (!out.empty()) out += '.';
    out += hex[octet >> 4];
    out += '.';
    out += hex[octet & 15];
  }
}

// RFC 3986 §2.3 unreserved
inline bool is_unreserved(char c) {
  return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

class macro_expander {
 public:
  macro_expander(const macro_values& values, bool is_name)
      : values_(values), hex_(is_name ? "0123456789abcdef" : "0123456789ABCDEF") {}

  // Appends what stands at text[at] to `out`; answers where the text goes on.
  std::size_t step(std::string_view text, std::size_t at, std::string& out) {
    if (text[at] != '%') return literal(text, at, out);
    switch (text[at + 1]) {
      case '_': out += ' '; return at + 2;
      case '-': out += "%20"; return at + 2;
      case '%': out += '%'; return at + 2;
      default: break;
    }
    macro_term m;
    read_macro(text, at, m);
    append(m, value_of(m.letter), out);
    return m.end;
  }

 private:
  static std::size_t literal(std::string_view text, std::size_t at, std::string& out) {
    const std::size_t end = std::min(text.find('%', at), text.size());
    out += text.substr(at, end - at);
    return end;
  }

  std::string_view value_of(char letter) {
    switch (letter) {
      case 's': return values_.sender;
      case 'l': return values_.local_part;
      case 'o': return values_.sender_domain;
      case 'd': return values_.domain;
      case 'p': return values_.validated_name;
      case 'h': return values_.helo;
      case 'r': return values_.receiver;
      case 'v': return values_.client.is_v4() ? "in-addr" : "ip6";
      case 'i': write_dotted(scratch_, values_.client, hex_); break;
      case 'c': scratch_ = values_.client.text(); break;
      default: scratch_ = std::to_string(values_.time); break;
    }
    return scratch_;
  }

  // RFC 7208 §7.3: split, turned around, cut to the last parts; dots stand between them, whatever
  // stood there.
  static void append(const macro_term& m, std::string_view value, std::string& out) {
    const unsigned delimiters = m.delimiters == 0 ? delimiter_bit('.') : m.delimiters;
    const std::size_t begin = out.size();
    // The last parts of what is turned around are the first ones of the value.
    if (m.reverse) {
      append_reversed(first_parts(value, delimiters, m.parts), delimiters, out);
    } else {
      out += last_parts(value, delimiters, m.parts);
      const auto is_delimiter = [=](char c) { return (delimiter_bit(c) & delimiters) != 0; };
      if (delimiters != delimiter_bit('.'))
        std::replace_if(out.data() + begin, out.data() + out.size(), is_delimiter, '.');
    }
    if (m.escape) escape(out, begin);
  }

  // As many parts as the macro keeps; 0: all.
  static std::string_view first_parts(std::string_view value, unsigned delimiters, unsigned parts) {
    for (std::size_t at = 0; parts != 0 && at < value.size(); ++at)
      if ((delimiter_bit(value[at]) & delimiters) != 0 && --parts == 0) return value.substr(0, at);
    return value;
  }
  static std::string_view last_parts(std::string_view value, unsigned delimiters, unsigned parts) {
    for (std::size_t at = value.size(); parts != 0 && at > 0; --at)
      if ((delimiter_bit(value[at - 1]) & delimiters) != 0 && --parts == 0) return value.substr(at);
    return value;
  }

  // The last part first.
  static void append_reversed(std::string_view value, unsigned delimiters, std::string& out) {
    const std::size_t begin = out.size();
    out.resize(begin + value.size());
    char* to = out.data() + begin;
    for (std::size_t end = value.size();;) {
      std::size_t from = end;
      while (from > 0 && (delimiter_bit(value[from - 1]) & delimiters) == 0) --from;
      to = std::copy(value.data() + from, value.data() + end, to);
      if (from == 0) return;
      *to++ = '.';
      end = from - 1;
    }
  }

  // What stands in `out` from `begin` on. RFC 7208 §7.3: as in URIs.
  static void escape(std::string& out, std::size_t begin) {
    const std::string plain = out.substr(begin);
    out.resize(begin);
    constexpr std::string_view hex = "0123456789ABCDEF";
    for (const char c : plain) {
      if (is_unreserved(c)) {
        out += c;
        continue;
      }
      out += '%';
      out += hex[static_cast<unsigned char>(c) >> 4];
      out += hex[static_cast<unsigned char>(c) & 15];
    }
  }

  const macro_values& values_;
  std::string_view hex_;
  std::string scratch_;
};

// RFC 7208 §7.3: labels go from the left until it fits.
inline void drop_left_labels(std::string& name) {
  if (name.size() <= max_name_octets) return;
  const std::size_t dot = name.find('.', name.size() - max_name_octets - 1);
  name.erase(0, dot == name.npos ? name.size() : dot + 1);
}

// Room for as much is made at once.
inline constexpr std::size_t usual_name_octets = 80;

}  // namespace detail

GATEPOST_DECL parsed_macro_string parse_macro_string(std::string_view text, macro_use use) {
  return detail::macro_checker(text, use).check();
}

GATEPOST_DECL std::string expand_text(const macro_string& macros, const macro_values& values,
                                      std::size_t limit) {
  std::string out;
  detail::macro_expander expander(values, false);
  for (std::size_t at = 0; at < macros.text.size() && out.size() < limit;)
    at = expander.step(macros.text, at, out);
  if (out.size() > limit) out.resize(limit);
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

GATEPOST_DECL std::string expand_domain(const macro_string& macros, const macro_values& values) {
  // A name is cut from the left, so of a long expansion only the right end matters.
  constexpr std::size_t kept = 2 * max_name_octets;
  constexpr std::size_t trimmed_above = 4096;
  std::string out;
  if (macros.plain) {
    out = macros.text;
  } else {
    out.reserve(detail::usual_name_octets);
    detail::macro_expander expander(values, true);
    for (std::size_t at = 0; at < macros.text.size();) {
      at = expander.step(macros.text, at, out);
      if (out.size() > trimmed_above) out.erase(0, out.size() - kept);
    }
  }
  if (!out.empty() && out.back() == '.') out.pop_back();
  detail::drop_left_labels(out);
  return out;
}

GATEPOST_DECL bool valid_name(std::string_view name) {
  return name.size() <= max_name_octets && detail::is_name(name);
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_MACRO_IPP
