// The least that a program which takes mail can do: a sink that checks nothing.
//
//     floor PORT
//
// It has no limits, no deadlines and no errors, believes that every line is a command in its right
// place, looks at a command's first letter, and looks for the end of a message where it may be.
// What a real server costs is told as a multiple of this one: nearly all of it is the kernel's
// work.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view end_of_message = "\r\n.\r\n";

struct connection {
  explicit connection(int descriptor) : descriptor(descriptor) {}
  int descriptor;
  bool in_message = false;
  std::string rest;  // half a line, or what may be the first half of an end of message
};

// Answers one command. False: it was QUIT.
bool command(connection& c, char letter, std::string& replies) {
  switch (letter) {
    case 'E': replies += "250-floor.example.test\r\n250 PIPELINING\r\n"; return true;
    case 'D':
      replies += "354 Go on\r\n";
      c.in_message = true;
      return true;
    case 'Q': replies += "221 Bye\r\n"; return false;
    default: replies += "250 OK\r\n"; return true;
  }
}

// Takes the message out of `input`, as far as it has come.
void message(connection& c, std::string_view& input, std::string& replies) {
  const void* end =
      ::memmem(input.data(), input.size(), end_of_message.data(), end_of_message.size());
  if (end == nullptr) {
    const std::size_t kept = std::min(input.size(), end_of_message.size() - 1);
    c.rest.assign(input.substr(input.size() - kept));
    input = {};
    return;
  }
  const auto before = static_cast<std::size_t>(static_cast<const char*>(end) - input.data());
  input.remove_prefix(before + end_of_message.size());
  c.in_message = false;
  replies += "250 OK\r\n";
}

// False: the client said QUIT.
bool take(connection& c, std::string_view input, std::string& replies) {
  std::string joined;
  if (!c.rest.empty()) {
    joined.swap(c.rest);
    joined.append(input);
    input = joined;
  }
  while (!input.empty()) {
    if (c.in_message) {
      message(c, input, replies);
      continue;
    }
    const std::size_t end = input.find('\n');
    if (end == std::string_view::npos) {
      c.rest.assign(input);
      return true;
    }
    if (!command(c, input.front(), replies)) return false;
    input.remove_prefix(end + 1);
  }
  return true;
}

int listen_at(std::uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int one = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port = htons(port);
  if (::bind(descriptor, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 ||
      ::listen(descriptor, SOMAXCONN) != 0) {
    std::perror("floor: cannot listen");
    std::exit(1);
  }
  return descriptor;
}

void send_all(int descriptor, std::string_view text) {
  if (::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL) < 0) return;
}

void watch(int events, int descriptor, connection* c) {
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.ptr = c;
  ::epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &e);
}

void accept_all(int events, int listening) {
  for (;;) {
    const int descriptor = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return;
    watch(events, descriptor, new connection(descriptor));
    send_all(descriptor, "220 floor.example.test ESMTP\r\n");
  }
}

void serve(connection* c) {
  static std::array<char, 256u << 10> buffer;
  static std::string replies;
  const ssize_t n = ::recv(c->descriptor, buffer.data(), buffer.size(), 0);
  if (n < 0 && errno == EAGAIN) return;
  replies.clear();
  const bool stays =
      n > 0 && take(*c, std::string_view(buffer.data(), static_cast<std::size_t>(n)), replies);
  if (!replies.empty()) send_all(c->descriptor, replies);
  if (stays) return;
  ::close(c->descriptor);
  delete c;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("Usage: floor PORT\n", stderr);
    return 2;
  }
  const int listening = listen_at(static_cast<std::uint16_t>(std::atoi(argv[1])));
  const int events = ::epoll_create1(EPOLL_CLOEXEC);
  watch(events, listening, nullptr);
  std::array<epoll_event, 256> ready;
  for (;;) {
    const int n = ::epoll_wait(events, ready.data(), ready.size(), -1);
    for (int i = 0; i < n; ++i) {
      auto* c = static_cast<connection*>(ready[static_cast<std::size_t>(i)].data.ptr);
      if (c == nullptr)
        accept_all(events, listening);
      else
        serve(c);
    }
  }
}
