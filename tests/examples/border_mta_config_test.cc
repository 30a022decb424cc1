// This header stands alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "examples/border_mta/command_line.hpp"
#include "examples/border_mta/config.hpp"
#include "examples/border_mta/default_config.hpp"
#include "examples/border_mta/values.hpp"

namespace border_mta {
namespace {

namespace checks = gatepost::checks;
namespace smtp = gatepost::smtp;
using namespace std::chrono_literals;

// The least that is a configuration.
const std::string least = "[routes]\nrules = [\"example.test maildir:/var/mail/all\"]\n";

std::string read_file(const std::string& name) {
  std::ifstream file(name);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

std::string all_errors(const parsed_config& p) {
  std::string text;
  for (const config_error& e : p.errors) text += e.text() + '\n';
  return text;
}

parsed_config parse(const std::string& toml) { return parse_config(toml, "c.toml", "/base"); }

config good(const std::string& toml) {
  parsed_config p = parse(toml + '\n' + least);
  EXPECT_EQ(all_errors(p), "") << toml;
  return std::move(p.value);
}

// --- What is right
// ---------------------------------------------------------------------------------

TEST(border_mta_config, has_defaults_for_all_but_routes) {
  const config c = good("");
  ASSERT_EQ(c.listeners.size(), 1u);
  EXPECT_EQ(c.listeners[0].address, "[::]:25");
  ASSERT_EQ(c.server.channels.size(), 1u);
  EXPECT_EQ(c.server.channels[0].name, "default");
  EXPECT_EQ(c.server.channels[0].limits.recipients, smtp::session_limits().recipients);
  EXPECT_EQ(c.server.channels[0].extensions, smtp::default_extensions);
  EXPECT_EQ(c.tls.options.min_version, smtp::tls_version::tls_1_2);
  EXPECT_FALSE(c.tls.self_signed);
  EXPECT_TRUE(c.checks.helo.enabled);
  EXPECT_EQ(c.checks.connection_limit.on_error, checks::on_error::defer);
}

TEST(border_mta_config, reads_switches) {
  const config c = good(R"(
[tls]
self_signed = true
client_certificates = "request"
client_ca = "ca.pem"
[[channel]]
name = "relays"
[[channel_switch]]
certificate = "relay.example.test"
channel = "relays"
[[channel_switch]]
identity = "*"
channel = "default"
)");
  ASSERT_EQ(c.server.switches.size(), 2u);
  EXPECT_EQ(c.server.switches[0].certificate, "relay.example.test");
  EXPECT_EQ(c.server.switches[0].channel, "relays");
  EXPECT_EQ(c.server.switches[1].identity, "*");
}

TEST(border_mta_config, reads_values_of_every_kind) {
  const config c = good(R"(
[server]
hostname = "mx.example.test"
threads = 3
memory = "1 GiB"
stop_within = "90s"
listen = [{ address = "127.0.0.1:0" }, { address = "unix:/run/x.sock", channel = "lan" }]
[limits]
recipients = 7
message = 1048576
min_body_rate = 0
[[channel]]
name = "lan"
line_ends = "normalise"
greeting_delay = "250ms"
[channel.extensions]
prdr = true
8bitmime = false
[channel.limits]
recipients = 9
[[channel_rule]]
networks = ["192.0.2.0/24", "2001:db8::1"]
channel = "lan"
[checks.scores]
refuse = 12
[checks.helo]
enabled = false
on_error = "refuse"
deadline = "2m"
[relay.retry]
factor = 1.5
)");
  EXPECT_EQ(c.hostname, "mx.example.test");
  EXPECT_EQ(c.threads, 3u);
  EXPECT_EQ(c.server.memory, 1u << 30);
  EXPECT_EQ(c.server.stop_within, 90s);
  ASSERT_EQ(c.listeners.size(), 2u);
  EXPECT_EQ(c.listeners[1].channel, "lan");
  ASSERT_EQ(c.server.channels.size(), 2u) << "lan, and default, which is always there";
  const smtp::channel& lan = c.server.channels[0];
  EXPECT_EQ(lan.line_ends, smtp::line_ends::normalise);
  EXPECT_EQ(lan.greeting_delay, 250ms);
  EXPECT_TRUE(lan.extensions.has(smtp::extension::prdr));
  EXPECT_FALSE(lan.extensions.has(smtp::extension::eightbitmime));
  EXPECT_EQ(lan.limits.recipients, 9u);
  EXPECT_EQ(lan.limits.message, 1048576u) << "inherited from [limits]";
  EXPECT_EQ(lan.limits.min_body_rate, 0u);
  EXPECT_EQ(c.server.channels[1].name, "default");
  EXPECT_EQ(c.server.channels[1].limits.recipients, 7u);
  ASSERT_EQ(c.server.rules.size(), 1u);
  EXPECT_TRUE(c.server.rules[0].clients.contains(*smtp::parse_ip_address("192.0.2.77")));
  EXPECT_EQ(c.checks.chain.scores.refuse, 12.0);
  EXPECT_EQ(c.checks.chain.scores.hold, std::nullopt);
  EXPECT_FALSE(c.checks.helo.enabled);
  EXPECT_EQ(c.checks.helo.on_error, checks::on_error::refuse);
  EXPECT_EQ(c.checks.helo.deadline, 2min);
  EXPECT_EQ(c.relay.options.retry.factor, 1.5);
}

TEST(border_mta_config, takes_paths_to_be_under_the_base_folder) {
  const config c = good(R"(
[tls]
certificates = [{ chain = "a.pem", key = "/etc/b.key" }]
[spool]
directory = "../spool"
)");
  ASSERT_EQ(c.tls.options.certificates.size(), 1u);
  EXPECT_EQ(c.tls.options.certificates[0].chain_file, "/base/a.pem");
  EXPECT_EQ(c.tls.options.certificates[0].key_file, "/etc/b.key");
  EXPECT_EQ(c.spool.options.directory, "/spool");
}

TEST(border_mta_config, reads_what_the_checks_ask_the_dns) {
  const config c = good(R"(
[dns]
servers = ["192.0.2.53", "[2001:db8::53]:5353", "2001:db8::54"]
ad_bit = "trusted"
cache = { entries = 0, stale = "1d" }
[checks.client]
upstreams = ["198.51.100.0/28"]
inner_channels = ["submission"]
[checks.reverse_dns]
no_name = "refuse"
not_confirmed_points = 0.25
[checks.mail_domain]
unreachable = []
on_trouble = "skip"
[checks.dnsbl]
refuse = 0
rest = "1m"
[[checks.dnsbl.lists]]
zone = "bl.test"
[[checks.dnsbl.lists]]
zone = "names.test"
about = ["sender", "client_name"]
codes = ["127.0.1.2-99", "127.0.1.102=0.5"]
weight = 3
)");
  ASSERT_EQ(c.dns.options.servers.size(), 3u);
  EXPECT_EQ(c.dns.options.servers[0].text(), "192.0.2.53:0");
  EXPECT_EQ(c.dns.options.servers[1].text(), "[2001:db8::53]:5353");
  EXPECT_EQ(c.dns.options.response.ad, smtp::dns::ad_bit::trusted);
  EXPECT_EQ(c.dns.options.cache.entries, 0u);
  EXPECT_EQ(c.dns.options.cache.stale, 24h);
  EXPECT_TRUE(c.checks.client.upstreams.contains(*smtp::parse_ip_address("198.51.100.9")));
  EXPECT_TRUE(c.checks.client.exempt.contains(*smtp::parse_ip_address("10.1.1.1")));
  EXPECT_EQ(c.checks.reverse_dns.options.no_name.response, checks::response::refuse);
  EXPECT_EQ(c.checks.reverse_dns.options.not_confirmed.points, 0.25);
  EXPECT_EQ(c.checks.reverse_dns.on_error, checks::on_error::skip);
  EXPECT_TRUE(c.checks.mail_domain.options.unreachable.empty());
  EXPECT_EQ(c.checks.mail_domain.options.on_trouble, checks::dns_trouble::skip);
  const checks::dnsbl_options& lists = c.checks.dnsbl.options;
  EXPECT_EQ(lists.refuse, std::nullopt);
  EXPECT_EQ(lists.breaker.rest, 1min);
  ASSERT_EQ(lists.lists.size(), 2u);
  EXPECT_EQ(lists.lists[0].weight, 1.0);
  EXPECT_EQ(lists.lists[0].subjects,
            (std::vector{checks::dnsbl_subject::ipv4, checks::dnsbl_subject::ipv6}));
  EXPECT_EQ(lists.lists[1].subjects,
            (std::vector{checks::dnsbl_subject::sender, checks::dnsbl_subject::client_name}));
  EXPECT_EQ(lists.lists[1].codes.size(), 2u);
  EXPECT_EQ(lists.lists[1].weight, 3.0);
  EXPECT_EQ(good("").checks.dnsbl.options.refuse, 1.0);
}

TEST(border_mta_config, reads_how_signatures_are_judged) {
  const config c = good(R"(
[checks.dkim]
unsigned_octets = "pass"
expired = "neutral"
expiry_grace = "5m"
weak_algorithm = "policy"
min_key_bits = 2048
max_key_bits = 4096
)");
  const checks::dkim::verify_options& v = c.checks.dkim.options.verify;
  EXPECT_EQ(v.unsigned_octets, checks::dkim::outcome::pass);
  EXPECT_EQ(v.expired, checks::dkim::outcome::neutral);
  EXPECT_EQ(v.expiry_grace, 5min);
  EXPECT_EQ(v.weak_algorithm, checks::dkim::outcome::policy);
  EXPECT_EQ(v.keys.min_rsa_bits, 2048u);
  EXPECT_EQ(v.keys.max_rsa_bits, 4096u);
}

TEST(border_mta_config, reads_what_dmarc_forgives) {
  using checks::dmarc::override_type;
  const config c = good(R"(
[[checks.dmarc.forwarders]]
networks = ["192.0.2.64/27"]
comment = "alumni"
[[checks.dmarc.forwarders]]
networks = ["2001:db8::1"]
type = "mailing_list"
[[checks.dmarc.local_policy]]
authors = ["example.com"]
authenticated = ["lists.example.net", "bücher.example"]
type = "mailing_list"
comment = "the list"
)");
  const auto& forwarders = c.checks.dmarc.options.forwarders;
  ASSERT_EQ(forwarders.size(), 2u);
  EXPECT_TRUE(forwarders[0].networks.contains(*smtp::parse_ip_address("192.0.2.95")));
  EXPECT_EQ(forwarders[0].type, override_type::trusted_forwarder);
  EXPECT_EQ(forwarders[0].comment, "alumni");
  EXPECT_EQ(forwarders[1].type, override_type::mailing_list);
  ASSERT_EQ(c.checks.dmarc_exceptions.size(), 1u);
  const dmarc_exception& e = c.checks.dmarc_exceptions[0];
  EXPECT_EQ(e.authors, std::vector<std::string>{"example.com"});
  EXPECT_EQ(e.authenticated.size(), 2u);
  EXPECT_EQ(e.type, override_type::mailing_list);
  EXPECT_EQ(e.comment, "the list");
}

TEST(border_mta_config, reads_how_dmarc_is_reported) {
  const config c = good(R"(
[checks.dmarc.reports]
enabled = true
organization = "Example"
email = "dmarc@example.com"
contact = "https://example.com/dmarc"
interval = "6h"
save_every = "10s"
directory = "out/"
file = "state/counts/"
)");
  const reports_section& r = c.checks.dmarc_reports;
  EXPECT_TRUE(r.enabled);
  EXPECT_EQ(r.sender.organization, "Example");
  EXPECT_EQ(r.sender.email, "dmarc@example.com");
  EXPECT_EQ(r.sender.contact, "https://example.com/dmarc");
  EXPECT_EQ(r.interval, 6h);
  EXPECT_EQ(r.save_every, 10s);
  EXPECT_EQ(r.directory, "/base/out");
  EXPECT_EQ(r.file, "/base/state/counts");
  EXPECT_FALSE(good("").checks.dmarc_reports.enabled);
}

TEST(border_mta_config, reads_how_failures_are_reported) {
  const config c = good(R"(
[checks.dmarc.reports]
email = "dmarc@example.com"
directory = "out/"

[checks.dmarc.reports.failure]
enabled = true
per_hour = 3
in_all = 7
)");
  const reports_section& r = c.checks.dmarc_reports;
  EXPECT_FALSE(r.enabled);
  EXPECT_TRUE(r.failure.enabled);
  EXPECT_EQ(r.failure.per_hour, 3u);
  EXPECT_EQ(r.failure.in_all, 7u);
  const failure_section by_default = good("").checks.dmarc_reports.failure;
  EXPECT_FALSE(by_default.enabled);
  EXPECT_EQ(by_default.per_hour, 10u);
  EXPECT_EQ(by_default.in_all, 100u);
}

// What is beside a folder is found with and without a slash at its end.
TEST(border_mta_config, takes_folders_with_a_slash) {
  const config c = good("[spool]\ndirectory = \"/var/spool/x//\"\n[log]\nfile = \"/\"\n");
  EXPECT_EQ(c.spool.options.directory, "/var/spool/x");
  EXPECT_EQ(c.log.file, "/");
}

TEST(border_mta_config, offers_xclient_to_whom_it_names) {
  const config c = good("[xclient]\nnetworks = [\"192.0.2.7\"]\n");
  EXPECT_TRUE(c.server.channels[0].extensions.has(smtp::extension::xclient));
  EXPECT_TRUE(c.server.channels[0].xclient_from.contains(*smtp::parse_ip_address("192.0.2.7")));
  EXPECT_FALSE(good("").server.channels[0].extensions.has(smtp::extension::xclient));
}

TEST(border_mta_config, gives_its_hostname_to_all_that_want_one) {
  config c = good("[[channel]]\nname = \"own\"\nhostname = \"own.example.test\"\n");
  c.set_hostname("mx.example.test");
  EXPECT_EQ(c.server.channels[0].hostname, "own.example.test");
  EXPECT_EQ(c.server.channels[1].hostname, "mx.example.test");
  EXPECT_EQ(c.relay.options.hostname, "mx.example.test");
  const auto& names = c.checks.helo.options.own_names;
  EXPECT_NE(std::find(names.begin(), names.end(), "own.example.test"), names.end());
  EXPECT_NE(std::find(names.begin(), names.end(), "mx.example.test"), names.end());
}

// --- What is wrong
// ---------------------------------------------------------------------------------

struct wrong_case {
  const char* toml;
  const char* error;  // how its first line begins, behind the file's name
};

const wrong_case wrong_cases[] = {
    // Syntax
    {"[server\n", ":1:8: "},
    {"threads = \n", ":1:11: "},
    {"[server]\nthreads = 1\nthreads = 2\n", ":3:"},
    // Keys that nobody knows
    {"[server]\nhostnme = \"a\"\n",
     ":2:1: server.hostnme: there is no such key; did you mean \"hostname\"?"},
    {"[sever]\n", ":1:2: sever: there is no such table; did you mean \"server\"?"},
    {"[server]\ncolour = 1\n", ":2:1: server.colour: there is no such key; see border_mta.toml"},
    {"[checks.dane]\n", ":1:9: checks.dane: there is no such table; "},
    {"[[channel]]\nname = \"a\"\nlimit = 1\n",
     ":3:1: channel.limit: there is no such key; did you mean \"limits\"?"},
    // Types
    {"[server]\nthreads = \"two\"\n",
     ":2:11: server.threads: a text stands here; write a whole number from 0 to 256"},
    {"[server]\nthreads = 1.5\n", ":2:11: server.threads: a number with a fraction stands here; "},
    {"[server]\nhostname = 7\n", ":2:12: server.hostname: a number stands here; write a text"},
    {"[limits]\nrecipients = true\n", ":2:14: limits.recipients: true or false stands here; "},
    {"limits = 3\n", ":1:10: limits: a number stands here; write a table: [limits], "},
    {"[server]\nlisten = \"[::]:25\"\n", ":2:10: server.listen: this is no list of tables; "},
    {"[xclient]\nnetworks = \"192.0.2.1\"\n",
     ":2:12: xclient.networks: this is no list of texts; "},
    {"[[channel]]\nlmtp = 1\n", ":2:8: channel.lmtp: a number stands here; write true or false"},
    {"[server]\nhostname = \"a\\nb\"\n", ":2:12: server.hostname: there is a control character"},
    // Ranges
    {"[server]\nthreads = 1000\n",
     ":2:11: server.threads: 1000 is out of range; write a whole number from 0 to 256"},
    {"[server]\nthreads = -1\n", ":2:11: server.threads: -1 is out of range; "},
    {"[limits]\nrecipients = 0\n", ":2:14: limits.recipients: 0 is out of range; "},
    {"[limits]\nmessage = \"1 KiB\"\n",
     ":2:11: limits.message: 1 KiB is out of range; write a size in octets, or as \"64 KiB\", from "
     "64 KiB "},
    {"[limits]\nmessage = \"1 megabyte\"\n", ":2:11: limits.message: this is no size; "},
    {"[limits]\nprocessing_time = \"11m\"\n",
     ":2:19: limits.processing_time: \"11m\" is out of range; write a time with its unit (ms, s, "
     "m, h or "
     "d), from \"1s\" to \"9m\""},
    {"[limits]\ncommand_timeout = 300\n", ":2:19: limits.command_timeout: this is no time; "},
    {"[limits]\ncommand_timeout = \"5 minutes\"\n",
     ":2:19: limits.command_timeout: this is no time; "},
    {"[checks.scores]\ntag = \"high\"\n", ":2:7: checks.scores.tag: a text stands here; "},
    {"[checks.scores]\ntag = inf\n", ":2:7: checks.scores.tag: inf is out of range; "},
    {"[relay.retry]\njitter = 2.0\n", ":2:10: relay.retry.jitter: 2 is out of range; "},
    {"[tls]\nmin_version = \"1.4\"\n",
     ":2:15: tls.min_version: \"1.4\" is unknown; write \"1.0\", \"1.1\", \"1.2\" or \"1.3\""},
    {"[checks.helo]\non_error = \"ignore\"\n",
     ":2:12: checks.helo.on_error: \"ignore\" is unknown; write \"defer\", \"skip\" or \"refuse\""},
    {"[xclient]\nnetworks = [\"192.0.2.1/24\"]\n",
     ":2:13: xclient.networks: \"192.0.2.1/24\" is no network; "},
    // Sense
    {"[server]\nhostname = \"-mx-\"\n", ":2:12: server.hostname: \"-mx-\" is no host name; "},
    {"[server]\nlisten = []\n", ":2:10: server.listen: the server listens nowhere; "},
    {"[server]\nlisten = [{}]\n", ":2:11: server.listen.address: the address is missing; "},
    {"[server]\nlisten = [{ address = \"25\" }]\n",
     ":2:23: server.listen.address: this is no address; write ADDRESS:PORT or unix:/PATH"},
    {"[server]\nlisten = [{ address = \"[::]:465\", tls = true }]\n",
     ":2:41: server.listen.tls: TLS needs a certificate, and there is none; "},
    {"[server]\nlisten = [{ address = \"[::]:25\", proxy = true }]\n",
     ":2:42: server.listen.proxy: nobody is trusted to speak the PROXY protocol; "},
    {"[[channel]]\nname = \"default\"\nrequire_tls = true\n[server]\nlisten = [{ address = "
     "\"[::]:25\" }]\n",
     ":5:11: server.listen.channel: its require_tls lets no mail in, because there is no "
     "certificate; "},
    {"[server]\nlisten = [{ address = \"[::]:25\", channel = \"lan\" }]\n",
     ":2:44: server.listen.channel: there is no channel \"lan\"; "},
    {"[[channel_rule]]\nnetworks = [\"192.0.2.1\"]\nchannel = \"lan\"\n",
     ":3:11: channel_rule.channel: there is no channel \"lan\"; "},
    {"[[channel_rule]]\nchannel = \"default\"\n",
     ":1:1: channel_rule.networks: the rule names no network; "},
    {"[[channel_switch]]\nidentity = \"ann\"\nchannel = \"lan\"\n",
     ":3:11: channel_switch.channel: there is no channel \"lan\"; "},
    {"[[channel_switch]]\nchannel = \"default\"\n",
     ":1:1: channel_switch.identity: the rule is about nobody; "},
    {"[[channel_switch]]\ncertificate = \"*\"\nchannel = \"default\"\n",
     ":2:15: channel_switch.certificate: no client is asked for a certificate; "},
    {"[[channel]]\nname = \"a\"\n[[channel]]\nname = \"a\"\n",
     ":4:8: channel.name: there are two channels of this name; "},
    {"[[channel]]\nextensions = { binarymime = true, chunking = false }\n",
     ":2:29: channel.extensions.binarymime: BINARYMIME is nothing without CHUNKING"},
    {"[tls]\nmin_version = \"1.3\"\nmax_version = \"1.2\"\n",
     ":3:15: tls.max_version: it is below min_version; "},
    {"[tls]\nclient_certificates = \"require\"\n",
     ":2:23: tls.client_certificates: without client_ca no certificate can be trusted; "},
    {"[tls]\nclient_certificates = \"request\"\n",
     ":2:23: tls.client_certificates: without a certificate of our own there is no TLS; "},
    {"[tls]\ncertificates = [{ key = \"k.pem\" }]\n",
     ":2:17: tls.certificates.chain: the certificate's file is missing; "},
    {"[relay.retry]\nfirst = \"5h\"\n",
     ":1:1: relay.retry.longest: it is shorter than the first wait; "},
    {"[dns]\nservers = [\"ns.example\"]\n", ":2:12: dns.servers: \"ns.example\" is no address; "},
    {"[checks.dnsbl]\nblocked = [\"127\"]\n",
     ":2:12: checks.dnsbl.blocked: \"127\" is no pattern of codes; "},
    {"[[checks.dnsbl.lists]]\nzone = \"no zone\"\n",
     ":2:8: checks.dnsbl.lists.zone: \"no zone\" is no domain; "},
    {"[[checks.dnsbl.lists]]\nzone = \"a.test\"\ncodes = [\"127.0.0.2-\"]\n",
     ":3:10: checks.dnsbl.lists.codes: \"127.0.0.2-\" is no pattern of codes; "},
    {"[[checks.dnsbl.lists]]\nzone = \"a.test\"\nabout = [\"body\"]\n",
     ":3:10: checks.dnsbl.lists.about: \"body\" is nothing that a list is asked about; "},
    {"[[checks.dnsbl.lists]]\nzone = \"a.test\"\nabout = []\n",
     ":3:9: checks.dnsbl.lists.about: a list that is asked about nothing has no use; "},
    {"[checks.reverse_dns]\nno_name = \"drop\"\n",
     ":2:11: checks.reverse_dns.no_name: \"drop\" is unknown; "},
    {"[spool]\ndirectory = \"\"\n", ":2:13: spool.directory: the spool has no place; "},
    {"[[sign.dkim]]\ndomain = \"a.test\"\nselector = \"s\"\nkey = \"k\"\n",
     ":1:1: sign.networks: nobody's mail would be signed; "},
    {"[sign]\nunix = true\ndkim = [{ domain = \"test\", selector = \"s\", key = \"k\" }]\n",
     ":3:20: sign.dkim.domain: \"test\" is no domain that mail comes from; "},
    {"[sign]\nunix = true\ndkim = [{ domain = \"a.test\", selector = \"a b\", key = \"k\" }]\n",
     ":3:41: sign.dkim.selector: \"a b\" is no selector; "},
    {"[sign]\nunix = true\ndkim = [{ domain = \"a.test\", selector = \"s\" }]\n",
     ":3:9: sign.dkim.key: the key's file is missing; "},
    {"[sign]\nunix = true\n[[sign.dkim]]\ndomain = \"a.test\"\nselector = \"s\"\nkey = \"k\"\n"
     "from = \"2026-02-29\"\n",
     ":7:8: sign.dkim.from: \"2026-02-29\" is no day; "},
    {"[sign]\nchannels = [\"default\", \"inside\"]\n",
     ":2:24: sign.channels: there is no channel \"inside\"; "},
    {"[sign]\nfields = [\"From\", \"To:\"]\n",
     ":2:19: sign.fields: \"To:\" is no name of a header field; "},
    {"[sign.arc]\ndomain = \"a.test\"\nselector = \"s\"\n",
     ":1:1: sign.arc.key: the key's file is missing; "},
    {"[checks.dkim]\nweak_algorithm = \"pass\"\n",
     ":2:18: checks.dkim.weak_algorithm: \"pass\" is unknown; "},
    {"[checks.dkim]\nunsigned_octets = \"none\"\n",
     ":2:19: checks.dkim.unsigned_octets: \"none\" is unknown; "},
    {"[checks.dkim]\nmin_key_bits = 512\n",
     ":2:16: checks.dkim.min_key_bits: 512 is out of range; "},
    {"[checks.dkim]\nmin_key_bits = 16384\n",
     ":2:16: checks.dkim.min_key_bits: no RSA key is of both sizes; "},
    {"[[checks.dmarc.forwarders]]\nnetworks = []\n",
     ":2:12: checks.dmarc.forwarders.networks: the forwarder has no network; "},
    {"[[checks.dmarc.forwarders]]\nnetworks = [\"192.0.2.1\"]\ntype = \"friend\"\n",
     ":3:8: checks.dmarc.forwarders.type: \"friend\" is unknown; "},
    {"[[checks.dmarc.local_policy]]\nauthors = [\"example.com\", \"a..b\"]\n",
     ":2:27: checks.dmarc.local_policy.authors: \"a..b\" is no domain; "},
    {"[[checks.dmarc.local_policy]]\ncomment = \"x\"\n",
     ":1:1: checks.dmarc.local_policy.authors: it would let every message through; "},
    {"[checks.dmarc.reports]\nenabled = true\ndirectory = \"out\"\n",
     ":1:1: checks.dmarc.reports.email: nobody is named whom the reports come from; "},
    {"[checks.dmarc.reports]\nemail = \"example.com\"\n",
     ":2:9: checks.dmarc.reports.email: \"example.com\" is no mailbox that reports can come "
     "from; "},
    {"[checks.dmarc.reports]\nemail = \"a@[192.0.2.1]\"\n",
     ":2:9: checks.dmarc.reports.email: \"a@[192.0.2.1]\" is no mailbox that reports can come "
     "from"},
    {"[checks.dmarc.reports]\nenabled = true\nemail = \"a@example.com\"\n",
     ":1:1: checks.dmarc.reports.directory: there is no folder for the reports; write for "
     "example "},
    {"[checks.dmarc.reports]\ndirectory = \"d/\"\nfile = \"d/x.eml\"\n",
     ":3:8: checks.dmarc.reports.file: it would be taken for a report, and be sent; write "
     "another "},
    {"[checks.dmarc.reports]\nthrough = \"smtp:[a.test]\"\n",
     ":2:1: checks.dmarc.reports.through: there is no such key; "},
    {"[checks.dmarc.reports]\ninterval = \"8d\"\n",
     ":2:12: checks.dmarc.reports.interval: \"8d\" is out of range; write a time with its unit "},
    {"[checks.dmarc.reports]\nsave_every = \"0s\"\n",
     ":2:14: checks.dmarc.reports.save_every: \"0s\" is out of range; "},
    {"[checks.dmarc]\nenabled = false\n[checks.dmarc.reports]\nenabled = true\n"
     "email = \"a@example.com\"\ndirectory = \"d\"\n",
     ":4:11: checks.dmarc.reports.enabled: [checks.dmarc] is off, and so there is nothing to "},
    {"[checks.dmarc.reports]\ndirectory = \"d\"\n[checks.dmarc.reports.failure]\nenabled = true\n",
     ":1:1: checks.dmarc.reports.email: nobody is named whom the reports come from; "},
    {"[checks.dmarc.reports]\nemail = \"a@example.com\"\n[checks.dmarc.reports.failure]\n"
     "enabled = true\n",
     ":1:1: checks.dmarc.reports.directory: there is no folder for the reports; "},
    {"[checks.dmarc.reports.failure]\nper_hour = 0\n",
     ":2:12: checks.dmarc.reports.failure.per_hour: 0 is out of range; "},
    {"[checks.dmarc.reports.failure]\nin_all = 100001\n",
     ":2:10: checks.dmarc.reports.failure.in_all: 100001 is out of range; "},
    {"[checks.dmarc.reports.failure]\nenabled = \"yes\"\n",
     ":2:11: checks.dmarc.reports.failure.enabled: "},
    {"[checks.dmarc.reports.failure]\nto = \"x@example.com\"\n",
     ":2:1: checks.dmarc.reports.failure.to: there is no such key; "},
    {"[checks.dmarc]\nenabled = false\n[checks.dmarc.reports]\nemail = \"a@example.com\"\n"
     "directory = \"d\"\n[checks.dmarc.reports.failure]\nenabled = true\n",
     ":7:11: checks.dmarc.reports.failure.enabled: [checks.dmarc] is off, and so there is "},
    {"[relay]\nmode = \"queue\"\n",
     ":2:8: relay.mode: \"queue\" is unknown; write \"spool\" or \"cut_through\""},
    {"[relay.cut_through]\nat_most = \"1m\"\n",
     ":1:1: relay.cut_through: it has no use with relay.mode = \"spool\"; "},
};

TEST(border_mta_config, says_what_is_wrong_where_and_what_to_write_instead) {
  for (const wrong_case& c : wrong_cases) {
    const parsed_config p = parse(std::string(c.toml) + '\n' + least);
    ASSERT_FALSE(p.errors.empty()) << c.toml;
    const std::string text = p.errors[0].text();
    EXPECT_TRUE(text.starts_with("c.toml" + std::string(c.error)))
        << c.toml << "expected: c.toml" << c.error << "\nis: " << text;
    EXPECT_EQ(p.errors.size(), 1u) << all_errors(p);
    EXPECT_FALSE(p.errors[0].remedy.empty()) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << "one line: " << text;
  }
}

// With [relay] mode = "cut_through" and a next hop as the route; `error` as above, from line 3 on.
const wrong_case wrong_cut_through_cases[] = {
    {"deliveries = 5\n", ":3:14: relay.deliveries: nothing is kept with relay.mode = "},
    {"postmaster = \"ann@example.test\"\n", ":3:14: relay.postmaster: nothing is kept with "},
    {"[relay.retry]\nfirst = \"5m\"\n", ":3:1: relay.retry: nothing is kept with "},
    {"[spool]\ndirectory = \"spool\"\n", ":3:1: spool: nothing is kept with relay.mode = "},
    {"[checks.scores]\nhold = 5.0\n", ":4:8: checks.scores.hold: nothing is kept with "},
    {"[checks.dmarc]\non_reject = \"hold\"\n", ":4:13: checks.dmarc.on_reject: nothing is kept"},
    {"[relay.cut_through]\nat_most = \"5m\"\n",
     ":4:11: relay.cut_through.at_most: checks may take a minute and next hops 5m, and "
     "channel \"default\" replies before, "},
    {"[limits]\nprocessing_time = \"2m\"\n",
     ":2:8: relay.mode: checks may take a minute and next hops 3m, and "},
};

TEST(border_mta_config, says_what_has_no_use_in_cut_through_mode) {
  const std::string route = "[routes]\nrules = [\"example.test smtp:[mx.example.test]\"]\n";
  const std::string mode = "[relay]\nmode = \"cut_through\"\n";
  for (const wrong_case& c : wrong_cut_through_cases) {
    const parsed_config p = parse(mode + c.toml + route);
    ASSERT_EQ(p.errors.size(), 1u) << c.toml << all_errors(p);
    const std::string text = p.errors[0].text();
    EXPECT_TRUE(text.starts_with("c.toml" + std::string(c.error)))
        << c.toml << "expected: c.toml" << c.error << "\nis: " << text;
  }
  const parsed_config p = parse(mode + least);
  ASSERT_EQ(p.errors.size(), 1u) << all_errors(p);
  EXPECT_TRUE(p.errors[0].text().starts_with(
      "c.toml:4:10: routes.rules: relay.mode is \"cut_through\", and only a next hop "))
      << all_errors(p);
}

TEST(border_mta_config, reads_and_writes_cut_through_mode) {
  const parsed_config p = parse(R"(
[limits]
processing_time = "2m"
[relay]
mode = "cut_through"
relay_from = ["192.0.2.0/24"]
[relay.cut_through]
directory = "overflow"
at_most = "30s"
memory_per_message = 0
[routes]
rules = ["example.test  lmtp:[mx.example.test], smtp:[other.test]", "no.test  refuse 550 No"]
)");
  ASSERT_EQ(all_errors(p), "");
  EXPECT_EQ(p.value.relay.mode, delivery_mode::cut_through);
  EXPECT_EQ(p.value.relay.cut_through.directory, "/base/overflow");
  EXPECT_EQ(p.value.relay.cut_through.at_most, 30s);
  EXPECT_EQ(p.value.relay.cut_through.memory_per_message, 0u);
  const std::string once = write_config(p.value);
  EXPECT_EQ(once.find("[spool]"), once.npos) << once;
  const parsed_config again = parse(once);
  EXPECT_EQ(all_errors(again), "");
  EXPECT_EQ(write_config(again.value), once);
}

TEST(border_mta_config, wants_routes) {
  const parsed_config p = parse("[server]\nhostname = \"mx.example.test\"\n");
  EXPECT_TRUE(all_errors(p).starts_with("c.toml: routes.rules: nothing says where mail goes, "))
      << all_errors(p);
}

TEST(border_mta_config, tells_all_errors_in_the_order_of_the_file) {
  const parsed_config p = parse("[log]\nlevel = \"loud\"\n[limits]\nhops = 1\nhop = 1\n" + least);
  ASSERT_EQ(p.errors.size(), 3u) << all_errors(p);
  EXPECT_EQ(p.errors[0].key, "log.level");
  EXPECT_EQ(p.errors[1].key, "limits.hops");
  EXPECT_EQ(p.errors[2].key, "limits.hop");
}

// --- The files that come with it
// -------------------------------------------------------------------

// The documented configuration, with every "#key" line in force.
std::string uncommented(const std::string& toml) {
  std::string out;
  std::istringstream lines(toml);
  for (std::string line; std::getline(lines, line);) {
    const bool sample = line.size() > 1 && line[0] == '#' && line[1] != ' ' && line[1] != '\n';
    out += sample ? line.substr(1) : line;
    out += '\n';
  }
  return out;
}

const char* const documented = "examples/border_mta/border_mta.toml";

// What is read from it is what holds without it, but for the routes, which have no default.
TEST(border_mta_config, documented_file_has_the_defaults) {
  const parsed_config p = parse_config(read_file(documented), documented, "");
  ASSERT_EQ(all_errors(p), "");
  config expected = parse_config(least, "", "").value;
  expected.routes.rules = p.value.routes.rules;
  EXPECT_EQ(write_config(p.value), write_config(expected));
}

TEST(border_mta_config, documented_file_has_every_key) {
  const parsed_config p = parse_config(uncommented(read_file(documented)), documented, "");
  ASSERT_EQ(all_errors(p), "");
  for (const std::string& key : p.absent)
    EXPECT_TRUE(key.starts_with("channel.limits.")) << key << " is not documented";
}

TEST(border_mta_config, embedded_file_is_right) {
  const parsed_config p = parse_config(default_config, "built-in", "/tmp/demo");
  EXPECT_EQ(all_errors(p), "");
  EXPECT_EQ(p.value.listeners.at(0).address, "127.0.0.1:2525");
  EXPECT_TRUE(p.value.tls.self_signed);
  EXPECT_EQ(p.value.spool.options.directory, "/tmp/demo/spool");
}

TEST(border_mta_config, is_read_as_it_is_written) {
  for (const std::string& toml :
       {std::string(default_config), uncommented(read_file(documented)), least}) {
    const std::string once = write_config(parse(toml).value);
    const parsed_config again = parse(once);
    EXPECT_EQ(all_errors(again), "");
    EXPECT_EQ(write_config(again.value), once);
  }
}

// What docs/configuration.md shows works.
TEST(border_mta_config, examples_of_the_documentation_are_right) {
  const std::string page = read_file("docs/configuration.md");
  const std::string begin = "```toml\n";
  std::size_t blocks = 0;
  for (std::size_t at = page.find(begin); at != page.npos; at = page.find(begin, at)) {
    at += begin.size();
    std::string toml = page.substr(at, page.find("```", at) - at);
    if (toml.find("[routes]") == toml.npos) toml += least;
    EXPECT_EQ(all_errors(parse(toml)), "") << toml;
    ++blocks;
  }
  EXPECT_GE(blocks, 5u);
}

// No input makes it do worse than answer: every prefix of a file with everything in it.
TEST(border_mta_config, survives_any_prefix) {
  const std::string toml = uncommented(read_file(documented));
  const auto lines = static_cast<std::size_t>(std::count(toml.begin(), toml.end(), '\n'));
  std::size_t wrong = 0;
  for (std::size_t n = 0; n < toml.size(); n += 7) {
    const parsed_config p = parse(toml.substr(0, n));
    wrong += !p.errors.empty();
    for (const config_error& e : p.errors) EXPECT_LE(e.line, lines + 1);
  }
  EXPECT_GT(wrong, toml.size() / 14) << "routes come late, and have to be there";
}

// --- Routes
// ----------------------------------------------------------------------------------------

TEST(border_mta_routes, are_checked_rule_by_rule) {
  const parsed_config p = parse(R"([routes]
rules = [
  "example.test  maildir:{local}",
  "example.test  discard",
  "other.test    to the moon",
  "third.test    users: alice",
  "fourth.test   smtp:[mx.fourth.test], smtp:fifth.test",
]
)");
  ASSERT_EQ(p.errors.size(), 3u) << all_errors(p);
  EXPECT_EQ(p.errors[2].line, 7u) << p.errors[2].text();
  EXPECT_TRUE(p.errors[2].what.starts_with("MX records are not looked up")) << p.errors[2].text();
  EXPECT_EQ(p.errors[0].line, 4u) << p.errors[0].text();
  EXPECT_EQ(p.errors[0].what, "\"example.test\" has a route already");
  EXPECT_EQ(p.errors[1].line, 5u) << p.errors[1].text();

  const std::string users = "rules = [\"third.test  users: alice\"]\n";
  EXPECT_EQ(parse("[routes]\n" + users).errors.size(), 1u) << "a domain without a route";
  EXPECT_EQ(all_errors(parse("[routes]\nfile = \"routes\"\n" + users)), "")
      << "the file may have it";
}

TEST(border_mta_routes, are_one_text_with_whole_paths) {
  routes_section r;
  r.maildirs = "/m";
  r.rules = {"c.test\tmaildir:c", "maildir:x"};
  EXPECT_EQ(routes_text(r, "a.test maildir:{local}\nb.test maildir:/abs"),
            "a.test maildir:/m/{local}\nb.test maildir:/abs\nc.test\tmaildir:/m/c\nmaildir:x\n");
  EXPECT_EQ(routes_text(r, ""), "c.test\tmaildir:/m/c\nmaildir:x\n");
}

// --- Its parts
// -------------------------------------------------------------------------------------

TEST(border_mta_values, reads_and_writes_times) {
  const std::pair<const char*, std::chrono::milliseconds> good_times[] = {
      {"0s", 0ms}, {"250ms", 250ms}, {"30s", 30s}, {"5m", 5min}, {"2h", 2h}, {"5d", 120h}};
  for (const auto& [text, value] : good_times) {
    EXPECT_EQ(parse_wait(text), value) << text;
    EXPECT_EQ(write_wait(value), text);
  }
  EXPECT_EQ(write_wait(90s), "90s");
  EXPECT_EQ(write_wait(3600s), "1h");
  for (const char* text : {"", "5", "m", "5x", "-5s", "1h30m", "5  s", "1.5h", " 5s",
                           "99999999999999999999s", "9223372036854775807d"})
    EXPECT_EQ(parse_wait(text), std::nullopt) << text;
}

TEST(border_mta_values, reads_days) {
  using std::chrono::sys_days;
  EXPECT_EQ(parse_date("2026-12-01"), sys_days(std::chrono::year(2026) / 12 / 1));
  EXPECT_EQ(parse_date("2024-02-29"), sys_days(std::chrono::year(2024) / 2 / 29));
  for (const char* text : {"", "2026-12-1", "2026-02-29", "2026-13-01", "2026-00-10", "2026/12/01",
                           "2026-12-01 ", "01-12-2026", "-026-12-01", "9999-12-31", "2262-01-01"})
    EXPECT_EQ(parse_date(text), std::nullopt) << text;
}

TEST(border_mta_values, reads_and_writes_sizes) {
  EXPECT_EQ(parse_octets("64 KiB"), 65536u);
  EXPECT_EQ(parse_octets("64KiB"), 65536u);
  EXPECT_EQ(parse_octets("100 B"), 100u);
  EXPECT_EQ(parse_octets("2 GiB"), std::uint64_t{2} << 30);
  for (const char* text : {"", "64", "64 kB", "64 kib", "KiB", "-1 KiB", "99999999999999 GiB"})
    EXPECT_EQ(parse_octets(text), std::nullopt) << text;
  EXPECT_EQ(write_octets(0), "0 B");
  EXPECT_EQ(write_octets(2800), "2800 B");
  EXPECT_EQ(write_octets(50u << 20), "50 MiB");
}

TEST(border_mta_values, finds_what_was_meant) {
  const std::vector<std::string_view> names = {"hostname", "threads", "listen"};
  EXPECT_EQ(nearest("hostnme", names), "hostname");
  EXPECT_EQ(nearest("host_name", names), "hostname");
  EXPECT_EQ(nearest("tread", names), "threads");
  EXPECT_EQ(nearest("colour", names), std::nullopt);
  EXPECT_EQ(nearest("a", names), std::nullopt);
  EXPECT_EQ(nearest("a", {}), std::nullopt);
}

TEST(border_mta_command_line, is_understood) {
  using task = command_line::task;
  const auto of = [](std::vector<const char*> words) {
    words.insert(words.begin(), "border_mta");
    return parse_command_line(static_cast<int>(words.size()), words.data());
  };
  EXPECT_EQ(of({}).what, task::run);
  EXPECT_EQ(of({"--config", "f"}).config_file, "f");
  EXPECT_EQ(of({"--config=f", "--check-config"}).what, task::check);
  EXPECT_EQ(of({"--config=f", "--check-config"}).config_file, "f");
  EXPECT_EQ(of({"--release", "x"}).id, "x");
  EXPECT_EQ(of({"--repair"}).what, task::repair);
  EXPECT_EQ(of({"--dir=/a=b"}).directory, "/a=b");
  EXPECT_EQ(of({"--listen", "[::1]:25"}).listen, "[::1]:25");

  EXPECT_EQ(of({"--confg"}).wrong, "\"--confg\" is no option; did you mean --config?");
  EXPECT_EQ(of({"x"}).wrong, "\"x\" is no option; --help lists them");
  EXPECT_EQ(of({"--config"}).wrong, "--config needs a value; see --help");
  EXPECT_EQ(of({"--queue", "--help"}).wrong, "--help is a second task; give one");
  EXPECT_EQ(of({"--queue=1"}).wrong, "--queue takes no value");
  EXPECT_EQ(of({}).wrong, "");
}

}  // namespace
}  // namespace border_mta
