#ifndef GATEPOST_ROUTING_IMPL_RELAY_ENGINE_IPP
#define GATEPOST_ROUTING_IMPL_RELAY_ENGINE_IPP

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <exception>

#include "routing/detail/relay_engine.hpp"
#include "routing/impl/relay_delivery.ipp"
#include "routing/impl/relay_hops.ipp"
#include "routing/impl/relay_pool.ipp"
#include "routing/impl/relay_requests.ipp"

namespace gatepost::routing::detail {

// After something went wrong on our side, and not with the message.
inline constexpr std::chrono::minutes trouble_wait{1};

// Where nothing may be done, nothing ever is.
inline relay_options with_sane_counts(relay_options o) {
  for (std::size_t* count : {&o.deliveries, &o.deliveries_per_hop, &o.messages_per_connection})
    *count = std::max<std::size_t>(*count, 1);
  return o;
}

GATEPOST_DECL relay_engine::relay_engine(asio::io_context& io, spool& store, router& routes,
                                         relay_options options)
    : io(io),
      store(store),
      routes(routes),
      options(with_sane_counts(std::move(options))),
      observer_(this->options.observer != nullptr ? *this->options.observer : silent_),
      connector_(io),
      us_{this->options.hostname, &this->options.client, this->options.tls, &at_work_},
      alarm_(io),
      end_(io) {}

// --- From other threads --------------------------------------------------------------------------

GATEPOST_DECL void relay_engine::post_schedule(std::string id, spool_time when) {
  if (abandoned_) return;
  asio::post(io, [self = shared_from_this(), id = std::move(id), when]() mutable {
    self->schedule(std::move(id), when);
    self->pump();
  });
}

GATEPOST_DECL void relay_engine::post_forget(std::string id) {
  if (abandoned_) return;
  asio::post(io, [self = shared_from_this(), id = std::move(id)] { self->forget(id); });
}

// RFC 5321 §4.5.1: <Postmaster> needs no domain.
GATEPOST_DECL smtp::address relay_engine::with_domain(const smtp::address& a) const {
  if (options.postmaster.empty() || a.is_null() || !a.domain().empty()) return a;
  const auto whole = smtp::address::from_text(options.postmaster);
  return whole ? *whole : a;
}

GATEPOST_DECL void relay_engine::trouble(std::string_view where, std::string_view what,
                                         std::string_view session) const {
  try {
    observer_.on_trouble({where, what, session});
  } catch (...) {
    // Whoever is told of trouble must not make more of it: mail goes on.
  }
}

GATEPOST_DECL relay_stats relay_engine::stats() const {
  relay_stats s;
  s.queued = counters_.queued;
  s.active = counters_.active;
  s.delivered = counters_.delivered;
  s.deferred = counters_.deferred;
  s.failed = counters_.failed;
  s.connections = counters_.connections;
  return s;
}

// --- Life ----------------------------------------------------------------------------------------

GATEPOST_DECL std::error_code relay_engine::start() {
  const std::error_code failed =
      store.for_each([this](std::string_view id, const smtp::result<spool_message>& m) {
        if (!m) {
          const std::string why = make_error_code(m.error()).message();
          trouble("spool", "message " + std::string(id) + ": " + why);
          return true;
        }
        if (const auto due = m->due()) schedule(std::string(id), *due);
        return true;
      });
  if (!failed) pump_soon();
  return failed;
}

GATEPOST_DECL void relay_engine::stop(std::chrono::milliseconds at_most) {
  stopping_ = true;
  alarm_.cancel();
  for (asio::steady_timer* nap : naps_) nap->cancel();
  close_idle(true);
  end_.expires_after(at_most);
  end_.async_wait([self = shared_from_this()](std::error_code ec) {
    if (!ec) self->at_work_.cancel();
  });
  end_if_idle();
}

GATEPOST_DECL void relay_engine::end_if_idle() {
  if (!stopping_ || !active_.empty()) return;
  close_idle(true);
  if (partings_ == 0) end_.cancel();
}

GATEPOST_DECL void relay_engine::abandon() {
  abandoned_ = true;
  stopping_ = true;
  alarm_.cancel();
  end_.cancel();
  for (auto& [key, hop] : hops_) hop.idle.clear();
  files_.stop();
  files_.join();
}

GATEPOST_DECL void relay_engine::flush() {
  const spool_time now = std::chrono::system_clock::now();
  for (auto& [key, hop] : hops_) hop.dead_until = {};
  std::vector<std::string> ids;
  ids.reserve(waiting_.size());
  for (const auto& [when, id] : waiting_) ids.push_back(id);
  for (std::string& id : ids) {
    forced_.insert(id);
    schedule(std::move(id), now);
  }
  pump();
}

// --- The schedule --------------------------------------------------------------------------------

GATEPOST_DECL void relay_engine::schedule(std::string id, spool_time when) {
  if (active_.contains(id)) {
    again_[id] = when;
    return;
  }
  unschedule(id);
  when_[id] = when;
  waiting_.emplace(when, std::move(id));
  count();
}

GATEPOST_DECL void relay_engine::forget(const std::string& id) {
  again_.erase(id);
  forced_.erase(id);
  unschedule(id);
  count();
}

GATEPOST_DECL void relay_engine::unschedule(const std::string& id) {
  parked_.erase(id);
  if (const auto old = when_.find(id); old != when_.end()) {
    waiting_.erase({old->second, id});
    when_.erase(old);
  }
}

GATEPOST_DECL void relay_engine::count() {
  counters_.queued = waiting_.size() + parked_.size() + active_.size();
  counters_.active = active_.size();
}

GATEPOST_DECL void relay_engine::pump() {
  unpark();
  const spool_time now = std::chrono::system_clock::now();
  while (!stopping_ && active_.size() < options.deliveries && !waiting_.empty() &&
         waiting_.begin()->first <= now) {
    std::string id = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    when_.erase(id);
    active_.insert(id);
    begin_delivery(std::move(id));
  }
  count();
  arm();
}

// From within a delivery, which must not find itself changed by the next.
GATEPOST_DECL void relay_engine::pump_soon() {
  if (abandoned_ || std::exchange(pump_posted_, true)) return;
  asio::post(io, [self = shared_from_this()] {
    self->pump_posted_ = false;
    self->pump();
  });
}

GATEPOST_DECL void relay_engine::begin_delivery(std::string id) {
  asio::co_spawn(io, deliver(id),
                 [self = shared_from_this(), id](std::exception_ptr e) { self->ended(id, e); });
}

GATEPOST_DECL void relay_engine::ended(const std::string& id, std::exception_ptr e) {
  if (e) {
    trouble("relay", "the delivery of " + id + " ended by an exception; it will be tried again");
    again_.try_emplace(id, std::chrono::system_clock::now() + trouble_wait);
  }
  if (const auto release = releases_.find(id); release != releases_.end()) {
    release->second.has_message = true;
    return;
  }
  active_.erase(id);
  if (const auto next = again_.find(id); next != again_.end()) {
    const spool_time when = next->second;
    again_.erase(next);
    schedule(id, when);
  }
  end_if_idle();
  pump();
}

// Wakes for the next message, or to close connections that nobody needed.
GATEPOST_DECL void relay_engine::arm() {
  // The clock of the schedule is the system's, which may be set: never sleep long.
  constexpr std::chrono::milliseconds longest = std::chrono::seconds(30);
  std::chrono::milliseconds wait = longest;
  bool needed = false;
  if (!waiting_.empty() && active_.size() < options.deliveries) {
    const auto left = waiting_.begin()->first - std::chrono::system_clock::now();
    wait = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(left),
                      std::chrono::milliseconds(0), longest);
    needed = true;
  }
  for (const auto& [key, hop] : hops_) {
    if (hop.idle.empty()) continue;
    wait = std::min(wait, std::max(options.idle_connection / 2, std::chrono::milliseconds(10)));
    needed = true;
  }
  alarm_.cancel();
  if (!needed || stopping_) return;
  alarm_.expires_after(wait);
  alarm_.async_wait([self = shared_from_this()](std::error_code ec) {
    if (ec || self->stopping_) return;
    self->close_idle(false);
    self->pump();
  });
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_IMPL_RELAY_ENGINE_IPP
