#ifndef GATEPOST_ROUTING_IMPL_RELAY_POOL_IPP
#define GATEPOST_ROUTING_IMPL_RELAY_POOL_IPP

#include <algorithm>
#include <iterator>

#include "routing/detail/relay_engine.hpp"
#include "smtp/detail/early_wait.hpp"

namespace gatepost::routing::detail {

GATEPOST_DECL hop_connection relay_engine::take_idle(const std::string& key) {
  std::vector<hop_connection>& idle = hops_[key].idle;
  while (!idle.empty()) {
    hop_connection c = std::move(idle.back());
    idle.pop_back();
    if (c.session->usable()) return c;
  }
  return {};
}

GATEPOST_DECL void relay_engine::give_back(const std::string& key, hop_connection c) {
  const bool spent = ++c.messages >= options.messages_per_connection;
  if (spent || stopping_ || !c.session->usable()) {
    part_with(std::move(c.session));
    return;
  }
  c.idle_since = std::chrono::steady_clock::now();
  hops_[key].idle.push_back(std::move(c));
}

// Also with one that is dead already.
GATEPOST_DECL void relay_engine::part_with(std::unique_ptr<smtp::client_connection> session) {
  ++partings_;
  const auto then = [self = shared_from_this()](std::exception_ptr) {
    // Nothing is at stake any more, whatever went wrong.
    --self->partings_;
    self->end_if_idle();
  };
  try {
    smtp::detail::spawn(io.get_executor(), leave_hop(std::move(session), &at_work_), then);
  } catch (...) {  // no memory for a goodbye
    --partings_;
  }
}

// A connection could not be made. False: the hop is alive, as it serves others of ours, and allows
// no more of them. It gets no more than it has, for a while, and who was turned away waits for a
// place.
GATEPOST_DECL bool relay_engine::mark_dead(const std::string& key, const std::string& why) {
  hop_state& hop = hops_[key];
  const auto now = std::chrono::steady_clock::now();
  const auto usable = [](const hop_connection& c) { return c.session->usable(); };
  const auto spare = std::count_if(hop.idle.begin(), hop.idle.end(), usable);
  const std::size_t served = hop.talking + static_cast<std::size_t>(spare);
  if (served != 0) {
    hop.crowd = served;
    // Whatever the options say: it is not asked in a loop.
    hop.crowded_until =
        now + std::max<std::chrono::milliseconds>(options.dead_hop, least_retry_wait);
    return false;
  }
  hop.dead_until = now + options.dead_hop;
  hop.dead_because = smtp::cut_text(why, smtp::recipient_outcome::max_text);
  return true;
}

// Messages that wait for a place at a next hop get the places that are free. They come before all
// that waits for its time: their time has come long ago.
GATEPOST_DECL void relay_engine::unpark() {
  for (auto& [key, hop] : hops_) {
    const std::size_t places = hop.places(options.deliveries_per_hop);
    for (std::size_t n = hop.in_use; n < places && !hop.parked.empty(); ++n) {
      schedule(*hop.parked.begin(), spool_time());
      hop.parked.erase(hop.parked.begin());
    }
  }
}

GATEPOST_DECL void relay_engine::close_idle(bool all) {
  const auto now = std::chrono::steady_clock::now();
  for (auto hop = hops_.begin(); hop != hops_.end();) {
    hop_state& h = hop->second;
    std::erase_if(h.idle, [&](hop_connection& c) {
      const bool over = all || now - c.idle_since >= options.idle_connection;
      if (over) part_with(std::move(c.session));
      return over;
    });
    const bool remembered = h.dead_until > now || h.crowded_until > now;
    const bool unused = h.in_use == 0 && h.idle.empty() && h.parked.empty() && !remembered;
    hop = unused ? hops_.erase(hop) : std::next(hop);
  }
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_IMPL_RELAY_POOL_IPP
