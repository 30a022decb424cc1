// This header stands alone.
#include "smtp/xtext.hpp"

#include <gtest/gtest.h>

#include "tests/support/json.hpp"

namespace gatepost::smtp {
namespace {

TEST(xtext, examples_of_rfc_3461) {
  EXPECT_EQ(encode_xtext("Bob@Example.COM"), "Bob@Example.COM");
  EXPECT_EQ(encode_xtext("QQ314159"), "QQ314159");
  EXPECT_EQ(encode_xtext("George@Tax-ME.GOV"), "George@Tax-ME.GOV");
  EXPECT_EQ(encode_xtext("a+b=c d"), "a+2Bb+3Dc+20d");
  EXPECT_EQ(*decode_xtext("a+2Bb+3Dc+20d"), "a+b=c d");
  // RFC 4954 §5
  EXPECT_EQ(encode_xtext("e=mc2@example.com"), "e+3Dmc2@example.com");
  EXPECT_EQ(*decode_xtext("e+3Dmc2@example.com"), "e=mc2@example.com");
  EXPECT_EQ(*decode_xtext(""), "");
}

TEST(xtext, every_octet_survives) {
  std::string all;
  for (int octet = 0; octet < 256; ++octet) all += static_cast<char>(octet);
  const auto text = encode_xtext(all);
  EXPECT_TRUE(is_xtext(text));
  EXPECT_EQ(text.find_first_of("= \r\n"), text.npos);
  ASSERT_TRUE(decode_xtext(text));
  EXPECT_EQ(*decode_xtext(text), all);
}

TEST(xtext, what_is_not_xtext_is_refused) {
  for (const char* text : {"a=b", "a b", "a\tb", "a\r\nb", "a+", "a+2", "a+2b", "a+2g", "a+ 2", "+",
                           "++2B", "a\x7f", "gr\xc3\xbc\xc3\x9f", "a+-1", "=", " "}) {
    EXPECT_FALSE(is_xtext(text)) << text;
    const auto value = decode_xtext(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error(), errc::bad_parameter) << text;
  }
  EXPECT_FALSE(is_xtext(std::string_view("a\0b", 3)));
}

TEST(xtext, printable_values_hold_no_control_and_no_8_bit_octet) {
  EXPECT_EQ(*decode_printable_xtext("a+20b+2Bc"), "a b+c");
  for (const char* text : {"a+0D+0ARCPT", "a+00", "a+0A", "+09", "+7F", "+1B", "+C3+BC"}) {
    EXPECT_TRUE(decode_xtext(text)) << text;
    const auto value = decode_printable_xtext(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error(), errc::control_character) << text;
  }
  EXPECT_EQ(decode_printable_xtext("a=b").error(), errc::bad_parameter);
}

TEST(utf8_xtext, is_written_in_7_bit) {
  EXPECT_EQ(*encode_utf8_xtext("a@example.test"), "a@example.test");
  EXPECT_EQ(*encode_utf8_xtext("\xc3\xbc@example.test"), "\\x{FC}@example.test");
  EXPECT_EQ(*encode_utf8_xtext("a+b=c\\d e"), "a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}e");
  EXPECT_EQ(*encode_utf8_xtext("\xe2\x82\xac\xf0\x9f\x93\xa7\xf4\x8f\xbf\xbf\xc4\x80"),
            "\\x{20AC}\\x{1F4E7}\\x{10FFFF}\\x{100}");
  EXPECT_EQ(encode_utf8_xtext("a\xff").error(), errc::bad_utf8);
  EXPECT_EQ(encode_utf8_xtext("a\r\nb").error(), errc::control_character);
  EXPECT_EQ(encode_utf8_xtext("a\x7f").error(), errc::control_character);
}

TEST(utf8_xtext, is_read_escaped_or_not) {
  EXPECT_EQ(*decode_utf8_xtext("\\x{FC}@example.test"), "\xc3\xbc@example.test");
  EXPECT_EQ(*decode_utf8_xtext("\\x{fc}"), "\xc3\xbc");
  EXPECT_EQ(*decode_utf8_xtext("\xc3\xbc\\x{2B}"), "\xc3\xbc+");
  EXPECT_EQ(*decode_utf8_xtext("\\x{20}\\x{3D}\\x{5C}"), " =\\");
  for (const char* text :
       {"a+b",       "a=b",       "a b",         "a\\b",         "\\x{",    "\\x{}",
        "\\x{F}",    "\\x{0FC}",  "\\x{FC",      "\\xFC",        "\\x{G0}",
        "\\x{41}",                                                           // stands for itself
        "\\x{0D}",   "\\x{0A}",   "\\x{00}",     "\\x{01}",      "\\x{7F}",  // controls
        "\\x{D800}", "\\x{DFFF}", "\\x{110000}", "\\x{1000000}", "\\X{FC}", "a\r\n"}) {
    const auto value = decode_utf8_xtext(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error(), errc::bad_parameter) << text;
  }
  for (const char* text : {"a\xff", "\xc0\xaf", "\xed\xa0\x80", "\xc3"}) {
    EXPECT_EQ(decode_utf8_xtext(text).error(), errc::bad_utf8);
  }
}

TEST(utf8_xtext, every_character_survives) {
  for (char32_t c = 0x20; c <= 0x10ffff; c += c < 0x3000 ? 1 : 0x1d) {
    if (c == 0x7f || (c >= 0xd800 && c <= 0xdfff)) continue;
    std::string text;
    tests::append_utf8(text, c);
    ASSERT_TRUE(encode_utf8_xtext(text)) << static_cast<unsigned>(c);
    const auto decoded = decode_utf8_xtext(*encode_utf8_xtext(text));
    ASSERT_TRUE(decoded) << static_cast<unsigned>(c);
    EXPECT_EQ(*decoded, text);
  }
}

TEST(xclient_value, states_and_text) {
  using kind = xclient_value::kind;
  EXPECT_EQ(decode_xclient_value("[UNAVAILABLE]")->state, kind::unavailable);
  EXPECT_EQ(decode_xclient_value("[unavailable]")->state, kind::unavailable);
  EXPECT_EQ(decode_xclient_value("[TEMPUNAVAIL]")->state, kind::temporarily_unavailable);
  const auto name = decode_xclient_value("mail+2Eexample.test");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->state, kind::present);
  EXPECT_EQ(name->text, "mail.example.test");
  EXPECT_EQ(decode_xclient_value("user+2bbox+40example.test")->text, "user+box@example.test");
  EXPECT_EQ(decode_xclient_value("IPV6:2001:db8::1")->text, "IPV6:2001:db8::1");
  EXPECT_EQ(decode_xclient_value("")->text, "");
  EXPECT_EQ(decode_xclient_value("a=b").error(), errc::bad_parameter);
  EXPECT_EQ(decode_xclient_value("a+0D+0Ab").error(), errc::control_character);
  EXPECT_EQ(decode_xclient_value("a+00").error(), errc::control_character);
}

}  // namespace
}  // namespace gatepost::smtp
