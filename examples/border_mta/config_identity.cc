// [checks.spf], [checks.dkim], [checks.arc], [checks.dmarc], [checks.auth_results]

#include "checks/dmarc/tree_walk.hpp"
#include "examples/border_mta/sections.hpp"

namespace border_mta {

using namespace std::chrono_literals;

namespace checks = gatepost::checks;

namespace {

void visit_spf_action(fields& f, std::string_view name, checks::spf::action& a) {
  using checks::spf::action;
  f.choice(name, a, {{"pass", action::pass}, {"refuse", action::refuse}, {"defer", action::defer}});
}

void visit_dkim_action(fields& f, std::string_view name, checks::dkim::action& a) {
  using checks::dkim::action;
  f.choice(name, a,
           {{"ignore", action::ignore}, {"refuse", action::refuse}, {"defer", action::defer}});
}

// What a signature becomes. A weak one is never verified, and so cannot pass.
void visit_outcome(fields& f, std::string_view name, checks::dkim::outcome& o) {
  using checks::dkim::outcome;
  f.choice(name, o,
           {{"pass", outcome::pass},
            {"policy", outcome::policy},
            {"neutral", outcome::neutral},
            {"fail", outcome::fail},
            {"permerror", outcome::permerror}});
}

void visit_weak(fields& f, checks::dkim::outcome& o) {
  using checks::dkim::outcome;
  f.choice("weak_algorithm", o,
           {{"policy", outcome::policy},
            {"neutral", outcome::neutral},
            {"fail", outcome::fail},
            {"permerror", outcome::permerror}});
}

void visit_keys(fields& f, checks::dkim::key_policy& keys) {
  // RFC 8301 §3.2: never less than 1024. BoringSSL ends at 16384.
  f.number("min_key_bits", keys.min_rsa_bits, {1024, 16384});
  f.number("max_key_bits", keys.max_rsa_bits, {1024, 16384});
  if (keys.max_rsa_bits < keys.min_rsa_bits)
    f.reject(f.has("max_key_bits") ? "max_key_bits" : "min_key_bits", "no RSA key is of both sizes",
             "write a min_key_bits that is not above max_key_bits");
}

// Why a failure is forgiven; also what reports say (RFC 9990 §3.1.6).
void visit_reason(fields& f, checks::dmarc::override_type& type, std::string& comment) {
  using checks::dmarc::override_type;
  f.choice("type", type,
           {{"trusted_forwarder", override_type::trusted_forwarder},
            {"mailing_list", override_type::mailing_list},
            {"local_policy", override_type::local_policy},
            {"other", override_type::other}});
  f.text("comment", comment);
}

void visit_forwarder(fields& f, checks::dmarc::trusted_forwarder& o) {
  f.networks("networks", o.networks);
  visit_reason(f, o.type, o.comment);
  if (o.networks.empty())
    f.reject("networks", "the forwarder has no network", "write networks = [\"192.0.2.0/24\"]");
}

void visit_domains(fields& f, std::string_view name, std::vector<std::string>& domains) {
  f.texts(name, domains);
  for (std::size_t i = 0; i < domains.size(); ++i) {
    if (!checks::dmarc::canonical_name(domains[i]))
      f.reject_item(name, i, '"' + domains[i] + "\" is no domain",
                    "write \"example.com\", which is all names below it, too");
  }
}

void visit_treatment(fields& f, std::string_view name, checks::dmarc::treatment& t,
                     delivery_mode mode) {
  using checks::dmarc::treatment;
  f.choice(name, t,
           {{"refuse", treatment::refuse}, {"hold", treatment::hold}, {"mark", treatment::mark}});
  if (mode == delivery_mode::cut_through && t == treatment::hold)
    f.reject(name, std::string(nothing_is_kept), "write \"refuse\" or \"mark\"");
}

}  // namespace

void visit_spf(fields& f, checks::spf::check_options& o) {
  f.flag("helo", o.helo);
  visit_spf_action(f, "helo_fail", o.on_helo.fail);
  visit_spf_action(f, "fail", o.on_mail.fail);
  visit_spf_action(f, "softfail", o.on_mail.softfail);
  visit_spf_action(f, "temperror", o.on_mail.temperror);
  visit_spf_action(f, "permerror", o.on_mail.permerror);
  f.flag("received_spf", o.received_spf);
}

void visit_dkim(fields& f, checks::dkim::verifier_options& o) {
  f.number("signatures", o.verify.max_signatures, {1, 100});
  visit_outcome(f, "unsigned_octets", o.verify.unsigned_octets);
  visit_outcome(f, "expired", o.verify.expired);
  f.wait("expiry_grace", o.verify.expiry_grace, {0s, longest_wait});
  visit_weak(f, o.verify.weak_algorithm);
  visit_keys(f, o.verify.keys);
  visit_dkim_action(f, "on_none", o.on_none);
  visit_dkim_action(f, "on_fail", o.on_fail);
  visit_dkim_action(f, "on_permerror", o.on_permerror);
  visit_dkim_action(f, "on_temperror", o.on_temperror);
}

void visit_arc(fields& f, checks::arc::verifier_options& o) {
  f.texts("trusted_sealers", o.validate.trusted_sealers);
}

void visit_dmarc(fields& f, checks::dmarc::check_options& o, delivery_mode mode) {
  using checks::dmarc::odd_from;
  using checks::dmarc::regime;
  f.choice("rfc", o.regime, {{"9989", regime::rfc9989}, {"7489", regime::rfc7489}});
  visit_treatment(f, "on_reject", o.on_reject, mode);
  visit_treatment(f, "on_quarantine", o.on_quarantine, mode);
  f.real("reject_score", o.reject_score, {-1000, 1000});
  f.real("quarantine_score", o.quarantine_score, {-1000, 1000});
  f.flag("defer_on_temperror", o.defer_on_temperror);
  f.choice("odd_from", o.on_odd_from,
           {{"ignore", odd_from::ignore},
            {"refuse", odd_from::refuse},
            {"each", odd_from::evaluate_each}});
  f.networks("exempt", o.exempt);
  f.flag("trust_arc", o.trust_arc);
  f.tables("forwarders", o.forwarders, checks::dmarc::trusted_forwarder(),
           [&](auto& forwarder) { visit_forwarder(f, forwarder); });
}

void visit_dmarc_exceptions(fields& f, std::vector<dmarc_exception>& all) {
  f.tables("local_policy", all, dmarc_exception(), [&](dmarc_exception& e) {
    visit_domains(f, "authors", e.authors);
    visit_domains(f, "authenticated", e.authenticated);
    visit_reason(f, e.type, e.comment);
    if (e.authors.empty() && e.authenticated.empty())
      f.reject("authors", "it would let every message through",
               "write authors, authenticated or both");
  });
}

void visit_auth_results(fields& f, checks::auth_results_options& o) {
  f.text("authserv_id", o.authserv_id);
  f.texts("other_ids", o.other_ids);
  f.networks("trusted", o.trusted);
  f.flag("write_none", o.write_none);
  f.flag("write_auth", o.write_auth);
}

}  // namespace border_mta
