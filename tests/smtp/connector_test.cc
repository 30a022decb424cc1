// This header stands alone.
#include "smtp/connector.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gatepost::smtp {
namespace {

TEST(connector, targets) {
  const std::pair<std::string, std::string> good[] = {
      {"192.0.2.1", "192.0.2.1:25"},         {"192.0.2.1:2525", "192.0.2.1:2525"},
      {"2001:db8::1", "[2001:db8::1]:25"},   {"::1", "[::1]:25"},
      {"[2001:db8::1]", "[2001:db8::1]:25"}, {"[2001:db8::1]:587", "[2001:db8::1]:587"},
      {"[192.0.2.1]", "192.0.2.1:25"},       {"mx.example", "mx.example:25"},
      {"mx.example:587", "mx.example:587"},  {"localhost:65535", "localhost:65535"},
      {"unix:/run/lmtp", "unix:/run/lmtp"},  {"unix:/run/a:25", "unix:/run/a:25"},
  };
  for (const auto& [text, written] : good) {
    const auto target = parse_connect_target(text);
    ASSERT_TRUE(target) << text;
    EXPECT_EQ(target->text(), written);
    const auto again = parse_connect_target(written);
    ASSERT_TRUE(again) << written;
    EXPECT_EQ(*again, *target);
  }
  EXPECT_EQ(parse_connect_target("mx.example", 24)->port(), 24);
  EXPECT_EQ(parse_connect_target("[::1]:25")->what(), connect_target::kind::address);
  EXPECT_EQ(parse_connect_target("a.example")->what(), connect_target::kind::name);
  EXPECT_EQ(parse_connect_target("unix:/x")->path(), "/x");
}

TEST(connector, no_targets) {
  for (const std::string& text : {
           std::string(),
           std::string(":25"),
           std::string("a:"),
           std::string("a:0"),
           std::string("a:65536"),
           std::string("a:b"),
           std::string("a:+1"),
           std::string("[::1"),
           std::string("[::1]25"),
           std::string("[a.example]:25"),
           std::string("[]"),
           std::string("a b:25"),
           std::string("a_b"),
           std::string("unix:"),
           std::string("unix:/a\0b", 9),
           "unix:/" + std::string(107, 'x'),
           std::string("[::1]:25 "),
       }) {
    const auto target = parse_connect_target(text);
    ASSERT_FALSE(target) << text;
    EXPECT_EQ(target.error(), errc::bad_argument);
  }
  EXPECT_FALSE(parse_connect_target("a.example", 0));
}

}  // namespace
}  // namespace gatepost::smtp
