// A name server for tests, on loopback, that answers what it is told: also slowly, falsely, or not
// at all.
//
//     name_server server(io, [](const name_server::request& r) -> name_server::replies {
//       return {dns_message(r.asked.options.id, r.asked.asked).text()};
//     });
//     options.servers = {server.where()};
//
// UDP and TCP on the same free port. It lives on the io_context of the resolver under test, and
// must go before it.
#ifndef GATEPOST_TESTS_SUPPORT_NAME_SERVER_HPP
#define GATEPOST_TESTS_SUPPORT_NAME_SERVER_HPP

#include <array>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "smtp/dns/message.hpp"
#include "smtp/ip.hpp"

namespace gatepost::tests {

class name_server {
 public:
  enum class protocol { udp, tcp };

  struct request {
    smtp::dns::query asked;
    protocol by;
    int number;          // counted from 1
    std::uint16_t port;  // that it came from
  };
  // One message each; none is silence.
  using replies = std::vector<std::string>;
  using behaviour = std::function<replies(const request&)>;

  name_server(asio::io_context& io, behaviour b)
      : state_(std::make_shared<state>(io, std::move(b))) {
    state_->open();
    state_->receive();
    state_->accept();
  }
  name_server(const name_server&) = delete;
  name_server& operator=(const name_server&) = delete;
  ~name_server() { state_->close(); }

  smtp::endpoint where() const {
    return {*smtp::parse_ip_address("127.0.0.1"), state_->udp.local_endpoint().port()};
  }
  // Queries that came, by both protocols.
  int asked() const { return state_->count; }
  int asked_by_tcp() const { return state_->tcp_count; }
  // The last query.
  const smtp::dns::query& last() const { return state_->last; }

  void behave(behaviour b) { state_->behave = std::move(b); }

  // Nobody listens here: a free port that was just given back.
  static smtp::endpoint nowhere(asio::io_context& io) {
    asio::ip::udp::socket s(io, {asio::ip::address_v4::loopback(), 0});
    return {*smtp::parse_ip_address("127.0.0.1"), s.local_endpoint().port()};
  }

 private:
  struct connection {
    explicit connection(asio::ip::tcp::socket s) : socket(std::move(s)) {}
    asio::ip::tcp::socket socket;
    std::array<unsigned char, 2> size{};
    std::string data;
  };

  struct state : std::enable_shared_from_this<state> {
    state(asio::io_context& context, behaviour b)
        : io(context), udp(context), acceptor(context), behave(std::move(b)) {}

    // TCP needs the port that UDP got; another may hold it.
    void open() {
      for (int tries = 0; tries < 100; ++tries) {
        udp = asio::ip::udp::socket(io, {asio::ip::address_v4::loopback(), 0});
        const asio::ip::tcp::endpoint same(asio::ip::address_v4::loopback(),
                                           udp.local_endpoint().port());
        std::error_code ec;
        acceptor = asio::ip::tcp::acceptor(io);
        acceptor.open(same.protocol());
        acceptor.bind(same, ec);
        if (!ec) acceptor.listen();
        if (!ec) return;
      }
      throw std::runtime_error("no port is free for UDP and TCP");
    }

    void close() {
      std::error_code ignored;
      udp.close(ignored);
      acceptor.close(ignored);
      for (const auto& c : connections) c->socket.close(ignored);
      behave = nullptr;
    }

    replies answers(std::string_view octets, protocol by) {
      const auto q = smtp::dns::read_query(octets);
      if (!q || !behave) return {};
      ++count;
      if (by == protocol::tcp) ++tcp_count;
      last = *q;
      return behave({*q, by, count, from.port()});
    }

    void receive() {
      udp.async_receive_from(
          asio::buffer(buffer), from,
          [self = shared_from_this()](std::error_code ec, std::size_t n) {
            if (ec == asio::error::operation_aborted || !self->udp.is_open()) return;
            std::error_code ignored;
            for (const auto& m :
                 self->answers(ec ? std::string_view() : std::string_view(self->buffer.data(), n),
                               protocol::udp))
              self->udp.send_to(asio::buffer(m), self->from, 0, ignored);
            self->receive();
          });
    }

    void accept() {
      acceptor.async_accept([self = shared_from_this()](std::error_code ec, auto socket) {
        if (ec) return;
        self->connections.push_back(std::make_shared<connection>(std::move(socket)));
        self->read(self->connections.back());
        self->accept();
      });
    }

    // RFC 1035 §4.2.2: two octets of length before each message.
    void read(const std::shared_ptr<connection>& c) {
      asio::async_read(c->socket, asio::buffer(c->size),
                       [self = shared_from_this(), c](std::error_code ec, std::size_t) {
                         if (ec) return;
                         c->data.resize(static_cast<std::size_t>(c->size[0] << 8 | c->size[1]));
                         self->read_message(c);
                       });
    }
    void read_message(const std::shared_ptr<connection>& c) {
      asio::async_read(c->socket, asio::buffer(c->data),
                       [self = shared_from_this(), c](std::error_code ec, std::size_t) {
                         if (ec) return;
                         std::string out;
                         for (const auto& m : self->answers(c->data, protocol::tcp)) {
                           out += static_cast<char>(m.size() >> 8);
                           out += static_cast<char>(m.size() & 0xff);
                           out += m;
                         }
                         c->data = out;
                         asio::async_write(c->socket, asio::buffer(c->data),
                                           [self, c](std::error_code e, std::size_t) {
                                             if (!e) self->read(c);
                                           });
                       });
    }

    asio::io_context& io;
    asio::ip::udp::socket udp;
    asio::ip::tcp::acceptor acceptor;
    asio::ip::udp::endpoint from;
    std::array<char, 4096> buffer{};
    behaviour behave;
    std::vector<std::shared_ptr<connection>> connections;
    smtp::dns::query last;
    int count = 0;
    int tcp_count = 0;
  };

  std::shared_ptr<state> state_;
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_NAME_SERVER_HPP
