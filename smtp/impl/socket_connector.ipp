#ifndef GATEPOST_SMTP_IMPL_SOCKET_CONNECTOR_IPP
#define GATEPOST_SMTP_IMPL_SOCKET_CONNECTOR_IPP

#include <asio/error.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "smtp/detail/early_wait.hpp"
#include "smtp/detail/sockaddr.hpp"
#include "smtp/domain.hpp"
#include "smtp/socket_connector.hpp"
#include "smtp/socket_transport.hpp"

namespace gatepost::smtp {
namespace detail {

// An operation with a deadline. The coroutine waits for the timer, which the operation's handler
// ends: so that an operation which cannot be cancelled at once (a look-up) does not hold it. Shared
// with the handler.
struct timed_operation {
  explicit timed_operation(asio::io_context& io) : timer(io) {}

  void complete(std::error_code with) {
    error = with;
    done = true;
    timer.cancel();
  }

  asio::steady_timer timer;
  std::error_code error;
  bool done = false;
};

// errc::timed_out, or how the operation went. Whoever called it keeps `op` meanwhile.
inline asio::awaitable<std::error_code> finish(timed_operation& op, time_point deadline) {
  if (!op.done) {
    op.timer.expires_at(deadline);
    [[maybe_unused]] const std::error_code ended = co_await wait_for(op.timer);
  }
  if (!op.done) co_return errc::timed_out;
  co_return op.error;
}

struct connecting : timed_operation {
  explicit connecting(asio::io_context& io) : timed_operation(io), socket(io) {}
  socket_transport::socket socket;
};

struct looking_up : timed_operation {
  explicit looking_up(asio::io_context& io) : timed_operation(io), resolver(io) {}
  asio::ip::tcp::resolver resolver;
  std::vector<endpoint> found;
};

// Asio 1.22 has a category of its own for what errno says; nobody outside is to know it.
inline std::error_code from_asio(std::error_code ec) {
  return ec.category() == asio::error::get_system_category()
             ? std::error_code(ec.value(), std::system_category())
             : ec;
}

inline connect_result not_connected(std::error_code why, std::string name) {
  const std::error_code error = from_asio(why);
  name.append(": ").append(error.message());
  return connect_result(error, std::move(name));
}

inline asio::generic::stream_protocol::endpoint to_generic(const endpoint& e) {
  socklen_t size = 0;
  const sockaddr_storage storage = to_sockaddr(e, size);
  return {&storage, size};
}

inline asio::awaitable<connect_result> connect_socket(asio::io_context& io,
                                                      std::shared_ptr<connecting> op,
                                                      asio::generic::stream_protocol::endpoint to,
                                                      time_point deadline, std::string name) {
  op->socket.async_connect(to, [op](std::error_code ec) { op->complete(ec); });
  std::error_code failed = co_await finish(*op, deadline);
  if (!failed) op->socket.non_blocking(true, failed);
  if (failed) {
    std::error_code ignored;
    op->socket.close(ignored);
    co_return not_connected(failed, std::move(name));
  }
  co_return connect_result(std::make_unique<socket_transport>(io, std::move(op->socket)));
}

}  // namespace detail

GATEPOST_DECL asio::awaitable<connect_result> socket_connector::connect(connect_target where,
                                                                        time_point deadline) {
  using kind = connect_target::kind;
  if (where.what() == kind::unix_path) {
    connect_result made = co_await connect_unix(where.path(), deadline);
    co_return made;
  }
  std::vector<endpoint> addresses;
  if (where.what() == kind::address) addresses.push_back(where.endpoint());
  if (where.what() == kind::name) {
    const std::error_code unknown =
        co_await look_up(where.host(), where.port(), deadline, addresses);
    if (unknown) co_return detail::not_connected(unknown, where.text());
  }
  connect_result last(errc::not_found, where.text() + ": no address");
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const time_point now = std::chrono::steady_clock::now();
    const auto left = static_cast<time_point::rep>(addresses.size() - i);
    last = co_await connect_address(addresses[i], now + (deadline - now) / left);
    if (last.connection != nullptr) break;
  }
  co_return last;
}

GATEPOST_DECL asio::awaitable<connect_result> socket_connector::connect_address(
    endpoint where, time_point deadline) {
  auto op = std::make_shared<detail::connecting>(io_);
  const auto to = detail::to_generic(where);
  std::error_code failed;
  op->socket.open(to.protocol(), failed);
  // Commands and text are written in blocks: nothing is gained by waiting for more.
  if (!failed) op->socket.set_option(asio::ip::tcp::no_delay(true), failed);
  const std::optional<ip_address>& from = where.address.is_v4() ? from_v4_ : from_v6_;
  if (!failed && from) op->socket.bind(detail::to_generic({*from, 0}), failed);
  if (failed) co_return detail::not_connected(failed, where.text());
  connect_result made =
      co_await detail::connect_socket(io_, std::move(op), to, deadline, where.text());
  co_return made;
}

GATEPOST_DECL asio::awaitable<connect_result> socket_connector::connect_unix(std::string path,
                                                                             time_point deadline) {
  auto op = std::make_shared<detail::connecting>(io_);
  std::string name = "unix:" + path;
  // sockaddr_un has room for 107 octets and a NUL.
  if (path.empty() || path.size() > 107)
    co_return connect_result(errc::bad_argument, name + ": not a path of a socket");
  const asio::generic::stream_protocol::endpoint to(asio::local::stream_protocol::endpoint{path});
  std::error_code failed;
  op->socket.open(to.protocol(), failed);
  if (failed) co_return detail::not_connected(failed, std::move(name));
  connect_result made =
      co_await detail::connect_socket(io_, std::move(op), to, deadline, std::move(name));
  co_return made;
}

GATEPOST_DECL asio::awaitable<std::error_code> socket_connector::look_up(
    std::string host, std::uint16_t port, time_point deadline, std::vector<endpoint>& found) {
  // RFC 6761 §6.3: an application may know this name without asking.
  if (to_lower_ascii(host) == "localhost") {
    found.push_back({ip_address(ip_address::v4_octets{127, 0, 0, 1}), port});
    found.push_back({*parse_ip_address("::1"), port});
    co_return std::error_code{};
  }
  auto op = std::make_shared<detail::looking_up>(io_);
  using results = asio::ip::tcp::resolver::results_type;
  op->resolver.async_resolve(host, std::to_string(port), [op](std::error_code ec, results all) {
    for (const auto& one : all) {
      if (op->found.size() == max_connect_addresses) break;
      sockaddr_storage storage{};
      const auto address = one.endpoint();
      std::memcpy(&storage, address.data(), address.size());
      op->found.push_back(detail::to_endpoint(storage));
    }
    op->complete(ec);
  });
  const std::error_code failed = co_await detail::finish(*op, deadline);
  if (failed == errc::timed_out) {
    op->resolver.cancel();
    co_return failed;
  }
  if (failed) co_return errc::not_found;
  found = op->found;
  co_return std::error_code{};
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SOCKET_CONNECTOR_IPP
