// What border_mta is asked to do.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_COMMAND_LINE_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_COMMAND_LINE_HPP

#include <string>
#include <string_view>

namespace border_mta {

struct command_line {
  enum class task { run, check, print, queue, release, remove, repair, help, version };

  command_line::task what = task::run;
  std::string config_file = {};  // empty: the embedded configuration
  std::string directory = {};    // that relative paths are under; empty: see --help
  std::string listen = {};       // an address instead of those of the configuration
  std::string id = {};           // of a message
  std::string wrong = {};        // what cannot be understood; then nothing else counts
};

command_line parse_command_line(int argc, const char* const* argv);

// --help.
extern const std::string_view usage;

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_COMMAND_LINE_HPP
