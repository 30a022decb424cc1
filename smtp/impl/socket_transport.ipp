#ifndef GATEPOST_SMTP_IMPL_SOCKET_TRANSPORT_IPP
#define GATEPOST_SMTP_IMPL_SOCKET_TRANSPORT_IPP

#include <sys/socket.h>

#include <algorithm>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
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

// What Asio calls when a wait is over. Where the coroutine was dropped it is not resumed: `then`
// owns it, and destroys it.
struct socket_transport::resumption {
  using executor_type = asio::associated_executor_t<handler>;
  using cancellation_slot_type = asio::associated_cancellation_slot_t<handler>;
  using allocator_type = detail::handler_allocator<void>;

  resumption(handler h, std::shared_ptr<suspension> s, std::error_code ec)
      : then(std::move(h)), state(std::move(s)), memory(&state->memory), error(ec) {}

  // Asio 1.22 may ask for it when it has moved this away (work_dispatcher.hpp).
  allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
  executor_type get_executor() const noexcept { return asio::get_associated_executor(then); }
  cancellation_slot_type get_cancellation_slot() const noexcept {
    return asio::get_associated_cancellation_slot(then);
  }

  void operator()() { (*this)(error); }
  void operator()(std::error_code ec) {
    if (state->dropped) return;
    state->error = ec;
    then();
  }

  handler then;
  std::shared_ptr<suspension> state;
  detail::handler_memory* memory;
  std::error_code error;
};

GATEPOST_DECL socket_transport::socket_transport(asio::io_context& io, detail::owned_fd connected)
    : ticking(io_local::of(io)),
      watched(io_local::of(io).sockets()),
      io_(io),
      local_(io_local::of(io)),
      fd_(std::move(connected)),
      pause_(io),
      suspension_(std::make_shared<suspension>()) {}

GATEPOST_DECL socket_transport::socket_transport(asio::io_context& io, socket connected)
    : socket_transport(io, detail::owned_fd(connected.release())) {}

// --- Without TLS ---------------------------------------------------------------------------------

GATEPOST_DECL io_result socket_transport::receive(std::span<char> into) {
  if (!pushed_back_.empty()) {
    const std::size_t n = pushed_back_.copy(into.data(), into.size());
    pushed_back_.erase(0, n);
    return {n, {}};
  }
  if (!readable_ || ++reads_ > reads_per_turn) return {0, detail::would_block()};
  ssize_t n;
  do n = ::recv(fd_.get(), into.data(), into.size(), MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  // A stream that gave less than was asked for has no more, as epoll(7) says, unless it has ended.
  readable_ = hung_up_ || n == static_cast<ssize_t>(into.size());
  if (n > 0) return {static_cast<std::size_t>(n), {}};
  const std::error_code why = n < 0 ? detail::connection_error(errno) : errc::connection_lost;
  if (why == errc::connection_lost)
    ended_ = true;
  else
    in_vain_ = true;
  return {0, why};
}

GATEPOST_DECL io_result socket_transport::send(std::string_view octets) {
  ssize_t n;
  do n = ::send(fd_.get(), octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  writable_ = n >= 0;
  in_vain_ = in_vain_ || n < 0;
  if (n < 0) return {0, detail::connection_error(errno)};
  return {static_cast<std::size_t>(n), {}};
}

GATEPOST_DECL io_result socket_transport::try_read(std::span<char> into) {
  if (!is_open() || into.empty()) return {0, errc::connection_lost};
  return tls_ ? try_read_tls(into) : receive(into);
}

GATEPOST_DECL io_result socket_transport::try_write(std::string_view text) {
  if (!is_open()) return {0, errc::connection_lost};
  return tls_ ? try_write_tls(text) : send(text);
}

GATEPOST_DECL asio::awaitable<std::error_code> socket_transport::wait(readiness what,
                                                                      time_point deadline) {
  if (!is_open()) co_return errc::connection_lost;
  const time_point from = now();
  if (what == readiness::to_write && hurries_) deadline = std::min(deadline, last_write(from));
  if (from >= deadline) co_return errc::timed_out;
  reads_ = 0;
  if (what == readiness::to_read && !pushed_back_.empty()) co_return std::error_code{};
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
  const auto begin = [this, what](handler then) { await(what, std::move(then)); };
  const asio::use_awaitable_t<> token;
  return asio::async_initiate<const asio::use_awaitable_t<>, void()>(begin, token);
}

GATEPOST_DECL void socket_transport::await(readiness what, handler then) {
  if (what == readiness::never) {
    pause_.expires_at(deadline_);
    pause_.async_wait(resumption(std::move(then), suspension_, {}));
    return;
  }
  waiting_.emplace(std::move(then));
  if (can(what)) return resume_later({});  // the others have their turn first
  await_socket(what);
}

GATEPOST_DECL void socket_transport::await_socket(readiness what) {
  const std::uint32_t wanted =
      EPOLLIN | EPOLLRDHUP | (what == readiness::to_write ? EPOLLOUT : 0u) | events_;
  if (wanted == events_ && !in_vain_) return;
  if (const std::error_code failed = home().watch(*this, fd_.get(), wanted))
    return resume_later(failed);
  events_ = wanted;
  in_vain_ = false;
}

GATEPOST_DECL bool socket_transport::can(readiness what) const {
  return what == readiness::to_read ? readable_ : writable_;
}

GATEPOST_DECL void socket_transport::ready(std::uint32_t events) {
  const bool over = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  hung_up_ = hung_up_ || over;
  readable_ = readable_ || over || (events & EPOLLIN) != 0;
  writable_ = writable_ || (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
  if (!waiting_ || !can(*waits_for_)) return;
  suspension_->error = {};
  handler then = std::move(*waiting_);
  waiting_.reset();
  then();
}

GATEPOST_DECL void socket_transport::resume_later(std::error_code ec) {
  if (!waiting_) return;
  resumption then(std::move(*waiting_), suspension_, ec);
  waiting_.reset();
  asio::post(io_, std::move(then));
}

// The coroutine is destroyed, as Asio does with those that wait for its own objects.
GATEPOST_DECL void socket_transport::forsaken() { waiting_.reset(); }

GATEPOST_DECL void socket_transport::cancel() {
  if (waits_for_) cancelled_ = true;
  resume_later(asio::error::operation_aborted);
  pause_.cancel();
}

GATEPOST_DECL void socket_transport::hurry() {
  hurries_ = true;
  if (waits_for_ == readiness::to_write) deadline_ = std::min(deadline_, last_write(now()));
}

// Who reads an octet now and then gets no more time by that.
GATEPOST_DECL time_point socket_transport::last_write(time_point now) {
  if (last_write_ == time_point::max()) last_write_ = now + last_wait;
  return last_write_;
}

GATEPOST_DECL bool socket_transport::abandon() {
  suspension_->dropped = waits_for_.has_value();
  watcher_ = nullptr;
  close_socket();
  waiting_.reset();
  pause_.cancel();
  return suspension_->dropped;
}

GATEPOST_DECL void socket_transport::close_socket() {
  home().remove(*this);
  detail::owned_fd(fd_.release());
}

GATEPOST_DECL void socket_transport::close() {
  watcher_ = nullptr;
  if (!is_open()) return;
  if (tls_ && tls_->established()) {
    tls_->shutdown();
    send_tls_output();
  }
  // Who does not read does not read our last words either.
  if (lingers_ && !ended_ && !timed_out_ && may_have_input() && peer_still_sends()) {
    ::shutdown(fd_.get(), SHUT_WR);
    home().remove(*this, fd_.get());
    local_.linger(fd_.release());
  }
  close_socket();
  resume_later(asio::error::operation_aborted);
}

// As far as the poller has told us, if we have asked it.
GATEPOST_DECL bool socket_transport::may_have_input() const { return readable_ || events_ == 0; }

// Is there input that nobody has read?
GATEPOST_DECL bool socket_transport::peer_still_sends() {
  char octet;
  return ::recv(fd_.get(), &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
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
  if (tls_->established()) return {};
  return handshake_timed_out_ ? "the TLS handshake took too long"
                              : "connection ended during the TLS handshake";
}

// --- The clock -----------------------------------------------------------------------------------

GATEPOST_DECL void socket_transport::tick(time_point now) {
  // The pause has a timer of its own.
  if (now >= deadline_ && waits_for_ != readiness::never) {
    deadline_ = time_point::max();
    timed_out_ = true;
    return resume_later(asio::error::operation_aborted);
  }
  if (watcher_ == nullptr) return;
  if (watched_since_ == time_point{}) watched_since_ = now;
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
  const ssize_t n = ::recv(fd_.get(), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
  const bool gone = n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  if (!gone) return;
  watched_since_ = time_point::max() - patience - patience;  // say it once
  watcher_->on_left();
}

GATEPOST_DECL void socket_transport::watch(busy_watch* listener, time_point deadline) {
  watcher_ = listener;
  watch_deadline_ = deadline;
  watched_since_ = {};  // the next tick says when
}

// --- Ends ----------------------------------------------------------------------------------------

GATEPOST_DECL endpoint socket_transport::peer() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return detail::to_endpoint(storage);
}

GATEPOST_DECL endpoint socket_transport::local() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return detail::to_endpoint(storage);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SOCKET_TRANSPORT_IPP
