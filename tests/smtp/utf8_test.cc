// This header stands alone.
#include "smtp/utf8.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "tests/support/json.hpp"

namespace gatepost::smtp {
namespace {

static_assert(is_ascii("a\x7F") && !is_ascii("a\x80"));
static_assert(is_ascii(std::string_view("\0", 1)));
static_assert(utf8_sequence("", 0) == 0 && utf8_sequence("a", 1) == 0);
static_assert(valid_utf8("") && valid_utf8("\u00e9\u20ac\U0001F600"));
static_assert(to_lower_ascii('Z') == 'z' && to_lower_ascii('[') == '[' &&
              to_lower_ascii('@') == '@');
static_assert(equal_ignoring_case("aBc", "AbC") && !equal_ignoring_case("a", "ab"));
static_assert(!equal_ignoring_case("[", "{"));

static_assert(is_control("\x1b") && is_control("\x7f") && is_control("\n"));
static_assert(is_control("\u0080") && is_control("\u009f") && is_control("\x9b"));
static_assert(!is_control("") && !is_control(" ") && !is_control("~"));
static_assert(!is_control("\u00a0") && !is_control("\u00db") && !is_control("\xff"));
// What looks like a control inside of a character is none.
static_assert(character_at("a\u00db", 1) == "\u00db" && character_at("\u20ac", 0) == "\u20ac");
static_assert(character_at("\x9b\x9b", 0) == "\x9b" && character_at("\xc3", 0) == "\xc3");

// Every code point: as RFC 3629 encodes it, and cut short.
TEST(utf8, every_code_point) {
  for (char32_t c = 0; c <= 0x110000; ++c) {
    std::string text;
    tests::append_utf8(text, c);
    const bool good = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
    ASSERT_EQ(utf8_sequence(text, 0), good ? text.size() : 0) << static_cast<unsigned>(c);
    ASSERT_EQ(valid_utf8(text), good);
    if (text.size() == 1) continue;
    ASSERT_EQ(utf8_sequence(std::string_view(text).substr(0, text.size() - 1), 0), 0u);
    ASSERT_EQ(utf8_sequence(text, 1), 0u);  // a continuation begins nothing
  }
}

// Every pair of octets, at each place of words of all sizes.
TEST(utf8, equal_ignoring_case_of_every_pair_of_octets) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const char x = static_cast<char>(first), y = static_cast<char>(second);
      const bool same = to_lower_ascii(x) == to_lower_ascii(y);
      for (std::size_t size = 1; size < 20; ++size) {
        std::string a(size, 'k'), b(size, 'K');
        const std::size_t at = static_cast<std::size_t>(first + second) % size;
        a[at] = x;
        b[at] = y;
        ASSERT_EQ(equal_ignoring_case(a, b), same) << first << ' ' << second << ' ' << size;
      }
    }
  }
  EXPECT_FALSE(equal_ignoring_case("ABCDEFGH", "ABCDEFGHI"));
}

// Exactly as many texts of two octets are UTF-8 as there are code points for them: no overlong
// form.
TEST(utf8, every_pair_of_octets) {
  int good = 0;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text{static_cast<char>(first), static_cast<char>(second)};
      good += valid_utf8(text) ? 1 : 0;
    }
  }
  EXPECT_EQ(good, 128 * 128 + (0x800 - 0x80));
}

TEST(utf8, every_triple_of_octets) {
  int good = 0;
  for (int first = 0xE0; first < 0xF0; ++first) {
    for (int second = 0; second < 256; ++second) {
      for (int third = 0; third < 256; ++third) {
        const std::string text{static_cast<char>(first), static_cast<char>(second),
                               static_cast<char>(third)};
        good += utf8_sequence(text, 0) == 3 ? 1 : 0;
      }
    }
  }
  EXPECT_EQ(good, 0x10000 - 0x800 - 0x800);  // without the shorter ones and the surrogates
}

TEST(utf8, refused) {
  for (const std::string_view text :
       {"\xC0\x80", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80",
        "\xFC\x84\x80\x80\x80\x80", "\xED\xA0\xBD\xED\xB8\x80", "a\xFF", "\xC3", "\xE2\x82\x41"}) {
    EXPECT_FALSE(valid_utf8(text)) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace gatepost::smtp
