// The message that probe sends: read from a file, or made. And its password file, which is read
// too.
#ifndef GATEPOST_EXAMPLES_PROBE_MESSAGE_HPP
#define GATEPOST_EXAMPLES_PROBE_MESSAGE_HPP

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "examples/probe/options.hpp"
#include "smtp/transaction.hpp"

namespace probe {

// A small message with all fields that RFC 5322 §3.6 wants, lines with CRLF. `id` makes its
// Message-ID.
std::string made_message(const options& o, std::chrono::system_clock::time_point now,
                         std::string_view id);

// Each bare LF becomes CRLF: files of Unix have those. A bare CR stays.
std::string with_crlf(std::string_view text);

// The envelope of `message`.
gatepost::smtp::transaction transaction_of(const options& o, std::string_view message);

// A whole file, or all of standard input where `path` is "-". None: `wrong` is one line with the
// reason.
std::optional<std::string> read_input(const std::string& path, std::string& wrong);

// The first line of a file. On a terminal ("-") it is asked for, and not seen.
std::optional<std::string> read_password(const std::string& path, std::string& wrong);

}  // namespace probe

#endif  // GATEPOST_EXAMPLES_PROBE_MESSAGE_HPP
