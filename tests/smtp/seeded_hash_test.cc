// This header stands alone.
#include "smtp/seeded_hash.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gatepost::smtp {
namespace {

std::string octets_of(std::uint64_t word) {
  std::string octets(sizeof word, '\0');
  std::memcpy(octets.data(), &word, sizeof word);
  return octets;
}

// Texts of two words that are one to MurmurHash64A with any fixed seed, as std::hash has it where
// it is libstdc++'s: what the first word does to the state, the second takes back.
std::vector<std::string> texts_that_collide(std::size_t count) {
  constexpr std::uint64_t mul = 0xc6a4a7935bd1e995u;
  constexpr std::uint64_t seed = 0xc70f6907u;
  std::uint64_t inverse = mul;  // Newton's method, modulo 2^64
  for (int i = 0; i < 6; ++i) inverse *= 2 - mul * inverse;
  const auto mixed = [](std::uint64_t word) {
    word *= mul;
    return (word ^ word >> 47) * mul;
  };
  const auto unmixed = [inverse](std::uint64_t word) {
    word *= inverse;
    return (word ^ word >> 47) * inverse;
  };
  constexpr std::size_t size = 16;
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t state = ((seed ^ size * mul) ^ mixed(i)) * mul;
    texts.push_back(octets_of(i) + octets_of(unmixed(state)));
  }
  return texts;
}

TEST(SeededHash, TextsMadeToCollideDoNot) {
  const std::vector<std::string> texts = texts_that_collide(1000);
  std::set<std::size_t> by_std;
  std::set<std::size_t> by_us;
  const seeded_hash hash;
  for (const std::string& text : texts) {
    by_std.insert(std::hash<std::string_view>()(text));
    by_us.insert(hash(text));
  }
#ifdef __GLIBCXX__
  EXPECT_EQ(by_std.size(), 1u);  // or this test shows nothing
#endif
  EXPECT_EQ(by_us.size(), texts.size());
}

TEST(SeededHash, TwoTablesHaveNothingInCommon) {
  const seeded_hash one;
  const seeded_hash two;
  const ip_network network(*parse_ip_address("2001:db8::"), 64);
  EXPECT_NE(one("example.com"), two("example.com"));
  EXPECT_NE(one(""), two(""));
  EXPECT_NE(one(network), two(network));
  EXPECT_NE(one(network.address()), two(network.address()));
}

TEST(SeededHash, ACopyGivesTheSame) {
  const seeded_hash one;
  const seeded_hash copy = one;
  EXPECT_EQ(one("example.com"), copy("example.com"));
  EXPECT_EQ(one("example.com"), one(std::string("example.com")));
}

TEST(SeededHash, AddressesAndNetworksAreToldApart) {
  const seeded_hash hash(detail::siphash_key{1, 2});
  const ip_address v4 = *parse_ip_address("192.0.2.0");
  const ip_address v6 = *parse_ip_address("c000:200::");  // with the same first octets
  std::set<std::size_t> all{hash(v4), hash(v6)};
  for (unsigned bits = 24; bits <= 32; ++bits) all.insert(hash(ip_network(v4, bits)));
  for (unsigned bits = 24; bits <= 128; ++bits) all.insert(hash(ip_network(v6, bits)));
  EXPECT_EQ(all.size(), 2u + 9u + 105u);
  EXPECT_EQ(hash(v4), hash(*parse_ip_address("192.0.2.0")));
}

}  // namespace
}  // namespace gatepost::smtp
