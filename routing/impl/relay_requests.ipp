// What is asked of a relay that is at work.
#ifndef GATEPOST_ROUTING_IMPL_RELAY_REQUESTS_IPP
#define GATEPOST_ROUTING_IMPL_RELAY_REQUESTS_IPP

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>
#include <exception>
#include <optional>

#include "routing/detail/relay_engine.hpp"
#include "routing/detail/route_text.hpp"
#include "routing/impl/relay_hops.ipp"
#include "smtp/detail/early_wait.hpp"
#include "smtp/domain.hpp"

namespace gatepost::routing::detail {

// Nothing may be let out of a handler: who asks hears of a lack of memory, and what was begun is
// looked for again.
template <class Work>
void relay_engine::answered(wait_state& asker, Work work) noexcept {
  try {
    work();
  } catch (...) {
    missed();
    asker.finish(smtp::errc::resource_limit);
  }
}

// --- Release -------------------------------------------------------------------------------------

GATEPOST_DECL void relay_engine::post_release(std::string id, std::shared_ptr<wait_state> asker) {
  asio::post(io, [self = shared_from_this(), id = std::move(id), asker = std::move(asker)] {
    self->answered(*asker, [&] { self->begin_release(id, asker); });
  });
}

GATEPOST_DECL void relay_engine::begin_release(const std::string& id,
                                               std::shared_ptr<wait_state> asker) {
  if (abandoned_) {  // there may be no spool any more
    asker->finish(smtp::errc::cancelled);
    return;
  }
  // Whoever asks for one that is under way gets the same answer.
  if (const auto other = releases_.find(id); other != releases_.end())
    return other->second.askers.push_back(std::move(asker));
  const auto w = delivering_.find(id);
  const bool at_work = w != delivering_.end();
  // Its delivery begins in a moment, or has just ended.
  if (!at_work && active_.contains(id)) return post_release(id, std::move(asker));
  auto end = [self = shared_from_this(), id](std::exception_ptr e, std::error_code answer) {
    self->end_release(id, e ? smtp::errc::spool_failed : answer);
  };
  try {
    release_under_way& fresh = releases_[id];
    fresh.askers.push_back(std::move(asker));
    fresh.has_message = !at_work;
    asio::awaitable<std::error_code> work =
        at_work ? note_release(release_at_work(*w->second)) : release_in_spool(id, take_over(id));
    smtp::detail::spawn(io.get_executor(), std::move(work), std::move(end));
  } catch (...) {
    // What was taken from the schedule is in the spool, where missed() has it looked for.
    releases_.erase(id);
    if (!at_work) active_.erase(id);
    count();
    throw;
  }
}

// The last to have the message gives it back to the schedule.
GATEPOST_DECL void relay_engine::end_release(const std::string& id, std::error_code answer) {
  const auto over = releases_.extract(id);
  for (const std::shared_ptr<wait_state>& asker : over.mapped().askers) asker->finish(answer);
  if (over.mapped().has_message) ended(id, nullptr);
}

// A delivery will write what it knows over what the spool says: it has to know. What is to be
// noted, which is a copy, because the delivery may end first.
GATEPOST_DECL spool_message relay_engine::release_at_work(message_at_work& w) {
  if (w.message.held()) {
    const spool_time now = options.now();
    w.message.release(now);
    w.changed = true;
    again_[w.message.id] = now;
  }
  return w.message;
}

GATEPOST_DECL asio::awaitable<std::error_code> relay_engine::note_release(spool_message m) {
  const std::error_code failed = co_await store.update(m, durability::synced);
  co_return failed;
}

// Nobody delivers it meanwhile, and writes over what the other has written. When it was due.
GATEPOST_DECL std::optional<spool_time> relay_engine::take_over(const std::string& id) {
  std::optional<spool_time> due;
  if (const auto waits = when_.find(id); waits != when_.end()) due = waits->second;
  unschedule(id);
  active_.insert(id);
  count();
  return due;
}

GATEPOST_DECL asio::awaitable<std::error_code> relay_engine::release_in_spool(
    std::string id, std::optional<spool_time> due) {
  if (due) again_.try_emplace(id, *due);
  smtp::result<spool_message> m = store.load(id);
  if (!m) co_return m.error();
  if (!m->held()) co_return std::error_code{};
  const spool_time now = options.now();
  m->release(now);
  const std::error_code failed = co_await store.update(*m, durability::synced);
  if (!failed) again_[id] = now;
  co_return failed;
}

// --- ETRN (RFC 1985) -----------------------------------------------------------------------------

// Messages that are read before deliveries go on.
inline constexpr std::size_t etrn_slice = 16;

GATEPOST_DECL smtp::reply read_node(std::string_view text, etrn_node& node) {
  if (text.starts_with('#')) return etrn_replies::no_queues;
  node.with_subdomains = text.starts_with('@');
  if (node.with_subdomains) text.remove_prefix(1);
  const auto kind = smtp::parse_domain(text, map_domains);
  const bool name = kind && *kind == smtp::domain_kind::name;
  if (!kind || *kind == smtp::domain_kind::none || (node.with_subdomains && !name))
    return etrn_replies::no_domain;
  node.domain = smtp::canonical_domain(text);
  const bool top_level = node.domain.find('.') == std::string::npos;
  if (node.with_subdomains && top_level) return etrn_replies::too_many_domains;
  return {};
}

GATEPOST_DECL bool etrn_node::fits(const spool_message& m) const {
  return std::any_of(m.recipients.begin(), m.recipients.end(), [this](const spool_recipient& r) {
    if (r.state != recipient_state::pending) return false;
    const std::optional<smtp::address> to = kept_address(r.forward_path);
    if (!to) return false;
    const std::string its = to->canonical_domain();
    return its == domain || (with_subdomains && smtp::is_subdomain_of(its, domain));
  });
}

GATEPOST_DECL void relay_engine::post_etrn(std::shared_ptr<etrn_request> request) {
  asio::post(io, [self = shared_from_this(), request = std::move(request)] {
    self->answered(*request->asker, [&] { self->begin_etrn(request); });
  });
}

GATEPOST_DECL void relay_engine::begin_etrn(std::shared_ptr<etrn_request> request) {
  request->answer = etrn_replies::not_now;
  if (stopping_ || std::exchange(etrn_under_way_, true)) {
    request->asker->finish({});
    return;
  }
  const auto end = [self = shared_from_this(), request](std::exception_ptr) {
    self->etrn_under_way_ = false;
    request->asker->finish({});
  };
  try {
    smtp::detail::spawn(io.get_executor(), start_node(request), end);
  } catch (...) {
    etrn_under_way_ = false;
    throw;
  }
}

// RFC 1985 §5.3.
inline smtp::reply answer_for(const etrn_node& node, std::size_t found, bool all) {
  const std::string name = "for node " + node.domain;
  if (found == 0 && !all) return etrn_replies::not_now;
  if (found == 0) return {251, {2, 0, 0}, "OK, no messages waiting " + name};
  if (!all) return {252, {2, 0, 0}, "OK, pending messages " + name + " started"};
  return {
      253, {2, 0, 0}, "OK, " + std::to_string(found) + " pending messages " + name + " started"};
}

GATEPOST_DECL asio::awaitable<void> relay_engine::start_node(
    std::shared_ptr<etrn_request> request) {
  std::vector<std::string> ids;
  for (const auto& [when, id] : waiting_) {
    if (ids.size() == options.etrn_messages) break;
    ids.push_back(id);
  }
  const bool all = ids.size() == waiting_.size();
  std::size_t found = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i % etrn_slice == etrn_slice - 1) {
      co_await smtp::detail::let_others_run();
      if (stopping_ || request->asker->abandoned()) co_return;
    }
    if (start_if_fits(ids[i], request->node)) ++found;
  }
  request->answer = answer_for(request->node, found, all);
  pump();
}

GATEPOST_DECL bool relay_engine::start_if_fits(const std::string& id, const etrn_node& node) {
  if (!when_.contains(id)) return false;  // is on its way meanwhile
  const smtp::result<spool_message> m = store.load(id);
  if (!m || !node.fits(*m)) return false;
  revive_hops(*m);
  forced_.insert(id);
  schedule(id, options.now());
  return true;
}

// Who asks for mail is back.
GATEPOST_DECL void relay_engine::revive_hops(const spool_message& m) {
  for (const spool_recipient& r : m.recipients) {
    if (r.state != recipient_state::pending) continue;
    const smtp::result<route> where = parse_route(r.route);
    if (!where) continue;
    for (const next_hop& listed : where->hops()) {
      const auto hop = hops_.find(name_of(hop_for(m.requiretls, listed)));
      if (hop != hops_.end()) hop->second.dead_until = hop->second.crowded_until = {};
    }
  }
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_IMPL_RELAY_REQUESTS_IPP
