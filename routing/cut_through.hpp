// Delivers while the client waits, and gives it the next hop's own reply: no spool, no bounce.
//
// The message is held in memory, or past a bound in an unlinked file, until the checks have judged
// it; then it goes to the next hop, and what that says is what the client gets. A crash loses
// nothing that got a 250, because none was given. The price: the client waits for the next hop, and
// a next hop that is away makes it come again.
//
// Since one reply has to serve, a client that does not speak LMTP or PRDR gets 452 for its second
// recipient and sends that one in a message of its own. A message that a check wants held is put
// off: there is nothing to hold it in. Everything runs on the session's thread, writing of large
// messages to the file included.
#ifndef GATEPOST_ROUTING_CUT_THROUGH_HPP
#define GATEPOST_ROUTING_CUT_THROUGH_HPP

#include <asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "routing/router.hpp"
#include "smtp/client.hpp"
#include "smtp/config.hpp"
#include "smtp/connector.hpp"
#include "smtp/delivery.hpp"
#include "smtp/ip.hpp"
#include "smtp/memory_budget.hpp"
#include "smtp/observer.hpp"

namespace gatepost::routing {

struct cut_through_options {
  cut_through_options() = default;

  std::string hostname = "localhost";  // our name, in EHLO to next hops

  // As in relay_options.
  smtp::network_set relay_from;
  // Who comes by a Unix socket may, too. Such a client has no address and is in none of the
  // networks; whoever may open the socket (smtp::listener::unix_mode) can be one.
  bool relay_from_unix = false;

  // Octets of a message in memory; a larger one goes to a file in `directory` that has no name.
  std::size_t memory_per_message = 256u << 10;
  std::string directory = "/tmp";

  // Next hops have this long to take a message, all together and with their connections: past
  // session_limits::processing_time (5 min) the client is told 451, and what they took would come
  // twice.
  std::chrono::milliseconds at_most = std::chrono::minutes(4);

  // The client side of sessions: limits, and what is used of what is offered. hello_name, starttls
  // and protocol are set per next hop; a login, where there is one, is for all of them,
  // and wants hop_tls::verify: a password goes to no server whose certificate was not verified.
  smtp::client_options client;

  // All outlive the delivery; any may be absent. No TLS context: no TLS.
  const smtp::client_context* tls = nullptr;
  smtp::memory_budget* memory = nullptr;
  smtp::observer* observer = nullptr;
};

class cut_through final : public smtp::delivery {
 public:
  // The router outlives this. A destination that is no next hop is refused at RCPT.
  GATEPOST_DECL cut_through(router& routes, cut_through_options options);
  GATEPOST_DECL ~cut_through() override;

  GATEPOST_DECL asio::awaitable<smtp::verdict> resolve(const smtp::session_view& session,
                                                       smtp::recipient& to) override;
  GATEPOST_DECL asio::awaitable<std::unique_ptr<smtp::intake>> begin(
      const smtp::session_view& session) override;

 private:
  router& routes_;
  const cut_through_options options_;
};

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/cut_through.ipp"
#endif

#endif  // GATEPOST_ROUTING_CUT_THROUGH_HPP
