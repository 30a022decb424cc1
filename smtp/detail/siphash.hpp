// SipHash-C-D: a keyed hash of which nobody finds two texts that collide who has not got the key
// (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
//
// SipHash-1-3 is what tables use, as those of Rust and Python do; 2-4 is the paper's own.
#ifndef GATEPOST_SMTP_DETAIL_SIPHASH_HPP
#define GATEPOST_SMTP_DETAIL_SIPHASH_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gatepost::smtp::detail {

struct siphash_key {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

struct siphash_state {
  std::uint64_t v0, v1, v2, v3;

  constexpr explicit siphash_state(const siphash_key& key)
      : v0(key.k0 ^ 0x736f6d6570736575u),
        v1(key.k1 ^ 0x646f72616e646f6du),
        v2(key.k0 ^ 0x6c7967656e657261u),
        v3(key.k1 ^ 0x7465646279746573u) {}

  constexpr void rounds(int count) {
    for (; count > 0; --count) {
      v0 += v1, v2 += v3;
      v1 = std::rotl(v1, 13) ^ v0, v3 = std::rotl(v3, 16) ^ v2;
      v0 = std::rotl(v0, 32);
      v2 += v1, v0 += v3;
      v1 = std::rotl(v1, 17) ^ v2, v3 = std::rotl(v3, 21) ^ v0;
      v2 = std::rotl(v2, 32);
    }
  }
};

// Up to eight octets, the first the lowest.
inline std::uint64_t siphash_word(std::string_view octets) {
  std::uint64_t word = 0;
  if constexpr (std::endian::native == std::endian::little) {
    if (octets.size() == sizeof word) {
      std::memcpy(&word, octets.data(), sizeof word);
      return word;
    }
  }
  for (std::size_t i = 0; i < octets.size(); ++i)
    word |= std::uint64_t{static_cast<unsigned char>(octets[i])} << (8 * i);
  return word;
}

// What is left of `text` behind its whole words.
inline std::uint64_t siphash_rest(std::string_view text) {
  const std::size_t left = text.size() % 8;
  if (std::endian::native != std::endian::little || text.size() < 8)
    return siphash_word(text.substr(text.size() - left));
  // The last eight octets, without those that were in a word before.
  if (left == 0) return 0;
  return siphash_word(text.substr(text.size() - 8)) >> (8 * (8 - left));
}

template <int C, int D>
std::uint64_t siphash(const siphash_key& key, std::string_view text) {
  siphash_state s(key);
  const auto compress = [&s](std::uint64_t word) {
    s.v3 ^= word;
    s.rounds(C);
    s.v0 ^= word;
  };
  const std::uint64_t size = text.size();
  for (std::size_t at = 0; at + 8 <= text.size(); at += 8)
    compress(siphash_word(std::string_view(text.data() + at, 8)));
  compress(size << 56 | siphash_rest(text));
  s.v2 ^= 0xff;
  s.rounds(D);
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_DETAIL_SIPHASH_HPP
