// This header stands alone.
#include "routing/detail/crc32c.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

namespace gatepost::routing::detail {
namespace {

// RFC 3720 §B.4.
TEST(crc32c, has_the_values_of_the_rfc) {
  std::string up;
  std::string down;
  for (int i = 0; i < 32; ++i) {
    up.push_back(static_cast<char>(i));
    down.push_back(static_cast<char>(31 - i));
  }
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(up), 0x46dd794eu);
  EXPECT_EQ(crc32c(down), 0x113fdb5cu);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(crc32c, goes_on_from_any_place_and_both_ways_agree) {
  std::string text;
  for (int i = 0; i < 100; ++i) text.push_back(static_cast<char>(i * 37 + i / 7));
  const std::uint32_t whole = crc32c(text);
  EXPECT_EQ(whole, ~crc32c_by_table(~0u, text));
  for (std::size_t at = 0; at <= text.size(); ++at) {
    EXPECT_EQ(crc32c(text.substr(at), crc32c(text.substr(0, at))), whole) << at;
  }
}

}  // namespace
}  // namespace gatepost::routing::detail
