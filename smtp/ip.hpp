// IP addresses, networks and endpoints as plain values, with the texts that mail gives them.
//
// Parsing is strict: an IPv4 part has no leading zero (it would be octal elsewhere), an IPv6
// address no zone. Text is that of RFC 5952. An IPv4 client of a dual-stack socket arrives as
// ::ffff:a.b.c.d: call `unmapped()` once, at the edge. No sockets, no allocation except for the
// texts.
//
// Every function may be called from any thread.
#ifndef GATEPOST_SMTP_IP_HPP
#define GATEPOST_SMTP_IP_HPP

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/result.hpp"

namespace gatepost::smtp {

enum class ip_family : std::uint8_t { v4, v6 };

// An IPv4 or IPv6 address. The default is 0.0.0.0. Ordered by family, then by octets.
class ip_address {
 public:
  using v4_octets = std::array<std::uint8_t, 4>;
  using v6_octets = std::array<std::uint8_t, 16>;

  constexpr ip_address() noexcept = default;
  constexpr explicit ip_address(const v4_octets& octets) noexcept {
    std::copy(octets.begin(), octets.end(), octets_.begin());
  }
  constexpr explicit ip_address(const v6_octets& octets) noexcept
      : family_(ip_family::v6), octets_(octets) {}

  constexpr ip_family family() const noexcept { return family_; }
  constexpr bool is_v4() const noexcept { return family_ == ip_family::v4; }
  constexpr bool is_v6() const noexcept { return family_ == ip_family::v6; }

  // 4 or 16 octets in network order; valid as long as the address.
  constexpr std::span<const std::uint8_t> octets() const noexcept {
    return {octets_.data(), is_v4() ? 4u : 16u};
  }
  // 32 or 128.
  constexpr unsigned bits() const noexcept { return is_v4() ? 32 : 128; }

  // ::ffff:0:0/96, RFC 4291 §2.5.5.2.
  GATEPOST_DECL bool is_v4_mapped() const noexcept;
  // The IPv4 address inside a v4-mapped one; any other address as it is.
  GATEPOST_DECL ip_address unmapped() const noexcept;
  // 127.0.0.0/8 or ::1, also v4-mapped.
  GATEPOST_DECL bool is_loopback() const noexcept;
  // 0.0.0.0 or ::.
  GATEPOST_DECL bool is_unspecified() const noexcept;

  // "192.0.2.1", or RFC 5952 text; a v4-mapped address is "::ffff:192.0.2.1" (RFC 5952 §5).
  GATEPOST_DECL std::string text() const;
  GATEPOST_DECL void append_to(std::string& out) const;

  friend constexpr bool operator==(const ip_address&, const ip_address&) noexcept = default;
  friend constexpr auto operator<=>(const ip_address&, const ip_address&) noexcept = default;

  // Hashing for absl's tables. Where peers choose the keys: smtp::seeded_hash.
  template <class H>
  friend H AbslHashValue(H state, const ip_address& address) {
    const auto octets = address.octets();
    return H::combine(H::combine_contiguous(std::move(state), octets.data(), octets.size()),
                      octets.size());
  }

 private:
  ip_family family_ = ip_family::v4;
  v6_octets octets_{};  // an IPv4 address fills the first four, the others stay 0
};

// "192.0.2.1" or "2001:db8::1". Fails with errc::bad_ip_address.
GATEPOST_DECL result<ip_address> parse_ip_address(std::string_view text) noexcept;

// What stands between the brackets of an address literal (RFC 5321 §4.1.3), and the ADDR value of
// XCLIENT: "192.0.2.1" or "IPv6:2001:db8::1". Fails with errc::bad_address_literal.
GATEPOST_DECL result<ip_address> parse_tagged_address(std::string_view text) noexcept;

// "[192.0.2.1]" or "[IPv6:2001:db8::1]", RFC 5321 §4.1.3.
GATEPOST_DECL std::string address_literal(const ip_address& address);

// "1.2.0.192", or 32 nibbles: what DNS lists put before their own name (RFC 5782 §2.1, §2.4).
GATEPOST_DECL std::string reverse_labels(const ip_address& address);

// "1.2.0.192.in-addr.arpa" (RFC 1035 §3.5), or nibbles under ip6.arpa (RFC 3596 §2.5).
GATEPOST_DECL std::string reverse_name(const ip_address& address);

// A CIDR block: an address whose bits after the prefix are 0. The default holds only 0.0.0.0.
class ip_network {
 public:
  constexpr ip_network() noexcept = default;
  // The block of `bits` (clamped to the family's) that `address` is in.
  GATEPOST_DECL ip_network(const ip_address& address, unsigned bits) noexcept;

  constexpr const ip_address& address() const noexcept { return address_; }
  constexpr unsigned bits() const noexcept { return bits_; }

  // An IPv4 block also contains the v4-mapped forms of its addresses: no list is bypassed by them.
  GATEPOST_DECL bool contains(const ip_address& address) const noexcept;

  // "192.0.2.0/24"
  GATEPOST_DECL std::string text() const;

  friend constexpr bool operator==(const ip_network&, const ip_network&) noexcept = default;
  friend constexpr auto operator<=>(const ip_network&, const ip_network&) noexcept = default;

  template <class H>
  friend H AbslHashValue(H state, const ip_network& network) {
    return H::combine(std::move(state), network.address_, network.bits_);
  }

 private:
  ip_address address_;
  unsigned bits_ = 32;
};

// "192.0.2.0/24", "2001:db8::/32", or a bare address. Fails with errc::bad_network, also where a
// bit after the prefix is set: somebody mistyped one of the two.
GATEPOST_DECL result<ip_network> parse_ip_network(std::string_view text) noexcept;

// The block of `bits` bits (clamped) that `address` is in.
GATEPOST_DECL ip_network prefix(const ip_address& address, unsigned bits) noexcept;

// One subscriber has one IPv4 address, but (RFC 6177) never less than a /64 of IPv6.
inline constexpr unsigned client_bits_v4 = 32;
inline constexpr unsigned client_bits_v6 = 64;

// What counts as one client when connections are counted per network. Unmaps first.
GATEPOST_DECL ip_network client_network(const ip_address& address,
                                        unsigned v4_bits = client_bits_v4,
                                        unsigned v6_bits = client_bits_v6) noexcept;

// Networks to look an address up in: trusted proxies, own hosts. Linear; meant for tens of entries.
class network_set {
 public:
  network_set() = default;
  GATEPOST_DECL network_set(std::initializer_list<ip_network> networks);

  GATEPOST_DECL void add(const ip_network& network);
  GATEPOST_DECL bool contains(const ip_address& address) const noexcept;

  bool empty() const noexcept { return networks_.empty(); }
  std::span<const ip_network> networks() const noexcept { return networks_; }

  // 127.0.0.0/8 and ::1.
  GATEPOST_DECL static network_set loopback();

 private:
  std::vector<ip_network> networks_;
};

// Networks separated by commas or blanks; nothing gives the empty set. Fails with
// errc::bad_network.
GATEPOST_DECL result<network_set> parse_network_set(std::string_view text);

// One end of a TCP connection.
struct endpoint {
  ip_address address;
  std::uint16_t port = 0;

  // "192.0.2.1:25" or "[2001:db8::1]:25"
  GATEPOST_DECL std::string text() const;

  friend constexpr bool operator==(const endpoint&, const endpoint&) noexcept = default;
  friend constexpr auto operator<=>(const endpoint&, const endpoint&) noexcept = default;
};

// The text that `endpoint::text` writes. Fails with errc::bad_ip_address.
GATEPOST_DECL result<endpoint> parse_endpoint(std::string_view text) noexcept;

}  // namespace gatepost::smtp

// Not seeded: a peer that chooses its own address can make keys collide. See smtp::seeded_hash.
template <>
struct std::hash<gatepost::smtp::ip_address> {
  GATEPOST_DECL std::size_t operator()(const gatepost::smtp::ip_address& address) const noexcept;
};

template <>
struct std::hash<gatepost::smtp::ip_network> {
  GATEPOST_DECL std::size_t operator()(const gatepost::smtp::ip_network& network) const noexcept;
};

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/ip.ipp"
#endif

#endif  // GATEPOST_SMTP_IP_HPP
