// [checks]

#include "examples/border_mta/sections.hpp"

namespace border_mta {

using namespace std::chrono_literals;

namespace checks = gatepost::checks;

namespace {

const auto any_count = or_none<std::uint64_t>(1, most_count);

// The keys that each check has, and its own.
template <class Options, class Visit>
void visit_check(fields& f, std::string_view name, check_section<Options>& c, Visit own) {
  f.table(name, [&] {
    f.flag("enabled", c.enabled);
    // RFC 5321 §4.5.3.2: clients wait five minutes for a reply.
    f.wait("deadline", c.deadline, {10ms, 4min});
    f.choice("on_error", c.on_error,
             {{"defer", checks::on_error::defer},
              {"skip", checks::on_error::skip},
              {"refuse", checks::on_error::refuse}});
    own(c.options);
  });
}

void visit_connection_limit(fields& f, checks::connection_limit_options& o) {
  f.number("connections", o.connections, any_count);
  f.number("rate", o.rate, any_count);
  f.wait("per", o.per, {1s, 24h});
  f.number("v4_bits", o.v4_bits, {1, 32});
  f.number("v6_bits", o.v6_bits, {1, 128});
  f.networks("exempt", o.exempt);
  f.number("networks", o.networks, {1, most_count});
}

void visit_early_talker(fields& f, checks::early_talker_options& o) {
  using action = checks::early_talker_action;
  f.choice("greeting", o.greeting,
           {{"ignore", action::ignore}, {"score", action::score}, {"refuse", action::refuse}});
  f.choice("pipelining", o.pipelining,
           {{"ignore", action::ignore}, {"score", action::score}, {"refuse", action::refuse}});
  f.real("points", o.points, {-1000, 1000});
  f.networks("exempt", o.exempt);
}

void visit_helo(fields& f, checks::helo_options& o) {
  f.flag("syntax", o.syntax);
  f.flag("bare_address", o.bare_address);
  f.flag("fully_qualified", o.fully_qualified);
  f.flag("self_claim", o.self_claim);
  f.flag("literal_mismatch", o.literal_mismatch);
  f.texts("own_names", o.own_names);
  f.networks("exempt", o.exempt);
}

void visit_volume_limit(fields& f, checks::volume_limit_options& o) {
  using sender = checks::volume_limit_options::sender;
  f.number("messages", o.messages, any_count);
  f.number("recipients", o.recipients, any_count);
  f.number("unknown_recipients", o.unknown_recipients, any_count);
  f.choice("by", o.by,
           {{"identity", sender::identity},
            {"network", sender::network},
            {"reverse_path", sender::reverse_path}});
  f.number("sender_messages", o.sender_messages.count, any_count);
  f.wait("sender_messages_per", o.sender_messages.per, {1s, longest_wait});
  f.number("sender_recipients", o.sender_recipients.count, any_count);
  f.wait("sender_recipients_per", o.sender_recipients.per, {1s, longest_wait});
  f.number("senders", o.senders, {1, most_count});
  f.networks("exempt", o.exempt);
}

void visit_relay_domains(fields& f, checks_section& c) {
  f.texts("domains", c.relay_domains_list);
  f.networks("trusted", c.relay_domains.options.trusted);
  f.flag("trusted_unix", c.relay_domains.options.trusted_unix);
  f.flag("authenticated", c.relay_domains.options.authenticated);
  c.relay_domains.options.domains = {};
  for (std::size_t i = 0; i < c.relay_domains_list.size(); ++i) {
    const std::string& domain = c.relay_domains_list[i];
    if (!c.relay_domains.options.domains.add(domain))
      f.reject_item("domains", i, '"' + domain + "\" is no domain",
                    "write \"example.com\", or \".example.com\" for all names below it");
  }
  if (c.relay_domains.enabled && c.relay_domains_list.empty())
    f.reject("domains", "without a domain the check refuses everybody",
             "write domains = [\"example.com\"], or enabled = false");
}

void visit_loop(fields& f, checks::loop_options& o) {
  f.number("hops", o.hops, or_none<std::uint64_t>(5, 1000));
  f.number("own_visits", o.own_visits, or_none<std::uint64_t>(1, 1000));
  f.flag("delivered_to", o.delivered_to);
}

void visit_scores(fields& f, checks::score_bounds& s, delivery_mode mode) {
  f.real("tag", s.tag, {-1000, 1000});
  if (mode == delivery_mode::spool)
    f.real("hold", s.hold, {-1000, 1000});
  else
    f.unused("hold", std::string(nothing_is_kept), "write tag or refuse");
  f.real("refuse", s.refuse, {-1000, 1000});
  f.text("header", s.mark.name);
  f.text("value", s.mark.value);
}

}  // namespace

void visit_checks(fields& f, checks_section& c, delivery_mode mode) {
  f.flag("delay_refusals", c.chain.delay_refusals);
  f.flag("postmaster_gets_all", c.postmaster_gets_all);
  f.flag("run_all", c.chain.run_all);
  f.wait("cancellation_grace", c.chain.cancellation_grace, {1ms, 10s});
  f.table("scores", [&] { visit_scores(f, c.chain.scores, mode); });
  visit_check(f, "connection_limit", c.connection_limit,
              [&](auto& o) { visit_connection_limit(f, o); });
  visit_check(f, "early_talker", c.early_talker, [&](auto& o) { visit_early_talker(f, o); });
  visit_check(f, "helo", c.helo, [&](auto& o) { visit_helo(f, o); });
  visit_check(f, "volume_limit", c.volume_limit, [&](auto& o) { visit_volume_limit(f, o); });
  f.table("client", [&] { visit_client(f, c.client); });
  visit_check(f, "reverse_dns", c.reverse_dns, [&](auto& o) { visit_reverse_dns(f, o); });
  visit_check(f, "helo_dns", c.helo_dns, [&](auto& o) { visit_helo_dns(f, o); });
  visit_check(f, "mail_domain", c.mail_domain, [&](auto& o) { visit_mail_domain(f, o); });
  visit_check(f, "dnsbl", c.dnsbl, [&](auto& o) {
    f.flag("self_check", c.dnsbl_self_check);
    visit_dnsbl(f, o);
  });
  visit_check(f, "spf", c.spf, [&](auto& o) { visit_spf(f, o); });
  visit_check(f, "dkim", c.dkim, [&](auto& o) { visit_dkim(f, o); });
  visit_check(f, "arc", c.arc, [&](auto& o) { visit_arc(f, o); });
  visit_check(f, "dmarc", c.dmarc, [&](auto& o) {
    visit_dmarc(f, o, mode);
    visit_dmarc_exceptions(f, c.dmarc_exceptions);
    f.table("reports", [&] { visit_reports(f, c.dmarc_reports, c.dmarc.enabled); });
  });
  visit_check(f, "auth_results", c.auth_results, [&](auto& o) { visit_auth_results(f, o); });
  visit_check(f, "relay_domains", c.relay_domains, [&](auto&) { visit_relay_domains(f, c); });
  visit_check(f, "loop", c.loop, [&](auto& o) { visit_loop(f, o); });
}

}  // namespace border_mta
