// This header stands alone.
#include "smtp/detail/plain_text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gatepost::smtp::detail {
namespace {

TEST(plain_text, every_octet_at_every_place) {
  for (std::size_t size = 0; size < 20; ++size) {
    EXPECT_TRUE(is_plain_text(std::string(size, 'x')));
    for (std::size_t at = 0; at < size; ++at) {
      for (int octet = 0; octet < 256; ++octet) {
        for (const char around : {' ', '~', 'x'}) {
          std::string text(size, around);
          text[at] = static_cast<char>(octet);
          ASSERT_EQ(is_plain_text(text), octet >= 0x20 && octet <= 0x7E) << octet << " at " << at;
        }
      }
    }
  }
}

// Octets whose borrows and carries might hide one another.
TEST(plain_text, neighbours) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      std::string text(8, ' ');
      text[3] = static_cast<char>(a);
      text[4] = static_cast<char>(b);
      const bool plain = a >= 0x20 && a <= 0x7E && b >= 0x20 && b <= 0x7E;
      ASSERT_EQ(is_plain_text(text), plain) << a << ' ' << b;
    }
  }
}

}  // namespace
}  // namespace gatepost::smtp::detail
