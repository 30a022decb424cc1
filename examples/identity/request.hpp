// One question: who sent this message, from where?
#ifndef GATEPOST_EXAMPLES_IDENTITY_REQUEST_HPP
#define GATEPOST_EXAMPLES_IDENTITY_REQUEST_HPP

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/ip.hpp"

namespace identity {

// The time that was asked for; nothing: whatever it is then.
using fixed_time = std::optional<std::chrono::system_clock::time_point>;

struct request {
  request() = default;  // goes through coroutines, so no aggregate

  std::optional<gatepost::smtp::ip_address> client;  // without: no SPF, no iprev
  std::string helo;
  std::string mail_from;     // without <>; empty: the null sender
  std::string message_file;  // "-": standard input; empty: no message
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();

  // Each takes a text as people write it; false: it is none.
  bool set_client(std::string_view text);
  bool set_now(std::string_view seconds);
  void set_mail_from(std::string_view text);
};

}  // namespace identity

#endif  // GATEPOST_EXAMPLES_IDENTITY_REQUEST_HPP
