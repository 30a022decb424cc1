#ifndef GATEPOST_CHECKS_IMPL_DNSBL_IPP
#define GATEPOST_CHECKS_IMPL_DNSBL_IPP

#include <algorithm>
#include <array>
#include <asio/this_coro.hpp>
#include <utility>

#include "checks/detail/dnsbl_panel.hpp"
#include "checks/detail/iprev_lookup.hpp"
#include "checks/dnsbl.hpp"
#include "smtp/address.hpp"
#include "smtp/domain.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks {
namespace detail {

// The session's note of one dnsbl: what was begun before MAIL, and serves all its messages.
struct dnsbl_session {
  smtp::ip_address address = {};
  errand_ptr<dnsbl_findings> by_address = {};
  std::string helo = {};
  errand_ptr<dnsbl_findings> by_helo = {};
};

// The transaction's: what is known at MAIL only, begun for the call that follows.
struct dnsbl_message {
  errand_ptr<dnsbl_findings> by_sender = {};
  errand_ptr<dnsbl_findings> by_name = {};

  bool begun() const { return by_sender || by_name; }
};

inline void begin_address(dnsbl_session& note, const asio::any_io_executor& executor,
                          const std::shared_ptr<dnsbl_panel>& panel, const seen_client& who) {
  if (note.by_address && note.address == who.address) return;
  // Another client's is not this one's, also where no list knows such addresses.
  note.by_address = {};
  note.address = who.address;
  const dnsbl_question q(who.address);
  if (panel->asks(q.subject)) note.by_address = begin_questions(executor, panel, q);
}

// A name that a list can be asked about: no literal, no bare address.
inline bool can_be_listed(std::string_view name) {
  return smtp::valid_domain(name) && !smtp::parse_ip_address(name);
}

inline void begin_helo(dnsbl_session& note, const asio::any_io_executor& executor,
                       const std::shared_ptr<dnsbl_panel>& panel, const seen_client& who) {
  if (!panel->asks(dnsbl_subject::helo)) return;
  std::string name = can_be_listed(who.helo) ? smtp::canonical_domain(who.helo) : std::string();
  if (name == note.helo) return;
  note.helo = name;
  note.by_helo = {};
  if (name.empty()) return;
  note.by_helo =
      begin_questions(executor, panel, dnsbl_question(dnsbl_subject::helo, std::move(name)));
}

inline dnsbl_message begin_message(context& ctx, const asio::any_io_executor& executor,
                                   const std::shared_ptr<dnsbl_panel>& panel,
                                   const seen_client& who) {
  dnsbl_message work;
  const smtp::address& sender = ctx.envelope().reverse_path();
  if (panel->asks(dnsbl_subject::sender) && sender.kind() == smtp::domain_kind::name)
    work.by_sender = begin_questions(
        executor, panel, dnsbl_question(dnsbl_subject::sender, sender.canonical_domain()));
  if (panel->asks(dnsbl_subject::client_name))
    work.by_name =
        begin_about_name(executor, panel, look_up_iprev(ctx, executor, panel->dns(), who.address));
  return work;
}

inline void add_up(dnsbl_result& result) {
  double all = 0;
  double allowed = 0;
  for (const dnsbl_hit& hit : result.hits) {
    all += hit.weight;
    if (!hit.allow) continue;
    result.allowed = true;
    allowed += std::min(hit.weight, 0.0);
  }
  result.score = result.allowed ? allowed : all;
}

inline std::string_view subject_text(dnsbl_subject s) {
  switch (s) {
    case dnsbl_subject::helo: return "HELO name ";
    case dnsbl_subject::sender: return "Sender domain ";
    case dnsbl_subject::client_name: return "Client name ";
    case dnsbl_subject::ipv4:
    case dnsbl_subject::ipv6: break;
  }
  return "Client address ";
}

inline smtp::reply dnsbl_refusal(const dnsbl_result& found) {
  const dnsbl_hit& worst =
      *std::max_element(found.hits.begin(), found.hits.end(),
                        [](const dnsbl_hit& a, const dnsbl_hit& b) { return a.weight < b.weight; });
  std::string text(subject_text(worst.subject));
  text += worst.what + " is listed at " + worst.list;
  if (!worst.reason.empty()) text += ": " + worst.reason;
  return smtp::reply(550, {5, 7, 1}, std::move(text));
}

}  // namespace detail

GATEPOST_DECL dnsbl::dnsbl(smtp::dns::resolver& dns, dnsbl_options options)
    : panel_(std::make_shared<detail::dnsbl_panel>(dns, std::move(options))) {}

GATEPOST_DECL dnsbl::~dnsbl() = default;

// At connect and HELO it only begins.
GATEPOST_DECL bool dnsbl::waits(smtp::stage s) const {
  if (s == smtp::stage::header_end) return panel_->options().client.has_upstreams();
  return s == smtp::stage::mail;
}

GATEPOST_DECL asio::awaitable<verdict> dnsbl::on_connect(context& ctx) {
  const auto executor = co_await asio::this_coro::executor;
  const seen_client who = panel_->options().client.find(ctx);
  if (!who.known()) co_return verdict::pass();
  detail::begin_address(ctx.notes().own<detail::dnsbl_session>(this), executor, panel_, who);
  // So that the name is there when its lists are asked.
  if (panel_->asks(dnsbl_subject::client_name))
    detail::look_up_iprev(ctx, executor, panel_->dns(), who.address);
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> dnsbl::on_helo(context& ctx) {
  const auto executor = co_await asio::this_coro::executor;
  const seen_client who = panel_->options().client.find(ctx);
  if (who.known())
    detail::begin_helo(ctx.notes().own<detail::dnsbl_session>(this), executor, panel_, who);
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<verdict> dnsbl::on_mail(context& ctx) {
  seen_client who = panel_->options().client.find(ctx);
  if (!who.known()) co_return verdict::pass();
  verdict said = co_await look_at(ctx, std::move(who));
  co_return said;
}

GATEPOST_DECL asio::awaitable<verdict> dnsbl::on_header_end(context& ctx) {
  const true_client& client = panel_->options().client;
  if (!client.judged_at(ctx)) co_return verdict::pass();
  seen_client who = client.find(ctx);
  if (!who.known()) co_return verdict::pass();
  verdict said = co_await look_at(ctx, std::move(who));
  co_return said;
}

GATEPOST_DECL bool dnsbl::prepare(context& ctx, const asio::any_io_executor& executor) {
  const true_client& client = panel_->options().client;
  if (!client.judged_at(ctx)) return true;
  const seen_client who = client.find(ctx);
  if (!who.known()) return true;
  auto& session = ctx.notes().own<detail::dnsbl_session>(this);
  detail::begin_address(session, executor, panel_, who);
  detail::begin_helo(session, executor, panel_, who);
  auto& mine = ctx.transaction_notes().own<detail::dnsbl_message>(this);
  mine = detail::begin_message(ctx, executor, panel_, who);
  for (const auto* work : {&session.by_address, &session.by_helo, &mine.by_sender, &mine.by_name})
    if (*work && !work->done()) return false;
  return true;
}

GATEPOST_DECL asio::awaitable<verdict> dnsbl::look_at(context& ctx, seen_client who) const {
  const auto executor = co_await asio::this_coro::executor;
  auto& session = ctx.notes().own<detail::dnsbl_session>(this);
  detail::begin_address(session, executor, panel_, who);
  detail::begin_helo(session, executor, panel_, who);
  auto mine = std::move(ctx.transaction_notes().own<detail::dnsbl_message>(this));
  if (!mine.begun()) mine = detail::begin_message(ctx, executor, panel_, who);
  // Shared: the session's may be replaced while they are waited for.
  const std::array work = {mine.by_sender.share(), mine.by_name.share(), session.by_address.share(),
                           session.by_helo.share()};

  dnsbl_result result;
  std::size_t asked = 0;
  std::size_t answered = 0;
  for (const auto& one : work) {
    if (!one) continue;
    co_await one->wait();
    const detail::dnsbl_findings& found = one->result();
    result.hits.insert(result.hits.end(), found.hits.begin(), found.hits.end());
    asked += found.asked;
    answered += found.answered;
  }
  detail::add_up(result);
  ctx.transaction_notes().emplace<dnsbl_result>(result);
  if (asked > 0 && answered == 0) co_return verdict::inconclusive("no list answers");
  co_return judge(result);
}

GATEPOST_DECL verdict dnsbl::judge(const dnsbl_result& found) const {
  const auto& limit = panel_->options().refuse;
  const bool refused = limit && !found.hits.empty() && !found.allowed && found.score >= *limit;
  verdict said = refused ? verdict::refuse(detail::dnsbl_refusal(found)) : verdict::pass();
  if (!refused && found.score != 0) said.score(found.score);
  for (const dnsbl_hit& hit : found.hits)
    said.add_tag(std::string(name()), hit.list + '=' + hit.code.text());
  return said;
}

GATEPOST_DECL std::vector<dnsbl_stats> dnsbl::stats() const {
  std::vector<dnsbl_stats> all;
  for (const detail::dnsbl_entry& e : panel_->entries()) all.push_back(detail::stats_of(e));
  return all;
}

GATEPOST_DECL std::string to_string(const dnsbl_stats& s) {
  return s.list + ": " + detail::counts_of(s) + (s.resting ? "; rests" : "");
}

GATEPOST_DECL asio::awaitable<std::vector<std::string>> dnsbl::self_check() const {
  const auto executor = co_await asio::this_coro::executor;
  std::vector<detail::errand_ptr<std::string>> tests;
  for (detail::dnsbl_entry& e : panel_->entries())
    tests.emplace_back(detail::begin_search<std::string>(
        executor, panel_->dns(), detail::dnsbl_list_test(panel_, e), detail::deadline_of(*panel_)));
  std::vector<std::string> wrong;
  for (const auto& test : tests) {
    co_await test->wait();
    if (!test->result().empty()) wrong.push_back(test->result());
  }
  co_return wrong;
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_DNSBL_IPP
