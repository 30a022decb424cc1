#ifndef GATEPOST_CHECKS_IMPL_IPREV_IPP
#define GATEPOST_CHECKS_IMPL_IPREV_IPP

#include <algorithm>
#include <asio/this_coro.hpp>
#include <vector>

#include "checks/detail/errand.hpp"
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

// Of one family; no coroutine.
inline asio::awaitable<addresses> addresses_of(smtp::dns::resolver& dns, const std::string& host,
                                               smtp::ip_family family) {
  if (family == smtp::ip_family::v4) return dns.a(host);
  return dns.aaaa(host);
}

inline bool has_address(const addresses& found, const smtp::ip_address& wanted) {
  return std::any_of(found.records().begin(), found.records().end(),
                     [&](const smtp::ip_address& a) { return a.unmapped() == wanted; });
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
  const auto executor = co_await asio::this_coro::executor;
  address = address.unmapped();
  const auto ptr = co_await dns.ptr(address);
  if (!ptr.is_definite()) co_return iprev_result(iprev_status::temperror, address, {});
  if (!ptr.has_records()) co_return iprev_result(iprev_status::permerror, address, {});

  const std::vector<std::string> hosts = detail::host_names(ptr.records(), names);
  std::vector<detail::errand_ptr<detail::addresses>> asked;
  for (const std::string& host : hosts) {
    asked.emplace_back(detail::errand<detail::addresses>::start(
        executor, detail::addresses_of(dns, host, address.family())));
  }
  bool all_answered = true;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    co_await asked[i]->wait();
    const detail::addresses& found = asked[i]->result();
    if (detail::has_address(found, address))
      co_return iprev_result(iprev_status::pass, address, hosts[i]);
    all_answered = all_answered && found.is_definite();
  }
  const iprev_status status = all_answered ? iprev_status::fail : iprev_status::temperror;
  co_return iprev_result(status, address, hosts.empty() ? std::string() : hosts.front());
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_IPREV_IPP
