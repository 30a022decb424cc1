// Routing tables in a configuration: a file of lines, and rules beside it. Pure.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_ROUTES_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_ROUTES_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/route_map.hpp"

namespace border_mta {

// [relay] mode
enum class delivery_mode : std::uint8_t {
  spool,        // a message is safe on our disk before the client's 250, and delivered later
  cut_through,  // the client waits for the next hop, and gets its reply; nothing is kept
};

// [routes]
struct routes_section {
  std::string file;                // of lines as routing::parse_routes() reads them
  std::vector<std::string> rules;  // more such lines
  std::string maildirs;            // the folder that relative Maildir paths are under
};

// The whole table as text: that of the file, then the rules, with whole Maildir paths.
std::string routes_text(const routes_section& r, std::string_view file);

// One line of a table that cannot be used.
struct route_problem {
  std::size_t line = 0;  // from 1
  std::string what;
};

// Reads a table into `into`, which stays as it is where there are problems; routes that `mode`
// cannot serve are problems.
std::vector<route_problem> read_routes(std::string_view text, delivery_mode mode,
                                       gatepost::routing::route_map& into);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_ROUTES_HPP
