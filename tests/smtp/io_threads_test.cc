// This header stands alone.
#include "smtp/io_threads.hpp"

#include <gtest/gtest.h>

#include <asio/post.hpp>
#include <mutex>
#include <set>
#include <thread>

namespace gatepost::smtp {
namespace {

TEST(io_threads, each_context_is_run_by_a_thread_of_its_own) {
  io_threads threads(3);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  for (asio::io_context* io : threads.contexts()) {
    asio::post(*io, [&] {
      const std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    });
  }
  threads.run();
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_TRUE(seen.contains(std::this_thread::get_id()));
}

TEST(io_threads, none_is_one_per_core) { EXPECT_GE(io_threads(0).contexts().size(), 1u); }

}  // namespace
}  // namespace gatepost::smtp
