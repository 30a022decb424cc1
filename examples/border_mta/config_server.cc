// [server], [limits], [connections], [tls], [[channel]], [[channel_rule]], [[channel_switch]]

#include <algorithm>
#include <string>

#include "examples/border_mta/sections.hpp"
#include "smtp/domain.hpp"
#include "smtp/extension.hpp"

namespace border_mta {

using namespace std::chrono_literals;

namespace smtp = gatepost::smtp;

namespace {

bool has_channel(const config& c, std::string_view name) {
  const auto& channels = c.server.channels;
  return std::any_of(channels.begin(), channels.end(),
                     [name](const smtp::channel& each) { return each.name == name; });
}

void check_channel(fields& f, const config& c, const std::string& name) {
  if (has_channel(c, name)) return;
  f.reject("channel", "there is no channel \"" + name + '"',
           "add a [[channel]] with that name, or name one that there is");
}

void check_hostname(fields& f, const std::string& name) {
  if (name.empty() || smtp::valid_domain(name)) return;
  f.reject("hostname", '"' + name + "\" is no host name",
           "write the name that DNS has for this machine, such as \"mx.example.com\"");
}

void visit_listener(fields& f, smtp::listener& l, const config& c) {
  f.text("address", l.address);
  f.flag("tls", l.implicit_tls);
  f.flag("proxy", l.proxy);
  f.text("channel", l.channel);
  if (!l.address.starts_with("unix:/") && !smtp::parse_endpoint(l.address))
    f.reject("address", l.address.empty() ? "the address is missing" : "this is no address",
             "write ADDRESS:PORT or unix:/PATH, such as \"192.0.2.1:25\" or \"[::]:25\"");
  if (l.implicit_tls && c.tls.options.certificates.empty() && !c.tls.self_signed)
    f.reject("tls", "TLS needs a certificate, and there is none",
             "name one in tls.certificates, or write false here");
  if (l.proxy && c.server.proxies.empty())
    f.reject("proxy", "nobody is trusted to speak the PROXY protocol",
             "write the addresses of your proxies into proxies.networks, or false here");
  check_channel(f, c, l.channel);
  const auto used = std::find_if(c.server.channels.begin(), c.server.channels.end(),
                                 [&](const smtp::channel& one) { return one.name == l.channel; });
  if (used != c.server.channels.end() && used->require_tls && c.tls.options.certificates.empty() &&
      !c.tls.self_signed)
    f.reject("channel", "its require_tls lets no mail in, because there is no certificate",
             "name one in tls.certificates, or write require_tls = false there");
}

// The key of an extension: its keyword in lower case.
std::string key_of(const smtp::extension_row& row) { return smtp::to_lower_ascii(row.keyword); }

void visit_extensions(fields& f, smtp::extension_set& set) {
  for (const smtp::extension_row& row : smtp::extension_table) {
    // No mechanism of AUTH comes with border_mta.
    if (row.bit == smtp::extension::auth) continue;
    bool on = set.has(row.bit);
    f.flag(key_of(row), on);
    if (on)
      set.add(row.bit);
    else
      set.remove(row.bit);
  }
  if (set.has(smtp::extension::binarymime) && !set.has(smtp::extension::chunking))
    f.reject("binarymime", "BINARYMIME is nothing without CHUNKING (RFC 3030 §3)",
             "write chunking = true, too");
}

void visit_solicitations(fields& f, smtp::channel& c) {
  f.texts("unwanted_solicitations", c.unwanted_solicitations);
  for (std::size_t i = 0; i < c.unwanted_solicitations.size(); ++i) {
    if (!smtp::is_solicitation_keyword(c.unwanted_solicitations[i]))
      f.reject_item("unwanted_solicitations", i, "not a class of solicitations (RFC 3865 §2.2)",
                    "write a name as in \"org.example:ADV\"");
  }
}

void visit_channel(fields& f, smtp::channel& c) {
  f.text("name", c.name);
  f.text("hostname", c.hostname);
  f.text("greeting", c.greeting);
  f.choice("line_ends", c.line_ends,
           {{"strict", smtp::line_ends::strict}, {"normalise", smtp::line_ends::normalise}});
  f.flag("lmtp", c.lmtp);
  f.flag("require_tls", c.require_tls);
  f.flag("split_classes", c.split_classes);
  f.choice("merge", c.merge,
           {{"refuse_if_any", smtp::merge_rule::refuse_if_any},
            {"accept_if_any", smtp::merge_rule::accept_if_any}});
  // RFC 5321 §4.5.3.2.1: a client waits five minutes for the greeting, and many less.
  f.wait("greeting_delay", c.greeting_delay, {0ms, 60s});
  f.wait("tarpit", c.tarpit, {0ms, 30s});
  f.flag("quote_id", c.quote_id);
  visit_solicitations(f, c);
  f.networks("xclient_from", c.xclient_from);
  f.table("extensions", [&] { visit_extensions(f, c.extensions); });
  f.table("limits", [&] { visit_limits(f, c.limits); });
  check_hostname(f, c.hostname);
  if (c.name.empty())
    f.reject("name", "the name is missing", "write name = \"default\", or a name of your own");
}

void visit_rule(fields& f, smtp::channel_rule& rule, const config& c) {
  f.networks("networks", rule.clients);
  f.text("channel", rule.channel);
  if (rule.clients.empty())
    f.reject("networks", "the rule names no network", "write networks = [\"192.0.2.0/24\"]");
  check_channel(f, c, rule.channel);
}

void visit_switch(fields& f, smtp::channel_switch& rule, const config& c) {
  f.text("identity", rule.identity);
  f.text("certificate", rule.certificate);
  f.text("channel", rule.channel);
  if (rule.identity.empty() && rule.certificate.empty())
    f.reject("identity", "the rule is about nobody",
             "write identity = \"NAME\", certificate = \"NAME\", or \"*\" for any");
  if (!rule.certificate.empty() && c.tls.options.clients == smtp::client_certificates::none)
    f.reject("certificate", "no client is asked for a certificate",
             "write client_certificates = \"request\" and client_ca in [tls]");
  check_channel(f, c, rule.channel);
}

}  // namespace

void visit_server(fields& f, config& c) {
  f.text("hostname", c.hostname);
  f.number("threads", c.threads, {0, 256});
  f.octets("memory", c.server.memory, {1u << 20, most_octets});
  f.wait("stop_within", c.server.stop_within, {0ms, 1h});
  check_hostname(f, c.hostname);
  smtp::listener prototype;
  f.tables("listen", c.listeners, prototype, [&](smtp::listener& l) { visit_listener(f, l, c); });
  if (c.listeners.empty())
    f.reject("listen", "the server listens nowhere",
             "write for example listen = [{ address = \"[::]:25\" }]");
}

void visit_limits(fields& f, smtp::session_limits& l) {
  const auto any_wait = range<milliseconds>{1s, 24h};
  f.octets("command_line", l.command_line, {512, 64u << 10});  // RFC 5321 §4.5.3.1.4
  f.octets("auth_line", l.auth_line, {512, 1u << 20});
  f.octets("text_line", l.text_line, or_none<std::uint64_t>(1000, most_octets));
  f.octets("message", l.message, {64u << 10, most_octets});  // RFC 5321 §4.5.3.1.7
  f.octets("header", l.header, {4u << 10, 64u << 20});
  f.octets("drain", l.drain, {0, most_octets});
  f.octets("read_buffer", l.read_buffer, {4u << 10, 1u << 20});
  f.octets("command_buffer", l.command_buffer, {4u << 10, 1u << 20});
  f.octets("pending_output", l.pending_output, {4u << 10, 16u << 20});
  f.number("recipients", l.recipients, {1, 1'000'000});
  f.number("transactions", l.transactions, or_none<std::uint64_t>(1, most_count));
  f.number("bad_commands", l.bad_commands, {1, most_count});
  f.number("bad_recipients", l.bad_recipients, or_none<std::uint64_t>(1, most_count));
  f.number("idle_commands", l.idle_commands, {1, most_count});
  f.number("auth_failures", l.auth_failures, {1, 1000});
  f.number("parameters", l.parameters, {1, 100});
  f.number("hops", l.hops, {5, 1000});
  f.wait("command_timeout", l.command_timeout, any_wait);
  f.wait("data_timeout", l.data_timeout, any_wait);
  f.wait("first_command_timeout", l.first_command_timeout, any_wait);
  f.wait("write_timeout", l.write_timeout, any_wait);
  f.wait("tls_timeout", l.tls_timeout, any_wait);
  f.wait("proxy_timeout", l.proxy_timeout, any_wait);
  f.wait("session_time", l.session_time, {1s, longest_wait});
  // RFC 5321 §4.5.3.2.6: after ten minutes the client is gone.
  f.wait("processing_time", l.processing_time, {1s, 9min});
  // RFC 5321 §4.5.3.2.4: after two minutes without a 354 the client is gone.
  f.wait("answer_time", l.answer_time, {1s, 110s});
  f.octets("min_body_rate", l.min_body_rate, or_none<std::uint64_t>(1, 1u << 30));
  f.wait("rate_grace", l.rate_grace, {0ms, 1h});
}

void visit_connections(fields& f, smtp::connection_limits& l) {
  const auto count = or_none<std::uint64_t>(1, most_count);
  f.number("total", l.total, count);
  f.number("per_network", l.per_network, count);
  f.number("per_second", l.per_second, count);
  f.number("per_second_and_network", l.per_second_and_network, count);
  f.number("v4_bits", l.v4_bits, {1, 32});
  f.number("v6_bits", l.v6_bits, {1, 128});
  f.number("remembered", l.remembered, {1, most_count});
}

namespace {

void check_client_certificates(fields& f, const tls_section& t) {
  using smtp::client_certificates;
  if (t.options.clients == client_certificates::require && t.options.client_ca_file.empty())
    f.reject(
        "client_certificates", "without client_ca no certificate can be trusted",
        "write client_ca = \"FILE\" with the authorities that sign your clients' certificates");
  else if (t.options.clients != client_certificates::none && t.options.certificates.empty() &&
           !t.self_signed)
    f.reject("client_certificates", "without a certificate of our own there is no TLS",
             "name one in tls.certificates, or write \"none\" here");
}

}  // namespace

void visit_tls(fields& f, tls_section& t) {
  using version = smtp::tls_version;
  f.flag("self_signed", t.self_signed);
  for (const auto& [key, value] : {std::pair{"min_version", &t.options.min_version},
                                   std::pair{"max_version", &t.options.max_version}})
    f.choice(key, *value,
             {{"1.0", version::tls_1_0},
              {"1.1", version::tls_1_1},
              {"1.2", version::tls_1_2},
              {"1.3", version::tls_1_3}});
  if (t.options.min_version > t.options.max_version)
    f.reject("max_version", "it is below min_version", "raise it, or lower min_version");
  f.text("ciphers", t.options.ciphers);
  f.choice("client_certificates", t.options.clients,
           {{"none", smtp::client_certificates::none},
            {"request", smtp::client_certificates::request},
            {"require", smtp::client_certificates::require}});
  f.path("client_ca", t.options.client_ca_file);
  f.flag("session_tickets", t.options.session_tickets);
  f.flag("allow_expired", t.options.allow_expired);
  f.tables("certificates", t.options.certificates, smtp::certificate_source(),
           [&](smtp::certificate_source& s) {
             f.path("chain", s.chain_file);
             f.path("key", s.key_file);
             if (s.chain_file.empty())
               f.reject("chain", "the certificate's file is missing",
                        "write chain = \"FILE\", a PEM file with the certificate first");
           });
  check_client_certificates(f, t);
}

void visit_xclient(fields& f, smtp::channel& c) {
  f.networks("networks", c.xclient_from);
  if (c.xclient_from.empty()) return;
  c.extensions.add(smtp::extension::xclient).add(smtp::extension::xforward);
}

void visit_channels(fields& f, config& c) {
  f.tables("channel", c.server.channels, c.inherited, [&](smtp::channel& channel) {
    visit_channel(f, channel);
    const auto same = [&](const smtp::channel& other) {
      return &other < &channel && other.name == channel.name;
    };
    if (std::any_of(c.server.channels.begin(), c.server.channels.end(), same))
      f.reject("name", "there are two channels of this name", "rename one of them");
  });
  // Listeners that name no channel have this one.
  if (!has_channel(c, "default")) c.server.channels.push_back(c.inherited);
  f.tables("channel_rule", c.server.rules, smtp::channel_rule(),
           [&](smtp::channel_rule& rule) { visit_rule(f, rule, c); });
}

void visit_switches(fields& f, config& c) {
  f.tables("channel_switch", c.server.switches, smtp::channel_switch(),
           [&](smtp::channel_switch& rule) { visit_switch(f, rule, c); });
}

}  // namespace border_mta
