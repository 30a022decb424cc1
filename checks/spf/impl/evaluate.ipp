#ifndef GATEPOST_CHECKS_SPF_IMPL_EVALUATE_IPP
#define GATEPOST_CHECKS_SPF_IMPL_EVALUATE_IPP

// evaluate.ipp: the way through the records, and questions and answers. evaluate_terms.ipp: what a
// single term means.

#include <utility>

#include "checks/spf/evaluate.hpp"
#include "checks/spf/impl/evaluate_terms.ipp"
#include "smtp/domain.hpp"
#include "smtp/utf8.hpp"

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
  // RFC 7208 §2.4: the null sender is postmaster at the HELO name.
  q.sender = reverse_path.empty() ? "postmaster@" + helo : std::move(reverse_path);
  q.helo = std::move(helo);
  q.time = time;
  return q;
}

GATEPOST_DECL evaluation::evaluation(query q, evaluation_options options)
    : query_(std::move(q)), options_(std::move(options)) {
  query_.client = query_.client.unmapped();  // RFC 7208 §5
  set_identity();
  enter(outcome_.domain, origin::query);
  run();
}

// RFC 7208 §4.1, §4.3: no local part is "postmaster", and domains are A-labels.
GATEPOST_DECL void evaluation::set_identity() {
  const std::string_view sender = query_.sender;
  const std::size_t at = sender.rfind('@');
  std::string domain(at == sender.npos ? sender : sender.substr(at + 1));
  local_part_ = at == sender.npos || at == 0 ? "postmaster" : sender.substr(0, at);
  if (domain.ends_with('.')) domain.pop_back();
  if (!smtp::is_ascii(domain)) {
    if (auto labels = smtp::to_a_labels(domain)) domain = std::move(*labels);
  }
  outcome_.identity = query_.identity;
  outcome_.sender = local_part_ + '@' + domain;
  outcome_.domain = std::move(domain);
}

GATEPOST_DECL void evaluation::run() {
  while (!done_ && missing_ == 0) advance();
}

GATEPOST_DECL void evaluation::advance() {
  if (explaining_ != explaining::no) return explain();
  const frame& f = frames_.back();
  if (f.next < f.record.directives.size()) return evaluate_next(f.record.directives[f.next]);
  end_of_record();
}

// Begins a check_host(), or (by redirect) goes on in another domain's record.
GATEPOST_DECL void evaluation::enter(std::string domain, origin from) {
  // RFC 7208 §4.3: malformed, no name of several labels, or an address literal.
  const bool fit =
      valid_name(domain) && domain.find('.') != domain.npos && !domain.starts_with('[');
  if (from != origin::redirect) frames_.emplace_back();
  frame& f = frames_.back();
  if (from != origin::redirect) f.included = from == origin::include;
  f.redirected = from == origin::redirect;
  f.domain = std::move(domain);
  f.record = {};
  f.next = 0;
  if (!fit) return no_record();
  ask(step::record, record_type::txt, f.domain);
}

GATEPOST_DECL void evaluation::took_record() {
  frame& f = frames_.back();
  if (!texts_.is_definite()) return fail_for_now(questions_[0], texts_.reason());
  const std::string* found = nullptr;
  for (const std::string& text : texts_.records()) {
    if (!is_record(text)) continue;
    // RFC 7208 §4.5
    if (found != nullptr) return finish(result::permerror, f.domain + " has several SPF records");
    found = &text;
  }
  if (found == nullptr) return no_record();
  if (found->size() > options_.limits.record_octets)
    return finish(result::permerror, "the SPF record of " + f.domain + " is too long");
  f.text = *found;
  note(trace_kind::record, f.text, {});
  parsed_record parsed = parse_record(f.text);
  if (!parsed) return finish(result::permerror, f.domain + ": " + parsed.problem);
  f.record = std::move(parsed.record);
}

GATEPOST_DECL void evaluation::no_record() {
  // RFC 7208 §5.2, §6.1: what a record refers to has to be there.
  const frame& f = frames_.back();
  if (f.included || f.redirected)
    return finish(result::permerror, "no SPF record at \"" + f.domain + '"');
  finish(result::none);  // §4.3, §4.5
}

// The check_host() of the last frame has ended with `r`.
GATEPOST_DECL void evaluation::conclude(spf::result r, const directive* matched_by) {
  const frame& f = frames_.back();
  if (f.included) {
    frames_.pop_back();
    const directive& include = current();
    return r == result::pass ? matched(include) : not_matched(include);  // RFC 7208 §5.2
  }
  outcome_.result = r;
  if (matched_by != nullptr) {
    outcome_.mechanism = matched_by->text;
    outcome_.mechanism_domain = f.domain;
  }
  const bool explained = r == result::fail && f.record.explanation && options_.explain;
  if (!explained) return finish(r);
  explaining_ = explaining::target;
}

GATEPOST_DECL void evaluation::end_of_record() {
  const std::optional<macro_string>& redirect = frames_.back().record.redirect;
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
  const macro_string& spec = *frames_.back().record.explanation;
  if (spec.needs_validated_name && waits_for_names()) return;
  std::string target = target_of(spec);
  if (!valid_name(target)) return finish(result::fail);
  ask(step::explanation, record_type::txt, std::move(target));
}

GATEPOST_DECL void evaluation::took_explanation() {
  // RFC 7208 §6.2: with any error, or several texts, it is as if there were no exp.
  if (texts_.records().size() != 1) return finish(result::fail);
  explanation_ = texts_.records().front();
  explaining_ = explaining::text;
}

GATEPOST_DECL void evaluation::give_explanation() {
  const auto parsed = parse_macro_string(explanation_, macro_use::explanation);
  if (!parsed) return finish(result::fail);
  if (parsed.value.needs_validated_name && waits_for_names()) return;
  outcome_.explanation = expand_text(parsed.value, values(), options_.limits.explanation_octets);
  outcome_.explanation_domain = frames_.back().domain;
  finish(result::fail);
}

GATEPOST_DECL void evaluation::finish(spf::result r, std::string problem) {
  outcome_.result = r;
  outcome_.problem = std::move(problem);
  if (!outcome_.problem.empty()) outcome_.mechanism.clear();
  done_ = true;
  missing_ = 0;
  questions_.clear();
}

GATEPOST_DECL void evaluation::fail_for_now(const question& q, const std::string& reason) {
  finish(result::temperror, std::string(to_string(q.type)) + " of " + q.name + ": " +
                                (reason.empty() ? "no answer" : reason));
}

GATEPOST_DECL void evaluation::give_up(std::string why) {
  if (done_) return;
  if (explaining_ != explaining::no) return finish(result::fail);
  finish(result::temperror, std::move(why));
}

// --- Questions and answers
// --------------------------------------------------------------------------

GATEPOST_DECL void evaluation::ask(step what, record_type type, std::string name) {
  step_ = what;
  questions_.clear();
  questions_.push_back({type, std::move(name), {}});
  answered_.assign(1, 0);
  addresses_.assign(1, {});
  missing_ = 1;
}

GATEPOST_DECL void evaluation::ask_addresses(step what, const std::vector<std::string>& names) {
  step_ = what;
  questions_.clear();
  for (const std::string& name : names) questions_.push_back({address_type(), name, {}});
  answered_.assign(names.size(), 0);
  addresses_.assign(names.size(), {});
  missing_ = names.size();
}

// Whether the answer counts: it was asked for, once. One of the wrong type stays a failure.
GATEPOST_DECL bool evaluation::take_answer(std::size_t which, bool fits) {
  if (done_ || which >= answered_.size() || answered_[which] != 0) return false;
  answered_[which] = 1;
  --missing_;
  return fits;
}

GATEPOST_DECL void evaluation::answer(std::size_t which, smtp::dns::answer<std::string> said) {
  if (done_ || which >= questions_.size()) return;
  const record_type type = questions_[which].type;
  const bool fits = type == record_type::txt || type == record_type::ptr;
  texts_ = {};
  if (take_answer(which, fits)) texts_ = std::move(said);
  if (missing_ == 0) all_answered();
}

GATEPOST_DECL void evaluation::answer(std::size_t which, smtp::dns::answer<smtp::ip_address> said) {
  if (done_ || which >= questions_.size()) return;
  const record_type type = questions_[which].type;
  const bool fits = type == record_type::a || type == record_type::aaaa;
  if (take_answer(which, fits)) addresses_[which] = std::move(said);
  if (missing_ == 0) all_answered();
}

GATEPOST_DECL void evaluation::answer(std::size_t which,
                                      smtp::dns::answer<smtp::dns::mx_record> said) {
  if (done_ || which >= questions_.size()) return;
  exchanges_ = {};
  if (take_answer(which, questions_[which].type == record_type::mx)) exchanges_ = std::move(said);
  if (missing_ == 0) all_answered();
}

GATEPOST_DECL void evaluation::all_answered() {
  switch (step_) {
    case step::record: took_record(); break;
    case step::addresses: took_addresses(current()); break;
    case step::exists: took_exists(current()); break;
    case step::mx: took_mx(current()); break;
    case step::mx_addresses: took_mx_addresses(current()); break;
    case step::ptr_names: took_ptr_names(); break;
    case step::ptr_addresses: took_ptr_addresses(); break;
    case step::explanation: took_explanation(); break;
  }
  run();
}

GATEPOST_DECL void evaluation::note(trace_kind kind, std::string_view text,
                                    std::string_view finding) {
  if (!options_.trace) return;
  trace_entry e;
  e.kind = kind;
  e.depth = static_cast<unsigned>(frames_.size() - 1);
  e.domain = frames_.back().domain;
  e.text = text;
  e.finding = finding;
  outcome_.trace.push_back(std::move(e));
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_EVALUATE_IPP
