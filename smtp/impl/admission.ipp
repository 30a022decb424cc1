#ifndef GATEPOST_SMTP_IMPL_ADMISSION_IPP
#define GATEPOST_SMTP_IMPL_ADMISSION_IPP

#include <algorithm>

#include "smtp/admission.hpp"

namespace gatepost::smtp {

GATEPOST_DECL bool admission::bucket::take(double rate, time_point now) {
  const double passed = std::chrono::duration<double>(now - at).count();
  used = std::max(0.0, used - passed * rate);
  at = now;
  if (used + 1 > std::max(rate, 1.0)) return false;
  used += 1;
  return true;
}

GATEPOST_DECL admittance admission::enter(const ip_address& client, time_point now) {
  const ip_network network = client_network(client, limits_.v4_bits, limits_.v6_bits);
  const std::lock_guard lock(mutex_);
  if (no_room()) return admittance::too_many;
  if (networks_.size() >= sessions_ + limits_.remembered) forget_idle(now);

  network_state& state = networks_[network];
  if (limits_.per_network != 0 && state.sessions >= limits_.per_network)
    return admittance::too_many_of_network;
  const auto own_rate = static_cast<double>(limits_.per_second_and_network);
  if (own_rate != 0 && !state.rate.take(own_rate, now)) return admittance::network_too_fast;
  const auto rate = static_cast<double>(limits_.per_second);
  if (rate != 0 && !rate_.take(rate, now)) {
    if (state.sessions == 0 && (own_rate == 0 || is_full())) networks_.erase(network);
    return admittance::too_fast;
  }
  ++state.sessions;
  ++sessions_;
  return admittance::admitted;
}

GATEPOST_DECL void admission::leave(const ip_address& client) {
  const ip_network network = client_network(client, limits_.v4_bits, limits_.v6_bits);
  const std::lock_guard lock(mutex_);
  const auto state = networks_.find(network);
  if (state == networks_.end() || state->second.sessions == 0) return;
  --sessions_;
  // With a rate, an idle network is remembered until its bucket is empty, if there is room to
  // remember it.
  if (--state->second.sessions == 0 && (limits_.per_second_and_network == 0 || is_full()))
    networks_.erase(state);
}

GATEPOST_DECL admittance admission::hold() {
  const std::lock_guard lock(mutex_);
  if (no_room()) return admittance::too_many;
  ++held_;
  return admittance::admitted;
}

GATEPOST_DECL void admission::release() {
  const std::lock_guard lock(mutex_);
  --held_;
}

GATEPOST_DECL void admission::forget_idle(time_point now) {
  // A look at all of them costs a millisecond: not for every client of a flood.
  if (now - forgotten_at_ < std::chrono::seconds(1)) return;
  forgotten_at_ = now;
  std::erase_if(networks_, [now](const auto& entry) {
    return entry.second.sessions == 0 && now - entry.second.rate.at > std::chrono::seconds(2);
  });
}

GATEPOST_DECL std::size_t admission::sessions() const {
  const std::lock_guard lock(mutex_);
  return sessions_;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_ADMISSION_IPP
