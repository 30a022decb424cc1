// Numbers, header and records of DNS messages on the wire: RFC 1035 §4.1.
#ifndef GATEPOST_SMTP_DNS_DETAIL_WIRE_MESSAGE_HPP
#define GATEPOST_SMTP_DNS_DETAIL_WIRE_MESSAGE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/dns/detail/wire_name.hpp"

namespace gatepost::smtp::dns::detail {

inline constexpr std::uint16_t flag_response = 0x8000;
inline constexpr std::uint16_t flag_opcode = 0x7800;
inline constexpr std::uint16_t flag_authoritative = 0x0400;
inline constexpr std::uint16_t flag_truncated = 0x0200;
inline constexpr std::uint16_t flag_recursion_desired = 0x0100;
inline constexpr std::uint16_t flag_recursion_available = 0x0080;
inline constexpr std::uint16_t flag_authentic = 0x0020;  // RFC 4035 §3.2.3
inline constexpr std::uint16_t flag_rcode = 0x000f;
inline constexpr std::uint32_t flag_dnssec_ok = 0x8000;  // of OPT's TTL (RFC 3225 §3)

inline constexpr std::uint16_t class_in = 1;
inline constexpr std::uint16_t type_ns = 2;
inline constexpr std::uint16_t type_soa = 6;
inline constexpr std::uint16_t type_opt = 41;
inline constexpr std::uint16_t rcode_nxdomain = 3;

inline std::uint16_t read16(std::string_view m, std::size_t at) {
  return static_cast<std::uint16_t>(octet_at(m, at) << 8 | octet_at(m, at + 1));
}
inline std::uint32_t read32(std::string_view m, std::size_t at) {
  return static_cast<std::uint32_t>(read16(m, at)) << 16 | read16(m, at + 2);
}
inline void add16(std::string& out, std::uint16_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xff);
}

struct header {
  std::uint16_t id;
  std::uint16_t flags;
  std::array<std::uint16_t, 4> counts;  // questions, answers, authority, additional
};

inline std::optional<header> read_header(std::string_view m) {
  if (m.size() < header_size) return std::nullopt;
  return header{
      read16(m, 0), read16(m, 2), {read16(m, 4), read16(m, 6), read16(m, 8), read16(m, 10)}};
}

struct record {
  wire_name owner;
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  std::uint32_t ttl = 0;
  std::size_t data = 0;  // offset of its data
  std::size_t size = 0;
};

// RFC 1035 §4.1.3. The offset behind the record, or nothing where it does not fit.
inline std::optional<std::size_t> read_record(std::string_view m, std::size_t at, record& r) {
  const auto fixed = read_name(m, at, r.owner);
  if (!fixed || m.size() - *fixed < 10) return std::nullopt;
  r.type = read16(m, *fixed);
  r.klass = read16(m, *fixed + 2);
  r.ttl = read32(m, *fixed + 4);
  r.size = read16(m, *fixed + 8);
  r.data = *fixed + 10;
  if (m.size() - r.data < r.size) return std::nullopt;
  return r.data + r.size;
}

// RFC 8767 §4, which replaces RFC 2181 §8: with the highest bit set it is large, not 0.
inline std::uint32_t sane_ttl(std::uint32_t ttl) {
  return std::min<std::uint32_t>(ttl, 0x7fffffff);
}

}  // namespace gatepost::smtp::dns::detail

#endif  // GATEPOST_SMTP_DNS_DETAIL_WIRE_MESSAGE_HPP
