// The built-in configuration: default.toml, as text.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_DEFAULT_CONFIG_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_DEFAULT_CONFIG_HPP

#include <string_view>

namespace border_mta {

extern const std::string_view default_config;

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_DEFAULT_CONFIG_HPP
