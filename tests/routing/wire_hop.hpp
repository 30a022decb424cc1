// A next hop on a loopback socket, which does what a test tells it to, also what no good server
// does.
//
// It serves any number of connections on the test's io_context. Commands are answered by `answer`,
// where that says something, and else as a server does that takes everything.
#ifndef GATEPOST_TESTS_ROUTING_WIRE_HOP_HPP
#define GATEPOST_TESTS_ROUTING_WIRE_HOP_HPP

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "routing/route.hpp"
#include "smtp/socket_transport.hpp"
#include "smtp/tls/context.hpp"
#include "tests/support/run.hpp"

namespace gatepost::tests {

// A message that the hop has said yes to.
struct taken_message {
  taken_message() = default;
  std::string mail;               // the whole command: "MAIL FROM:<a@b> SIZE=3"
  std::vector<std::string> rcpt;  // "RCPT TO:<c@d>", of those that were accepted
  std::string text;
  int connection = 0;
  bool tls = false;
};

class wire_hop {
 public:
  using tcp = asio::ip::tcp;
  using unix = asio::local::stream_protocol;

  // What `answer` may say beside replies.
  static constexpr std::string_view drop = "drop";      // close the connection, without a word
  static constexpr std::string_view silent = "silent";  // say nothing, from now on

  explicit wire_hop(asio::io_context& io) : io_(io), state_(std::make_shared<state>(io)) {
    asio::co_spawn(io, accept_all(state_, state_->acceptor), [](std::exception_ptr) {});
  }
  wire_hop(const wire_hop&) = delete;
  wire_hop& operator=(const wire_hop&) = delete;
  ~wire_hop() {
    go_away();
    drop_connections();
  }

  // --- What it does ------------------------------------------------------------------------------

  // By connection (from 1) and line: the reply, or one of the above, or "": as usual. The line is
  // "" for the greeting, "." for the end of a message, and for LMTP ". RCPT TO:<...>" once per
  // recipient.
  using answers = std::function<std::string(int, std::string_view)>;
  void answer(answers how) { state_->answer = std::move(how); }
  // Answers lines that begin so.
  void answer(std::string prefix, std::string reply) {
    answer([=](int, std::string_view line) { return line.starts_with(prefix) ? reply : ""; });
  }
  void offers(std::vector<std::string> keywords) { state_->keywords = std::move(keywords); }
  void serve_tls(const smtp::server_context& context) { state_->tls = &context; }
  void speak_lmtp() { state_->lmtp = true; }

  // By a Unix socket, too.
  void listen_at(const std::string& path) {
    state_->unix_acceptor.emplace(io_, unix::endpoint(path));
    asio::co_spawn(io_, accept_all(state_, *state_->unix_acceptor), [](std::exception_ptr) {});
  }

  // Connections are refused from now on; those that are there stay. The io_context is then out of
  // work when they end.
  void go_away() {
    std::error_code ignored;
    state_->acceptor.close(ignored);
    if (state_->unix_acceptor) state_->unix_acceptor->close(ignored);
  }
  // At the same port.
  void come_back() {
    state_->acceptor = tcp::acceptor(io_, {asio::ip::address_v4::loopback(), port_});
    asio::co_spawn(io_, accept_all(state_, state_->acceptor), [](std::exception_ptr) {});
  }
  // Ends those that are there.
  void drop_connections() {
    for (smtp::socket_transport* t : state_->open) t->close();
    state_->open.clear();
  }

  // Unasked.
  void say_to_all(std::string_view octets) {
    for (smtp::socket_transport* t : state_->open) t->try_write(octets);
  }

  // --- What it has seen --------------------------------------------------------------------------

  std::uint16_t port() const { return port_; }
  routing::next_hop hop(routing::hop_tls tls = routing::hop_tls::none) const {
    routing::next_hop h("127.0.0.1", port_, tls);
    if (state_->lmtp) h.protocol = routing::hop_protocol::lmtp;
    return h;
  }
  const std::vector<taken_message>& messages() const { return state_->messages; }
  int connections() const { return state_->connections; }
  std::size_t open_connections() const { return state_->open.size(); }
  std::size_t most_at_once() const { return state_->most_at_once; }
  // Of all connections; without EHLO, LHLO and message text.
  const std::vector<std::string>& commands() const { return state_->commands; }
  std::size_t count(std::string_view prefix) const {
    const auto fits = [&](const std::string& c) { return c.starts_with(prefix); };
    return static_cast<std::size_t>(
        std::count_if(state_->commands.begin(), state_->commands.end(), fits));
  }

 private:
  struct state {
    explicit state(asio::io_context& io)
        : io(io), acceptor(io, {asio::ip::address_v4::loopback(), 0}) {}
    asio::io_context& io;
    tcp::acceptor acceptor;
    std::optional<unix::acceptor> unix_acceptor;
    answers answer;
    std::vector<std::string> keywords{"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"};
    const smtp::server_context* tls = nullptr;
    bool lmtp = false;
    std::vector<taken_message> messages;
    std::vector<std::string> commands;
    std::list<smtp::socket_transport*> open;
    int connections = 0;
    std::size_t most_at_once = 0;
  };
  using shared = std::shared_ptr<state>;

  static smtp::time_point soon() { return std::chrono::steady_clock::now() + testing::patience; }

  // One connection.
  class session {
   public:
    session(shared s, smtp::socket_transport::socket socket)
        : s_(std::move(s)), number_(++s_->connections), t_(s_->io, std::move(socket)) {
      place_ = s_->open.insert(s_->open.end(), &t_);
      s_->most_at_once = std::max(s_->most_at_once, s_->open.size());
    }
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session() { std::erase(s_->open, &t_); }

    asio::awaitable<void> serve() {
      bool open = co_await say("", "220 hop.test ESMTP");
      while (open) {
        const std::optional<std::string> line = co_await read_until("\r\n");
        if (!line) co_return;
        open = co_await hear(*line);
      }
    }

   private:
    asio::awaitable<bool> hear(std::string line) {
      const std::string verb = line.substr(0, 4);
      if (verb == "EHLO" || verb == "LHLO") {
        const bool open = co_await say(line, greeting());
        co_return open;
      }
      s_->commands.push_back(line);
      bool open = true;
      if (verb == "DATA") {
        open = co_await take_text();
      } else if (verb == "STAR") {
        open = co_await start_tls(line);
      } else if (verb == "QUIT") {
        co_await say(line, "221 2.0.0 bye");
        open = false;
      } else {
        open = co_await take_envelope(line, verb);
      }
      co_return open;
    }

    asio::awaitable<bool> take_envelope(std::string line, std::string verb) {
      if (verb == "MAIL") message_ = {}, message_.mail = line;
      const bool open = co_await say(line, "250 2.1.0 OK");
      if (verb == "RCPT" && last_code_ == '2') message_.rcpt.push_back(line);
      if (verb == "RSET") message_ = {};
      co_return open;
    }

    asio::awaitable<bool> take_text() {
      if (message_.rcpt.empty()) {
        const bool open = co_await say("DATA", "554 5.5.1 no valid recipients");
        co_return open;
      }
      bool open = co_await say("DATA", "354 go ahead");
      if (!open || last_code_ != '3') co_return open;
      const std::optional<std::string> text = co_await read_until(".\r\n");
      if (!text) co_return false;
      message_.text = *text;
      message_.connection = number_;
      message_.tls = t_.tls() != nullptr;
      if (!s_->lmtp) {
        open = co_await say(".", "250 2.0.0 taken");
        if (last_code_ == '2') s_->messages.push_back(message_);
        co_return open;
      }
      taken_message taken = message_;
      taken.rcpt.clear();
      for (const std::string& rcpt : message_.rcpt) {
        open = co_await say(". " + rcpt, "250 2.0.0 taken");
        if (!open) co_return false;
        if (last_code_ == '2') taken.rcpt.push_back(rcpt);
      }
      if (!taken.rcpt.empty()) s_->messages.push_back(taken);
      co_return true;
    }

    asio::awaitable<bool> start_tls(std::string line) {
      const bool open = co_await say(line, "220 2.0.0 go ahead");
      if (!open || last_code_ != '2') co_return open;
      if (s_->tls == nullptr) co_return false;  // it promised too much
      const std::error_code failed = co_await t_.accept_tls(*s_->tls, soon());
      co_return !failed;
    }

    std::string greeting() const {
      std::string lines = "250-hop.test";
      for (const std::string& k : s_->keywords) {
        if (k != "STARTTLS" || t_.tls() == nullptr) lines += "\r\n250-" + k;
      }
      return lines + "\r\n250 HELP";
    }

    // False: the connection is over.
    asio::awaitable<bool> say(std::string line, std::string usual) {
      std::string said = s_->answer ? s_->answer(number_, line) : "";
      if (said.empty()) said = usual;
      mute_ = mute_ || said == silent;
      last_code_ = said.front();
      if (said == drop) {
        t_.close();
        co_return false;
      }
      if (mute_) co_return true;
      said += "\r\n";
      const std::error_code failed = co_await smtp::write_all(t_, said, soon());
      // RFC 5321 §3.8.
      co_return !failed && !said.starts_with("421");
    }

    // Without the end, and of text without its dots; nothing: the client has left.
    asio::awaitable<std::optional<std::string>> read_until(std::string_view end) {
      const bool is_text = end.front() == '.';
      for (;;) {
        if (const auto found = is_text ? take_text_from_input() : take_line()) co_return found;
        char buffer[65536];
        const smtp::io_result r = t_.try_read(std::span<char>(buffer));
        input_.append(buffer, r.octets);
        if (!r.error) continue;
        if (!r.would_block()) co_return std::nullopt;
        const std::error_code failed = co_await t_.wait(smtp::readiness::to_read, soon());
        if (failed) co_return std::nullopt;
      }
    }

    std::optional<std::string> take_line() {
      const std::size_t end = input_.find("\r\n");
      if (end == std::string::npos) return std::nullopt;
      std::string line = input_.substr(0, end);
      input_.erase(0, end + 2);
      return line;
    }

    std::optional<std::string> take_text_from_input() {
      std::size_t end = input_.starts_with(".\r\n") ? 0 : input_.find("\r\n.\r\n", searched_);
      searched_ =
          end == std::string::npos ? input_.size() - std::min<std::size_t>(input_.size(), 4) : 0;
      if (end == std::string::npos) return std::nullopt;
      if (!input_.starts_with(".\r\n")) end += 2;
      std::string text;
      for (std::size_t at = 0; at < end;) {
        const std::size_t next = input_.find("\r\n", at) + 2;
        if (input_[at] == '.') ++at;  // RFC 5321 §4.5.2
        text.append(input_, at, next - at);
        at = next;
      }
      input_.erase(0, end + 3);
      return text;
    }

    shared s_;
    int number_;
    smtp::socket_transport t_;
    std::list<smtp::socket_transport*>::iterator place_;
    std::string input_;
    std::size_t searched_ = 0;  // octets of it in which no end of a text is
    taken_message message_;
    char last_code_ = '2';
    bool mute_ = false;
  };

  static asio::awaitable<void> serve(std::shared_ptr<session> one) { co_await one->serve(); }

  // `acceptor` is the state's.
  template <class Acceptor>
  static asio::awaitable<void> accept_all(shared s, Acceptor& acceptor) {
    while (acceptor.is_open()) {
      std::error_code failed;
      auto socket =
          co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, failed));
      if (failed) co_return;
      socket.non_blocking(true);
      if constexpr (std::is_same_v<Acceptor, tcp::acceptor>) socket.set_option(tcp::no_delay(true));
      asio::co_spawn(s->io, serve(std::make_shared<session>(s, std::move(socket))),
                     [](std::exception_ptr) {});
    }
  }

  asio::io_context& io_;
  shared state_;
  std::uint16_t port_ = state_->acceptor.local_endpoint().port();
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_ROUTING_WIRE_HOP_HPP
