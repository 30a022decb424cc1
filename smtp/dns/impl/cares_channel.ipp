#ifndef GATEPOST_SMTP_DNS_IMPL_CARES_CHANNEL_IPP
#define GATEPOST_SMTP_DNS_IMPL_CARES_CHANNEL_IPP

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "smtp/dns/detail/cares_channel.hpp"

namespace gatepost::smtp::dns::detail {

inline void check_cares(int status) {
  if (status != ARES_SUCCESS)
    throw std::runtime_error(std::string("c-ares: ") + ares_strerror(status));
}

// Once in a process, and for good: c-ares counts this without a lock.
inline void start_cares() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  check_cares(status);
}

inline endpoint endpoint_of(const ares_addr_port_node& node) {
  endpoint e;
  const auto* octets = reinterpret_cast<const std::uint8_t*>(&node.addr);
  if (node.family == AF_INET) {
    ip_address::v4_octets v4;
    std::copy_n(octets, v4.size(), v4.begin());
    e.address = ip_address(v4);
  } else {
    ip_address::v6_octets v6;
    std::copy_n(octets, v6.size(), v6.begin());
    e.address = ip_address(v6);
  }
  e.port = node.udp_port != 0 ? static_cast<std::uint16_t>(node.udp_port) : dns_port;
  return e;
}

inline ares_addr_port_node node_of(const endpoint& e) {
  ares_addr_port_node node{};
  node.family = e.address.is_v4() ? AF_INET : AF_INET6;
  const auto octets = e.address.octets();
  std::memcpy(&node.addr, octets.data(), octets.size());
  node.udp_port = node.tcp_port = e.port != 0 ? e.port : dns_port;
  return node;
}

GATEPOST_DECL std::vector<endpoint> system_servers() {
  start_cares();
  ares_channel channel = nullptr;
  check_cares(ares_init(&channel));
  ares_addr_port_node* first = nullptr;
  const int status = ares_get_servers_ports(channel, &first);
  std::vector<endpoint> servers;
  for (const auto* node = first; node != nullptr; node = node->next)
    servers.push_back(endpoint_of(*node));
  if (first != nullptr) ares_free_data(first);
  ares_destroy(channel);
  check_cares(status);
  return servers;
}

GATEPOST_DECL cares_channel::cares_channel(asio::io_context& io, const endpoint& server,
                                           std::chrono::milliseconds timeout, std::uint16_t payload)
    : io_(io), timer_(io) {
  start_cares();
  ares_options options{};
  // NOCHECKRESP: SERVFAIL and the like come to us. NOSEARCH, NOALIASES: names as they are.
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  // Only tells how large an answer may be before it is asked for by TCP: queries are ours.
  if (payload != 0) options.flags |= ARES_FLAG_EDNS;
  options.ednspsz = payload;
  options.timeout = static_cast<int>(std::max<std::int64_t>(timeout.count(), 1));
  options.tries = 1;
  options.sock_state_cb = &socket_changed;
  options.sock_state_cb_data = this;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
                   (payload != 0 ? ARES_OPT_EDNSPSZ : 0);
  check_cares(ares_init_options(&channel_, &options, mask));
  ares_addr_port_node node = node_of(server);
  const int status = ares_set_servers_ports(channel_, &node);
  if (status == ARES_SUCCESS) return;
  close();
  check_cares(status);
}

GATEPOST_DECL cares_channel::~cares_channel() { close(); }

GATEPOST_DECL void cares_channel::send(const std::string& query, ares_callback callback,
                                       void* argument) {
  if (channel_ == nullptr) return callback(argument, ARES_EDESTRUCTION, 0, nullptr, 0);
  ares_send(channel_, reinterpret_cast<const unsigned char*>(query.data()),
            static_cast<int>(query.size()), callback, argument);
  arm();
}

GATEPOST_DECL void cares_channel::drop() {
  if (channel_ == nullptr) return;
  ares_cancel(channel_);
  arm();
}

GATEPOST_DECL void cares_channel::close() {
  if (channel_ == nullptr) return;
  ares_channel closing = std::exchange(channel_, nullptr);
  // It tells of every socket that it closes.
  ares_destroy(closing);
  while (!sockets_.empty()) forget(sockets_.begin()->first);
  timer_.reset();
}

// --- Sockets -------------------------------------------------------------------------------------

GATEPOST_DECL void cares_channel::socket_changed(void* self, ares_socket_t fd, int readable,
                                                 int writable) {
  auto& home = *static_cast<cares_channel*>(self);
  if (readable == 0 && writable == 0) return home.forget(fd);
  home.watch(fd, readable != 0, writable != 0);
}

GATEPOST_DECL void cares_channel::watch(ares_socket_t fd, bool read, bool write) {
  auto& place = sockets_[fd];
  if (!place) {
    place = std::make_shared<watched>(io_, fd);
    std::error_code ec;
    place->descriptor.assign(fd, ec);
    // Not watched, then: c-ares' timeout ends the query.
    if (ec) place->open = false;
  }
  place->wants_read = read;
  place->wants_write = write;
  const std::shared_ptr<watched> w = place;
  wait_to_read(w);
  wait_to_write(w);
}

// c-ares closes the socket after this.
GATEPOST_DECL void cares_channel::forget(ares_socket_t fd) {
  const auto found = sockets_.find(fd);
  if (found == sockets_.end()) return;
  const std::shared_ptr<watched> w = found->second;
  sockets_.erase(found);
  w->open = false;
  if (w->descriptor.is_open()) w->descriptor.release();
}

GATEPOST_DECL void cares_channel::wait_to_read(const std::shared_ptr<watched>& w) {
  if (!w->open || !w->wants_read || w->waits_to_read) return;
  w->waits_to_read = true;
  w->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this(), w](std::error_code ec) {
                             w->waits_to_read = false;
                             if (ec || !w->open) return;
                             self->process(w->fd, ARES_SOCKET_BAD);
                             self->wait_to_read(w);
                           });
}

GATEPOST_DECL void cares_channel::wait_to_write(const std::shared_ptr<watched>& w) {
  if (!w->open || !w->wants_write || w->waits_to_write) return;
  w->waits_to_write = true;
  w->descriptor.async_wait(asio::posix::stream_descriptor::wait_write,
                           [self = shared_from_this(), w](std::error_code ec) {
                             w->waits_to_write = false;
                             if (ec || !w->open) return;
                             self->process(ARES_SOCKET_BAD, w->fd);
                             self->wait_to_write(w);
                           });
}

// --- Time ----------------------------------------------------------------------------------------

GATEPOST_DECL void cares_channel::process(ares_socket_t readable, ares_socket_t writable) {
  if (channel_ == nullptr) return;
  ares_process_fd(channel_, readable, writable);
  arm();
}

// After each call of c-ares: what it waits for may have changed.
GATEPOST_DECL void cares_channel::arm() {
  timeval until{};
  if (ares_timeout(channel_, nullptr, &until) == nullptr) {
    timer_->cancel();
    return;
  }
  timer_->expires_after(std::chrono::seconds(until.tv_sec) +
                        std::chrono::microseconds(until.tv_usec));
  timer_->async_wait([self = shared_from_this()](std::error_code ec) {
    if (!ec) self->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

}  // namespace gatepost::smtp::dns::detail

#endif  // GATEPOST_SMTP_DNS_IMPL_CARES_CHANNEL_IPP
