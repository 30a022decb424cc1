// A transport over a TCP or Unix socket, with TLS by smtp/tls.
//
// Non-blocking calls go straight to the kernel, without Asio in between; Asio waits. A connection that
// waits holds no buffer. Lives on the thread of its io_context.
#ifndef GATEPOST_SMTP_SOCKET_TRANSPORT_HPP
#define GATEPOST_SMTP_SOCKET_TRANSPORT_HPP

#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <optional>
#include <string>

#include "smtp/config.hpp"
#include "smtp/io_local.hpp"
#include "smtp/ip.hpp"
#include "smtp/tls/engine.hpp"
#include "smtp/transport.hpp"

namespace gatepost::smtp {

class socket_transport final : public transport, private io_local::ticking {
 public:
  using socket = asio::generic::stream_protocol::socket;

  // Takes a connected, non-blocking socket.
  GATEPOST_DECL socket_transport(asio::io_context& io, socket connected);

  GATEPOST_DECL io_result try_read(std::span<char> into) override;
  GATEPOST_DECL io_result try_write(std::string_view text) override;
  GATEPOST_DECL asio::awaitable<std::error_code> wait(readiness what, time_point deadline) override;
  GATEPOST_DECL asio::awaitable<std::error_code> accept_tls(const server_context& context,
                                                            time_point deadline) override;
  GATEPOST_DECL asio::awaitable<std::error_code> connect_tls(const client_context& context,
                                                             tls_peer peer,
                                                             time_point deadline) override;
  const tls_facts* tls() const override { return tls_facts_ ? &*tls_facts_ : nullptr; }
  GATEPOST_DECL std::string tls_error() const override;
  GATEPOST_DECL void cancel() override;
  GATEPOST_DECL void watch(busy_watch* listener, time_point deadline) override;
  GATEPOST_DECL void close() override;
  time_point now() const override { return std::chrono::steady_clock::now(); }

  // Octets that were read too far, and are to be read again.
  void push_back(std::string_view octets) { pushed_back_.insert(0, octets); }

  GATEPOST_DECL endpoint peer() const;
  GATEPOST_DECL endpoint local() const;
  int native_handle() { return socket_.native_handle(); }

 private:
  void tick(time_point now) override;
  io_result receive(std::span<char> into);
  io_result send(std::string_view octets);
  io_result try_read_tls(std::span<char> into);
  io_result try_write_tls(std::string_view text);
  std::error_code send_tls_output();
  asio::awaitable<std::error_code> handshake(time_point deadline);
  void look_at_peer();

  // A client that is asked about this long is looked at: has it left?
  static constexpr std::chrono::milliseconds patience{250};

  io_local& local_;
  socket socket_;
  asio::steady_timer pause_;
  std::optional<tls_engine> tls_;
  std::optional<tls_facts> tls_facts_;
  std::string pushed_back_;
  std::size_t encrypted_ = 0;  // octets of text whose ciphertext waits to be sent
  time_point deadline_ = time_point::max();
  bool timed_out_ = false;
  bool ended_ = false;        // the other end has closed its side
  bool maybe_more_ = false;   // the last read filled the buffer

  busy_watch* watcher_ = nullptr;
  time_point watched_since_{};
  time_point watch_deadline_ = time_point::max();
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/socket_transport.ipp"
#endif

#endif  // GATEPOST_SMTP_SOCKET_TRANSPORT_HPP
