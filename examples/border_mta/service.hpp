// The server that a configuration asks for: put together, run, and told by signals what to do.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_SERVICE_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_SERVICE_HPP

#include <csignal>
#include <memory>
#include <optional>

#include "checks/chain.hpp"
#include "examples/border_mta/cache_notes.hpp"
#include "examples/border_mta/command_line.hpp"
#include "examples/border_mta/compose.hpp"
#include "examples/border_mta/config.hpp"
#include "examples/border_mta/outbound.hpp"
#include "examples/border_mta/reload.hpp"
#include "examples/border_mta/reporting.hpp"
#include "examples/border_mta/signals.hpp"
#include "smtp/dns/cares_resolver.hpp"
#include "smtp/io_threads.hpp"
#include "smtp/json_log.hpp"
#include "smtp/server.hpp"

namespace border_mta {

// Once, and before other threads run: they are not to get its signals.
class service {
 public:
  // Both outlive it.
  service(const config& c, const config_source& from) : config_(c), from_(from) {}

  // Puts it together and listens. What is wrong; then it can only be destroyed.
  problems start(const command_line& how);
  // Serves until it is told to stop.
  void run();

 private:
  problems make_parts();
  void make_checks();
  problems make_server();
  problems begin();
  void on_signal(int number);
  void stop();
  void begin_list_test();
  void note_counts();

  const config& config_;
  const config_source& from_;
  signals caught_{SIGHUP, SIGUSR1, SIGTERM, SIGINT};
  std::unique_ptr<gatepost::smtp::json_log> log_;
  reloadable parts_;
  std::optional<gatepost::smtp::io_threads> threads_;
  std::unique_ptr<gatepost::smtp::dns::cares_resolvers> resolver_;
  suffix_list suffixes_;
  std::optional<reporting> reports_;
  std::optional<gatepost::checks::chain> chain_;
  added_checks added_;
  std::unique_ptr<outbound> out_;
  std::optional<gatepost::smtp::server> server_;
  std::optional<cache_notes> caches_;
  bool stopping_ = false;
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_SERVICE_HPP
