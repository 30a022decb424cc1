#ifndef GATEPOST_CHECKS_DKIM_IMPL_VERIFIER_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_VERIFIER_IPP

#include <asio/this_coro.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "checks/dkim/detail/body_feed.hpp"
#include "checks/dkim/key_fetch.hpp"
#include "checks/dkim/verifier.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks::dkim {
namespace detail {

inline constexpr smtp::fixed_reply no_passing_signature{
    550, {5, 7, 20}, "No passing DKIM signature found (RFC 6376)"};
inline constexpr smtp::fixed_reply signature_not_checked{
    451, {4, 7, 0}, "Your DKIM signature could not be checked, try again later"};

// The check's own state, for one message.
struct verifier_state {
  std::optional<verification> work;
  body_feed feed;
  std::unique_ptr<key_fetch> keys;
};

inline verdict carry_out(action what) {
  switch (what) {
    case action::refuse: return verdict::refuse(no_passing_signature);
    case action::defer: return verdict::defer(signature_not_checked);
    case action::ignore: break;
  }
  return verdict::pass();
}

// For the log: "pass d=example.test s=sel a=rsa-sha256".
inline std::string summary(const signature_result& r) {
  std::string text(to_string(r.outcome));
  if (!r.domain.empty()) text += " d=" + r.domain;
  if (!r.selector.empty()) text += " s=" + r.selector;
  if (!r.algorithm.empty()) text += " a=" + r.algorithm;
  if (!r.reason.empty()) text += " (" + r.reason + ")";
  return text;
}

}  // namespace detail

GATEPOST_DECL verifier::verifier(smtp::dns::resolver& resolver, verifier_options options)
    : resolver_(resolver), options_(std::move(options)), keys_(options_.keys_kept) {
  if (options_.verify.cache == nullptr) options_.verify.cache = &keys_;
}

GATEPOST_DECL asio::awaitable<verdict> verifier::on_header_end(context& ctx) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto& mine = ctx.transaction_notes().own<detail::verifier_state>(this);
  verification& work = mine.work.emplace(options_.verify, options_.now());
  work.header(ctx.header(), ctx.fields());
  mine.feed.header_end(ctx.header().size(), [&](std::string_view body) { work.body(body); });
  if (!work.questions().empty())
    mine.keys = std::make_unique<key_fetch>(executor, resolver_, work.questions());
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> verifier::on_body(context& ctx, std::string_view text) {
  auto& mine = ctx.transaction_notes().own<detail::verifier_state>(this);
  if (mine.work && !mine.work->wants_body()) co_return verdict::pass();
  mine.feed.update(text, [&](std::string_view body) { mine.work->body(body); });
  co_return verdict::pass();
}

GATEPOST_DECL bool verifier::prepare(context& ctx, const asio::any_io_executor&) {
  const auto& mine = ctx.transaction_notes().own<detail::verifier_state>(this);
  return !mine.keys || mine.keys->done();
}

GATEPOST_DECL asio::awaitable<verdict> verifier::on_message(context& ctx) {
  auto& mine = ctx.transaction_notes().own<detail::verifier_state>(this);
  if (!mine.work) co_return verdict::pass();
  if (mine.keys) {
    co_await mine.keys->wait();
    for (std::size_t i = 0; i < mine.keys->answers().size(); ++i)
      mine.work->answer(i, mine.keys->answers()[i]);
  }
  const report& found = ctx.transaction_notes().emplace<report>(mine.work->finish());
  mine.work.reset();
  co_return judge(found);
}

GATEPOST_DECL verdict verifier::judge(const report& r) const {
  action what = action::ignore;
  switch (r.outcome()) {
    case outcome::none: what = options_.on_none; break;
    case outcome::temperror: what = options_.on_temperror; break;
    case outcome::permerror: what = options_.on_permerror; break;
    case outcome::fail:
    case outcome::policy:
    case outcome::neutral: what = options_.on_fail; break;
    case outcome::pass: break;
  }
  verdict v = detail::carry_out(what);
  for (const signature_result& s : r.signatures()) v.add_tag("dkim", detail::summary(s));
  return v;
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_VERIFIER_IPP
