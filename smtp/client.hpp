// An SMTP or LMTP connection to a next hop: client_session, driven over a transport.
//
//     smtp::client_connection c(options, &tls_context, smtp::tls_peer("mx.example"));
//     const std::error_code failed = co_await c.connect(connector, target);
//     if (failed) co_return report(c.failure().text());
//     smtp::text_source text(message);
//     const smtp::transaction_outcome outcome = co_await c.send(envelope, text);
//     co_await c.quit();
//
// A connection carries one transaction after the other; between them it may lie in a pool, and
// usable() says whether it has survived that. Whatever goes wrong ends in the outcome of a
// transaction, or in failure(): nothing throws. One thread at a time; nothing but cancel() while a
// coroutine of it runs, and the connection outlives that coroutine.
#ifndef GATEPOST_SMTP_CLIENT_HPP
#define GATEPOST_SMTP_CLIENT_HPP

#include <asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include "smtp/body_source.hpp"
#include "smtp/client_session.hpp"
#include "smtp/config.hpp"
#include "smtp/connector.hpp"
#include "smtp/tls/context.hpp"
#include "smtp/tls/peer.hpp"
#include "smtp/transport.hpp"

namespace gatepost::smtp {

class client_connection {
 public:
  // `tls` (nullptr: STARTTLS is not used, and where it is required the session fails) and `tap`
  // outlive the connection. `peer`: the name for SNI and verification. With `options.tls_active`
  // the handshake comes first (RFC 8314 §3).
  GATEPOST_DECL explicit client_connection(client_options options,
                                           const client_context* tls = nullptr, tls_peer peer = {},
                                           client_tap* tap = nullptr);
  client_connection(const client_connection&) = delete;
  client_connection& operator=(const client_connection&) = delete;
  GATEPOST_DECL ~client_connection();

  // Connects, and goes on with hello(). No error: ready for send().
  GATEPOST_DECL asio::awaitable<std::error_code> connect(connector& by, connect_target where);

  // Takes a connection, reads the greeting, says EHLO, STARTTLS, AUTH.
  GATEPOST_DECL asio::awaitable<std::error_code> hello(std::unique_ptr<transport> connection);

  // Sends one message. `t` and `text` outlive the call.
  GATEPOST_DECL asio::awaitable<transaction_outcome> send(const transaction& t, body_source& text);

  // Says goodbye, waits a little for the answer, closes.
  GATEPOST_DECL asio::awaitable<void> quit();

  // Whether send() has a chance: the connection is idle, the server did not end it meanwhile, and
  // takes another transaction. Reads what has come in; does not wait.
  GATEPOST_DECL bool usable();

  // Ends what is waited for; the coroutine comes to its end with errc::cancelled.
  GATEPOST_DECL void cancel();
  // Closes without a word.
  GATEPOST_DECL void close();

  const client_session& session() const { return session_; }
  const client_failure& failure() const { return failure_.error ? failure_ : session_.failure(); }
  // nullptr without TLS; stays when the connection has ended.
  const tls_facts* tls() const {
    return transport_ ? transport_->tls() : last_tls_ ? &*last_tls_ : nullptr;
  }

 private:
  asio::awaitable<void> drive(body_source* text);
  asio::awaitable<void> write(std::string_view octets);
  asio::awaitable<void> read();
  asio::awaitable<void> start_tls();
  asio::awaitable<std::error_code> handshake();
  asio::awaitable<void> give_text(body_source& text);
  std::error_code hear();
  void lose(std::error_code why);
  void look_at_peer();
  void set_deadline(const client_action& a);

  client_limits limits_;
  const client_context* tls_context_;
  tls_peer peer_;
  bool implicit_tls_;
  client_session session_;
  std::unique_ptr<transport> transport_;
  std::optional<tls_facts> last_tls_;
  client_failure failure_;  // before there was a session
  std::uint32_t wait_ = 0;  // the number of the wait that deadline_ belongs to
  bool waiting_ = false;    // deadline_ is set
  bool drained_ = false;    // nothing is left to be read before the transport says so
  time_point deadline_ = time_point::max();
  time_point last_deadline_ = time_point::max();  // of the transaction
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/client.ipp"
#endif

#endif  // GATEPOST_SMTP_CLIENT_HPP
