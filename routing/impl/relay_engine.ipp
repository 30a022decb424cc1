#ifndef GATEPOST_ROUTING_IMPL_RELAY_ENGINE_IPP
#define GATEPOST_ROUTING_IMPL_RELAY_ENGINE_IPP

#include <algorithm>
#include <asio/post.hpp>
#include <exception>

#include "routing/detail/relay_engine.hpp"
#include "routing/impl/relay_delivery.ipp"
#include "routing/impl/relay_hops.ipp"
#include "routing/impl/relay_pool.ipp"
#include "routing/impl/relay_requests.ipp"
#include "smtp/detail/early_wait.hpp"

namespace gatepost::routing::detail {

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

GATEPOST_DECL void relay_engine::post_schedule(const std::string& id, spool_time when) noexcept {
  if (abandoned_) return;
  try {
    asio::post(io, [self = shared_from_this(), id, when] {
      self->guarded([&] { self->schedule(id, when); });
      self->pump();
    });
  } catch (...) {
    missed();
  }
}

GATEPOST_DECL void relay_engine::post_forget(std::string id) {
  if (abandoned_) return;
  asio::post(io, [self = shared_from_this(), id = std::move(id)] {
    self->guarded([&] { self->forget(id); });
  });
}

// --- What goes wrong on our side -----------------------------------------------------------------

// Any thread, and without memory. What was missed is in the spool, where look_again() finds it.
GATEPOST_DECL void relay_engine::missed() noexcept {
  if (abandoned_ || missed_.exchange(true)) return;
  const auto then = [self = shared_from_this()] {
    self->missed_ = false;
    self->look_again_later();
  };
  asio::post(io.get_executor(), smtp::detail::in_memory(missed_memory_, then));
}

// A delivery that ends, or a handler, must let nothing out: that would end the program.
template <class Work>
void relay_engine::guarded(Work work) noexcept {
  try {
    work();
  } catch (...) {
    missed();
  }
}

GATEPOST_DECL void relay_engine::look_again_later() {
  if (stopping_) return;
  if (second_look_)
    missed_more_ = true;
  else
    guarded([this] { second_look_.emplace(*this); });
}

GATEPOST_DECL relay_engine::second_look::second_look(relay_engine& of)
    : ticking(smtp::io_local::of(of.io)),
      of_(of),
      missed_at_(of.options.now()),
      due_(clock::now() + of.options.trouble_wait) {}

GATEPOST_DECL void relay_engine::second_look::tick(clock::time_point now) {
  if (now < due_) return;
  relay_engine& engine = of_;
  const spool_time until = missed_at_;
  engine.second_look_.reset();  // this
  if (std::exchange(engine.missed_more_, false)) engine.look_again_later();
  engine.guarded([&] { engine.look_again(until); });
  engine.pump();
}

// Schedules what is in the spool and nowhere here. What came in later than something was missed, or
// by a clock that has been set back since, may still be taken back by who commits it, and gets the
// time for that: then there is nothing to deliver.
GATEPOST_DECL void relay_engine::look_again(spool_time until) {
  const spool_time later = options.now() + options.trouble_wait;
  const auto see = [&](std::string_view id, const smtp::result<spool_message>& m) {
    const auto due = m ? m->due() : std::nullopt;
    if (!due) return true;
    std::string text(id);
    if (!active_.contains(text) && !when_.contains(text) && !parked_.contains(text))
      schedule(std::move(text), m->received_at > until ? later : *due);
    return true;
  };
  const std::error_code failed = store.for_each(see);
  if (failed) missed();
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
  second_look_.reset();
  alarm_.cancel();
  for (asio::steady_timer* nap : naps_) nap->cancel();
  close_idle(true);
  try {
    end_.expires_after(at_most);
    end_.async_wait([self = shared_from_this()](std::error_code ec) {
      if (!ec) self->at_work_.cancel();
    });
  } catch (...) {  // no memory to wait
    at_work_.cancel();
  }
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
  second_look_.reset();
  alarm_.cancel();
  end_.cancel();
  for (auto& [key, hop] : hops_) hop.idle.clear();
  files_.stop();
  files_.join();
}

GATEPOST_DECL void relay_engine::flush() {
  const spool_time now = options.now();
  for (auto& [key, hop] : hops_) hop.dead_until = hop.crowded_until = {};
  guarded([&] {
    std::vector<std::string> ids;
    ids.reserve(waiting_.size());
    for (const auto& [when, id] : waiting_) ids.push_back(id);
    for (std::string& id : ids) {
      forced_.insert(id);
      schedule(std::move(id), now);
    }
  });
  pump();
}

// --- The schedule --------------------------------------------------------------------------------

// Nothing is ever to wait longer. What is has been put off by a clock that was wrong, and is due.
GATEPOST_DECL spool_time relay_engine::horizon(spool_time now) const {
  return now + std::max({longest_retry_wait(options.retry), options.dead_hop, options.trouble_wait,
                         std::chrono::milliseconds(load_wait)});
}

// Where the system's clock has been set back meanwhile.
GATEPOST_DECL void relay_engine::mind_clock(spool_time now) {
  const spool_time last = horizon(now);
  while (!waiting_.empty() && waiting_.rbegin()->first > last)
    schedule(waiting_.rbegin()->second, now);
}

// Where this throws, everything is as it was.
GATEPOST_DECL void relay_engine::schedule(std::string id, spool_time when) {
  const spool_time now = options.now();
  if (when > horizon(now)) when = now;
  if (active_.contains(id)) {
    again_[id] = when;
    return;
  }
  const auto place = waiting_.emplace(when, id);
  try {
    const auto [entry, fresh] = when_.try_emplace(id, when);
    parked_.erase(id);
    const spool_time before = std::exchange(entry->second, when);
    if (!fresh && before != when) waiting_.erase({before, std::move(id)});
  } catch (...) {
    if (place.second) waiting_.erase(place.first);
    throw;
  }
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
  guarded([&] {
    unpark();
    const spool_time now = options.now();
    mind_clock(now);
    while (!stopping_ && active_.size() < options.deliveries && !waiting_.empty() &&
           waiting_.begin()->first <= now)
      begin_delivery();
  });
  count();
  guarded([&] { arm(); });
}

// From within a delivery, which must not find itself changed by the next.
GATEPOST_DECL void relay_engine::pump_soon() {
  if (abandoned_ || std::exchange(pump_posted_, true)) return;
  const auto then = [self = shared_from_this()] {
    self->pump_posted_ = false;
    self->pump();
  };
  asio::post(io.get_executor(), smtp::detail::in_memory(pump_memory_, then));
}

// The first one that waits. Where this throws, it still does.
GATEPOST_DECL void relay_engine::begin_delivery() {
  const std::string id = waiting_.begin()->second;
  active_.insert(id);
  auto place = waiting_.extract(waiting_.begin());
  auto due = when_.extract(id);
  try {
    const auto then = [self = shared_from_this(), id](std::exception_ptr e) { self->ended(id, e); };
    smtp::detail::spawn(io.get_executor(), deliver(id), then);
  } catch (...) {
    active_.erase(id);
    waiting_.insert(std::move(place));
    when_.insert(std::move(due));
    throw;
  }
}

GATEPOST_DECL void relay_engine::ended(const std::string& id, std::exception_ptr e) {
  if (e) {
    guarded([&] {
      trouble("relay", "the delivery of " + id + " ended by an exception; it will be tried again");
    });
    guarded([&] { again_.try_emplace(id, options.now() + options.trouble_wait); });
  }
  if (const auto release = releases_.find(id); release != releases_.end()) {
    release->second.has_message = true;
    return;
  }
  active_.erase(id);
  if (const auto next = again_.extract(id)) guarded([&] { schedule(id, next.mapped()); });
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
    const auto left = waiting_.begin()->first - options.now();
    wait = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(left),
                      std::chrono::milliseconds(0), longest);
    needed = true;
  }
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [key, hop] : hops_) {
    if (!hop.parked.empty() && hop.crowded_until > now) {  // then it has its places again
      wait = std::min(wait, std::chrono::ceil<std::chrono::milliseconds>(hop.crowded_until - now));
      needed = true;
    }
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
