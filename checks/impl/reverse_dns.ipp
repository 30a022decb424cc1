#ifndef GATEPOST_CHECKS_IMPL_REVERSE_DNS_IPP
#define GATEPOST_CHECKS_IMPL_REVERSE_DNS_IPP

#include <asio/this_coro.hpp>
#include <string>

#include "checks/auth_results.hpp"
#include "checks/detail/iprev_lookup.hpp"
#include "checks/reverse_dns.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks {
namespace detail {

// RFC 7372 §3.3: 5.7.25, reverse DNS validation failed.
inline smtp::reply reverse_dns_refusal(std::string text) {
  return smtp::reply(550, {5, 7, 25}, std::move(text));
}

// RFC 8601 §2.7.3: "iprev=pass (mail.example.com) policy.iprev=192.0.2.200"
inline auth_method iprev_method(const iprev_result& found) {
  auth_method method;
  method.method = "iprev";
  method.result = to_string(found.status());
  method.comment = found.name();
  method.properties.push_back({"policy", "iprev", found.address().text()});
  return method;
}

}  // namespace detail

// At connect it only begins.
GATEPOST_DECL bool reverse_dns::waits(smtp::stage s) const {
  if (s == smtp::stage::header_end) return options_.client.has_upstreams();
  return s == smtp::stage::mail;
}

GATEPOST_DECL bool reverse_dns::prepare(context& ctx, const asio::any_io_executor& executor) {
  if (!options_.client.judged_at(ctx)) return true;
  const seen_client who = options_.client.find(ctx);
  if (!who.known()) return true;
  return detail::look_up_iprev(ctx, executor, dns_, who.address, options_.names)->done();
}

GATEPOST_DECL asio::awaitable<verdict> reverse_dns::on_connect(context& ctx) {
  const auto executor = co_await asio::this_coro::executor;
  const seen_client who = options_.client.find(ctx);
  if (who.known()) detail::look_up_iprev(ctx, executor, dns_, who.address, options_.names);
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> reverse_dns::on_mail(context& ctx) {
  const seen_client who = options_.client.find(ctx);
  if (!who.known()) co_return verdict::pass();
  verdict said = co_await look_at(ctx, who.address);
  co_return said;
}

GATEPOST_DECL asio::awaitable<verdict> reverse_dns::on_header_end(context& ctx) {
  if (!options_.client.judged_at(ctx)) co_return verdict::pass();
  const seen_client who = options_.client.find(ctx);
  if (!who.known()) co_return verdict::pass();
  verdict said = co_await look_at(ctx, who.address);
  co_return said;
}

GATEPOST_DECL asio::awaitable<verdict> reverse_dns::look_at(context& ctx,
                                                            smtp::ip_address address) const {
  const auto executor = co_await asio::this_coro::executor;
  const auto work = detail::look_up_iprev(ctx, executor, dns_, address, options_.names);
  co_await work->wait();
  ctx.transaction_notes().emplace<iprev_result>(work->result());
  add_auth_result(ctx.transaction_notes(), detail::iprev_method(work->result()));
  co_return judge(work->result());
}

GATEPOST_DECL verdict reverse_dns::judge(const iprev_result& found) const {
  const std::string address = found.address().text();
  switch (found.status()) {
    case iprev_status::pass: break;
    case iprev_status::permerror:
      return respond(options_.no_name, name(),
                     detail::reverse_dns_refusal("Your address " + address +
                                                 " has no name in the DNS (PTR record)"));
    case iprev_status::fail:
      return respond(options_.not_confirmed, name(),
                     detail::reverse_dns_refusal("The name of your address " + address +
                                                 " in the DNS does not lead back to it"));
    case iprev_status::temperror:
      return respond(options_.on_trouble,
                     "The name of your address " + address + " cannot be looked up");
  }
  return verdict::pass();
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_REVERSE_DNS_IPP
