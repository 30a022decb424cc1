#include "smtp/config.hpp"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
TEST(config, version) {
  asio::io_context io;
  io.run();
  EXPECT_STREQ(GATEPOST_VERSION, "0.1.0");
}
