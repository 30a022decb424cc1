// This header stands alone.
#include "smtp/data_options.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

// RFC 5321 §4.5.3.1.6, and strict line ends unless somebody asks for less.
TEST(data_options, defaults_are_strict) {
  const data_options options;
  EXPECT_EQ(options.ends, line_ends::strict);
  EXPECT_EQ(options.max_line, 1000u);
}

}  // namespace
}  // namespace gatepost::smtp
