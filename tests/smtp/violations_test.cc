// This header stands alone.
#include "smtp/violations.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

TEST(violations, the_first_one_is_named) {
  violations seen;
  EXPECT_TRUE(seen.none());
  EXPECT_EQ(seen.first(), std::nullopt);
  seen.add(violation::nul, 90);
  seen.add(violation::bare_lf, 20);
  seen.add(violation::bare_lf, 10);  // only the first of a kind counts
  EXPECT_EQ(seen.first(), violation::bare_lf);
  EXPECT_EQ(seen.at(violation::bare_lf), 20u);
  EXPECT_TRUE(seen.has(violation::nul));
  EXPECT_FALSE(seen.has(violation::bare_cr));
}

TEST(violations, each_has_an_error_code) {
  EXPECT_EQ(to_errc(violation::bare_cr), errc::bare_cr);
  EXPECT_EQ(to_errc(violation::bare_lf), errc::bare_lf);
  EXPECT_EQ(to_errc(violation::nul), errc::nul_byte);
  EXPECT_EQ(to_errc(violation::long_line), errc::line_too_long);
}

}  // namespace
}  // namespace gatepost::smtp
