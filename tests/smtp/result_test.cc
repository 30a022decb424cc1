// This header stands alone.
#include "smtp/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace gatepost::smtp {
namespace {

TEST(result, holds_a_value) {
  const result<std::string> r = std::string("x");
  ASSERT_TRUE(r);
  EXPECT_EQ(*r, "x");
  EXPECT_EQ(r->size(), 1u);
}

TEST(result, or_the_reason_why_not) {
  const result<std::string> r = errc::bad_domain;
  EXPECT_FALSE(r);
  EXPECT_FALSE(r.has_value());
  EXPECT_EQ(r.error(), errc::bad_domain);
}

TEST(result, gives_its_value_away) {
  result<std::unique_ptr<int>> r = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = *std::move(r);
  EXPECT_EQ(*taken, 7);
}

}  // namespace
}  // namespace gatepost::smtp
