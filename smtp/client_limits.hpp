// Every size, count and wait of an SMTP or LMTP client session, with its default and the reason for
// it.
//
// Waits are those of RFC 5321 §4.5.3.2. Sizes are in octets.
#ifndef GATEPOST_SMTP_CLIENT_LIMITS_HPP
#define GATEPOST_SMTP_CLIENT_LIMITS_HPP

#include <chrono>
#include <cstddef>

#include "smtp/config.hpp"
#include "smtp/reply_reader.hpp"

namespace gatepost::smtp {

struct client_limits {
  // --- Sizes and counts --------------------------------------------------------------------------

  // One reply of the server.
  reply_limits reply;

  // Commands whose replies are awaited at once. RFC 2920 §3.1: both sides must not fill their
  // windows and wait for each other. The replies to this many fit into any receive window (64 KiB)
  // at the 512 octets of RFC 5321 §4.5.3.1.5.
  std::size_t outstanding = 120;

  // Command octets of one write: fits into any send buffer, and holds some hundred RCPT.
  std::size_t command_block = 16u << 10;

  // Message octets of one write, and of one BDAT chunk; all that a session holds of a message.
  std::size_t body_block = 64u << 10;

  // BDAT chunks whose replies are awaited at once. Eight hide a round trip of 50 ms at 10 MB/s.
  std::size_t outstanding_chunks = 8;

  // Steps of one AUTH exchange. The longest mechanism in use has three.
  std::size_t auth_steps = 8;

  // --- Waits -------------------------------------------------------------------------------------

  // From the request to the connection. Postfix: 30 s (smtp_connect_timeout); another address may
  // answer.
  std::chrono::milliseconds connect = std::chrono::seconds(30);

  std::chrono::milliseconds greeting = std::chrono::minutes(5);    // RFC 5321 §4.5.3.2.1
  std::chrono::milliseconds hello = std::chrono::minutes(5);       // not in the RFC; as the others
  std::chrono::milliseconds mail = std::chrono::minutes(5);        // RFC 5321 §4.5.3.2.2
  std::chrono::milliseconds rcpt = std::chrono::minutes(5);        // RFC 5321 §4.5.3.2.3
  std::chrono::milliseconds data = std::chrono::minutes(2);        // RFC 5321 §4.5.3.2.4
  std::chrono::milliseconds data_block = std::chrono::minutes(3);  // RFC 5321 §4.5.3.2.5
  std::chrono::milliseconds final_dot = std::chrono::minutes(10);  // RFC 5321 §4.5.3.2.6

  // STARTTLS until the handshake is done. A working server needs two round trips.
  std::chrono::milliseconds tls = std::chrono::minutes(2);

  // One step of AUTH: servers ask a directory, and some delay failures.
  std::chrono::milliseconds auth = std::chrono::minutes(2);

  // RSET is asked for nothing that takes time.
  std::chrono::milliseconds rset = std::chrono::seconds(20);

  // QUIT: nothing is at stake any more.
  std::chrono::milliseconds quit = std::chrono::seconds(5);

  // A whole transaction, so that a server which answers each RCPT after five minutes less a second
  // does not hold a connection for days.
  std::chrono::milliseconds transaction = std::chrono::hours(2);
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_CLIENT_LIMITS_HPP
