#ifndef GATEPOST_CHECKS_SPF_IMPL_CHECK_IPP
#define GATEPOST_CHECKS_SPF_IMPL_CHECK_IPP

#include <asio/this_coro.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "checks/detail/lookups.hpp"
#include "checks/spf/check.hpp"
#include "checks/spf/detail/search.hpp"
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
  std::string text = "SPF: " + client.unmapped().text() + " may not send mail for " +
                     std::string(found.domain()) + " (" + std::string(command_of(found.identity)) +
                     ")";
  if (!found.explanation.empty())
    text += "\nThe domain " + found.explanation_domain + " explains:\n" + found.explanation;
  return text;
}

inline std::string text_of(const outcome& found, const smtp::ip_address& client) {
  const bool error = found.result == result::temperror || found.result == result::permerror;
  if (!error) return text_of_fail(found, client);
  return "SPF of " + std::string(found.domain()) + " (" + std::string(command_of(found.identity)) +
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

// That of this message, or of the session.
inline const outcome* helo_outcome(const context& ctx) {
  const auto* helo = ctx.transaction_notes().find<helo_note>();
  if (helo == nullptr) helo = ctx.notes().find<helo_note>();
  return helo == nullptr ? nullptr : &helo->outcome;
}

// RFC 7208 §2.4: the null sender is postmaster at the HELO name, which may have been evaluated.
inline std::optional<outcome> from_helo(const context& ctx) {
  const outcome* helo = helo_outcome(ctx);
  if (helo == nullptr || !ctx.envelope().reverse_path().is_null()) return std::nullopt;
  outcome same = *helo;
  same.identity = identity::mail_from;
  return same;
}

}  // namespace detail

GATEPOST_DECL check::check(smtp::dns::resolver& resolver, check_options options)
    : resolver_(resolver), options_(std::move(options)), records_(options_.records) {}

GATEPOST_DECL bool check::waits(smtp::stage s) const {
  if (s == smtp::stage::helo) return options_.helo;
  if (s == smtp::stage::header_end) return options_.client.has_upstreams();
  return s == smtp::stage::mail;
}

// --- What is evaluated ---------------------------------------------------------------------------

GATEPOST_DECL check::evaluation_ptr check::begin(const asio::any_io_executor& executor,
                                                 query q) const {
  evaluation_options how;
  how.limits = options_.limits;
  how.records = &records_;
  if (!options_.receiver.empty()) how.receiver = options_.receiver;
  const auto until = std::chrono::steady_clock::now() + options_.deadline;
  return checks::detail::begin_search<spf::outcome>(executor, resolver_,
                                                    detail::search(std::move(q), how), until);
}

GATEPOST_DECL check::evaluation_ptr check::begin_helo(const asio::any_io_executor& executor,
                                                      const seen_client& who) const {
  return begin(executor, query::helo_identity(who.address, who.helo, detail::seconds_since_1970()));
}

GATEPOST_DECL check::evaluation_ptr check::begin_mail(const asio::any_io_executor& executor,
                                                      const context& ctx,
                                                      const seen_client& who) const {
  return begin(executor, query::mail_from(who.address, ctx.envelope().reverse_path().text(),
                                          who.helo, detail::seconds_since_1970()));
}

// Not where the HELO identity has decided, or is the sender's, too.
GATEPOST_DECL bool check::needs_mail(const context& ctx, const seen_client& who) const {
  const outcome* helo = detail::helo_outcome(ctx);
  if (helo == nullptr) return true;
  return judge(*helo, options_.on_helo, who).passes() && !ctx.envelope().reverse_path().is_null();
}

GATEPOST_DECL bool check::prepare(context& ctx, const asio::any_io_executor& executor) {
  const seen_client who = options_.client.find(ctx.facts());
  // What one field of the message tells is evaluated when it is read.
  if (ctx.stage() == smtp::stage::header_end) return !options_.client.judged_at(ctx);
  if (!who.known()) return true;
  const bool helo = ctx.stage() == smtp::stage::helo;
  if (!helo && !needs_mail(ctx, who)) return true;
  auto& mine = (helo ? ctx.notes() : ctx.transaction_notes()).own<begun>(this);
  mine.work = helo ? begin_helo(executor, who) : begin_mail(executor, ctx, who);
  return mine.work.done();
}

GATEPOST_DECL asio::awaitable<verdict> check::on_helo(context& ctx) {
  const auto executor = co_await asio::this_coro::executor;
  const seen_client who = options_.client.find(ctx.facts());
  if (!options_.helo) co_return verdict::pass();
  // Another name's, or another client's (XCLIENT): it says nothing of this one.
  ctx.notes().erase<helo_note>();
  if (!who.known()) co_return verdict::pass();
  const auto work = std::move(ctx.notes().own<begun>(this).work).or_else([&] {
    return begin_helo(executor, who);
  });
  co_await work->wait();
  ctx.notes().emplace<helo_note>().outcome = work->result();
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> check::on_mail(context& ctx) {
  seen_client who = options_.client.find(ctx.facts());
  if (!who.known()) {
    // Who has authenticated since HELO is not judged any more.
    if (options_.helo) ctx.notes().erase<helo_note>();
    co_return verdict::pass();
  }
  verdict v = co_await judge_transaction(ctx, std::move(who));
  co_return v;
}

GATEPOST_DECL asio::awaitable<verdict> check::on_header_end(context& ctx) {
  if (!options_.client.judged_at(ctx)) co_return verdict::pass();
  const auto executor = co_await asio::this_coro::executor;
  seen_client who = options_.client.find(ctx);
  if (!who.known()) co_return verdict::pass();
  // What that client called itself, if the field tells: never what our own server did.
  if (options_.helo && !who.helo.empty()) {
    const evaluation_ptr work = begin_helo(executor, who);
    co_await work->wait();
    ctx.transaction_notes().emplace<helo_note>().outcome = work->result();
  }
  verdict v = co_await judge_transaction(ctx, std::move(who));
  co_return v;
}

GATEPOST_DECL asio::awaitable<verdict> check::judge_transaction(context& ctx,
                                                                seen_client who) const {
  const auto executor = co_await asio::this_coro::executor;
  if (const outcome* helo = detail::helo_outcome(ctx)) {
    verdict v = judge(*helo, options_.on_helo, who);
    if (!v.passes()) co_return v;
  }
  std::optional<spf::outcome> found = detail::from_helo(ctx);
  if (!found) {
    const auto work = std::move(ctx.transaction_notes().own<begun>(this).work).or_else([&] {
      return begin_mail(executor, ctx, who);
    });
    co_await work->wait();
    found = work->result();
  }
  auto& note = ctx.transaction_notes().emplace<mail_note>();
  note.outcome = std::move(*found);
  co_return with_effects(judge(note.outcome, options_.on_mail, who), ctx, who);
}

// --- What becomes of it --------------------------------------------------------------------------

GATEPOST_DECL verdict check::judge(const spf::outcome& found, const actions& by,
                                   const seen_client& who) const {
  const action what = detail::action_for(found.result, by);
  if (what == action::pass) return verdict::pass();
  return verdict::refuse(detail::reply_to(found, what, who.address));
}

GATEPOST_DECL verdict check::with_effects(verdict v, const context& ctx,
                                          const seen_client& who) const {
  const outcome* helo = detail::helo_outcome(ctx);
  const spf::outcome& mail = ctx.transaction_notes().find<mail_note>()->outcome;
  v.add_tag("spf.mail", std::string(to_string(mail.result)));
  if (helo != nullptr) v.add_tag("spf.helo", std::string(to_string(helo->result)));
  if (!options_.received_spf || !v.passes()) return v;
  // RFC 7208 §9.1. That of MAIL FROM speaks for the null sender's HELO name, too.
  add_field(v, mail, ctx, who);
  if (helo != nullptr && !ctx.envelope().reverse_path().is_null()) add_field(v, *helo, ctx, who);
  return v;
}

GATEPOST_DECL void check::add_field(verdict& v, const spf::outcome& found, const context& ctx,
                                    const seen_client& who) const {
  received_spf_facts facts;
  facts.client = who.address;
  facts.reverse_path = ctx.envelope().reverse_path().text();
  facts.helo = who.helo;
  facts.receiver = options_.receiver;
  v.add_header(std::string(received_spf_name), spf::received_spf(found, facts));
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_CHECK_IPP
