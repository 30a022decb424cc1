#ifndef GATEPOST_CHECKS_IMPL_HELO_DNS_IPP
#define GATEPOST_CHECKS_IMPL_HELO_DNS_IPP

#include <algorithm>
#include <asio/this_coro.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "checks/detail/errand.hpp"
#include "checks/detail/lookups.hpp"
#include "checks/helo_dns.hpp"
#include "smtp/domain.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks {
namespace detail {

// The session's note of one helo_dns.
struct helo_lookup {
  smtp::ip_address client = {};
  std::string name = {};
  errand_ptr<helo_dns_result> work = {};
};

inline bool leads_to(const smtp::dns::answer<smtp::ip_address>& found,
                     const smtp::ip_address& client) {
  return std::any_of(found.records().begin(), found.records().end(),
                     [&](const smtp::ip_address& a) { return a.unmapped() == client; });
}

class helo_search {
 public:
  helo_search(std::string n, const smtp::ip_address& c) : name_(std::move(n)), client_(c) {}

  std::optional<helo_dns_result> operator()(lookups& dns) const {
    const std::optional<helo_dns_status> status = find(dns);
    if (!status) return std::nullopt;
    return helo_dns_result(*status, name_);
  }

 private:
  std::optional<helo_dns_status> find(lookups& dns) const {
    // Both at once; the other family tells whether the name exists.
    const auto* v4 = dns.a(name_);
    const auto* v6 = dns.aaaa(name_);
    if (v4 == nullptr || v6 == nullptr) return std::nullopt;
    if (leads_to(*v4, client_) || leads_to(*v6, client_)) return helo_dns_status::match;
    const auto* same_family = client_.is_v4() ? v4 : v6;
    if (!same_family->is_definite()) return helo_dns_status::temperror;
    if (v4->has_records() || v6->has_records()) return helo_dns_status::mismatch;
    if (!v4->is_definite() || !v6->is_definite()) return helo_dns_status::temperror;
    const auto* mx = dns.mx(name_);
    if (mx == nullptr) return std::nullopt;
    if (!mx->is_definite()) return helo_dns_status::temperror;
    return mx->has_records() ? helo_dns_status::mismatch : helo_dns_status::unknown;
  }

  std::string name_;
  smtp::ip_address client_;
};

// False for a literal, a bare address, or no domain at all.
inline bool has_helo_name(const seen_client& who) {
  return smtp::valid_domain(who.helo) && !smtp::parse_ip_address(who.helo);
}

inline std::shared_ptr<errand<helo_dns_result>> look_up_helo(helo_lookup& note,
                                                             const asio::any_io_executor& executor,
                                                             smtp::dns::resolver& dns,
                                                             const seen_client& who) {
  std::string name = smtp::canonical_domain(who.helo);
  if (!note.work || note.name != name || note.client != who.address) {
    note.client = who.address;
    note.name = name;
    note.work = errand_ptr<helo_dns_result>(
        begin_search<helo_dns_result>(executor, dns, helo_search(std::move(name), who.address)));
  }
  return note.work.share();
}

}  // namespace detail

GATEPOST_DECL asio::awaitable<helo_dns_result> find_helo(smtp::dns::resolver& dns, std::string name,
                                                         smtp::ip_address client) {
  helo_dns_result found = co_await detail::search_for<helo_dns_result>(
      dns, detail::helo_search(std::move(name), client));
  co_return found;
}

GATEPOST_DECL bool helo_dns::waits(smtp::stage s) const {
  if (s == smtp::stage::header_end) return options_.client.has_upstreams();
  return s == smtp::stage::mail;
}

GATEPOST_DECL bool helo_dns::prepare(context& ctx, const asio::any_io_executor& executor) {
  if (!options_.client.judged_at(ctx)) return true;
  const seen_client who = options_.client.find(ctx);
  if (!who.known() || !detail::has_helo_name(who)) return true;
  auto& note = ctx.notes().own<detail::helo_lookup>(this);
  return detail::look_up_helo(note, executor, dns_, who)->done();
}

GATEPOST_DECL asio::awaitable<verdict> helo_dns::on_helo(context& ctx) {
  const auto executor = co_await asio::this_coro::executor;
  const seen_client who = options_.client.find(ctx);
  if (who.known() && detail::has_helo_name(who))
    detail::look_up_helo(ctx.notes().own<detail::helo_lookup>(this), executor, dns_, who);
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> helo_dns::on_mail(context& ctx) {
  seen_client who = options_.client.find(ctx);
  verdict said = co_await look_at(ctx, std::move(who));
  co_return said;
}

GATEPOST_DECL asio::awaitable<verdict> helo_dns::on_header_end(context& ctx) {
  if (!options_.client.judged_at(ctx)) co_return verdict::pass();
  seen_client who = options_.client.find(ctx);
  verdict said = co_await look_at(ctx, std::move(who));
  co_return said;
}

GATEPOST_DECL asio::awaitable<verdict> helo_dns::look_at(context& ctx, seen_client who) const {
  const auto executor = co_await asio::this_coro::executor;
  if (!who.known() || !detail::has_helo_name(who)) co_return verdict::pass();
  const auto work =
      detail::look_up_helo(ctx.notes().own<detail::helo_lookup>(this), executor, dns_, who);
  co_await work->wait();
  ctx.transaction_notes().emplace<helo_dns_result>(work->result());
  co_return judge(work->result());
}

GATEPOST_DECL verdict helo_dns::judge(const helo_dns_result& found) const {
  switch (found.status()) {
    case helo_dns_status::match: break;
    case helo_dns_status::unknown:
      return respond(options_.unknown, name(),
                     smtp::reply(550, {5, 7, 1},
                                 "The name in HELO, " + found.name() +
                                     ", is not in the DNS (RFC 5321 section 2.3.5)"));
    case helo_dns_status::mismatch:
      if (options_.mismatch_points == 0) break;
      return verdict::pass()
          .score(options_.mismatch_points)
          .add_tag(std::string(name()), found.name() + " does not lead to the client");
    case helo_dns_status::temperror:
      return respond(options_.on_trouble,
                     "The name in HELO, " + found.name() + ", cannot be looked up");
  }
  return verdict::pass();
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_HELO_DNS_IPP
