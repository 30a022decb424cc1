// Makes system calls fail as a test says, in this program and in the libraries that it uses.
//
//     failing_calls::fail(call::fdatasync, EIO, 3);     // the third from now on
//     ...
//     failing_calls::stop();
//
// Linked in, this stands before the C library's functions of these names; until fail() is called,
// and after stop(), all go through. One plan at a time.
#ifndef GATEPOST_TESTS_SUPPORT_FAILING_CALLS_HPP
#define GATEPOST_TESTS_SUPPORT_FAILING_CALLS_HPP

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace gatepost::tests {

enum class call : std::uint8_t {
  accept4,
  recv,
  send,
  epoll_ctl,
  write,
  fsync,
  fdatasync,
  renameat,
  openat,
};

std::string_view to_string(call c);

namespace failing_calls {

enum class threads : std::uint8_t { all, only_this };

inline constexpr std::size_t for_ever = std::numeric_limits<std::size_t>::max();

// The calls of number `first` to `first + count - 1`, counted from 1, fail with `error` (an errno).
// first == 0: none fails, they are only counted.
void fail(call c, int error, std::size_t first, std::size_t count = 1, threads who = threads::all);

// No more of that; gives how many there were.
std::size_t stop();

// How many there were since fail().
std::size_t seen();

}  // namespace failing_calls
}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_FAILING_CALLS_HPP
