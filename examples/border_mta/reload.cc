#include "examples/border_mta/reload.hpp"

#include <string>
#include <utility>

namespace border_mta {

namespace routing = gatepost::routing;
namespace smtp = gatepost::smtp;

namespace {

// True where more has changed than a reload changes.
bool needs_restart(const config& running, config now) {
  now.tls = running.tls;
  now.routes = running.routes;
  now.relay.tls = running.relay.tls;
  if (running.sign.any()) now.sign = running.sign;
  now.checks.relay_domains_list = running.checks.relay_domains_list;
  return write_config(now) != write_config(running);
}

}  // namespace

problems reloadable::load(const config& c) {
  problems all = load_certificates(c, certificates);
  if (const smtp::load_outcome loaded = client_tls.load(c.relay.tls); !loaded)
    all.push_back(c.complaint("relay.tls", loaded.error));
  for (std::string& p : load_signing(c, signatures)) all.push_back(std::move(p));
  routing::route_map fresh;
  for (std::string& p : load_routes(c, fresh)) all.push_back(std::move(p));
  if (all.empty()) routes.replace(std::move(fresh));
  return all;
}

void reloadable::reload(const config& running, const config_source& from, smtp::json_log& log) {
  config now;
  problems wrong = read_config(from, now);
  // A certificate that was made at the start is as good as another.
  complete(now);
  const bool made = now.tls.options.certificates.empty();
  routing::route_map fresh;
  // What runs has to serve the routes, and the mode is not changed by a reload.
  config served = now;
  served.relay.mode = running.relay.mode;
  if (wrong.empty()) wrong = load_routes(served, fresh);
  shared_signing keys;
  if (wrong.empty()) wrong = load_signing(now, keys);
  // Tried first, so that nothing is in use yet when something is wrong.
  if (smtp::client_context trial; wrong.empty())
    if (const smtp::load_outcome loaded = trial.load(now.relay.tls); !loaded)
      wrong.push_back(now.complaint("relay.tls", loaded.error));
  if (wrong.empty() && !made) wrong = load_certificates(now, certificates);
  for (const std::string& p : wrong) log.note(smtp::log_level::error, "reload", p);
  if (!wrong.empty())
    return log.note(smtp::log_level::error, "reload",
                    "nothing was loaded; what ran before goes on");

  // Only where a file has changed since the trial.
  if (const smtp::load_outcome loaded = client_tls.load(now.relay.tls); !loaded)
    log.note(smtp::log_level::error, "reload",
             now.complaint("relay.tls", loaded.error) + "; [relay.tls] stays as it was");
  routes.replace(std::move(fresh));
  if (relay_domains != nullptr) relay_domains->replace(now.checks.relay_domains.options.domains);
  if (sign != nullptr) {
    sign->replace(keys);
    tell_records(*keys, log);
  }
  log.note(smtp::log_level::info, "reload", "certificates and routes were loaded");
  if (needs_restart(running, now))
    log.note(smtp::log_level::warning, "reload",
             "other parts of the configuration have changed, too; they need a restart");
}

}  // namespace border_mta
