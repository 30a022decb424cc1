#ifndef GATEPOST_SMTP_IMPL_SOCKET_TRANSPORT_IPP
#define GATEPOST_SMTP_IMPL_SOCKET_TRANSPORT_IPP

#include <sys/socket.h>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "smtp/detail/sockaddr.hpp"
#include "smtp/socket_transport.hpp"

namespace gatepost::smtp {
namespace detail {

inline std::error_code would_block() {
  return std::make_error_code(std::errc::operation_would_block);
}

// What the kernel's errno says of a connection.
inline std::error_code connection_error(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK) return would_block();
  return errc::connection_lost;
}

}  // namespace detail

GATEPOST_DECL socket_transport::socket_transport(asio::io_context& io, socket connected)
    : ticking(io_local::of(io)),
      local_(io_local::of(io)),
      socket_(std::move(connected)),
      pause_(io) {}

// --- Without TLS ---------------------------------------------------------------------------------

GATEPOST_DECL io_result socket_transport::receive(std::span<char> into) {
  if (!pushed_back_.empty()) {
    const std::size_t n = pushed_back_.copy(into.data(), into.size());
    pushed_back_.erase(0, n);
    return {n, {}};
  }
  ssize_t n;
  do n = ::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0) {
    maybe_more_ = false;
    return {0, detail::connection_error(errno)};
  }
  if (n == 0) {
    ended_ = true;
    maybe_more_ = false;
    return {0, errc::connection_lost};
  }
  maybe_more_ = static_cast<std::size_t>(n) == into.size();
  return {static_cast<std::size_t>(n), {}};
}

GATEPOST_DECL io_result socket_transport::send(std::string_view octets) {
  ssize_t n;
  do n = ::send(socket_.native_handle(), octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0) return {0, detail::connection_error(errno)};
  return {static_cast<std::size_t>(n), {}};
}

GATEPOST_DECL io_result socket_transport::try_read(std::span<char> into) {
  if (!socket_.is_open() || into.empty()) return {0, errc::connection_lost};
  return tls_ ? try_read_tls(into) : receive(into);
}

GATEPOST_DECL io_result socket_transport::try_write(std::string_view text) {
  if (!socket_.is_open()) return {0, errc::connection_lost};
  return tls_ ? try_write_tls(text) : send(text);
}

GATEPOST_DECL asio::awaitable<std::error_code> socket_transport::wait(readiness what,
                                                                      time_point deadline) {
  if (!socket_.is_open()) co_return errc::connection_lost;
  if (now() >= deadline) co_return errc::timed_out;
  timed_out_ = false;
  std::error_code ec;
  if (what == readiness::never) {
    pause_.expires_at(deadline);
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    co_return ec ? make_error_code(errc::cancelled) : make_error_code(errc::timed_out);
  }
  if (what == readiness::to_read && !pushed_back_.empty()) co_return std::error_code{};
  deadline_ = deadline;
  const auto kind = what == readiness::to_read ? socket::wait_read : socket::wait_write;
  co_await socket_.async_wait(kind, asio::redirect_error(asio::use_awaitable, ec));
  deadline_ = time_point::max();
  if (!ec) co_return std::error_code{};
  if (timed_out_) co_return errc::timed_out;
  if (ec == asio::error::operation_aborted) co_return errc::cancelled;
  co_return errc::connection_lost;
}

GATEPOST_DECL void socket_transport::cancel() {
  std::error_code ignored;
  socket_.cancel(ignored);
  pause_.cancel();
}

GATEPOST_DECL void socket_transport::close() {
  if (!socket_.is_open()) return;
  if (tls_ && tls_->established()) {
    tls_->shutdown();
    send_tls_output();
  }
  std::error_code ignored;
  if (maybe_more_) {
    // Closing with unread input sends a reset, which takes our last reply away from the client.
    socket_.shutdown(socket::shutdown_send, ignored);
    std::span<char> scratch(local_.scratch());
    for (int reads = 0; reads < 8 && !receive(scratch).error; ++reads) continue;
  }
  socket_.close(ignored);
  watcher_ = nullptr;
}

// --- TLS -----------------------------------------------------------------------------------------

GATEPOST_DECL std::error_code socket_transport::send_tls_output() {
  while (!tls_->output().empty()) {
    const io_result r = send(tls_->output());
    if (r.error) return r.error;
    tls_->consume_output(r.octets);
  }
  return {};
}

GATEPOST_DECL io_result socket_transport::try_read_tls(std::span<char> into) {
  std::string_view received;
  while (true) {
    const tls_io r = tls_->read(into, received);
    received = {};
    // Answers to key updates and alerts go out when they can.
    const std::error_code sent = send_tls_output();
    if (sent && sent != std::errc::operation_would_block) return {0, sent};
    if (r.status == tls_status::done) return {r.size, {}};
    if (r.status != tls_status::want_read) return {0, errc::connection_lost};
    const io_result raw = receive(std::span<char>(local_.scratch()));
    if (raw.error == errc::connection_lost) {
      tls_->end_of_input();
      continue;  // what is inside the engine still counts
    }
    if (raw.error) return {0, raw.error};
    received = {local_.scratch().data(), raw.octets};
  }
}

GATEPOST_DECL io_result socket_transport::try_write_tls(std::string_view text) {
  if (encrypted_ == 0) {
    const tls_io r = tls_->write(text);
    if (r.status == tls_status::failed) return {0, errc::connection_lost};
    encrypted_ = r.size;
  }
  const std::error_code failed = send_tls_output();
  if (failed) return {0, failed};
  return {std::exchange(encrypted_, 0), {}};
}

GATEPOST_DECL asio::awaitable<std::error_code> socket_transport::handshake(time_point deadline) {
  std::string_view received;
  while (true) {
    const tls_status status = tls_->handshake(received);
    received = {};
    while (!tls_->output().empty()) {
      std::error_code failed = send_tls_output();
      if (failed == std::errc::operation_would_block)
        failed = co_await wait(readiness::to_write, deadline);
      if (failed) co_return failed;
    }
    if (status == tls_status::done) break;
    if (status != tls_status::want_read) co_return errc::tls_failed;
    io_result raw = receive(std::span<char>(local_.scratch()));
    if (raw.would_block()) {
      const std::error_code waited = co_await wait(readiness::to_read, deadline);
      if (waited) co_return waited;
      continue;
    }
    if (raw.error) tls_->end_of_input();
    else received = {local_.scratch().data(), raw.octets};
  }
  tls_facts_ = tls_->facts();
  co_return std::error_code{};
}

GATEPOST_DECL asio::awaitable<std::error_code> socket_transport::accept_tls(
    const server_context& context, time_point deadline) {
  tls_.emplace(context);
  const std::error_code failed = co_await handshake(deadline);
  co_return failed;
}

GATEPOST_DECL asio::awaitable<std::error_code> socket_transport::connect_tls(
    const client_context& context, tls_peer peer, time_point deadline) {
  tls_.emplace(context, std::move(peer));
  const std::error_code failed = co_await handshake(deadline);
  co_return failed;
}

GATEPOST_DECL std::string socket_transport::tls_error() const {
  if (!tls_) return {};
  return tls_->error_text().empty() ? "connection ended during the TLS handshake"
                                    : tls_->error_text();
}

// --- The clock -----------------------------------------------------------------------------------

GATEPOST_DECL void socket_transport::tick(time_point now) {
  if (now >= deadline_) {
    deadline_ = time_point::max();
    timed_out_ = true;
    cancel();
    return;
  }
  if (watcher_ == nullptr) return;
  if (now >= watch_deadline_) {
    watch_deadline_ = time_point::max();
    watcher_->on_late();
  } else if (now - watched_since_ >= patience) {
    look_at_peer();
  }
}

// While nobody reads: has the client gone, with nothing of it left to be read?
GATEPOST_DECL void socket_transport::look_at_peer() {
  if (!pushed_back_.empty() || (tls_ && tls_->input_pending())) return;
  char octet;
  const ssize_t n = ::recv(socket_.native_handle(), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
  const bool gone = n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  if (!gone) return;
  watched_since_ = time_point::max() - patience - patience;  // say it once
  watcher_->on_left();
}

GATEPOST_DECL void socket_transport::watch(busy_watch* listener, time_point deadline) {
  watcher_ = listener;
  watch_deadline_ = deadline;
  if (listener != nullptr) watched_since_ = now();
}

// --- Ends ----------------------------------------------------------------------------------------

GATEPOST_DECL endpoint socket_transport::peer() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto& self = const_cast<socket_transport&>(*this);
  if (::getpeername(self.socket_.native_handle(), reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    return {};
  return detail::to_endpoint(storage);
}

GATEPOST_DECL endpoint socket_transport::local() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto& self = const_cast<socket_transport&>(*this);
  if (::getsockname(self.socket_.native_handle(), reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    return {};
  return detail::to_endpoint(storage);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SOCKET_TRANSPORT_IPP
