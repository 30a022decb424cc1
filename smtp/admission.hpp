// How many sessions there may be: in all, per client network, and begun per second.
//
// Asked before a byte is sent, so that a flood costs an accept and a close. Shared by all threads
// of a server; the table holds the networks that have sessions or had one within seconds, and so is
// bounded by the limit on sessions and by `remembered`. Its hash is seeded: who has a /32 of IPv6
// has 2^32 networks to choose from. No clock of its own. Thread-safe.
//
// Of a connection whose client a proxy has yet to name, only the limit in all can be asked: hold()
// counts it until it is known, release() ends that, and then comes enter().
#ifndef GATEPOST_SMTP_ADMISSION_HPP
#define GATEPOST_SMTP_ADMISSION_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"
#include "smtp/limit_counters.hpp"
#include "smtp/reply.hpp"
#include "smtp/seeded_hash.hpp"

namespace gatepost::smtp {

// 0 is no limit.
struct connection_limits {
  // Sessions at a time, with those that are held. Each is one descriptor and a few KiB; the usual
  // soft limit of descriptors is 1024, and the server raises it as far as it may.
  std::size_t total = 10000;
  // Sessions at a time per client network. Postfix: 50 (smtpd_client_connection_count_limit).
  std::size_t per_network = 50;
  // Sessions begun per second, averaged: what arrives faster is turned away. A burst of one
  // second's worth passes.
  std::size_t per_second = 0;
  std::size_t per_second_and_network = 0;
  // What one network is. An IPv6 subscriber has a /64 at least.
  unsigned v4_bits = client_bits_v4;
  unsigned v6_bits = client_bits_v6;
  // Networks without a session whose rate is still remembered.
  std::size_t remembered = 100000;
};

enum class admittance : std::uint8_t {
  admitted,
  too_many,
  too_many_of_network,
  too_fast,
  network_too_fast
};

// Of one that is not `admitted`.
constexpr limit_kind limit_of(admittance a) {
  switch (a) {
    case admittance::too_many_of_network: return limit_kind::connections_per_network;
    case admittance::too_fast: return limit_kind::sessions_per_second;
    case admittance::network_too_fast: return limit_kind::sessions_per_second_and_network;
    default: return limit_kind::connections;
  }
}

// The limit's name, for logs.
constexpr std::string_view to_string(admittance a) {
  return a == admittance::admitted ? "admitted" : to_string(limit_of(a));
}

// What the client is told.
constexpr const fixed_reply& refusal_of(admittance a) {
  switch (a) {
    case admittance::too_many_of_network: return replies::too_many_connections;
    case admittance::network_too_fast: return replies::too_many_sessions;
    default: return replies::server_busy;
  }
}

class admission {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  explicit admission(const connection_limits& limits) : limits_(limits) {}

  // After `admitted`, leave() is owed.
  GATEPOST_DECL admittance enter(const ip_address& client, time_point now);
  GATEPOST_DECL void leave(const ip_address& client);

  // `admitted` or `too_many`. After `admitted`, release() is owed.
  GATEPOST_DECL admittance hold();
  GATEPOST_DECL void release();

  // Those that have entered.
  GATEPOST_DECL std::size_t sessions() const;

 private:
  // Room for `rate` a second, and what of it is used up.
  struct bucket {
    double used = 0;
    time_point at{};
    bool take(double rate, time_point now);
  };
  struct network_state {
    std::size_t sessions = 0;
    bucket rate;
  };

  bool is_full() const { return networks_.size() > sessions_ + limits_.remembered; }
  bool no_room() const { return limits_.total != 0 && sessions_ + held_ >= limits_.total; }
  void forget_idle(time_point now);

  connection_limits limits_;
  mutable std::mutex mutex_;
  std::unordered_map<ip_network, network_state, seeded_hash> networks_;
  std::size_t sessions_ = 0;
  std::size_t held_ = 0;
  bucket rate_;
  time_point forgotten_at_{};  // when idle networks were last looked for
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/admission.ipp"
#endif

#endif  // GATEPOST_SMTP_ADMISSION_HPP
