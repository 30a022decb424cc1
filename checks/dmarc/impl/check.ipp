#ifndef GATEPOST_CHECKS_DMARC_IMPL_CHECK_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_CHECK_IPP

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>
#include <variant>

#include "checks/auth_results.hpp"
#include "checks/dmarc/check.hpp"
#include "checks/dmarc/gather.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

inline constexpr smtp::fixed_reply odd_from_reply{
    550, {5, 7, 1}, "DMARC: the message needs one From field with one author's domain (RFC 5322)"};
inline constexpr smtp::fixed_reply dmarc_unknown{
    451, {4, 4, 3}, "DMARC: the DNS did not answer, try again later"};

// 0 to 99, the same for one message however often it is asked for: FNV-1a of its session and place.
inline unsigned sample_of(const smtp::session_facts& facts) {
  std::uint64_t h = 14695981039346656037ull;
  const auto mix = [&h](unsigned char c) { h = (h ^ c) * 1099511628211ull; };
  for (const char c : facts.id) mix(static_cast<unsigned char>(c));
  for (std::uint32_t n = facts.transactions; n != 0; n >>= 8) mix(n & 255);
  return static_cast<unsigned>((h ^ h >> 32) % 100);
}

inline auth_method method_of(const evaluation& e) {
  auth_method m{.method = "dmarc", .result = std::string(to_string(e.result))};
  m.reason = e.reason;
  if (e.record) {
    m.comment =
        "p=" + std::string(to_string(e.policy)) + " dis=" + std::string(to_string(e.disposition));
  }
  if (!e.author_domain.empty()) m.properties.push_back({"header", "from", e.author_domain});
  // RFC 9989 §9.1
  if (e.result == result::fail)
    m.properties.push_back({"policy", "dmarc", std::string(to_string(e.disposition))});
  return m;
}

inline std::string tag_text(const evaluation& e) {
  std::string text(to_string(e.result));
  if (!e.author_domain.empty()) text += " " + e.author_domain;
  if (e.record) text += " p=" + std::string(to_string(e.policy));
  if (e.result == result::fail) text += " dis=" + std::string(to_string(e.disposition));
  for (const override_reason& why : e.overrides) text += " " + std::string(to_string(why.type));
  return text;
}

}  // namespace detail

GATEPOST_DECL check::check(smtp::dns::resolver& resolver, check_options options)
    : resolver_(&resolver), options_(std::move(options)) {
  if (options_.regime == regime::rfc7489 && options_.suffixes == nullptr)
    throw std::invalid_argument("dmarc: RFC 7489 needs a public suffix list");
}

GATEPOST_DECL bool check::looks_at(const seen_client& client) const {
  return client.known() && !options_.exempt.contains(client.address);
}

// Each of the domains; false: none of them.
GATEPOST_DECL bool check::evaluates(const authors& who) const {
  if (who.single()) return true;
  if (who.domains.empty() || who.domains.size() > options_.authors || !who.complete) return false;
  switch (options_.on_odd_from) {
    case odd_from::ignore: return who.has_one_domain() || options_.regime == regime::rfc7489;
    case odd_from::evaluate_each: return who.fields == 1 && !who.malformed;
    case odd_from::refuse: break;
  }
  return false;
}

GATEPOST_DECL evaluation_options check::options_for(const context& ctx) const {
  evaluation_options o;
  o.regime = options_.regime;
  o.suffixes = options_.suffixes.get();
  o.sample = detail::sample_of(ctx.facts());
  return o;
}

GATEPOST_DECL std::shared_ptr<check::work> check::begin(context& ctx) const {
  const seen_client client = options_.client.find(ctx);
  if (!looks_at(client)) return nullptr;
  auto w = std::make_shared<work>();
  w->client = client.address;
  if (const auto& fields = ctx.fields()) w->who = read_authors(fields->fields);
  if (!evaluates(w->who)) return w;
  for (const std::string& domain : w->who.domains)
    w->each.push_back(std::make_shared<evaluator>(domain, options_for(ctx)));
  return w;
}

// As far as the resolver has the answers at hand; what is open: the next question.
GATEPOST_DECL std::optional<question> check::look_up_known(evaluator& e) const {
  for (;;) {
    std::optional<question> q = e.next();
    if (!q) return q;
    const bool txt = q->type == question::kind::txt;
    const auto known =
        resolver_->known({q->name, txt ? smtp::dns::record_type::txt : smtp::dns::record_type::a});
    if (!known) return q;
    if (txt)
      e.answer(std::get<smtp::dns::answer<std::string>>(*known));
    else
      e.answer(smtp::dns::status_of(*known));
  }
}

GATEPOST_DECL asio::awaitable<void> check::look_up(std::shared_ptr<evaluator> e) const {
  for (;;) {
    const std::optional<question> q = look_up_known(*e);
    if (!q) co_return;
    if (q->type == question::kind::txt) {
      const smtp::dns::answer<std::string> found = co_await resolver_->txt(q->name);
      e->answer(found);
    } else {
      const smtp::dns::answer<smtp::ip_address> found = co_await resolver_->a(q->name);
      e->answer(found.status());
    }
  }
}

GATEPOST_DECL bool check::prepare(context& ctx, const asio::any_io_executor&) {
  auto& mine = ctx.transaction_notes().own<kept>(this);
  const bool header_end = ctx.stage() == smtp::stage::header_end;
  if (header_end) mine.prepared = begin(ctx);
  const std::shared_ptr<work>& w = header_end ? mine.prepared : mine.begun;
  if (!w) return true;
  if (!header_end) judge_all(*w, gather(ctx.transaction_notes()));
  bool all = true;
  for (const std::shared_ptr<evaluator>& e : w->each) all = !look_up_known(*e) && all;
  return all;
}

// Once for each message.
GATEPOST_DECL void check::judge_all(work& w, const identifiers& found) const {
  if (w.judged) return;
  w.judged = true;
  for (const std::shared_ptr<evaluator>& e : w.each) e->judge(found);
}

GATEPOST_DECL asio::awaitable<verdict> check::on_header_end(context& ctx) {
  auto& mine = ctx.transaction_notes().own<kept>(this);
  const std::shared_ptr<work> w = mine.prepared ? std::move(mine.prepared) : begin(ctx);
  mine.begun = w;
  if (!w) co_return verdict::pass();
  if (w->each.empty() && options_.on_odd_from != odd_from::ignore)
    co_return verdict::refuse(detail::odd_from_reply);
  for (const std::shared_ptr<evaluator>& e : w->each) co_await look_up(e);
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> check::on_message(context& ctx) {
  const std::shared_ptr<work> w = ctx.transaction_notes().own<kept>(this).begun;
  if (!w) co_return verdict::pass();
  const identifiers found = gather(ctx.transaction_notes());
  judge_all(*w, found);
  for (const std::shared_ptr<evaluator>& e : w->each) co_await look_up(e);
  const evaluation outcome = strictest(ctx, found, *w);
  publish(ctx, found, *w, outcome);
  co_return judge(outcome);
}

// Of several authors the worst one speaks for the message (RFC 9989 §11.5, RFC 7489 §6.6.1); what
// local policy lets through of one author it does not of the others.
GATEPOST_DECL evaluation check::strictest(const context& ctx, const identifiers& found,
                                          const work& w) const {
  evaluation worst;
  if (w.each.empty()) worst.reason = "no single Author Domain";
  for (const std::shared_ptr<evaluator>& e : w.each) {
    evaluation one = e->outcome();
    override_locally(ctx, found, w, one);
    if (e == w.each.front() || rank(one) > rank(worst)) worst = std::move(one);
  }
  return worst;
}

// A message that is deferred must not go through because of another author with p=none.
GATEPOST_DECL int check::rank(const evaluation& e) const {
  const bool deferred = e.result == result::temperror && options_.defer_on_temperror;
  evaluation harmless;
  harmless.result = result::fail;
  return deferred ? 2 * severity(harmless) + 1 : 2 * severity(e);
}

GATEPOST_DECL void check::override_locally(const context& ctx, const identifiers& found,
                                           const work& w, evaluation& e) const {
  const auto stands = [&e] { return e.result == result::fail && e.disposition != policy::none; };
  for (const trusted_forwarder& forwarder : options_.forwarders) {
    if (stands() && forwarder.networks.contains(w.client))
      e.override_by(forwarder.type, forwarder.comment);
  }
  // RFC 8617 §7.2.1
  if (stands() && options_.trust_arc && found.arc &&
      found.arc->vouches_for(e.author_domain, w.who.has_one_domain())) {
    const std::string& told = found.arc->comment;
    e.override_by(override_type::local_policy,
                  told.empty() ? "arc=pass as.d=" + found.arc->sealer : told);
  }
  if (!stands() || !options_.local_policy) return;
  if (auto why = options_.local_policy(ctx, e)) e.override_by(why->type, std::move(why->comment));
}

GATEPOST_DECL void check::publish(const context& ctx, const identifiers& found, const work& w,
                                  const evaluation& e) const {
  add_auth_result(ctx.transaction_notes(), detail::method_of(e));
  ctx.transaction_notes().emplace<outcome_note>(outcome_note{e, w.client});
  if (options_.on_outcome) options_.on_outcome(ctx, e, found);
  if (options_.reports != nullptr && reportable(e)) count(ctx, found, w, e);
}

// Reports tell what is really done.
GATEPOST_DECL void check::count(const context& ctx, const identifiers& found, const work& w,
                                evaluation e) const {
  if (e.disposition == policy::reject && options_.on_reject != treatment::refuse)
    e.override_by(override_type::local_policy, "not refused, but held or marked",
                  policy::quarantine);
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  options_.reports->add(
      policy_of(e, options_.regime, options_.suffixes.get()),
      row_of(e, found, w.client, ctx.envelope().reverse_path().canonical_domain()), now);
}

GATEPOST_DECL verdict check::judge(const evaluation& e) const {
  if (e.result == result::temperror && options_.defer_on_temperror)
    return verdict::defer(detail::dmarc_unknown);
  if (e.result == result::fail && e.disposition == policy::reject)
    return treat(e, options_.on_reject, options_.reject_score);
  if (e.result == result::fail && e.disposition == policy::quarantine)
    return treat(e, options_.on_quarantine, options_.quarantine_score);
  return verdict::pass().add_tag("dmarc", detail::tag_text(e));
}

GATEPOST_DECL verdict check::treat(const evaluation& e, treatment how, double score) const {
  switch (how) {
    case treatment::refuse:
      return verdict::refuse(smtp::reply(550, options_.refusal,
                                         "Email rejected per DMARC policy for " + e.author_domain));
    case treatment::hold:
      return verdict::hold("DMARC policy of " + e.author_domain)
          .add_tag("dmarc", detail::tag_text(e));
    case treatment::mark: break;
  }
  verdict v = verdict::pass().add_tag("dmarc", detail::tag_text(e));
  if (score != 0) v.score(score);
  return v;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_CHECK_IPP
