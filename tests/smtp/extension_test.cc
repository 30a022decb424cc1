// This header stands alone.
#include "smtp/extension.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

TEST(extension, keywords_are_found_in_any_case) {
  for (const extension_row& row : extension_table) EXPECT_EQ(find_extension(row.keyword), row.bit);
  EXPECT_EQ(find_extension("pipelining"), extension::pipelining);
  EXPECT_EQ(find_extension("Size"), extension::size);
  EXPECT_EQ(find_extension("SIZ"), std::nullopt);
  EXPECT_EQ(find_extension(""), std::nullopt);
}

TEST(extension, a_set_has_what_was_added) {
  extension_set set{extension::dsn};
  EXPECT_TRUE(set.has(extension::dsn));
  EXPECT_FALSE(set.has(extension::size));
  EXPECT_TRUE(set.add(extension::size).has(extension::size));
  EXPECT_FALSE(set.remove(extension::dsn).has(extension::dsn));
  EXPECT_EQ(set, extension_set{extension::size});
}

// What would tell strangers who exists, or let them pose as others, is not offered by default.
TEST(extension, defaults_are_safe) {
  for (const extension e : {extension::vrfy, extension::expn, extension::xclient,
                            extension::xforward, extension::etrn, extension::auth})
    EXPECT_FALSE(default_extensions.has(e));
  EXPECT_TRUE(default_extensions.has(extension::starttls));
}

}  // namespace
}  // namespace gatepost::smtp
