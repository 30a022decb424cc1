// This header stands alone.
#include "smtp/testing/gate.hpp"

#include <gtest/gtest.h>

#include "smtp/testing/run.hpp"

namespace gatepost::smtp::testing {
namespace {

TEST(gate, lets_nobody_pass_until_it_is_open) {
  asio::io_context io;
  gate g;
  int passed = 0;
  const auto count = [&](std::exception_ptr) { ++passed; };
  asio::co_spawn(io, g.pass(), count);
  asio::co_spawn(io, g.pass(), count);
  settle(io);
  EXPECT_EQ(passed, 0);
  EXPECT_EQ(g.waiting(), 2U);
  g.open();
  settle(io);
  EXPECT_EQ(passed, 2);
  EXPECT_EQ(g.waiting(), 0U);
  asio::co_spawn(io, g.pass(), count);
  settle(io);
  EXPECT_EQ(passed, 3);
}

TEST(gate, closes_again) {
  asio::io_context io;
  gate g;
  g.open();
  g.close();
  int passed = 0;
  asio::co_spawn(io, g.pass(), [&](std::exception_ptr) { ++passed; });
  settle(io);
  EXPECT_EQ(passed, 0);
  g.open();
  settle(io);
  EXPECT_EQ(passed, 1);
}

}  // namespace
}  // namespace gatepost::smtp::testing
