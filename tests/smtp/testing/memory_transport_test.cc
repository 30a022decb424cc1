// This header stands alone.
#include "smtp/testing/memory_transport.hpp"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <string>

#include "smtp/errc.hpp"
#include "smtp/testing/run.hpp"
#include "smtp/tls/context.hpp"

namespace gatepost::smtp::testing {
namespace {

using namespace std::chrono_literals;

class memory_transport_test : public ::testing::Test {
 protected:
  asio::io_context io;
  virtual_clock clock;
  memory_connection c{io.get_executor(), clock};
  memory_transport& client = c.client();
  memory_transport& server = c.server();

  time_point in(std::chrono::milliseconds t) const { return clock.now() + t; }

  // Starts a wait, and says what became of it.
  struct pending {
    std::optional<std::error_code> result;
  };
  void start(pending& p, asio::awaitable<std::error_code> what) {
    asio::co_spawn(io, std::move(what),
                   [&p](std::exception_ptr, std::error_code e) { p.result = e; });
    settle(io);
  }
};

std::string read(memory_transport& t, std::size_t most = 100) {
  std::string text(most, '\0');
  const io_result r = t.try_read(text);
  EXPECT_EQ(r.octets > 0, !r.error);
  return text.substr(0, r.octets);
}

TEST_F(memory_transport_test, what_one_end_writes_the_other_reads) {
  EXPECT_TRUE(client.try_read(std::span<char>()).error == errc::connection_lost);
  EXPECT_EQ(client.try_write("hello").octets, 5U);
  EXPECT_EQ(server.try_write("welcome").octets, 7U);
  EXPECT_EQ(read(server), "hello");
  EXPECT_EQ(read(client, 3), "wel");
  EXPECT_EQ(client.read_all(), "come");
  char octet;
  EXPECT_TRUE(client.try_read({&octet, 1}).would_block());
}

TEST_F(memory_transport_test, short_reads_and_writes_and_a_narrow_window) {
  client.limit_writes(4);
  EXPECT_EQ(client.try_write("0123456789").octets, 4U);
  server.limit_reads(1);
  EXPECT_EQ(read(server), "0");
  server.limit_window(3);
  EXPECT_EQ(server.try_write("abcdef").octets, 3U);
  EXPECT_TRUE(server.try_write("def").would_block());
  EXPECT_EQ(read(client, 2), "ab");
  EXPECT_EQ(server.try_write("def").octets, 2U);
}

TEST_F(memory_transport_test, wait_ends_when_something_can_be_done) {
  pending reading;
  start(reading, server.wait(readiness::to_read, in(1min)));
  EXPECT_FALSE(reading.result);
  client.try_write("x");
  settle(io);
  EXPECT_EQ(reading.result, std::error_code());
  server.limit_window(1);
  server.try_write("y");
  pending writing;
  start(writing, server.wait(readiness::to_write, in(1min)));
  EXPECT_FALSE(writing.result);
  EXPECT_EQ(read(client), "y");
  settle(io);
  EXPECT_EQ(writing.result, std::error_code());
}

TEST_F(memory_transport_test, wait_ends_by_the_clock_or_by_cancel) {
  pending p;
  start(p, server.wait(readiness::to_read, in(1min)));
  clock.advance(1min - 1ms);
  settle(io);
  EXPECT_FALSE(p.result);
  clock.advance(1ms);
  settle(io);
  EXPECT_EQ(p.result, make_error_code(errc::timed_out));
  pending late;
  start(late, server.wait(readiness::to_read, clock.now()));
  EXPECT_EQ(late.result, make_error_code(errc::timed_out));
  pending never;
  client.try_write("x");
  start(never, server.wait(readiness::never, in(1min)));
  EXPECT_FALSE(never.result);
  server.cancel();
  settle(io);
  EXPECT_EQ(never.result, make_error_code(errc::cancelled));
  server.cancel();  // nothing waits: nothing happens
  pending next;
  start(next, server.wait(readiness::never, in(1min)));
  EXPECT_FALSE(next.result);
  clock.advance(1min);
  settle(io);
}

TEST_F(memory_transport_test, ends) {
  client.try_write("last words");
  client.end_sending();
  EXPECT_FALSE(server.at_end());
  EXPECT_EQ(read(server), "last words");
  EXPECT_TRUE(server.at_end());
  char octet;
  EXPECT_EQ(server.try_read({&octet, 1}).error, errc::connection_lost);
  EXPECT_EQ(server.try_write("bye").octets, 3U);  // the other way is still open
  server.close();
  EXPECT_EQ(client.read_all(), "bye");
  EXPECT_TRUE(client.at_end());
  EXPECT_EQ(server.try_write("x").error, errc::connection_lost);
}

TEST_F(memory_transport_test, a_closed_end_takes_nothing) {
  server.close();
  EXPECT_EQ(client.try_write("x").error, errc::connection_lost);
  pending p;
  start(p, server.wait(readiness::to_read, in(1min)));
  EXPECT_EQ(p.result, make_error_code(errc::connection_lost));
}

TEST_F(memory_transport_test, breaking_off_wakes_and_loses) {
  client.try_write("on its way");
  pending p;
  start(p, server.wait(readiness::never, in(1min)));
  pending q;
  start(q, client.wait(readiness::to_read, in(1min)));
  client.break_off();
  settle(io);
  EXPECT_EQ(q.result, std::error_code());  // the read says what happened
  char octet;
  EXPECT_EQ(server.try_read({&octet, 1}).error, errc::connection_lost);
  EXPECT_EQ(server.try_write("x").error, errc::connection_lost);
  EXPECT_FALSE(p.result);
  server.cancel();
  settle(io);
}

TEST_F(memory_transport_test, tls_needs_both) {
  server_context server_side;
  client_context client_side;
  pending s;
  start(s, server.accept_tls(server_side, in(1min)));
  EXPECT_FALSE(s.result);
  EXPECT_EQ(server.tls(), nullptr);
  tls_facts facts;
  facts.version = "TLSv1.2";
  client.give_tls_facts(facts);
  pending k;
  start(k, client.connect_tls(client_side, tls_peer("mx"), in(1min)));
  EXPECT_EQ(s.result, std::error_code());
  EXPECT_EQ(k.result, std::error_code());
  EXPECT_EQ(server.tls()->version, "TLSv1.3");
  EXPECT_EQ(client.tls()->version, "TLSv1.2");
  client.try_write("x");
  EXPECT_EQ(read(server), "x");
}

TEST_F(memory_transport_test, tls_fails) {
  server_context context;
  pending too_late;
  start(too_late, server.accept_tls(context, in(1s)));
  clock.advance(1s);
  settle(io);
  EXPECT_EQ(too_late.result, make_error_code(errc::timed_out));
  client.try_write("EHLO\r\n");
  pending plain;
  start(plain, server.accept_tls(context, in(1s)));
  EXPECT_EQ(plain.result, make_error_code(errc::tls_failed));
  EXPECT_EQ(server.tls_error(), "plain text where TLS was expected");
}

TEST_F(memory_transport_test, tls_fails_as_the_test_says) {
  server_context context;
  client_context client_side;
  client.fail_tls("no common cipher");
  pending s;
  start(s, server.accept_tls(context, in(1s)));
  pending k;
  start(k, client.connect_tls(client_side, tls_peer("mx"), in(1s)));
  EXPECT_EQ(s.result, make_error_code(errc::tls_failed));
  EXPECT_TRUE(server.tls_error() == "no common cipher" || client.tls_error() == "no common cipher");
}

struct listener final : busy_watch {
  void on_left() override { ++left; }
  void on_late() override { ++late; }
  int left = 0;
  int late = 0;
};

TEST_F(memory_transport_test, watching) {
  listener l;
  server.watch(&l, in(1min));
  settle(io);
  EXPECT_EQ(l.left, 0);
  client.try_write("x");
  client.end_sending();
  settle(io);
  EXPECT_EQ(l.left, 0);  // there is something to be read
  EXPECT_EQ(read(server), "x");
  server.watch(&l, in(1min));
  settle(io);
  EXPECT_EQ(l.left, 1);
  clock.advance(59s);
  EXPECT_EQ(l.late, 0);
  clock.advance(1s);
  EXPECT_EQ(l.late, 1);
  clock.advance(1h);
  settle(io);
  EXPECT_EQ(l.left, 1);
  EXPECT_EQ(l.late, 1);
}

TEST_F(memory_transport_test, nobody_watches_any_more) {
  listener l;
  client.end_sending();
  server.watch(&l, in(1min));
  server.watch(nullptr);
  clock.advance(1h);
  settle(io);
  EXPECT_EQ(l.left, 0);
  EXPECT_EQ(l.late, 0);
}

TEST_F(memory_transport_test, write_all_waits_for_room) {
  server.limit_window(4);
  pending p;
  start(p, write_all(server, "0123456789", in(1min)));
  std::string all;
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(p.result);
    all += client.read_all();
    settle(io);
  }
  all += client.read_all();
  EXPECT_EQ(all, "0123456789");
  EXPECT_EQ(p.result, std::error_code());
}

}  // namespace
}  // namespace gatepost::smtp::testing
