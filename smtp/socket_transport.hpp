// A transport over a TCP or Unix socket, with TLS by smtp/tls.
//
// Non-blocking calls go straight to the kernel, without Asio in between; the thread's `poller`
// waits. The kernel is not asked what it has not told of: after a read that left room nothing is
// there until the poller says so. A connection that waits holds no buffer, and one whose client
// sends without a pause gives the others their turn. Lives on the thread of its io_context.
#ifndef GATEPOST_SMTP_SOCKET_TRANSPORT_HPP
#define GATEPOST_SMTP_SOCKET_TRANSPORT_HPP

#include <asio/async_result.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "smtp/config.hpp"
#include "smtp/detail/handler_memory.hpp"
#include "smtp/detail/owned_fd.hpp"
#include "smtp/io_local.hpp"
#include "smtp/ip.hpp"
#include "smtp/poller.hpp"
#include "smtp/tls/engine.hpp"
#include "smtp/transport.hpp"

namespace gatepost::smtp {

class socket_transport final : public transport,
                               private io_local::ticking,
                               private poller::watched {
 public:
  using socket = asio::generic::stream_protocol::socket;

  // Takes a connected, non-blocking socket.
  GATEPOST_DECL socket_transport(asio::io_context& io, detail::owned_fd connected);
  // The same, out of Asio's hands. Throws std::system_error where Asio does not let go.
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

  // Closing lingers where the other end still sends: see io_local::linger(). For a server.
  void linger_on_close() { lingers_ = true; }

  // From now on writes wait no longer than `last_wait`, all together, from the first of them on:
  // the end has come, and not everybody reads.
  GATEPOST_DECL void hurry();

  // Closes the connection, and destroys the coroutine that is suspended in wait() or in a handshake
  // instead of resuming it: at once, or when the io_context runs on or ends. False: there is none.
  // Only close() and the destructor may follow.
  GATEPOST_DECL bool abandon();

  // Octets that were read too far, and are to be read again.
  void push_back(std::string_view octets) { pushed_back_.insert(0, octets); }

  GATEPOST_DECL endpoint peer() const;
  GATEPOST_DECL endpoint local() const;
  int native_handle() { return fd_.get(); }

 private:
  // Shared with the handler that is to resume wait(), which may outlive this.
  struct suspension {
    bool dropped = false;
    std::error_code error;
    detail::handler_memory memory;  // of the wait
  };
  using handler = asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;
  struct resumption;

  void tick(time_point now) override;
  void ready(std::uint32_t events) override;
  void forsaken() override;
  asio::awaitable<void> suspend(readiness what);
  void await(readiness what, handler then);
  void await_socket(readiness what);
  bool can(readiness what) const;
  void resume_later(std::error_code ec);
  time_point last_write(time_point now);
  bool is_open() const { return static_cast<bool>(fd_); }
  void close_socket();
  io_result receive(std::span<char> into);
  io_result send(std::string_view octets);
  io_result try_read_tls(std::span<char> into);
  io_result try_write_tls(std::string_view text);
  std::error_code send_tls_output();
  asio::awaitable<std::error_code> handshake(time_point deadline);
  void look_at_peer();
  bool may_have_input() const;
  bool peer_still_sends();

  // A client that is asked about this long is looked at: has it left?
  static constexpr std::chrono::milliseconds patience{250};
  // After hurry().
  static constexpr std::chrono::milliseconds last_wait{1000};
  // Reads in one turn: a millisecond's worth of message text. Then the thread's other sessions have
  // theirs.
  static constexpr int reads_per_turn = 16;

  asio::io_context& io_;
  io_local& local_;
  detail::owned_fd fd_;
  std::uint32_t events_ = 0;  // that the poller tells of
  bool readable_ = false;     // as far as we have been told
  bool writable_ = true;
  bool in_vain_ = false;  // the kernel was asked and had nothing: it is to tell us anew
  bool hung_up_ = false;  // the other end has ended, or there is an error: a read will tell
  asio::steady_timer pause_;
  std::optional<tls_engine> tls_;
  std::optional<tls_facts> tls_facts_;
  std::string pushed_back_;
  std::size_t encrypted_ = 0;  // octets of text whose ciphertext waits to be sent

  std::shared_ptr<suspension> suspension_;
  std::optional<handler> waiting_;  // for the socket; with Asio otherwise
  std::optional<readiness> waits_for_;
  time_point deadline_ = time_point::max();  // of that wait
  bool timed_out_ = false;                   // its deadline has passed
  bool cancelled_ = false;                   // cancel() came while it was on
  int reads_ = 0;                            // since the last wait

  bool handshake_timed_out_ = false;
  bool ended_ = false;  // the other end has closed its side
  bool lingers_ = false;
  bool hurries_ = false;
  time_point last_write_ = time_point::max();  // no write waits longer, after hurry()

  busy_watch* watcher_ = nullptr;
  time_point watched_since_{};
  time_point watch_deadline_ = time_point::max();
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/socket_transport.ipp"
#endif

#endif  // GATEPOST_SMTP_SOCKET_TRANSPORT_HPP
