#ifndef GATEPOST_CHECKS_IMPL_LOOP_IPP
#define GATEPOST_CHECKS_IMPL_LOOP_IPP

#include "checks/loop.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks {

GATEPOST_DECL asio::awaitable<verdict> loop::on_header_end(context& ctx) {
  static constexpr smtp::fixed_reply was_here{
      554, {5, 4, 6}, "Mail loop: the message was here before"};
  const auto& header = ctx.fields();
  if (!header) co_return verdict::inconclusive("header cannot be read");
  if (options_.hops != 0 && smtp::count_hops(header->fields) > options_.hops)
    co_return verdict::refuse(smtp::replies::too_many_hops);
  for (const std::string& name : options_.own_names) {
    const std::size_t visits = smtp::count_received_by(header->fields, name);
    if (options_.own_visits != 0 && visits > options_.own_visits)
      co_return verdict::refuse(was_here);
  }
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> loop::on_message(context& ctx) {
  static constexpr smtp::fixed_reply again{554, {5, 4, 6}, "Mail loop: was delivered here before"};
  const auto& header = ctx.fields();
  if (!options_.delivered_to || !header) co_return verdict::pass();
  // Most messages have none of these fields; then no recipient is looked at.
  std::vector<smtp::field_view> delivered;
  for (const smtp::field_view* f : smtp::all_fields(header->fields, "delivered-to"))
    delivered.push_back(*f);
  verdict v;
  if (delivered.empty()) co_return v;
  const auto recipients = ctx.envelope().recipients();
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    if (smtp::delivered_before(delivered, recipients[i].forward_path.text()))
      v.for_recipient(i, verdict::refuse(again));
  }
  co_return v;
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_LOOP_IPP
