// This header stands alone.
#include "smtp/socket_connector.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/client.hpp"
#include "smtp/socket_transport.hpp"
#include "smtp/tls/self_signed.hpp"

namespace gatepost::smtp {
namespace {

using std::chrono::seconds;
using tcp = asio::ip::tcp;

time_point soon() { return std::chrono::steady_clock::now() + seconds(20); }

// A next hop for one connection, on the same thread. Answers line by line; 250 to what it does not
// know.
class server_side {
 public:
  explicit server_side(asio::io_context& io)
      : io_(io), acceptor_(io, {asio::ip::address_v4::loopback(), 0}) {
    pem_ = make_self_signed({"mx.example"}, 1);
    tls_server_options options;
    options.certificates.push_back(certificate_source::from_pem(pem_.cert_pem, pem_.key_pem));
    EXPECT_TRUE(context_.load(options));
  }

  endpoint where() const {
    return {ip_address(ip_address::v4_octets{127, 0, 0, 1}), acceptor_.local_endpoint().port()};
  }
  const std::string& certificate() const { return pem_.cert_pem; }
  const std::string& message() const { return message_; }

  asio::awaitable<void> serve() {
    tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
    socket_transport t(io_, std::move(socket));
    std::error_code ended = co_await write_all(t, "220 mx.example\r\n", soon());
    while (!ended) {
      std::string line;
      ended = co_await read_line(t, line);
      if (ended || in_text(line)) continue;
      const std::string answer = answer_to(line);
      ended = co_await write_all(t, answer, soon());
      if (line == "STARTTLS") ended = co_await t.accept_tls(context_, soon());
      if (line == "QUIT") break;
    }
    t.close();
  }

 private:
  asio::awaitable<std::error_code> read_line(socket_transport& t, std::string& line) {
    for (std::size_t end = input_.find("\r\n");; end = input_.find("\r\n")) {
      if (end != std::string::npos) {
        line = input_.substr(0, end);
        input_.erase(0, end + 2);
        co_return std::error_code{};
      }
      char buffer[100];
      const io_result r = t.try_read(std::span<char>(buffer));
      input_.append(buffer, r.octets);
      if (!r.error) continue;
      if (!r.would_block()) co_return r.error;
      const std::error_code failed = co_await t.wait(readiness::to_read, soon());
      if (failed) co_return failed;
    }
  }

  bool in_text(const std::string& line) {
    if (!text_ || line == ".") return false;
    message_ += line + "\n";
    return true;
  }

  std::string answer_to(const std::string& line) {
    if (line.starts_with("EHLO")) return "250-mx.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n";
    text_ = line == "DATA";
    return text_ ? "354 go\r\n" : line == "STARTTLS" ? "220 go\r\n" : "250 ok\r\n";
  }

  asio::io_context& io_;
  tcp::acceptor acceptor_;
  server_context context_;
  pem_pair pem_;
  std::string input_;
  std::string message_;
  bool text_ = false;
};

void rethrow(std::exception_ptr e) {
  if (e) std::rethrow_exception(e);
}

asio::awaitable<void> connect(socket_connector& by, connect_target where, time_point deadline,
                              connect_result& made) {
  made = co_await by.connect(std::move(where), deadline);
}

asio::awaitable<void> exchange(client_connection& c, connector& by, connect_target where,
                               std::string_view message, transaction_outcome& outcome) {
  const std::error_code failed = co_await c.connect(by, std::move(where));
  EXPECT_FALSE(failed) << c.failure().text();
  transaction t;
  t.recipients.emplace_back().forward_path = *address::from_text("b@b.example");
  text_source text(message);
  outcome = co_await c.send(t, text);
  co_await c.quit();
}

connect_result connected(asio::io_context& io, connect_target where, time_point deadline = soon()) {
  socket_connector by(io);
  connect_result made;
  // A connection that is there keeps its thread's clock ticking, and run() with it.
  asio::co_spawn(io, connect(by, std::move(where), deadline, made), [&](std::exception_ptr e) {
    io.stop();
    rethrow(e);
  });
  io.restart();
  io.run();
  return made;
}

TEST(socket_connector, a_message_over_starttls) {
  asio::io_context io;
  server_side server(io);
  asio::co_spawn(io, server.serve(), rethrow);

  client_context tls;
  tls_client_options trusted;
  trusted.ca_pem = server.certificate();
  trusted.verify = verification::pkix;
  ASSERT_TRUE(tls.load(trusted));
  client_options o;
  o.starttls = starttls_use::required;
  client_connection c(o, &tls, tls_peer("mx.example"));
  socket_connector by(io);
  std::string message;
  for (int i = 0; i < 6000; ++i) message += "line " + std::to_string(i) + "\r\n.dots\r\n";
  transaction_outcome outcome;
  asio::co_spawn(io, exchange(c, by, connect_target(server.where()), message, outcome), rethrow);
  io.run();
  EXPECT_EQ(outcome.count(recipient_state::delivered), 1u);
  EXPECT_FALSE(c.failure().error) << c.failure().text();
  ASSERT_NE(c.tls(), nullptr);
  EXPECT_TRUE(c.tls()->peer_verified);
  std::string expected;
  for (const char ch : message)
    if (ch != '\r') expected.push_back(ch);
  std::string got = server.message();
  for (std::size_t at = 0; (at = got.find("\n..", at)) != std::string::npos;) got.erase(++at, 1);
  EXPECT_EQ(got, expected);
}

TEST(socket_connector, localhost_by_name) {
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  const connect_result made =
      connected(io, connect_target("LocalHost", acceptor.local_endpoint().port()));
  ASSERT_NE(made.connection, nullptr) << made.detail;
  const auto& socket = static_cast<const socket_transport&>(*made.connection);
  EXPECT_EQ(socket.peer().text(), "127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()));
}

TEST(socket_connector, localhost_on_ipv6_after_ipv4) {
  asio::io_context io;
  std::error_code none;
  tcp::acceptor acceptor(io);
  acceptor.open(tcp::v6(), none);
  if (!none) acceptor.bind({asio::ip::address_v6::loopback(), 0}, none);
  if (none) GTEST_SKIP() << "no IPv6 here: " << none.message();
  acceptor.listen();
  const connect_result made =
      connected(io, connect_target("localhost", acceptor.local_endpoint().port()));
  ASSERT_NE(made.connection, nullptr) << made.detail;
}

// getaddrinfo knows these without asking anybody.
TEST(socket_connector, names_by_the_system) {
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  const std::uint16_t port = acceptor.local_endpoint().port();
  const connect_result made = connected(io, connect_target("127.1", port));
  ASSERT_NE(made.connection, nullptr) << made.detail;
  const connect_result none = connected(io, connect_target("..", port));
  EXPECT_EQ(none.connection, nullptr);
  EXPECT_EQ(none.error, errc::not_found);
}

TEST(socket_connector, nobody_listens) {
  asio::io_context io;
  std::uint16_t port = 0;
  {
    tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
    port = acceptor.local_endpoint().port();
  }
  const endpoint where{ip_address(ip_address::v4_octets{127, 0, 0, 1}), port};
  const connect_result made = connected(io, connect_target(where));
  EXPECT_EQ(made.connection, nullptr);
  EXPECT_EQ(made.error, std::errc::connection_refused);
  EXPECT_EQ(made.detail, where.text() + ": Connection refused");
}

// The backlog of one is full, so that the kernel answers no further connection.
TEST(socket_connector, deadline) {
  asio::io_context io;
  tcp::acceptor acceptor(io, tcp::v4());
  acceptor.bind({asio::ip::address_v4::loopback(), 0});
  acceptor.listen(0);
  const auto here = acceptor.local_endpoint();
  std::vector<tcp::socket> full;
  for (int i = 0; i < 8; ++i) {
    full.emplace_back(io, tcp::v4());
    full.back().async_connect(here, [](std::error_code) {});
  }
  const endpoint where{ip_address(ip_address::v4_octets{127, 0, 0, 1}), here.port()};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  io.poll();
  const connect_result made = connected(io, connect_target(where), deadline);
  if (made.connection != nullptr) GTEST_SKIP() << "this kernel's backlog has no end";
  EXPECT_EQ(made.error, errc::timed_out);
  EXPECT_EQ(made.detail, where.text() + ": timed out");
}

TEST(socket_connector, unix_sockets) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("gatepost_connector_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string path = (folder / "s").string();
  asio::io_context io;
  {
    asio::local::stream_protocol::acceptor acceptor(io, path);
    EXPECT_NE(connected(io, connect_target::to_unix(path)).connection, nullptr);
  }
  std::filesystem::remove_all(folder);
  const connect_result none = connected(io, connect_target::to_unix(path));
  EXPECT_EQ(none.error, std::errc::no_such_file_or_directory);
  EXPECT_EQ(none.detail, "unix:" + path + ": No such file or directory");
  EXPECT_EQ(connected(io, connect_target::to_unix(std::string(200, 'x'))).error,
            errc::bad_argument);
}

TEST(socket_connector, own_address) {
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  const endpoint where{ip_address(ip_address::v4_octets{127, 0, 0, 1}),
                       acceptor.local_endpoint().port()};
  socket_connector by(io, ip_address(ip_address::v4_octets{127, 0, 0, 2}));
  connect_result made;
  asio::co_spawn(io, connect(by, connect_target(where), soon(), made),
                 [&](std::exception_ptr) { io.stop(); });
  io.run();
  ASSERT_NE(made.connection, nullptr) << made.detail;
  const auto& socket = static_cast<const socket_transport&>(*made.connection);
  EXPECT_EQ(socket.local().address.text(), "127.0.0.2");
}

}  // namespace
}  // namespace gatepost::smtp
