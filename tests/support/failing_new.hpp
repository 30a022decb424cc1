// Lets the memory run out on one thread: allocations are counted, and those that a test chooses
// throw std::bad_alloc. Linked in, this replaces operator new of the whole program; and
// aligned_alloc, by which Asio allocates, but where a sanitizer has its own.
//
// Only the thread that calls arm() is concerned; all others, the test's own among them, go on.
#ifndef GATEPOST_TESTS_SUPPORT_FAILING_NEW_HPP
#define GATEPOST_TESTS_SUPPORT_FAILING_NEW_HPP

#include <cstddef>

namespace gatepost::tests::failing_new {

// From now on this thread's allocations are counted from 1; number `first` fails, and `count - 1`
// after it. first == 0: they are only counted.
void arm(std::size_t first, std::size_t count = 1);

// No more of that; gives how many allocations there were.
std::size_t disarm();

// How many failed since arm().
std::size_t failed();

// While it lives nothing fails on this thread, and nothing is counted: for calls into libraries
// that do not bear it.
class shelter {
 public:
  shelter();
  shelter(const shelter&) = delete;
  shelter& operator=(const shelter&) = delete;
  ~shelter();

 private:
  bool armed_;
};

}  // namespace gatepost::tests::failing_new

#endif  // GATEPOST_TESTS_SUPPORT_FAILING_NEW_HPP
