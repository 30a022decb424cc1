// Whether a file system has room left, asked of the system once a second.
#ifndef GATEPOST_ROUTING_DETAIL_FREE_SPACE_HPP
#define GATEPOST_ROUTING_DETAIL_FREE_SPACE_HPP

#include <sys/statvfs.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace gatepost::routing::detail {

// Thread-safe.
class free_space {
 public:
  free_space(std::string path, std::uint64_t reserve)
      : path_(std::move(path)), reserve_(static_cast<std::int64_t>(reserve)) {}

  // Whether more than the reserve is free.
  bool enough() {
    if (reserve_ == 0) return true;
    const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
    std::int64_t due = due_.load(std::memory_order_relaxed);
    if (now >= due && due_.compare_exchange_strong(due, now + interval)) ask();
    return free_.load(std::memory_order_relaxed) > reserve_;
  }

  // Octets that were written since: so that the answer is not a second old when the disk fills
  // fast.
  void used(std::uint64_t octets) {
    if (reserve_ != 0) {
      free_.fetch_sub(static_cast<std::int64_t>(octets), std::memory_order_relaxed);
    }
  }

 private:
  static constexpr std::int64_t interval =
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::seconds(1))
          .count();

  void ask() {
    struct statvfs found{};
    // A file system that does not answer is left to the write that fails on it.
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    std::uint64_t free = most;
    if (::statvfs(path_.c_str(), &found) == 0) free = found.f_bavail * found.f_frsize;
    free_.store(static_cast<std::int64_t>(free), std::memory_order_relaxed);
  }

  std::string path_;
  std::int64_t reserve_;
  std::atomic<std::int64_t> due_{0};
  std::atomic<std::int64_t> free_{std::numeric_limits<std::int64_t>::max()};
};

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_FREE_SPACE_HPP
