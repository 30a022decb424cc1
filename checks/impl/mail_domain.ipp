#ifndef GATEPOST_CHECKS_IMPL_MAIL_DOMAIN_IPP
#define GATEPOST_CHECKS_IMPL_MAIL_DOMAIN_IPP

#include <algorithm>
#include <asio/this_coro.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checks/detail/errand.hpp"
#include "checks/detail/lookups.hpp"
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

class mail_domain_search {
 public:
  using status = mail_domain_status;

  mail_domain_search(std::string domain, std::shared_ptr<const mail_domain_options> options)
      : domain_(std::move(domain)), options_(std::move(options)) {}

  std::optional<status> operator()(lookups& dns) const {
    const auto* mx = dns.mx(domain_);
    if (mx == nullptr) return std::nullopt;
    switch (mx->status()) {
      case smtp::dns::status::no_such_name: return status::no_domain;
      case smtp::dns::status::temporary_failure: return status::temperror;
      case smtp::dns::status::no_data: return find_host(dns);
      case smtp::dns::status::found: break;
    }
    if (is_null_mx(*mx)) return status::null_mx;
    if (options_->unreachable_mx.response == response::ignore) return status::takes_mail;
    return find_exchanges(dns, mx->records());
  }

 private:
  // RFC 5321 §5.1: without MX, the domain is its own mail host.
  std::optional<status> find_host(lookups& dns) const {
    const auto* v4 = dns.a(domain_);
    const auto* v6 = dns.aaaa(domain_);
    if (v4 == nullptr || v6 == nullptr) return std::nullopt;
    if (is_reachable(*v4) || is_reachable(*v6)) return status::takes_mail;
    if (!v4->is_definite() || !v6->is_definite()) return status::temperror;
    if (v4->has_records() || v6->has_records()) return status::unreachable_mx;
    return status::no_mail;
  }

  // All addresses of all hosts at once.
  std::optional<status> find_exchanges(lookups& dns,
                                       const std::vector<smtp::dns::mx_record>& mx) const {
    const std::vector<std::string> hosts = mail_hosts(mx, options_->hosts);
    bool all_here = true;
    bool all_answered = true;
    for (const std::string& host : hosts) {
      for (const auto* found : {dns.a(host), dns.aaaa(host)}) {
        all_here = all_here && found != nullptr;
        if (found == nullptr) continue;
        if (is_reachable(*found)) return status::takes_mail;
        all_answered = all_answered && found->is_definite();
      }
    }
    if (!all_here) return std::nullopt;
    // Of a host that was not looked up nobody knows.
    const bool all_asked = mail_hosts(mx, mx.size()).size() == hosts.size();
    return all_answered && all_asked ? status::unreachable_mx : status::takes_mail;
  }

  bool is_reachable(const smtp::dns::answer<smtp::ip_address>& found) const {
    const auto& all = found.records();
    return std::any_of(all.begin(), all.end(),
                       [this](const auto& a) { return !options_->unreachable.contains(a); });
  }

  std::string domain_;
  std::shared_ptr<const mail_domain_options> options_;
};

// The transaction's note of one mail_domain: what was begun for the call that follows.
struct mail_domain_lookup {
  errand_ptr<mail_domain_status> work = {};
};

inline errand_ptr<mail_domain_status> begin_mail_domain(
    const asio::any_io_executor& executor, smtp::dns::resolver& dns, const smtp::address& sender,
    const std::shared_ptr<const mail_domain_options>& options) {
  if (sender.kind() != smtp::domain_kind::name)
    return errand<mail_domain_status>::done_with(mail_domain_status::literal);
  return begin_search<mail_domain_status>(executor, dns,
                                          mail_domain_search(sender.canonical_domain(), options));
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

GATEPOST_DECL bool mail_domain::looks_at(const context& ctx) const {
  const smtp::address& sender = ctx.envelope().reverse_path();
  return !sender.is_null() && sender.kind() != smtp::domain_kind::none &&
         options_->client.find(ctx.facts()).knowledge != client_knowledge::never;
}

GATEPOST_DECL bool mail_domain::prepare(context& ctx, const asio::any_io_executor& executor) {
  if (!looks_at(ctx)) return true;
  auto& mine = ctx.transaction_notes().own<detail::mail_domain_lookup>(this);
  mine.work = detail::begin_mail_domain(executor, dns_, ctx.envelope().reverse_path(), options_);
  return mine.work.done();
}

GATEPOST_DECL asio::awaitable<verdict> mail_domain::on_mail(context& ctx) {
  if (!looks_at(ctx)) co_return verdict::pass();
  const auto executor = co_await asio::this_coro::executor;
  const smtp::address& sender = ctx.envelope().reverse_path();
  auto& mine = ctx.transaction_notes().own<detail::mail_domain_lookup>(this);
  const auto work = std::move(mine.work).or_else(
      [&] { return detail::begin_mail_domain(executor, dns_, sender, options_); });
  std::string domain = sender.canonical_domain();
  co_await work->wait();
  const mail_domain_result found(work->result(), std::move(domain));
  ctx.transaction_notes().emplace<mail_domain_result>(found);
  co_return judge(found);
}

GATEPOST_DECL verdict mail_domain::judge(const mail_domain_result& found) const {
  const std::string sender = "Sender domain " + found.domain();
  switch (found.status()) {
    case mail_domain_status::takes_mail: break;
    case mail_domain_status::no_domain:
      return respond(options_->no_domain, name(),
                     detail::bad_sender_domain(sender + " does not exist"));
    case mail_domain_status::no_mail:
      return respond(options_->no_mail, name(),
                     detail::bad_sender_domain(sender + " has neither MX nor address records"));
    case mail_domain_status::null_mx:
      return respond(options_->null_mx, name(),
                     smtp::reply(550, {5, 7, 27}, sender + " takes no mail (null MX, RFC 7505)"));
    case mail_domain_status::unreachable_mx:
      return respond(options_->unreachable_mx, name(),
                     detail::bad_sender_domain(sender + " has no mail host that can be reached"));
    case mail_domain_status::literal:
      return respond(
          options_->literal, name(),
          detail::bad_sender_domain("Sender address needs a domain name, not " + found.domain()));
    case mail_domain_status::temperror:
      return respond(options_->on_trouble, sender + " cannot be looked up");
  }
  return verdict::pass();
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_MAIL_DOMAIN_IPP
