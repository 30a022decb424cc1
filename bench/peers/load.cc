// Loads an SMTP server at 127.0.0.1 with as many messages as it takes, and says how many it took.
//
//     load --port N [--connections 50] [--per-connection 100] [--size 4096] [--seconds 4]
//     [--pipelined]
//
// Bounded: each connection has one message under way, and sends the next when that was answered.
// With
// --pipelined MAIL, RCPT and DATA go in one write (RFC 2920), else each waits for its reply. A
// connection that has sent its messages says QUIT and a new one takes its place. One thread,
// without TLS. Prints one line:
//
//     messages=N seconds=S busy=B p50_us=T p99_us=T errors=N
//
// busy: how much of one core the generator used; near 1 it is the generator that is measured. The
// times are of one message, from MAIL to the reply behind its dot.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

struct options {
  unsigned port = 0;
  unsigned connections = 50;
  unsigned per_connection = 100;
  unsigned size = 4096;
  unsigned seconds = 4;
  bool pipelined = false;
};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "load: %s\n", what.c_str());
  std::exit(2);
}

unsigned number(std::string_view name, std::string_view text) {
  unsigned n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size() || n == 0)
    fail(std::string(name) + " needs a number above 0");
  return n;
}

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--pipelined") {
      o.pipelined = true;
      continue;
    }
    unsigned* const to = name == "--port"             ? &o.port
                         : name == "--connections"    ? &o.connections
                         : name == "--per-connection" ? &o.per_connection
                         : name == "--size"           ? &o.size
                         : name == "--seconds"        ? &o.seconds
                                                      : nullptr;
    if (to == nullptr || i + 1 == argc) fail(std::string(name) + " is no option, or has no value");
    *to = number(name, argv[++i]);
  }
  if (o.port == 0) fail("--port is missing");
  return o;
}

// Header and lines of 78 octets, one in fifty with a stuffed dot, and the end of the message.
std::string message_of(std::size_t size) {
  std::string text =
      "From: <sender@example.org>\r\nTo: <recipient@example.com>\r\nSubject: a message\r\n"
      "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n";
  for (unsigned line = 1; text.size() + 78 <= size; ++line) {
    const std::size_t begin = text.size();
    if (line % 50 == 0) text += "..";
    while (text.size() < begin + 76) text += static_cast<char>('a' + (text.size() + line) % 26);
    text += "\r\n";
  }
  return text + ".\r\n";
}

enum class state : std::uint8_t { greeting, hello, mail, rcpt, data, text, quit };

struct connection {
  int descriptor = -1;
  state at = state::greeting;
  unsigned sent = 0;             // messages
  clock_type::time_point begun;  // of the message
  std::string_view unsent;       // of what is to be written
  std::string line;              // half a reply
  bool waits_to_write = false;
};

class generator {
 public:
  explicit generator(const options& o)
      : options_(o), message_(message_of(o.size)), connections_(o.connections) {}

  void run() {
    const auto begin = clock_type::now();
    end_ = begin + std::chrono::seconds(options_.seconds);
    for (connection& c : connections_) open(c);
    while (open_ > 0) turn();
    report(clock_type::now() - begin);
  }

 private:
  void open(connection& c) {
    c = connection();
    c.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(options_.port));
    const int one = 1;
    ::setsockopt(c.descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    // On loopback the kernel answers for a server that listens: this does not wait for it.
    if (::connect(c.descriptor, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      ++errors_;
      ::close(c.descriptor);
      return;
    }
    ++open_;
    arm(c, EPOLL_CTL_ADD, EPOLLIN);
  }

  void arm(connection& c, int how, std::uint32_t what) {
    epoll_event e{};
    e.events = what;
    e.data.ptr = &c;
    ::epoll_ctl(events_, how, c.descriptor, &e);
  }

  void turn() {
    // A server that says nothing for so long has failed us.
    constexpr int patience = 10'000;
    std::array<epoll_event, 256> ready;
    const int n = ::epoll_wait(events_, ready.data(), ready.size(), patience);
    if (n == 0) fail("the server does not answer");
    for (int i = 0; i < n; ++i) {
      const epoll_event& e = ready[static_cast<std::size_t>(i)];
      auto& c = *static_cast<connection*>(e.data.ptr);
      if ((e.events & EPOLLOUT) != 0) write(c);
      if ((e.events & ~std::uint32_t{EPOLLOUT}) != 0) read(c);
    }
  }

  void read(connection& c) {
    std::array<char, 16384> buffer;
    const ssize_t n = ::recv(c.descriptor, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return lost(c);
    std::string_view input(buffer.data(), static_cast<std::size_t>(n));
    while (!input.empty()) {
      const std::size_t end = input.find('\n');
      c.line.append(input.substr(0, end));
      if (end == std::string_view::npos) return;
      input.remove_prefix(end + 1);
      // The last line of a reply has no hyphen behind its code.
      const bool whole = c.line.size() >= 4 && c.line[3] != '-';
      if (whole && !good(c)) return lost(c);
      if (whole && c.at == state::quit) return over(c);
      if (whole) replied(c);
      c.line.clear();
    }
  }

  static bool good(const connection& c) { return c.line[0] == (c.at == state::data ? '3' : '2'); }

  void replied(connection& c) {
    switch (c.at) {
      case state::greeting: return say(c, state::hello, "EHLO load.example.org\r\n");
      case state::hello: return next(c);
      case state::mail:
        c.at = state::rcpt;
        return options_.pipelined ? void() : say(c, state::rcpt, rcpt);
      case state::rcpt:
        c.at = state::data;
        return options_.pipelined ? void() : say(c, state::data, "DATA\r\n");
      case state::data: return say(c, state::text, message_);
      case state::text: return taken(c);
      case state::quit: return;
    }
  }

  void taken(connection& c) {
    ++messages_;
    const auto took = clock_type::now() - c.begun;
    micros_.push_back(static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
    next(c);
  }

  void next(connection& c) {
    c.begun = clock_type::now();
    if (c.sent == options_.per_connection || c.begun >= end_)
      return say(c, state::quit, "QUIT\r\n");
    ++c.sent;
    say(c, state::mail, options_.pipelined ? envelope : mail);
  }

  void say(connection& c, state then, std::string_view what) {
    c.at = then;
    c.unsent = what;
    write(c);
  }

  void write(connection& c) {
    while (!c.unsent.empty()) {
      const ssize_t n =
          ::send(c.descriptor, c.unsent.data(), c.unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) return lost(c);
      if (n < 0) break;
      c.unsent.remove_prefix(static_cast<std::size_t>(n));
    }
    if (c.waits_to_write == !c.unsent.empty()) return;
    c.waits_to_write = !c.unsent.empty();
    arm(c, EPOLL_CTL_MOD, c.waits_to_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }

  void lost(connection& c) {
    ++errors_;
    if (errors_ == 1) std::fprintf(stderr, "load: first error: \"%s\"\n", c.line.c_str());
    over(c);
  }

  void over(connection& c) {
    ::close(c.descriptor);
    c.descriptor = -1;
    --open_;
    if (clock_type::now() < end_ && errors_ < most_errors) open(c);
  }

  std::uint32_t percentile(double share) {
    if (micros_.empty()) return 0;
    const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(micros_.size() - 1));
    std::nth_element(micros_.begin(), micros_.begin() + at, micros_.end());
    return micros_[static_cast<std::size_t>(at)];
  }

  void report(clock_type::duration took) {
    const double seconds = std::chrono::duration<double>(took).count();
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto of = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    const double busy = (of(used.ru_utime) + of(used.ru_stime)) / seconds;
    std::printf("messages=%lu seconds=%.3f busy=%.3f p50_us=%u p99_us=%u errors=%lu\n", messages_,
                seconds, busy, percentile(0.5), percentile(0.99), errors_);
  }

  static constexpr std::string_view mail = "MAIL FROM:<sender@example.org>\r\n";
  static constexpr std::string_view rcpt = "RCPT TO:<recipient@example.com>\r\n";
  static constexpr std::string_view envelope =
      "MAIL FROM:<sender@example.org>\r\nRCPT TO:<recipient@example.com>\r\nDATA\r\n";
  // Then there is nothing to be measured.
  static constexpr unsigned long most_errors = 100;

  options options_;
  std::string message_;
  std::vector<connection> connections_;
  int events_ = ::epoll_create1(EPOLL_CLOEXEC);
  clock_type::time_point end_;
  std::vector<std::uint32_t> micros_;
  unsigned long messages_ = 0;
  unsigned long errors_ = 0;
  unsigned long open_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  generator load(parse(argc, argv));
  load.run();
}
