// The server: listens, admits, gives each connection its session, stops gracefully.
//
//     asio::io_context io;
//     smtp::server server(io, options, policy, delivery);
//     if (const auto wrong = server.listen({.address = "[::]:25"})) return fail(*wrong);
//     io.run();
//
// With several io_contexts (smtp/io_threads.hpp) each has its own listening socket by SO_REUSEPORT,
// and a session stays on the thread that accepted it. Two servers in one process do not know of
// each other.
#ifndef GATEPOST_SMTP_SERVER_HPP
#define GATEPOST_SMTP_SERVER_HPP

#include <asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "smtp/admission.hpp"
#include "smtp/auth.hpp"
#include "smtp/channel.hpp"
#include "smtp/channel_switch.hpp"
#include "smtp/config.hpp"
#include "smtp/delivery.hpp"
#include "smtp/ip.hpp"
#include "smtp/limit_counters.hpp"
#include "smtp/memory_budget.hpp"
#include "smtp/observer.hpp"
#include "smtp/policy.hpp"
#include "smtp/tls/context.hpp"

namespace gatepost::smtp {

// Where to listen, and what for.
struct listener {
  // "192.0.2.1:25", "[::]:25" (IPv4 too), "unix:/run/gatepost.sock". Port 0: any that is free.
  std::string address;
  // TLS from the first octet (RFC 8314 §3).
  bool implicit_tls = false;
  // Each connection begins with a PROXY header, version 1 or 2. Only server_options::proxies may
  // connect, or whoever may open the Unix socket.
  bool proxy = false;
  // The channel of its sessions, unless a channel_rule says otherwise.
  std::string channel = "default";
  // Who may connect to a Unix socket, as chmod has it: by default, nobody but our own user.
  unsigned unix_mode = 0600;
};

// Clients of these networks get this channel, whatever the listener says. The first rule that fits
// wins. Who comes by a Unix socket is of no network.
struct channel_rule {
  network_set clients;
  std::string channel;
};

struct server_options {
  // At least one. The names that listeners and rules use have to be among them.
  std::vector<smtp::channel> channels = {smtp::channel{}};
  std::vector<channel_rule> rules;
  // Applied after every TLS handshake and after AUTH: the first that fits switches to its channel.
  // Where none does, the session has the channel that it began with.
  std::vector<channel_switch> switches;
  network_set proxies;  // who may connect to a listener with `proxy`
  connection_limits connections;

  // Octets that the messages in flight hold in sessions: a read buffer and the header of each. Past
  // it new ones get 452. 256 MiB: some 4,000 messages with usual headers at once. (A spool that
  // holds texts has a budget of its own.)
  std::size_t memory = 256u << 20;

  // A graceful stop gives running sessions this long; then it is as stop_now().
  std::chrono::milliseconds stop_within = std::chrono::seconds(30);

  // All of these outlive the server.
  smtp::observer* observer = nullptr;
  smtp::authenticator* authenticator = nullptr;
  const server_context* tls = nullptr;
};

struct server_counters {
  std::uint64_t accepted = 0;
  std::uint64_t refused =
      0;  // by a limit, or by what came of a PROXY header, before a session began
  std::uint64_t sessions = 0;  // now
  // How often each of the limits in smtp/limit_counters.hpp was reached: a connection was turned
  // away, a session ended, a command or a message refused.
  limit_counts limits{};

  std::uint64_t reached(limit_kind k) const { return limits[static_cast<std::size_t>(k)]; }
};

class server {
 public:
  // `policy` and `delivery` outlive the server, and the server outlives the io_contexts' run().
  GATEPOST_DECL server(asio::io_context& io, server_options options, policy& policy,
                       delivery& delivery);
  GATEPOST_DECL server(std::vector<asio::io_context*> contexts, server_options options,
                       policy& policy, delivery& delivery);
  // No thread runs the io_contexts, or it is the only one and its own. Sessions that wait for their
  // client end with the server, without a word, and hold on to nothing. One that the policy or the
  // delivery is answering just now ends when it is answered, if its io_context runs on; if not,
  // with the io_context, so that policy, delivery and observer have to outlive that. After stop()
  // and the end of run() there is none.
  GATEPOST_DECL ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  // Before run(), or on the first io_context's thread. Returns what went wrong and what to do about
  // it, if something did; then it listens nowhere it did not before.
  [[nodiscard]] GATEPOST_DECL std::optional<std::string> listen(const listener& where);

  // Where it listens, with the ports that were chosen for port 0, in the order of listen().
  GATEPOST_DECL std::vector<endpoint> endpoints() const;

  // Graceful: no new sessions; each running transaction may finish, within options.stop_within;
  // then 421. Any thread.
  GATEPOST_DECL void stop();
  // At once: 421 to everybody, and a second for them to read it. What is being made durable will
  // be, and its client hears of it. Any thread.
  GATEPOST_DECL void stop_now();

  GATEPOST_DECL server_counters counters() const;
  GATEPOST_DECL memory_budget& memory();

 private:
  struct shared;
  struct lane;
  struct connection;
  struct door;
  std::optional<std::string> listen_tcp(const listener& where);
  std::optional<std::string> listen_unix(const listener& where);
  std::optional<std::string> start(std::unique_ptr<const listener> where,
                                   const std::vector<std::shared_ptr<door>>& doors);
  std::string remedy_for(const endpoint& e, int error) const;

  std::shared_ptr<shared> shared_;
  std::vector<std::shared_ptr<lane>> lanes_;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/server.ipp"
#endif

#endif  // GATEPOST_SMTP_SERVER_HPP
