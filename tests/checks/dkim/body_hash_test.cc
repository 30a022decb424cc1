// This header stands alone.
#include "checks/dkim/body_hash.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

namespace gatepost::checks::dkim {
namespace {

constexpr auto simple = canonicalization::simple;
constexpr auto relaxed = canonicalization::relaxed;

digest hash_of(std::string_view text) {
  sha256 hash;
  hash.update(text);
  return hash.finish();
}

TEST(DkimBodyHash, EqualWishesShareAHash) {
  body_hashes hashes;
  EXPECT_TRUE(hashes.empty());
  const auto a = hashes.want(relaxed, std::nullopt);
  EXPECT_EQ(hashes.want(relaxed, std::nullopt), a);
  const auto b = hashes.want(simple, std::nullopt);
  EXPECT_NE(a, b);
  const auto c = hashes.want(relaxed, 2);
  EXPECT_NE(a, c);
  EXPECT_EQ(hashes.want(relaxed, 2), c);
  for (const char* piece : {"a ", " b", "\r", "\n\r\n"}) hashes.update(piece);
  hashes.finish();
  EXPECT_EQ(hashes.hash(a), hash_of("a b\r\n"));
  EXPECT_EQ(hashes.hash(b), hash_of("a  b\r\n"));
  EXPECT_EQ(hashes.hash(c), hash_of("a "));
  EXPECT_EQ(hashes.octets_behind(a), 0u);
  EXPECT_EQ(hashes.octets_behind(c), 3u);
}

TEST(DkimBodyHash, Lengths) {
  body_hashes hashes;
  const auto none = hashes.want(simple, 0);
  const auto exact = hashes.want(simple, 3);
  const auto more = hashes.want(simple, 4);
  hashes.update("a");
  hashes.finish();
  EXPECT_EQ(hashes.hash(none), hash_of(""));
  EXPECT_EQ(hashes.octets_behind(none), 3u);
  EXPECT_FALSE(hashes.too_short(none));
  EXPECT_EQ(hashes.hash(exact), hash_of("a\r\n"));
  EXPECT_EQ(hashes.octets_behind(exact), 0u);
  EXPECT_FALSE(hashes.too_short(exact));
  EXPECT_TRUE(hashes.too_short(more));
}

std::string body_of(std::string_view message, std::size_t header, std::size_t chunk) {
  body_finder finder(header);
  std::string out;
  for (std::size_t at = 0; at < message.size(); at += chunk)
    finder.update(message.substr(at, chunk), [&](std::string_view octets) { out += octets; });
  return out;
}

TEST(DkimBodyHash, TheBodyIsBehindTheEmptyLine) {
  for (std::size_t chunk = 1; chunk < 12; ++chunk) {
    EXPECT_EQ(body_of("A: b\r\n\r\nbody\r\n", 6, chunk), "body\r\n");
    EXPECT_EQ(body_of("A: b\r\n\r\n", 6, chunk), "");
    EXPECT_EQ(body_of("A: b\r\n", 6, chunk), "");
    EXPECT_EQ(body_of("\r\nbody", 0, chunk), "body");
    EXPECT_EQ(body_of("A: b\r\nno field", 6, chunk), "no field");
    EXPECT_EQ(body_of("A: b\r\n\rx", 6, chunk), "\rx");
  }
}

}  // namespace
}  // namespace gatepost::checks::dkim
