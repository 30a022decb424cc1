// This header stands alone.
#include "smtp/detail/siphash.hpp"

#include <gtest/gtest.h>
#include <openssl/siphash.h>

#include <array>
#include <cstdint>
#include <string>

namespace gatepost::smtp::detail {
namespace {

// The paper's key, 00 01 ... 0f, and its text, 00 01 ... 0e: appendix A.
constexpr siphash_key key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

std::string counted(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(i);
  return text;
}

TEST(SipHash, ThePapersExample) {
  EXPECT_EQ((siphash<2, 4>(key, counted(15))), 0xa129ca6149be45e5u);
}

TEST(SipHash, AsBoringSslHasIt) {
  const std::array<std::uint64_t, 2> words{key.k0, key.k1};
  for (std::size_t size = 0; size <= 300; ++size) {
    const std::string text = counted(size);
    const auto* octets = reinterpret_cast<const std::uint8_t*>(text.data());
    EXPECT_EQ((siphash<2, 4>(key, text)), SIPHASH_24(words.data(), octets, size)) << size;
  }
}

// Every octet, the length and both halves of the key count.
TEST(SipHash, EverythingCounts) {
  for (std::size_t size = 1; size <= 40; ++size) {
    const std::string text = counted(size);
    const std::uint64_t whole = siphash<1, 3>(key, text);
    EXPECT_NE(whole, (siphash<1, 3>(key, text + '\0')));
    EXPECT_NE(whole, (siphash<1, 3>({key.k0 + 1, key.k1}, text)));
    EXPECT_NE(whole, (siphash<1, 3>({key.k0, key.k1 + 1}, text)));
    for (std::size_t at = 0; at < size; ++at) {
      std::string other = text;
      other[at] = static_cast<char>(other[at] ^ 0x80);
      EXPECT_NE(whole, (siphash<1, 3>(key, other))) << size << ' ' << at;
    }
  }
}

}  // namespace
}  // namespace gatepost::smtp::detail
