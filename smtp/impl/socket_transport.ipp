#ifndef GATEPOST_SMTP_IMPL_SOCKET_TRANSPORT_IPP
#define GATEPOST_SMTP_IMPL_SOCKET_TRANSPORT_IPP

#include <sys/socket.h>

#include <algorithm>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
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

// What Asio calls when a wait is over. Where the coroutine was dropped it is not resumed: `handler`
// owns it, and destroys it.
template <class Handler>
struct socket_transport::resumption {
  using executor_type = asio::associated_executor_t<Handler>;
  using cancellation_slot_type = asio::associated_cancellation_slot_t<Handler>;
  using allocator_type = detail::handler_allocator<void>;

  allocator_type get_allocator() const noexcept { return allocator_type(state->memory); }
  executor_type get_executor() const noexcept { return asio::get_associated_executor(handler); }
  cancellation_slot_type get_cancellation_slot() const noexcept {
    return asio::get_associated_cancellation_slot(handler);
  }

  void operator()(std::error_code ec) {
    if (state->dropped) return;
    state->error = ec;
    handler();
  }

  Handler handler;
  std::shared_ptr<suspension> state;
};

GATEPOST_DECL socket_transport::socket_transport(asio::io_context& io, socket connected)
    : ticking(io_local::of(io)),
      local_(io_local::of(io)),
      socket_(std::move(connected)),
      pause_(io),
      suspension_(std::make_shared<suspension>()) {}

// --- Without TLS ---------------------------------------------------------------------------------

GATEPOST_DECL io_result socket_transport::receive(std::span<char> into) {
  if (!pushed_back_.empty()) {
    const std::size_t n = pushed_back_.copy(into.data(), into.size());
    pushed_back_.erase(0, n);
    return {n, {}};
  }
  if (++reads_ > reads_per_turn) return {0, detail::would_block()};
  ssize_t n;
  do n = ::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n > 0) return {static_cast<std::size_t>(n), {}};
  const std::error_code why = n < 0 ? detail::connection_error(errno) : errc::connection_lost;
  if (why == errc::connection_lost) ended_ = true;
  return {0, why};
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
  const time_point from = now();
  if (from >= deadline) co_return errc::timed_out;
  reads_ = 0;
  if (what == readiness::to_read && !pushed_back_.empty()) co_return std::error_code{};
  if (what == readiness::to_write && hurries_) deadline = std::min(deadline, from + last_wait);
  timed_out_ = cancelled_ = false;
  waits_for_ = what;
  deadline_ = deadline;
  co_await suspend(what);
  waits_for_.reset();
  deadline_ = time_point::max();
  // A wait that was over already when cancel() came counts as cancelled: nobody calls twice.
  if (cancelled_) co_return errc::cancelled;
  const std::error_code ec = suspension_->error;
  if (what == readiness::never && !ec) co_return errc::timed_out;
  if (!ec) co_return std::error_code{};
  if (timed_out_) co_return errc::timed_out;
  if (ec == asio::error::operation_aborted) co_return errc::cancelled;
  co_return errc::connection_lost;
}

// Until the socket is ready, or the deadline is over: then suspension_ says how that went. No
// coroutine of its own: ten thousand idle sessions would have ten thousand frames more.
GATEPOST_DECL asio::awaitable<void> socket_transport::suspend(readiness what) {
  const auto begin = [this, what](auto handler) {
    resumption<decltype(handler)> then{std::move(handler), suspension_};
    if (what == readiness::never) {
      pause_.expires_at(deadline_);
      pause_.async_wait(std::move(then));
      return;
    }
    const auto kind = what == readiness::to_read ? socket::wait_read : socket::wait_write;
    socket_.async_wait(kind, std::move(then));
  };
  const asio::use_awaitable_t<> token;
  return asio::async_initiate<const asio::use_awaitable_t<>, void()>(begin, token);
}

GATEPOST_DECL void socket_transport::cancel() {
  if (waits_for_) cancelled_ = true;
  std::error_code ignored;
  socket_.cancel(ignored);
  pause_.cancel();
}

GATEPOST_DECL void socket_transport::hurry() {
  hurries_ = true;
  if (waits_for_ == readiness::to_write) deadline_ = std::min(deadline_, now() + last_wait);
}

GATEPOST_DECL bool socket_transport::abandon() {
  suspension_->dropped = waits_for_.has_value();
  watcher_ = nullptr;
  std::error_code ignored;
  socket_.close(ignored);
  pause_.cancel();
  return suspension_->dropped;
}

GATEPOST_DECL void socket_transport::close() {
  watcher_ = nullptr;
  if (!socket_.is_open()) return;
  if (tls_ && tls_->established()) {
    tls_->shutdown();
    send_tls_output();
  }
  std::error_code ignored;
  // Who does not read does not read our last words either.
  if (lingers_ && !ended_ && !timed_out_ && peer_still_sends()) {
    socket_.shutdown(socket::shutdown_send, ignored);
    const int descriptor = socket_.release(ignored);
    if (!ignored) return local_.linger(descriptor);
  }
  socket_.close(ignored);
}

// Is there input that nobody has read?
GATEPOST_DECL bool socket_transport::peer_still_sends() {
  char octet;
  return ::recv(socket_.native_handle(), &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
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

// What is encrypted cannot be taken back: its text counts as written when the last of it is sent.
GATEPOST_DECL io_result socket_transport::try_write_tls(std::string_view text) {
  std::error_code failed = send_tls_output();
  if (failed) return {0, failed};
  if (encrypted_ == 0) {
    const tls_io r = tls_->write(text);
    if (r.status == tls_status::failed) return {0, errc::connection_lost};
    encrypted_ = r.size;
    failed = send_tls_output();
    if (failed) return {0, failed};
  }
  return {std::min(std::exchange(encrypted_, 0), text.size()), {}};
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
    if (raw.error)
      tls_->end_of_input();
    else
      received = {local_.scratch().data(), raw.octets};
  }
  tls_facts_ = tls_->facts();
  co_return std::error_code{};
}

GATEPOST_DECL asio::awaitable<std::error_code> socket_transport::accept_tls(
    const server_context& context, time_point deadline) {
  tls_.emplace(context);
  const std::error_code failed = co_await handshake(deadline);
  handshake_timed_out_ = failed == errc::timed_out;
  co_return failed;
}

GATEPOST_DECL asio::awaitable<std::error_code> socket_transport::connect_tls(
    const client_context& context, tls_peer peer, time_point deadline) {
  tls_.emplace(context, std::move(peer));
  const std::error_code failed = co_await handshake(deadline);
  handshake_timed_out_ = failed == errc::timed_out;
  co_return failed;
}

GATEPOST_DECL std::string socket_transport::tls_error() const {
  if (!tls_) return {};
  if (!tls_->error_text().empty()) return tls_->error_text();
  return handshake_timed_out_ ? "the TLS handshake took too long"
                              : "connection ended during the TLS handshake";
}

// --- The clock -----------------------------------------------------------------------------------

GATEPOST_DECL void socket_transport::tick(time_point now) {
  // The pause has a timer of its own.
  if (now >= deadline_ && waits_for_ != readiness::never) {
    deadline_ = time_point::max();
    timed_out_ = true;
    std::error_code ignored;
    socket_.cancel(ignored);
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
  if (::getpeername(self.socket_.native_handle(), reinterpret_cast<sockaddr*>(&storage), &size) !=
      0)
    return {};
  return detail::to_endpoint(storage);
}

GATEPOST_DECL endpoint socket_transport::local() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto& self = const_cast<socket_transport&>(*this);
  if (::getsockname(self.socket_.native_handle(), reinterpret_cast<sockaddr*>(&storage), &size) !=
      0)
    return {};
  return detail::to_endpoint(storage);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SOCKET_TRANSPORT_IPP
