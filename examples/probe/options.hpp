// What probe is asked to do.
#ifndef GATEPOST_EXAMPLES_PROBE_OPTIONS_HPP
#define GATEPOST_EXAMPLES_PROBE_OPTIONS_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/address.hpp"
#include "smtp/command.hpp"
#include "smtp/connector.hpp"
#include "smtp/envelope.hpp"

namespace probe {

enum class tls_use : std::uint8_t { none, opportunistic, required, implicit };

struct options {
  options() = default;

  bool help = false;
  std::string wrong;  // what cannot be understood; then nothing else counts

  gatepost::smtp::connect_target target;
  std::string host;  // the target's name or address; empty for a Unix socket
  std::string hello;
  bool lmtp = false;
  bool pipelining = true;
  std::chrono::seconds timeout{60};

  tls_use tls = tls_use::opportunistic;
  bool verify = false;
  std::string ca_file;
  std::string server_name;

  std::string user;
  std::string password_file;  // "-": standard input
  bool auth_without_tls = false;
  bool auth_without_verification = false;

  std::optional<gatepost::smtp::address> from;
  std::vector<gatepost::smtp::recipient> to;  // empty: nothing is sent
  std::string message_file;                   // "-": standard input; empty: a message is made
  std::optional<std::string> subject;
  std::optional<std::string> body;
  std::uint32_t repeat = 1;

  bool bdat = false;
  bool smtputf8 = false;
  bool requiretls = false;
  bool prdr = false;
  std::uint8_t notify = gatepost::smtp::notify_unspecified;
  gatepost::smtp::dsn_return ret = gatepost::smtp::dsn_return::unspecified;
  std::string envid;  // xtext

  bool json = false;
  bool quiet = false;
  bool color = true;  // unless --no-color; whether standard output can show it is another matter
};

options parse_command_line(int argc, const char* const* argv);

// --help.
extern const std::string_view usage;

}  // namespace probe

#endif  // GATEPOST_EXAMPLES_PROBE_OPTIONS_HPP
