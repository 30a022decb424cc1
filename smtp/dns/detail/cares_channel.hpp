// One c-ares channel, to one name server, on Asio: sends a query, waits, gives what came.
//
// c-ares owns its sockets: they are watched, and released (never closed) before it closes them. All
// functions are called on the thread of the io_context.
#ifndef GATEPOST_SMTP_DNS_DETAIL_CARES_CHANNEL_HPP
#define GATEPOST_SMTP_DNS_DETAIL_CARES_CHANNEL_HPP

#include <ares.h>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::smtp::dns::detail {

inline constexpr std::uint16_t dns_port = 53;

// The servers of /etc/resolv.conf. Throws std::runtime_error.
GATEPOST_DECL std::vector<endpoint> system_servers();

// Handlers that wait keep it alive until close().
class cares_channel : public std::enable_shared_from_this<cares_channel> {
 public:
  // Throws std::runtime_error.
  GATEPOST_DECL cares_channel(asio::io_context& io, const endpoint& server,
                              std::chrono::milliseconds timeout, std::uint16_t payload);
  cares_channel(const cares_channel&) = delete;
  cares_channel& operator=(const cares_channel&) = delete;
  GATEPOST_DECL ~cares_channel();

  // `callback` is called once, perhaps within this call or within close(); it may not call back.
  GATEPOST_DECL void send(const std::string& query, ares_callback callback, void* argument);

  // Ends what is open, with ARES_ECANCELLED. Not from a callback.
  GATEPOST_DECL void drop();

  // Ends everything: open queries with ARES_EDESTRUCTION. Not from a callback.
  GATEPOST_DECL void close();

 private:
  // A socket of c-ares. Its number may be used again as soon as it is closed, so that handlers hold
  // this, not the number.
  struct watched {
    watched(asio::io_context& io, ares_socket_t fd) : descriptor(io), fd(fd) {}
    asio::posix::stream_descriptor descriptor;
    ares_socket_t fd;
    bool open = true;
    bool wants_read = false;
    bool wants_write = false;
    bool waits_to_read = false;
    bool waits_to_write = false;
  };

  static void socket_changed(void* self, ares_socket_t fd, int readable, int writable);
  void watch(ares_socket_t fd, bool read, bool write);
  void forget(ares_socket_t fd);
  void wait_to_read(const std::shared_ptr<watched>& w);
  void wait_to_write(const std::shared_ptr<watched>& w);
  void process(ares_socket_t readable, ares_socket_t writable);
  void arm();

  asio::io_context& io_;
  ares_channel channel_ = nullptr;  // nullptr: closed
  std::map<ares_socket_t, std::shared_ptr<watched>> sockets_;
  std::optional<asio::steady_timer> timer_;
};

}  // namespace gatepost::smtp::dns::detail

#endif  // GATEPOST_SMTP_DNS_DETAIL_CARES_CHANNEL_HPP
