// STARTTLS (RFC 3207) and implicit TLS (RFC 8314) over real sockets: server against client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "smtp/client.hpp"
#include "smtp/server.hpp"
#include "smtp/socket_connector.hpp"
#include "smtp/tls/self_signed.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/run.hpp"
#include "tests/support/running_server.hpp"

namespace gatepost::smtp {
namespace {

using tests::raw_client;
using tests::running_server;

MATCHER_P(begins_with, prefix, "") { return std::string(arg).starts_with(prefix); }

certificate_source source_of(const pem_pair& pem) {
  return certificate_source::from_pem(pem.cert_pem, pem.key_pem);
}

// A server context, and a client that trusts its authority.
struct tls_pair {
  explicit tls_pair(const std::function<void(tls_server_options&)>& change = {}) {
    authority = make_authority("Example Test CA", 10);
    tls_server_options o;
    o.certificates.push_back(source_of(make_signed(authority, {"mx.example.test"}, 5)));
    o.certificates.push_back(source_of(make_signed(authority, {"*.other.test"}, 5)));
    if (change) change(o);
    const auto loaded = server.load(o);
    if (!loaded) throw std::runtime_error(loaded.error);
    trust({});
  }
  void trust(std::optional<certificate_source> own) {
    tls_client_options c;
    c.ca_pem = authority.cert_pem;
    c.verify = verification::pkix;
    c.certificate = std::move(own);
    const auto loaded = client.load(c);
    if (!loaded) throw std::runtime_error(loaded.error);
  }
  pem_pair authority;
  server_context server;
  client_context client;
};

server_options with_tls(const tls_pair& tls) {
  server_options o;
  o.tls = &tls.server;
  return o;
}

// A client on an io_context of its own.
struct tls_client {
  tls_client(const tls_pair& tls, const std::string& name, bool implicit = false)
      : connection(options(implicit), &tls.client, tls_peer(name)) {}
  static client_options options(bool implicit) {
    client_options o;
    o.hello_name = "client.example";
    o.tls_active = implicit;
    o.starttls = implicit ? starttls_use::none : starttls_use::required;
    return o;
  }
  std::error_code connect(std::uint16_t port) {
    socket_connector by(io);
    connect_target where(endpoint{*parse_ip_address("127.0.0.1"), port});
    return testing::run(io, connection.connect(by, where));
  }
  transaction_outcome send(std::string_view message) {
    transaction t;
    t.reverse_path = *address::from_text("a@example.test");
    recipient r;
    r.forward_path = *address::from_text("b@example.test");
    t.recipients.push_back(r);
    text_source text(message);
    return testing::run(io, connection.send(t, text));
  }
  void quit() { testing::run(io, connection.quit()); }

  asio::io_context io{1};
  client_connection connection;
};

TEST(server_tls, starttls) {
  tls_pair tls;
  running_server server(with_tls(tls));
  tls_client c(tls, "mx.example.test");
  ASSERT_FALSE(c.connect(server.port())) << c.connection.failure().text();
  ASSERT_NE(c.connection.tls(), nullptr);
  EXPECT_EQ(c.connection.tls()->version, "TLSv1.3");
  EXPECT_TRUE(c.connection.tls()->peer_verified);
  std::string big = "Subject: x\r\n\r\n";
  while (big.size() < 300000) big += std::string(78, 'x') + "\r\n";
  const transaction_outcome sent = c.send(big);
  EXPECT_EQ(sent.recipients.at(0).state, recipient_state::delivered);
  c.quit();
  ASSERT_TRUE(server.log.ended(1));
  EXPECT_EQ(server.log.tls()->server_name, "mx.example.test");
}

TEST(server_tls, implicit) {
  tls_pair tls;
  running_server server(with_tls(tls), {{.address = "127.0.0.1:0", .implicit_tls = true}});
  tls_client c(tls, "mx.example.test", true);
  ASSERT_FALSE(c.connect(server.port())) << c.connection.failure().text();
  EXPECT_FALSE(c.connection.session().features().has(extension::starttls));
  EXPECT_EQ(c.send("Subject: x\r\n\r\nhi\r\n").recipients.at(0).state, recipient_state::delivered);
  c.quit();
}

TEST(server_tls, sni_chooses_the_certificate) {
  tls_pair tls;
  running_server server(with_tls(tls));
  tls_client c(tls, "mail.other.test");
  ASSERT_FALSE(c.connect(server.port())) << c.connection.failure().text();
  EXPECT_THAT(c.connection.tls()->peer.dns_names, ::testing::ElementsAre("*.other.test"));
  tls_client wrong(tls, "mx.elsewhere.test");
  EXPECT_TRUE(wrong.connect(server.port()));
  EXPECT_EQ(wrong.connection.failure().step, client_step::tls);
}

TEST(server_tls, client_certificate_reaches_the_facts) {
  tls_pair tls([](tls_server_options& o) { o.clients = client_certificates::request; });
  tls_server_options o;
  o.certificates.push_back(source_of(make_signed(tls.authority, {"mx.example.test"}, 5)));
  o.clients = client_certificates::request;
  o.client_ca_pem = tls.authority.cert_pem;
  ASSERT_TRUE(tls.server.load(o));
  tls.trust(source_of(make_signed(tls.authority, {"relay.example.test"}, 5)));
  running_server server(with_tls(tls));
  tls_client c(tls, "mx.example.test");
  ASSERT_FALSE(c.connect(server.port())) << c.connection.failure().text();
  c.quit();
  ASSERT_TRUE(server.log.ended(1));
  EXPECT_TRUE(server.log.tls()->peer_verified);
  EXPECT_THAT(server.log.tls()->peer.dns_names, ::testing::ElementsAre("relay.example.test"));
}

// After STARTTLS and with implicit TLS; the settings are those of the new channel from then on.
TEST(server_tls, a_client_certificate_switches_the_channel) {
  tls_pair tls;
  tls_server_options t;
  t.certificates.push_back(source_of(make_signed(tls.authority, {"mx.example.test"}, 5)));
  t.clients = client_certificates::request;
  t.client_ca_pem = tls.authority.cert_pem;
  ASSERT_TRUE(tls.server.load(t));
  server_options o = with_tls(tls);
  channel relays;
  relays.name = "relays";
  relays.limits.message = 123456;
  o.channels.push_back(relays);
  o.switches.push_back({.certificate = "relay.example.test", .channel = "relays"});
  running_server server(
      o, {{.address = "127.0.0.1:0"}, {.address = "127.0.0.1:0", .implicit_tls = true}});
  std::size_t sessions = 0;
  for (const std::string name : {"relay.example.test", "other.example.test", ""}) {
    std::optional<certificate_source> own;
    if (!name.empty()) own = source_of(make_signed(tls.authority, {name}, 5));
    tls.trust(own);
    for (const bool implicit : {false, true}) {
      tls_client c(tls, "mx.example.test", implicit);
      ASSERT_FALSE(c.connect(server.port(implicit ? 1 : 0))) << c.connection.failure().text();
      const bool relay = name == "relay.example.test";
      EXPECT_EQ(c.connection.session().features().max_size, relay ? 123456u : 50u << 20) << name;
      c.quit();
      ASSERT_TRUE(server.log.ended(++sessions));
      EXPECT_EQ(server.log.channel(), relay ? "relays" : "default") << name;
    }
  }
}

TEST(server_tls, reload_changes_new_sessions_and_leaves_old_ones_alone) {
  tls_pair tls;
  running_server server(with_tls(tls));
  tls_client old_one(tls, "mx.example.test");
  ASSERT_FALSE(old_one.connect(server.port()));
  const std::string before = old_one.connection.tls()->peer.sha256;
  tls_server_options o;
  o.certificates.push_back(source_of(make_signed(tls.authority, {"mx.example.test"}, 5)));
  ASSERT_TRUE(tls.server.load(o));
  tls_client new_one(tls, "mx.example.test");
  ASSERT_FALSE(new_one.connect(server.port()));
  EXPECT_NE(new_one.connection.tls()->peer.sha256, before);
  EXPECT_EQ(old_one.send("Subject: x\r\n\r\nhi\r\n").recipients.at(0).state,
            recipient_state::delivered);
}

// Sessions begin on two threads while the certificates change.
TEST(server_tls, reload_at_any_moment) {
  tls_pair tls;
  running_server server(with_tls(tls), {{.address = "127.0.0.1:0", .implicit_tls = true}}, 2);
  std::atomic<bool> done{false};
  std::thread reloads([&] {
    tls_server_options o;
    o.certificates.push_back(source_of(make_signed(tls.authority, {"mx.example.test"}, 5)));
    while (!done) EXPECT_TRUE(tls.server.load(o));
  });
  for (int i = 0; i < 10; ++i) {
    tls_client c(tls, "mx.example.test", true);
    EXPECT_FALSE(c.connect(server.port())) << c.connection.failure().text();
    c.quit();
  }
  done = true;
  reloads.join();
  EXPECT_TRUE(server.log.troubles().empty());
}

// RFC 3207 §4.2, CVE-2011-0411: what was sent behind STARTTLS never reaches the protected session.
TEST(server_tls, commands_behind_starttls_end_the_session) {
  tls_pair tls;
  running_server server(with_tls(tls));
  raw_client c(server.port());
  c.reply();
  c.ask("EHLO a");
  c.send("STARTTLS\r\nMAIL FROM:<evil@example.test>\r\n");
  EXPECT_THAT(c.reply(), begins_with("554 5.5.1 "));
  EXPECT_TRUE(c.closed());
}

TEST(server_tls, garbage_instead_of_a_handshake) {
  tls_pair tls;
  running_server server(with_tls(tls), {{.address = "127.0.0.1:0"},
                                        {.address = "127.0.0.1:0", .implicit_tls = true}});
  raw_client after_starttls(server.port(0));
  after_starttls.reply();
  after_starttls.ask("EHLO a");
  EXPECT_THAT(after_starttls.ask("STARTTLS"), begins_with("220 "));
  after_starttls.send("this is no ClientHello\r\n");
  after_starttls.line();  // an alert
  EXPECT_TRUE(after_starttls.closed());
  raw_client at_once(server.port(1));
  at_once.send("EHLO a\r\n");
  at_once.line();
  EXPECT_TRUE(at_once.closed());
  ASSERT_TRUE(server.log.ended(2));
  ASSERT_EQ(server.log.troubles().size(), 2u);
  EXPECT_THAT(server.log.troubles()[0], begins_with("tls: "));
}

TEST(server_tls, silent_handshakes_are_cut_off) {
  tls_pair tls;
  server_options o = with_tls(tls);
  o.channels.front().limits.tls_timeout = std::chrono::milliseconds(100);
  running_server server(o, {{.address = "127.0.0.1:0", .implicit_tls = true}});
  raw_client c(server.port());
  EXPECT_TRUE(c.closed());
  ASSERT_TRUE(server.log.ended(1));
  EXPECT_THAT(server.log.ends(), ::testing::ElementsAre("tls failed"));
  EXPECT_THAT(server.log.troubles(),
              ::testing::ElementsAre("tls: the TLS handshake took too long"));
  EXPECT_EQ(server.log.limits(), std::vector<std::string>{"tls_timeout"});
  EXPECT_EQ(server->counters().reached(limit_kind::tls_timeout), 1u);
}

// Handshakes are sessions: a flood of them has the limits of sessions.
TEST(server_tls, handshakes_count) {
  tls_pair tls;
  server_options o = with_tls(tls);
  o.connections.per_network = 2;
  running_server server(o, {{.address = "127.0.0.1:0", .implicit_tls = true}});
  raw_client a(server.port());
  raw_client b(server.port());
  raw_client c(server.port());
  EXPECT_TRUE(c.closed());  // no 421: without a handshake there is no way to say it
  EXPECT_EQ(server.log.refused("connections_per_network"), 1);
}

}  // namespace
}  // namespace gatepost::smtp
