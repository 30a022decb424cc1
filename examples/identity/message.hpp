// Reads the message that is looked at.
#ifndef GATEPOST_EXAMPLES_IDENTITY_MESSAGE_HPP
#define GATEPOST_EXAMPLES_IDENTITY_MESSAGE_HPP

#include <cstddef>
#include <string>

namespace identity {

// Mail servers take 10 to 50 MiB.
inline constexpr std::size_t largest_message = 128u << 20;

// The message of a file, "-": of standard input, its lines ending by CRLF. Where no line of it
// does, it is as mail programs store it, and LF is read as CRLF. False: `problem` says why there is
// none.
bool read_message(const std::string& file, std::string& text, std::string& problem);

}  // namespace identity

#endif  // GATEPOST_EXAMPLES_IDENTITY_MESSAGE_HPP
