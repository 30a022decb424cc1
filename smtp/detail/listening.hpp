// The sockets that a server listens at: how they are opened, and put away again.
//
// Functions that open one return it, or an empty owned_fd with errno set.
#ifndef GATEPOST_SMTP_DETAIL_LISTENING_HPP
#define GATEPOST_SMTP_DETAIL_LISTENING_HPP

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "smtp/detail/owned_fd.hpp"
#include "smtp/detail/sockaddr.hpp"
#include "smtp/ip.hpp"

namespace gatepost::smtp::detail {

// The name of a Unix socket of ours. Removed with this, unless something else has that name by
// then.
class socket_name {
 public:
  socket_name() = default;
  explicit socket_name(std::string path) : path_(std::move(path)) {
    struct stat now{};
    if (::lstat(path_.c_str(), &now) == 0) device_ = now.st_dev, node_ = now.st_ino;
  }
  socket_name(socket_name&& other) noexcept { *this = std::move(other); }
  socket_name& operator=(socket_name&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(device_, other.device_);
    std::swap(node_, other.node_);
    return *this;
  }
  ~socket_name() { remove(); }

  void remove() {
    struct stat now{};
    if (!path_.empty() && ::lstat(path_.c_str(), &now) == 0 && now.st_dev == device_ &&
        now.st_ino == node_)
      ::unlink(path_.c_str());
    path_.clear();
  }

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t node_ = 0;
};

// Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn.
inline constexpr int accept_backlog = 4096;

// Whether more sockets are to listen at the same address and port, each with its part of the
// connections.
enum class port_use { alone, shared };

inline owned_fd open_tcp_socket(const sockaddr_storage& address) {
  owned_fd s(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  const int off = 0;
  // Connections of an earlier server may still be there.
  if (s) ::setsockopt(s.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (s && address.ss_family == AF_INET6)
    ::setsockopt(s.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  return s;
}

inline bool bind_to(const owned_fd& s, const sockaddr* address, socklen_t size) {
  return ::bind(s.get(), address, size) == 0;
}

// A listening TCP socket.
inline owned_fd open_tcp_door(const endpoint& e, port_use use) {
  socklen_t size = 0;
  const sockaddr_storage address = to_sockaddr(e, size);
  owned_fd s = open_tcp_socket(address);
  if (!s) return s;
  const int on = 1;
  if (use == port_use::shared) ::setsockopt(s.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  // Inherited by the connections: a reply is one write, and nothing is gained by holding it back.
  ::setsockopt(s.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!bind_to(s, reinterpret_cast<const sockaddr*>(&address), size)) return owned_fd();
  if (::listen(s.get(), accept_backlog) != 0) return owned_fd();
  return s;
}

// Does anybody listen there already? With SO_REUSEPORT the kernel would let a second program of the
// same user share the port, and each would get half of the mail.
inline bool port_is_taken(const endpoint& e) {
  if (e.port == 0) return false;
  socklen_t size = 0;
  const sockaddr_storage address = to_sockaddr(e, size);
  const owned_fd s = open_tcp_socket(address);
  if (!s || bind_to(s, reinterpret_cast<const sockaddr*>(&address), size)) return false;
  return errno == EADDRINUSE;
}

inline bool to_unix_address(const std::string& path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return true;
}

// Removes the socket that a killed server has left behind. False, with errno: it is in use, or no
// socket.
inline bool remove_stale_socket(const std::string& path, const sockaddr_un& address) {
  struct stat there{};
  if (::lstat(path.c_str(), &there) != 0) return errno == ENOENT;
  if (!S_ISSOCK(there.st_mode)) {
    errno = ENOTSOCK;
    return false;
  }
  // Nobody answers at a stale one. Non-blocking: a server that hangs has its queue full.
  const owned_fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe) return false;
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno == ECONNREFUSED)
    return ::unlink(path.c_str()) == 0;
  if (errno != EACCES) errno = EADDRINUSE;
  return false;
}

// A listening Unix socket, and its name. `mode`: who may connect, as chmod has it.
inline owned_fd open_unix_door(const std::string& path, unsigned mode, socket_name& name) {
  sockaddr_un address;
  if (!to_unix_address(path, address)) return owned_fd();
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  owned_fd s(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!s) return s;
  // Before it has a name, so that nobody gets in before the chmod() below.
  if (::fchmod(s.get(), mode) != 0) return owned_fd();
  if (!bind_to(s, generic, sizeof address)) {
    if (errno != EADDRINUSE || !remove_stale_socket(path, address)) return owned_fd();
    if (!bind_to(s, generic, sizeof address)) return owned_fd();
  }
  name = socket_name(path);
  if (::chmod(path.c_str(), mode) != 0) return owned_fd();  // what the umask took away
  if (::listen(s.get(), accept_backlog) != 0) return owned_fd();
  return s;
}

// As many descriptors as the hard limit lets us have.
inline void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// What to do when listening at a TCP address has failed with `error`; may be empty.
inline const char* remedy_for_tcp(int error) {
  switch (error) {
    case EADDRINUSE: return " (another program listens there: stop it, or use another port)";
    case EACCES: return " (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
    case EADDRNOTAVAIL: return " (this machine does not have that address)";
    default: return "";
  }
}

// The same for a Unix socket.
inline const char* remedy_for_unix(int error) {
  switch (error) {
    case EADDRINUSE: return " (another program listens there: stop it, or use another path)";
    case ENOTSOCK: return " (a file that is no socket has this name: use another)";
    case ENOENT: return " (make its directory first)";
    case ENAMETOOLONG: return " (the path of a Unix socket has at most 107 octets)";
    default: return "";
  }
}

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_DETAIL_LISTENING_HPP
