// [checks.spf], [checks.dkim], [checks.arc], [checks.dmarc], [checks.auth_results]

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
}

void visit_auth_results(fields& f, checks::auth_results_options& o) {
  f.text("authserv_id", o.authserv_id);
  f.texts("other_ids", o.other_ids);
  f.networks("trusted", o.trusted);
  f.flag("write_none", o.write_none);
  f.flag("write_auth", o.write_auth);
}

}  // namespace border_mta
