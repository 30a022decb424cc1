#ifndef GATEPOST_ROUTING_IMPL_RELAY_POOL_IPP
#define GATEPOST_ROUTING_IMPL_RELAY_POOL_IPP

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

GATEPOST_DECL void relay_engine::mark_dead(const std::string& key, const std::string& why) {
  hops_[key].dead_until = std::chrono::steady_clock::now() + options.dead_hop;
  hops_[key].dead_because = why;
}

// Messages that wait for a place at a next hop get the places that are free. They come before all
// that waits for its time: their time has come long ago.
GATEPOST_DECL void relay_engine::unpark() {
  for (auto& [key, hop] : hops_) {
    for (std::size_t n = hop.in_use; n < options.deliveries_per_hop && !hop.parked.empty(); ++n) {
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
    const bool unused = h.in_use == 0 && h.idle.empty() && h.parked.empty() && h.dead_until <= now;
    hop = unused ? hops_.erase(hop) : std::next(hop);
  }
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_IMPL_RELAY_POOL_IPP
