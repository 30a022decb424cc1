#ifndef GATEPOST_CHECKS_IMPL_HELO_IPP
#define GATEPOST_CHECKS_IMPL_HELO_IPP

#include <algorithm>
#include <optional>
#include <utility>

#include "checks/helo.hpp"
#include "smtp/domain.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks {
namespace detail {

inline constexpr smtp::fixed_reply helo_syntax{
    501, {5, 5, 2}, "HELO wants a domain or an address literal (RFC 5321 section 4.1.1.1)"};
inline constexpr smtp::fixed_reply helo_bare_address{
    501, {5, 5, 2}, "An address in HELO stands in brackets (RFC 5321 section 4.1.3)"};
inline constexpr smtp::fixed_reply helo_not_qualified{
    504, {5, 5, 2}, "HELO wants a fully qualified domain (RFC 5321 section 2.3.5)"};
inline constexpr smtp::fixed_reply helo_not_your_address{
    550, {5, 7, 1}, "The address literal in HELO is not your address"};

// The reply says the name, for it is the first thing that somebody has to look for.
inline smtp::reply helo_is_ours(std::string_view name) {
  return smtp::reply(550, {5, 7, 1}, "HELO " + std::string(name) + ": this is us, not you");
}

inline std::optional<smtp::ip_address> literal_of(std::string_view helo) {
  if (helo.size() < 2 || helo.front() != '[' || helo.back() != ']') return std::nullopt;
  const auto address = smtp::parse_tagged_address(helo.substr(1, helo.size() - 2));
  if (!address) return std::nullopt;
  return address->unmapped();
}

}  // namespace detail

GATEPOST_DECL helo::helo(helo_options options) : options_(std::move(options)) {
  for (std::string& name : options_.own_names) name = smtp::canonical_domain(name);
}

GATEPOST_DECL asio::awaitable<verdict> helo::on_helo(context& ctx) {
  const smtp::session_facts& facts = ctx.facts();
  const bool looked_at = !facts.authenticated() && facts.has_client_address() &&
                         !options_.exempt.contains(facts.client.address);
  if (!looked_at) co_return verdict::pass();
  co_return look_at_name(facts);
}

GATEPOST_DECL verdict helo::look_at_name(const smtp::session_facts& facts) const {
  const std::string_view name = facts.helo;
  if (const auto literal = detail::literal_of(name)) return look_at_address(facts, *literal);
  if (const auto bare = smtp::parse_ip_address(name)) {
    if (options_.bare_address) return verdict::refuse(detail::helo_bare_address);
    return look_at_address(facts, bare->unmapped());
  }
  if (options_.syntax && !smtp::valid_helo_name(name)) return verdict::refuse(detail::helo_syntax);
  if (options_.fully_qualified && name.find('.') == name.npos)
    return verdict::refuse(detail::helo_not_qualified);
  if (!options_.self_claim) return verdict::pass();
  const auto& own = options_.own_names;
  const bool ours = std::find(own.begin(), own.end(), smtp::canonical_domain(name)) != own.end();
  return ours ? verdict::refuse(detail::helo_is_ours(name)) : verdict::pass();
}

GATEPOST_DECL verdict helo::look_at_address(const smtp::session_facts& facts,
                                            const smtp::ip_address& claimed) const {
  const smtp::ip_address client = facts.client.address.unmapped();
  if (claimed == client) return verdict::pass();
  const auto& own = options_.own_addresses;
  const bool ours = claimed == facts.local.address.unmapped() ||
                    std::find(own.begin(), own.end(), claimed) != own.end();
  if (options_.self_claim && ours) return verdict::refuse(detail::helo_is_ours(facts.helo));
  if (options_.literal_mismatch) return verdict::refuse(detail::helo_not_your_address);
  return verdict::pass();
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_HELO_IPP
