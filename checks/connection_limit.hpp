// Limits how many connections a network has at a time, and how often it connects.
//
// At connect: 421 4.7.0 to a client whose network has `connections` open, or makes more than `rate`
// new ones in `per`. The limits hold per server process. The memory is bounded by `networks`; a
// network that finds no room is not limited, so an attack from everywhere locks nobody out (the
// server's own limit on all connections is what meets that). Thread-safe.
#ifndef GATEPOST_CHECKS_CONNECTION_LIMIT_HPP
#define GATEPOST_CHECKS_CONNECTION_LIMIT_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "checks/check.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

struct connection_limit_options {
  // Connections of one network at a time; 0: no limit. The most that Postfix opens to one
  // destination by default (default_destination_concurrency_limit).
  std::uint32_t connections = 20;

  // New connections of one network within `per`, which may come all at once; 0: no limit. A
  // sender that needs more than one a second does not use its connections again.
  std::uint32_t rate = 60;
  std::chrono::milliseconds per = std::chrono::minutes(1);

  // What counts as one network: a subscriber has one IPv4 address, but a /64 of IPv6 (RFC 6177).
  unsigned v4_bits = smtp::client_bits_v4;
  unsigned v6_bits = smtp::client_bits_v6;

  // Never limited. Connections by Unix socket are not, either.
  smtp::network_set exempt = smtp::network_set::loopback();

  // How many networks are remembered; about 100 octets each.
  std::size_t networks = 100'000;

  // The clock; for tests.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

namespace detail {
class connection_table;
}

class connection_limit final : public check {
 public:
  GATEPOST_DECL explicit connection_limit(connection_limit_options options = {});

  std::string_view name() const override { return "connection_limit"; }
  bool waits(smtp::stage) const override { return false; }
  GATEPOST_DECL asio::awaitable<verdict> on_connect(context& ctx) override;

  // How many networks are in the table now.
  GATEPOST_DECL std::size_t networks() const;

 private:
  connection_limit_options options_;
  std::shared_ptr<detail::connection_table> table_;  // kept by each session that is counted, too
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/connection_limit.ipp"
#endif

#endif  // GATEPOST_CHECKS_CONNECTION_LIMIT_HPP
