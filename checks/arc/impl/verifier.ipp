#ifndef GATEPOST_CHECKS_ARC_IMPL_VERIFIER_IPP
#define GATEPOST_CHECKS_ARC_IMPL_VERIFIER_IPP

#include <asio/this_coro.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "checks/arc/verifier.hpp"
#include "checks/dkim/detail/body_feed.hpp"
#include "checks/dkim/key_fetch.hpp"

namespace gatepost::checks::arc {
namespace detail {

// The check's own state, for one message.
struct verifier_state {
  std::optional<validation> work;
  dkim::detail::body_feed feed;
  std::unique_ptr<dkim::key_fetch> keys;
};

}  // namespace detail

GATEPOST_DECL verifier::verifier(smtp::dns::resolver& resolver, verifier_options options)
    : resolver_(resolver), options_(std::move(options)), keys_(options_.keys_kept) {
  if (options_.validate.cache == nullptr) options_.validate.cache = &keys_;
}

GATEPOST_DECL asio::awaitable<verdict> verifier::on_header_end(context& ctx) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto& mine = ctx.transaction_notes().own<detail::verifier_state>(this);
  validation& work = mine.work.emplace(options_.validate, options_.now());
  work.header(ctx.header(), ctx.fields());
  mine.feed.header_end(ctx.header().size(), [&](std::string_view body) { work.body(body); });
  if (!work.questions().empty())
    mine.keys = std::make_unique<dkim::key_fetch>(executor, resolver_, work.questions());
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
  verdict v = verdict::pass();
  if (!mine.work) co_return v;
  if (mine.keys) {
    co_await mine.keys->wait();
    for (std::size_t i = 0; i < mine.keys->answers().size(); ++i)
      mine.work->answer(i, mine.keys->answers()[i]);
  }
  const report& found = ctx.transaction_notes().emplace<report>(mine.work->finish());
  mine.work.reset();
  std::string text(to_string(found.chain));
  if (!found.reason.empty()) text += " (" + found.reason + ")";
  v.add_tag("arc", std::move(text));
  co_return v;
}

}  // namespace gatepost::checks::arc

#endif  // GATEPOST_CHECKS_ARC_IMPL_VERIFIER_IPP
