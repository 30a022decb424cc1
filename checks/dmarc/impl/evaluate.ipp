#ifndef GATEPOST_CHECKS_DMARC_IMPL_EVALUATE_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_EVALUATE_IPP

#include <algorithm>
#include <utility>

#include "checks/dmarc/evaluate.hpp"
#include "smtp/domain.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

inline policy one_level_below(policy p) {
  return p == policy::reject ? policy::quarantine : policy::none;
}

// Of several signatures the best one speaks for DKIM.
inline int rank(mechanism_result r) {
  switch (r) {
    case mechanism_result::pass: return 3;
    case mechanism_result::temperror: return 2;
    case mechanism_result::fail: return 1;
    case mechanism_result::none: return 0;
  }
  return 0;
}

// Only these can change what DMARC says.
inline bool counts(auth_result r) { return r == auth_result::pass || r == auth_result::temperror; }

}  // namespace detail

GATEPOST_DECL std::string_view to_string(result r) {
  switch (r) {
    case result::none: return "none";
    case result::pass: return "pass";
    case result::fail: return "fail";
    case result::temperror: return "temperror";
    case result::permerror: return "permerror";
  }
  return "?";
}

GATEPOST_DECL std::string_view to_string(override_type t) {
  switch (t) {
    case override_type::forwarded: return "forwarded";
    case override_type::sampled_out: return "sampled_out";
    case override_type::trusted_forwarder: return "trusted_forwarder";
    case override_type::mailing_list: return "mailing_list";
    case override_type::local_policy: return "local_policy";
    case override_type::policy_test_mode: return "policy_test_mode";
    case override_type::other: return "other";
  }
  return "?";
}

GATEPOST_DECL void evaluation::override_by(override_type type, std::string comment,
                                           dmarc::policy instead) {
  disposition = instead;
  overrides.push_back({type, std::move(comment)});
}

GATEPOST_DECL int severity(const evaluation& e) {
  switch (e.result) {
    case result::fail: return 3 + static_cast<int>(e.disposition);
    case result::temperror:
    case result::permerror: return 2;
    case result::none: return 1;
    case result::pass: return 0;
  }
  return 0;
}

GATEPOST_DECL evaluator::evaluator(std::string_view author_domain, evaluation_options options)
    : options_(options) {
  auto author = canonical_name(author_domain);
  if (!author) {
    outcome_.author_domain = author_domain;
    give_up(result::none, "the Author Domain is no domain name");
    return;
  }
  author_ = *std::move(author);
  outcome_.author_domain = author_;
}

GATEPOST_DECL std::optional<question> evaluator::next() {
  if (asking_) return asking_;
  if (!discovered_) discover();
  if (discovered_ && identifiers_ && !concluded_) conclude();
  return asking_;
}

GATEPOST_DECL void evaluator::answer(const smtp::dns::answer<std::string>& records) {
  if (!asking_ || asking_->type != question::kind::txt) return;
  finding f;
  if (!records.is_definite()) f.what = found::failed;
  for (const std::string& text : records.records()) {
    auto parsed = parse_record(text);
    if (!parsed) continue;
    f.what = f.what == found::nothing ? found::one : found::several;
    f.record = std::move(parsed);
  }
  findings_.insert_or_assign(asking_for_, std::move(f));
  asking_.reset();
}

GATEPOST_DECL void evaluator::answer(smtp::dns::status status) {
  if (!asking_ || asking_->type != question::kind::existence) return;
  existence_ = status;
  asking_.reset();
}

GATEPOST_DECL void evaluator::judge(dmarc::identifiers found) { identifiers_ = std::move(found); }

GATEPOST_DECL void evaluator::give_up(dmarc::result r, std::string reason) {
  outcome_.result = r;
  outcome_.reason = std::move(reason);
  discovered_ = concluded_ = true;
}

// --- What the DNS says ---------------------------------------------------------------------------

// nullptr: it has to be asked for first.
GATEPOST_DECL const evaluator::finding* evaluator::look_up(std::string_view domain) {
  if (const auto known = findings_.find(domain); known != findings_.end()) return &known->second;
  auto name = policy_name(domain);
  if (!name) return &findings_[std::string(domain)];  // too long to exist
  asking_ = question{*std::move(name), question::kind::txt};
  asking_for_ = domain;
  return nullptr;
}

// RFC 9989 §4.10. The names are views into `domain`.
GATEPOST_DECL evaluator::walk evaluator::walk_from(std::string_view domain) {
  walk w;
  for (const std::string_view name : tree_walk(domain)) {
    const finding* f = look_up(name);
    if (f == nullptr || f->what == found::failed) {
      w.state = f == nullptr ? state::missing : state::failed;
      return w;
    }
    if (f->what != found::one) continue;  // several ones are discarded, too
    w.found.push_back({name, &*f->record});
    if (ends_walk(*f->record)) break;
  }
  return w;
}

GATEPOST_DECL evaluator::organization evaluator::organization_of(const std::string& domain) {
  if (const auto known = organizations_.find(domain); known != organizations_.end())
    return {known->second ? state::ready : state::failed, known->second.value_or("")};
  std::string organization = domain;
  if (options_.regime == regime::rfc9989) {
    const walk w = walk_from(domain);
    if (w.state == state::failed) organizations_.emplace(domain, std::nullopt);
    if (w.state != state::ready) return {w.state, {}};
    organization = dmarc::organizational_domain(domain, w.found);
  } else if (options_.suffixes != nullptr) {
    // RFC 7489 §3.2; a public suffix stands for itself.
    organization = options_.suffixes->registrable_domain(domain).value_or(domain);
  }
  organizations_.emplace(domain, organization);
  return {state::ready, std::move(organization)};
}

// --- Policy discovery ----------------------------------------------------------------------------

GATEPOST_DECL void evaluator::discover() {
  const bool by_list = options_.regime == regime::rfc7489;
  if (by_list) outcome_.organizational_domain = organization_of(author_).domain;
  if (!outcome_.record) {
    const finding* own = look_up(author_);
    if (own == nullptr) return;
    if (own->what == found::failed) return give_up(result::temperror, "DNS: " + author_);
    if (own->what == found::one)
      take_record(author_, *own->record);
    else if (by_list)
      discover_by_list(*own);
    else
      discover_by_walk();
  }
  if (outcome_.record && choose_policy()) discovered_ = true;
}

// RFC 9989 §4.10.1
GATEPOST_DECL void evaluator::discover_by_walk() {
  const walk w = walk_from(author_);
  if (w.state == state::missing) return;
  if (w.state == state::failed) return give_up(result::temperror, "DNS: above " + author_);
  outcome_.organizational_domain = dmarc::organizational_domain(author_, w.found);
  organizations_.emplace(author_, outcome_.organizational_domain);
  const walk_find* above = policy_above(author_, w.found);
  if (above == nullptr) return give_up(result::none, "no DMARC record");
  outcome_.psd_policy = above->record->psd == psd_flag::yes;
  take_record(above->domain, *above->record);
}

// RFC 7489 §6.6.3. Several records at one name end the search.
GATEPOST_DECL void evaluator::discover_by_list(const finding& own) {
  const std::string& organization = outcome_.organizational_domain;
  const finding* f = &own;
  if (own.what == found::nothing && organization != author_) {
    f = look_up(organization);
    if (f == nullptr) return;
  }
  switch (f->what) {
    case found::one: return take_record(organization, *f->record);
    case found::several: return give_up(result::none, "several DMARC records");
    case found::failed: return give_up(result::temperror, "DNS: " + organization);
    case found::nothing: return give_up(result::none, "no DMARC record");
  }
}

GATEPOST_DECL void evaluator::take_record(std::string_view domain, const dmarc::record& found) {
  const dmarc::record r =
      options_.regime == regime::rfc7489 ? found.without_np() : found.with_default_policy();
  if (!r.usable()) {
    // RFC 9989 §4.10.1: no DMARC processing.
    return give_up(result::none, "the DMARC record of " + std::string(domain) + " has no valid p");
  }
  outcome_.record_domain = domain;
  outcome_.record = r.applied();
}

// False: something has to be asked first.
GATEPOST_DECL bool evaluator::choose_policy() {
  const dmarc::record& r = *outcome_.record;
  if (outcome_.record_domain == author_) {
    outcome_.policy = r.own_policy();
    return true;
  }
  outcome_.policy = r.subdomain_policy();
  outcome_.tag = r.sp ? policy_tag::sp : policy_tag::p;
  if (r.nonexistent_policy() == r.subdomain_policy()) return true;
  if (!existence_) {
    asking_ = question{author_, question::kind::existence};
    return false;
  }
  // RFC 9989 §3.2.13, RFC 8020: NXDOMAIN, and nothing less, says that a domain does not exist.
  if (*existence_ != smtp::dns::status::no_such_name) return true;
  outcome_.policy = r.nonexistent_policy();
  outcome_.tag = policy_tag::np;
  return true;
}

// --- Alignment -----------------------------------------------------------------------------------

// RFC 9989 §4.10.2
GATEPOST_DECL evaluator::alignment evaluator::align(const std::string& domain,
                                                    alignment_mode mode) {
  if (domain == author_) return alignment::aligned;
  if (mode == alignment_mode::strict || domain.empty()) return alignment::unaligned;
  // Organizational Domains have their top-level domain in common, or nothing.
  if (last_labels(domain, 1) != last_labels(author_, 1)) return alignment::unaligned;
  const organization author = organization_of(author_);
  if (author.state == state::missing) return alignment::missing;
  if (author.state == state::failed) return alignment::unknown;
  outcome_.organizational_domain = author.domain;
  // The Organizational Domain of a domain is the domain or one above it.
  if (!smtp::is_subdomain_of(domain, author.domain)) return alignment::unaligned;
  if (!organizations_.contains(domain) && organizations_.size() > options_.identifiers)
    return alignment::unknown;
  const organization other = organization_of(domain);
  if (other.state == state::missing) return alignment::missing;
  if (other.state == state::failed) return alignment::unknown;
  return other.domain == author.domain ? alignment::aligned : alignment::unaligned;
}

// False, here and below: something has to be asked first.
GATEPOST_DECL bool evaluator::judge_spf() {
  const auto& spf = identifiers_->spf;
  outcome_.spf = mechanism_result::none;
  if (!spf || !detail::counts(spf->result)) return true;
  const bool passed = spf->result == auth_result::pass;
  const auto domain = canonical_name(spf->domain);
  switch (align(domain.value_or(""), options_.alignment.value_or(outcome_.record->aspf))) {
    case alignment::missing: return false;
    case alignment::unknown: outcome_.spf = mechanism_result::temperror; break;
    case alignment::aligned:
      outcome_.spf = passed ? mechanism_result::pass : mechanism_result::temperror;
      break;
    case alignment::unaligned:
      outcome_.spf = passed ? mechanism_result::fail : mechanism_result::none;
      break;
  }
  return true;
}

GATEPOST_DECL bool evaluator::judge_dkim() {
  const std::size_t n = identifiers_->dkim.size();
  outcome_.dkim_each.assign(n, {});
  outcome_.dkim = mechanism_result::none;
  // Signatures of the Author Domain itself come first: they need no DNS, and then none does.
  for (const bool look : {false, true}) {
    if (outcome_.dkim == mechanism_result::pass) break;
    for (std::size_t i = 0; i < n; ++i)
      if (!judge_signature(i, look)) return false;
  }
  return true;
}

GATEPOST_DECL bool evaluator::judge_signature(std::size_t index, bool look) {
  const authenticated_dkim& signature = identifiers_->dkim[index];
  identifier_alignment& out = outcome_.dkim_each[index];
  out.domain = signature.domain;
  out.authentication = signature.result;
  if (!detail::counts(signature.result)) return true;
  const bool passed = signature.result == auth_result::pass;
  const auto domain = canonical_name(signature.domain);
  const auto mode =
      look ? options_.alignment.value_or(outcome_.record->adkim) : alignment_mode::strict;
  switch (align(domain.value_or(""), mode)) {
    case alignment::missing: return false;
    case alignment::unknown: out.result = mechanism_result::temperror; break;
    case alignment::aligned:
      out.result = passed ? mechanism_result::pass : mechanism_result::temperror;
      break;
    case alignment::unaligned:
      out.result = passed ? mechanism_result::fail : mechanism_result::none;
      break;
  }
  if (detail::rank(out.result) > detail::rank(outcome_.dkim)) outcome_.dkim = out.result;
  return true;
}

// What has been asked may tell it, also where it was not needed.
GATEPOST_DECL void evaluator::note_organization() {
  if (options_.regime == regime::rfc7489 || !outcome_.organizational_domain.empty()) return;
  std::vector<walk_find> found;
  for (const std::string_view name : tree_walk(author_)) {
    const auto known = findings_.find(name);
    if (known == findings_.end() || known->second.what == found::failed) return;
    if (known->second.what != found::one) continue;
    found.push_back({name, &*known->second.record});
    if (ends_walk(*known->second.record)) break;
  }
  outcome_.organizational_domain = dmarc::organizational_domain(author_, found);
}

GATEPOST_DECL void evaluator::conclude() {
  if (!judge_spf() || !judge_dkim()) return;
  concluded_ = true;
  note_organization();
  const auto any = [this](mechanism_result r) { return outcome_.spf == r || outcome_.dkim == r; };
  if (any(mechanism_result::pass)) {
    outcome_.result = result::pass;
  } else if (any(mechanism_result::temperror)) {
    // RFC 9989 §5.3.6: neither passed nor failed.
    outcome_.result = result::temperror;
    outcome_.reason = "SPF, DKIM or an alignment could not be looked up";
  } else if (existence_ == smtp::dns::status::temporary_failure) {
    // RFC 9989 §5.3.6: which policy holds is not known.
    outcome_.result = result::temperror;
    outcome_.reason = "DNS: whether " + author_ + " exists could not be looked up";
  } else {
    outcome_.result = result::fail;
    settle();
  }
}

// The message fails: what is to be done with it.
GATEPOST_DECL void evaluator::settle() {
  outcome_.disposition = outcome_.policy;
  if (outcome_.policy == policy::none) return;
  const policy below = detail::one_level_below(outcome_.policy);
  const dmarc::record& r = *outcome_.record;
  if (options_.regime == regime::rfc9989 && r.testing)
    outcome_.override_by(override_type::policy_test_mode, "t=y", below);
  // RFC 7489 §6.6.4
  if (options_.regime == regime::rfc7489 && options_.sample >= r.pct)
    outcome_.override_by(override_type::sampled_out, "pct=" + std::to_string(r.pct), below);
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_EVALUATE_IPP
