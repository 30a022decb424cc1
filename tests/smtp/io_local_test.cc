// This header stands alone.
#include "smtp/io_local.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;

struct ticker final : io_local::ticking {
  ticker(asio::io_context& io, std::function<void()> what)
      : ticking(io_local::of(io)), what_(std::move(what)) {}
  void tick(io_local::clock::time_point) override { what_(); }
  std::function<void()> what_;
};

TEST(io_local, one_per_io_context) {
  asio::io_context a;
  asio::io_context b;
  EXPECT_EQ(&io_local::of(a), &io_local::of(a));
  EXPECT_NE(&io_local::of(a), &io_local::of(b));
}

TEST(io_local, ticks_while_somebody_listens) {
  asio::io_context io;
  int ticks = 0;
  std::unique_ptr<ticker> t;
  t = std::make_unique<ticker>(io, [&] {
    if (++ticks == 2) t.reset();
  });
  const auto from = io_local::clock::now();
  io.run();  // ends with the last ticker
  EXPECT_EQ(ticks, 2);
  EXPECT_GE(io_local::clock::now() - from, 2 * io_local::tick_length);
}

TEST(io_local, who_comes_as_the_last_one_goes_is_served) {
  asio::io_context io;
  int ticks = 0;
  std::unique_ptr<ticker> second;
  auto first = std::make_unique<ticker>(io, [] {});
  first.reset();  // cancels the timer, whose handler has not run
  second = std::make_unique<ticker>(io, [&] {
    ++ticks;
    second.reset();
  });
  io.run();
  EXPECT_EQ(ticks, 1);
}

// A tick may destroy whomever it likes: itself, the next, all.
TEST(io_local, a_tick_may_destroy_others) {
  for (std::size_t victim = 0; victim < 4; ++victim) {
    for (const std::size_t killer : {0, 2}) {
      asio::io_context io;
      std::vector<std::unique_ptr<ticker>> all(4);
      std::vector<int> ticks(4);
      for (std::size_t i = 0; i < 4; ++i)
        all[i] = std::make_unique<ticker>(io, [&, i] {
          if (ticks[i]++ > 0) return all.clear();
          if (i == killer) all[victim].reset();
        });
      io.run();
      for (std::size_t i = 0; i < 4; ++i) EXPECT_GE(ticks[i], i == victim ? 0 : 1);
      EXPECT_LE(ticks[victim], 2);
    }
  }
}

TEST(io_local, the_clock_goes_on_where_a_tick_throws) {
  asio::io_context io;
  int ticks = 0;
  std::unique_ptr<ticker> t;
  t = std::make_unique<ticker>(io, [&] {
    if (++ticks == 1) throw std::runtime_error("once");
    t.reset();
  });
  EXPECT_THROW(io.run(), std::runtime_error);
  io.run();
  EXPECT_EQ(ticks, 2);
}

TEST(io_local, tickers_may_outlive_the_loop) {
  asio::io_context io;
  ticker t(io, [] {});
  io.run_for(10ms);
}

}  // namespace
}  // namespace gatepost::smtp
