// This header stands alone.
#include "smtp/tls/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <tuple>

#include "tests/smtp/tls/pair.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using tests::cutter;
using tests::pair;
using tests::take_output;
using tests::world;

tls_peer verified(std::string host) {
  tls_peer peer{std::move(host)};
  peer.verify = verification::pkix;
  return peer;
}

tls_client_options only(tls_version version) {
  tls_client_options options = tests::client_options();
  options.min_version = options.max_version = version;
  return options;
}

tls_server_options from_1_0() {
  tls_server_options options = tests::server_options();
  options.min_version = tls_version::tls_1_0;
  return options;
}

// Patterned, so that octets lost or swapped show.
std::string text_of(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('!' + (i * 7 + i / 251) % 90);
  return text;
}

tls_io read_one(tls_engine& engine, std::string_view received = {}) {
  char room[64];
  return engine.read(room, received);
}

// ---- the handshake and how its octets arrive

TEST(tls_engine, a_handshake_is_done_and_says_how) {
  const world w;
  ASSERT_TRUE(w.server_loaded) << w.server_loaded.error;
  ASSERT_TRUE(w.client_loaded) << w.client_loaded.error;
  pair c = w.connect(verified("MX.Example.Test"));
  EXPECT_EQ(c.server.facts().version, "");
  ASSERT_TRUE(c.shake()) << c.client.error_text() << c.server.error_text();
  EXPECT_TRUE(c.server.established());
  for (const tls_engine* engine : {&c.server, &c.client}) {
    const tls_facts facts = engine->facts();
    EXPECT_EQ(facts.version, "TLSv1.3");
    EXPECT_THAT(facts.cipher, StartsWith("TLS_"));
    EXPECT_GE(facts.cipher_bits, 128);
    EXPECT_EQ(facts.group, "X25519");
    EXPECT_EQ(facts.server_name, "mx.example.test");
    EXPECT_FALSE(facts.resumed);
  }
  const tls_facts facts = c.client.facts();
  EXPECT_TRUE(facts.peer_verified) << facts.peer_not_verified;
  EXPECT_EQ(facts.peer.subject, "CN=mx.example.test");
  EXPECT_EQ(facts.peer.issuer, "CN=gatepost test authority");
  EXPECT_EQ(facts.peer.sha256.size(), 64u);
  EXPECT_FALSE(c.server.facts().peer.present);
  EXPECT_EQ(c.server.facts().peer_not_verified, "");
}

TEST(tls_engine, every_version_and_every_split_of_the_octets) {
  const struct {
    tls_version version;
    const char* text;
  } versions[] = {{tls_version::tls_1_0, "TLSv1"},
                  {tls_version::tls_1_1, "TLSv1.1"},
                  {tls_version::tls_1_2, "TLSv1.2"},
                  {tls_version::tls_1_3, "TLSv1.3"}};
  for (const auto& one : versions) {
    tls_client_options options = only(one.version);
    const world w{from_1_0(), options};
    for (const std::size_t step : {1u, 2u, 3u, 5u, 7u, 100u, 1000u}) {
      pair c = w.connect(verified("mx.example.test"));
      const cutter steps = [step](std::size_t n) { return std::min(step, n); };
      ASSERT_TRUE(c.shake(steps)) << one.text << c.client.error_text() << c.server.error_text();
      EXPECT_EQ(c.server.facts().version, one.text);
      EXPECT_EQ(c.client.facts().version, one.text);
      EXPECT_EQ(pair::pass(c.client, c.server, c.to_server, "to the server", 4, steps),
                "to the server");
      EXPECT_EQ(pair::pass(c.server, c.client, c.to_client, "to the client", 4, steps),
                "to the client");
    }
  }
}

TEST(tls_engine, a_cut_at_every_place_of_the_wire) {
  const world w;
  bool inside = true;
  // One octet after `at` others; the rest of a flight comes whole.
  for (std::size_t at = 1; inside; at += 3) {
    pair c = w.connect();
    std::size_t seen = 0;
    inside = false;
    const cutter once = [&](std::size_t n) {
      const bool here = seen < at && seen + n > at;
      const std::size_t size = here ? at - seen : n;
      inside = inside || here;
      seen += size;
      return size;
    };
    ASSERT_TRUE(c.shake(once)) << at << c.client.error_text() << c.server.error_text();
    ASSERT_EQ(c.to_the_server("x"), "x") << at;
  }
}

TEST(tls_engine, random_cuts_of_handshake_and_data) {
  const world w;
  const std::string text = text_of(50000);
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random{seed};
    const cutter any = [&](std::size_t n) { return 1 + random() % n; };
    pair c = w.connect();
    ASSERT_TRUE(c.shake(any)) << seed;
    ASSERT_EQ(pair::pass(c.client, c.server, c.to_server, text, 1 + random() % 9000, any), text);
    ASSERT_EQ(pair::pass(c.server, c.client, c.to_client, text, 1 + random() % 9000, any), text);
  }
}

TEST(tls_engine, feed_keeps_octets_for_later_calls) {
  const world w;
  pair c = w.connect();
  EXPECT_EQ(c.client.handshake(), tls_status::want_read);
  const std::string hello = take_output(c.client);
  c.server.feed(hello.substr(0, 10));
  EXPECT_TRUE(c.server.input_pending());
  EXPECT_EQ(c.server.handshake(hello.substr(10)), tls_status::want_read);
  EXPECT_FALSE(c.server.input_pending());
  c.to_client = take_output(c.server);
  EXPECT_TRUE(c.shake());
  // What follows the handshake in the same octets is not lost.
  pair d = w.connect();
  d.client_status = d.client.handshake();
  d.server_status = d.server.handshake(take_output(d.client));
  d.client_status = d.client.handshake(take_output(d.server));
  ASSERT_EQ(d.client.write("EHLO a.test\r\n").size, 13u);
  EXPECT_EQ(d.server.handshake(take_output(d.client)), tls_status::done);
  EXPECT_TRUE(d.server.input_pending());
  char room[64];
  const tls_io got = d.server.read(room);
  EXPECT_EQ(std::string_view(room, got.size), "EHLO a.test\r\n");
  EXPECT_FALSE(d.server.input_pending());
}

TEST(tls_engine, an_engine_moves) {
  const world w;
  pair c = w.connect();
  c.client_status = c.client.handshake();
  tls_engine moved{std::move(c.client)};
  c.client = std::move(moved);
  ASSERT_TRUE(c.shake());
  EXPECT_EQ(c.to_the_server("moved"), "moved");
}

// ---- versions and ciphers

TEST(tls_engine, versions_below_the_floor_are_refused) {
  tls_client_options options = only(tls_version::tls_1_1);
  const world w{tests::server_options(), options};
  pair c = w.connect();
  EXPECT_FALSE(c.shake());
  EXPECT_THAT(c.server.error_text(), HasSubstr("TLS handshake failed: the client offers no TLS "
                                               "version from TLSv1.2 to TLSv1.3; update"));
  EXPECT_THAT(c.server.error_text(), HasSubstr("UNSUPPORTED_PROTOCOL"));
  // The alert is there to be sent, and the client understands it.
  c.to_client += take_output(c.server);
  EXPECT_EQ(c.client.handshake(c.to_client), tls_status::failed);
  EXPECT_THAT(c.client.error_text(), HasSubstr("it does not accept our TLS versions"));
}

TEST(tls_engine, a_server_below_the_clients_floor_is_refused) {
  tls_server_options old = from_1_0();
  old.max_version = tls_version::tls_1_1;
  const world w{old};
  pair c = w.connect();
  EXPECT_FALSE(c.shake());
  // It says so by an alert, or by choosing a version that the client refuses.
  EXPECT_THAT(c.client_status == tls_status::failed ? c.client.error_text() : c.server.error_text(),
              AnyOf(HasSubstr("TLS version"), HasSubstr("TLS versions")));
}

TEST(tls_engine, the_server_chooses_the_cipher) {
  tls_server_options options = tests::server_options();
  options.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384";
  tls_client_options client = only(tls_version::tls_1_2);
  client.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305";
  const world w{options, client};
  pair c = w.connect();
  ASSERT_TRUE(c.shake());
  EXPECT_EQ(c.server.facts().cipher, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
  EXPECT_EQ(c.server.facts().cipher_bits, 256);
}

TEST(tls_engine, no_common_cipher_is_said) {
  tls_server_options options = tests::server_options();
  options.max_version = tls_version::tls_1_2;
  options.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  tls_client_options client = only(tls_version::tls_1_2);
  client.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  const world w{options, client};
  pair c = w.connect();
  EXPECT_FALSE(c.shake());
  EXPECT_THAT(c.server.error_text(), HasSubstr("no cipher in common"));
}

// ---- a client verifies its server

TEST(tls_engine, the_name_of_the_server_is_compared) {
  const world w;
  const struct {
    const char* host;
    bool good;
  } cases[] = {
      {"mx.example.test", true},
      {"MX.EXAMPLE.TEST", true},
      {"mx.example.test.", true},
      {"in.mail.test", true},
      {"mail.test", false},
      {"a.in.mail.test", false},
      {"example.test", false},
      {"mx.example.tes", false},
      {"xmx.example.test", false},
      {"127.0.0.1", false},
      {"::1", false},
  };
  for (const auto& one : cases) {
    pair c = w.connect(verified(one.host));
    EXPECT_EQ(c.shake(), one.good) << one.host << c.client.error_text();
    if (one.good) {
      EXPECT_TRUE(c.client.facts().peer_verified);
      continue;
    }
    EXPECT_THAT(c.client.error_text(), HasSubstr("the certificate is for mx.example.test, "
                                                 "*.mail.test, not for " +
                                                 std::string{one.host}));
    // Opportunistic: the same is only said.
    pair d = w.connect(tls_peer{one.host});
    ASSERT_TRUE(d.shake());
    EXPECT_FALSE(d.client.facts().peer_verified);
    EXPECT_THAT(d.client.facts().peer_not_verified, HasSubstr("not for " + std::string{one.host}));
  }
}

TEST(tls_engine, addresses_and_other_names_are_compared_too) {
  tls_server_options options;
  options.certificates = {
      tests::source_of(make_signed(tests::authority(), {"a.test", "192.0.2.1", "2001:db8::1"}, 1))};
  const world w{options};
  for (const char* host : {"192.0.2.1", "2001:db8::1"}) {
    pair c = w.connect(verified(host));
    ASSERT_TRUE(c.shake()) << c.client.error_text();
    EXPECT_EQ(c.server.facts().server_name, "");  // RFC 6066 §3
  }
  tls_peer peer = verified("b.test");
  peer.other_names = {"c.test", "A.test."};
  pair c = w.connect(peer);
  EXPECT_TRUE(c.shake()) << c.client.error_text();
  EXPECT_EQ(c.server.facts().server_name, "b.test");
}

TEST(tls_engine, a_common_name_is_no_host_name) {
  tls_server_options options;
  options.certificates = {tests::source_of(make_signed(tests::authority(), {"a.test"}, 1))};
  // An authority's certificate has a common name only.
  const pem_pair bare = make_authority("bare.test", 1);
  options.certificates.push_back(tests::source_of(bare));
  tls_client_options client = tests::client_options();
  client.ca_pem += bare.cert_pem;
  const world w{options, client};
  pair c = w.connect(verified("bare.test"));
  EXPECT_FALSE(c.shake());
  EXPECT_THAT(c.client.error_text(), HasSubstr("names no host"));
}

TEST(tls_engine, what_is_wrong_with_a_servers_certificate_is_said) {
  const pem_pair stranger = make_authority("stranger", 1);
  const struct {
    pem_pair pair;
    const char* says;
  } cases[] = {
      {make_self_signed({"mx.example.test"}, 1), "signs itself and is not among the trusted"},
      {make_signed(tests::authority(), {"mx.example.test"}, -2),
       "CN=mx.example.test expired on 20"},
      {make_signed(stranger, {"mx.example.test"}, 1),
       "self signed certificate in certificate chain"},
      {tests::server_pair(), ""},
  };
  for (const auto& one : cases) {
    tls_server_options options;
    options.certificates = {tests::source_of(one.pair)};
    options.allow_expired = true;
    const world w{options};
    ASSERT_TRUE(w.server_loaded) << w.server_loaded.error;
    const bool good = *one.says == '\0';
    pair c = w.connect(verified("mx.example.test"));
    EXPECT_EQ(c.shake(), good);
    EXPECT_THAT(c.client.error_text(), HasSubstr(one.says));
    pair d = w.connect();
    EXPECT_TRUE(d.shake());
    EXPECT_EQ(d.client.facts().peer_verified, good);
    EXPECT_THAT(d.client.facts().peer_not_verified, HasSubstr(one.says));
    EXPECT_EQ(d.to_the_server("x"), "x");
    if (good) continue;
    // The server hears of it.
    c.to_server += take_output(c.client);
    if (c.server_status == tls_status::want_read) c.server_status = c.server.handshake(c.to_server);
    EXPECT_EQ(c.server_status, tls_status::failed);
    EXPECT_THAT(c.server.error_text(), HasSubstr("the peer refused with alert"));
  }
}

TEST(tls_engine, a_chain_without_its_middle_is_said) {
  pem_pair leaf = make_signed(make_authority("stranger", 1), {"mx.example.test"}, 1);
  leaf.cert_pem.resize(leaf.cert_pem.find("-----BEGIN", 1));
  tls_server_options options;
  options.certificates = {tests::source_of(leaf)};
  const world w{options};
  pair c = w.connect(verified("mx.example.test"));
  EXPECT_FALSE(c.shake());
  EXPECT_THAT(c.client.error_text(), HasSubstr("the issuer of CN=mx.example.test, CN=stranger, is "
                                               "neither trusted nor in the chain"));
}

TEST(tls_engine, verification_needs_a_name) {
  const world w;
  pair c = w.connect(verified(""));
  EXPECT_FALSE(c.shake());
  EXPECT_THAT(c.client.error_text(), HasSubstr("no host name was given"));
  pair d = w.connect(tls_peer{});
  EXPECT_TRUE(d.shake());
  EXPECT_FALSE(d.client.facts().peer_verified);
  pair e = w.connect(tls_peer{std::string(300, 'a')});
  EXPECT_EQ(e.client.handshake(), tls_status::failed);
  EXPECT_THAT(e.client.error_text(), HasSubstr("cannot be used as a server name"));
}

TEST(tls_engine, the_contexts_verification_holds_where_a_session_says_nothing) {
  tls_client_options options = tests::client_options();
  options.verify = verification::pkix;
  const world w{tests::server_options(), options};
  pair c = w.connect(tls_peer{"other.test"});
  EXPECT_FALSE(c.shake());
  tls_peer peer{"other.test"};
  peer.verify = verification::opportunistic;
  pair d = w.connect(peer);
  EXPECT_TRUE(d.shake());
}

TEST(tls_engine, the_hook_has_the_last_word) {
  const world w;
  struct seen {
    std::size_t certificates = 0;
    std::size_t octets = 0;
    std::string host;
    bool trusted = false;
    std::string problem;
  } seen;
  const auto answer = [&seen](verify_answer what) {
    return [&seen, what](const verify_request& request) {
      seen = {request.chain.size(), request.chain.front().size(), std::string{request.host},
              request.trusted, std::string{request.problem}};
      return what;
    };
  };
  tls_peer peer{"nobody.test"};
  peer.hook = answer({true});
  pair c = w.connect(peer);
  ASSERT_TRUE(c.shake()) << c.client.error_text();
  EXPECT_EQ(seen.certificates, 2u);  // leaf and authority, as sent
  EXPECT_GT(seen.octets, 200u);
  EXPECT_EQ(seen.host, "nobody.test");
  EXPECT_FALSE(seen.trusted);
  EXPECT_THAT(seen.problem, HasSubstr("not for nobody.test"));
  EXPECT_TRUE(c.client.facts().peer_verified);
  EXPECT_EQ(c.client.facts().peer_not_verified, "");

  peer = verified("mx.example.test");
  peer.hook = answer({false, "no TLSA record fits"});
  pair d = w.connect(peer);
  EXPECT_FALSE(d.shake());
  EXPECT_TRUE(seen.trusted);
  EXPECT_THAT(d.client.error_text(), HasSubstr("not verified: no TLSA record fits"));

  peer.verify = verification::opportunistic;  // a refusal is one in every mode
  pair e = w.connect(peer);
  EXPECT_FALSE(e.shake());

  peer.hook = [](const verify_request&) -> verify_answer { throw std::runtime_error{"oh"}; };
  pair f = w.connect(peer);
  EXPECT_FALSE(f.shake());
  EXPECT_THAT(f.client.error_text(), HasSubstr("the verification of the certificate failed"));
}

// ---- a server asks for client certificates

struct client_case {
  const char* what;
  bool sent;
  pem_pair pair;
  client_certificates wanted;
  bool accepted;
  bool trusted;
  const char* says;  // by the server: in its error, or in its facts
};

TEST(tls_engine, client_certificates) {
  using enum client_certificates;
  const pem_pair good = make_signed(tests::authority(), {"c.test", "ann@c.test"}, 1);
  const pem_pair alien = make_self_signed({"c.test"}, 1);
  const std::string absent = "sent no certificate";
  const client_case cases[] = {
      {"none, good", true, good, none, true, false, ""},
      {"request, absent", false, {}, request, true, false, "sent no certificate"},
      {"request, untrusted", true, alien, request, true, false, "signs itself"},
      {"request, good", true, good, request, true, true, ""},
      {"require, absent", false, {}, require, false, false, "sent no certificate"},
      {"require, untrusted", true, alien, require, false, false, "signs itself"},
      {"require, good", true, good, require, true, true, ""},
  };
  for (const client_case& one : cases) {
    for (const tls_version version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
      SCOPED_TRACE(one.what);
      tls_server_options options = tests::server_options();
      options.clients = one.wanted;
      options.client_ca_pem = tests::authority().cert_pem;
      tls_client_options client = only(version);
      if (one.sent) client.certificate = tests::source_of(one.pair);
      const world w{options, client};
      pair c = w.connect();
      EXPECT_EQ(c.shake(), one.accepted) << c.server.error_text();
      const tls_facts facts = c.server.facts();
      EXPECT_THAT(one.accepted ? facts.peer_not_verified : c.server.error_text(),
                  HasSubstr(one.says));
      EXPECT_EQ(facts.peer_verified, one.trusted);
      EXPECT_EQ(facts.peer.present, one.accepted && one.sent && one.wanted != none);
      if (one.trusted) {
        EXPECT_EQ(facts.peer.emails, std::vector<std::string>{"ann@c.test"});
      }
      if (one.accepted) continue;
      // In TLS 1.3 the client has thought itself done; the refusal is its next read.
      const std::string alert = c.to_client + take_output(c.server);
      const tls_status heard =
          c.client.established() ? read_one(c.client, alert).status : c.client.handshake(alert);
      EXPECT_EQ(heard, tls_status::failed);
      EXPECT_THAT(c.client.error_text(), HasSubstr("the peer refused with alert"));
    }
  }
}

TEST(tls_engine, client_certificates_without_authorities_are_facts_only) {
  tls_server_options options = tests::server_options();
  options.clients = client_certificates::request;
  tls_client_options client = tests::client_options();
  client.certificate = tests::source_of(make_self_signed({"c.test"}, 1));
  const world w{options, client};
  pair c = w.connect();
  ASSERT_TRUE(c.shake());
  EXPECT_EQ(c.server.facts().peer.dns_names.front(), "c.test");
  EXPECT_FALSE(c.server.facts().peer_verified);
}

// ---- resumption

tls_session session_of(const world& w, tls_peer peer) {
  peer.keep_session = true;
  pair c = w.connect(std::move(peer));
  EXPECT_TRUE(c.shake()) << c.client.error_text();
  EXPECT_EQ(c.to_the_client("220 \r\n"), "220 \r\n");  // TLS 1.3 sends tickets with it
  return c.client.session();
}

bool resumes(const world& w, tls_peer peer, tls_session session) {
  peer.resume = std::move(session);
  pair c = w.connect(std::move(peer));
  EXPECT_TRUE(c.shake()) << c.client.error_text();
  EXPECT_EQ(c.client.facts().resumed, c.server.facts().resumed);
  EXPECT_EQ(c.to_the_client("220 \r\n"), "220 \r\n");
  return c.client.facts().resumed;
}

TEST(tls_engine, sessions_are_resumed) {
  for (const tls_version version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
    tls_server_options options = tests::server_options();
    options.clients = client_certificates::request;
    options.client_ca_pem = tests::authority().cert_pem;
    tls_client_options client = only(version);
    client.certificate = tests::source_of(make_signed(tests::authority(), {"c.test"}, 1));
    const world w{options, client};
    tls_peer peer = verified("mx.example.test");
    peer.resume = session_of(w, peer);
    ASSERT_NE(peer.resume, nullptr);
    pair c = w.connect(peer);
    ASSERT_TRUE(c.shake());
    // What was verified in the first session is known in the second.
    EXPECT_TRUE(c.client.facts().resumed);
    EXPECT_TRUE(c.client.facts().peer_verified);
    EXPECT_TRUE(c.server.facts().resumed);
    EXPECT_TRUE(c.server.facts().peer_verified) << c.server.facts().peer_not_verified;
    EXPECT_EQ(c.server.facts().peer.dns_names.front(), "c.test");
  }
}

TEST(tls_engine, a_session_is_resumed_only_where_it_means_the_same) {
  world w;
  const tls_peer plain{"mx.example.test"};
  EXPECT_TRUE(resumes(w, plain, session_of(w, plain)));
  EXPECT_FALSE(resumes(w, tls_peer{"in.mail.test"}, session_of(w, plain)));
  EXPECT_FALSE(resumes(w, verified("mx.example.test"), session_of(w, plain)));
  tls_peer hooked = plain;
  hooked.hook = [](const verify_request&) { return verify_answer{true}; };
  EXPECT_FALSE(resumes(w, hooked, session_of(w, plain)));
  EXPECT_EQ(session_of(w, hooked), nullptr);
  const tls_session before = session_of(w, plain);
  ASSERT_TRUE(w.client.reload());  // other authorities, perhaps
  EXPECT_FALSE(resumes(w, plain, before));
  const tls_session old_keys = session_of(w, plain);
  ASSERT_TRUE(w.server.reload());
  EXPECT_FALSE(resumes(w, plain, old_keys));
  pair not_kept = w.connect();
  ASSERT_TRUE(not_kept.shake());
  EXPECT_EQ(not_kept.client.session(), nullptr);
}

TEST(tls_engine, tickets_can_be_turned_off) {
  tls_server_options options = tests::server_options();
  options.session_tickets = false;
  for (const tls_version version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
    const world w{options, only(version)};
    const tls_peer peer{"mx.example.test"};
    EXPECT_FALSE(resumes(w, peer, session_of(w, peer)));
  }
}

// ---- ends of sessions

TEST(tls_engine, both_sides_say_goodbye) {
  const world w;
  pair c = w.connect();
  ASSERT_TRUE(c.shake());
  take_output(c.server);
  EXPECT_EQ(c.client.shutdown(c.to_client), tls_status::want_read);
  EXPECT_EQ(read_one(c.server, take_output(c.client)).status, tls_status::closed);
  EXPECT_EQ(read_one(c.server).status, tls_status::closed);
  EXPECT_EQ(c.server.write("last words").status, tls_status::done);  // RFC 8446 §6.1: half closed
  EXPECT_EQ(c.server.shutdown(), tls_status::done);
  EXPECT_EQ(c.client.shutdown(take_output(c.server)), tls_status::done);
}

TEST(tls_engine, data_before_the_goodbye_is_read_first) {
  const world w;
  pair c = w.connect();
  ASSERT_TRUE(c.shake());
  ASSERT_EQ(c.client.write("QUIT\r\n").size, 6u);
  EXPECT_EQ(c.client.shutdown(c.to_client), tls_status::want_read);
  const std::string wire = take_output(c.client);
  char room[64];
  const tls_io got = c.server.read(room, wire);
  EXPECT_EQ(std::string_view(room, got.size), "QUIT\r\n");
  EXPECT_EQ(read_one(c.server).status, tls_status::closed);
}

TEST(tls_engine, an_end_without_goodbye_is_a_truncation) {
  const world w;
  pair c = w.connect();
  ASSERT_TRUE(c.shake());
  ASSERT_EQ(c.client.write("half of it").status, tls_status::done);
  const std::string wire = take_output(c.client);
  for (const std::size_t size : {std::size_t{0}, std::size_t{3}, wire.size() - 1, wire.size()}) {
    pair d = w.connect();
    ASSERT_TRUE(d.shake());
    ASSERT_EQ(d.client.write("half of it").status, tls_status::done);
    const std::string sent = take_output(d.client);
    tls_io got = read_one(d.server, std::string_view{sent}.substr(0, size));
    EXPECT_EQ(got.status, size == sent.size() ? tls_status::done : tls_status::want_read);
    d.server.end_of_input();
    EXPECT_EQ(read_one(d.server).status, tls_status::truncated) << size;
    EXPECT_EQ(read_one(d.server).status, tls_status::truncated) << size;
  }
}

TEST(tls_engine, a_handshake_that_ends_at_any_octet_fails) {
  const world w;
  pair whole = w.connect();
  whole.client_status = whole.client.handshake();
  const std::string hello = take_output(whole.client);
  for (std::size_t size = 0; size <= hello.size(); size += 7) {
    tls_engine server{w.server};
    EXPECT_EQ(server.handshake(std::string_view{hello}.substr(0, size)), tls_status::want_read);
    server.end_of_input();
    EXPECT_EQ(server.handshake(), tls_status::failed);
    EXPECT_EQ(server.error_text(), "TLS handshake failed: the peer closed the connection");
  }
}

// ---- hostile peers

TEST(tls_engine, what_is_not_tls_is_refused) {
  const world w;
  const std::pair<std::string, std::string> cases[] = {
      {"EHLO client.test\r\nMAIL FROM:<a@b.test>\r\n", "is not TLS"},
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP"},
      {"POST / HTTP/1.1\r\n", "HTTP"},
      {std::string(100, '\0'), "TLS handshake failed"},
      {std::string(70000, '\xff'), "TLS handshake failed"},
      {std::string{"\x16\x03\x01\x00\x00", 5}, ""},
      {std::string{"\x16\x03\x01\xff\xff", 5}, "TLS handshake failed"},
      {std::string{"\x17\x03\x03\x00\x02xx", 7}, "TLS handshake failed"},
      {std::string{"\x15\x03\x01\x00\x02\x02\x28", 7}, "handshake failure"},
      {std::string{"\x15\x03\x01\x00\x02\x01\x00", 7}, "the peer ended the session in it"},
  };
  for (const auto& [octets, says] : cases) {
    tls_engine server{w.server};
    server.handshake(octets);
    server.end_of_input();
    EXPECT_EQ(server.handshake(), tls_status::failed);
    EXPECT_THAT(server.error_text(), HasSubstr(says));
    EXPECT_EQ(server.error_text().find('\n'), std::string::npos);
  }
}

TEST(tls_engine, a_server_in_plain_text_is_said) {
  const world w;
  tls_engine client{w.client, tls_peer{"mx.example.test"}};
  EXPECT_EQ(client.handshake("454 4.7.0 TLS not available\r\n"), tls_status::failed);
  EXPECT_THAT(client.error_text(), HasSubstr("is one side in plain text here?"));
}

TEST(tls_engine, flipped_bits_never_pass) {
  const world w;
  std::mt19937 random{7};
  for (int i = 0; i < 300; ++i) {
    pair c = w.connect(verified("mx.example.test"));
    std::size_t octets = 300 + random() % 2000;  // into the handshake, or behind it
    bool flipped = false;
    c.client_status = c.client.handshake();
    c.to_server = take_output(c.client);
    for (int round = 0; round < 6 && !c.over(); ++round) {
      std::string& wire = round % 2 == 0 ? c.to_server : c.to_client;
      if (!flipped && octets < wire.size()) {
        wire[octets] = static_cast<char>(wire[octets] ^ (1 << random() % 8));
        flipped = true;
      }
      octets -= flipped ? 0 : std::min(octets, wire.size());
      tls_engine& engine = round % 2 == 0 ? c.server : c.client;
      tls_status& status = round % 2 == 0 ? c.server_status : c.client_status;
      if (status == tls_status::want_read) status = engine.handshake(wire);
      wire.clear();
      c.to_client += take_output(c.server);
      c.to_server += take_output(c.client);
    }
    ASSERT_FALSE(flipped && c.server_status == tls_status::done &&
                 c.client_status == tls_status::done);
  }
}

TEST(tls_engine, a_damaged_record_ends_the_session) {
  const world w;
  pair c = w.connect();
  ASSERT_TRUE(c.shake());
  ASSERT_EQ(c.client.write("text").status, tls_status::done);
  std::string wire = take_output(c.client);
  wire.back() = static_cast<char>(wire.back() ^ 1);
  EXPECT_EQ(read_one(c.server, wire).status, tls_status::failed);
  EXPECT_THAT(c.server.error_text(), HasSubstr("TLS read failed: a record was damaged or forged"));
  // A failure is for good, and no call changes what it was.
  const std::string text = c.server.error_text();
  EXPECT_EQ(read_one(c.server).status, tls_status::failed);
  EXPECT_EQ(c.server.write("x").status, tls_status::failed);
  EXPECT_EQ(c.server.shutdown(), tls_status::failed);
  EXPECT_EQ(c.server.handshake(), tls_status::failed);
  EXPECT_FALSE(c.server.input_pending());
  EXPECT_EQ(c.server.error_text(), text);
  // The alert that goes out is the client's reason.
  EXPECT_EQ(read_one(c.client, c.to_client + take_output(c.server)).status, tls_status::failed);
  EXPECT_THAT(c.client.error_text(), HasSubstr("bad record mac"));
}

TEST(tls_engine, a_handshake_has_a_limit) {
  tls_server_options options = tests::server_options();
  options.clients = client_certificates::request;
  tls_client_options client = tests::client_options();
  pem_pair big = make_self_signed({"c.test"}, 1);
  const std::string one = big.cert_pem;
  while (big.cert_pem.size() < 2 * tls_handshake_limit) big.cert_pem += one;  // PEM is 4/3 of DER
  client.certificate = tests::source_of(big);
  const world w{options, client};
  pair c = w.connect();
  EXPECT_FALSE(c.shake());
  EXPECT_THAT(c.server.error_text(), HasSubstr("the peer sent more than 65536 octets in it"));
}

TEST(tls_engine, server_names_are_made_safe) {
  const world w;
  pair c = w.connect(tls_peer{"evil\r\nX-Header: yes\x80.test"});
  ASSERT_TRUE(c.shake());
  EXPECT_EQ(c.server.facts().server_name, "evil??x-header:?yes?.test");
}

TEST(tls_engine, unread_input_has_a_limit) {
  const world w;
  pair c = w.connect();
  ASSERT_TRUE(c.shake());
  const std::string chunk(100 * 1024, 'x');
  c.server.feed(chunk);
  c.server.feed(chunk);
  EXPECT_TRUE(c.server.input_pending());
  c.server.feed(chunk);
  EXPECT_EQ(read_one(c.server).status, tls_status::failed);
  EXPECT_THAT(c.server.error_text(), HasSubstr("octets were received without being read"));
}

// ---- use in the wrong order

TEST(tls_engine, without_a_loaded_context_the_handshake_fails) {
  const server_context server;
  const client_context client;
  tls_engine a{server};
  tls_engine b{client, tls_peer{"a.test"}};
  for (tls_engine* engine : {&a, &b}) {
    EXPECT_EQ(engine->handshake(), tls_status::failed);
    EXPECT_THAT(engine->error_text(), HasSubstr("are loaded"));
    EXPECT_FALSE(engine->input_pending());
    EXPECT_EQ(engine->output(), "");
  }
}

TEST(tls_engine, nothing_is_read_or_written_before_the_handshake) {
  const world w;
  tls_engine a{w.server};
  EXPECT_EQ(a.write("220 \r\n").status, tls_status::failed);
  EXPECT_EQ(a.output(), "");
  tls_engine b{w.server};
  EXPECT_EQ(read_one(b).status, tls_status::failed);
  tls_engine c{w.server};
  EXPECT_EQ(c.shutdown(), tls_status::failed);
}

// ---- much data

TEST(tls_engine, big_transfers_in_both_directions) {
  const world w;
  pair c = w.connect();
  ASSERT_TRUE(c.shake());
  const std::string text = text_of(4 << 20);
  EXPECT_TRUE(c.to_the_server(text) == text);
  EXPECT_TRUE(pair::pass(c.server, c.client, c.to_client, text, 40000) == text);
  EXPECT_FALSE(c.server.input_pending());
  EXPECT_EQ(c.client.output(), "");
}

TEST(tls_engine, output_is_bounded) {
  const world w;
  pair c = w.connect();
  ASSERT_TRUE(c.shake());
  take_output(c.client);
  const std::string text = text_of(1 << 20);
  const tls_io first = c.client.write(text);
  EXPECT_EQ(first.status, tls_status::done);
  EXPECT_LT(first.size, 2 * tls_output_limit);
  EXPECT_LT(c.client.output().size(), 2 * tls_output_limit);
  const tls_io second = c.client.write(std::string_view{text}.substr(first.size));
  EXPECT_EQ(second.status, tls_status::want_write);
  EXPECT_EQ(second.size, 0u);
  // A part sent is enough to go on, and the wire stays in order.
  std::string wire{c.client.output().substr(0, 20000)};
  c.client.consume_output(20000);
  const tls_io third = c.client.write(std::string_view{text}.substr(first.size));
  EXPECT_EQ(third.status, tls_status::done);
  wire += take_output(c.client);
  std::vector<char> room(first.size + third.size);
  const tls_io got = c.server.read(room, wire);
  ASSERT_EQ(got.size, room.size());
  EXPECT_EQ(std::string_view(room.data(), room.size()),
            std::string_view{text}.substr(0, room.size()));
}

TEST(tls_engine, nothing_is_an_empty_write_or_read) {
  const world w;
  pair c = w.connect();
  ASSERT_TRUE(c.shake());
  take_output(c.server);
  const tls_io wrote = c.server.write("");
  EXPECT_EQ(wrote.status, tls_status::done);
  EXPECT_EQ(c.server.output(), "");
  const tls_io got = c.server.read({});
  EXPECT_EQ(got.status, tls_status::done);
  EXPECT_EQ(got.size, 0u);
}

}  // namespace
}  // namespace gatepost::smtp
