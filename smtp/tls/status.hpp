// What the calls of a TLS engine (smtp/tls/engine.hpp) answer, and its limits.
#ifndef GATEPOST_SMTP_TLS_STATUS_HPP
#define GATEPOST_SMTP_TLS_STATUS_HPP

#include <cstddef>

namespace gatepost::smtp {

// Octets of a whole handshake that a peer may send: certificate chains have 2 to 10 KB, odd
// ones 20.
inline constexpr std::size_t tls_handshake_limit = 64 * 1024;

// Ciphertext that waits inside for a read(). A caller that stops receiving while input_pending()
// stays far below; the bound is for one that does not.
inline constexpr std::size_t tls_input_limit = 256 * 1024;

// write() takes no more while output() has this much: the caller has to send first.
inline constexpr std::size_t tls_output_limit = 64 * 1024;

enum class tls_status {
  done,        // did what was asked
  want_read,   // needs octets from the peer
  want_write,  // write() only: output() is full
  closed,      // the peer has ended the session by close_notify (RFC 8446 §6.1)
  truncated,   // the connection ended without close_notify: what was read may not be all
  failed,      // error_text() says why; there is nothing to do but to send output() and close
};

struct tls_io {
  tls_io() = default;
  tls_io(tls_status what, std::size_t octets) : status{what}, size{octets} {}

  tls_status status = tls_status::failed;
  std::size_t size = 0;  // octets of plain text read, or taken for sending
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_TLS_STATUS_HPP
