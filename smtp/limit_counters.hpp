// How often each limit was reached, by the limit's name: so that who was refused can be told from
// the figures.
//
// One limit_counters per server; counts only, never waits, allocates nothing. Thread-safe.
#ifndef GATEPOST_SMTP_LIMIT_COUNTERS_HPP
#define GATEPOST_SMTP_LIMIT_COUNTERS_HPP

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "smtp/config.hpp"

namespace gatepost::smtp {

// Of connections (smtp/admission.hpp), of sessions (smtp/limits.hpp) and of the server. Limits that
// only make somebody wait are not among them: a client for which limits.pending_output octets of
// replies wait is not read from until it takes them, or write_timeout is over.
enum class limit_kind : std::uint8_t {
  connections,
  connections_per_network,
  sessions_per_second,
  sessions_per_second_and_network,
  memory,
  command_line,
  auth_line,
  text_line,
  message,
  header,
  drain,
  recipients,
  transactions,
  bad_commands,
  idle_commands,
  bad_recipients,
  auth_failures,
  hops,
  first_command_timeout,
  command_timeout,
  data_timeout,
  session_time,
  min_body_rate,
  write_timeout,
  tls_timeout,
  proxy_timeout,
  processing_time,
  answer_time,
};

inline constexpr std::size_t limit_kinds = static_cast<std::size_t>(limit_kind::answer_time) + 1;

// The name of the setting: "bad_commands".
constexpr std::string_view to_string(limit_kind k) {
  switch (k) {
    case limit_kind::connections: return "connections";
    case limit_kind::connections_per_network: return "connections_per_network";
    case limit_kind::sessions_per_second: return "sessions_per_second";
    case limit_kind::sessions_per_second_and_network: return "sessions_per_second_and_network";
    case limit_kind::memory: return "memory";
    case limit_kind::command_line: return "command_line";
    case limit_kind::auth_line: return "auth_line";
    case limit_kind::text_line: return "text_line";
    case limit_kind::message: return "message";
    case limit_kind::header: return "header";
    case limit_kind::drain: return "drain";
    case limit_kind::recipients: return "recipients";
    case limit_kind::transactions: return "transactions";
    case limit_kind::bad_commands: return "bad_commands";
    case limit_kind::idle_commands: return "idle_commands";
    case limit_kind::bad_recipients: return "bad_recipients";
    case limit_kind::auth_failures: return "auth_failures";
    case limit_kind::hops: return "hops";
    case limit_kind::first_command_timeout: return "first_command_timeout";
    case limit_kind::command_timeout: return "command_timeout";
    case limit_kind::data_timeout: return "data_timeout";
    case limit_kind::session_time: return "session_time";
    case limit_kind::min_body_rate: return "min_body_rate";
    case limit_kind::write_timeout: return "write_timeout";
    case limit_kind::tls_timeout: return "tls_timeout";
    case limit_kind::proxy_timeout: return "proxy_timeout";
    case limit_kind::processing_time: return "processing_time";
    case limit_kind::answer_time: return "answer_time";
  }
  return "?";
}

// What was counted until now.
using limit_counts = std::array<std::uint64_t, limit_kinds>;

class limit_counters {
 public:
  void count(limit_kind k) noexcept {
    counts_[static_cast<std::size_t>(k)].fetch_add(1, std::memory_order_relaxed);
  }

  limit_counts counts() const noexcept {
    limit_counts out{};
    for (std::size_t i = 0; i < limit_kinds; ++i)
      out[i] = counts_[i].load(std::memory_order_relaxed);
    return out;
  }

 private:
  std::array<std::atomic<std::uint64_t>, limit_kinds> counts_{};
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_LIMIT_COUNTERS_HPP
