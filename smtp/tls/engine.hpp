// One TLS connection without its socket: ciphertext goes in, ciphertext comes out, and between them
// stand handshake(), read(), write() and shutdown(). RFC 8446, RFC 5246; no Asio, no I/O.
//
// The loop of a caller is the same for each of the four:
//
//     status = engine.handshake(received);    // octets from the peer, if there are any
//     send(engine.output()); engine.consume_output(...);  // always, and also after `failed`
//     want_read -> receive more and call again; the peer closed -> end_of_input(), call again
//
// Received octets are used in place during the call; what is not used up is copied, so the caller's
// buffer is free again at once. An engine that waits holds no buffer: a connection idles in a few
// KiB. Renegotiation is refused (RFC 5746 §5), early data is not offered (RFC 8446 §8).
//
// The engine must see octets from the first one of TLS on and no others. What a client sends in
// plain text behind STARTTLS is the caller's to discard, before the engine exists (RFC 3207 §6).
//
// One thread at a time per engine; engines of one context are independent of each other.
#ifndef GATEPOST_SMTP_TLS_ENGINE_HPP
#define GATEPOST_SMTP_TLS_ENGINE_HPP

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/tls/context.hpp"
#include "smtp/tls/facts.hpp"
#include "smtp/tls/peer.hpp"
#include "smtp/tls/status.hpp"

namespace gatepost::smtp {

namespace tls_detail {
struct engine_core;
}

class tls_engine {
 public:
  // A server's or a client's engine. What goes wrong here shows at handshake().
  GATEPOST_DECL explicit tls_engine(const server_context& context);
  GATEPOST_DECL tls_engine(const client_context& context, tls_peer peer);
  GATEPOST_DECL tls_engine(tls_engine&&) noexcept;
  GATEPOST_DECL tls_engine& operator=(tls_engine&&) noexcept;
  GATEPOST_DECL ~tls_engine();

  // done, want_read or failed; a peer that goes away here is a failure, too. A TLS 1.3 client is
  // done before the server has judged its certificate: a refusal then comes from read().
  GATEPOST_DECL tls_status handshake(std::string_view received = {});
  GATEPOST_DECL bool established() const noexcept;

  // done with size > 0 (or with an empty `into`), want_read, closed, truncated or failed. Only
  // after want_read nothing more can be had without new input.
  GATEPOST_DECL tls_io read(std::span<char> into, std::string_view received = {});

  // done with the octets taken, which may be fewer than given; want_write or failed with none.
  GATEPOST_DECL tls_io write(std::string_view plain);

  // Ends the session: puts close_notify into output(), then done where the peer's has come, too, or
  // want_read (or truncated, failed); waiting for it is optional (RFC 8446 §6.1). Unread plain text
  // is lost.
  GATEPOST_DECL tls_status shutdown(std::string_view received = {});

  // Copies received octets for a later call.
  GATEPOST_DECL void feed(std::string_view received);

  // The peer has closed its side of the connection; no more input will come.
  GATEPOST_DECL void end_of_input() noexcept;

  // There are octets inside that read() has not given out: call it before waiting for the peer.
  GATEPOST_DECL bool input_pending() const noexcept;

  // Octets to send. The view is valid until the next call that is not const.
  GATEPOST_DECL std::string_view output() const noexcept;
  GATEPOST_DECL void consume_output(std::size_t size) noexcept;

  // Empty before the handshake is done.
  GATEPOST_DECL tls_facts facts() const;

  // After `failed`: one line that says what went wrong, where, and what to do.
  GATEPOST_DECL const std::string& error_text() const noexcept;

  // The newest session to resume, with keep_session. In TLS 1.3 it arrives with a read().
  GATEPOST_DECL tls_session session() const;

 private:
  std::unique_ptr<tls_detail::engine_core> core_;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/tls/impl/engine.ipp"
#endif

#endif  // GATEPOST_SMTP_TLS_ENGINE_HPP
