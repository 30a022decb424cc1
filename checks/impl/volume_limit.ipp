#ifndef GATEPOST_CHECKS_IMPL_VOLUME_LIMIT_IPP
#define GATEPOST_CHECKS_IMPL_VOLUME_LIMIT_IPP

#include <utility>

#include "checks/detail/bounded_table.hpp"
#include "checks/volume_limit.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks {
namespace detail {

inline constexpr smtp::fixed_reply guesses_recipients{
    421, {4, 7, 0}, "Too many recipients that do not exist"};
inline constexpr smtp::fixed_reply sends_too_much{
    450, {4, 7, 1}, "You send too many messages, try again later"};
inline constexpr smtp::fixed_reply sends_to_too_many{
    450, {4, 7, 1}, "You send to too many recipients, try again later"};

// The session's note.
struct session_volume {
  std::uint32_t messages = 0;
  std::uint32_t recipients = 0;
};

struct sender_volume {
  meter messages;
  meter recipients;

  bool idle(table_time now) const { return messages.empty(now) && recipients.empty(now); }
};

class volume_table {
 public:
  explicit volume_table(std::size_t capacity) : volumes_(capacity) {}

  bool take(const std::string& sender, meter sender_volume::* which, const volume_rate& rate,
            table_time now) {
    if (rate.count == 0 || sender.empty()) return true;
    return volumes_.with(sender, now, true, [&](sender_volume& v) {
      return (v.*which).take(rate.count, rate.per, now);
    });
  }

 private:
  bounded_table<std::string, sender_volume> volumes_;
};

}  // namespace detail

GATEPOST_DECL volume_limit::volume_limit(volume_limit_options options)
    : options_(std::move(options)),
      table_(std::make_unique<detail::volume_table>(options_.senders)) {}

GATEPOST_DECL volume_limit::~volume_limit() = default;

GATEPOST_DECL asio::awaitable<verdict> volume_limit::on_mail(context& ctx) {
  if (exempt(ctx.facts())) co_return verdict::pass();
  auto& mine = ctx.notes().own<detail::session_volume>(this);
  if (options_.messages != 0 && ++mine.messages > options_.messages)
    co_return verdict::defer(smtp::replies::too_many_transactions);
  const bool fits = table_->take(sender_of(ctx), &detail::sender_volume::messages,
                                 options_.sender_messages, options_.now());
  if (!fits) co_return verdict::defer(detail::sends_too_much);
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> volume_limit::on_rcpt(context& ctx) {
  const smtp::session_facts& facts = ctx.facts();
  if (exempt(facts)) co_return verdict::pass();
  if (options_.unknown_recipients != 0 && facts.bad_recipients >= options_.unknown_recipients)
    co_return verdict::defer(detail::guesses_recipients);
  auto& mine = ctx.notes().own<detail::session_volume>(this);
  if (options_.recipients != 0 && ++mine.recipients > options_.recipients)
    co_return verdict::defer(smtp::replies::too_many_recipients);
  const bool fits = table_->take(sender_of(ctx), &detail::sender_volume::recipients,
                                 options_.sender_recipients, options_.now());
  if (!fits) co_return verdict::defer(detail::sends_to_too_many);
  co_return verdict::pass();
}

GATEPOST_DECL bool volume_limit::exempt(const smtp::session_facts& facts) const {
  return options_.exempt.contains(facts.client.address) && !facts.authenticated();
}

// Empty: nobody to be limited.
GATEPOST_DECL std::string volume_limit::sender_of(const context& ctx) const {
  const smtp::session_facts& facts = ctx.facts();
  const smtp::address& from = ctx.envelope().reverse_path();
  switch (options_.by) {
    case volume_limit_options::sender::identity: return facts.auth_identity;
    case volume_limit_options::sender::network:
      return smtp::client_network(facts.client.address).text();
    case volume_limit_options::sender::reverse_path: break;
  }
  if (from.is_null()) return {};
  return from.unquoted_local_part() + '@' + from.canonical_domain();
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_VOLUME_LIMIT_IPP
