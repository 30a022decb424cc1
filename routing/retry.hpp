// When to try again: exponential back-off with jitter, and when to give up. RFC 5321 §4.5.4.1.
//
// Pure: the time and the randomness are parameters.
#ifndef GATEPOST_ROUTING_RETRY_HPP
#define GATEPOST_ROUTING_RETRY_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>

#include "smtp/config.hpp"

namespace gatepost::routing {

struct retry_options {
  retry_options() = default;

  // RFC 5321 §4.5.4.1 wants 30 minutes between attempts in general, and finds it good to try twice in the
  // first hour: greylisting and restarts are over by then.
  std::chrono::seconds first = std::chrono::minutes(5);
  double factor = 2;
  std::chrono::seconds longest = std::chrono::hours(4);

  // Each wait is made longer or shorter by up to this part of it, so that messages which failed together
  // do not come back together.
  double jitter = 0.2;

  // RFC 5321 §4.5.4.1: "the give-up time generally needs to be at least 4-5 days".
  std::chrono::seconds give_up = std::chrono::hours(24 * 5);
};

// The time of the next attempt after `attempts` that failed (at least one), or nothing: give up.
// `random`: uniform in [0, 1).
inline std::optional<std::chrono::system_clock::time_point> next_attempt(
    const retry_options& options, std::uint32_t attempts,
    std::chrono::system_clock::time_point received_at, std::chrono::system_clock::time_point now,
    double random) {
  const auto end = received_at + options.give_up;
  if (now >= end) return std::nullopt;
  const double first = static_cast<double>(options.first.count());
  const double longest = static_cast<double>(options.longest.count());
  const double exponent = static_cast<double>(std::min<std::uint32_t>(attempts, 64)) - 1;
  const double wait = std::min(longest, first * std::pow(options.factor, std::max(0.0, exponent)));
  const double spread = 1 + options.jitter * (2 * random - 1);
  const auto delay = std::chrono::milliseconds(static_cast<std::int64_t>(wait * spread * 1000));
  // The last attempt is made when the time is up, not some hours before.
  return std::min(now + delay, end);
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_RETRY_HPP
