// This header stands alone.
#include "smtp/stage.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

namespace gatepost::smtp {
namespace {

TEST(stage, each_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (int s = 0; s < stage_count; ++s) names.insert(to_string(static_cast<stage>(s)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(stage_count));
  EXPECT_FALSE(names.contains("?"));
}

}  // namespace
}  // namespace gatepost::smtp
