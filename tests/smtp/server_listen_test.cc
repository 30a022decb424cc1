// Where a server listens: TCP and Unix sockets, and what it says when it cannot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "smtp/server.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/running_server.hpp"

namespace gatepost::smtp {
namespace {

using tests::raw_client;
using tests::running_server;

MATCHER_P(begins_with, prefix, "") { return std::string(arg).starts_with(prefix); }

// A folder for Unix sockets.
class unix_sockets : public ::testing::Test {
 protected:
  unix_sockets() { directory_ = ::mkdtemp(name_); }
  ~unix_sockets() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/socket"; }
  listener where(unsigned mode = 0600) const {
    return {.address = "unix:" + path(), .unix_mode = mode};
  }
  // What a server says that is to listen there, and nothing else.
  std::optional<std::string> listen(const listener& l) {
    accept_all policy;
    discard_all delivery;
    asio::io_context io;
    return server(io, {}, policy, delivery).listen(l);
  }
  unsigned mode() const {
    struct stat s{};
    return ::stat(path().c_str(), &s) == 0 ? s.st_mode & 0777 : 0;
  }
  // A socket that listens there, or has a backlog and nobody who accepts.
  int occupy(int backlog) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd, backlog), 0);
    return fd;
  }

 private:
  char name_[23] = "/tmp/gatepost.XXXXXX";
  std::string directory_;
};

TEST_F(unix_sockets, what_a_killed_server_left_behind_is_replaced) {
  ::close(occupy(5));
  ASSERT_TRUE(std::filesystem::exists(path()));
  running_server server({}, {where()});
  raw_client c(path());
  EXPECT_THAT(c.reply(), begins_with("220 "));
}

TEST_F(unix_sockets, no_other_file_is_ever_removed) {
  std::ofstream(path()) << "precious";
  EXPECT_EQ(*listen(where()), "cannot listen at unix:" + path() +
                                  ": Socket operation on non-socket (a file that is no socket has "
                                  "this name: use another)");
  EXPECT_EQ(std::filesystem::file_size(path()), 8U);
}

TEST_F(unix_sockets, one_that_is_used_is_left_alone) {
  const std::string says = "cannot listen at unix:" + path() +
                           ": Address already in use (another program listens there: stop it, or "
                           "use another path)";
  const int fd = occupy(0);
  EXPECT_EQ(*listen(where()), says);
  // Also where it hangs: its queue is full now, and another connect() would wait.
  EXPECT_EQ(*listen(where()), says);
  ::close(fd);
}

TEST_F(unix_sockets, the_name_is_not_removed_once_it_is_somebody_elses) {
  running_server server({}, {where()});
  ::unlink(path().c_str());
  const int other = occupy(5);
  server->stop_now();
  server.join();
  EXPECT_TRUE(std::filesystem::exists(path()));
  ::close(other);
}

TEST_F(unix_sockets, the_mode_says_who_may_connect) {
  const mode_t before = ::umask(0);
  {
    running_server server({}, {where()});
    EXPECT_EQ(mode(), 0600U);
  }
  ::umask(077);
  {
    running_server server({}, {where(0660)});
    EXPECT_EQ(mode(), 0660U);
  }
  ::umask(before);
}

TEST_F(unix_sockets, wrong_paths) {
  EXPECT_EQ(*listen({.address = "unix:"}), "unix:: the path of the Unix socket is missing");
  EXPECT_EQ(*listen({.address = "unix:" + path() + "/x/y"}),
            "cannot listen at unix:" + path() +
                "/x/y: No such file or directory (make its directory first)");
  EXPECT_THAT(*listen({.address = "unix:/" + std::string(120, 'x')}),
              ::testing::EndsWith("(the path of a Unix socket has at most 107 octets)"));
}

TEST_F(unix_sockets, rules_for_networks_do_not_mean_them) {
  server_options o;
  o.channels.push_back(o.channels.front());
  o.channels.back().name = o.channels.back().hostname = "outside";
  o.rules.push_back({*parse_network_set("0.0.0.0/0"), "outside"});
  running_server server(o, {where(), {.address = "127.0.0.1:0"}});
  raw_client local(path());
  EXPECT_EQ(local.reply(), "220 localhost ESMTP\r\n");
  raw_client remote(server.port());
  EXPECT_EQ(remote.reply(), "220 outside ESMTP\r\n");
}

// Its mode says who is trusted to name the client.
TEST_F(unix_sockets, proxies_may_use_them) {
  listener behind_proxy = where();
  behind_proxy.proxy = true;
  running_server server({}, {behind_proxy});
  raw_client c(path());
  c.send("PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\n");
  EXPECT_THAT(c.reply(), begins_with("220 "));
  EXPECT_EQ(server.log.last_client(), "192.0.2.7:4321");
}

TEST(server_listen, says_which_address_it_cannot_have) {
  running_server first;
  asio::io_context io;
  accept_all policy;
  discard_all delivery;
  server second(io, {}, policy, delivery);
  const std::string taken = "127.0.0.1:" + std::to_string(first.port());
  EXPECT_EQ(*second.listen({.address = taken}),
            "cannot listen at " + taken +
                ": Address already in use (another program listens there: "
                "stop it, or use another port)");
  EXPECT_EQ(
      *second.listen({.address = "203.0.113.1:0"}),
      "cannot listen at 203.0.113.1:0: Cannot assign requested address (this machine does not "
      "have that address)");
  EXPECT_EQ(*second.listen({.address = "localhost:25"}),
            "localhost:25: not an address to listen at: write 192.0.2.1:25, [::]:25 or unix:/path");
  EXPECT_EQ(*second.listen({.address = "127.0.0.1:0", .channel = "none"}),
            "127.0.0.1:0: there is no channel \"none\"");
  EXPECT_EQ(*second.listen({.address = "127.0.0.1:0", .implicit_tls = true}),
            "127.0.0.1:0: TLS is to be spoken here, but no certificate is loaded");
  server_context nothing_loaded;
  server_options offers_tls;
  offers_tls.tls = &nothing_loaded;
  server third(io, offers_tls, policy, delivery);
  EXPECT_EQ(*third.listen({.address = "127.0.0.1:0"}),
            "127.0.0.1:0: TLS is to be offered, but no certificate is loaded");
  EXPECT_EQ(
      *second.listen({.address = "127.0.0.1:0", .proxy = true}),
      "127.0.0.1:0: the PROXY protocol is expected here, but no network is trusted to speak it");
}

TEST(server_listen, says_that_it_is_itself_in_the_way) {
  for (const std::size_t threads : {1, 2}) {
    running_server server({}, {{.address = "[::]:0"}}, threads);
    const std::string port = std::to_string(server.port());
    for (const std::string address : {"0.0.0.0:", "127.0.0.1:", "[::]:"})
      EXPECT_EQ(*server->listen({.address = address + port}),
                "cannot listen at " + address + port +
                    ": Address already in use (this server listens at [::]:" + port +
                    ", which may take it in)");
  }
}

TEST(server_listen, a_port_where_connections_linger_is_not_taken) {
  for (const std::size_t threads : {1, 2}) {
    std::string address;
    raw_client established;
    {
      running_server before({}, {{.address = "127.0.0.1:0"}}, threads);
      address = "127.0.0.1:" + std::to_string(before.port());
      established.connect(before.port());
      EXPECT_THAT(established.reply(), begins_with("220 "));
      raw_client c(before.port());  // the server closes it first: TIME_WAIT
      c.reply();
      c.ask("QUIT");
      EXPECT_TRUE(c.closed());
    }
    running_server after({}, {{.address = address}}, threads);
    raw_client c(after.port());
    EXPECT_THAT(c.reply(), begins_with("220 "));
  }
}

// All threads listen, or none.
TEST(server_listen, nothing_is_left_open_where_listening_fails_half_way) {
  std::uint16_t port = 0;
  {
    running_server finder;
    port = finder.port();
  }
  io_threads threads(3);
  accept_all policy;
  discard_all delivery;
  server s(threads.contexts(), {}, policy, delivery);
  // UBSan wants descriptors of its own for what it sees first: not below.
  ASSERT_FALSE(s.listen({.address = "127.0.0.1:0"}));
  const std::string address = "127.0.0.1:" + std::to_string(port);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  const int next = ::dup(0);  // the descriptor that comes next
  ::close(next);
  few.rlim_cur = static_cast<rlim_t>(next) + 2;
  ::setrlimit(RLIMIT_NOFILE, &few);
  const auto wrong = s.listen({.address = address});
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(*wrong, "cannot listen at " + address + ": Too many open files");
  EXPECT_EQ(s.endpoints().size(), 1U);
  EXPECT_THROW(raw_client c(port), std::runtime_error);
  EXPECT_FALSE(s.listen({.address = address}));
}

// A thread without work waits for some as long as the first one has any.
TEST_F(unix_sockets, listening_later_reaches_all_threads) {
  running_server server({}, {where()}, 3);
  raw_client local(path());
  EXPECT_THAT(local.reply(), begins_with("220 "));
  EXPECT_FALSE(server.on_front([&] { return server->listen({.address = "127.0.0.1:0"}); }));
  std::vector<raw_client> clients;
  for (int i = 0; i < 30; ++i) clients.emplace_back(server.port());
  for (raw_client& c : clients) EXPECT_THAT(c.reply(), begins_with("220 "));
}

}  // namespace
}  // namespace gatepost::smtp
