#ifndef GATEPOST_SMTP_IMPL_SERVER_IPP
#define GATEPOST_SMTP_IMPL_SERVER_IPP

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>

#include <asio/co_spawn.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <list>

#include "smtp/detail/sockaddr.hpp"
#include "smtp/drive.hpp"
#include "smtp/id.hpp"
#include "smtp/io_local.hpp"
#include "smtp/proxy_header.hpp"
#include "smtp/server.hpp"
#include "smtp/socket_transport.hpp"

namespace gatepost::smtp {

// What all threads of a server share.
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
                 .memory = &memory} {}

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
      if (unknown(rule.channel)) return "a rule names the channel \"" + rule.channel + "\", which does not exist";
    if (where.implicit_tls && (options.tls == nullptr || !options.tls->ready()))
      return "TLS is to be spoken here, but no certificate is loaded";
    if (where.proxy && options.proxies.empty())
      return "the PROXY protocol is expected here, but no network is trusted to speak it";
    if (!where.address.starts_with("unix:") && !parse_endpoint(where.address))
      return "not an address to listen at: write 192.0.2.1:25, [::]:25 or unix:/path";
    return std::nullopt;
  }

  // By the client's network, else by the listener.
  const smtp::channel& channel_for(const listener& where, const ip_address& client) const {
    for (const channel_rule& rule : options.rules)
      if (rule.clients.contains(client)) return *find_channel(rule.channel);
    return *find_channel(where.channel);
  }

  server_options options;
  smtp::observer silent;
  smtp::admission admission;
  memory_budget memory;
  session_services services;
  id_source ids;
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};
  std::vector<std::unique_ptr<listener>> listeners;
  std::vector<endpoint> endpoints;
};

// One connection, from the accept to the end.
struct server::connection {
  connection(lane& home, const listener& where, socket_transport::socket s, const endpoint& peer);

  asio::awaitable<void> serve();
  asio::awaitable<bool> begin();
  asio::awaitable<bool> read_proxy_header();
  asio::awaitable<bool> start_implicit_tls();
  bool admit();
  void turn_away(admittance why);
  void stop();
  void stop_now();

  lane& home;
  const listener& where;
  socket_transport transport;
  session_facts facts;
  const smtp::channel* channel = nullptr;
  std::unique_ptr<session_driver> driver;
  std::optional<ip_address> admitted_as;  // XCLIENT may change the client later
  bool stopping = false;
  std::list<std::shared_ptr<connection>>::iterator place;
};

// What one io_context has of a server.
struct server::lane {
  lane(asio::io_context& io, server::shared& shared) : io(io), common(shared) {}

  struct door {
    door(asio::io_context& io, int fd, int family, const listener& where, std::string unlink)
        : descriptor(io, fd), family(family), where(where), unlink(std::move(unlink)) {}
    asio::posix::stream_descriptor descriptor;
    int family;
    const listener& where;
    std::string unlink;  // a Unix socket's path, removed at the end
  };

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

  void open(int fd, int family, const listener& where, std::string unlink);

  asio::awaitable<void> accept_from(std::shared_ptr<door> d);
  bool accept_one(door& d);
  void begin(door& d, int fd, const endpoint& peer);
  void ended(connection& c, std::exception_ptr e);
  void out_of_descriptors();
  void close_doors();
  void stop();
  void stop_now();

  asio::io_context& io;
  server::shared& common;
  std::vector<std::shared_ptr<door>> doors;
  std::list<std::shared_ptr<connection>> connections;
  std::optional<stop_clock> stopping;
  bool starved = false;  // accept() found no descriptor free
};

namespace detail {

inline std::string system_error(const std::string& what) {
  const int error = errno;
  std::string text = what + ": " + std::strerror(error);
  if (error == EADDRINUSE) text += " (another program listens there: stop it, or use another port)";
  if (error == EACCES) text += " (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
  if (error == EADDRNOTAVAIL) text += " (this machine does not have that address)";
  return text;
}

// As many descriptors as the hard limit lets us have.
inline void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A descriptor that is closed unless it is let go.
struct owned_fd {
  explicit owned_fd(int fd) : fd(fd) {}
  owned_fd(const owned_fd&) = delete;
  owned_fd& operator=(const owned_fd&) = delete;
  ~owned_fd() {
    if (fd >= 0) ::close(fd);
  }
  int release() { return std::exchange(fd, -1); }
  int fd;
};

// Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn.
inline constexpr int accept_backlog = 4096;

// A listening TCP socket, or -1 with errno.
inline int open_tcp_door(const endpoint& e) {
  socklen_t size = 0;
  const sockaddr_storage address = to_sockaddr(e, size);
  owned_fd s(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (s.fd < 0) return -1;
  const int on = 1;
  const int off = 0;
  ::setsockopt(s.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(s.fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  // Inherited by the connections: a reply is one write, and nothing is gained by holding it back.
  ::setsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (address.ss_family == AF_INET6) ::setsockopt(s.fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(s.fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) return -1;
  if (::listen(s.fd, accept_backlog) != 0) return -1;
  return s.release();
}

inline int open_unix_door(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  owned_fd s(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (s.fd < 0) return -1;
  if (::bind(s.fd, generic, sizeof address) != 0) {
    if (errno != EADDRINUSE) return -1;
    // Left behind by a server that was killed? Then nobody answers.
    owned_fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(probe.fd, generic, sizeof address) == 0 || errno != ECONNREFUSED) {
      errno = EADDRINUSE;
      return -1;
    }
    ::unlink(path.c_str());
    if (::bind(s.fd, generic, sizeof address) != 0) return -1;
  }
  if (::listen(s.fd, accept_backlog) != 0) return -1;
  return s.release();
}

// Does anybody listen there already? With SO_REUSEPORT the kernel would let a second program of the same
// user share the port, and each would get half of the mail.
inline bool port_is_taken(const endpoint& e) {
  if (e.port == 0) return false;
  socklen_t size = 0;
  const sockaddr_storage address = to_sockaddr(e, size);
  owned_fd s(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (s.fd < 0) return false;
  const int on = 1;
  const int off = 0;
  ::setsockopt(s.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ss_family == AF_INET6) ::setsockopt(s.fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  return ::bind(s.fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 && errno == EADDRINUSE;
}

}  // namespace detail

// --- One connection ------------------------------------------------------------------------------

GATEPOST_DECL server::connection::connection(lane& home, const listener& where,
                                             socket_transport::socket s, const endpoint& peer)
    : home(home), where(where), transport(home.io, std::move(s)) {
  facts.connected_at = home.common.services.now();
  facts.id = home.common.ids.next(facts.connected_at);
  facts.peer = facts.client = peer;
  facts.local = transport.local();
  if (where.address.starts_with("unix:")) facts.unix_peer = where.address.substr(5);
}

GATEPOST_DECL asio::awaitable<void> server::connection::serve() {
  const bool begun = co_await begin();
  if (begun) {
    driver = std::make_unique<session_driver>(transport, *channel, facts, home.common.services,
                                              io_local::of(home.io).buffers());
    if (stopping) driver->stop();
    co_await driver->run();
  }
  transport.close();
}

// Everything before the greeting: who is it, may it come in, is it protected?
GATEPOST_DECL asio::awaitable<bool> server::connection::begin() {
  if (where.proxy) {
    const bool told = co_await read_proxy_header();
    if (!told) co_return false;
  }
  if (!admit()) co_return false;
  channel = &home.common.channel_for(where, facts.client.address);
  facts.channel = channel->name;
  if (where.implicit_tls) {
    const bool secured = co_await start_implicit_tls();
    if (!secured) co_return false;
  }
  co_return true;
}

GATEPOST_DECL bool server::connection::admit() {
  smtp::observer& observer = home.common.services.observer;
  // Who comes by a Unix socket comes from this machine, and is counted as one network.
  const admittance a =
      home.common.admission.enter(facts.client.address, std::chrono::steady_clock::now());
  if (a != admittance::admitted) {
    turn_away(a);
    return false;
  }
  admitted_as = facts.client.address;
  home.common.accepted.fetch_add(1, std::memory_order_relaxed);
  observer.on_connection({facts, true, {}});
  return true;
}

GATEPOST_DECL void server::connection::turn_away(admittance why) {
  home.common.refused.fetch_add(1, std::memory_order_relaxed);
  home.common.services.observer.on_connection({facts, false, to_string(why)});
  if (where.implicit_tls) return;  // a handshake is what a flood would like us to do
  std::string words;
  append_reply(words, refusal_of(why));
  transport.try_write(words);
}

GATEPOST_DECL asio::awaitable<bool> server::connection::read_proxy_header() {
  const session_limits& limits = home.common.find_channel(where.channel)->limits;
  if (!home.common.options.proxies.contains(facts.peer.address)) {
    home.common.services.observer.on_connection({facts, false, "proxy_not_trusted"});
    co_return false;
  }
  const time_point deadline = transport.now() + limits.proxy_timeout;
  std::string header;
  char octets[512];
  while (true) {
    const io_result r = transport.try_read(octets);
    if (r.would_block()) {
      const std::error_code waited = co_await transport.wait(readiness::to_read, deadline);
      if (!waited) continue;
    }
    header.append(octets, r.octets);
    const auto told = smtp::read_proxy_header(header);
    const bool more = !told && told.error() == errc::need_more;
    if (more && !r.error) continue;
    if (!told) {
      home.common.services.observer.on_connection({facts, false, "proxy_header"});
      co_return false;
    }
    if (told->source) {
      facts.client = {told->source->address.unmapped(), told->source->port};
      facts.local = {told->destination->address.unmapped(), told->destination->port};
      facts.trusted_hop = true;
    }
    transport.push_back(std::string_view(header).substr(told->consumed));
    co_return true;
  }
}

GATEPOST_DECL asio::awaitable<bool> server::connection::start_implicit_tls() {
  const time_point deadline = transport.now() + channel->limits.tls_timeout;
  const std::error_code failed = co_await transport.accept_tls(*home.common.options.tls, deadline);
  if (failed) {
    const std::string why = transport.tls_error();
    home.common.services.observer.on_trouble({"tls", why, facts.id});
    home.common.services.observer.on_session_end({facts, "tls failed", 0, 0, {}});
    co_return false;
  }
  facts.tls = *transport.tls();
  co_return true;
}

GATEPOST_DECL void server::connection::stop() {
  stopping = true;
  if (driver) driver->stop();
  else transport.cancel();
}

GATEPOST_DECL void server::connection::stop_now() {
  stopping = true;
  if (driver) driver->stop_now();
  else transport.cancel();
}

// --- One thread's part ---------------------------------------------------------------------------

GATEPOST_DECL asio::awaitable<void> server::lane::accept_from(std::shared_ptr<door> d) {
  // So many at once, and then the sessions have their turn.
  constexpr int burst = 64;
  while (d->descriptor.is_open()) {
    std::error_code ec;
    co_await d->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                      asio::redirect_error(asio::use_awaitable, ec));
    if (ec) break;
    for (int i = 0; i < burst && accept_one(*d); ++i) continue;
    if (!starved) continue;
    starved = false;
    asio::steady_timer rest(io, std::chrono::milliseconds(100));
    co_await rest.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  }
}

GATEPOST_DECL void server::lane::open(int fd, int family, const listener& where,
                                       std::string unlink) {
  auto d = std::make_shared<door>(io, fd, family, where, std::move(unlink));
  doors.push_back(d);
  asio::co_spawn(io, accept_from(d), [this](std::exception_ptr e) {
    if (e) common.services.observer.on_trouble({"accept", "the listener ended by an exception", {}});
  });
}

GATEPOST_DECL bool server::lane::accept_one(door& d) {
  if (!d.descriptor.is_open()) return false;
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const int fd = ::accept4(d.descriptor.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    begin(d, fd, detail::to_endpoint(peer));
    return true;
  }
  if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
    out_of_descriptors();
    return false;
  }
  // The client was gone before we came: the next one may be there.
  return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
}

GATEPOST_DECL void server::lane::out_of_descriptors() {
  starved = true;
  const std::string what = detail::system_error("accept") +
                           " (no new sessions until some end; raise the limit of open files)";
  common.services.observer.on_trouble({"accept", what, {}});
}

GATEPOST_DECL void server::lane::begin(door& d, int fd, const endpoint& peer) {
  socket_transport::socket s(io);
  std::error_code ec;
  s.assign(asio::generic::stream_protocol(d.family, 0), fd, ec);
  if (ec) {
    ::close(fd);
    common.services.observer.on_trouble({"accept", ec.message(), {}});
    return;
  }
  auto c = std::make_shared<connection>(*this, d.where, std::move(s), peer);
  c->place = connections.insert(connections.end(), c);
  asio::co_spawn(io, c->serve(), [this, c](std::exception_ptr e) { ended(*c, e); });
}

GATEPOST_DECL void server::lane::ended(connection& c, std::exception_ptr e) {
  if (c.admitted_as) common.admission.leave(*c.admitted_as);
  if (e) {
    std::string what = "a session ended by an exception";
    try {
      std::rethrow_exception(e);
    } catch (const std::exception& x) {
      what += std::string(": ") + x.what();
    } catch (...) {
    }
    common.services.observer.on_trouble({"session", what, c.facts.id});
  }
  connections.erase(c.place);
  if (connections.empty()) stopping.reset();
}

GATEPOST_DECL void server::lane::close_doors() {
  for (const auto& d : doors) {
    std::error_code ignored;
    d->descriptor.close(ignored);
    if (!d->unlink.empty()) ::unlink(d->unlink.c_str());
  }
  doors.clear();
}

GATEPOST_DECL void server::lane::stop() {
  close_doors();
  if (connections.empty()) return;
  if (!stopping) stopping.emplace(*this);
  for (const auto& c : std::list(connections)) c->stop();
}

GATEPOST_DECL void server::lane::stop_now() {
  close_doors();
  for (const auto& c : std::list(connections)) c->stop_now();
}

// --- The server ----------------------------------------------------------------------------------

GATEPOST_DECL server::server(asio::io_context& io, server_options options, smtp::policy& policy,
                             smtp::delivery& delivery)
    : server(std::vector<asio::io_context*>{&io}, std::move(options), policy, delivery) {}

GATEPOST_DECL server::server(std::vector<asio::io_context*> contexts, server_options options,
                             smtp::policy& policy, smtp::delivery& delivery)
    : shared_(std::make_unique<shared>(std::move(options), policy, delivery)) {
  detail::raise_descriptor_limit();
  for (asio::io_context* io : contexts) lanes_.push_back(std::make_unique<lane>(*io, *shared_));
}

GATEPOST_DECL server::~server() {
  for (const auto& l : lanes_) l->close_doors();
}

GATEPOST_DECL std::optional<std::string> server::listen(const listener& where) {
  if (const auto wrong = shared_->fault_of(where)) return where.address + ": " + *wrong;
  listener& kept = *shared_->listeners.emplace_back(std::make_unique<listener>(where));
  if (where.address.starts_with("unix:")) {
    const std::string path = where.address.substr(5);
    const int fd = detail::open_unix_door(path);
    if (fd < 0) return detail::system_error("cannot listen at " + where.address);
    lanes_.front()->open(fd, AF_UNIX, kept, path);
    return std::nullopt;
  }
  auto e = *parse_endpoint(where.address);
  if (detail::port_is_taken(e)) {
    errno = EADDRINUSE;
    return detail::system_error("cannot listen at " + where.address);
  }
  for (const auto& l : lanes_) {
    const int fd = detail::open_tcp_door(e);
    if (fd < 0) return detail::system_error("cannot listen at " + where.address);
    sockaddr_storage chosen{};
    socklen_t size = sizeof chosen;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&chosen), &size);
    e.port = detail::to_endpoint(chosen).port;  // the other threads share the port that was chosen
    l->open(fd, chosen.ss_family, kept, {});
  }
  shared_->endpoints.push_back(e);
  return std::nullopt;
}

GATEPOST_DECL std::vector<endpoint> server::endpoints() const { return shared_->endpoints; }

GATEPOST_DECL void server::stop() {
  for (const auto& l : lanes_) asio::post(l->io, [lane = l.get()] { lane->stop(); });
}

GATEPOST_DECL void server::stop_now() {
  for (const auto& l : lanes_) asio::post(l->io, [lane = l.get()] { lane->stop_now(); });
}

GATEPOST_DECL server_counters server::counters() const {
  return {shared_->accepted.load(std::memory_order_relaxed),
          shared_->refused.load(std::memory_order_relaxed), shared_->admission.sessions()};
}

GATEPOST_DECL memory_budget& server::memory() { return shared_->memory; }

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SERVER_IPP
