#ifndef GATEPOST_SMTP_IMPL_SERVER_LANE_IPP
#define GATEPOST_SMTP_IMPL_SERVER_LANE_IPP

#include <sys/socket.h>

#include <asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "smtp/detail/early_wait.hpp"
#include "smtp/detail/exception_text.hpp"
#include "smtp/detail/sockaddr.hpp"
#include "smtp/impl/server_parts.ipp"

// One thread's part of a server: it accepts, and looks after its connections.
namespace gatepost::smtp {

GATEPOST_DECL bool server::lane::start(std::shared_ptr<door> d) {
  {
    const std::lock_guard lock(doors_mutex);
    if (closed) return false;
    doors.push_back(d);
  }
  asio::post(io, [self = shared_from_this(), d] { self->wait_for_clients(*d); });
  return true;
}

// No coroutine, and nothing that asks for memory: a listener that ends by the lack of it would not
// come back.
GATEPOST_DECL void server::lane::wait_for_clients(door& d) {
  if (!d.descriptor.is_open()) return;
  const auto then = [self = shared_from_this(), kept = d.shared_from_this()](std::error_code ec) {
    if (!ec) self->accept_from(*kept);
  };
  d.descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          detail::in_memory(d.memory, then));
}

GATEPOST_DECL void server::lane::accept_from(door& d) {
  for (int i = 0; i < burst && accept_one(d); ++i) continue;
  if (std::exchange(starved, false))
    d.resting.emplace(*this, d);
  else
    wait_for_clients(d);
}

GATEPOST_DECL server::door::rest_clock::rest_clock(lane& home, door& of)
    : ticking(io_local::of(home.io)), home(home), of(of) {}

GATEPOST_DECL void server::door::rest_clock::tick(time_point) {
  lane& then = home;
  door& at = of;
  at.resting.reset();  // this
  then.wait_for_clients(at);
}

GATEPOST_DECL bool server::lane::accept_one(door& d) {
  if (!d.descriptor.is_open()) return false;
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  detail::owned_fd fd(::accept4(d.descriptor.native_handle(), reinterpret_cast<sockaddr*>(&peer),
                                &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  const int error = errno;
  if (fd) {
    aborted = 0;
    try {
      begin(d, std::move(fd), detail::to_endpoint(peer));
      return true;
    } catch (...) {  // of one client; the next one finds us here
      starved = true;
      complain_of(std::current_exception());
      return false;
    }
  }
  if (error == EAGAIN || error == EWOULDBLOCK) return false;
  // The client was gone before we came: the next one may be there. Not for ever, though.
  const bool of_one = error == ECONNABORTED || error == EINTR || error == EPROTO;
  if (of_one && ++aborted < burst) return true;
  aborted = 0;
  starved = true;
  const bool full = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
  complain("accept: ", std::strerror(error),
           full ? " (no new sessions until some end; raise the limit of open files)" : "");
  return false;
}

GATEPOST_DECL void server::lane::complain_of(const std::exception_ptr& e) {
  try {
    complain("", detail::exception_text(e), "");
  } catch (...) {  // no memory left for a word
  }
}

GATEPOST_DECL void server::lane::complain(std::string_view where, std::string_view what,
                                          std::string_view remedy) {
  // Ten times a second would be what it comes to, and nothing new.
  constexpr std::chrono::seconds quiet{10};
  const time_point now = io_local::clock::now();
  if (now < next_complaint) return;
  next_complaint = now + quiet;
  try {
    std::string all(where);
    all.append(what).append(remedy);
    common.services.observer.on_trouble({"accept", all, {}});
  } catch (...) {
  }
}

GATEPOST_DECL void server::lane::begin(door& d, detail::owned_fd fd, const endpoint& peer) {
  auto c = std::make_shared<connection>(shared_from_this(), d, std::move(fd), peer);
  c->place = connections.insert(connections.end(), c);
  try {
    const auto then = [c](std::exception_ptr e) { c->ended(e); };
    detail::spawn(io.get_executor(), c->serve(), then, c->cancel.slot());
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

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SERVER_LANE_IPP
