// [routes], [relay], [spool], [log]

#include "examples/border_mta/sections.hpp"

namespace border_mta {

using namespace std::chrono_literals;

namespace smtp = gatepost::smtp;
namespace routing = gatepost::routing;

namespace {

// What a rule and the file have in common is found when the table is loaded.
void check_rules(fields& f, routes_section r) {
  if (!r.file.empty())
    for (std::string& rule : r.rules)  // its domain's route may be in the file
      if (rule.find("users:") != rule.npos) rule.clear();
  routing::route_map unused;
  for (const route_problem& p : read_routes(routes_text(r, ""), unused))
    f.reject_item("rules", p.line - 1, p.what, "docs/configuration.md shows how");
}

void visit_retry(fields& f, routing::retry_options& r) {
  f.wait("first", r.first, {1s, 24h});
  f.real("factor", r.factor, {1, 10});
  f.wait("longest", r.longest, {1s, 24h * 7});
  f.real("jitter", r.jitter, {0, 0.9});
  f.wait("give_up", r.give_up, {1s, longest_wait});
  if (r.longest < r.first)
    f.reject("longest", "it is shorter than the first wait", "raise it, or lower first");
}

void visit_client_tls(fields& f, smtp::tls_client_options& t) {
  using version = smtp::tls_version;
  f.path("ca_file", t.ca_file);
  f.path("ca_directory", t.ca_directory);
  f.choice("min_version", t.min_version,
           {{"1.0", version::tls_1_0},
            {"1.1", version::tls_1_1},
            {"1.2", version::tls_1_2},
            {"1.3", version::tls_1_3}});
  f.text("ciphers", t.ciphers);
}

}  // namespace

void visit_routes(fields& f, routes_section& r) {
  f.path("file", r.file);
  f.texts("rules", r.rules);
  f.path("maildirs", r.maildirs);
  if (!r.maildirs.starts_with('/'))
    f.reject("maildirs", "this is no whole path", "write the path with a slash in front");
  else
    check_rules(f, r);
  if (r.file.empty() && r.rules.empty())
    f.reject("rules", "nothing says where mail goes, so that nothing could be accepted",
             "write rules = [\"example.com  smtp:[192.0.2.25]\"], or file = \"FILE\"");
}

void visit_relay(fields& f, relay_section& r) {
  routing::relay_options& o = r.options;
  f.networks("relay_from", o.relay_from);
  f.flag("relay_from_unix", o.relay_from_unix);
  f.text("postmaster", o.postmaster);
  f.number("deliveries", o.deliveries, {1, 10'000});
  f.number("deliveries_per_hop", o.deliveries_per_hop, {1, 10'000});
  f.wait("idle_connection", o.idle_connection, {0ms, 10min});
  f.number("messages_per_connection", o.messages_per_connection, {1, most_count});
  f.wait("dead_hop", o.dead_hop, {0ms, 24h});
  f.table("retry", [&] { visit_retry(f, o.retry); });
  f.table("tls", [&] { visit_client_tls(f, r.tls); });
}

void visit_spool(fields& f, spool_section& s) {
  routing::rocksdb_spool_options& o = s.options;
  f.path("directory", o.directory);
  f.octets("inline_limit", o.inline_limit, {0, 16u << 20});
  f.octets("free_reserve", o.free_reserve, or_none<std::uint64_t>(1u << 20, most_octets));
  f.octets("memory", s.memory, {1u << 20, most_octets});
  f.octets("memtable", o.memtable_octets, {1u << 20, 4ull << 30});
  f.wait("lazy_sync", o.lazy_sync, {1ms, 1min});
  if (o.directory.empty())
    f.reject("directory", "the spool has no place", "write directory = \"/var/spool/gatepost\"");
}

void visit_log(fields& f, smtp::json_log_options& l) {
  f.path("file", l.file);
  f.choice("level", l.at_least,
           {{"error", smtp::log_level::error},
            {"warning", smtp::log_level::warning},
            {"info", smtp::log_level::info},
            {"debug", smtp::log_level::debug}});
  f.networks("transcript_networks", l.transcript_clients);
  f.real("transcript_share", l.transcript_share, {0, 1});
}

}  // namespace border_mta
