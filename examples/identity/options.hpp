// What identity is asked to do.
#ifndef GATEPOST_EXAMPLES_IDENTITY_OPTIONS_HPP
#define GATEPOST_EXAMPLES_IDENTITY_OPTIONS_HPP

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dmarc/evaluate.hpp"
#include "examples/identity/request.hpp"
#include "smtp/ip.hpp"

namespace identity {

struct options {
  options() = default;

  bool help = false;
  std::string wrong;  // what cannot be understood; then nothing else counts

  bool json = false;
  bool batch = false;
  std::vector<gatepost::smtp::endpoint> servers;  // none: the system's
  gatepost::checks::dmarc::regime regime = gatepost::checks::dmarc::regime::rfc9989;
  request what;
  fixed_time now;  // --now, which holds for all of a batch; also in `what`
};

options parse_command_line(int argc, const char* const* argv);

// --help.
extern const std::string_view usage;

}  // namespace identity

#endif  // GATEPOST_EXAMPLES_IDENTITY_OPTIONS_HPP
