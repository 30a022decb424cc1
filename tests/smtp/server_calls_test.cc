// System calls that fail while a server accepts, reads and writes: it goes on, without spinning,
// and takes up work by itself.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include "smtp/server.hpp"
#include "tests/support/failing_calls.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/running_server.hpp"

namespace gatepost::smtp {
namespace {

namespace failing_calls = tests::failing_calls;
using tests::call;
using tests::raw_client;
using tests::running_server;

// A whole session with one message; how many 250s the message got, or what went wrong.
std::string send_one(raw_client& c) {
  try {
    if (!c.reply().starts_with("220 ")) return "no greeting";
    for (const char* line : {"EHLO client.example", "MAIL FROM:<a@client.example>",
                             "RCPT TO:<b@example.test>", "DATA", "Subject: x\r\n\r\nhi\r\n."}) {
      const std::string said = c.ask(line);
      if (said.empty()) return "closed";
      if (said[0] != '2' && said[0] != '3') return said;
    }
    return c.ask("QUIT").starts_with("221 ") && c.closed() ? "" : "no end";
  } catch (const std::exception& e) {
    return e.what();
  }
}

std::string send_one(running_server& server) {
  raw_client c(server.port());
  return send_one(c);
}

// accept(2): what is wrong with one connection, and what with all of us.
constexpr int accept_errors[] = {EMFILE,       ENFILE,   ENOBUFS,      ENOMEM,     ECONNABORTED,
                                 EINTR,        EPROTO,   EPERM,        ENETDOWN,   ENOPROTOOPT,
                                 EHOSTDOWN,    ENONET,   EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH,
                                 ECONNREFUSED, ETIMEDOUT};

TEST(server_calls, accept_fails_once) {
  for (const int error : accept_errors) {
    SCOPED_TRACE(std::strerror(error));
    running_server server;
    failing_calls::fail(call::accept4, error, 1);
    EXPECT_EQ(send_one(server), "");
    EXPECT_GE(failing_calls::stop(), 2u);
    EXPECT_EQ(send_one(server), "");
  }
}

// With a session that goes on meanwhile, and without spinning: a thread that asks the kernel again
// and again has nothing left for anybody.
TEST(server_calls, accept_fails_for_a_while) {
  server_options patient;
  patient.channels.front().limits.idle_commands = ~std::size_t{0};
  for (const int error : accept_errors) {
    SCOPED_TRACE(std::strerror(error));
    running_server server(patient);
    raw_client early(server.port());
    EXPECT_TRUE(early.reply().starts_with("220 "));
    failing_calls::fail(call::accept4, error, 1, failing_calls::for_ever);
    raw_client late(server.port());
    for (int i = 0; i < 70; ++i) {  // fewer than limits.idle_commands
      EXPECT_TRUE(early.ask("NOOP").starts_with("250 "));
      // lint: allow sleep (time is what spinning would need)
      ::usleep(5000);
    }
    EXPECT_LE(failing_calls::stop(), 64u * 7) << "it spins";
    EXPECT_EQ(send_one(late), "");
  }
}

// The session may end by it; the server does not, and nothing hangs.
TEST(server_calls, each_read_and_each_write_fails) {
  for (const call c : {call::recv, call::send}) {
    for (const int error : {ECONNRESET, ETIMEDOUT, EPIPE, EIO, ENOBUFS, ENOMEM, EHOSTUNREACH}) {
      for (std::size_t n = 1; n < 20; ++n) {
        SCOPED_TRACE(std::string(to_string(c)) + " " + std::to_string(n) + ": " +
                     std::strerror(error));
        running_server server;
        raw_client client;
        server.on_front(
            [&] { failing_calls::fail(c, error, n, 1, failing_calls::threads::only_this); });
        client.connect(server.port());
        const std::string wrong = send_one(client);
        EXPECT_NE(wrong, "the server says nothing");
        client.close();
        if (failing_calls::stop() < n) break;
        EXPECT_EQ(send_one(server), "");
        EXPECT_TRUE(server.log.ended(2));
      }
    }
  }
}

// This is no error: it is asked again.
TEST(server_calls, each_read_and_each_write_is_interrupted) {
  for (const call c : {call::recv, call::send}) {
    for (std::size_t n = 1; n < 40; ++n) {
      SCOPED_TRACE(std::string(to_string(c)) + " " + std::to_string(n));
      running_server server;
      raw_client client;
      server.on_front(
          [&] { failing_calls::fail(c, EINTR, n, 2, failing_calls::threads::only_this); });
      client.connect(server.port());
      EXPECT_EQ(send_one(client), "");
      if (failing_calls::stop() < n) break;
    }
  }
}

// epoll has no room for one more (max_user_watches), or no memory.
TEST(server_calls, each_epoll_ctl_fails) {
  for (const int error : {ENOSPC, ENOMEM}) {
    for (std::size_t n = 1; n < 30; ++n) {
      SCOPED_TRACE("epoll_ctl " + std::to_string(n) + ": " + std::strerror(error));
      running_server server;
      EXPECT_EQ(send_one(server), "");
      server.on_front([&] {
        failing_calls::fail(call::epoll_ctl, error, n, 1, failing_calls::threads::only_this);
      });
      const std::string wrong = send_one(server);
      EXPECT_NE(wrong, "the server says nothing");
      const bool last = failing_calls::stop() < n;
      EXPECT_EQ(send_one(server), "");
      if (last) break;
    }
  }
}

}  // namespace
}  // namespace gatepost::smtp
