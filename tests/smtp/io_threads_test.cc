// This header stands alone.
#include "smtp/io_threads.hpp"

#include <gtest/gtest.h>

#include <asio/post.hpp>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace gatepost::smtp {
namespace {

TEST(io_threads, one_thread_for_each) {
  EXPECT_GE(io_threads().contexts().size(), 1U);
  io_threads threads(3);
  ASSERT_EQ(threads.contexts().size(), 3U);
  EXPECT_EQ(&threads.front(), threads.contexts().front());
  std::vector<std::thread::id> on(3);
  for (std::size_t i = 0; i < 3; ++i)
    asio::post(*threads.contexts()[i], [&on, i] { on[i] = std::this_thread::get_id(); });
  threads.run();
  EXPECT_EQ(on[0], std::this_thread::get_id());
  EXPECT_EQ(std::set(on.begin(), on.end()).size(), 3U);
}

TEST(io_threads, the_others_wait_for_work_from_the_first) {
  io_threads threads(2);
  asio::io_context& other = *threads.contexts()[1];
  bool called = false;
  // Back and forth: the other one has no work in between.
  asio::post(threads.front(), [&] {
    auto keep = asio::make_work_guard(threads.front());
    asio::post(other, [&, keep] {
      asio::post(threads.front(), [&] { asio::post(other, [&called] { called = true; }); });
    });
  });
  threads.run();
  EXPECT_TRUE(called);
}

TEST(io_threads, can_run_again) {
  io_threads threads(2);
  for (int i = 0; i < 3; ++i) {
    std::atomic<int> calls{0};
    for (asio::io_context* io : threads.contexts()) asio::post(*io, [&calls] { ++calls; });
    threads.run();
    EXPECT_EQ(calls, 2);
  }
}

TEST(io_threads, a_stop_before_run_counts) {
  io_threads threads(2);
  const auto work = asio::make_work_guard(threads.front());
  for (asio::io_context* io : threads.contexts()) io->stop();
  threads.run();
}

}  // namespace
}  // namespace gatepost::smtp
