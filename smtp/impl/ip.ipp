#ifndef GATEPOST_SMTP_IMPL_IP_IPP
#define GATEPOST_SMTP_IMPL_IP_IPP

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <optional>

#include "smtp/ip.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp {
namespace detail::ip {

inline constexpr std::string_view hex_digits = "0123456789abcdef";
inline constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0,    0,
                                                            0, 0, 0, 0, 0xff, 0xff};

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

inline int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A decimal number without sign or leading zero, at most `max`.
inline std::optional<unsigned> parse_decimal(std::string_view text, unsigned max) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  unsigned value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  if (value > max) return std::nullopt;
  return value;
}

inline bool parse_v4(std::string_view text, std::uint8_t* out) {
  std::size_t at = 0;
  std::uint32_t address = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0 && (at == text.size() || text[at++] != '.')) return false;
    const std::size_t begin = at;
    unsigned value = 0;
    for (; at < text.size() && at - begin < 3 && text[at] >= '0' && text[at] <= '9'; ++at)
      value = value * 10 + static_cast<unsigned>(text[at] - '0');
    const bool leading_zero = at - begin > 1 && text[begin] == '0';
    if (at == begin || leading_zero || value > 255) return false;
    address = address << 8 | value;
  }
  for (int part = 0; part < 4; ++part)
    out[part] = static_cast<std::uint8_t>(address >> (24 - 8 * part));
  return at == text.size();
}

// Groups separated by single colons, as one side of a "::" or the whole address has them; the last
// may be dotted IPv4. Gives the octets written, or nothing where the text is not that.
inline std::optional<std::size_t> parse_groups(std::string_view text, std::uint8_t* out,
                                               std::size_t room) {
  std::size_t used = 0;
  if (text.empty()) return used;
  for (;;) {
    const auto colon = text.find(':');
    const auto group = text.substr(0, colon);
    if (colon == text.npos && group.find('.') != group.npos) {
      if (room - used < 4 || !parse_v4(group, out + used)) return std::nullopt;
      return used + 4;
    }
    if (group.empty() || group.size() > 4 || room - used < 2) return std::nullopt;
    unsigned value = 0;
    for (const char c : group) {
      if (hex_value(c) < 0) return std::nullopt;
      value = value << 4 | static_cast<unsigned>(hex_value(c));
    }
    out[used++] = static_cast<std::uint8_t>(value >> 8);
    out[used++] = static_cast<std::uint8_t>(value & 0xff);
    if (colon == text.npos) return used;
    text.remove_prefix(colon + 1);
  }
}

// RFC 4291 §2.2.
inline bool parse_v6(std::string_view text, ip_address::v6_octets& out) {
  out.fill(0);
  const auto gap = text.find("::");
  if (gap == text.npos) {
    const auto used = parse_groups(text, out.data(), out.size());
    return used && *used == out.size();
  }
  const auto head = text.substr(0, gap);
  if (head.find('.') != head.npos) return false;  // dotted IPv4 only ends an address
  const auto before = parse_groups(head, out.data(), out.size());
  if (!before) return false;
  ip_address::v6_octets tail{};
  const auto after = parse_groups(text.substr(gap + 2), tail.data(), tail.size());
  if (!after || *before + *after > out.size() - 2) return false;  // "::" is at least one group
  std::copy_n(tail.begin(), *after, out.end() - static_cast<std::ptrdiff_t>(*after));
  return true;
}

inline void append_decimal(std::string& out, unsigned value) {
  if (value >= 10) append_decimal(out, value / 10);
  out += static_cast<char>('0' + value % 10);
}

inline void append_v4(std::string& out, std::span<const std::uint8_t> octets) {
  char text[sizeof "255.255.255.255"];
  char* end = text;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i != 0) *end++ = '.';
    end = std::to_chars(end, std::end(text), octets[i]).ptr;
  }
  out.append(text, end);
}

inline void append_hex(std::string& out, unsigned group) {
  int shift = 12;
  while (shift > 0 && group >> shift == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) out += hex_digits[group >> shift & 0xf];
}

struct zero_run {
  std::size_t start = 8;
  std::size_t length = 0;
};

// RFC 5952 §4.2: the longest run of two or more zero groups, the first one among equals.
inline zero_run longest_zero_run(const std::array<unsigned, 8>& groups) {
  zero_run best;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    std::size_t end = i;
    while (end < groups.size() && groups[end] == 0) ++end;
    if (end - i > best.length && end - i >= 2) best = {i, end - i};
    i = std::max(i, end);
  }
  return best;
}

inline void append_v6(std::string& out, std::span<const std::uint8_t> octets) {
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups[i] = static_cast<unsigned>(octets[2 * i] << 8 | octets[2 * i + 1]);
  }
  const auto run = longest_zero_run(groups);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i == run.start) {
      out += "::";
      i += run.length - 1;
      continue;
    }
    if (i != 0 && i != run.start + run.length) out += ':';
    append_hex(out, groups[i]);
  }
}

inline bool same_prefix(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b,
                        unsigned bits) {
  const std::size_t whole = bits / 8;
  if (whole != 0 && a[0] != b[0]) return false;  // most networks of a set
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

inline ip_address masked(const ip_address& address, unsigned bits) {
  const auto octets = address.octets();
  ip_address::v6_octets kept{};
  std::copy_n(octets.begin(), bits / 8, kept.begin());
  if (bits % 8 != 0) {
    kept[bits / 8] = static_cast<std::uint8_t>(octets[bits / 8] & 0xff << (8 - bits % 8));
  }
  if (address.is_v6()) return ip_address(kept);
  return ip_address(ip_address::v4_octets{kept[0], kept[1], kept[2], kept[3]});
}

// The finaliser of splitmix64: spreads every input bit over the whole word.
inline std::uint64_t mix(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

inline std::uint64_t hash(const ip_address& address) {
  std::array<std::uint64_t, 2> words{};
  std::memcpy(words.data(), address.octets().data(), address.octets().size());
  const std::uint64_t family = address.is_v4() ? 1 : 2;
  return mix(mix(mix(family) + words[0]) + words[1]);
}

}  // namespace detail::ip

GATEPOST_DECL bool ip_address::is_v4_mapped() const noexcept {
  const auto& prefix = detail::ip::mapped_prefix;
  return is_v6() && std::equal(prefix.begin(), prefix.end(), octets_.begin());
}

GATEPOST_DECL ip_address ip_address::unmapped() const noexcept {
  if (!is_v4_mapped()) return *this;
  return ip_address(v4_octets{octets_[12], octets_[13], octets_[14], octets_[15]});
}

GATEPOST_DECL bool ip_address::is_loopback() const noexcept {
  if (is_v4()) return octets_[0] == 127;
  if (is_v4_mapped()) return octets_[12] == 127;
  return octets_[15] == 1 && std::all_of(octets_.begin(), octets_.end() - 1,
                                         [](std::uint8_t octet) { return octet == 0; });
}

GATEPOST_DECL bool ip_address::is_unspecified() const noexcept {
  return std::all_of(octets_.begin(), octets_.end(), [](std::uint8_t octet) { return octet == 0; });
}

GATEPOST_DECL std::string ip_address::text() const {
  std::string out;
  append_to(out);
  return out;
}

GATEPOST_DECL void ip_address::append_to(std::string& out) const {
  if (is_v4()) {
    detail::ip::append_v4(out, octets());
  } else if (is_v4_mapped()) {
    out += "::ffff:";
    detail::ip::append_v4(out, octets().subspan(12));
  } else {
    detail::ip::append_v6(out, octets());
  }
}

GATEPOST_DECL result<ip_address> parse_ip_address(std::string_view text) noexcept {
  ip_address::v4_octets v4{};
  if (detail::ip::parse_v4(text, v4.data())) return ip_address(v4);
  ip_address::v6_octets octets{};
  if (!detail::ip::parse_v6(text, octets)) return errc::bad_ip_address;
  return ip_address(octets);
}

GATEPOST_DECL result<ip_address> parse_tagged_address(std::string_view text) noexcept {
  constexpr std::string_view tag = "ipv6:";
  const bool tagged = equal_ignoring_case(text.substr(0, tag.size()), tag);
  if (tagged) text.remove_prefix(tag.size());
  const auto address = parse_ip_address(text);
  if (!address || address->is_v6() != tagged) return errc::bad_address_literal;
  return address;
}

GATEPOST_DECL std::string address_literal(const ip_address& address) {
  std::string out = address.is_v4() ? "[" : "[IPv6:";
  address.append_to(out);
  out += ']';
  return out;
}

GATEPOST_DECL std::string reverse_labels(const ip_address& address) {
  std::string out;
  const auto octets = address.octets();
  for (std::size_t i = octets.size(); i-- > 0;) {
    if (!out.empty()) out += '.';
    if (address.is_v4()) {
      detail::ip::append_decimal(out, octets[i]);
    } else {
      out += {detail::ip::hex_digits[octets[i] & 0xf], '.', detail::ip::hex_digits[octets[i] >> 4]};
    }
  }
  return out;
}

GATEPOST_DECL std::string reverse_name(const ip_address& address) {
  std::string out = reverse_labels(address);
  out += address.is_v4() ? ".in-addr.arpa" : ".ip6.arpa";
  return out;
}

GATEPOST_DECL ip_network::ip_network(const ip_address& address, unsigned bits) noexcept
    : address_(detail::ip::masked(address, std::min(bits, address.bits()))),
      bits_(std::min(bits, address.bits())) {}

GATEPOST_DECL bool ip_network::contains(const ip_address& address) const noexcept {
  if (address.family() == address_.family())
    return detail::ip::same_prefix(address_.octets(), address.octets(), bits_);
  return address_.is_v4() && address.is_v4_mapped() &&
         detail::ip::same_prefix(address_.octets(), address.unmapped().octets(), bits_);
}

GATEPOST_DECL std::string ip_network::text() const {
  std::string out = address_.text();
  out += '/';
  detail::ip::append_decimal(out, bits_);
  return out;
}

GATEPOST_DECL result<ip_network> parse_ip_network(std::string_view text) noexcept {
  const auto slash = text.find('/');
  const auto address = parse_ip_address(text.substr(0, slash));
  if (!address) return errc::bad_network;
  if (slash == text.npos) return ip_network(*address, address->bits());
  const auto bits = detail::ip::parse_decimal(text.substr(slash + 1), address->bits());
  if (!bits) return errc::bad_network;
  const ip_network network(*address, *bits);
  if (network.address() != *address) return errc::bad_network;
  return network;
}

GATEPOST_DECL ip_network prefix(const ip_address& address, unsigned bits) noexcept {
  return {address, bits};
}

GATEPOST_DECL ip_network client_network(const ip_address& address, unsigned v4_bits,
                                        unsigned v6_bits) noexcept {
  const auto client = address.unmapped();
  return {client, client.is_v4() ? v4_bits : v6_bits};
}

GATEPOST_DECL network_set::network_set(std::initializer_list<ip_network> networks)
    : networks_(networks) {}

GATEPOST_DECL void network_set::add(const ip_network& network) { networks_.push_back(network); }

GATEPOST_DECL bool network_set::contains(const ip_address& address) const noexcept {
  return std::any_of(networks_.begin(), networks_.end(),
                     [&](const ip_network& network) { return network.contains(address); });
}

GATEPOST_DECL network_set network_set::loopback() {
  ip_address::v6_octets one{};
  one.back() = 1;
  return {ip_network(ip_address(ip_address::v4_octets{127, 0, 0, 0}), 8),
          ip_network(ip_address(one), 128)};
}

GATEPOST_DECL result<network_set> parse_network_set(std::string_view text) {
  constexpr std::string_view separators = ", \t";
  network_set networks;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(separators), text.size()));
    if (text.empty()) return networks;
    const auto item = text.substr(0, text.find_first_of(separators));
    const auto network = parse_ip_network(item);
    if (!network) return network.error();
    networks.add(*network);
    text.remove_prefix(item.size());
  }
}

GATEPOST_DECL std::string endpoint::text() const {
  std::string out = address.is_v4() ? "" : "[";
  address.append_to(out);
  out += address.is_v4() ? ":" : "]:";
  detail::ip::append_decimal(out, port);
  return out;
}

GATEPOST_DECL result<endpoint> parse_endpoint(std::string_view text) noexcept {
  const auto colon = text.rfind(':');
  if (colon == text.npos) return errc::bad_ip_address;
  const auto port = detail::ip::parse_decimal(text.substr(colon + 1), 65535);
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = parse_ip_address(host);
  if (!port || !address || address->is_v6() != bracketed) return errc::bad_ip_address;
  return endpoint{*address, static_cast<std::uint16_t>(*port)};
}

}  // namespace gatepost::smtp

GATEPOST_DECL std::size_t std::hash<gatepost::smtp::ip_address>::operator()(
    const gatepost::smtp::ip_address& address) const noexcept {
  return static_cast<std::size_t>(gatepost::smtp::detail::ip::hash(address));
}

GATEPOST_DECL std::size_t std::hash<gatepost::smtp::ip_network>::operator()(
    const gatepost::smtp::ip_network& network) const noexcept {
  namespace impl = gatepost::smtp::detail::ip;
  return static_cast<std::size_t>(impl::mix(impl::hash(network.address()) + network.bits()));
}

#endif  // GATEPOST_SMTP_IMPL_IP_IPP
