#ifndef GATEPOST_CHECKS_SPF_IMPL_EVALUATE_IPP
#define GATEPOST_CHECKS_SPF_IMPL_EVALUATE_IPP

// evaluate.ipp: the way through the records, and questions and answers. evaluate_terms.ipp: what a
// single term means.

#include <algorithm>
#include <memory>
#include <utility>

#include "checks/spf/detail/names.hpp"
#include "checks/spf/evaluate.hpp"
#include "checks/spf/impl/evaluate_terms.ipp"
#include "smtp/domain.hpp"

namespace gatepost::checks::spf {

GATEPOST_DECL query query::helo_identity(const smtp::ip_address& client, std::string helo,
                                         std::int64_t time) {
  query q = mail_from(client, {}, std::move(helo), time);
  q.identity = identity::helo;
  return q;
}

GATEPOST_DECL query query::mail_from(const smtp::ip_address& client, std::string reverse_path,
                                     std::string helo, std::int64_t time) {
  query q;
  q.client = client;
  q.sender = std::move(reverse_path);
  // RFC 7208 §2.4: the null sender is postmaster at the HELO name.
  if (q.sender.empty()) q.sender.append("postmaster@").append(helo);
  q.helo = std::move(helo);
  q.time = time;
  return q;
}

GATEPOST_DECL evaluation::evaluation(query q, const evaluation_options& options)
    : options_(options),
      client_(q.client.unmapped()),  // RFC 7208 §5
      helo_(std::move(q.helo)),
      time_(q.time) {
  outcome_.identity = q.identity;
  outcome_.sender = std::move(q.sender);
  set_identity();
  enter(asked_domain(), origin::query);
  run();
}

// RFC 7208 §4.3: no local part is "postmaster".
GATEPOST_DECL void evaluation::set_identity() {
  std::string& sender = outcome_.sender;
  std::size_t at = detail::last_at(sender);
  if (at == sender.npos || at == 0) {
    sender.insert(0, at == 0 ? "postmaster" : "postmaster@");
    at = sender.find('@');
  }
  if (sender.ends_with('.')) sender.pop_back();
  local_part_ = at;
}

// RFC 7208 §4.3: domains are A-labels.
GATEPOST_DECL evaluation::target evaluation::asked_domain() {
  std::string& sender = outcome_.sender;
  const std::string_view domain = std::string_view(sender).substr(local_part_ + 1);
  if (valid_name(domain)) return {domain, true};
  if (detail::is_ascii(domain)) return {domain, false};
  const auto labels = smtp::to_a_labels(domain);
  if (labels) sender.replace(local_part_ + 1, sender.npos, *labels);
  return {outcome_.domain(), labels && valid_name(*labels)};
}

GATEPOST_DECL void evaluation::run() {
  while (!done_ && missing_ == 0) advance();
}

GATEPOST_DECL void evaluation::advance() {
  if (explaining_ != explaining::no) return explain();
  const frame& f = top();
  const std::vector<directive>& all = f.record().directives;
  if (f.next < all.size()) return evaluate_next(all[f.next]);
  end_of_record();
}

// Frames are used again: the next include needs no room of its own for its name.
GATEPOST_DECL void evaluation::push_frame() {
  if (depth_ == includes_.size()) includes_.push_back(std::make_unique<frame>());
  ++depth_;
}

// Begins a check_host(), or (by redirect) goes on in another domain's record. `where` may lie in
// the record that is left.
GATEPOST_DECL void evaluation::enter(target where, origin from) {
  const std::string_view domain = where.name;
  // RFC 7208 §4.3: malformed, no name of several labels, or an address literal.
  const bool fit = where.is_valid && detail::has_dot(domain) && !domain.starts_with('[');
  if (from == origin::include) push_frame();
  frame& f = top();
  if (from == origin::include) f.included = true;
  f.redirected = from == origin::redirect;
  // That of a redirect lies in the record that goes, an expanded one where the next will be.
  const bool stays = from != origin::redirect && domain.data() != target_.data();
  f.domain = stays ? domain : f.kept_domain.assign(domain);
  f.found = nullptr;
  f.next = 0;
  if (!fit) return no_record();
  ask(step::record, record_type::txt, f.domain);
}

GATEPOST_DECL void evaluation::took_record(const smtp::dns::answer<std::string>& said) {
  frame& f = top();
  if (!said.is_definite()) return fail_for_now(questions_[0], said.reason());
  const std::string* found = nullptr;
  for (const std::string& text : said.records()) {
    if (!is_record(text)) continue;
    // RFC 7208 §4.5
    if (found != nullptr)
      return finish(result::permerror, std::string(f.domain) + " has several SPF records");
    found = &text;
  }
  if (found == nullptr) return no_record();
  if (found->size() > options_.limits.record_octets)
    return finish(result::permerror, "the SPF record of " + std::string(f.domain) + " is too long");
  note(trace_kind::record, *found, {});
  f.found = options_.records != nullptr ? options_.records->get(*found)
                                        : std::make_shared<const owned_record>(*found);
  const std::string& problem = f.found->problem();
  if (!problem.empty()) finish(result::permerror, std::string(f.domain) + ": " + problem);
}

GATEPOST_DECL void evaluation::no_record() {
  // RFC 7208 §5.2, §6.1: what a record refers to has to be there.
  const frame& f = top();
  if (f.included || f.redirected)
    return finish(result::permerror, "no SPF record at \"" + std::string(f.domain) + '"');
  finish(result::none);  // §4.3, §4.5
}

// The check_host() of the last frame has ended with `r`.
GATEPOST_DECL void evaluation::conclude(spf::result r, const directive* matched_by) {
  frame& f = top();
  if (f.included) {
    --depth_;
    const directive& include = current();
    return r == result::pass ? matched(include) : not_matched(include);  // RFC 7208 §5.2
  }
  outcome_.result = r;
  const bool explained = r == result::fail && f.record().explanation && options_.explain;
  if (matched_by != nullptr) {
    outcome_.mechanism = matched_by->text;
    outcome_.matched_record = f.found;
    if (f.redirected) outcome_.mechanism_domain = f.domain;
  }
  if (!explained) return finish(r);
  explaining_ = explaining::target;
}

GATEPOST_DECL void evaluation::end_of_record() {
  const std::optional<macro_string>& redirect = top().record().redirect;
  if (!redirect) return conclude(result::neutral, nullptr);  // RFC 7208 §4.7
  if (too_many_terms()) return;
  if (redirect->needs_validated_name && waits_for_names()) return;
  ++outcome_.dns_terms;
  note(trace_kind::term, redirect->text, "redirect");
  // RFC 7208 §6.1: the other record takes the place of this one, and its exp that of ours (§6.2).
  enter(target_of(*redirect), origin::redirect);
}

GATEPOST_DECL void evaluation::explain() {
  if (explaining_ == explaining::target) return ask_for_explanation();
  give_explanation();
}

// RFC 7208 §6.2
GATEPOST_DECL void evaluation::ask_for_explanation() {
  const macro_string& spec = *top().record().explanation;
  if (spec.needs_validated_name && waits_for_names()) return;
  const target where = target_of(spec);
  if (!where.is_valid) return finish(result::fail);
  ask(step::explanation, record_type::txt, where.name);
}

GATEPOST_DECL void evaluation::took_explanation(const smtp::dns::answer<std::string>& said) {
  // RFC 7208 §6.2: with any error, or several texts, it is as if there were no exp.
  if (said.records().size() != 1) return finish(result::fail);
  explanation_ = said.records().front();
  explaining_ = explaining::text;
}

GATEPOST_DECL void evaluation::give_explanation() {
  const auto parsed = parse_macro_string(explanation_, macro_use::explanation);
  if (!parsed) return finish(result::fail);
  if (parsed.value.needs_validated_name && waits_for_names()) return;
  outcome_.explanation = expand_text(parsed.value, values(), options_.limits.explanation_octets);
  outcome_.explanation_domain = top().domain;
  finish(result::fail);
}

GATEPOST_DECL void evaluation::finish(spf::result r, std::string problem) {
  outcome_.problem = std::move(problem);
  outcome_.mechanism = {};
  finish(r);
}

GATEPOST_DECL void evaluation::finish(spf::result r) {
  outcome_.result = r;
  done_ = true;
  missing_ = 0;
  questions_ = {};
}

GATEPOST_DECL void evaluation::fail_for_now(const question& q, const std::string& reason) {
  finish(result::temperror, std::string(to_string(q.type)) + " of " + std::string(q.name) + ": " +
                                (reason.empty() ? "no answer" : reason));
}

GATEPOST_DECL void evaluation::give_up(std::string why) {
  if (done_) return;
  if (explaining_ != explaining::no) return finish(result::fail);
  finish(result::temperror, std::move(why));
}

// --- Questions and answers
// --------------------------------------------------------------------------

GATEPOST_DECL void evaluation::ask(step what, record_type type, std::string_view name) {
  step_ = what;
  single_.type = type;
  single_.name = name;
  questions_ = {&single_, 1};
  missing_ = 1;
}

// Of all hosts_.
GATEPOST_DECL void evaluation::ask_addresses(step what) {
  if (hosts_.size() == 1) return ask(what, address_type(), hosts_[0].name);
  step_ = what;
  several_.clear();
  for (const host& h : hosts_) several_.push_back({address_type(), h.name, {}});
  questions_ = several_;
  missing_ = hosts_.size();
}

GATEPOST_DECL void evaluation::answer(std::size_t which,
                                      const smtp::dns::answer<std::string>& said) {
  if (which >= questions_.size()) return;
  const record_type type = questions_[which].type;
  if (type != record_type::txt && type != record_type::ptr) return took_wrong_type(which);
  missing_ = 0;
  took_text(said);
  run();
}

GATEPOST_DECL void evaluation::answer(std::size_t which,
                                      const smtp::dns::answer<smtp::ip_address>& said) {
  if (which >= questions_.size()) return;
  const record_type type = questions_[which].type;
  if (type != record_type::a && type != record_type::aaaa) return took_wrong_type(which);
  if (asks_several()) return took_several(which, said);
  missing_ = 0;
  took_one(said);
  run();
}

GATEPOST_DECL void evaluation::answer(std::size_t which,
                                      const smtp::dns::answer<smtp::dns::mx_record>& said) {
  if (which >= questions_.size()) return;
  if (questions_[which].type != record_type::mx) return took_wrong_type(which);
  missing_ = 0;
  took_mx(current(), said);
  run();
}

GATEPOST_DECL void evaluation::took_text(const smtp::dns::answer<std::string>& said) {
  if (step_ == step::record) return took_record(said);
  if (step_ == step::ptr_names) return took_ptr_names(said);
  took_explanation(said);
}

GATEPOST_DECL void evaluation::took_one(const smtp::dns::answer<smtp::ip_address>& said) {
  if (step_ == step::exists) return took_exists(current(), said);
  took_addresses(current(), said);
}

// Each counts once; the last one lets it go on. Only what it comes to is kept of each.
GATEPOST_DECL void evaluation::took_several(std::size_t which,
                                            const smtp::dns::answer<smtp::ip_address>& said) {
  host& h = hosts_[which];
  if (h.answered) return;
  const auto& all = said.records();
  h.answered = true;
  h.definite = said.is_definite();
  h.found = said.has_records();
  h.matched = std::any_of(all.begin(), all.end(),
                          [this](const smtp::ip_address& address) { return is_match(address); });
  if (!h.definite) h.reason = said.reason();
  if (--missing_ > 0) return;
  if (step_ == step::ptr_addresses) {
    took_ptr_addresses();
  } else {
    took_mx_addresses(current());
  }
  run();
}

GATEPOST_DECL void evaluation::took_wrong_type(std::size_t which) {
  switch (questions_[which].type) {
    case record_type::txt:
    case record_type::ptr: return answer(which, smtp::dns::answer<std::string>());
    case record_type::mx: return answer(which, smtp::dns::answer<smtp::dns::mx_record>());
    default: return answer(which, smtp::dns::answer<smtp::ip_address>());
  }
}

// Whether an address of one of several names is the one that is looked for.
GATEPOST_DECL bool evaluation::is_match(const smtp::ip_address& address) const {
  if (step_ == step::ptr_addresses) return address == client_;  // RFC 7208 §5.5
  return in_network(address, current());                        // RFC 7208 §5.4
}

GATEPOST_DECL void evaluation::keep_trace(trace_kind kind, std::string_view text,
                                          std::string_view finding) {
  trace_entry e;
  e.kind = kind;
  e.depth = static_cast<unsigned>(depth_);
  e.domain = top().domain;
  e.text = text;
  e.finding = finding;
  outcome_.trace.push_back(std::move(e));
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_EVALUATE_IPP
