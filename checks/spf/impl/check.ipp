#ifndef GATEPOST_CHECKS_SPF_IMPL_CHECK_IPP
#define GATEPOST_CHECKS_SPF_IMPL_CHECK_IPP

#include <chrono>
#include <optional>
#include <utility>

#include "checks/spf/check.hpp"
#include "checks/spf/received_spf.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks::spf {
namespace detail {

inline std::int64_t seconds_since_1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

inline std::string_view command_of(identity i) {
  return i == identity::helo ? "HELO" : "MAIL FROM";
}

// RFC 7208 §8.4: what the domain says is told as its words, not ours.
inline std::string text_of_fail(const outcome& found, const smtp::ip_address& client) {
  std::string text = "SPF: " + client.unmapped().text() + " may not send mail for " + found.domain +
                     " (" + std::string(command_of(found.identity)) + ")";
  if (!found.explanation.empty())
    text += "\nThe domain " + found.explanation_domain + " explains:\n" + found.explanation;
  return text;
}

inline std::string text_of(const outcome& found, const smtp::ip_address& client) {
  const bool error = found.result == result::temperror || found.result == result::permerror;
  if (!error) return text_of_fail(found, client);
  return "SPF of " + found.domain + " (" + std::string(command_of(found.identity)) +
         ") cannot be evaluated: " + found.problem;
}

// RFC 7372 §3.2: X.7.23 after a result, X.7.24 after an error.
inline smtp::reply reply_to(const outcome& found, action what, const smtp::ip_address& client) {
  const bool error = found.result == result::temperror || found.result == result::permerror;
  const bool defer = what == action::defer;
  const smtp::enhanced_code enhanced{static_cast<std::uint8_t>(defer ? 4 : 5), 7,
                                     static_cast<std::uint16_t>(error ? 24 : 23)};
  return smtp::reply(defer ? 451 : 550, enhanced, text_of(found, client));
}

inline action action_for(result r, const actions& by) {
  switch (r) {
    case result::fail: return by.fail;
    case result::softfail: return by.softfail;
    case result::temperror: return by.temperror;
    case result::permerror: return by.permerror;
    default: return action::pass;
  }
}

// RFC 7208 §2.4: the null sender is postmaster at the HELO name, which may have been evaluated.
inline std::optional<outcome> from_helo(const context& ctx) {
  const auto* helo = ctx.notes().find<helo_note>();
  if (helo == nullptr || !ctx.envelope().reverse_path().is_null()) return std::nullopt;
  outcome same = helo->outcome;
  same.identity = identity::mail_from;
  return same;
}

}  // namespace detail

GATEPOST_DECL check::check(smtp::dns::resolver& resolver, check_options options)
    : resolver_(resolver), options_(std::move(options)) {}

GATEPOST_DECL bool check::looks_at(const smtp::session_facts& facts) const {
  if (!facts.unix_peer.empty() || options_.exempt.contains(facts.client.address)) return false;
  return !(options_.skip_authenticated && facts.authenticated());
}

GATEPOST_DECL evaluation_options check::evaluation() const {
  evaluation_options o;
  o.limits = options_.limits;
  if (!options_.receiver.empty()) o.receiver = options_.receiver;
  return o;
}

GATEPOST_DECL asio::awaitable<verdict> check::on_helo(context& ctx) {
  const smtp::session_facts& facts = ctx.facts();
  if (!options_.helo || !looks_at(facts)) co_return verdict::pass();
  query q = query::helo_identity(facts.client.address, facts.helo, detail::seconds_since_1970());
  evaluation_options how = evaluation();
  spf::outcome found =
      co_await spf::evaluate(resolver_, std::move(q), std::move(how), options_.deadline);
  ctx.notes().emplace<helo_note>().outcome = std::move(found);
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> check::on_mail(context& ctx) {
  const smtp::session_facts& facts = ctx.facts();
  if (!looks_at(facts)) co_return verdict::pass();
  if (const auto* helo = ctx.notes().find<helo_note>()) {
    verdict v = judge(helo->outcome, options_.on_helo, facts);
    if (!v.passes()) co_return v;
  }
  std::optional<spf::outcome> found = detail::from_helo(ctx);
  if (!found) {
    query q = query::mail_from(facts.client.address, ctx.envelope().reverse_path().text(),
                               facts.helo, detail::seconds_since_1970());
    evaluation_options how = evaluation();
    spf::outcome evaluated =
        co_await spf::evaluate(resolver_, std::move(q), std::move(how), options_.deadline);
    found = std::move(evaluated);
  }
  auto& note = ctx.transaction_notes().emplace<mail_note>();
  note.outcome = std::move(*found);
  co_return with_effects(judge(note.outcome, options_.on_mail, ctx.facts()), ctx);
}

GATEPOST_DECL verdict check::judge(const spf::outcome& found, const actions& by,
                                   const smtp::session_facts& facts) const {
  const action what = detail::action_for(found.result, by);
  if (what == action::pass) return verdict::pass();
  return verdict::refuse(detail::reply_to(found, what, facts.client.address));
}

GATEPOST_DECL verdict check::with_effects(verdict v, const context& ctx) const {
  const auto* helo = ctx.notes().find<helo_note>();
  const spf::outcome& mail = ctx.transaction_notes().find<mail_note>()->outcome;
  v.add_tag("spf.mail", std::string(to_string(mail.result)));
  if (helo != nullptr) v.add_tag("spf.helo", std::string(to_string(helo->outcome.result)));
  if (!options_.received_spf || !v.passes()) return v;
  // RFC 7208 §9.1. That of MAIL FROM speaks for the null sender's HELO name, too.
  add_field(v, mail, ctx);
  if (helo != nullptr && !ctx.envelope().reverse_path().is_null()) add_field(v, helo->outcome, ctx);
  return v;
}

GATEPOST_DECL void check::add_field(verdict& v, const spf::outcome& found,
                                    const context& ctx) const {
  received_spf_facts facts;
  facts.client = ctx.facts().client.address;
  facts.reverse_path = ctx.envelope().reverse_path().text();
  facts.helo = ctx.facts().helo;
  facts.receiver = options_.receiver;
  v.add_header(std::string(received_spf_name), spf::received_spf(found, facts));
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_CHECK_IPP
