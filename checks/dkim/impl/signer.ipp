#ifndef GATEPOST_CHECKS_DKIM_IMPL_SIGNER_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_SIGNER_IPP

#include <optional>
#include <string>
#include <utility>

#include "checks/dkim/detail/author.hpp"
#include "checks/dkim/detail/body_feed.hpp"
#include "checks/dkim/signer.hpp"
#include "smtp/header_reader.hpp"

namespace gatepost::checks::dkim {
namespace detail {

// The check's own state, for one message.
struct signer_state {
  std::optional<signing> work;  // none: this message is not signed
  body_feed feed;
};

}  // namespace detail

GATEPOST_DECL signer::signer(key_set keys, signer_options options)
    : keys_(std::move(keys)), options_(std::move(options)) {}

GATEPOST_DECL bool signer::ours(const context& ctx) const {
  const smtp::session_facts& facts = ctx.facts();
  if (facts.authenticated() || facts.from_this_machine()) return true;
  return facts.has_client_address() && options_.networks.contains(facts.client.address);
}

GATEPOST_DECL std::vector<const signing_key*> signer::keys_for(const context& ctx) const {
  if (!ours(ctx) || !ctx.fields()) return {};
  const smtp::field_view* from = smtp::last_field(ctx.fields()->fields, "From");
  if (from == nullptr) return {};
  return keys_.keys_for(detail::author_domain(from->value), options_.now());
}

GATEPOST_DECL asio::awaitable<verdict> signer::on_header_end(context& ctx) {
  auto& mine = ctx.transaction_notes().own<detail::signer_state>(this);
  if (!keys_for(ctx).empty()) mine.work.emplace(options_.sign);
  mine.feed.header_end(ctx.header().size(), [&](std::string_view body) {
    if (mine.work) mine.work->body(body);
  });
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> signer::on_body(context& ctx, std::string_view text) {
  auto& mine = ctx.transaction_notes().own<detail::signer_state>(this);
  mine.feed.update(text, [&](std::string_view body) {
    if (mine.work) mine.work->body(body);
  });
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> signer::on_message(context& ctx) {
  auto& mine = ctx.transaction_notes().own<detail::signer_state>(this);
  verdict v = verdict::pass();
  if (!mine.work) co_return v;
  const header_text header{ctx.header(), ctx.fields()->fields};
  for (const signing_key* key : keys_for(ctx)) {
    const std::string field = mine.work->field(header, *key, options_.now());
    if (field.empty()) continue;
    v.add_header("DKIM-Signature", std::string(value_of(field)));
    v.add_tag("dkim_sign", "d=" + key->domain + " s=" + key->selector);
  }
  mine.work.reset();
  co_return v;
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_SIGNER_IPP
