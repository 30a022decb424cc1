#ifndef GATEPOST_CHECKS_IMPL_IPREV_IPP
#define GATEPOST_CHECKS_IMPL_IPREV_IPP

#include <algorithm>
#include <optional>
#include <vector>

#include "checks/detail/iprev_search.hpp"
#include "checks/detail/lookups.hpp"
#include "checks/iprev.hpp"
#include "smtp/domain.hpp"

namespace gatepost::checks {
namespace detail {

using addresses = smtp::dns::answer<smtp::ip_address>;

// A PTR record can hold any octets; what is no host name has no address either.
inline bool looks_like_host(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= smtp::max_domain_octets &&
         std::all_of(name.begin(), name.end(), plain);
}

inline std::vector<std::string> host_names(const std::vector<std::string>& records,
                                           std::size_t most) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(most, records.size()); ++i) {
    std::string name = smtp::to_lower_ascii(records[i]);
    if (name.ends_with('.')) name.pop_back();
    if (looks_like_host(name) && std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(std::move(name));
  }
  return names;
}

inline bool has_address(const addresses& found, const smtp::ip_address& wanted) {
  return std::any_of(found.records().begin(), found.records().end(),
                     [&](const smtp::ip_address& a) { return a.unmapped() == wanted; });
}

// The first name in order that leads back decides.
GATEPOST_DECL std::optional<iprev_result> iprev_search::operator()(lookups& dns) const {
  const auto* ptr = dns.ptr(address);
  if (ptr == nullptr) return std::nullopt;
  if (!ptr->is_definite()) return iprev_result(iprev_status::temperror, address, {});
  if (!ptr->has_records()) return iprev_result(iprev_status::permerror, address, {});

  const std::vector<std::string> hosts = host_names(ptr->records(), names);
  bool all_here = true;
  bool all_answered = true;
  for (const std::string& host : hosts) {
    const addresses* found = dns.of_family(address.family(), host);
    all_here = all_here && found != nullptr;
    if (!all_here) continue;
    if (has_address(*found, address)) return iprev_result(iprev_status::pass, address, host);
    all_answered = all_answered && found->is_definite();
  }
  if (!all_here) return std::nullopt;
  const iprev_status status = all_answered ? iprev_status::fail : iprev_status::temperror;
  return iprev_result(status, address, hosts.empty() ? std::string() : hosts.front());
}

}  // namespace detail

GATEPOST_DECL std::string_view to_string(iprev_status s) {
  switch (s) {
    case iprev_status::pass: return "pass";
    case iprev_status::fail: return "fail";
    case iprev_status::temperror: return "temperror";
    case iprev_status::permerror: return "permerror";
  }
  return "?";
}

GATEPOST_DECL asio::awaitable<iprev_result> find_iprev(smtp::dns::resolver& dns,
                                                       smtp::ip_address address,
                                                       std::size_t names) {
  iprev_result found =
      co_await detail::search_for<iprev_result>(dns, detail::iprev_search(address, names));
  co_return found;
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_IPREV_IPP
