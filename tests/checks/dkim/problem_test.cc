// This header stands alone.
#include "checks/dkim/problem.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gatepost::checks::dkim {
namespace {

parsed<std::string> word(bool good) {
  if (!good) return problem{"no word"};
  return std::string("word");
}

TEST(DkimProblem, IsAValueOrItsProblem) {
  const auto good = word(true);
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, "word");
  EXPECT_EQ(good->size(), 4u);
  EXPECT_EQ(good.problem(), "");
  const auto bad = word(false);
  EXPECT_FALSE(bad.has_value());
  EXPECT_EQ(bad.problem(), "no word");
}

}  // namespace
}  // namespace gatepost::checks::dkim
