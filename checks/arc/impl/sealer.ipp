#ifndef GATEPOST_CHECKS_ARC_IMPL_SEALER_IPP
#define GATEPOST_CHECKS_ARC_IMPL_SEALER_IPP

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "checks/arc/chain.hpp"
#include "checks/arc/sealer.hpp"
#include "checks/dkim/detail/body_feed.hpp"
#include "checks/dkim/result.hpp"
#include "smtp/header_reader.hpp"

namespace gatepost::checks::arc {
namespace detail {

// The check's own state, for one message.
struct sealer_state {
  std::optional<sealing> work;
  dkim::detail::body_feed feed;
};

inline std::string dkim_result(const dkim::signature_result& r) {
  std::string text = "dkim=" + std::string(dkim::to_string(r.outcome));
  if (!r.domain.empty()) text += " header.d=" + r.domain;
  if (!r.selector.empty()) text += " header.s=" + r.selector;
  if (!r.algorithm.empty()) text += " header.a=" + r.algorithm;
  // RFC 6008 §4: at least eight octets.
  if (!r.b.empty()) text += " header.b=\"" + r.b.substr(0, 8) + "\"";
  return text;
}

// The fields that seal() made, each for itself.
inline std::vector<std::string_view> fields_of(std::string_view text) {
  std::vector<std::string_view> out;
  const auto header = smtp::read_header(text);
  if (!header) return out;
  for (const smtp::field_view& f : header->fields)
    out.push_back(text.substr(f.octets.offset, f.octets.size));
  return out;
}

}  // namespace detail

GATEPOST_DECL std::string results_of(const context& ctx, const true_client& client) {
  std::string out;
  const auto add = [&](const std::string& one) { out += (out.empty() ? "" : "; ") + one; };
  if (const auto* arc = ctx.transaction_notes().find<report>()) {
    // RFC 8617 §10.2
    const seen_client who = client.find(ctx);
    const std::string address = (who.known() ? who.address : ctx.facts().client.address).text();
    const bool v6 = address.find(':') != address.npos;
    add("arc=" + std::string(to_string(arc->chain)) +
        " smtp.remote-ip=" + (v6 ? '"' + address + '"' : address));
  }
  if (const auto* found = ctx.transaction_notes().find<dkim::report>()) {
    for (const dkim::signature_result& r : found->signatures()) add(detail::dkim_result(r));
    if (found->signatures().empty()) add("dkim=none");
  }
  return out;
}

GATEPOST_DECL sealer::sealer(dkim::key_set keys, sealer_options options)
    : keys_(std::move(keys)), options_(std::move(options)) {}

GATEPOST_DECL asio::awaitable<verdict> sealer::on_header_end(context& ctx) {
  auto& mine = ctx.transaction_notes().own<detail::sealer_state>(this);
  sealing& work = mine.work.emplace(options_.seal);
  mine.feed.header_end(ctx.header().size(), [&](std::string_view body) { work.body(body); });
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> sealer::on_body(context& ctx, std::string_view text) {
  auto& mine = ctx.transaction_notes().own<detail::sealer_state>(this);
  mine.feed.update(text, [&](std::string_view body) { mine.work->body(body); });
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> sealer::on_message(context& ctx) {
  auto& mine = ctx.transaction_notes().own<detail::sealer_state>(this);
  verdict v = verdict::pass();
  const auto now = options_.now();
  const std::vector<const dkim::signing_key*> keys = keys_.keys_for(options_.domain, now);
  if (!mine.work || keys.empty() || !ctx.fields()) co_return v;
  const auto* chain = ctx.transaction_notes().find<report>();
  // A chain that could not be looked up is not known to have failed: leave it to the next one.
  if (chain != nullptr && chain->temporary) co_return v;
  const dkim::header_text header{ctx.header(), ctx.fields()->fields};
  // Nor is one that nobody looked at, arc::verifier being absent or out of time.
  if (chain == nullptr && has_arc(header)) {
    v.add_tag("arc_seal", "the chain was not validated");
    co_return v;
  }
  const found_results found{options_.authserv_id, options_.results
                                                      ? options_.results(ctx)
                                                      : results_of(ctx, options_.client)};
  const auto status = chain == nullptr ? chain_status::none : chain->chain;
  const auto fields = mine.work->seal(header, *keys.front(), found, status, now);
  mine.work.reset();
  if (!fields) {
    v.add_tag("arc_seal", std::string(fields.problem()));
    co_return v;
  }
  for (const std::string_view field : detail::fields_of(*fields))
    v.add_header(std::string(field.substr(0, field.find(':'))), std::string(dkim::value_of(field)));
  co_return v;
}

}  // namespace gatepost::checks::arc

#endif  // GATEPOST_CHECKS_ARC_IMPL_SEALER_IPP
