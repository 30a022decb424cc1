// One connection: octets, TLS, deadlines. What sessions, servers and clients do their I/O through.
//
// An attempt never waits: try_read and try_write do what can be done at once, and wait() suspends
// until more can be. So a session that has input costs no suspension and a session that has none
// holds no buffer. `socket_transport` (smtp/socket_transport.hpp) is the real one,
// testing::memory_transport the one for tests. One thread at a time.
#ifndef GATEPOST_SMTP_TRANSPORT_HPP
#define GATEPOST_SMTP_TRANSPORT_HPP

#include <asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "smtp/config.hpp"
#include "smtp/tls/context.hpp"
#include "smtp/tls/facts.hpp"
#include "smtp/tls/peer.hpp"

namespace gatepost::smtp {

// The clock that deadlines are read from; a test may turn its hands.
using time_point = std::chrono::steady_clock::time_point;

struct io_result {
  std::size_t octets = 0;
  // None: octets > 0 were moved. std::errc::operation_would_block: wait() first.
  // errc::connection_lost: the other end is gone, or has ended its side (read).
  std::error_code error;

  bool would_block() const { return error == std::errc::operation_would_block; }
};

enum class readiness : std::uint8_t {
  to_read,
  to_write,
  never,  // only the deadline or cancel() ends the wait
};

// Told of what happens on a connection while nobody reads from it, because a question is out.
class busy_watch {
 public:
  virtual ~busy_watch() = default;
  // The other end is gone, and nothing it sent is left to be read.
  virtual void on_left() = 0;
  // The deadline has passed.
  virtual void on_late() = 0;
};

class transport {
 public:
  virtual ~transport() = default;

  virtual io_result try_read(std::span<char> into) = 0;
  virtual io_result try_write(std::string_view text) = 0;

  // Suspends until try_read or try_write may get on. Errors: errc::timed_out when `deadline` has
  // passed, errc::cancelled after cancel(), errc::connection_lost.
  virtual asio::awaitable<std::error_code> wait(readiness what, time_point deadline) = 0;

  // Begins TLS on this connection; what was read from it before is not part of it. On an error
  // (errc::tls_failed, errc::timed_out, ...) tls_error() has the words, and the connection is no
  // use.
  virtual asio::awaitable<std::error_code> accept_tls(const server_context& context,
                                                      time_point deadline) = 0;
  virtual asio::awaitable<std::error_code> connect_tls(const client_context& context, tls_peer peer,
                                                       time_point deadline) = 0;
  // Good after a handshake; nullptr without TLS.
  virtual const tls_facts* tls() const = 0;
  // What went wrong in TLS: in the handshake, or after it where try_read() or try_write() gave
  // errc::connection_lost. Empty: nothing; the connection simply ended.
  virtual std::string tls_error() const = 0;

  // Ends what is waited for, at once; may be called while wait() is suspended, on the same thread.
  virtual void cancel() = 0;

  // Calls `listener` when the other end has left or `deadline` has passed, within a second of it,
  // each at most once; nullptr ends that. Costs nothing while questions are answered at once.
  virtual void watch(busy_watch* listener, time_point deadline = time_point::max()) = 0;

  // Says goodbye (TLS close_notify, as far as that goes without waiting) and closes.
  virtual void close() = 0;

  // The time on the clock of this transport's deadlines.
  virtual time_point now() const = 0;
};

// Writes all of `text`, waiting as often as need be.
GATEPOST_DECL asio::awaitable<std::error_code> write_all(transport& to, std::string_view text,
                                                         time_point deadline);

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/transport.ipp"
#endif

#endif  // GATEPOST_SMTP_TRANSPORT_HPP
