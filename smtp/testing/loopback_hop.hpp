// A scripted_next_hop on a TCP port of loopback, for clients that want a socket.
//
//     scripted_next_hop hop;
//     loopback_hop listening(io, hop);
//     connect("127.0.0.1", listening.port());
#ifndef GATEPOST_SMTP_TESTING_LOOPBACK_HOP_HPP
#define GATEPOST_SMTP_TESTING_LOOPBACK_HOP_HPP

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "smtp/config.hpp"
#include "smtp/socket_transport.hpp"
#include "smtp/testing/scripted_next_hop.hpp"

namespace gatepost::smtp::testing {

// Serves any number of connections on `io`, until it is destroyed. `hop` outlives it; lives on the
// thread of `io`.
class loopback_hop {
 public:
  loopback_hop(asio::io_context& io, scripted_next_hop& hop)
      : shared_(std::make_shared<shared>(io, hop)) {
    port_ = shared_->acceptor.local_endpoint().port();
    asio::co_spawn(io, accept_from(shared_), [](std::exception_ptr) {});
  }
  loopback_hop(const loopback_hop&) = delete;
  loopback_hop& operator=(const loopback_hop&) = delete;
  ~loopback_hop() {
    go_away();
    drop_connections();
  }

  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return shared_->open.size(); }

  // New connections are refused from now on.
  void go_away() {
    std::error_code ignored;
    shared_->acceptor.close(ignored);
  }
  // Ends those that there are.
  void drop_connections() {
    for (socket_transport* t : shared_->open) {
      t->close();
      t->cancel();
    }
  }

 private:
  using tcp = asio::ip::tcp;

  struct shared {
    shared(asio::io_context& io, scripted_next_hop& hop)
        : io(io), hop(hop), acceptor(io, {asio::ip::address_v4::loopback(), 0}) {}
    asio::io_context& io;
    scripted_next_hop& hop;
    tcp::acceptor acceptor;
    std::set<socket_transport*> open;
  };

  struct connection {
    connection(std::shared_ptr<shared> s, tcp::socket socket)
        : home(std::move(s)), transport(home->io, std::move(socket)) {
      home->open.insert(&transport);
    }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection() { home->open.erase(&transport); }
    std::shared_ptr<shared> home;
    socket_transport transport;
  };

  static asio::awaitable<void> serve(std::shared_ptr<connection> c) {
    co_await c->home->hop.serve(c->transport);
  }

  static asio::awaitable<void> accept_from(std::shared_ptr<shared> s) {
    while (s->acceptor.is_open()) {
      std::error_code failed;
      tcp::socket socket =
          co_await s->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, failed));
      if (failed) break;
      socket.non_blocking(true);
      auto c = std::make_shared<connection>(s, std::move(socket));
      asio::co_spawn(s->io, serve(c), [c](std::exception_ptr) {});
    }
  }

  std::shared_ptr<shared> shared_;
  std::uint16_t port_ = 0;
};

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_LOOPBACK_HOP_HPP
