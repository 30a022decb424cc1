// From what the configuration says to the parts that a server is made of.
//
// What is wrong is told as lines for people, each with its file and a remedy; no lines: all is
// right.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_COMPOSE_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_COMPOSE_HPP

#include <memory>
#include <string>
#include <vector>

#include "checks/arc/verifier.hpp"
#include "checks/chain.hpp"
#include "checks/dkim/verifier.hpp"
#include "checks/dmarc/check.hpp"
#include "checks/dmarc/public_suffix.hpp"
#include "checks/dmarc/report_store.hpp"
#include "checks/dnsbl.hpp"
#include "checks/relay_domains.hpp"
#include "checks/spf/check.hpp"
#include "examples/border_mta/config.hpp"
#include "routing/route_map.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/observer.hpp"
#include "smtp/tls/context.hpp"

namespace border_mta {

using problems = std::vector<std::string>;

void append(problems& all, problems more);

// Where a configuration comes from.
struct config_source {
  std::string file;         // empty: the built-in one
  std::string base;         // what relative paths are under; whole
  std::string listen = {};  // where to listen instead of what it says; empty: what it says

  const char* name() const { return file.empty() ? "the built-in configuration" : file.c_str(); }
};

// With problems, `into` only serves to look for others: the functions below then say nothing of
// what those are the cause of.
problems read_config(const config_source& from, config& into);

// Fills in what the configuration leaves open: the machine's name, and where counts are kept.
void complete(config& c);

// Also where there is no certificate at all; then nothing is loaded.
problems load_certificates(const config& c, gatepost::smtp::server_context& into);

// For connections to next hops.
problems load_client_tls(const config& c, gatepost::smtp::client_context& into);

// What is wrong with a file of routes, and with the rules beside it.
problems load_routes(const config& c, gatepost::routing::route_map& into);

using suffix_list = std::shared_ptr<const gatepost::checks::dmarc::public_suffix_list>;

// The public suffix list of the system, where DMARC is to be had by RFC 7489.
problems load_suffixes(const config& c, suffix_list& into);

// What checks need beside their options; resolver and observer outlive the chain.
struct check_surroundings {
  gatepost::smtp::dns::resolver& dns;
  gatepost::smtp::observer& observer;
  suffix_list suffixes = {};
  gatepost::checks::dmarc::report_store* reports = nullptr;  // outlives the chain, too
  decltype(gatepost::checks::dmarc::check_options::on_outcome) on_outcome = {};
};

// What others have to do with later; nullptr: that check is off.
struct added_checks {
  gatepost::checks::relay_domains* relay_domains = nullptr;  // whose table a reload replaces
  gatepost::checks::dnsbl* dnsbl = nullptr;                  // where it has lists
  // Whose counters are told.
  gatepost::checks::spf::check* spf = nullptr;
  gatepost::checks::dkim::verifier* dkim = nullptr;
  gatepost::checks::arc::verifier* arc = nullptr;
};

// In the order in which they run.
added_checks add_checks(gatepost::checks::chain& chain, const checks_section& c,
                        const check_surroundings& around);

// For --check-config: what would keep a server from starting, as far as that can be told without
// listening, and without the spool, which may be in use.
problems try_files(const config& c);

// Whether DMARC's reports could be written, and their counts kept, where they are on.
problems try_reports(const config& c);

// Whether the folder where cut-through delivery puts large messages may be written.
problems try_overflow(const config& c);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_COMPOSE_HPP
