// How a client gets its connections: where to connect to, and the port that does it.
//
// `socket_connector` (smtp/socket_connector.hpp) is the real one; a test has one that hands out
// transports of its own. A target is an address, a host name, or a Unix socket:
//
//     192.0.2.1   192.0.2.1:25   [2001:db8::1]:25   mx.example:587   unix:/run/dovecot/lmtp
#ifndef GATEPOST_SMTP_CONNECTOR_HPP
#define GATEPOST_SMTP_CONNECTOR_HPP

#include <asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"
#include "smtp/result.hpp"
#include "smtp/transport.hpp"

namespace gatepost::smtp {

class connect_target {
 public:
  enum class kind : std::uint8_t { address, name, unix_path };

  connect_target() = default;
  explicit connect_target(smtp::endpoint where) : endpoint_(where), port_(where.port) {}
  connect_target(std::string host, std::uint16_t port)
      : kind_(kind::name), host_(std::move(host)), port_(port) {}
  static connect_target to_unix(std::string path) {
    connect_target t(std::move(path), 0);
    t.kind_ = kind::unix_path;
    return t;
  }

  kind what() const { return kind_; }
  const smtp::endpoint& endpoint() const { return endpoint_; }  // kind::address
  const std::string& host() const { return host_; }             // kind::name
  const std::string& path() const { return host_; }             // kind::unix_path
  std::uint16_t port() const { return port_; }

  // As parse_connect_target() reads it.
  GATEPOST_DECL std::string text() const;

  friend bool operator==(const connect_target&, const connect_target&) = default;

 private:
  kind kind_ = kind::address;
  smtp::endpoint endpoint_;
  std::string host_;
  std::uint16_t port_ = 0;
};

// Fails with errc::bad_argument. Port 0 is none.
GATEPOST_DECL result<connect_target> parse_connect_target(std::string_view text,
                                                          std::uint16_t default_port = 25);

struct connect_result {
  connect_result() = default;
  explicit connect_result(std::unique_ptr<transport> made) : connection(std::move(made)) {}
  connect_result(std::error_code why, std::string detail) : error(why), detail(std::move(detail)) {}

  std::unique_ptr<transport> connection;  // nullptr: `error` says why
  std::error_code error;
  std::string detail;  // "192.0.2.1:25: Connection refused"
};

class connector {
 public:
  virtual ~connector() = default;

  // Errors: errc::timed_out at the deadline (of steady_clock), errc::not_found where a name has no
  // address, or the system's.
  virtual asio::awaitable<connect_result> connect(connect_target where, time_point deadline) = 0;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/connector.ipp"
#endif

#endif  // GATEPOST_SMTP_CONNECTOR_HPP
