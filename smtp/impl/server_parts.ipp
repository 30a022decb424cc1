#ifndef GATEPOST_SMTP_IMPL_SERVER_PARTS_IPP
#define GATEPOST_SMTP_IMPL_SERVER_PARTS_IPP

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <atomic>
#include <cstring>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "smtp/detail/handler_memory.hpp"
#include "smtp/detail/listening.hpp"
#include "smtp/drive.hpp"
#include "smtp/id.hpp"
#include "smtp/io_local.hpp"
#include "smtp/server.hpp"
#include "smtp/socket_transport.hpp"

// What a server is made of: the shared part, a door per listening socket, a connection per client,
// a lane per thread.
namespace gatepost::smtp {
namespace detail {

inline constexpr std::string_view unix_scheme = "unix:";

inline bool at_unix_socket(const listener& where) { return where.address.starts_with(unix_scheme); }

inline std::string cannot_listen(const listener& where, int error, const std::string& remedy) {
  return "cannot listen at " + where.address + ": " + std::strerror(error) + remedy;
}

}  // namespace detail

// What all threads of a server share. Connections hold on to it: they may outlive the server.
struct server::shared {
  shared(server_options o, smtp::policy& p, smtp::delivery& d)
      : options(std::move(o)),
        admission(options.connections),
        memory(options.memory),
        services{.policy = p,
                 .delivery = d,
                 .observer = options.observer != nullptr ? *options.observer : silent,
                 .authenticator = options.authenticator,
                 .tls = options.tls,
                 .memory = &memory,
                 .counters = &limits} {
    if (options.switches.empty()) return;
    services.channel_for = [this](const session_facts& facts) { return switched(facts); };
  }

  const smtp::channel* find_channel(std::string_view name) const {
    for (const smtp::channel& c : options.channels)
      if (c.name == name) return &c;
    return nullptr;
  }

  // What is wrong with a listener, if something is.
  std::optional<std::string> fault_of(const listener& where) const {
    const auto unknown = [this](const std::string& name) { return find_channel(name) == nullptr; };
    if (unknown(where.channel)) return "there is no channel \"" + where.channel + "\"";
    for (const channel_rule& rule : options.rules)
      if (unknown(rule.channel))
        return "a rule names the channel \"" + rule.channel + "\", which does not exist";
    for (const channel_switch& rule : options.switches)
      if (unknown(rule.channel))
        return "a switch names the channel \"" + rule.channel + "\", which does not exist";
    if (where.implicit_tls && options.tls == nullptr)
      return "TLS is to be spoken here, but no certificate is loaded";
    if (options.tls != nullptr && !options.tls->ready())
      return "TLS is to be offered, but no certificate is loaded";
    if (detail::at_unix_socket(where)) {
      if (where.address == detail::unix_scheme) return "the path of the Unix socket is missing";
      return std::nullopt;
    }
    if (where.proxy && options.proxies.empty())
      return "the PROXY protocol is expected here, but no network is trusted to speak it";
    if (!parse_endpoint(where.address))
      return "not an address to listen at: write 192.0.2.1:25, [::]:25 or unix:/path";
    return std::nullopt;
  }

  // By the client's network, else by the listener.
  const smtp::channel& channel_for(const listener& where, const session_facts& facts) const {
    if (facts.has_client_address())
      for (const channel_rule& rule : options.rules)
        if (rule.clients.contains(facts.client.address)) return *find_channel(rule.channel);
    return *find_channel(where.channel);
  }

  // By what the client has shown of itself; nullptr: no rule is about it.
  const smtp::channel* switched(const session_facts& facts) const {
    const channel_switch* const rule = find_switch(options.switches, facts);
    return rule != nullptr ? find_channel(rule->channel) : nullptr;
  }

  server_options options;
  smtp::observer silent;
  smtp::admission admission;
  memory_budget memory;
  limit_counters limits;
  session_services services;
  id_source ids;
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};
  std::vector<std::unique_ptr<const listener>> listeners;
  std::vector<endpoint> endpoints;
};

// One connection, from the accept to the end.
struct server::connection {
  connection(std::shared_ptr<lane> home, const door& by, detail::owned_fd s, const endpoint& peer);

  asio::awaitable<void> serve();
  asio::awaitable<bool> begin();
  asio::awaitable<bool> identify();
  asio::awaitable<std::error_code> read_proxy_header();
  asio::awaitable<bool> start_implicit_tls();
  bool hold();
  void let_go();
  bool admit();
  void turn_away(admittance a);
  void turn_away(std::string_view why);
  void say(const fixed_reply& r);
  void over(std::string_view why, std::string_view limit = {});
  void ended(std::exception_ptr e);
  void stop();
  void stop_now();
  void abandon();

  const std::shared_ptr<lane> home;
  server::shared& common;
  const listener& where;
  socket_transport transport;
  const time_point since = transport.now();
  session_facts facts;
  const smtp::channel* channel = nullptr;
  asio::cancellation_signal cancel;  // of serve()
  std::unique_ptr<session_driver> driver;
  bool held = false;                      // admission counts it as one whose client is not known
  std::optional<ip_address> admitted_as;  // XCLIENT may change the client later
  bool stopping = false;
  bool abandoned = false;
  bool reported = false;  // its end, to the observer
  std::list<std::shared_ptr<connection>>::iterator place;
};

// A socket that one thread accepts from. What accepting needs of memory is here already.
struct server::door : std::enable_shared_from_this<door> {
  door(asio::io_context& io, detail::owned_fd fd, const listener& where, std::optional<endpoint> at,
       detail::socket_name name)
      : descriptor(io, fd.get()), where(where), at(at), name(std::move(name)) {
    fd.release();
  }

  // Nobody is accepted for a tick: there was no descriptor, or no memory, for one more.
  struct rest_clock final : private io_local::ticking {
    rest_clock(lane& home, door& of);
    void tick(time_point) override;
    lane& home;
    door& of;
  };

  asio::posix::stream_descriptor descriptor;
  const listener& where;
  std::optional<endpoint> at;  // our end of its connections; none: each has one of its own
  detail::socket_name name;    // of a Unix socket
  std::optional<rest_clock> resting;
  detail::handler_memory memory;  // of the wait for clients
};

// What one io_context has of a server. Everything but start() and close_doors() is called on its
// thread.
struct server::lane : std::enable_shared_from_this<lane> {
  lane(asio::io_context& io, std::shared_ptr<server::shared> shared)
      : io(io), owner(std::move(shared)), common(*owner) {}

  // Ends a graceful stop that takes too long.
  struct stop_clock final : private io_local::ticking {
    explicit stop_clock(lane& home)
        : ticking(io_local::of(home.io)),
          home(home),
          due(io_local::clock::now() + home.common.options.stop_within) {}
    void tick(time_point now) override {
      if (now < due) return;
      due = time_point::max();
      home.stop_now();
    }
    lane& home;
    time_point due;
  };

  // False: the server has stopped.
  bool start(std::shared_ptr<door> d);
  void close_doors();

  void wait_for_clients(door& d);
  void accept_from(door& d);
  bool accept_one(door& d);
  void begin(door& d, detail::owned_fd fd, const endpoint& peer);
  void complain_of(const std::exception_ptr& e);
  void complain(std::string_view where, std::string_view what, std::string_view remedy);
  void ended(connection& c);
  void tell_all(void (connection::*what)());
  void stop();
  void stop_now();
  void end();

  asio::io_context& io;
  const std::shared_ptr<server::shared> owner;
  server::shared& common;
  std::mutex doors_mutex;  // listen() may be called on another thread
  std::vector<std::shared_ptr<door>> doors;
  bool closed = false;
  std::list<std::shared_ptr<connection>> connections;
  std::optional<stop_clock> stopping;
  // So many connections are accepted at once, and then the sessions have their turn.
  static constexpr int burst = 64;
  bool starved = false;  // accept() failed, and it would again: found no descriptor free, perhaps
  int aborted = 0;       // connections in a row that were gone before they were accepted
  time_point next_complaint{};
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SERVER_PARTS_IPP
