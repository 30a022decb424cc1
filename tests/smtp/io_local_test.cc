// This header stands alone.
#include "smtp/io_local.hpp"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>

namespace gatepost::smtp {
namespace {

class counter final : public io_local::ticking {
 public:
  counter(io_local& home, int most) : ticking(home), left_(most) {}
  void tick(io_local::clock::time_point) override {
    ++ticks;
    if (--left_ == 0) done = true;
  }
  int ticks = 0;
  bool done = false;

 private:
  int left_;
};

TEST(io_local, ticks_while_somebody_listens) {
  asio::io_context io;
  io_local& local = io_local::of(io);
  EXPECT_EQ(&local, &io_local::of(io));
  {
    counter c(local, 2);
    while (!c.done && io.run_one() > 0) continue;
    EXPECT_EQ(c.ticks, 2);
  }
  io.restart();
  io.run();  // nobody listens any more: nothing keeps it running
}

}  // namespace
}  // namespace gatepost::smtp
