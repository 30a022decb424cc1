#ifndef GATEPOST_SMTP_IMPL_DOMAIN_IPP
#define GATEPOST_SMTP_IMPL_DOMAIN_IPP

#include <idn2.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "smtp/detail/address_chars.hpp"
#include "smtp/domain.hpp"

namespace gatepost::smtp {
namespace detail::domains {

using address_chars::dcontent;
using address_chars::digit;
using address_chars::is;
using address_chars::ldh;
using address_chars::skip;
using address_chars::skip_with_utf8;

inline constexpr std::size_t ipv6_groups = 8;
inline constexpr std::string_view ipv6_tag = "IPv6:";

// --- Names ---

GATEPOST_DECL errc wrong_octet(std::string_view text, std::size_t at, utf8_policy utf8,
                               errc ascii) {
  if (at == text.size() || is_ascii(text[at])) return ascii;
  return utf8 == utf8_policy::smtputf8 ? errc::bad_utf8 : errc::non_ascii_address;
}

// Without U+1E9E, which UTS 46 has mapped to U+00DF since Unicode 15.1, and libidn2's tables before
// that to "ss": a name must mean the same in upper case as in lower case.
inline std::string lower_sharp_s(std::string_view name) {
  constexpr std::string_view capital = "\xE1\xBA\x9E";
  constexpr std::string_view small = "\xC3\x9F";
  std::string out(name);
  for (std::size_t at = 0; (at = out.find(capital, at)) != std::string::npos;) {
    out.replace(at, capital.size(), small);
  }
  return out;
}

using idn2_text = std::unique_ptr<char, void (*)(void*)>;

inline std::optional<std::string> idna_lookup(std::string_view name) {
  const std::string terminated = lower_sharp_s(name);
  char* found = nullptr;
  // Not IDN2_USE_STD3_ASCII_RULES: libidn2 2.3.3 then drops what it should refuse.
  constexpr int flags = IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT;
  if (idn2_to_ascii_8z(terminated.c_str(), &found, flags) != IDN2_OK) return std::nullopt;
  const idn2_text owned(found, idn2_free);
  return std::string(found);
}

// The U-label of an A-label that idna_lookup() gave.
inline std::string to_u_label(std::string_view a_label) {
  const std::string terminated(a_label);
  char* found = nullptr;
  if (idn2_to_unicode_8z8z(terminated.c_str(), &found, IDN2_NONTRANSITIONAL) != IDN2_OK) return {};
  const idn2_text owned(found, idn2_free);
  return found;
}

// Whether a character becomes the other in any label: by its case or its width.
inline bool is_variant_of(std::string_view written, std::string_view mapped) {
  if (equal_ignoring_case(written, mapped)) return true;
  const auto x = to_a_labels(written);
  const auto y = to_a_labels(mapped);
  return x && y && *x == *y;
}

// Whether a label as written is the U-label, character by character. UTS 46 also drops invisible
// characters, takes ligatures apart and composes accents; those are no spellings of a U-label.
inline bool spells_u_label(std::string_view written, std::string_view u_label) {
  while (!written.empty() && !u_label.empty()) {
    const std::string_view one = written.substr(0, utf8_sequence(written, 0));
    const std::string_view other = u_label.substr(0, utf8_sequence(u_label, 0));
    if (one.empty() || other.empty() || !is_variant_of(one, other)) return false;
    written.remove_prefix(one.size());
    u_label.remove_prefix(other.size());
  }
  return written.empty() && u_label.empty();
}

// Cuts the first label, and its dot, off a name.
inline std::string_view take_label(std::string_view& name) {
  const std::size_t dot = std::min(name.find('.'), name.size());
  const std::string_view label = name.substr(0, dot);
  name.remove_prefix(std::min(dot + 1, name.size()));
  return label;
}

// RFC 6531 §3.3: sub-domain =/ U-label. Upper case is taken for lower case, as in ASCII labels.
inline errc check_u_labels(std::string_view name) {
  const auto mapped = to_a_labels(name);
  if (!mapped) return mapped.error();
  std::string_view a_labels = *mapped;
  while (!name.empty()) {
    const std::string_view written = take_label(name);
    const std::string_view a_label = take_label(a_labels);
    if (!is_ascii(written) && !spells_u_label(written, to_u_label(a_label))) return errc::bad_idn;
  }
  return a_labels.empty() ? errc{} : errc::bad_idn;
}

// sub-domain = Let-dig [Ldh-str], or a U-label, whose length is judged as that of its A-label.
inline errc check_label(std::string_view label) {
  if (label.front() == '-' || label.back() == '-') return errc::bad_domain;
  if (label.size() > max_label_octets && is_ascii(label)) return errc::domain_too_long;
  return {};
}

// Domain = sub-domain *("." sub-domain)
GATEPOST_DECL domain_scan scan_name(std::string_view text, std::size_t at, utf8_policy utf8) {
  domain_scan scan{.end = at, .kind = domain_kind::name};
  const bool with_utf8 = utf8 == utf8_policy::smtputf8;
  for (std::size_t label = at;; label = scan.end + 1) {
    scan.end = with_utf8 ? skip_with_utf8(ldh, text, label) : skip(ldh, text, label);
    if (scan.end == label) {
      scan.error = wrong_octet(text, label, utf8, errc::bad_domain);
      return scan;
    }
    scan.error = check_label(text.substr(label, scan.end - label));
    if (scan.error != errc{}) return scan;
    if (scan.end == text.size() || text[scan.end] != '.') break;
  }
  const std::string_view name = text.substr(at, scan.end - at);
  if (name.size() > max_domain_octets) {
    scan.error = errc::domain_too_long;
  } else if (with_utf8 && !is_ascii(name)) {
    scan.utf8 = true;
    scan.error = check_u_labels(name);
  }
  return scan;
}

// --- Literals ---

// Snum 3("." Snum): four decimal numbers of one to three digits, leading zeros allowed.
inline bool read_ipv4(std::string_view text, std::uint8_t* octets) {
  std::size_t at = 0;
  for (int i = 0; i < 4; ++i) {
    if (i > 0 && (at == text.size() || text[at++] != '.')) return false;
    const std::size_t begin = at;
    unsigned value = 0;
    for (; at < text.size() && is(digit, text[at]) && at - begin < 3; ++at) {
      value = value * 10 + static_cast<unsigned>(text[at] - '0');
    }
    if (at == begin || value > 255) return false;
    octets[i] = static_cast<std::uint8_t>(value);
  }
  return at == text.size();
}

// What an IPv6-addr has on both sides of its "::".
struct ipv6_parts {
  ip_address::v6_octets octets{};
  std::size_t groups = 0;          // of 16 bits, read so far; an IPv4 tail counts as two
  std::optional<std::size_t> gap;  // how many stand before the "::"
};

// IPv6-hex, or the IPv4 tail with which the address ends. Moves `at` behind it.
inline bool read_ipv6_group(std::string_view text, std::size_t& at, ipv6_parts& parts) {
  std::uint16_t value = 0;
  const char* const begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value, 16);
  const auto size = static_cast<std::size_t>(end - begin);
  std::uint8_t* const out = parts.octets.data() + 2 * parts.groups;
  if (error == std::errc() && at + size < text.size() && text[at + size] == '.') {
    if (parts.groups > ipv6_groups - 2 || !read_ipv4(text.substr(at), out)) return false;
    parts.groups += 2;
    at = text.size();
    return true;
  }
  if (error != std::errc() || size > 4 || parts.groups == ipv6_groups) return false;
  out[0] = static_cast<std::uint8_t>(value >> 8);
  out[1] = static_cast<std::uint8_t>(value & 0xFF);
  ++parts.groups;
  at += size;
  return true;
}

// ":" or "::" between two groups, or a "::" that ends the address. Moves `at` behind it.
inline bool read_ipv6_colons(std::string_view text, std::size_t& at, ipv6_parts& parts) {
  if (text[at++] != ':' || at == text.size()) return false;
  if (text[at] != ':') return true;
  if (parts.gap) return false;
  parts.gap = parts.groups;
  ++at;
  return true;
}

// RFC 5321 §4.1.3 IPv6-addr. A "::" stands for at least two groups there, unlike in RFC 4291.
inline bool read_ipv6(std::string_view text, ip_address::v6_octets& octets) {
  ipv6_parts parts;
  std::size_t at = 0;
  if (text.starts_with("::")) {
    parts.gap = 0;
    at = 2;
  }
  while (at < text.size()) {
    if (!read_ipv6_group(text, at, parts)) return false;
    if (at < text.size() && !read_ipv6_colons(text, at, parts)) return false;
  }
  if (!parts.gap) {
    octets = parts.octets;
    return parts.groups == ipv6_groups;
  }
  if (parts.groups > ipv6_groups - 2) return false;
  const auto begin = parts.octets.begin();
  const auto head = begin + static_cast<std::ptrdiff_t>(2 * *parts.gap);
  const auto end = begin + static_cast<std::ptrdiff_t>(2 * parts.groups);
  std::copy(begin, head, octets.begin());
  std::copy_backward(head, end, octets.end());
  return true;
}

inline result<domain_literal> ipv6_literal_of(std::string_view text) {
  ip_address::v6_octets octets{};
  if (!read_ipv6(text, octets)) return errc::bad_address_literal;
  return domain_literal{domain_kind::ipv6_literal, ip_address(octets)};
}

// Standardized-tag ":" 1*dcontent; the tag is an Ldh-str: it may begin with a hyphen, not end so.
inline bool read_general(std::string_view text, domain_literal& literal) {
  const std::size_t colon = skip(ldh, text, 0);
  if (colon == 0 || colon + 1 >= text.size() || text[colon] != ':') return false;
  if (text[colon - 1] == '-' || skip(dcontent, text, colon + 1) != text.size()) return false;
  literal.kind = domain_kind::general_literal;
  literal.tag = text.substr(0, colon);
  literal.content = text.substr(colon + 1);
  return true;
}

inline domain_scan scan_literal(std::string_view text, std::size_t at, literal_tags tags) {
  domain_scan scan{.error = errc::bad_address_literal, .end = at};
  const std::size_t close = text.find(']', at);
  if (close == std::string_view::npos) return scan;
  scan.end = close + 1;
  const auto literal = parse_domain_literal(text.substr(at, scan.end - at), tags);
  if (!literal) return scan;
  scan.error = scan.end - at > max_domain_octets ? errc::domain_too_long : errc{};
  scan.kind = literal->kind;
  return scan;
}

GATEPOST_DECL domain_scan scan_domain(std::string_view text, std::size_t at,
                                      const domain_options& options) {
  if (at == text.size()) return {.error = errc::missing_domain, .end = at};
  if (text[at] == '[') return scan_literal(text, at, options.tags);
  return scan_name(text, at, options.utf8);
}

}  // namespace detail::domains

GATEPOST_DECL result<domain_kind> parse_domain(std::string_view text, domain_options options) {
  const auto scan = detail::domains::scan_domain(text, 0, options);
  if (scan.error != errc{}) return scan.error;
  if (scan.end == text.size()) return scan.kind;
  if (scan.kind != domain_kind::name) return errc::bad_address_literal;
  return detail::domains::wrong_octet(text, scan.end, options.utf8, errc::bad_domain);
}

GATEPOST_DECL bool valid_domain(std::string_view text, utf8_policy utf8) {
  const auto kind = parse_domain(text, {.utf8 = utf8});
  return kind && *kind == domain_kind::name;
}

GATEPOST_DECL bool valid_helo_name(std::string_view text) { return parse_domain(text).has_value(); }

GATEPOST_DECL result<domain_literal> parse_domain_literal(std::string_view text,
                                                          literal_tags tags) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') {
    return errc::bad_address_literal;
  }
  const std::string_view inside = text.substr(1, text.size() - 2);
  if (equal_ignoring_case(inside.substr(0, detail::domains::ipv6_tag.size()),
                          detail::domains::ipv6_tag)) {
    return detail::domains::ipv6_literal_of(inside.substr(detail::domains::ipv6_tag.size()));
  }
  ip_address::v4_octets octets{};
  if (detail::domains::read_ipv4(inside, octets.data())) {
    return domain_literal{domain_kind::ipv4_literal, ip_address(octets)};
  }
  domain_literal general;
  if (tags == literal_tags::any && detail::domains::read_general(inside, general)) return general;
  return errc::bad_address_literal;
}

GATEPOST_DECL result<std::string> to_a_labels(std::string_view name) {
  if (is_ascii(name)) {
    const auto scan = detail::domains::scan_name(name, 0, utf8_policy::ascii_only);
    if (name.empty()) return errc::missing_domain;
    if (scan.error != errc{}) return scan.error;
    if (scan.end != name.size()) return errc::bad_domain;
    return to_lower_ascii(name);
  }
  if (name.size() > max_utf8_domain_octets) return errc::domain_too_long;
  if (!valid_utf8(name)) return errc::bad_utf8;
  if (name.find('\0') != std::string_view::npos) return errc::bad_idn;
  auto mapped = detail::domains::idna_lookup(name);
  if (!mapped || !is_ascii(*mapped) || !valid_domain(*mapped)) return errc::bad_idn;
  return to_lower_ascii(*mapped);
}

GATEPOST_DECL std::string canonical_domain(std::string_view domain) {
  if (domain.starts_with('[')) {
    const auto literal = parse_domain_literal(domain, literal_tags::any);
    return literal ? to_text(*literal) : to_lower_ascii(domain);
  }
  if (is_ascii(domain)) return to_lower_ascii(domain);
  auto name = to_a_labels(domain);
  return name ? *std::move(name) : to_lower_ascii(domain);
}

GATEPOST_DECL std::string to_text(const domain_literal& literal) {
  switch (literal.kind) {
    case domain_kind::ipv4_literal:
    case domain_kind::ipv6_literal: return address_literal(literal.address);
    case domain_kind::general_literal:
      return "[" + to_lower_ascii(literal.tag) + ":" + std::string(literal.content) + "]";
    case domain_kind::none:
    case domain_kind::name: break;
  }
  return {};
}

GATEPOST_DECL std::string to_lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = to_lower_ascii(c);
  return out;
}

GATEPOST_DECL bool is_subdomain_of(std::string_view name, std::string_view parent) noexcept {
  if (parent.empty() || name.size() < parent.size()) return false;
  const std::size_t above = name.size() - parent.size();
  if (!equal_ignoring_case(name.substr(above), parent)) return false;
  return above == 0 || (above > 1 && name[above - 1] == '.');
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_DOMAIN_IPP
