// CRC-32C (RFC 3720 §B.4, Castagnoli): what guards a message's text in its file, and what RocksDB
// guards its log with. By the processor's own instruction where it has one. No allocation, no I/O.
#ifndef GATEPOST_ROUTING_DETAIL_CRC32C_HPP
#define GATEPOST_ROUTING_DETAIL_CRC32C_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace gatepost::routing::detail {

constexpr std::array<std::uint32_t, 256> crc32c_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t octet = 0; octet < table.size(); ++octet) {
    std::uint32_t rest = octet;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0x82F63B78u : 0u);
    table[octet] = rest;
  }
  return table;
}

// Both go on from the register `state`, without the inversions at the two ends.
inline std::uint32_t crc32c_by_table(std::uint32_t state, std::string_view octets) noexcept {
  static constexpr std::array<std::uint32_t, 256> table = crc32c_table();
  for (const char c : octets)
    state = (state >> 8) ^ table[(state ^ static_cast<unsigned char>(c)) & 0xff];
  return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) inline std::uint32_t crc32c_by_sse42(
    std::uint32_t state, std::string_view octets) noexcept {
  const char* p = octets.data();
  std::size_t left = octets.size();
  std::uint64_t wide = state;
  for (; left >= sizeof wide; left -= sizeof wide, p += sizeof wide) {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  state = static_cast<std::uint32_t>(wide);
  for (; left > 0; --left, ++p) state = _mm_crc32_u8(state, static_cast<unsigned char>(*p));
  return state;
}
#endif

// The checksum of what `before` is the checksum of, with `octets` behind it; 0 is that of nothing.
inline std::uint32_t crc32c(std::string_view octets, std::uint32_t before = 0) noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc32c_by_sse42(~before, octets);
#endif
  return ~crc32c_by_table(~before, octets);
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_CRC32C_HPP
