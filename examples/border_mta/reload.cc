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
  append(all, load_client_tls(c, client_tls));
  append(all, load_signing(c, signatures));
  routing::route_map fresh;
  append(all, load_routes(c, fresh));
  if (all.empty()) routes.replace(std::move(fresh));
  return all;
}

void reloadable::reload(const config& running, const config_source& from, smtp::json_log& log) {
  config now;
  problems wrong = read_config(from, now);
  complete(now);
  routing::route_map fresh;
  // What runs has to serve the routes, and the mode is not changed by a reload.
  config served = now;
  served.relay.mode = running.relay.mode;
  append(wrong, load_routes(served, fresh));
  shared_signing keys;
  append(wrong, load_signing(now, keys));
  // Tried first, so that nothing is in use yet when something is wrong.
  smtp::client_context trial;
  append(wrong, load_client_tls(now, trial));
  // A certificate that was made at the start is as good as another.
  const bool made = now.tls.options.certificates.empty();
  smtp::server_context unused;
  if (!made) append(wrong, load_certificates(now, wrong.empty() ? certificates : unused));
  for (const std::string& p : wrong) log.note(smtp::log_level::error, "reload", p);
  if (!wrong.empty())
    return log.note(smtp::log_level::error, "reload",
                    "nothing was loaded; what ran before goes on");

  // Only where a file has changed since the trial.
  for (const std::string& p : load_client_tls(now, client_tls))
    log.note(smtp::log_level::error, "reload", p + "; [relay.tls] stays as it was");
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
