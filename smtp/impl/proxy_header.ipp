#ifndef GATEPOST_SMTP_IMPL_PROXY_HEADER_IPP
#define GATEPOST_SMTP_IMPL_PROXY_HEADER_IPP

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

#include "smtp/proxy_header.hpp"

namespace gatepost::smtp {
namespace detail::proxy {

inline constexpr std::string_view v1_signature = "PROXY ";
inline constexpr std::string_view v2_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
inline constexpr std::size_t v2_fixed_octets = 16;  // signature, version, family, length

inline constexpr std::uint8_t type_authority = 0x02;
inline constexpr std::uint8_t type_crc32c = 0x03;
inline constexpr std::uint8_t type_unique_id = 0x05;
inline constexpr std::uint8_t type_tls = 0x20;

inline unsigned octet_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

inline std::uint16_t u16_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint16_t>(octet_at(text, at) << 8 | octet_at(text, at + 1));
}

inline std::uint32_t u32_at(std::string_view text, std::size_t at) {
  return std::uint32_t{u16_at(text, at)} << 16 | u16_at(text, at + 2);
}

// --- Version 1, §2.1
// -------------------------------------------------------------------------------

// Takes the text up to the next space, and the space; nothing where there is no space.
inline std::optional<std::string_view> take_word(std::string_view& line) {
  const auto space = line.find(' ');
  if (space == line.npos) return std::nullopt;
  const auto word = line.substr(0, space);
  line.remove_prefix(space + 1);
  return word;
}

// Decimal, without a leading zero.
inline std::optional<std::uint16_t> read_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  return port;
}

// "SOURCE DESTINATION SOURCE-PORT DESTINATION-PORT" of one family.
inline bool read_v1_endpoints(std::string_view line, ip_family family, proxy_header& header) {
  const auto source = take_word(line);
  const auto destination = take_word(line);
  const auto source_port = take_word(line);
  if (!source || !destination || !source_port) return false;
  const auto end = [family](std::string_view address, std::string_view port) {
    std::optional<endpoint> found;
    const auto parsed = parse_ip_address(address);
    const auto number = read_port(port);
    if (parsed && number && parsed->family() == family) {
      found = endpoint{*parsed, *number};
    }
    return found;
  };
  header.source = end(*source, *source_port);
  header.destination = end(*destination, line);
  return header.source && header.destination;
}

// `line` is without its CRLF.
inline result<proxy_header> read_v1_line(std::string_view line) {
  proxy_header header;
  header.version = 1;
  header.consumed = line.size() + 2;
  line.remove_prefix(v1_signature.size());
  // "the receiver must ignore anything presented before the CRLF"
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return header;
  const auto family = take_word(line);
  if (family != "TCP4" && family != "TCP6") return errc::bad_proxy_header;
  header.command = proxy_command::proxy;
  header.transport = proxy_transport::stream;
  const auto wanted = family == "TCP4" ? ip_family::v4 : ip_family::v6;
  if (!read_v1_endpoints(line, wanted, header)) return errc::bad_proxy_header;
  return header;
}

// "must not tolerate a single CR or LF character to end the line"
inline result<proxy_header> read_v1(std::string_view input) {
  const auto line = input.substr(0, max_proxy_v1_octets);
  const auto end = line.find_first_of("\r\n");
  if (end == line.npos || end + 1 == line.size()) {
    const bool room = line.size() < max_proxy_v1_octets;
    const bool lone_lf = end != line.npos && line[end] == '\n';
    return room && !lone_lf ? errc::need_more : errc::bad_proxy_header;
  }
  if (line.substr(end, 2) != "\r\n") return errc::bad_proxy_header;
  return read_v1_line(line.substr(0, end));
}

// --- Version 2, §2.2
// -------------------------------------------------------------------------------

enum class v2_family : std::uint8_t { unspecified, v4, v6, local };

inline constexpr std::array<std::size_t, 4> v2_address_octets{0, 12, 36, 216};

struct v2_start {
  proxy_command command;
  v2_family family;
  proxy_transport transport;
  std::size_t block = 0;  // octets behind the fixed part

  std::size_t addresses() const { return v2_address_octets[static_cast<std::size_t>(family)]; }
  bool unspecified() const {
    return family == v2_family::unspecified || transport == proxy_transport::unspecified;
  }
};

inline bool are_tlvs(std::string_view block) {
  while (!block.empty()) {
    if (block.size() < 3) return false;
    const std::size_t size = 3u + u16_at(block, 1);
    if (size > block.size()) return false;
    block.remove_prefix(size);
  }
  return true;
}

// Judges as many octets of the fixed part as there are.
inline result<v2_start> read_v2_start(std::string_view input) {
  v2_start start{};
  if (input.size() <= 12) return errc::need_more;
  const unsigned command = octet_at(input, 12);
  if (command != 0x20 && command != 0x21) return errc::bad_proxy_header;
  start.command = command == 0x20 ? proxy_command::local : proxy_command::proxy;
  if (input.size() <= 13) return errc::need_more;
  const unsigned family = octet_at(input, 13) >> 4;
  const unsigned transport = octet_at(input, 13) & 0xf;
  // "must be rejected as invalid by receivers"
  if (family > 3 || transport > 2) return errc::bad_proxy_header;
  start.family = static_cast<v2_family>(family);
  start.transport = static_cast<proxy_transport>(transport);
  if (input.size() < v2_fixed_octets) return errc::need_more;
  start.block = u16_at(input, 14);
  if (v2_fixed_octets + start.block > max_proxy_v2_octets) return errc::bad_proxy_header;
  return start;
}

// Whether the block can hold what its family says. With LOCAL, "it should not present any address",
// and whatever is there is skipped; but a block that breaks off within its addresses is a broken
// header.
inline bool room_for_addresses(const v2_start& start) {
  if (start.unspecified() || start.block >= start.addresses()) return true;
  return start.command == proxy_command::local && start.block == 0;
}

inline ip_address v4_at(std::string_view block, std::size_t at) {
  ip_address::v4_octets octets{};
  std::copy_n(block.begin() + static_cast<std::ptrdiff_t>(at), octets.size(), octets.begin());
  return ip_address(octets);
}

inline ip_address v6_at(std::string_view block, std::size_t at) {
  ip_address::v6_octets octets{};
  std::copy_n(block.begin() + static_cast<std::ptrdiff_t>(at), octets.size(), octets.begin());
  return ip_address(octets);
}

inline void read_v2_endpoints(std::string_view block, v2_family family, proxy_header& header) {
  if (family == v2_family::v4) {
    header.source = endpoint{v4_at(block, 0), u16_at(block, 8)};
    header.destination = endpoint{v4_at(block, 4), u16_at(block, 10)};
  } else if (family == v2_family::v6) {
    header.source = endpoint{v6_at(block, 0), u16_at(block, 32)};
    header.destination = endpoint{v6_at(block, 16), u16_at(block, 34)};
  }
}

// RFC 4960 appendix B: reflected polynomial 0x1EDC6F41.
inline constexpr std::array<std::uint32_t, 256> crc32c_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    table[i] = crc;
  }
  return table;
}();

// Of the header with zeros in the place of the checksum itself, as §2.2.3 wants it.
inline std::uint32_t crc32c(std::string_view header, std::string_view checksum) {
  std::uint32_t crc = 0xffffffff;
  for (const char& c : header) {
    const bool zeroed = &c >= checksum.data() && &c < checksum.data() + checksum.size();
    const unsigned octet = zeroed ? 0 : static_cast<unsigned char>(c);
    crc = crc >> 8 ^ crc32c_table[(crc ^ octet) & 0xff];
  }
  return ~crc;
}

inline bool read_checksum(std::string_view header_octets, proxy_header& header) {
  const auto checksum = header.tlvs.find(type_crc32c);
  if (!checksum) return true;
  header.checksum_given = true;
  return checksum->size() == 4 && u32_at(*checksum, 0) == crc32c(header_octets, *checksum);
}

// §2.2.6: one octet of flags, four of the verification's result, then entries of their own.
inline std::optional<proxy_tls> read_tls(std::string_view value) {
  if (value.size() < 5 || !are_tlvs(value.substr(5))) return std::nullopt;
  const proxy_tlvs inner(value.substr(5));
  const auto text = [&inner](std::uint8_t type) {
    return inner.find(type).value_or(std::string_view());
  };
  const unsigned flags = octet_at(value, 0);
  proxy_tls tls;
  tls.used = (flags & 1) != 0;
  tls.certificate_in_connection = (flags & 2) != 0;
  tls.certificate_in_session = (flags & 4) != 0;
  tls.verified = (flags & 6) != 0 && u32_at(value, 1) == 0;
  tls.version = text(0x21);
  tls.common_name = text(0x22);
  tls.cipher = text(0x23);
  tls.signature_algorithm = text(0x24);
  tls.key_algorithm = text(0x25);
  return tls;
}

inline bool read_tlvs(std::string_view header_octets, std::string_view block,
                      proxy_header& header) {
  if (!are_tlvs(block)) return false;
  header.tlvs = proxy_tlvs(block);
  header.authority = header.tlvs.find(type_authority).value_or(std::string_view());
  header.unique_id = header.tlvs.find(type_unique_id).value_or(std::string_view());
  if (header.unique_id.size() > max_proxy_unique_id_octets) return false;
  if (const auto tls = header.tlvs.find(type_tls)) {
    header.tls = read_tls(*tls);
    if (!header.tls) return false;
  }
  return read_checksum(header_octets, header);
}

inline result<proxy_header> read_v2(std::string_view input) {
  const auto start = read_v2_start(input);
  if (!start) return start.error();
  if (!room_for_addresses(*start)) return errc::bad_proxy_header;
  const std::size_t size = v2_fixed_octets + start->block;
  if (input.size() < size) return errc::need_more;
  proxy_header header;
  header.version = 2;
  header.consumed = size;
  header.command = start->command;
  // "must use the real connection endpoints and discard the protocol block including the family";
  // and an unspecified family or transport does not say where its addresses end.
  if (start->command == proxy_command::local || start->unspecified()) return header;
  header.transport = start->transport;
  const auto octets = input.substr(0, size);
  const auto block = octets.substr(v2_fixed_octets);
  read_v2_endpoints(block, start->family, header);
  if (!read_tlvs(octets, block.substr(start->addresses()), header)) return errc::bad_proxy_header;
  return header;
}

inline bool begins_like(std::string_view input, std::string_view signature) {
  const auto size = std::min(input.size(), signature.size());
  return input.substr(0, size) == signature.substr(0, size);
}

}  // namespace detail::proxy

GATEPOST_DECL proxy_tlvs::entry proxy_tlvs::iterator::operator*() const noexcept {
  const std::size_t size = detail::proxy::u16_at(rest_, 1);
  return {static_cast<std::uint8_t>(rest_[0]), rest_.substr(3, size)};
}

GATEPOST_DECL proxy_tlvs::iterator& proxy_tlvs::iterator::operator++() noexcept {
  rest_.remove_prefix(3u + detail::proxy::u16_at(rest_, 1));
  return *this;
}

GATEPOST_DECL std::optional<std::string_view> proxy_tlvs::find(std::uint8_t type) const noexcept {
  for (const auto& entry : *this) {
    if (entry.type == type) return entry.value;
  }
  return std::nullopt;
}

GATEPOST_DECL result<proxy_header> read_proxy_header(std::string_view input) noexcept {
  namespace impl = detail::proxy;
  if (impl::begins_like(input, impl::v1_signature)) {
    if (input.size() < impl::v1_signature.size()) return errc::need_more;
    return impl::read_v1(input);
  }
  if (!impl::begins_like(input, impl::v2_signature)) return errc::bad_proxy_header;
  return impl::read_v2(input);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_PROXY_HEADER_IPP
