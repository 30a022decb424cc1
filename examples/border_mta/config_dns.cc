// [dns], [checks.client], and the checks that ask the DNS

#include <optional>
#include <string>

#include "examples/border_mta/sections.hpp"
#include "smtp/domain.hpp"

namespace border_mta {

using namespace std::chrono_literals;

namespace checks = gatepost::checks;
namespace dns = gatepost::smtp::dns;
namespace smtp = gatepost::smtp;

namespace {

// An address, or an address with its port.
std::optional<smtp::endpoint> parse_server(const std::string& text) {
  if (const auto address = smtp::parse_ip_address(text)) return smtp::endpoint{*address, 0};
  if (const auto whole = smtp::parse_endpoint(text)) return *whole;
  return std::nullopt;
}

void visit_cache(fields& f, dns::cache_options& c) {
  f.number("entries", c.entries, or_none<std::uint64_t>(1, most_count));
  f.octets("octets", c.octets, {64u << 10, most_octets});
  f.wait("min_ttl", c.min_ttl, {0s, 24h});
  f.wait("max_ttl", c.max_ttl, {1s, 24h * 7});
  f.wait("max_negative_ttl", c.max_negative_ttl, {1s, 24h});
  f.wait("failure_ttl", c.failure_ttl, {0s, 5min});  // RFC 2308 §7.1
  f.wait("stale", c.stale, {0s, 24h * 7});
  f.wait("stale_ttl", c.stale_ttl, {1s, 1h});
}

void visit_finding(fields& f, const std::string& key, checks::finding_policy& p) {
  using response = checks::response;
  f.choice(
      key, p.response,
      {{"ignore", response::ignore}, {"score", response::score}, {"refuse", response::refuse}});
  f.real(key + "_points", p.points, {-1000, 1000});
}

void visit_trouble(fields& f, checks::dns_trouble& t) {
  f.choice("on_trouble", t,
           {{"skip", checks::dns_trouble::skip}, {"defer", checks::dns_trouble::defer}});
}

constexpr checks::dnsbl_subject subjects[] = {
    checks::dnsbl_subject::ipv4, checks::dnsbl_subject::ipv6, checks::dnsbl_subject::helo,
    checks::dnsbl_subject::sender, checks::dnsbl_subject::client_name};

std::optional<checks::dnsbl_subject> subject_of(const std::string& text) {
  for (const checks::dnsbl_subject s : subjects)
    if (to_string(s) == text) return s;
  return std::nullopt;
}

void visit_subjects(fields& f, std::vector<checks::dnsbl_subject>& about) {
  std::vector<std::string> words;
  for (const checks::dnsbl_subject s : about) words.emplace_back(to_string(s));
  f.texts("about", words);
  if (words.empty())
    f.reject("about", "a list that is asked about nothing has no use",
             "write about = [\"ipv4\", \"ipv6\"]");
  about.clear();
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto subject = subject_of(words[i]);
    if (subject) about.push_back(*subject);
    if (!subject)
      f.reject_item("about", i, '"' + words[i] + "\" is nothing that a list is asked about",
                    "write \"ipv4\", \"ipv6\", \"helo\", \"sender\" or \"client_name\"");
  }
}

void visit_list(fields& f, checks::dnsbl_list& l) {
  f.text("zone", l.zone);
  f.text("name", l.name);
  visit_subjects(f, l.subjects);
  f.texts("codes", l.codes);
  f.real("weight", l.weight, {-1000, 1000});
  f.flag("allow", l.allow);
  if (!smtp::valid_domain(l.zone))
    f.reject("zone", '"' + l.zone + "\" is no domain",
             "write the list's, such as \"bl.example.net\"");
  for (std::size_t i = 0; i < l.codes.size(); ++i)
    if (!checks::is_dnsbl_code(l.codes[i]))
      f.reject_item("codes", i, '"' + l.codes[i] + "\" is no pattern of codes",
                    "write for example \"127.0.0.2\", \"127.0.0.2-11\" or \"127.0.0.2=0.5\"");
}

}  // namespace

void visit_dns(fields& f, dns_section& d) {
  dns::cares_options& o = d.options;
  f.texts("servers", d.servers);
  f.wait("timeout", o.timeout, {100ms, 30s});
  f.number("tries", o.tries, {1, 10});
  f.wait("deadline", o.deadline, {100ms, 2min});
  f.number("payload", o.payload, or_none<std::uint64_t>(512, 4096));
  f.choice("dnssec", o.security,
           {{"off", dns::dnssec::off}, {"ad", dns::dnssec::ad}, {"do", dns::dnssec::dnssec_ok}});
  f.choice("ad_bit", o.response.ad,
           {{"ignored", dns::ad_bit::ignored}, {"trusted", dns::ad_bit::trusted}});
  f.number("outstanding", o.outstanding, {16, 1'000'000});
  f.number("aliases", o.response.aliases, {1, 100});
  f.number("records", o.response.records, {16, 10'000});
  f.table("cache", [&] { visit_cache(f, o.cache); });
  o.servers.clear();
  for (std::size_t i = 0; i < d.servers.size(); ++i) {
    if (const auto server = parse_server(d.servers[i]))
      o.servers.push_back(*server);
    else
      f.reject_item("servers", i, '"' + d.servers[i] + "\" is no address",
                    "write \"192.0.2.53\", \"192.0.2.53:5353\" or \"[2001:db8::53]:53\"");
  }
}

void visit_client(fields& f, checks::true_client_options& o) {
  f.networks("upstreams", o.upstreams);
  f.networks("exempt", o.exempt);
  f.flag("border", o.border);
  f.texts("inner_channels", o.inner_channels);
  f.number("hops", o.hops, {1, 100});
}

void visit_reverse_dns(fields& f, checks::reverse_dns_options& o) {
  visit_finding(f, "no_name", o.no_name);
  visit_finding(f, "not_confirmed", o.not_confirmed);
  visit_trouble(f, o.on_trouble);
  f.number("names", o.names, {1, 100});
}

void visit_helo_dns(fields& f, checks::helo_dns_options& o) {
  visit_finding(f, "unknown", o.unknown);
  f.real("mismatch_points", o.mismatch_points, {-1000, 1000});
  visit_trouble(f, o.on_trouble);
}

void visit_mail_domain(fields& f, checks::mail_domain_options& o) {
  visit_finding(f, "no_domain", o.no_domain);
  visit_finding(f, "no_mail", o.no_mail);
  visit_finding(f, "null_mx", o.null_mx);
  visit_finding(f, "unreachable_mx", o.unreachable_mx);
  f.networks("unreachable", o.unreachable);
  visit_finding(f, "literal", o.literal);
  visit_trouble(f, o.on_trouble);
  f.number("hosts", o.hosts, {1, 20});
}

void visit_dnsbl(fields& f, checks::dnsbl_options& o) {
  double refuse = o.refuse.value_or(0);
  f.real("refuse", refuse, {0, 1000});
  o.refuse = refuse > 0 ? std::optional(refuse) : std::nullopt;
  f.texts("blocked", o.blocked);
  f.wait("list_deadline", o.deadline, {10ms, 1min});
  f.number("failures", o.breaker.failures, {1, 1'000'000});
  f.wait("rest", o.breaker.rest, {1s, 24h});
  f.octets("reason", o.reason, {0, 400});
  for (std::size_t i = 0; i < o.blocked.size(); ++i)
    if (!checks::dnsbl_codes::parse(o.blocked[i]))
      f.reject_item("blocked", i, '"' + o.blocked[i] + "\" is no pattern of codes",
                    "write for example \"127.255.255.0/24\" or \"127.0.0.1\"");
  f.tables("lists", o.lists, checks::dnsbl_list(),
           [&](checks::dnsbl_list& l) { visit_list(f, l); });
}

}  // namespace border_mta
