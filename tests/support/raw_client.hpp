// A blocking client on a loopback socket, for tests of servers: says what it is told, and reads
// lines.
#ifndef GATEPOST_TESTS_SUPPORT_RAW_CLIENT_HPP
#define GATEPOST_TESTS_SUPPORT_RAW_CLIENT_HPP

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace gatepost::tests {

class raw_client {
 public:
  // Anything that takes longer has failed.
  static constexpr int patience_ms = 10000;

  // Not connected yet: see connect().
  raw_client() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}

  // Takes a socket that is connected already.
  static raw_client of(int fd) {
    raw_client c;
    c.close();
    c.fd_ = fd;
    return c;
  }

  // `from`: an address of the loopback network to connect from.
  explicit raw_client(std::uint16_t port, const char* from = nullptr) : raw_client() {
    if (from != nullptr) {
      sockaddr_in own = address(0, from);
      if (::bind(fd_, reinterpret_cast<sockaddr*>(&own), sizeof own) != 0) fail("bind");
    }
    connect(port);
  }

  explicit raw_client(const std::string& unix_path) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    unix_path.copy(to.sun_path, sizeof to.sun_path - 1);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fail("connect");
  }

  raw_client(raw_client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), input_(std::move(other.input_)) {}
  raw_client& operator=(raw_client&&) = delete;
  ~raw_client() { close(); }

  void connect(std::uint16_t port) {
    sockaddr_in to = address(port, "127.0.0.1");
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fail("connect");
  }

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) fail("send");
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  // As much of it as goes at once: the octets.
  std::size_t send_some(std::string_view text) {
    const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? 0 : static_cast<std::size_t>(n);
  }

  // Before connect(): has room for so many octets that were not read.
  void receive_buffer(int octets) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
  }

  // One line with its CRLF; "" when the server has closed.
  std::string line() {
    while (true) {
      const std::size_t end = input_.find('\n');
      if (end != std::string::npos) {
        std::string l = input_.substr(0, end + 1);
        input_.erase(0, end + 1);
        return l;
      }
      if (!receive()) return std::exchange(input_, {});
    }
  }

  // One reply, all its lines; "" when the server has closed.
  std::string reply() {
    std::string all;
    while (true) {
      const std::string l = line();
      all += l;
      if (l.size() < 4 || l[3] != '-') return all;
    }
  }

  std::string ask(std::string_view command) {
    send(std::string(command) + "\r\n");
    return reply();
  }

  // True when the server has closed its side, and nothing more was said.
  bool closed() { return input_.empty() && !receive(); }
  // The same, and it has done so properly: what it said before was not in danger.
  bool closed_without_reset() { return closed() && !reset_; }

  void half_close() { ::shutdown(fd_, SHUT_WR); }
  // Leaves without a word: the server gets a reset.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  std::uint16_t local_port() const {
    sockaddr_in own{};
    socklen_t size = sizeof own;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&own), &size);
    return ntohs(own.sin_port);
  }

 private:
  static sockaddr_in address(std::uint16_t port, const char* ip) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    ::inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
  }

  [[noreturn]] static void fail(const char* what) {
    throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
  }

  bool receive() {
    pollfd p{fd_, POLLIN, 0};
    if (::poll(&p, 1, patience_ms) != 1) throw std::runtime_error("the server says nothing");
    char octets[4096];
    const ssize_t n = ::recv(fd_, octets, sizeof octets, 0);
    if (n < 0 && errno == ECONNRESET) reset_ = true;
    if (n <= 0) return false;
    input_.append(octets, static_cast<std::size_t>(n));
    return true;
  }

  int fd_ = -1;
  bool reset_ = false;  // the server closed the connection with a reset
  std::string input_;
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_RAW_CLIENT_HPP
