// What a program of the command line owes to its standard streams.
#ifndef GATEPOST_EXAMPLES_STANDARD_STREAMS_HPP
#define GATEPOST_EXAMPLES_STANDARD_STREAMS_HPP

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

namespace examples {

// Opens /dev/null for those of the three that are closed, or the first socket or file would take
// their number, and be read from and written to as if it were them. To be called first of all.
inline void keep_standard_streams() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number)
    if (::fcntl(number, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));
}

// Whether all that was written to the standard output is there: an answer that is cut off must not
// pass for a whole one.
inline bool output_is_whole() {
  std::cout.flush();
  return std::cout.good() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

inline constexpr const char* output_is_cut = "the standard output cannot be written to";

}  // namespace examples

#endif  // GATEPOST_EXAMPLES_STANDARD_STREAMS_HPP
