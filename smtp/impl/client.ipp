#ifndef GATEPOST_SMTP_IMPL_CLIENT_IPP
#define GATEPOST_SMTP_IMPL_CLIENT_IPP

#include <algorithm>
#include <array>
#include <cassert>
#include <span>
#include <utility>

#include "smtp/client.hpp"

namespace gatepost::smtp {
namespace detail {

// What is read at once; replies are short. On the stack of functions that do not wait.
inline constexpr std::size_t client_read_size = 4096;

// Without a context there is no TLS to be had by STARTTLS.
inline client_options without_starttls(client_options options, const client_context* tls) {
  const bool may = options.starttls == starttls_use::opportunistic;
  if (tls == nullptr && may) options.starttls = starttls_use::none;
  return options;
}

}  // namespace detail

GATEPOST_DECL client_connection::client_connection(client_options options,
                                                   const client_context* tls, tls_peer peer,
                                                   client_tap* tap)
    : limits_(options.limits),
      tls_context_(tls),
      peer_(std::move(peer)),
      implicit_tls_(options.tls_active),
      session_(detail::without_starttls(std::move(options), tls), tap) {}

GATEPOST_DECL client_connection::~client_connection() { close(); }

GATEPOST_DECL asio::awaitable<std::error_code> client_connection::connect(connector& by,
                                                                          connect_target where) {
  const time_point deadline = std::chrono::steady_clock::now() + limits_.connect;
  connect_result made = co_await by.connect(std::move(where), deadline);
  if (made.connection == nullptr) {
    failure_ = client_failure(made.error, client_step::connect);
    failure_.detail = std::move(made.detail);
    co_return failure_.error;
  }
  const std::error_code failed = co_await hello(std::move(made.connection));
  co_return failed;
}

GATEPOST_DECL asio::awaitable<std::error_code> client_connection::hello(
    std::unique_ptr<transport> connection) {
  assert(transport_ == nullptr && connection != nullptr);
  transport_ = std::move(connection);
  if (implicit_tls_ && transport_->tls() == nullptr) {
    deadline_ = transport_->now() + limits_.tls;
    const std::error_code failed = co_await handshake();
    if (failed) {
      failure_ = client_failure(failed, client_step::tls);
      failure_.detail = transport_->tls_error();
      session_.lost(failed);
    }
  }
  look_at_peer();
  co_await drive(nullptr);
  co_return failure().error;
}

GATEPOST_DECL asio::awaitable<transaction_outcome> client_connection::send(const transaction& t,
                                                                           body_source& text) {
  if (transport_ != nullptr) last_deadline_ = transport_->now() + limits_.transaction;
  session_.begin(t);
  co_await drive(&text);
  last_deadline_ = time_point::max();
  co_return session_.take_outcome();
}

GATEPOST_DECL asio::awaitable<void> client_connection::quit() {
  if (transport_ == nullptr) co_return;
  session_.quit();
  co_await drive(nullptr);
  close();
}

GATEPOST_DECL void client_connection::look_at_peer() {
  const tls_facts* const facts = transport_->tls();
  if (facts != nullptr && facts->peer_verified) session_.tls_verified();
}

GATEPOST_DECL bool client_connection::usable() {
  if (transport_ == nullptr) return false;
  const std::error_code lost = hear();
  if (lost) session_.lost(lost);
  if (session_.next().kind == client_action_kind::failed) close();
  return session_.may_begin();
}

GATEPOST_DECL void client_connection::cancel() {
  if (transport_ != nullptr) transport_->cancel();
}

GATEPOST_DECL void client_connection::close() {
  if (transport_ == nullptr) return;
  if (const tls_facts* facts = transport_->tls()) last_tls_ = *facts;
  transport_->close();
  transport_.reset();
}

// Until the session is idle or over.
GATEPOST_DECL asio::awaitable<void> client_connection::drive(body_source* text) {
  while (transport_ != nullptr) {
    const client_action a = session_.next();
    set_deadline(a);
    switch (a.kind) {
      case client_action_kind::write: co_await write(a.text); break;
      case client_action_kind::read: co_await read(); break;
      case client_action_kind::start_tls: co_await start_tls(); break;
      case client_action_kind::want_body:
        assert(text != nullptr);
        co_await give_text(*text);
        break;
      case client_action_kind::idle: co_return;
      case client_action_kind::done:
      case client_action_kind::failed: close(); break;
    }
  }
}

GATEPOST_DECL void client_connection::set_deadline(const client_action& a) {
  if (waiting_ && a.wait == wait_) return;
  waiting_ = true;
  wait_ = a.wait;
  deadline_ = std::min(transport_->now() + a.timeout, last_deadline_);
}

GATEPOST_DECL asio::awaitable<void> client_connection::write(std::string_view octets) {
  while (!octets.empty()) {
    const io_result r = transport_->try_write(octets);
    octets.remove_prefix(r.octets);
    if (!r.error) continue;
    if (!r.would_block()) {
      lose(r.error);
      co_return;
    }
    // RFC 2920 §3.1: the server may be waiting for us to read; or it has had enough, and says so.
    const std::error_code lost = hear();
    if (lost) session_.lost(lost);
    if (session_.next().kind != client_action_kind::write) co_return;
    const std::error_code failed = co_await transport_->wait(readiness::to_write, deadline_);
    if (failed) {
      lose(failed);
      co_return;
    }
  }
  session_.written();
}

GATEPOST_DECL asio::awaitable<void> client_connection::read() {
  // TLS may hold octets that the socket no longer has.
  if (!drained_) {
    const std::error_code lost = hear();
    if (lost) session_.lost(lost);
    if (session_.next().kind != client_action_kind::read) co_return;
  }
  const std::error_code failed = co_await transport_->wait(readiness::to_read, deadline_);
  drained_ = false;
  if (failed) session_.lost(failed);
}

// Reads what is there.
GATEPOST_DECL std::error_code client_connection::hear() {
  std::array<char, detail::client_read_size> buffer;
  for (drained_ = false; !drained_;) {
    const io_result r = transport_->try_read(std::span<char>(buffer));
    session_.received(std::string_view(buffer.data(), r.octets));
    if (r.error && !r.would_block()) return r.error;
    // A short read has emptied a socket; of TLS it says nothing.
    drained_ = r.would_block() || (r.octets < buffer.size() && transport_->tls() == nullptr);
    const client_action_kind now = session_.next().kind;
    const bool over = now == client_action_kind::failed || now == client_action_kind::done;
    // What comes next may be TLS, and not for us.
    if (over || now == client_action_kind::start_tls) break;
  }
  return {};
}

// The connection broke while we wrote: the server's reason may have arrived before.
GATEPOST_DECL void client_connection::lose(std::error_code why) {
  if (why == errc::connection_lost) hear();
  session_.lost(why);
}

GATEPOST_DECL asio::awaitable<void> client_connection::start_tls() {
  const std::error_code failed = co_await handshake();
  if (failed)
    session_.lost(failed, tls_context_ == nullptr ? "no TLS context" : transport_->tls_error());
  else
    session_.tls_started();
  look_at_peer();
}

GATEPOST_DECL asio::awaitable<std::error_code> client_connection::handshake() {
  if (tls_context_ == nullptr) co_return errc::tls_failed;
  tls_peer peer = peer_;
  const std::error_code failed =
      co_await transport_->connect_tls(*tls_context_, std::move(peer), deadline_);
  drained_ = false;
  co_return failed;
}

GATEPOST_DECL asio::awaitable<void> client_connection::give_text(body_source& text) {
  const result<std::string_view> piece = co_await text.next();
  if (piece)
    session_.body(*piece, piece->empty() ? body_part::last : body_part::more_follows);
  else
    session_.abandon();
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_CLIENT_IPP
