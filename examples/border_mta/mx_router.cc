#include "examples/border_mta/mx_router.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <tuple>

#include "smtp/domain.hpp"

namespace border_mta {

namespace routing = gatepost::routing;
namespace smtp = gatepost::smtp;
namespace dns = gatepost::smtp::dns;

namespace {

// A host with its place among others.
struct candidate {
  unsigned preference;
  std::uint64_t among_equals;
  std::string name;
};

// The finaliser of MurmurHash3, which spreads every bit over all.
std::uint64_t mixed(std::uint64_t bits) {
  bits = (bits ^ bits >> 33) * 0xFF51AFD7ED558CCDull;
  bits = (bits ^ bits >> 33) * 0xC4CEB9FE1A85EC53ull;
  return bits ^ bits >> 33;
}

std::vector<candidate> usable(const std::vector<dns::mx_record>& records, std::uint64_t random) {
  std::vector<candidate> found;
  for (const dns::mx_record& mx : records) {
    // RFC 7505 §3: beside others a null MX says nothing.
    std::string name = smtp::canonical_domain(mx.exchange);
    if (!smtp::valid_domain(name)) continue;
    const std::uint64_t place = mixed(std::hash<std::string>{}(name) ^ random);
    found.push_back({mx.preference, place, std::move(name)});
  }
  std::sort(found.begin(), found.end(), [](const candidate& a, const candidate& b) {
    return std::tie(a.preference, a.among_equals) < std::tie(b.preference, b.among_equals);
  });
  return found;
}

smtp::reply no_such_domain(const std::string& domain) {
  return {550, {5, 1, 2}, domain + " does not exist"};
}

smtp::reply not_now(const std::string& domain, const std::string& why) {
  return {451, {4, 4, 3}, "The DNS does not tell where mail for " + domain + " goes: " + why};
}

routing::route_result with_route(const routing::route_result& found, routing::route where) {
  return found.by_default() ? routing::route_result::found_by_default(std::move(where))
                            : routing::route_result::found(std::move(where));
}

void add_hops(std::vector<routing::next_hop>& hops, const routing::next_hop& listed,
              const std::vector<std::string>& hosts) {
  for (const std::string& host : hosts) {
    if (hops.size() == routing::route::max_hops) return;
    routing::next_hop& hop = hops.emplace_back(listed);
    hop.host = host;
    hop.lookup = routing::hop_lookup::host;
  }
}

}  // namespace

mail_hosts choose_hosts(const std::string& domain, const std::vector<dns::mx_record>& records,
                        const std::vector<std::string>& own_names, std::uint64_t random) {
  // RFC 7505 §4.1: no mail can be delivered, and 556 5.1.10 says so.
  if (records.size() == 1 && records.front().exchange.empty())
    return mail_hosts(smtp::reply(556, {5, 1, 10}, domain + " takes no mail (null MX)"));
  std::vector<candidate> found = usable(records, random);
  if (found.empty())
    return mail_hosts(smtp::reply(550, {5, 4, 4}, "The MX records of " + domain + " name no host"));
  const auto own = std::find_if(found.begin(), found.end(), [&own_names](const candidate& c) {
    return std::find(own_names.begin(), own_names.end(), c.name) != own_names.end();
  });
  // RFC 5321 §5.1: neither ourselves, nor who is no better.
  if (own != found.end()) {
    const unsigned limit = own->preference;
    std::erase_if(found, [limit](const candidate& c) { return c.preference >= limit; });
  }
  if (found.empty())
    return mail_hosts(smtp::reply(554, {5, 4, 6}, "The MX records of " + domain + " lead here"));
  if (found.size() > most_mail_hosts) found.resize(most_mail_hosts);
  std::vector<std::string> names;
  for (candidate& c : found) names.push_back(std::move(c.name));
  return mail_hosts(std::move(names));
}

mx_router::mx_router(routing::router& table, dns::resolver& dns, mx_router_options options)
    : table_(table), dns_(dns), options_(std::move(options)) {}

asio::awaitable<routing::route_result> mx_router::route(const smtp::address& recipient,
                                                        const smtp::session_view* session) {
  const routing::route_result found = co_await table_.route(recipient, session);
  if (!is_asked_about(found, session)) co_return found;
  std::vector<routing::next_hop> hops;
  smtp::reply why_none;
  for (const routing::next_hop& listed : found.where().hops()) {
    if (listed.lookup != routing::hop_lookup::mx) {
      if (hops.size() < routing::route::max_hops) hops.push_back(listed);
      continue;
    }
    const mail_hosts hosts = co_await find_hosts(listed.host);
    add_hops(hops, listed, hosts.names());
    // Of several domains one that may answer later decides.
    if (hosts.names().empty() && !why_none.temporary()) why_none = hosts.why_none();
  }
  if (!hops.empty()) co_return with_route(found, routing::route(std::move(hops)));
  const bool later = why_none.temporary() && options_.mode == delivery_mode::spool;
  if (later && session != nullptr) co_return found;
  co_return with_route(found, routing::route::refuse(std::move(why_none)));
}

bool mx_router::is_asked_about(const routing::route_result& found,
                               const smtp::session_view* session) const {
  if (found.status() != routing::route_status::found) return false;
  const auto& hops = found.where().hops();
  const bool any = std::any_of(hops.begin(), hops.end(), [](const routing::next_hop& hop) {
    return hop.lookup == routing::hop_lookup::mx;
  });
  if (!any || !found.by_default() || session == nullptr) return any;
  const smtp::session_facts& who = session->facts;
  if (who.authenticated()) return true;
  return who.has_client_address() ? options_.relay_from.contains(who.client.address)
                                  : options_.relay_from_unix;
}

asio::awaitable<mail_hosts> mx_router::find_hosts(std::string domain) const {
  const dns::answer<dns::mx_record> mx = co_await dns_.mx(domain);
  switch (mx.status()) {
    case dns::status::found:
      co_return choose_hosts(domain, mx.records(), options_.own_names, random_now());
    case dns::status::no_such_name: co_return mail_hosts(no_such_domain(domain));
    case dns::status::temporary_failure: co_return mail_hosts(not_now(domain, mx.reason()));
    case dns::status::no_data: break;
  }
  mail_hosts itself = co_await find_address(domain);
  co_return itself;
}

// RFC 5321 §5.1: without MX records the domain is its own and only mail host, where it has an
// address.
asio::awaitable<mail_hosts> mx_router::find_address(std::string domain) const {
  const auto& own = options_.own_names;
  if (std::find(own.begin(), own.end(), domain) != own.end())
    co_return mail_hosts(smtp::reply(554, {5, 4, 6}, "Mail for " + domain + " leads here"));
  const dns::answer<smtp::ip_address> v4 = co_await dns_.a(domain);
  dns::answer<smtp::ip_address> v6;
  if (!v4.has_records()) v6 = co_await dns_.aaaa(domain);
  if (v4.has_records() || v6.has_records()) {
    std::vector<std::string> names;
    names.push_back(std::move(domain));
    co_return mail_hosts(std::move(names));
  }
  if (!v4.is_definite()) co_return mail_hosts(not_now(domain, v4.reason()));
  if (!v6.is_definite()) co_return mail_hosts(not_now(domain, v6.reason()));
  co_return mail_hosts(smtp::reply(550, {5, 4, 4}, domain + " has neither MX nor address records"));
}

// One order for each second: recipients of one message stay together, and the load is spread (RFC
// 5321 §5.1).
std::uint64_t mx_router::random_now() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return mixed(seed_ ^ static_cast<std::uint64_t>(seconds));
}

}  // namespace border_mta
