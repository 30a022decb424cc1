// This header stands alone.
#include "smtp/base64.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gatepost::smtp {
namespace {

// RFC 4648 §10
TEST(base64, test_vectors) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [octets, text] : vectors) {
    EXPECT_EQ(base64_encode(octets), text);
    EXPECT_EQ(base64_decode(text), octets);
  }
}

TEST(base64, every_octet_there_and_back) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  for (std::size_t size = 0; size <= all.size(); ++size) {
    const std::string octets = all.substr(all.size() - size);
    EXPECT_EQ(base64_decode(base64_encode(octets)), octets);
  }
}

// RFC 4648 §3.1, §3.3, §3.5: no line feeds, nothing outside the alphabet, padding, and zero pad
// bits.
TEST(base64, strict) {
  for (const std::string_view wrong :
       {"Z",    "Zg",       "Zg=",    "Zg===", "=",       "==",   "===",
        "====", "Zg==Zg==", "Zm9v\n", "Zm9v ", " Zm9",    "Zm-v", "Zm_v",
        "Zh==", "Zm9=",     "Zm9v=",  "Z===",  "Zm\x80v", "=g==", "Zg=v"})
    EXPECT_FALSE(base64_decode(wrong)) << wrong;
  EXPECT_FALSE(base64_decode(std::string_view("Zm\0v", 4)));
}

// What is taken is what would be written: no two texts for the same octets.
TEST(base64, one_text_for_one_value) {
  const std::string letters = "AQgw/+=";
  std::string text(4, 'A');
  for (const char a : letters)
    for (const char b : letters)
      for (const char c : letters)
        for (const char d : letters) {
          text = {a, b, c, d};
          const auto octets = base64_decode(text);
          EXPECT_EQ(base64_encode(octets.value_or("")), octets ? text : "");
        }
}

}  // namespace
}  // namespace gatepost::smtp
