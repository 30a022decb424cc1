// This header stands alone.
#include "smtp/errc.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace gatepost::smtp {
namespace {

TEST(errc, every_value_has_words_of_its_own) {
  std::set<std::string> seen;
  for (int value = static_cast<int>(errc::need_more); value <= static_cast<int>(errc::bad_config);
       ++value) {
    const std::string words = make_error_code(static_cast<errc>(value)).message();
    EXPECT_NE(words, "unknown error") << value;
    EXPECT_TRUE(seen.insert(words).second) << words;
  }
}

TEST(errc, is_an_error_code) {
  const std::error_code code = errc::timed_out;
  EXPECT_EQ(code, errc::timed_out);
  EXPECT_STREQ(code.category().name(), "gatepost.smtp");
  EXPECT_TRUE(code);
}

}  // namespace
}  // namespace gatepost::smtp
