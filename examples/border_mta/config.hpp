// All that border_mta can be told, with its defaults; read from TOML, and written as TOML.
//
// Pure: text in, values or a list of errors out. No file is opened, nothing is bound or resolved;
// what a name refers to is found out when the server is put together (compose.hpp). border_mta.toml
// has every key with its default and what it is for; a test holds the two together.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_CONFIG_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_CONFIG_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/arc/verifier.hpp"
#include "checks/auth_results_check.hpp"
#include "checks/chain.hpp"
#include "checks/connection_limit.hpp"
#include "checks/dkim/sign.hpp"
#include "checks/dkim/verifier.hpp"
#include "checks/dmarc/check.hpp"
#include "checks/dmarc/report_xml.hpp"
#include "checks/dnsbl.hpp"
#include "checks/early_talker.hpp"
#include "checks/helo.hpp"
#include "checks/helo_dns.hpp"
#include "checks/loop.hpp"
#include "checks/mail_domain.hpp"
#include "checks/relay_domains.hpp"
#include "checks/reverse_dns.hpp"
#include "checks/spf/check.hpp"
#include "checks/true_client.hpp"
#include "checks/volume_limit.hpp"
#include "examples/border_mta/reader.hpp"
#include "examples/border_mta/routes.hpp"
#include "routing/cut_through.hpp"
#include "routing/relay.hpp"
#include "routing/rocksdb_spool.hpp"
#include "smtp/dns/cares_resolver.hpp"
#include "smtp/json_log.hpp"
#include "smtp/server.hpp"
#include "smtp/tls/options.hpp"

namespace border_mta {

// [tls]
struct tls_section {
  // A certificate for the hostname is made at every start, where none is named. For demos and first
  // steps.
  bool self_signed = false;
  gatepost::smtp::tls_server_options options;
};

// [dns]
struct dns_section {
  // In the form that they are written in.
  std::vector<std::string> servers;
  gatepost::smtp::dns::cares_options options;
};

// How every check is run, and its own options.
template <class Options>
struct check_section {
  bool enabled = true;
  std::chrono::milliseconds deadline = std::chrono::seconds(5);
  gatepost::checks::on_error on_error = gatepost::checks::on_error::defer;
  Options options = {};
};

// How the names of reports end, and of nothing else in their folder.
inline constexpr const char* report_ending = ".eml";

// [[checks.dmarc.local_policy]]: messages that fail and go through all the same. What is not empty
// has to fit.
struct dmarc_exception {
  std::vector<std::string> authors;        // domains in From, and all below them
  std::vector<std::string> authenticated;  // domains that passed SPF or DKIM, and all below them
  gatepost::checks::dmarc::override_type type =
      gatepost::checks::dmarc::override_type::local_policy;
  std::string comment;
};

// [checks.dmarc.reports.failure]
struct failure_section {
  bool enabled = false;
  std::uint32_t per_hour = 10;  // reports to one organization
  std::uint32_t in_all = 100;   // and to all of them
};

// [checks.dmarc.reports]
struct reports_section {
  bool enabled = false;
  gatepost::checks::dmarc::report_sender sender;  // but not its domain; see sender_of()
  std::chrono::seconds interval = std::chrono::hours(24);
  std::string directory;  // where they become files
  std::string file;       // of the counts; empty: ".counts" in the directory
  std::chrono::milliseconds save_every = std::chrono::minutes(1);
  failure_section failure;

  bool any() const { return enabled || failure.enabled; }
};

// [checks]
struct checks_section {
  gatepost::checks::chain_options chain;  // but not its observer and hook
  bool postmaster_gets_all = true;        // chain_options::let_through
  std::string spam_header = "X-Spam-Flag";

  check_section<gatepost::checks::connection_limit_options> connection_limit;
  check_section<gatepost::checks::early_talker_options> early_talker;
  check_section<gatepost::checks::helo_options> helo;
  check_section<gatepost::checks::volume_limit_options> volume_limit;
  // Of all checks that judge by address; their own options have none of it.
  gatepost::checks::true_client_options client;
  check_section<gatepost::checks::reverse_dns_options> reverse_dns;
  check_section<gatepost::checks::helo_dns_options> helo_dns;
  check_section<gatepost::checks::mail_domain_options> mail_domain;
  check_section<gatepost::checks::dnsbl_options> dnsbl;
  bool dnsbl_self_check = true;
  check_section<gatepost::checks::spf::check_options> spf;
  check_section<gatepost::checks::dkim::verifier_options> dkim;
  check_section<gatepost::checks::arc::verifier_options> arc;
  check_section<gatepost::checks::dmarc::check_options> dmarc;
  std::vector<dmarc_exception> dmarc_exceptions;  // its local_policy
  reports_section dmarc_reports;
  check_section<gatepost::checks::auth_results_options> auth_results;
  // An option of the check, in the form that it is written in.
  std::vector<std::string> relay_domains_list;
  check_section<gatepost::checks::relay_domains_options> relay_domains;
  check_section<gatepost::checks::loop_options> loop;
};

// A key that signs; `from`: the day from which it does, empty: always.
struct sign_key {
  std::string domain;
  std::string selector;
  std::string file;
  std::string from;
};

// [sign]
struct sign_section {
  // Whose mail is our own, beside that of the authenticated.
  gatepost::smtp::network_set networks;
  bool unix_sockets = false;
  std::vector<std::string> channels;

  std::vector<std::string> fields = gatepost::checks::dkim::default_signed_fields();
  std::chrono::seconds expires = {};  // 0: never
  std::vector<sign_key> dkim;
  sign_key arc;  // without a domain: no seals

  bool any() const { return !dkim.empty() || !arc.domain.empty(); }
};

// [relay]
struct relay_section {
  // Within the default processing_time this leaves a minute to the checks.
  relay_section() { cut_through.at_most = std::chrono::minutes(3); }

  delivery_mode mode = delivery_mode::spool;
  gatepost::routing::relay_options options;  // but not its pointers

  // [relay.cut_through]: what is not in `options` already, and not its pointers.
  gatepost::routing::cut_through_options cut_through;
  std::size_t memory = 64u << 20;  // of the budget that cut_through points to

  gatepost::smtp::tls_client_options tls;
};

// [spool]
struct spool_section {
  gatepost::routing::rocksdb_spool_options options;  // but not its pointers
  std::size_t memory = 64u << 20;                    // of the budget that the options point to
};

struct config {
  std::string hostname;     // empty: the machine's
  std::size_t threads = 0;  // 0: one per core
  std::vector<gatepost::smtp::listener> listeners;
  gatepost::smtp::channel inherited;      // what channels are, where they do not say otherwise
  gatepost::smtp::server_options server;  // but not its pointers
  tls_section tls;
  dns_section dns;
  checks_section checks;
  sign_section sign;
  routes_section routes;
  relay_section relay;
  spool_section spool;
  gatepost::smtp::json_log_options log;

  // Where it was read from.
  std::string file;
  place_map places;
  // Keys with something wrong in the file, with the indices of lists; "" where it could not be
  // read.
  std::vector<std::string> wrong;

  config();

  // What turns out to be wrong with the value of `key` later: "FILE:LINE:COLUMN: KEY: WHAT", as far
  // as these are known. Keys of lists have their indices: "tls.certificates[0].chain".
  std::string complaint(std::string_view key, std::string_view what) const;

  // Whether `key` may not have the value that was meant: something in `wrong` is the key itself,
  // within it or around it; or the file has no such key, and has one that may be it, misspelt.
  bool in_doubt(std::string_view key) const;
  // Adds the complaint to `lines`; not where the key is in doubt, of which that is a consequence.
  void complain(std::vector<std::string>& lines, std::string_view key, std::string_view what) const;

  // The hostname, where it is told, in all places that want it.
  void set_hostname(const std::string& name);
};

// With `errors`, `value` only serves to look for others, in what it names: see config::complain().
// `absent`: the keys that have their defaults.
struct parsed_config {
  config value;
  std::vector<config_error> errors;
  std::vector<std::string> absent;
};

// `file`: the name for errors. Relative paths in the text are under `base`.
parsed_config parse_config(std::string_view toml, const std::string& file, const std::string& base);

// The whole configuration as TOML; parse_config() gives the same back.
std::string write_config(const config& c);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_CONFIG_HPP
