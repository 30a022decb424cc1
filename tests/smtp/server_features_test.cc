// This header stands alone.
#include "smtp/server_features.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace gatepost::smtp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(server_features, a_usual_server) {
  const server_features f = parse_features(
      "mx.example at your service\nPIPELINING\nSIZE 35882577\n8BITMIME\nstarttls\n"
      "AUTH PLAIN login XOAUTH2\nENHANCEDSTATUSCODES\nCHUNKING\nSMTPUTF8\nX-FOO bar\nXbar");
  EXPECT_TRUE(f.esmtp);
  EXPECT_EQ(f.name, "mx.example");
  EXPECT_EQ(f.extensions,
            (extension_set{extension::pipelining, extension::size, extension::eightbitmime,
                           extension::starttls, extension::auth, extension::enhancedstatuscodes,
                           extension::chunking, extension::smtputf8}));
  EXPECT_EQ(f.max_size, 35882577u);
  EXPECT_THAT(f.mechanisms, ElementsAre("PLAIN", "LOGIN", "XOAUTH2"));
  EXPECT_THAT(f.unknown, ElementsAre("X-FOO", "XBAR"));
}

TEST(server_features, the_first_line_is_no_feature) {
  const server_features f = parse_features("PIPELINING SIZE");
  EXPECT_TRUE(f.extensions.empty());
  EXPECT_EQ(f.name, "PIPELINING");
  EXPECT_TRUE(parse_features("").extensions.empty());
}

TEST(server_features, size) {
  const auto size = [](const char* line) {
    return parse_features(std::string("x\n") + line).max_size;
  };
  EXPECT_EQ(size("SIZE"), 0u);
  EXPECT_EQ(size("SIZE 0"), 0u);
  EXPECT_EQ(size("SIZE 1000 more"), 1000u);
  EXPECT_EQ(size("SIZE 18446744073709551615"), 18446744073709551615u);
  EXPECT_EQ(size("SIZE 18446744073709551616"), 0u);
  EXPECT_EQ(size("SIZE -1"), 0u);
  EXPECT_EQ(size("SIZE 10M"), 0u);
  EXPECT_TRUE(parse_features("x\nSIZE 10M").has(extension::size));
}

TEST(server_features, auth_as_it_was_written_once) {
  EXPECT_THAT(parse_features("x\nAUTH=LOGIN PLAIN").mechanisms, ElementsAre("LOGIN", "PLAIN"));
  EXPECT_THAT(parse_features("x\nAUTH LOGIN PLAIN\nAUTH=LOGIN PLAIN").mechanisms,
              ElementsAre("LOGIN", "PLAIN"));
  EXPECT_THAT(parse_features("x\nAUTH").mechanisms, IsEmpty());
}

// RFC 9422.
TEST(server_features, limits) {
  const server_features f =
      parse_features("x\nLIMITS RCPTMAX=100 mailmax=10 RCPTDOMAINMAX=1 FOO=9 BAR");
  EXPECT_EQ(f.max_recipients, 100u);
  EXPECT_EQ(f.max_messages, 10u);
  EXPECT_EQ(f.max_recipient_domains, 1u);
  const server_features bad = parse_features("x\nLIMITS RCPTMAX=0 MAILMAX=1234567 RCPTDOMAINMAX=x");
  EXPECT_EQ(bad.max_recipients, 0u);
  EXPECT_EQ(bad.max_messages, 0u);
  EXPECT_EQ(bad.max_recipient_domains, 0u);
}

TEST(server_features, what_is_no_ehlo_line) {
  const server_features f = parse_features("x\n\n-DSN\n DSN\n?\nDSN!\nD\xc3\xa9\nDSN\t2\n_DSN");
  EXPECT_TRUE(f.extensions.empty());
  EXPECT_THAT(f.unknown, IsEmpty());
}

TEST(server_features, ignored) {
  const server_features f =
      parse_features("x\nDSN\nSIZE 10\nAUTH PLAIN", {extension::size, extension::auth});
  EXPECT_EQ(f.extensions, extension_set{extension::dsn});
  EXPECT_EQ(f.max_size, 0u);
  EXPECT_THAT(f.mechanisms, IsEmpty());
}

TEST(server_features, bounded) {
  std::string text = "x";
  for (int i = 0; i < 1000; ++i) text += "\nX" + std::to_string(i);
  text += "\nDSN";
  const server_features f = parse_features(text);
  EXPECT_EQ(f.unknown.size(), max_feature_names);
  EXPECT_FALSE(f.has(extension::dsn));  // behind max_feature_lines
  std::string mechanisms = "x\nAUTH";
  for (int i = 0; i < 1000; ++i) mechanisms += " M" + std::to_string(i);
  EXPECT_EQ(parse_features(mechanisms).mechanisms.size(), max_feature_names);
  EXPECT_THAT(parse_features("x\nX" + std::string(max_feature_name, 'a')).unknown, IsEmpty());
}

}  // namespace
}  // namespace gatepost::smtp
