// This header stands alone.
#include "checks/dkim/tag_list.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace gatepost::checks::dkim {
namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

TEST(DkimTagList, ReadsWhatTheGrammarAllows) {
  struct {
    const char* text;
    pairs tags;
  } const cases[] = {
      {"v=1", {{"v", "1"}}},
      {"v=1;", {{"v", "1"}}},
      {"v=1; \r\n ", {{"v", "1"}}},  // a fold behind the last semicolon is common
      {" v = 1 ; a=rsa-sha256", {{"v", "1"}, {"a", "rsa-sha256"}}},
      {"v=1;\r\n\ta=x", {{"v", "1"}, {"a", "x"}}},
      {"p=", {{"p", ""}}},
      {"p=;k=rsa", {{"p", ""}, {"k", "rsa"}}},
      {"b=ab==", {{"b", "ab=="}}},
      {"h=from : to", {{"h", "from : to"}}},
      {"x_1=y", {{"x_1", "y"}}},
      {"V=1;v=2", {{"V", "1"}, {"v", "2"}}},  // §3.2: names have case
      {"d=b\xc3\xbc.example", {{"d", "b\xc3\xbc.example"}}},
  };
  for (const auto& c : cases) {
    const auto list = tag_list::parse(c.text);
    ASSERT_TRUE(list) << c.text << ": " << list.problem();
    pairs got;
    for (const tag& t : list->tags()) got.emplace_back(t.name, t.value);
    EXPECT_EQ(got, c.tags) << c.text;
  }
}

TEST(DkimTagList, RefusesWhatItDoesNot) {
  for (const char* text : {"", " ", ";", "v", "v=1;;a=b", ";v=1", "v=1; ;a=b", "=1", "1v=1",
                           "v v=1", "v=1;v=1", "v=1;a=2;v=3", "v=\x01", "v-x=1", "v=1\x7f"}) {
    EXPECT_FALSE(tag_list::parse(text)) << text;
  }
}

TEST(DkimTagList, HasALimit) {
  std::string text;
  for (std::size_t i = 0; i < max_tags; ++i) text += "t" + std::to_string(i) + "=x;";
  EXPECT_TRUE(tag_list::parse(text));
  EXPECT_FALSE(tag_list::parse(text + "more=x"));
}

TEST(DkimTagList, SaysWhereAValueStands) {
  const std::string text = "a=1; b= xy \r\n z ; c=2";
  const auto list = tag_list::parse(text);
  ASSERT_TRUE(list);
  const auto where = list->find("b")->octets;
  EXPECT_EQ(text.substr(where.offset, where.size), " xy \r\n z ");
  EXPECT_EQ(list->find("d"), nullptr);
}

TEST(DkimTagList, Base64) {
  struct {
    const char* text;
    const char* octets;  // nullptr: none
  } const cases[] = {
      {"TWFu", "Man"},    {"TWE=", "Ma"},   {"TQ==", "M"},      {"T W\r\n F\tu", "Man"},
      {"TWE", "Ma"},      {"TQ", "M"},      {"TQ= =", "M"},     {"TWFuTWFuTQ==", "ManManM"},
      {"", nullptr},      {"=", nullptr},   {"T", nullptr},     {"TWF=u", nullptr},
      {"TWFu=", nullptr}, {"TQ=", nullptr}, {"TQ===", nullptr}, {"TW_u", nullptr},
      {"TWFuT", nullptr}, {" ", nullptr},
  };
  for (const auto& c : cases) {
    const auto got = decode_base64(c.text);
    ASSERT_EQ(got.has_value(), c.octets != nullptr) << c.text;
    EXPECT_EQ(got.value_or(""), c.octets == nullptr ? "" : c.octets) << c.text;
  }
}

TEST(DkimTagList, QuotedPrintable) {
  EXPECT_EQ(decode_quoted_printable("a=3Db=20 c"), "a=b c");
  EXPECT_EQ(decode_quoted_printable("joe@example.test"), "joe@example.test");
  EXPECT_EQ(decode_quoted_printable("=4"), std::nullopt);
  EXPECT_EQ(decode_quoted_printable("=zz"), std::nullopt);
}

TEST(DkimTagList, Numbers) {
  EXPECT_EQ(parse_number("0", 12), 0u);
  EXPECT_EQ(parse_number("123456789012", 12), 123456789012u);
  for (const char* text : {"", "-1", "+1", "1.0", "1 ", "0x1"})
    EXPECT_FALSE(parse_number(text, 12));
  EXPECT_FALSE(parse_number("1234567890123", 12));
  EXPECT_EQ(parse_number(std::string(76, '9'), 76), std::numeric_limits<std::uint64_t>::max());
}

TEST(DkimTagList, Colons) {
  const auto split = [](const char* text) {
    std::vector<std::string> out;
    for (const auto part : split_colons(text)) out.emplace_back(part);
    return out;
  };
  EXPECT_EQ(split("a : b:\r\n c"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(split("a::b:"), (std::vector<std::string>{"a", "", "b", ""}));
  EXPECT_EQ(split(""), (std::vector<std::string>{""}));
}

}  // namespace
}  // namespace gatepost::checks::dkim
