#ifndef GATEPOST_CHECKS_IMPL_RELAY_DOMAINS_IPP
#define GATEPOST_CHECKS_IMPL_RELAY_DOMAINS_IPP

#include <stdexcept>
#include <utility>

#include "checks/relay_domains.hpp"
#include "smtp/domain.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks {

GATEPOST_DECL domain_table::domain_table(std::initializer_list<std::string_view> domains) {
  for (const std::string_view domain : domains)
    if (!add(domain)) throw std::invalid_argument("not a domain: " + std::string(domain));
}

GATEPOST_DECL bool domain_table::add(std::string_view domain) {
  const bool below = domain.starts_with('.');
  if (below) domain.remove_prefix(1);
  const auto kind = smtp::parse_domain(domain, {.utf8 = smtp::utf8_policy::smtputf8});
  if (!kind || (below && *kind != smtp::domain_kind::name)) return false;
  domains_.insert((below ? "." : "") + smtp::canonical_domain(domain));
  return true;
}

GATEPOST_DECL bool domain_table::contains(std::string_view domain) const {
  if (domains_.contains(domain)) return true;
  if (domain.starts_with('[')) return false;
  // a.b.example.test: .b.example.test, .example.test, .test
  for (std::size_t dot = domain.find('.'); dot != domain.npos; dot = domain.find('.', dot + 1))
    if (domains_.contains(domain.substr(dot))) return true;
  return false;
}

GATEPOST_DECL relay_domains::relay_domains(relay_domains_options options)
    : options_(std::move(options)),
      domains_(std::make_shared<const domain_table>(std::move(options_.domains))) {}

GATEPOST_DECL asio::awaitable<verdict> relay_domains::on_rcpt(context& ctx) {
  if (may_relay(ctx.facts()) || is_ours(ctx.recipient().forward_path)) co_return verdict::pass();
  co_return verdict::refuse(smtp::replies::relaying_denied);
}

GATEPOST_DECL bool relay_domains::may_relay(const smtp::session_facts& facts) const {
  if (options_.authenticated && facts.authenticated()) return true;
  return facts.has_client_address() ? options_.trusted.contains(facts.client.address)
                                    : options_.trusted_unix;
}

GATEPOST_DECL bool relay_domains::is_ours(const smtp::address& recipient) const {
  // RFC 5321 §4.5.1: <Postmaster> without a domain is ours.
  if (recipient.kind() == smtp::domain_kind::none) return recipient.is_postmaster();
  if (!options_.routed_local_parts &&
      recipient.local_part().find_first_of("%@") != std::string_view::npos)
    return false;
  return domains()->contains(recipient.canonical_domain());
}

GATEPOST_DECL void relay_domains::replace(domain_table domains) {
  auto next = std::make_shared<const domain_table>(std::move(domains));
  const std::lock_guard lock(mutex_);
  domains_.swap(next);
}

GATEPOST_DECL std::shared_ptr<const domain_table> relay_domains::domains() const {
  const std::lock_guard lock(mutex_);
  return domains_;
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_RELAY_DOMAINS_IPP
