// [routes], [relay], [spool], [log]

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "examples/border_mta/sections.hpp"
#include "examples/border_mta/values.hpp"

namespace border_mta {

using namespace std::chrono_literals;

namespace smtp = gatepost::smtp;
namespace routing = gatepost::routing;

namespace {

// What a rule and the file have in common is found when the table is loaded.
void check_rules(fields& f, routes_section r, delivery_mode mode) {
  if (!r.file.empty())
    for (std::string& rule : r.rules)  // its domain's route may be in the file
      if (rule.find("users:") != rule.npos) rule.clear();
  routing::route_map unused;
  for (const route_problem& p : read_routes(routes_text(r, ""), mode, unused))
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

// What only a relay with its spool has.
constexpr std::string_view queue_keys[] = {"postmaster",
                                           "deliveries",
                                           "deliveries_per_hop",
                                           "idle_connection",
                                           "dead_hop",
                                           "messages_per_connection",
                                           "retry"};

void visit_queue(fields& f, routing::relay_options& o) {
  f.text("postmaster", o.postmaster);
  f.number("deliveries", o.deliveries, {1, 10'000});
  f.number("deliveries_per_hop", o.deliveries_per_hop, {1, 10'000});
  f.wait("idle_connection", o.idle_connection, {0ms, 10min});
  f.number("messages_per_connection", o.messages_per_connection, {1, most_count});
  f.wait("dead_hop", o.dead_hop, {0ms, 24h});
  f.table("retry", [&] { visit_retry(f, o.retry); });
}

// A client that has heard 451 comes again: what the next hop has taken by then comes twice.
void check_patience(fields& f, const routing::cut_through_options& o,
                    const std::vector<smtp::channel>& channels) {
  // The checks of a whole message come before.
  const auto leaves = [&o](const smtp::channel& c) {
    return c.limits.processing_time < o.at_most + 1min;
  };
  const auto first = std::find_if(channels.begin(), channels.end(), leaves);
  if (first == channels.end()) return;
  const std::string longest = write_wait(o.at_most);
  f.reject(f.has("at_most") ? "at_most" : "mode",
           "checks may take a minute and next hops " + longest + ", and channel \"" + first->name +
               "\" replies before, after its processing_time",
           "lower at_most in [relay.cut_through], or raise processing_time");
}

void visit_cut_through(fields& f, relay_section& r, const std::vector<smtp::channel>& channels) {
  routing::cut_through_options& o = r.cut_through;
  f.octets("memory_per_message", o.memory_per_message, {0, 16u << 20});
  f.octets("memory", r.memory, {1u << 20, most_octets});
  f.path("directory", o.directory);
  f.wait("at_most", o.at_most, {1s, 9min});
  if (r.mode == delivery_mode::cut_through && f.has("at_most")) check_patience(f, o, channels);
}

// Whether [relay.cut_through] says anything.
bool is_set(const relay_section& r) {
  const relay_section unset;
  return r.memory != unset.memory || r.cut_through.at_most != unset.cut_through.at_most ||
         r.cut_through.memory_per_message != unset.cut_through.memory_per_message ||
         r.cut_through.directory != unset.cut_through.directory;
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

void visit_routes(fields& f, routes_section& r, delivery_mode mode) {
  f.path("file", r.file);
  f.texts("rules", r.rules);
  f.path("maildirs", r.maildirs);
  if (!r.maildirs.starts_with('/'))
    f.reject("maildirs", "this is no whole path", "write the path with a slash in front");
  else
    check_rules(f, r, mode);
  if (r.file.empty() && r.rules.empty())
    f.reject("rules", "nothing says where mail goes, so that nothing could be accepted",
             "write rules = [\"example.com  smtp:[192.0.2.25]\"], or file = \"FILE\"");
}

void visit_relay(fields& f, relay_section& r, const std::vector<smtp::channel>& channels) {
  f.choice("mode", r.mode,
           {{"spool", delivery_mode::spool}, {"cut_through", delivery_mode::cut_through}});
  f.networks("relay_from", r.options.relay_from);
  f.flag("relay_from_unix", r.options.relay_from_unix);
  if (r.mode == delivery_mode::spool)
    visit_queue(f, r.options);
  else
    for (const std::string_view key : queue_keys)
      f.unused(key, std::string(nothing_is_kept), "take it out");
  bool judged = false;
  f.table("cut_through", [&] {
    visit_cut_through(f, r, channels);
    judged = f.has("at_most");
  });
  if (r.mode == delivery_mode::cut_through && !judged) check_patience(f, r.cut_through, channels);
  if (r.mode == delivery_mode::spool && is_set(r))
    f.reject("cut_through", "it has no use with relay.mode = \"spool\"",
             "write mode = \"cut_through\" in [relay], or take it out");
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
