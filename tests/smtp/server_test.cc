// This header stands alone.
#include "smtp/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/authenticators.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/running_server.hpp"

namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;
using tests::raw_client;
using tests::running_server;

MATCHER_P(begins_with, prefix, "") { return std::string(arg).starts_with(prefix); }

server_options options_with(const std::function<void(channel&)>& change) {
  server_options o;
  o.channels.front().hostname = "mx.example.test";
  change(o.channels.front());
  return o;
}

TEST(server, serves_a_session) {
  running_server server(options_with([](channel&) {}));
  raw_client c(server.port());
  EXPECT_EQ(c.reply(), "220 mx.example.test ESMTP\r\n");
  EXPECT_THAT(c.ask("EHLO client.example"), begins_with("250-mx.example.test\r\n"));
  EXPECT_EQ(c.ask("MAIL FROM:<a@example.test>"), "250 2.1.0 Sender OK\r\n");
  EXPECT_EQ(c.ask("RCPT TO:<b@example.test>"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_THAT(c.ask("DATA"), begins_with("354 "));
  EXPECT_EQ(c.ask("Subject: x\r\n\r\nhi\r\n."), "250 2.0.0 OK\r\n");
  EXPECT_EQ(c.ask("QUIT"), "221 2.0.0 Bye\r\n");
  EXPECT_TRUE(c.closed());
  EXPECT_EQ(server->counters().accepted, 1u);
}

// RFC 4954 §4: EHLO after AUTH tells what is offered then.
TEST(server, authentication_switches_the_channel) {
  tests::trusting_authenticator everybody;
  server_options o = options_with([](channel& c) {
    c.extensions.add(extension::auth);
    c.auth_mechanisms = {"PLAIN"};
    c.auth_without_tls = true;
  });
  channel own = o.channels.front();
  own.name = "own";
  own.hostname = "own.example.test";
  channel others = own;
  others.name = "others";
  others.hostname = "others.example.test";
  o.channels.push_back(own);
  o.channels.push_back(others);
  o.switches = {{.identity = "ann", .channel = "own"}, {.identity = "*", .channel = "others"}};
  o.authenticator = &everybody;
  running_server server(o);
  const std::pair<const char*, const char*> clients[] = {
      {"YW5u", "own"}, {"Ym9i", "others"}, {"=", "mx"}, {"QW5u", "others"}};
  std::size_t sessions = 0;
  for (const auto& [response, name] : clients) {
    raw_client c(server.port());
    EXPECT_EQ(c.reply(), "220 mx.example.test ESMTP\r\n");
    c.ask("EHLO a");
    c.ask(std::string("AUTH PLAIN ") + response);
    EXPECT_THAT(c.ask("EHLO a"), begins_with("250-" + std::string(name) + ".example.test\r\n"));
    c.ask("QUIT");
    ASSERT_TRUE(server.log.ended(++sessions));
    EXPECT_EQ(server.log.channel(), name == std::string("mx") ? "default" : name);
  }
}

TEST(server, a_switch_to_a_channel_that_does_not_exist) {
  server_options o;
  o.switches = {{.identity = "*", .channel = "lan"}};
  asio::io_context io;
  accept_all policy;
  discard_all delivery;
  smtp::server server(io, o, policy, delivery);
  const auto wrong = server.listen({.address = "127.0.0.1:0"});
  ASSERT_TRUE(wrong);
  EXPECT_NE(wrong->find("a switch names the channel \"lan\""), std::string::npos) << *wrong;
}

TEST(server, each_thread_accepts) {
  running_server server({}, {{.address = "127.0.0.1:0"}}, 2);
  std::vector<raw_client> clients;
  for (int i = 0; i < 20; ++i) clients.emplace_back(server.port());
  for (raw_client& c : clients) EXPECT_THAT(c.reply(), begins_with("220 "));
  for (raw_client& c : clients) EXPECT_THAT(c.ask("QUIT"), begins_with("221 "));
  EXPECT_TRUE(server.log.ended(20));
}

TEST(server, unix_socket_and_ipv6) {
  // Not below the test's own directory: the path of a Unix socket has room for 107 octets.
  char directory[] = "/tmp/gatepost.XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/socket";
  running_server server({}, {{.address = "unix:" + path}, {.address = "[::]:0"}});
  raw_client local(path);
  EXPECT_THAT(local.reply(), begins_with("220 "));
  raw_client mapped(server.port());  // IPv4 reaches [::], and is seen as IPv4
  EXPECT_THAT(mapped.reply(), begins_with("220 "));
  EXPECT_THAT(server.log.last_client(), begins_with("127.0.0.1:"));
  server->stop_now();
  server.join();
  EXPECT_EQ(::rmdir(directory), 0);  // the server has removed its socket
}

// --- Limits --------------------------------------------------------------------------------------

TEST(server, limit_of_connections_in_all) {
  server_options o;
  o.connections.total = 2;
  running_server server(o);
  raw_client a(server.port());
  raw_client b(server.port(), "127.0.0.2");
  EXPECT_THAT(a.reply(), begins_with("220 "));
  EXPECT_THAT(b.reply(), begins_with("220 "));
  raw_client c(server.port(), "127.0.0.3");
  EXPECT_THAT(c.reply(), begins_with("421 4.3.2 "));
  EXPECT_TRUE(c.closed());
  EXPECT_EQ(server.log.refused("connections"), 1);
  EXPECT_THAT(a.ask("QUIT"), begins_with("221 "));
  ASSERT_TRUE(server.log.ended(1));
  server.turn();  // the place is given back behind the event
  raw_client d(server.port(), "127.0.0.3");
  EXPECT_THAT(d.reply(), begins_with("220 "));
}

// What is said to a client that is turned away must not be lost because it has begun to speak.
TEST(server, who_is_turned_away_hears_why) {
  accept_all policy;
  discard_all delivery;
  server_options o;
  o.connections.per_second = 1;
  tests::recorder log;
  o.observer = &log;
  asio::io_context io;
  server s(io, o, policy, delivery);
  ASSERT_FALSE(s.listen({.address = "127.0.0.1:0"}));
  raw_client first(s.endpoints().front().port);
  raw_client hasty(s.endpoints().front().port);
  hasty.send("EHLO a\r\nMAIL FROM:<a@example.test>\r\n");
  io.run_for(100ms);  // both are accepted now, and one is turned away
  hasty.send("RCPT TO:<b@example.test>\r\n");
  EXPECT_THAT(hasty.reply(), begins_with("421 4.3.2 "));
  EXPECT_TRUE(hasty.closed_without_reset());
  EXPECT_EQ(s.counters().refused, 1u);
  EXPECT_EQ(s.counters().reached(limit_kind::sessions_per_second), 1u);
}

TEST(server, limit_of_connections_per_network) {
  server_options o;
  o.connections.per_network = 1;
  running_server server(o);
  raw_client a(server.port(), "127.0.0.2");
  EXPECT_THAT(a.reply(), begins_with("220 "));
  raw_client b(server.port(), "127.0.0.2");
  EXPECT_THAT(b.reply(), begins_with("421 4.7.0 "));
  raw_client c(server.port(), "127.0.0.3");
  EXPECT_THAT(c.reply(), begins_with("220 "));
  EXPECT_EQ(server.log.refused("connections_per_network"), 1);
}

TEST(server, limit_of_sessions_per_second) {
  server_options o;
  o.connections.per_second = 3;
  running_server server(o);
  int greeted = 0;
  for (int i = 0; i < 10; ++i) {
    raw_client c(server.port());
    greeted += c.reply().starts_with("220 ");
  }
  EXPECT_GE(greeted, 3);
  EXPECT_LE(greeted, 6);
  EXPECT_GE(server.log.refused("sessions_per_second"), 4);
}

TEST(server, no_memory_left_for_messages) {
  server_options o;
  o.memory = 1000;  // less than one read
  running_server server(o);
  raw_client c(server.port());
  c.reply();
  c.ask("EHLO a");
  c.ask("MAIL FROM:<a@example.test>");
  c.ask("RCPT TO:<b@example.test>");
  EXPECT_THAT(c.ask("DATA"), begins_with("452 4.3.1 "));
}

TEST(server, goes_on_after_running_out_of_descriptors) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  GTEST_SKIP() << "the sanitizer asks for descriptors itself; server_calls_test has the same there";
#endif
#endif
  running_server server;
  raw_client first(server.port());
  EXPECT_THAT(first.reply(), begins_with("220 "));
  raw_client late;  // has its own descriptor already
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 3;  // every new descriptor is above it
  ::setrlimit(RLIMIT_NOFILE, &none);
  late.connect(server.port());
  // lint: allow sleep (a real socket and the kernel take part)
  for (int i = 0; i < 1000 && server.log.troubles().empty(); ++i) ::usleep(5000);
  // lint: allow sleep (a real socket and the kernel take part)
  ::usleep(350000);
  EXPECT_THAT(first.ask("NOOP"), begins_with("250 "));
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_FALSE(server.log.troubles().empty());
  EXPECT_EQ(
      server.log.troubles().front(),
      "accept: accept: Too many open files (no new sessions until some end; raise the limit of "
      "open files)");
  EXPECT_EQ(server.log.troubles().size(), 1u);  // said once, and not at every attempt
  EXPECT_THAT(late.reply(), begins_with("220 "));
}

TEST(server, early_talker_is_noticed) {
  running_server server(options_with([](channel& c) { c.greeting_delay = 300ms; }));
  raw_client hasty(server.port());
  hasty.send("EHLO a\r\n");
  EXPECT_THAT(hasty.reply(), begins_with("220 "));
  hasty.reply();
  hasty.ask("QUIT");
  ASSERT_TRUE(server.log.ended(1));
  EXPECT_TRUE(server.log.early_talker());
  raw_client patient(server.port());
  EXPECT_THAT(patient.reply(), begins_with("220 "));
  patient.ask("QUIT");
  ASSERT_TRUE(server.log.ended(2));
  EXPECT_FALSE(server.log.early_talker());
}

TEST(server, idle_client_is_told_to_go) {
  running_server server(options_with([](channel& c) { c.limits.first_command_timeout = 100ms; }));
  raw_client c(server.port());
  EXPECT_THAT(c.reply(), begins_with("220 "));
  EXPECT_THAT(c.reply(), begins_with("421 4.4.2 "));
  EXPECT_TRUE(c.closed());
}

TEST(server, slow_text_is_cut_off_by_the_minimum_rate) {
  running_server server(options_with([](channel& c) {
    c.limits.min_body_rate = 1000000;
    c.limits.rate_grace = 150ms;
    c.limits.data_timeout = 5s;
  }));
  raw_client c(server.port());
  c.reply();
  c.ask("EHLO a");
  c.ask("MAIL FROM:<a@example.test>");
  c.ask("RCPT TO:<b@example.test>");
  c.ask("DATA");
  std::string said;
  try {
    for (int i = 0; i < 100 && said.empty(); ++i) {
      c.send("drip\r\n");
      // lint: allow sleep (a real socket and the kernel take part)
      ::usleep(20000);
      if (i > 20) said = c.reply();
    }
  } catch (const std::exception&) {
    said = c.reply();  // it was cut off while we sent
  }
  EXPECT_THAT(said, begins_with("421 4.4.2 "));
}

TEST(server, reset_connections_leave_nothing_behind) {
  running_server server;
  for (int i = 0; i < 50; ++i) {
    raw_client c(server.port());
    c.reply();
    c.send("EHLO a\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nSubj");
    c.reset();
  }
  EXPECT_TRUE(server.log.ended(50));
  server.turn();  // the last place is given back behind the event
  EXPECT_EQ(server->counters().sessions, 0u);
}

// --- PROXY, XCLIENT ------------------------------------------------------------------------------

server_options trusting_proxies() {
  server_options o;
  o.proxies = network_set::loopback();
  return o;
}

TEST(server, proxy_header_tells_the_client) {
  running_server server(trusting_proxies(), {{.address = "127.0.0.1:0", .proxy = true}});
  raw_client c(server.port());
  c.send("PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\nEHLO early\r\n");
  EXPECT_THAT(c.reply(), begins_with("220 "));
  EXPECT_THAT(c.reply(), begins_with("250-"));  // what followed the header was not lost
  EXPECT_EQ(server.log.last_client(), "192.0.2.7:4321");
}

const std::string_view proxy_headers[] = {
    "PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\n",
    {"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\xC0\0\x02\x07\xC0\0\x02\x01\x10\xE1\0\x19", 28}};

TEST(server, proxy_headers_cut_at_each_octet) {
  running_server server(trusting_proxies(), {{.address = "127.0.0.1:0", .proxy = true}});
  for (const std::string_view header : proxy_headers) {
    for (std::size_t at = 1; at < header.size(); ++at) {
      raw_client c(server.port());
      c.send(header.substr(0, at));
      server.turn();  // so that both parts are not one read
      c.send(header.substr(at));
      EXPECT_THAT(c.reply(), begins_with("220 ")) << at;
      EXPECT_EQ(server.log.last_client(), "192.0.2.7:4321");
    }
  }
}

TEST(server, connections_lost_at_each_octet_of_a_proxy_header) {
  server_options o = trusting_proxies();
  o.connections.total = 1;  // a place that is not given back is the last one
  running_server server(o, {{.address = "127.0.0.1:0", .proxy = true}});
  int lost = 0;
  for (const std::string_view header : proxy_headers) {
    for (std::size_t at = 0; at < header.size(); ++at) {
      raw_client c(server.port());
      c.send(header.substr(0, at));
      at % 2 == 0 ? c.reset() : c.close();
      ++lost;
      ASSERT_TRUE(server.log.refused_at_least(lost, "proxy_header")) << at;
    }
  }
  raw_client c(server.port());
  c.send(proxy_headers[0]);
  EXPECT_THAT(c.reply(), begins_with("220 "));
}

TEST(server, silence_at_each_octet_of_a_proxy_header) {
  server_options o = trusting_proxies();
  o.channels.front().limits.proxy_timeout = 300ms;
  running_server server(o, {{.address = "127.0.0.1:0", .proxy = true}});
  std::vector<raw_client> clients;
  for (const std::string_view header : proxy_headers) {
    for (std::size_t at = 0; at < header.size(); ++at)
      clients.emplace_back(server.port()).send(header.substr(0, at));
  }
  for (raw_client& c : clients) EXPECT_TRUE(c.closed());
  EXPECT_EQ(server->counters().reached(limit_kind::proxy_timeout), clients.size());
  EXPECT_EQ(server.log.refused("proxy_timeout"), static_cast<int>(clients.size()));
}

TEST(server, connections_without_a_proxy_header_are_closed) {
  running_server server(trusting_proxies(), {{.address = "127.0.0.1:0", .proxy = true}});
  raw_client c(server.port());
  c.send("EHLO a\r\n");
  EXPECT_TRUE(c.closed());
  EXPECT_EQ(server.log.refused("proxy_header"), 1);
  EXPECT_EQ(server->counters().refused, 1u);
}

// A flood of connections that never say who they are has its limit, too.
TEST(server, connections_without_a_proxy_header_count_in_all) {
  server_options o = trusting_proxies();
  o.connections.total = 2;
  o.channels.front().limits.proxy_timeout = 60s;
  running_server server(o, {{.address = "127.0.0.1:0", .proxy = true}, {.address = "127.0.0.1:0"}});
  raw_client a(server.port());
  raw_client b(server.port());
  raw_client c(server.port());
  EXPECT_THAT(c.reply(), begins_with("421 4.3.2 "));
  EXPECT_TRUE(c.closed());
  raw_client direct(server.port(1));
  EXPECT_THAT(direct.reply(), begins_with("421 4.3.2 "));
  EXPECT_EQ(server.log.refused("connections"), 2);
  EXPECT_EQ(server->counters().sessions, 0u);
  a.send("PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\n");
  EXPECT_THAT(a.reply(), begins_with("220 "));
  EXPECT_EQ(server->counters().sessions, 1u);
  b.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(b.closed());
  raw_client d(server.port(1));
  EXPECT_THAT(d.reply(), begins_with("220 "));
}

TEST(server, proxy_headers_have_a_deadline) {
  server_options o = trusting_proxies();
  o.channels.front().limits.proxy_timeout = 100ms;
  running_server server(o, {{.address = "127.0.0.1:0", .proxy = true}});
  raw_client c(server.port());
  c.send("PROXY TCP4 192.0.2.7");
  EXPECT_TRUE(c.closed());
  EXPECT_EQ(server.log.refused("proxy_timeout"), 1);
  EXPECT_EQ(server->counters().reached(limit_kind::proxy_timeout), 1u);
}

TEST(server, proxy_header_from_strangers_is_not_read) {
  server_options o;
  o.proxies.add(*parse_ip_network("192.0.2.0/24"));
  running_server server(o, {{.address = "127.0.0.1:0", .proxy = true}});
  raw_client c(server.port());
  c.send("PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\n");
  EXPECT_TRUE(c.closed());
  EXPECT_EQ(server.log.refused("proxy_not_trusted"), 1);
}

TEST(server, rules_choose_the_channel_by_the_true_client) {
  server_options o = trusting_proxies();
  o.channels.push_back(o.channels.front());
  o.channels.back().name = "inside";
  o.channels.back().hostname = "inside.example.test";
  o.rules.push_back({*parse_network_set("192.0.2.0/24"), "inside"});
  running_server server(o, {{.address = "127.0.0.1:0", .proxy = true}});
  raw_client a(server.port());
  a.send("PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\n");
  EXPECT_EQ(a.reply(), "220 inside.example.test ESMTP\r\n");
  raw_client b(server.port());
  b.send("PROXY TCP4 198.51.100.7 192.0.2.1 4321 25\r\n");
  EXPECT_EQ(b.reply(), "220 localhost ESMTP\r\n");
}

// --- Stop ----------------------------------------------------------------------------------------

TEST(server, graceful_stop_lets_a_transaction_finish) {
  running_server server;
  raw_client idle(server.port());
  idle.reply();
  raw_client busy(server.port());
  busy.reply();
  busy.ask("EHLO a");
  busy.ask("MAIL FROM:<a@example.test>");
  busy.ask("RCPT TO:<b@example.test>");
  EXPECT_THAT(busy.ask("DATA"), begins_with("354 "));
  server->stop();
  EXPECT_THAT(idle.reply(), begins_with("421 4.3.2 "));
  EXPECT_TRUE(idle.closed());
  EXPECT_THAT(busy.ask("Subject: x\r\n\r\nhi\r\n."), begins_with("250 2.0.0 "));
  EXPECT_THAT(busy.reply(), begins_with("421 4.3.2 "));
  EXPECT_TRUE(busy.closed());
  server.join();  // run() returns: nothing is left to do
}

TEST(server, stop_has_a_deadline) {
  server_options o;
  o.stop_within = 100ms;
  running_server server(o);
  raw_client busy(server.port());
  busy.reply();
  busy.ask("EHLO a");
  busy.ask("MAIL FROM:<a@example.test>");
  server->stop();
  EXPECT_THAT(busy.reply(), begins_with("421 4.3.2 "));
  EXPECT_TRUE(busy.closed());
  server.join();
}

TEST(server, stop_now_ends_everything) {
  running_server server;
  raw_client busy(server.port());
  busy.reply();
  busy.ask("EHLO a");
  busy.ask("MAIL FROM:<a@example.test>");
  busy.ask("RCPT TO:<b@example.test>");
  busy.ask("DATA");
  server->stop_now();
  EXPECT_THAT(busy.reply(), begins_with("421 4.3.2 "));
  EXPECT_TRUE(busy.closed());
  server.join();
}

}  // namespace
}  // namespace gatepost::smtp
