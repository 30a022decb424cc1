// Connections over TCP and Unix sockets, for clients.
//
// Addresses and "localhost" cost nothing but the connection. Any other host name is looked up by
// the system's getaddrinfo, which Asio runs on a thread of its own (one per io_context, begun at
// the first such name): a look-up that the deadline has ended goes on there until the system gives
// up, and io_context::run() waits for it. Mail by MX is not looked up here; whoever knows the
// addresses gives them. Of several addresses each gets its share of the time, in the system's
// order.
#ifndef GATEPOST_SMTP_SOCKET_CONNECTOR_HPP
#define GATEPOST_SMTP_SOCKET_CONNECTOR_HPP

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <optional>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/connector.hpp"
#include "smtp/ip.hpp"

namespace gatepost::smtp {

// Addresses of one name that are tried.
inline constexpr std::size_t max_connect_addresses = 8;

class socket_connector final : public connector {
 public:
  // `io` outlives this, and the connections. `from_v4`, `from_v6`: our address, where the system is
  // not to choose it.
  explicit socket_connector(asio::io_context& io, std::optional<ip_address> from_v4 = {},
                            std::optional<ip_address> from_v6 = {})
      : io_(io), from_v4_(from_v4), from_v6_(from_v6) {}

  GATEPOST_DECL asio::awaitable<connect_result> connect(connect_target where,
                                                        time_point deadline) override;

 private:
  asio::awaitable<connect_result> connect_address(endpoint where, time_point deadline);
  asio::awaitable<connect_result> connect_unix(std::string path, time_point deadline);
  asio::awaitable<std::error_code> look_up(std::string host, std::uint16_t port,
                                           time_point deadline, std::vector<endpoint>& found);

  asio::io_context& io_;
  std::optional<ip_address> from_v4_;
  std::optional<ip_address> from_v6_;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/socket_connector.ipp"
#endif

#endif  // GATEPOST_SMTP_SOCKET_CONNECTOR_HPP
