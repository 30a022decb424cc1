// Which step of a session a line belongs to, and how long each step took. Pure: time comes in.
//
// The time of a session is cut at each event that ends a step: connected, handshake done, a reply,
// the last octet of the message written. What lies between two cuts belongs to the step that ended,
// so the steps add up to the whole.
#ifndef GATEPOST_EXAMPLES_PROBE_TIMELINE_HPP
#define GATEPOST_EXAMPLES_PROBE_TIMELINE_HPP

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>

#include "smtp/transaction.hpp"

namespace probe {

using microseconds = std::chrono::microseconds;

// "EHLO", "TLS handshake", "final reply".
std::string_view step_name(gatepost::smtp::client_step step);

// Matches replies to commands, in the order of client_tap: which sees a pipelined group before the
// replies to it.
class reply_matcher {
 public:
  // The step of a line of the client.
  gatepost::smtp::client_step said(std::string_view line);
  // The step that the next reply belongs to.
  gatepost::smtp::client_step heard();

 private:
  // The greeting is a reply to nothing that was said.
  std::deque<gatepost::smtp::client_step> awaited_{gatepost::smtp::client_step::greeting};
};

struct step_time {
  std::uint64_t count = 0;
  microseconds total{0};
  microseconds longest{0};
};

class timeline {
 public:
  void add(gatepost::smtp::client_step step, microseconds took);
  const step_time& of(gatepost::smtp::client_step step) const;

  // In the order of a session.
  static constexpr gatepost::smtp::client_step steps[] = {
      gatepost::smtp::client_step::connect, gatepost::smtp::client_step::greeting,
      gatepost::smtp::client_step::hello,   gatepost::smtp::client_step::starttls,
      gatepost::smtp::client_step::tls,     gatepost::smtp::client_step::auth,
      gatepost::smtp::client_step::rset,    gatepost::smtp::client_step::mail,
      gatepost::smtp::client_step::rcpt,    gatepost::smtp::client_step::data,
      gatepost::smtp::client_step::body,    gatepost::smtp::client_step::final_dot,
      gatepost::smtp::client_step::quit,    gatepost::smtp::client_step::idle,
  };

 private:
  static constexpr std::size_t step_count =
      static_cast<std::size_t>(gatepost::smtp::client_step::quit) + 1;
  std::array<step_time, step_count> times_;
};

}  // namespace probe

#endif  // GATEPOST_EXAMPLES_PROBE_TIMELINE_HPP
