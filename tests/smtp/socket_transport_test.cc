// This header stands alone.
#include "smtp/socket_transport.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "smtp/tls/self_signed.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/run.hpp"

namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;
using tests::raw_client;

time_point in(std::chrono::milliseconds wait) { return std::chrono::steady_clock::now() + wait; }

// A connection over the loopback interface: ours, and the client's end of it.
struct connection {
  explicit connection(asio::io_context& io) {
    const int door = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(door, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(door, 1), 0);
    ::getsockname(door, reinterpret_cast<sockaddr*>(&address), &size);
    client.connect(ntohs(address.sin_port));
    const int fd = ::accept4(door, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ::close(door);
    socket_transport::socket s(io);
    s.assign(asio::generic::stream_protocol(AF_INET, 0), fd);
    transport.emplace(io, std::move(s));
  }
  raw_client client;
  std::optional<socket_transport> transport;
};

asio::awaitable<void> wait_for(socket_transport& t, readiness what, time_point deadline,
                               std::optional<std::error_code>& result) {
  const std::error_code ec = co_await t.wait(what, deadline);
  result = ec;
}

TEST(socket_transport, waits_until_there_is_something_to_read) {
  asio::io_context io(1);
  connection c(io);
  char octets[10];
  EXPECT_TRUE(c.transport->try_read(octets).would_block());
  std::optional<std::error_code> waited;
  asio::co_spawn(io, wait_for(*c.transport, readiness::to_read, in(10s), waited), asio::detached);
  io.poll();
  EXPECT_FALSE(waited);
  c.client.send("hello");
  while (!waited) io.run_one();
  EXPECT_EQ(*waited, std::error_code{});
  EXPECT_EQ(c.transport->try_read(octets).octets, 5U);
  c.client.close();
  EXPECT_FALSE(testing::run(io, c.transport->wait(readiness::to_read, in(10s))));
  EXPECT_EQ(c.transport->try_read(octets).error, errc::connection_lost);
}

TEST(socket_transport, meets_deadlines) {
  asio::io_context io(1);
  connection c(io);
  for (const readiness what : {readiness::to_read, readiness::never}) {
    const time_point from = c.transport->now();
    const std::error_code waited = testing::run(io, c.transport->wait(what, in(50ms)));
    EXPECT_EQ(waited, errc::timed_out);
    EXPECT_GE(c.transport->now() - from, 50ms);
    EXPECT_EQ(testing::run(io, c.transport->wait(what, from)), errc::timed_out);
  }
}

// Also where the wait could end by itself at the same moment: whoever calls cancel() does not call
// again.
TEST(socket_transport, cancel_ends_a_wait) {
  for (const bool readable : {false, true}) {
    asio::io_context io(1);
    connection c(io);
    std::optional<std::error_code> waited;
    asio::co_spawn(io, wait_for(*c.transport, readiness::to_read, in(10s), waited), asio::detached);
    io.poll();
    if (readable) c.client.send("hello");
    asio::post(io, [&] { c.transport->cancel(); });
    while (!waited) io.run_one();
    EXPECT_EQ(*waited, errc::cancelled);
  }
}

// A client that sends without a pause must not keep a thread for itself.
TEST(socket_transport, gives_others_their_turn) {
  asio::io_context io(1);
  connection c(io);
  c.client.send(std::string(100000, 'x'));
  char octets[1000];
  std::size_t total = 0;
  int turns = 0;
  while (total < 100000) {
    std::size_t reads = 0;
    io_result r;
    do {
      r = c.transport->try_read(octets);
      total += r.octets;
      ++reads;
    } while (!r.error);
    ASSERT_TRUE(r.would_block());
    ASSERT_LE(reads, 20U);
    if (total == 100000) break;
    // What it has left is still told of.
    ASSERT_FALSE(testing::run(io, c.transport->wait(readiness::to_read, in(10s))));
    ++turns;
  }
  EXPECT_GE(turns, 4);
}

// --- Closing -------------------------------------------------------------------------------------

TEST(socket_transport, last_words_reach_a_client_that_still_sends) {
  asio::io_context io(1);
  connection c(io);
  c.client.send(std::string(100000, 'x'));
  c.transport->linger_on_close();
  EXPECT_EQ(c.transport->try_write("421 go away\r\n").octets, 13U);
  c.transport->close();
  EXPECT_EQ(c.transport->try_write("x").error, errc::connection_lost);
  io.run_for(250ms);
  c.client.send(std::string(100000, 'x'));
  EXPECT_EQ(c.client.reply(), "421 go away\r\n");
  EXPECT_TRUE(c.client.closed_without_reset());
  c.client.close();
  c.transport.reset();
  const time_point from = std::chrono::steady_clock::now();
  io.run();  // nothing is left
  EXPECT_LT(std::chrono::steady_clock::now() - from, 1s);
}

TEST(socket_transport, a_client_that_sends_for_ever_is_left_in_the_end) {
  asio::io_context io(1);
  connection c(io);
  c.client.send("x");
  c.transport->linger_on_close();
  c.transport->close();
  c.transport.reset();
  const time_point from = std::chrono::steady_clock::now();
  io.run();
  EXPECT_LT(std::chrono::steady_clock::now() - from, 2 * io_local::linger_time);
  EXPECT_TRUE(c.client.closed());
}

TEST(socket_transport, sockets_that_linger_are_bounded) {
  asio::io_context io(1);
  std::vector<std::unique_ptr<connection>> all;
  for (std::size_t i = 0; i < io_local::most_lingering + 10; ++i) {
    connection& c = *all.emplace_back(std::make_unique<connection>(io));
    c.client.send("x");
    c.transport->linger_on_close();
    c.transport->close();
    c.transport.reset();
  }
  EXPECT_EQ(all.front()->client.send_some("x"), 1U);
  EXPECT_EQ(all.back()->client.send_some("x"), 0U);
}

TEST(socket_transport, nothing_lingers_after_a_client_that_has_ended) {
  asio::io_context io(1);
  connection c(io);
  c.transport->linger_on_close();
  c.client.half_close();
  char octets[10];
  EXPECT_FALSE(testing::run(io, c.transport->wait(readiness::to_read, in(10s))));
  EXPECT_EQ(c.transport->try_read(octets).error, errc::connection_lost);
  EXPECT_EQ(c.transport->try_write("221 bye\r\n").octets, 9U);
  c.transport->close();
  EXPECT_EQ(c.client.reply(), "221 bye\r\n");
  EXPECT_TRUE(c.client.closed_without_reset());
}

TEST(socket_transport, a_client_that_does_not_read_is_not_waited_for_in_a_hurry) {
  asio::io_context io(1);
  connection c(io);
  const std::string text(1 << 20, 'x');
  while (!c.transport->try_write(text).error) continue;
  std::optional<std::error_code> waited;
  asio::co_spawn(io, wait_for(*c.transport, readiness::to_write, in(60s), waited), asio::detached);
  io.poll();
  const time_point from = c.transport->now();
  c.transport->hurry();
  while (!waited) io.run_one();
  EXPECT_EQ(*waited, errc::timed_out);
  EXPECT_EQ(testing::run(io, c.transport->wait(readiness::to_write, in(60s))), errc::timed_out);
  EXPECT_LT(c.transport->now() - from, 10s);
}

TEST(socket_transport, a_client_that_reads_little_gets_no_more_time_in_a_hurry) {
  asio::io_context io(1);
  connection c(io);
  const std::string text(1 << 20, 'x');
  while (!c.transport->try_write(text).error) continue;
  c.transport->hurry();
  EXPECT_EQ(testing::run(io, c.transport->wait(readiness::to_write, in(60s))), errc::timed_out);
  // The time is over: nobody is waited for any more.
  const time_point from = c.transport->now();
  EXPECT_EQ(testing::run(io, c.transport->wait(readiness::to_write, in(60s))), errc::timed_out);
  EXPECT_LT(c.transport->now() - from, 500ms);
}

// --- Leaving a coroutine -------------------------------------------------------------------------

struct fate {
  bool resumed = false;
  bool destroyed = false;
};

struct mourner {
  explicit mourner(fate& f) : of(f) {}
  ~mourner() { of.destroyed = true; }
  fate& of;
};

asio::awaitable<void> wait_in_vain(socket_transport& t, readiness what, fate& f) {
  const mourner m(f);
  const std::error_code ec = co_await t.wait(what, in(60s));
  f.resumed = true;
  (void)ec;
}

TEST(socket_transport, an_abandoned_coroutine_is_destroyed) {
  for (const readiness what : {readiness::to_read, readiness::never}) {
    for (const bool run_on : {true, false}) {
      fate f;
      {
        asio::io_context io(1);
        connection c(io);
        asio::co_spawn(io, wait_in_vain(*c.transport, what, f), asio::detached);
        io.poll();
        // Even one whose wait is over.
        c.client.send("hello");
        EXPECT_TRUE(c.transport->abandon());
        EXPECT_TRUE(c.client.closed());
        c.transport.reset();
        if (run_on) io.run();
        EXPECT_EQ(f.destroyed, run_on);
      }
      EXPECT_TRUE(f.destroyed);
      EXPECT_FALSE(f.resumed);
    }
  }
}

TEST(socket_transport, nothing_to_abandon) {
  asio::io_context io(1);
  connection c(io);
  EXPECT_FALSE(c.transport->abandon());
  EXPECT_EQ(testing::run(io, c.transport->wait(readiness::to_read, in(10s))),
            errc::connection_lost);
}

// --- TLS -----------------------------------------------------------------------------------------

struct tls_contexts {
  tls_contexts() {
    const pem_pair pem = make_self_signed({"mx.example.test"}, 1);
    tls_server_options s;
    s.certificates.push_back(certificate_source::from_pem(pem.cert_pem, pem.key_pem));
    EXPECT_TRUE(server.load(s));
    EXPECT_TRUE(client.load(tls_client_options()));
  }
  server_context server;
  client_context client;
};

// Both ends as transports.
struct tls_connection {
  explicit tls_connection(asio::io_context& io) {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    const asio::generic::stream_protocol kind(AF_UNIX, 0);
    socket_transport::socket a(io);
    a.assign(kind, pair[0]);
    socket_transport::socket b(io);
    b.assign(kind, pair[1]);
    near.emplace(io, std::move(a));
    far.emplace(io, std::move(b));
  }
  std::optional<socket_transport> near;
  std::optional<socket_transport> far;
};

// Writes text as a session does that has more to say while it waits: what comes is put behind.
asio::awaitable<void> write_more_and_more(socket_transport& t, const server_context& with,
                                          std::string& all) {
  std::error_code failed = co_await t.accept_tls(with, in(20s));
  EXPECT_FALSE(failed) << t.tls_error();
  std::string pending;
  for (int i = 0; i < 200; ++i) {
    const std::string line(997 + static_cast<std::size_t>(i) * 13, static_cast<char>('a' + i % 26));
    pending += line;
    all += line;
    const io_result r = t.try_write(pending);
    pending.erase(0, r.octets);
    if (r.would_block() && pending.size() > 300000) {
      failed = co_await t.wait(readiness::to_write, in(20s));
      EXPECT_FALSE(failed);
    }
  }
  failed = co_await write_all(t, pending, in(20s));
  EXPECT_FALSE(failed);
  t.close();
}

asio::awaitable<void> read_all(socket_transport& t, const client_context& with, std::string& got) {
  std::error_code failed = co_await t.connect_tls(with, tls_peer("mx.example.test"), in(20s));
  EXPECT_FALSE(failed) << t.tls_error();
  char octets[5000];
  while (!failed) {
    const io_result r = t.try_read(octets);
    got.append(octets, r.octets);
    failed = r.error;
    if (r.would_block()) failed = co_await t.wait(readiness::to_read, in(20s));
  }
  EXPECT_EQ(failed, errc::connection_lost);
}

TEST(socket_transport, tls_text_may_grow_while_a_write_waits) {
  const tls_contexts tls;
  asio::io_context io(1);
  tls_connection c(io);
  std::string sent;
  std::string got;
  asio::co_spawn(io, write_more_and_more(*c.near, tls.server, sent), asio::detached);
  testing::run(io, read_all(*c.far, tls.client, got));
  EXPECT_EQ(got.size(), sent.size());
  EXPECT_TRUE(got == sent);
}

TEST(socket_transport, a_handshake_that_takes_too_long_says_so) {
  const tls_contexts tls;
  asio::io_context io(1);
  connection c(io);
  EXPECT_EQ(testing::run(io, c.transport->accept_tls(tls.server, in(50ms))), errc::timed_out);
  EXPECT_EQ(c.transport->tls_error(), "the TLS handshake took too long");
  connection gone(io);
  gone.client.close();
  EXPECT_EQ(testing::run(io, gone.transport->accept_tls(tls.server, in(10s))), errc::tls_failed);
}

}  // namespace
}  // namespace gatepost::smtp
