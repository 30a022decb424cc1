// What probe does on a connection: connects, sends what is to be sent, says goodbye.
#ifndef GATEPOST_EXAMPLES_PROBE_SESSION_HPP
#define GATEPOST_EXAMPLES_PROBE_SESSION_HPP

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "examples/probe/options.hpp"
#include "examples/probe/recorder.hpp"
#include "examples/probe/report.hpp"
#include "examples/probe/watched.hpp"
#include "smtp/client.hpp"
#include "smtp/id.hpp"
#include "smtp/socket_connector.hpp"
#include "smtp/tls/context.hpp"

namespace probe {

// What was read from the files that the options name.
struct inputs {
  inputs() = default;

  std::string password;
  std::optional<std::string> message;  // with CRLF; none: one is made
};

class session {
 public:
  // All of them outlive this; `tls` is loaded unless the options say that there is no TLS.
  session(asio::io_context& io, const options& o, const inputs& in,
          const gatepost::smtp::client_context& tls, report& to);

  asio::awaitable<void> run();

  // Ends the session where it stands. False: there is none yet.
  bool cancel();

  // When run() is done.
  summary result() const;

 private:
  asio::awaitable<void> send_all();
  asio::awaitable<void> send_one();
  bool settle(gatepost::smtp::transaction& t, std::vector<std::size_t>& whose,
              const gatepost::smtp::transaction_outcome& outcome);
  void count(std::size_t recipient, const gatepost::smtp::recipient_outcome& outcome);
  void note_missing();
  void note_failure();

  const options& options_;
  const inputs& inputs_;
  recorder recorder_;
  gatepost::smtp::socket_connector sockets_;
  watched_connector connector_;
  gatepost::smtp::client_connection client_;
  gatepost::smtp::id_source ids_;
  // Of the message that is given. Made in advance: no step of the session is to pay for it.
  gatepost::smtp::transaction given_;
  std::vector<recipient_tally> tallies_;
  std::string failure_;
};

}  // namespace probe

#endif  // GATEPOST_EXAMPLES_PROBE_SESSION_HPP
