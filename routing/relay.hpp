// Store and forward: takes messages into a spool, and delivers them from there.
//
// The smtp::delivery that most servers use. At RCPT it asks the router; at the end of the message
// it commits to the spool, and only then does the client get its 250. Delivery workers take over:
// they group recipients by where the router sends them, use one connection for many messages, try
// again with exponential back-off and jitter (routing/retry.hpp), and pick up where they were after
// a crash. Recipients that failed for good stay in the spool, and so in queue(), until somebody
// removes them.
//
//     routing::relay relay(io, spool, routes, options);
//     smtp::server server(threads.contexts(), settings, chain, relay);
//     relay.start();
//
// What is promised: a message whose commit has succeeded is delivered, or fails and is kept; and no
// recipient gets it twice, unless the process or the next hop dies between the delivery and the
// note of it. resolve() and begin() are thread-safe; the workers run on `io` alone, which one
// thread runs. Maildirs are written and synced on one thread of the relay's own, because a sync may
// take long.
#ifndef GATEPOST_ROUTING_RELAY_HPP
#define GATEPOST_ROUTING_RELAY_HPP

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <system_error>

#include "routing/retry.hpp"
#include "routing/router.hpp"
#include "routing/spool.hpp"
#include "smtp/client.hpp"
#include "smtp/config.hpp"
#include "smtp/delivery.hpp"
#include "smtp/ip.hpp"
#include "smtp/observer.hpp"

namespace gatepost::routing {

namespace detail {
class relay_engine;
}

struct relay_options {
  relay_options() = default;

  // Our name: in EHLO to next hops, and in the files of maildirs.
  std::string hostname = "localhost";

  // Who reads mail to <Postmaster> without a domain (RFC 5321 §4.5.1). Empty: the router is asked
  // about "Postmaster" as it stands; routing::table takes it for that of the first domain.
  std::string postmaster;

  // Who may send to domains that are nobody's here, where the router has a route for all of them;
  // beside those who have authenticated. Empty by default: a server that forgets this is an open
  // relay.
  smtp::network_set relay_from;
  // Who comes by a Unix socket may, too. Such a client has no address and is in none of the
  // networks; whoever may open the socket (smtp::listener::unix_mode) can be one.
  bool relay_from_unix = false;

  retry_options retry;

  // Messages that are being delivered at the same time, in all and to one next hop. Postfix: 20
  // (default_destination_concurrency_limit).
  std::size_t deliveries = 100;
  std::size_t deliveries_per_hop = 20;

  // A connection to a next hop is kept this long for the next message, and serves so many. Postfix:
  // 2 s (smtp_connection_cache_time_limit); servers wait minutes.
  std::chrono::milliseconds idle_connection = std::chrono::seconds(5);
  std::size_t messages_per_connection = 100;

  // A next hop that could not be reached is left alone this long: its messages do not each wait for
  // the connection to time out, and that is no attempt. One that turns a connection away while it
  // serves others of ours gets no more than these for as long. Postfix: 300 s
  // (minimal_backoff_time).
  std::chrono::milliseconds dead_hop = std::chrono::minutes(1);

  // How many waiting messages are looked at for one ETRN; each is read from the spool. They are
  // read between deliveries, and for one ETRN at a time.
  std::size_t etrn_messages = 10000;

  // After something went wrong on our side, and not with the message: a lack of memory, an
  // exception from what we call. Then it is tried again.
  std::chrono::milliseconds trouble_wait = std::chrono::minutes(1);

  // The client side of sessions: limits, and what is used of what is offered. hello_name, starttls
  // and protocol are set per next hop; a login, where there is one, is for all of them,
  // and wants hop_tls::verify: a password goes to no server whose certificate was not verified.
  smtp::client_options client;

  // The clock of messages and of their schedule, asked by any thread; for tests.
  std::function<spool_time()> now = std::chrono::system_clock::now;

  // Both outlive the relay. No TLS context: no TLS.
  const smtp::client_context* tls = nullptr;
  smtp::observer* observer = nullptr;
};

struct relay_stats {
  std::uint64_t queued = 0;     // messages that wait or are being delivered, now
  std::uint64_t active = 0;     // of these, being delivered
  std::uint64_t delivered = 0;  // recipients since the start, like all below
  std::uint64_t deferred = 0;   // attempts
  std::uint64_t failed = 0;
  std::uint64_t connections = 0;  // made to next hops
};

class relay final : public smtp::delivery {
 public:
  // All but the options outlive the relay, and the relay outlives io's run().
  GATEPOST_DECL relay(asio::io_context& io, spool& store, router& routes, relay_options options);
  GATEPOST_DECL ~relay() override;

  // Reads the spool and begins to deliver. On io's thread, or before it runs. Once. Errors: what
  // the spool says.
  GATEPOST_DECL std::error_code start();

  // No new deliveries; those that are under way end within their own limits or `at_most` (a
  // connection that is being made: client.limits.connect), and what has not been delivered by then
  // stays in the spool, also what is committed later. Any thread. io's run() then returns.
  GATEPOST_DECL void stop(std::chrono::milliseconds at_most = std::chrono::seconds(30));

  // Tries everything that waits now: after a configuration change, or when a next hop is back. Any
  // thread.
  GATEPOST_DECL void flush();

  // Any thread.
  GATEPOST_DECL relay_stats stats() const;

  // Everything that is kept: what waits, what is held, what has failed. As spool::for_each(); any
  // thread.
  GATEPOST_DECL std::error_code queue(const spool_visitor& visitor) const;

  // Lets the recipients of a message go that are held, or forgets any message; what is on its way
  // to a next hop just now may arrive all the same. Any thread; release() is answered while io
  // runs. The time to give up runs anew for all recipients of a message that is released. Errors:
  // as spool::load() and update(); what could not be noted of a release may be delivered all the
  // same.
  GATEPOST_DECL asio::awaitable<std::error_code> release(std::string id);
  GATEPOST_DECL asio::awaitable<std::error_code> remove(std::string id);

  // smtp::delivery. A message is scheduled when its intake is destroyed: until then revoke() is in
  // time.
  GATEPOST_DECL asio::awaitable<smtp::verdict> resolve(const smtp::session_view& session,
                                                       smtp::recipient& to) override;
  GATEPOST_DECL asio::awaitable<std::unique_ptr<smtp::intake>> begin(
      const smtp::session_view& session) override;
  GATEPOST_DECL std::error_code available() const override;
  // RFC 1985: tries what waits for a recipient at this domain now, or with "@domain" at it and all
  // domains below; what is held stays so. For those who may relay here (relay_options::relay_from).
  // 251 and 253 say how many; 252 where more wait than are looked at. 458: another is under way, or
  // none was found among those that were looked at. 459: not for this client, "#queue", or "@" with
  // a top-level domain (RFC 1985 §8). 501: no domain.
  GATEPOST_DECL asio::awaitable<smtp::reply> etrn(const smtp::session_view& session,
                                                  std::string node) override;

 private:
  std::shared_ptr<detail::relay_engine> engine_;
};

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/relay.ipp"
#endif

#endif  // GATEPOST_ROUTING_RELAY_HPP
