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

  // RFC 5321 §4.5.4.1 wants 30 minutes between attempts in general, and finds it good to try twice
  // in the first hour: greylisting and restarts are over by then.
  std::chrono::seconds first = std::chrono::minutes(5);
  double factor = 2;
  std::chrono::seconds longest = std::chrono::hours(4);

  // Each wait is made longer or shorter by up to this part of it, so that messages which failed
  // together do not come back together.
  double jitter = 0.2;

  // RFC 5321 §4.5.4.1: "the give-up time generally needs to be at least 4-5 days".
  std::chrono::seconds give_up = std::chrono::hours(24 * 5);
};

// Whatever the options say: a next hop that fails at once is not asked in a loop.
inline constexpr std::chrono::seconds least_retry_wait{1};

// A clock that was set forward makes every message old. Time alone gives none up: at least so many
// attempts have failed, unless give_up is zero.
inline constexpr std::uint32_t least_attempts = 3;

// Longer than any wait between attempts: what is to wait longer than this was put off by a clock
// that has been set back since.
inline std::chrono::milliseconds longest_retry_wait(const retry_options& options) {
  using seconds = std::chrono::duration<double>;
  const seconds any = std::chrono::hours(24 * 3650);  // for options that are nonsense
  const seconds longest = seconds(options.longest) * (1 + std::abs(options.jitter));
  return std::chrono::ceil<std::chrono::milliseconds>(
      std::clamp(longest, seconds(least_retry_wait), any));
}

// The time of the next attempt after `attempts` that failed (at least one), or nothing: give up.
// A message from the future came in just now: the clock was set back.
// `random`: uniform in [0, 1).
inline std::optional<std::chrono::system_clock::time_point> next_attempt(
    const retry_options& options, std::uint32_t attempts,
    std::chrono::system_clock::time_point received_at, std::chrono::system_clock::time_point now,
    double random) {
  using seconds = std::chrono::duration<double>;
  const auto end = std::min(received_at, now) + options.give_up;
  const bool late = now >= end;
  if (late && (attempts >= least_attempts || options.give_up <= std::chrono::seconds(0)))
    return std::nullopt;
  const seconds left = late ? seconds(options.give_up) : end - now;
  const double doublings = static_cast<double>(std::max<std::uint32_t>(attempts, 1)) - 1;
  const seconds wait = std::min(seconds(options.longest),
                                seconds(options.first) * std::pow(options.factor, doublings));
  const seconds spread = wait * (1 + options.jitter * (2 * random - 1));
  const seconds delay = std::max(seconds(least_retry_wait), spread);
  // The last attempt is made when the time is up, not some hours before.
  if (!(delay < left)) return late ? now + options.give_up : end;
  return now + std::chrono::duration_cast<std::chrono::milliseconds>(delay);
}

// The time to look again at a message that could not even be tried, as its next hops are known to
// be away: its age stands for the attempts that it has not had, and a long queue is not read over
// and over. Never gives up.
inline std::chrono::system_clock::time_point next_visit(
    const retry_options& options, std::chrono::system_clock::time_point received_at,
    std::chrono::system_clock::time_point now, double random) {
  using seconds = std::chrono::duration<double>;
  const seconds age = std::max(now - received_at, std::chrono::system_clock::duration(0));
  const seconds wait = std::min(seconds(options.longest), std::max(seconds(options.first), age));
  const seconds spread = wait * (1 + options.jitter * (2 * random - 1));
  const seconds delay = std::max(seconds(least_retry_wait), spread);
  return now + std::chrono::duration_cast<std::chrono::milliseconds>(delay);
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_RETRY_HPP
