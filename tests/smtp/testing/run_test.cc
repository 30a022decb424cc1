// This header stands alone.
#include "smtp/testing/run.hpp"

#include <gtest/gtest.h>

#include <asio/post.hpp>
#include <memory>
#include <string>

#include "smtp/testing/gate.hpp"

namespace gatepost::smtp::testing {
namespace {

using namespace std::chrono_literals;

asio::awaitable<std::string> text() { co_return "text"; }

asio::awaitable<std::unique_ptr<int>> number() {
  auto n = std::make_unique<int>(5);
  co_return n;
}

asio::awaitable<void> trouble() {
  throw std::logic_error("trouble");
  co_return;
}

TEST(run, gives_what_a_coroutine_gives) {
  EXPECT_EQ(run(text()), "text");
  EXPECT_EQ(*run(number()), 5);
  EXPECT_THROW(run(trouble()), std::logic_error);
}

TEST(run, a_coroutine_that_waits_for_nothing_is_no_end) {
  gate g;
  virtual_clock clock;
  asio::io_context io;
  EXPECT_THROW(run(io, clock, g.pass()), std::runtime_error);
  g.open();
  settle(io);
}

TEST(run, turns_the_clock_where_all_wait_for_it) {
  gate g;
  virtual_clock clock;
  asio::io_context io;
  const auto start = clock.now();
  virtual_clock::alarm first(clock);
  virtual_clock::alarm second(clock);
  first.set(clock.now() + 1min, [&] { second.set(clock.now() + 1min, [&] { g.open(); }); });
  run(io, clock, g.pass());
  EXPECT_EQ(clock.now() - start, 2min);
}

TEST(run, settle_runs_all_that_is_ready) {
  asio::io_context io;
  int ran = 0;
  asio::post(io, [&] {
    ++ran;
    asio::post(io, [&] { ++ran; });
  });
  settle(io);
  EXPECT_EQ(ran, 2);
  asio::post(io, [&] { ++ran; });
  settle(io);
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace gatepost::smtp::testing
