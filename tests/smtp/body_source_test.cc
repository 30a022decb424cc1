// This header stands alone.
#include "smtp/body_source.hpp"

#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <exception>
#include <string>
#include <vector>

namespace gatepost::smtp {
namespace {

asio::awaitable<void> read(body_source& source, int times, std::vector<std::string>& pieces) {
  for (int i = 0; i < times; ++i) {
    const result<std::string_view> piece = co_await source.next();
    pieces.emplace_back(piece ? *piece : "error");
  }
}

TEST(body_source, text_once_and_then_nothing) {
  text_source source("Subject: x\r\n");
  std::vector<std::string> pieces;
  asio::io_context io;
  asio::co_spawn(io, read(source, 3, pieces), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  io.run();
  EXPECT_EQ(pieces, (std::vector<std::string>{"Subject: x\r\n", "", ""}));
}

}  // namespace
}  // namespace gatepost::smtp
