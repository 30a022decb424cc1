#ifndef GATEPOST_ROUTING_IMPL_TABLE_IPP
#define GATEPOST_ROUTING_IMPL_TABLE_IPP

#include <string>
#include <utility>

#include "routing/detail/route_text.hpp"
#include "routing/table.hpp"

namespace gatepost::routing {
namespace detail {

// <Postmaster> is that of a domain; everybody else has one.
inline smtp::address with_domain(const smtp::address& who, const std::string& domain) {
  if (!who.domain().empty() || domain.empty()) return who;
  const auto whole = smtp::address::from_text(who.text() + "@" + domain, map_addresses);
  return whole ? *whole : who;
}

}  // namespace detail

GATEPOST_DECL table::table(route_map routes)
    : routes_(std::make_shared<const route_map>(std::move(routes))) {}

template <class Change>
void table::change(Change how) {
  const std::lock_guard lock(mutex_);
  auto changed = std::make_shared<route_map>(*routes_);
  how(*changed);
  routes_ = std::move(changed);
}

GATEPOST_DECL void table::add(std::string_view key, routing::route where) {
  change([&](route_map& routes) { routes.add(key, std::move(where)); });
}

GATEPOST_DECL void table::add_users(std::string_view key, const std::vector<std::string>& users) {
  change([&](route_map& routes) { routes.add_users(key, users); });
}

GATEPOST_DECL void table::add_class(std::string_view key, std::string_view name) {
  change([&](route_map& routes) { routes.add_class(key, name); });
}

GATEPOST_DECL void table::replace(route_map routes) {
  auto fresh = std::make_shared<const route_map>(std::move(routes));
  // The old one may be large: it goes after the lock.
  const std::lock_guard lock(mutex_);
  routes_.swap(fresh);
}

GATEPOST_DECL std::vector<std::string> table::parse(std::string_view text,
                                                    std::string_view file_name) {
  parsed_routes parsed = parse_routes(text, file_name);
  if (parsed.errors.empty()) replace(std::move(parsed.routes));
  return std::move(parsed.errors);
}

GATEPOST_DECL std::shared_ptr<const route_map> table::snapshot() const {
  const std::lock_guard lock(mutex_);
  return routes_;
}

GATEPOST_DECL route_result table::find(const smtp::address& recipient) const {
  const std::shared_ptr<const route_map> routes = snapshot();
  const route_match match = routes->find(recipient);
  if (match.user_unknown) return route_result::unknown_user();
  if (match.where == nullptr) return route_result::unknown_domain();
  smtp::result<routing::route> where =
      expand(*match.where, detail::with_domain(recipient, routes->first_domain()));
  if (!where) return route_result::unknown_user();
  route_result found = match.key == route_match::by::any
                           ? route_result::found_by_default(*std::move(where))
                           : route_result::found(*std::move(where));
  return std::move(found).in_class(std::string(match.policy_class));
}

GATEPOST_DECL asio::awaitable<route_result> table::route(const smtp::address& recipient,
                                                         const smtp::session_view*) {
  co_return find(recipient);
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_TABLE_IPP
