#include "examples/border_mta/config.hpp"

#include <algorithm>
#include <utility>

#include "examples/border_mta/sections.hpp"
#include "examples/border_mta/writer.hpp"

namespace border_mta {

namespace {

namespace smtp = gatepost::smtp;

// All keys, in the order in which they are written. What others refer to comes before them.
void visit(fields& f, config& c) {
  f.table("limits", [&] { visit_limits(f, c.inherited.limits); });
  f.table("xclient", [&] { visit_xclient(f, c.inherited); });
  visit_channels(f, c);
  f.table("proxies", [&] { f.networks("networks", c.server.proxies); });
  f.table("connections", [&] { visit_connections(f, c.server.connections); });
  f.table("tls", [&] { visit_tls(f, c.tls); });
  visit_switches(f, c);
  f.table("server", [&] { visit_server(f, c); });
  f.table("dns", [&] { visit_dns(f, c.dns); });
  f.table("relay", [&] { visit_relay(f, c.relay, c.server.channels); });
  f.table("checks", [&] { visit_checks(f, c.checks, c.relay.mode); });
  f.table("sign", [&] { visit_sign(f, c.sign, c.server.channels); });
  f.table("routes", [&] { visit_routes(f, c.routes, c.relay.mode); });
  if (c.relay.mode == delivery_mode::spool)
    f.table("spool", [&] { visit_spool(f, c.spool); });
  else
    f.unused("spool", std::string(nothing_is_kept), "take it out");
  f.table("log", [&] { visit_log(f, c.log); });
}

// Whether a key is the other one, or in that table or list. "" is the whole file.
bool is_within(std::string_view key, std::string_view outer) {
  if (outer.empty() || key == outer) return true;
  return key.starts_with(outer) && (key[outer.size()] == '.' || key[outer.size()] == '[');
}

// "tls.certificates[0]" for "tls.certificates[0].chain".
std::string_view table_of(std::string_view key) {
  const std::size_t dot = key.rfind('.');
  return dot == key.npos ? std::string_view() : key.substr(0, dot);
}

}  // namespace

config::config() {
  inherited.hostname.clear();
  server.channels.clear();
  listeners.push_back({.address = "[::]:25"});
  spool.options.directory = "/var/spool/gatepost";
  routes.maildirs = "/var/mail";
  checks.relay_domains.enabled = false;
  checks.helo.on_error = gatepost::checks::on_error::skip;
  checks.early_talker.on_error = gatepost::checks::on_error::skip;
  // More than the DNS takes, with its own deadlines.
  const std::chrono::seconds patience(15);
  checks.reverse_dns.deadline = checks.helo_dns.deadline = patience;
  checks.mail_domain.deadline = checks.dnsbl.deadline = patience;
  checks.reverse_dns.on_error = checks.helo_dns.on_error = gatepost::checks::on_error::skip;
  checks.dnsbl.on_error = gatepost::checks::on_error::skip;
  checks.spf.deadline = std::chrono::seconds(25);  // RFC 7208 §4.6.4 gives an evaluation 20 s
  checks.dkim.deadline = checks.arc.deadline = checks.dmarc.deadline = patience;
  checks.dkim.on_error = checks.arc.on_error = gatepost::checks::on_error::skip;
  checks.dmarc.on_error = checks.auth_results.on_error = gatepost::checks::on_error::skip;
  checks.arc.enabled = false;
  checks.dmarc.options.exempt = gatepost::smtp::network_set::loopback();
}

void config::set_hostname(const std::string& name) {
  hostname = name;
  for (smtp::channel& c : server.channels) {
    if (c.hostname.empty()) c.hostname = name;
    checks.helo.options.own_names.push_back(c.hostname);
    checks.loop.options.own_names.push_back(c.hostname);
  }
  checks.spf.options.receiver = name;
  std::string& authserv_id = checks.auth_results.options.authserv_id;
  if (authserv_id.empty()) authserv_id = name;
  relay.options.hostname = relay.cut_through.hostname = name;
}

std::string config::complaint(std::string_view key, std::string_view what) const {
  std::string text = file;
  if (const auto found = places.find(key); found != places.end())
    text += ':' + std::to_string(found->second.line) + ':' + std::to_string(found->second.column);
  return text.append(": ").append(key).append(": ").append(what);
}

bool config::in_doubt(std::string_view key) const {
  return std::any_of(wrong.begin(), wrong.end(), [&](std::string_view other) {
    return is_within(key, other) || is_within(other, key) ||
           (!places.contains(key) && is_within(key, table_of(other)));
  });
}

void config::complain(std::vector<std::string>& lines, std::string_view key,
                      std::string_view what) const {
  if (!in_doubt(key)) lines.push_back(complaint(key, what));
}

parsed_config parse_config(std::string_view toml, const std::string& file,
                           const std::string& base) {
  parsed_config result;
  read_fields reader(toml, file, base);
  if (reader.parsed()) visit(reader, result.value);
  result.errors = reader.errors();
  result.absent = reader.absent();
  result.value.places = reader.places();
  for (const config_error& e : result.errors) result.value.wrong.push_back(e.name);
  result.value.file = file;
  return result;
}

std::string write_config(const config& c) {
  write_fields writer;
  config copy = c;
  visit(writer, copy);
  return writer.toml();
}

}  // namespace border_mta
