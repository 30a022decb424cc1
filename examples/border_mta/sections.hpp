// The keys of each part of the configuration. Internal to config.cc; split because there are many.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_SECTIONS_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_SECTIONS_HPP

#include <cstdint>
#include <string_view>
#include <vector>

#include "examples/border_mta/config.hpp"
#include "examples/border_mta/fields.hpp"

namespace border_mta {

// More than a year is a slip of the unit.
inline constexpr milliseconds longest_wait = std::chrono::hours(365 * 24);
// Larger than any memory or disk that this runs on.
inline constexpr std::uint64_t most_octets = std::uint64_t{1} << 40;
inline constexpr std::uint64_t most_count = 1'000'000'000;

// What is wrong with keys about messages that wait.
inline constexpr std::string_view nothing_is_kept =
    "nothing is kept with relay.mode = \"cut_through\", and so nothing waits or is held";

void visit_server(fields& f, config& c);
void visit_limits(fields& f, gatepost::smtp::session_limits& l);
void visit_connections(fields& f, gatepost::smtp::connection_limits& l);
void visit_tls(fields& f, tls_section& t);
void visit_xclient(fields& f, gatepost::smtp::channel& c);
// [[channel]] and [[channel_rule]].
void visit_channels(fields& f, config& c);
// [[channel_switch]]; after [tls], which says whether clients are asked for certificates.
void visit_switches(fields& f, config& c);
void visit_checks(fields& f, checks_section& c, delivery_mode mode);
void visit_client(fields& f, gatepost::checks::true_client_options& o);
void visit_reverse_dns(fields& f, gatepost::checks::reverse_dns_options& o);
void visit_helo_dns(fields& f, gatepost::checks::helo_dns_options& o);
void visit_mail_domain(fields& f, gatepost::checks::mail_domain_options& o);
void visit_spf(fields& f, gatepost::checks::spf::check_options& o);
void visit_dkim(fields& f, gatepost::checks::dkim::verifier_options& o);
void visit_arc(fields& f, gatepost::checks::arc::verifier_options& o);
void visit_dmarc(fields& f, gatepost::checks::dmarc::check_options& o, delivery_mode mode);
void visit_dmarc_exceptions(fields& f, std::vector<dmarc_exception>& all);
// `counted`: whether the check runs that counts what is reported.
void visit_reports(fields& f, reports_section& r, bool counted);
void visit_auth_results(fields& f, gatepost::checks::auth_results_options& o);
void visit_dnsbl(fields& f, gatepost::checks::dnsbl_options& o);
// After the channels, which it names.
void visit_sign(fields& f, sign_section& s, const std::vector<gatepost::smtp::channel>& channels);
void visit_dns(fields& f, dns_section& d);
void visit_routes(fields& f, routes_section& r, delivery_mode mode);
// After the channels, whose clients cut-through delivery keeps waiting.
void visit_relay(fields& f, relay_section& r, const std::vector<gatepost::smtp::channel>& channels);
void visit_spool(fields& f, spool_section& s);
void visit_log(fields& f, gatepost::smtp::json_log_options& l);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_SECTIONS_HPP
