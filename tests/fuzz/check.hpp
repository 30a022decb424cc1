// How a fuzz target says that something is wrong: FUZZ_CHECK(condition) aborts, NDEBUG or not.
#ifndef GATEPOST_TESTS_FUZZ_CHECK_HPP
#define GATEPOST_TESTS_FUZZ_CHECK_HPP

#include <cstdio>
#include <cstdlib>

#define FUZZ_CHECK(condition)                                                             \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

#endif  // GATEPOST_TESTS_FUZZ_CHECK_HPP
