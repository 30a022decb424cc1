#ifndef GATEPOST_SMTP_IMPL_SERVER_IPP
#define GATEPOST_SMTP_IMPL_SERVER_IPP

#include <sys/socket.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <exception>
#include <list>
#include <mutex>

#include "smtp/detail/listening.hpp"
#include "smtp/detail/sockaddr.hpp"
#include "smtp/drive.hpp"
#include "smtp/id.hpp"
#include "smtp/io_local.hpp"
#include "smtp/proxy_header.hpp"
#include "smtp/server.hpp"
#include "smtp/socket_transport.hpp"

namespace gatepost::smtp {
namespace detail {

inline constexpr std::string_view unix_scheme = "unix:";

inline bool at_unix_socket(const listener& where) { return where.address.starts_with(unix_scheme); }

inline std::string cannot_listen(const listener& where, int error, const std::string& remedy) {
  return "cannot listen at " + where.address + ": " + std::strerror(error) + remedy;
}

inline std::string what_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
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
      if (unknown(rule.channel))
        return "a rule names the channel \"" + rule.channel + "\", which does not exist";
    if (where.implicit_tls && (options.tls == nullptr || !options.tls->ready()))
      return "TLS is to be spoken here, but no certificate is loaded";
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
    if (facts.unix_peer.empty() || facts.trusted_hop)
      for (const channel_rule& rule : options.rules)
        if (rule.clients.contains(facts.client.address)) return *find_channel(rule.channel);
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
  std::vector<std::unique_ptr<const listener>> listeners;
  std::vector<endpoint> endpoints;
};

// One connection, from the accept to the end.
struct server::connection {
  connection(std::shared_ptr<lane> home, const listener& where, socket_transport::socket s,
             const endpoint& peer);

  asio::awaitable<void> serve();
  asio::awaitable<bool> begin();
  asio::awaitable<bool> identify();
  asio::awaitable<bool> read_proxy_header();
  asio::awaitable<bool> start_implicit_tls();
  bool hold();
  void let_go();
  bool admit();
  void turn_away(std::string_view why);
  void say(const fixed_reply& r);
  void over(std::string_view why);
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
  std::unique_ptr<session_driver> driver;
  bool held = false;                      // admission counts it as one whose client is not known
  std::optional<ip_address> admitted_as;  // XCLIENT may change the client later
  bool stopping = false;
  bool abandoned = false;
  bool reported = false;  // its end, to the observer
  std::list<std::shared_ptr<connection>>::iterator place;
};

// A socket that one thread accepts from.
struct server::door {
  door(asio::io_context& io, detail::owned_fd fd, const listener& where, int family,
       detail::socket_name name)
      : descriptor(io, fd.get()), family(family), where(where), name(std::move(name)) {
    fd.release();
  }
  asio::posix::stream_descriptor descriptor;
  int family;
  const listener& where;
  detail::socket_name name;  // of a Unix socket
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

  asio::awaitable<void> accept_from(std::shared_ptr<door> d);
  bool accept_one(door& d);
  void begin(door& d, detail::owned_fd fd, const endpoint& peer);
  void complain(std::string_view what);
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
  bool starved = false;  // accept() found no descriptor or no memory free
  time_point next_complaint{};
};

// --- One connection ------------------------------------------------------------------------------

GATEPOST_DECL server::connection::connection(std::shared_ptr<lane> in, const listener& where,
                                             socket_transport::socket s, const endpoint& peer)
    : home(std::move(in)), common(home->common), where(where), transport(home->io, std::move(s)) {
  transport.linger_on_close();
  facts.connected_at = common.services.now();
  facts.id = common.ids.next(facts.connected_at);
  facts.peer = facts.client = peer;
  facts.local = transport.local();
  if (detail::at_unix_socket(where))
    facts.unix_peer = where.address.substr(detail::unix_scheme.size());
}

GATEPOST_DECL asio::awaitable<void> server::connection::serve() {
  const bool begun = co_await begin();
  if (begun && stopping) {
    say(replies::shutting_down);
    over("shutdown");
  } else if (begun) {
    driver = std::make_unique<session_driver>(transport, *channel, facts, common.services,
                                              io_local::of(home->io).buffers());
    co_await driver->run();
  }
  transport.close();
}

// Everything before the greeting: who is it, may it come in, is it protected?
GATEPOST_DECL asio::awaitable<bool> server::connection::begin() {
  if (abandoned) co_return false;
  if (where.proxy) {
    const bool known = co_await identify();
    if (!known) co_return false;
  }
  if (!admit()) co_return false;
  channel = &common.channel_for(where, facts);
  facts.channel = channel->name;
  if (where.implicit_tls) {
    const bool secured = co_await start_implicit_tls();
    if (!secured) co_return false;
  }
  co_return true;
}

GATEPOST_DECL asio::awaitable<bool> server::connection::identify() {
  // A Unix socket's mode says who is trusted.
  if (facts.unix_peer.empty() && !common.options.proxies.contains(facts.peer.address)) {
    turn_away("proxy_not_trusted");
    co_return false;
  }
  if (!hold()) co_return false;
  const bool told = co_await read_proxy_header();
  let_go();
  if (!told) turn_away(stopping ? "stopping" : "proxy_header");
  co_return told;
}

// Until the proxy has said who the client is, only the limit in all can hold for it.
GATEPOST_DECL bool server::connection::hold() {
  const admittance a = common.admission.hold();
  held = a == admittance::admitted;
  if (held) return true;
  turn_away(to_string(a));
  if (!where.implicit_tls) say(refusal_of(a));
  return false;
}

GATEPOST_DECL void server::connection::let_go() {
  if (std::exchange(held, false)) common.admission.release();
}

GATEPOST_DECL bool server::connection::admit() {
  // Who comes by a Unix socket comes from this machine, and is counted as one network.
  const admittance a =
      common.admission.enter(facts.client.address, std::chrono::steady_clock::now());
  if (a != admittance::admitted) {
    turn_away(to_string(a));
    // A handshake is what a flood would like us to do.
    if (!where.implicit_tls) say(refusal_of(a));
    return false;
  }
  admitted_as = facts.client.address;
  common.accepted.fetch_add(1, std::memory_order_relaxed);
  common.services.observer.on_connection({facts, true, {}});
  return true;
}

GATEPOST_DECL void server::connection::turn_away(std::string_view why) {
  common.refused.fetch_add(1, std::memory_order_relaxed);
  common.services.observer.on_connection({facts, false, why});
}

// As far as it goes without waiting.
GATEPOST_DECL void server::connection::say(const fixed_reply& r) {
  std::string words;
  append_reply(words, r);
  transport.try_write(words);
}

// Of a session that has not come as far as its greeting.
GATEPOST_DECL void server::connection::over(std::string_view why) {
  if (std::exchange(reported, true)) return;
  common.services.observer.on_session_end({facts, why, 0, 0, transport.now() - since});
}

GATEPOST_DECL asio::awaitable<bool> server::connection::read_proxy_header() {
  const session_limits& limits = common.find_channel(where.channel)->limits;
  const time_point deadline = transport.now() + limits.proxy_timeout;
  std::string header;
  char octets[512];
  while (true) {
    const io_result r = transport.try_read(octets);
    if (r.would_block()) {
      const std::error_code waited = co_await transport.wait(readiness::to_read, deadline);
      if (waited || stopping) co_return false;
      continue;
    }
    header.append(octets, r.octets);
    const auto told = smtp::read_proxy_header(header);
    const bool more = !told && told.error() == errc::need_more;
    if (more && !r.error) continue;
    if (!told) co_return false;
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
  const std::error_code failed = co_await transport.accept_tls(*common.options.tls, deadline);
  if (!failed) {
    facts.tls = *transport.tls();
    co_return true;
  }
  if (stopping) {
    over("shutdown");
    co_return false;
  }
  const std::string why = transport.tls_error();
  common.services.observer.on_trouble({"tls", why, facts.id});
  over("tls failed");
  co_return false;
}

// The coroutine is done, by an exception or without.
GATEPOST_DECL void server::connection::ended(std::exception_ptr e) {
  let_go();
  if (admitted_as) common.admission.leave(*admitted_as);
  if (e) {
    // Nothing of it may reach the event loop, which would end the program.
    try {
      const std::string what = "a session ended by an exception: " + detail::what_of(e);
      common.services.observer.on_trouble({"session", what, facts.id});
      if (admitted_as && !driver) over("error");
    } catch (...) {
    }
  }
  home->ended(*this);
}

GATEPOST_DECL void server::connection::stop() {
  stopping = true;
  if (driver)
    driver->stop();
  else
    transport.cancel();
}

GATEPOST_DECL void server::connection::stop_now() {
  stopping = true;
  transport.hurry();
  if (driver)
    driver->stop_now();
  else
    transport.cancel();
}

// The server is destroyed. Who waits for the client never comes back, and the driver can go at
// once: that coroutine holds nothing whose destructor would need it. Who waits for an answer does
// come back, perhaps.
GATEPOST_DECL void server::connection::abandon() {
  abandoned = stopping = true;
  if (!transport.abandon()) {
    if (driver) driver->stop_now();
    return;
  }
  driver.reset();
  if (admitted_as) over("shutdown");
}

// --- One thread's part ---------------------------------------------------------------------------

GATEPOST_DECL bool server::lane::start(std::shared_ptr<door> d) {
  {
    const std::lock_guard lock(doors_mutex);
    if (closed) return false;
    doors.push_back(d);
  }
  asio::co_spawn(io, accept_from(d), [self = shared_from_this()](std::exception_ptr e) {
    if (e) self->complain("the listener ended by an exception: " + detail::what_of(e));
  });
  return true;
}

GATEPOST_DECL asio::awaitable<void> server::lane::accept_from(std::shared_ptr<door> d) {
  // So many at once, and then the sessions have their turn.
  constexpr int burst = 64;
  while (d->descriptor.is_open()) {
    std::error_code ec;
    co_await d->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                      asio::redirect_error(asio::use_awaitable, ec));
    if (ec) break;
    for (int i = 0; i < burst && accept_one(*d); ++i) continue;
    if (!std::exchange(starved, false)) continue;
    asio::steady_timer rest(io, std::chrono::milliseconds(100));
    co_await rest.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  }
}

GATEPOST_DECL bool server::lane::accept_one(door& d) {
  if (!d.descriptor.is_open()) return false;
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  detail::owned_fd fd(::accept4(d.descriptor.native_handle(), reinterpret_cast<sockaddr*>(&peer),
                                &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  const int error = errno;
  if (fd) {
    try {
      begin(d, std::move(fd), detail::to_endpoint(peer));
      return true;
    } catch (...) {  // of one client; the next one finds us here
      starved = true;
      complain(detail::what_of(std::current_exception()));
      return false;
    }
  }
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
    starved = true;
    complain(std::string("accept: ") + std::strerror(error) +
             " (no new sessions until some end; raise the limit of open files)");
    return false;
  }
  // The client was gone before we came: the next one may be there.
  return error == ECONNABORTED || error == EINTR || error == EPROTO;
}

GATEPOST_DECL void server::lane::complain(std::string_view what) {
  // Ten times a second would be what it comes to, and nothing new.
  constexpr std::chrono::seconds quiet{10};
  const time_point now = io_local::clock::now();
  if (now < next_complaint) return;
  next_complaint = now + quiet;
  try {
    common.services.observer.on_trouble({"accept", what, {}});
  } catch (...) {
  }
}

GATEPOST_DECL void server::lane::begin(door& d, detail::owned_fd fd, const endpoint& peer) {
  socket_transport::socket s(io);
  s.assign(asio::generic::stream_protocol(d.family, 0), fd.get());
  fd.release();
  auto c = std::make_shared<connection>(shared_from_this(), d.where, std::move(s), peer);
  c->place = connections.insert(connections.end(), c);
  try {
    asio::co_spawn(io, c->serve(), [c](std::exception_ptr e) { c->ended(e); });
  } catch (...) {
    ended(*c);
    throw;
  }
}

GATEPOST_DECL void server::lane::ended(connection& c) {
  if (c.abandoned) return;  // it is in no list any more
  connections.erase(c.place);
  if (connections.empty()) stopping.reset();
}

GATEPOST_DECL void server::lane::close_doors() {
  const std::lock_guard lock(doors_mutex);
  closed = true;
  for (const auto& d : doors) {
    // The name first: whoever wants the path finds nobody who answers there, and no socket that is
    // ours.
    d->name.remove();
    std::error_code ignored;
    d->descriptor.close(ignored);
  }
  doors.clear();
}

GATEPOST_DECL void server::lane::stop() {
  close_doors();
  if (connections.empty()) return;
  if (!stopping) stopping.emplace(*this);
  tell_all(&connection::stop);
}

GATEPOST_DECL void server::lane::stop_now() {
  close_doors();
  tell_all(&connection::stop_now);
}

// A connection may be gone before the next one is told.
GATEPOST_DECL void server::lane::tell_all(void (connection::*what)()) {
  for (auto next = connections.begin(); next != connections.end();) {
    const std::shared_ptr<connection> c = *next++;
    try {
      ((*c).*what)();
    } catch (...) {  // no memory left for a word
      c->transport.close();
    }
  }
}

GATEPOST_DECL void server::lane::end() {
  close_doors();
  stopping.reset();
  const auto all = std::exchange(connections, {});
  for (const auto& c : all) c->abandon();
}

// --- The server ----------------------------------------------------------------------------------

GATEPOST_DECL server::server(asio::io_context& io, server_options options, smtp::policy& policy,
                             smtp::delivery& delivery)
    : server(std::vector<asio::io_context*>{&io}, std::move(options), policy, delivery) {}

GATEPOST_DECL server::server(std::vector<asio::io_context*> contexts, server_options options,
                             smtp::policy& policy, smtp::delivery& delivery)
    : shared_(std::make_shared<shared>(std::move(options), policy, delivery)) {
  assert(!contexts.empty());
  detail::raise_descriptor_limit();
  for (asio::io_context* io : contexts) lanes_.push_back(std::make_shared<lane>(*io, shared_));
}

GATEPOST_DECL server::~server() {
  for (const auto& l : lanes_) l->end();
}

GATEPOST_DECL std::optional<std::string> server::listen(const listener& where) {
  if (const auto wrong = shared_->fault_of(where)) return where.address + ": " + *wrong;
  try {
    return detail::at_unix_socket(where) ? listen_unix(where) : listen_tcp(where);
  } catch (const std::system_error& e) {  // epoll did not want it
    return detail::cannot_listen(where, e.code().value(), {});
  }
}

// All threads' sockets are opened, then all begin to accept.
GATEPOST_DECL std::optional<std::string> server::listen_tcp(const listener& where) {
  auto e = *parse_endpoint(where.address);
  const auto use = lanes_.size() > 1 ? detail::port_use::shared : detail::port_use::alone;
  if (use == detail::port_use::shared && detail::port_is_taken(e))
    return detail::cannot_listen(where, EADDRINUSE, remedy_for(e, EADDRINUSE));
  auto kept = std::make_unique<const listener>(where);
  std::vector<std::shared_ptr<door>> doors;
  for (const auto& l : lanes_) {
    detail::owned_fd fd = detail::open_tcp_door(e, use);
    if (!fd) {
      const int error = errno;
      return detail::cannot_listen(where, error, remedy_for(e, error));
    }
    sockaddr_storage chosen{};
    socklen_t size = sizeof chosen;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&chosen), &size);
    e.port = detail::to_endpoint(chosen).port;  // the other threads share the port that was chosen
    doors.push_back(std::make_shared<door>(l->io, std::move(fd), *kept, chosen.ss_family,
                                           detail::socket_name()));
  }
  if (auto wrong = start(std::move(kept), doors)) return wrong;
  shared_->endpoints.push_back(e);
  return std::nullopt;
}

GATEPOST_DECL std::optional<std::string> server::listen_unix(const listener& where) {
  const std::string path = where.address.substr(detail::unix_scheme.size());
  detail::socket_name name;
  detail::owned_fd fd = detail::open_unix_door(path, where.unix_mode, name);
  if (!fd) {
    const int error = errno;
    return detail::cannot_listen(where, error, detail::remedy_for_unix(error));
  }
  auto kept = std::make_unique<const listener>(where);
  const std::vector doors{
      std::make_shared<door>(lanes_.front()->io, std::move(fd), *kept, AF_UNIX, std::move(name))};
  return start(std::move(kept), doors);
}

// doors[i] is of lanes_[i].
GATEPOST_DECL std::optional<std::string> server::start(
    std::unique_ptr<const listener> where, const std::vector<std::shared_ptr<door>>& doors) {
  const listener& kept = *shared_->listeners.emplace_back(std::move(where));
  for (std::size_t i = 0; i < doors.size(); ++i)
    if (!lanes_[i]->start(doors[i])) return kept.address + ": the server has stopped";
  return std::nullopt;
}

GATEPOST_DECL std::string server::remedy_for(const endpoint& e, int error) const {
  if (error == EADDRINUSE)
    for (const endpoint& own : shared_->endpoints)
      if (own.port == e.port)
        return " (this server listens at " + own.text() + ", which may take it in)";
  return detail::remedy_for_tcp(error);
}

GATEPOST_DECL std::vector<endpoint> server::endpoints() const { return shared_->endpoints; }

GATEPOST_DECL void server::stop() {
  for (const auto& l : lanes_) asio::post(l->io, [l] { l->stop(); });
}

GATEPOST_DECL void server::stop_now() {
  for (const auto& l : lanes_) asio::post(l->io, [l] { l->stop_now(); });
}

GATEPOST_DECL server_counters server::counters() const {
  return {shared_->accepted.load(std::memory_order_relaxed),
          shared_->refused.load(std::memory_order_relaxed), shared_->admission.sessions()};
}

GATEPOST_DECL memory_budget& server::memory() { return shared_->memory; }

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SERVER_IPP
