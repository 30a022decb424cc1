// What SIGHUP loads again: certificates, keys and tables. Running sessions keep what they have.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_RELOAD_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_RELOAD_HPP

#include "checks/relay_domains.hpp"
#include "examples/border_mta/compose.hpp"
#include "examples/border_mta/config.hpp"
#include "examples/border_mta/signing.hpp"
#include "routing/table.hpp"
#include "smtp/json_log.hpp"
#include "smtp/tls/context.hpp"

namespace border_mta {

struct reloadable {
  gatepost::smtp::server_context certificates;
  gatepost::smtp::client_context client_tls;
  gatepost::routing::table routes;
  gatepost::checks::relay_domains* relay_domains = nullptr;
  shared_signing signatures;
  signing_check* sign = nullptr;  // where [sign] has a key

  // For the first time. What is wrong, as compose.hpp tells it; then nothing may be used.
  problems load(const config& c);

  // Reads the configuration again and loads what it says now of [tls], [routes], [sign] and
  // relay_domains. Where anything is wrong all stays as it is. `running`: what the server was
  // started with. Waits for the disk.
  void reload(const config& running, const config_source& from, gatepost::smtp::json_log& log);
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_RELOAD_HPP
