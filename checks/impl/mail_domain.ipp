#ifndef GATEPOST_CHECKS_IMPL_MAIL_DOMAIN_IPP
#define GATEPOST_CHECKS_IMPL_MAIL_DOMAIN_IPP

#include <algorithm>
#include <asio/this_coro.hpp>
#include <vector>

#include "checks/detail/errand.hpp"
#include "checks/mail_domain.hpp"
#include "smtp/address.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks {
namespace detail {

// RFC 3463 §3.2: X.1.8, bad sender's system address.
inline smtp::reply bad_sender_domain(std::string text) {
  return smtp::reply(550, {5, 1, 8}, std::move(text));
}

// RFC 7505 §3: a null MX is the only MX of its domain; among others it is none.
inline bool is_null_mx(const smtp::dns::answer<smtp::dns::mx_record>& mx) {
  const auto& all = mx.records();
  return std::all_of(all.begin(), all.end(), [](const auto& r) { return r.exchange.empty(); });
}

// The names of the most preferred hosts, each once.
inline std::vector<std::string> mail_hosts(std::vector<smtp::dns::mx_record> records,
                                           std::size_t most) {
  std::stable_sort(records.begin(), records.end(),
                   [](const auto& a, const auto& b) { return a.preference < b.preference; });
  std::vector<std::string> hosts;
  for (const smtp::dns::mx_record& r : records) {
    if (hosts.size() == most) break;
    if (!r.exchange.empty() && std::find(hosts.begin(), hosts.end(), r.exchange) == hosts.end())
      hosts.push_back(r.exchange);
  }
  return hosts;
}

}  // namespace detail

GATEPOST_DECL smtp::network_set unreachable_networks() {
  using v4 = smtp::ip_address::v4_octets;
  using v6 = smtp::ip_address::v6_octets;
  smtp::network_set set = private_networks();
  set.add({smtp::ip_address(v4{0, 0, 0, 0}), 8});    // RFC 1122 §3.2.1.3
  set.add({smtp::ip_address(v4{224, 0, 0, 0}), 4});  // RFC 5771
  set.add({smtp::ip_address(v4{240, 0, 0, 0}), 4});  // RFC 1112 §4
  set.add({smtp::ip_address(v6{}), 128});            // RFC 4291 §2.5.2
  set.add({smtp::ip_address(v6{0xff}), 8});          // RFC 4291 §2.7
  return set;
}

GATEPOST_DECL asio::awaitable<verdict> mail_domain::on_mail(context& ctx) {
  const smtp::address& sender = ctx.envelope().reverse_path();
  const bool looked_at = !sender.is_null() && sender.kind() != smtp::domain_kind::none &&
                         options_.client.find(ctx.facts()).knowledge != client_knowledge::never;
  if (!looked_at) co_return verdict::pass();
  std::string domain = sender.canonical_domain();
  mail_domain_status status = mail_domain_status::literal;
  if (sender.kind() == smtp::domain_kind::name) status = co_await find(domain);
  const mail_domain_result found(status, std::move(domain));
  ctx.transaction_notes().emplace<mail_domain_result>(found);
  co_return judge(found);
}

GATEPOST_DECL asio::awaitable<mail_domain_status> mail_domain::find(std::string domain) const {
  exchanges mx = co_await dns_.mx(domain);
  mail_domain_status status = mail_domain_status::takes_mail;
  switch (mx.status()) {
    case smtp::dns::status::no_such_name: co_return mail_domain_status::no_domain;
    case smtp::dns::status::temporary_failure: co_return mail_domain_status::temperror;
    case smtp::dns::status::no_data:
      status = co_await find_host(std::move(domain));
      co_return status;
    case smtp::dns::status::found: break;
  }
  if (detail::is_null_mx(mx)) co_return mail_domain_status::null_mx;
  if (options_.unreachable_mx.response == response::ignore) co_return status;
  status = co_await find_exchanges(std::move(mx));
  co_return status;
}

// RFC 5321 §5.1: without MX, the domain is its own mail host.
GATEPOST_DECL asio::awaitable<mail_domain_status> mail_domain::find_host(std::string domain) const {
  const auto executor = co_await asio::this_coro::executor;
  const detail::errand_ptr<addresses> a(detail::errand<addresses>::start(executor, dns_.a(domain)));
  const detail::errand_ptr<addresses> aaaa(
      detail::errand<addresses>::start(executor, dns_.aaaa(domain)));
  co_await a->wait();
  co_await aaaa->wait();
  const addresses& v4 = a->result();
  const addresses& v6 = aaaa->result();
  if (reachable(v4) || reachable(v6)) co_return mail_domain_status::takes_mail;
  if (!v4.is_definite() || !v6.is_definite()) co_return mail_domain_status::temperror;
  if (v4.has_records() || v6.has_records()) co_return mail_domain_status::unreachable_mx;
  co_return mail_domain_status::no_mail;
}

// All addresses of all hosts at once.
GATEPOST_DECL asio::awaitable<mail_domain_status> mail_domain::find_exchanges(exchanges mx) const {
  const auto executor = co_await asio::this_coro::executor;
  std::vector<detail::errand_ptr<addresses>> asked;
  for (const std::string& host : detail::mail_hosts(mx.records(), options_.hosts)) {
    asked.emplace_back(detail::errand<addresses>::start(executor, dns_.a(host)));
    asked.emplace_back(detail::errand<addresses>::start(executor, dns_.aaaa(host)));
  }
  bool all_answered = true;
  for (const auto& question : asked) {
    co_await question->wait();
    if (reachable(question->result())) co_return mail_domain_status::takes_mail;
    all_answered = all_answered && question->result().is_definite();
  }
  // Of a host that was not looked up nobody knows.
  const bool all_asked =
      detail::mail_hosts(mx.records(), mx.records().size()).size() * 2 == asked.size();
  if (!all_answered || !all_asked) co_return mail_domain_status::takes_mail;
  co_return mail_domain_status::unreachable_mx;
}

GATEPOST_DECL bool mail_domain::reachable(const addresses& found) const {
  return std::any_of(found.records().begin(), found.records().end(),
                     [this](const auto& a) { return !options_.unreachable.contains(a); });
}

GATEPOST_DECL verdict mail_domain::judge(const mail_domain_result& found) const {
  const std::string sender = "Sender domain " + found.domain();
  switch (found.status()) {
    case mail_domain_status::takes_mail: break;
    case mail_domain_status::no_domain:
      return respond(options_.no_domain, name(),
                     detail::bad_sender_domain(sender + " does not exist"));
    case mail_domain_status::no_mail:
      return respond(options_.no_mail, name(),
                     detail::bad_sender_domain(sender + " has neither MX nor address records"));
    case mail_domain_status::null_mx:
      return respond(options_.null_mx, name(),
                     smtp::reply(550, {5, 7, 27}, sender + " takes no mail (null MX, RFC 7505)"));
    case mail_domain_status::unreachable_mx:
      return respond(options_.unreachable_mx, name(),
                     detail::bad_sender_domain(sender + " has no mail host that can be reached"));
    case mail_domain_status::literal:
      return respond(
          options_.literal, name(),
          detail::bad_sender_domain("Sender address needs a domain name, not " + found.domain()));
    case mail_domain_status::temperror:
      return respond(options_.on_trouble, sender + " cannot be looked up");
  }
  return verdict::pass();
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_MAIL_DOMAIN_IPP
