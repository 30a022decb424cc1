// client_session: what the extensions of the server change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "smtp/client_session.hpp"
#include "tests/smtp/client_session_support.hpp"

namespace gatepost::smtp {
namespace {

// --- Extensions ----------------------------------------------------------------------------------

constexpr std::string_view everything =
    "SIZE 1000,8BITMIME,SMTPUTF8,DSN,AUTH PLAIN,REQUIRETLS,NO-SOLICITING,PIPELINING";

transaction demanding() {
  transaction t = message({"x@b.example"});
  t.size = 1000;
  t.body = body_type::eight_bit_mime;
  t.ret = dsn_return::headers;
  t.envid = "QQ+2B1";
  t.recipients[0].notify = notify_success | notify_delay;
  t.recipients[0].orcpt = "rfc822;o@b.example";
  t.auth = "me@a.example";
  t.solicit = "net.example:ADV";
  return t;
}

// A script that is past EHLO under TLS, the certificate verified.
client_script greeted_under_tls(std::string_view features, client_options o = {}) {
  client_script s(o);
  s.server("220 mx.example ESMTP\r\n").client("EHLO localhost\r\n");
  s.server("250-mx.example\r\n250 STARTTLS\r\n").client("STARTTLS\r\n").server("220 go\r\n");
  return greet(s.starts_tls(), features);
}

TEST(client_session, parameters_where_they_are_offered) {
  client_options o = with_login();
  o.tls_active = o.auth_without_verification = false;
  client_script s = greeted_under_tls(everything, o);
  transaction t = demanding();
  t.requiretls = true;
  t.smtputf8 = true;
  s.client("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n").server("235 ok\r\n");
  s.sends(t)
      .client(
          "MAIL FROM:<me@a.example> SIZE=1000 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS "
          "ENVID=QQ+2B1 AUTH=me@a.example SOLICIT=net.example:ADV\r\n"
          "RCPT TO:<x@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o@b.example\r\nDATA\r\n")
      .server("250 ok\r\n550 no\r\n503 no\r\n");
  EXPECT_EQ(s.check(), "");
  EXPECT_TRUE(s.play().outcomes[0].dsn_passed_on);
}

TEST(client_session, no_parameters_where_they_are_not) {
  client_script s = greeted("PIPELINING,8BITMIME");
  transaction t = demanding();
  s.sends(t)
      .client("MAIL FROM:<me@a.example> BODY=8BITMIME\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n550 no\r\n503 no\r\n");
  EXPECT_EQ(s.check(), "");
  EXPECT_FALSE(s.play().outcomes[0].dsn_passed_on);
}

TEST(client_session, parameters_cannot_inject_commands) {
  transaction t = message({"x@b.example"});
  t.envid = "a\r\nRSET";
  t.recipients[0].orcpt = "rfc822;a b";
  t.recipients[0].notify = 128;
  client_script s = greeted("PIPELINING,DSN");
  s.sends(t)
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n550 no\r\n503 no\r\n");
  EXPECT_EQ(s.check(), "");
}

struct early_case {
  const char* name;
  std::string_view features;
  void (*change)(transaction&);
  enhanced_code enhanced;
};

const early_case early_cases[] = {
    {"too big", "SIZE 999", [](transaction& t) { t.size = 1000; }, {5, 3, 4}},
    {"8-bit", "SIZE", [](transaction& t) { t.body = body_type::eight_bit_mime; }, {5, 6, 3}},
    {"binary without BDAT",
     "8BITMIME,BINARYMIME",
     [](transaction& t) { t.body = body_type::binary_mime; },
     {5, 6, 3}},
    {"binary without BINARYMIME",
     "8BITMIME,CHUNKING",
     [](transaction& t) { t.body = body_type::binary_mime; },
     {5, 6, 3}},
    {"UTF-8 header", "8BITMIME", [](transaction& t) { t.smtputf8 = true; }, {5, 6, 7}},
    {"UTF-8 sender",
     "8BITMIME",
     [](transaction& t) { t.reverse_path = to_address("m\xc3\xbc@a.example"); },
     {5, 6, 7}},
    {"REQUIRETLS without TLS",
     "REQUIRETLS",
     [](transaction& t) { t.requiretls = true; },
     {5, 7, 10}},
};

TEST(client_session, what_the_next_hop_cannot_take_is_not_sent) {
  for (const early_case& c : early_cases) {
    transaction t = to_two();
    c.change(t);
    client_script s = greeted(c.features);
    s.sends(t);
    closing(s);
    EXPECT_EQ(s.check(), "") << c.name;
    const client_run r = s.play();
    for (const recipient_outcome& o : r.outcomes[0].recipients) {
      EXPECT_EQ(o.state, state::failed) << c.name;
      EXPECT_EQ(o.reply.enhanced(), c.enhanced) << c.name;
      EXPECT_FALSE(o.from_server);
      EXPECT_EQ(o.step, client_step::prepare);
    }
  }
}

// RFC 8689 §4.2.1.
TEST(client_session, requiretls_wants_a_verified_certificate_and_the_offer) {
  transaction t = to_two();
  t.requiretls = true;
  const auto refused = [&](client_script s) {
    s.sends(t);
    closing(s);
    EXPECT_EQ(s.check(), "");
    return s.play().outcomes[0].recipients[0].reply.enhanced();
  };
  client_options unverified;
  unverified.tls_active = true;
  EXPECT_EQ(refused(greeted("REQUIRETLS", unverified)), (enhanced_code{5, 7, 10}));
  EXPECT_EQ(refused(greeted_under_tls("SIZE")), (enhanced_code{5, 7, 30}));
}

// RFC 8689 §5: such a message is not thrown away where REQUIRETLS is not offered.
TEST(client_session, requiretls_of_a_bounce_wants_tls_alone) {
  transaction t = message({"x@b.example"});
  t.reverse_path = address();
  t.requiretls = true;
  client_script s = greeted_under_tls("PIPELINING");
  s.sends(t)
      .client("MAIL FROM:<>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("552 no\r\n503 no\r\n503 no\r\n");
  EXPECT_EQ(s.check(), "");
  client_script plain = greeted("PIPELINING");
  plain.sends(t);
  closing(plain);
  EXPECT_EQ(plain.check(), "");
  EXPECT_EQ(plain.play().outcomes[0].recipients[0].reply.enhanced(), (enhanced_code{5, 7, 10}));
}

TEST(client_session, requiretls_asks_nothing_of_a_local_connection) {
  client_options local;
  local.local = true;
  transaction t = message({"x@b.example"});
  t.requiretls = true;
  client_script s = greeted("PIPELINING", local);
  s.sends(t)
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("552 no\r\n503 no\r\n503 no\r\n");
  EXPECT_EQ(s.check(), "");
}

TEST(client_session, size_zero_is_no_limit) {
  transaction t = message({"x@b.example"});
  t.size = 1u << 30;
  client_script s = greeted("SIZE 0,PIPELINING");
  s.sends(t)
      .client("MAIL FROM:<me@a.example> SIZE=1073741824\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("552 no\r\n503 no\r\n503 no\r\n");
  EXPECT_EQ(s.check(), "");
}

TEST(client_session, eight_bit_anyway) {
  client_options o;
  o.send_8bit_anyway = true;
  transaction t = message({"x@b.example"});
  t.body = body_type::eight_bit_mime;
  client_script s = greeted("PIPELINING", o);
  s.sends(t).client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n");
  s.server("550 no\r\n503 no\r\n503 no\r\n");
  EXPECT_EQ(s.check(), "");
}

TEST(client_session, one_utf8_recipient_does_not_stop_the_others) {
  client_script s = greeted("PIPELINING");
  s.sends(message({"\xc3\xbc@b.example", "x@b.example"}))
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n354 ok\r\n")
      .client(".\r\n")
      .server("250 ok\r\n");
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "failed 553 (ours), delivered 250");

  client_script u = greeted("PIPELINING,SMTPUTF8");
  u.sends(message({"\xc3\xbc@b.example"}))
      .client("MAIL FROM:<me@a.example> SMTPUTF8\r\nRCPT TO:<\xc3\xbc@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n550 no\r\n503 no\r\n");
  EXPECT_EQ(u.check(), "");
}

// RFC 9422.
TEST(client_session, limits_of_the_server) {
  client_script s = greeted("PIPELINING,LIMITS RCPTMAX=1 MAILMAX=2");
  for (int i = 0; i < 2; ++i) {
    s.sends(to_two(), "")
        .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
        .server("250 ok\r\n250 ok\r\n354 go\r\n")
        .client(".\r\n")
        .server("250 ok\r\n");
  }
  s.sends(to_two());  // nothing is said any more
  closing(s);
  EXPECT_EQ(s.check(), "");
  const client_run r = s.play();
  EXPECT_EQ(summary(r.outcomes[0]), "delivered 250, untried 0");
  EXPECT_EQ(summary(r.outcomes[2]), "untried 0, untried 0");

  client_script d = greeted("PIPELINING,LIMITS RCPTDOMAINMAX=1");
  d.sends(message({"x@b.example", "y@c.example", "z@B.EXAMPLE"}))
      .client(
          "MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nRCPT TO:<z@B.EXAMPLE>\r\nDATA\r\n")
      .server("550 no\r\n503 no\r\n503 no\r\n503 no\r\n");
  EXPECT_EQ(d.check(), "");
  EXPECT_EQ(summary(d.play().outcomes[0]), "failed 550, untried 0, failed 550");
}

// --- BDAT ----------------------------------------------------------------------------------------

TEST(client_session, bdat_in_one_chunk) {
  client_script s = greeted("PIPELINING,CHUNKING", chunked());
  s.sends(message({"x@b.example"}), "a\r\n.\r\nb\n", 2)
      .client(bdat_envelope)
      .server("250 ok\r\n250 ok\r\n")
      .client("BDAT 8 LAST\r\na\r\n.\r\nb\n")
      .server("250 ok\r\n")
      .sends(message({"x@b.example"}), "")
      .client(bdat_envelope)
      .server("250 ok\r\n250 ok\r\n")
      .client("BDAT 0 LAST\r\n")
      .server("250 ok\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "delivered 250");
}

TEST(client_session, bdat_chunks_are_pipelined_up_to_a_bound) {
  client_options o = chunked();
  o.limits.body_block = 4;
  o.limits.outstanding_chunks = 2;
  client_script s = greeted("PIPELINING,CHUNKING", o);
  s.sends(message({"x@b.example"}), "0123456789abc", 5)
      .client(bdat_envelope)
      .server("250 ok\r\n250 ok\r\n")
      .client("BDAT 4\r\n0123")
      .client("BDAT 4\r\n4567")
      .server("250 ok\r\n")
      .client("BDAT 4\r\n89ab")
      .server("250 ok\r\n")
      .client("BDAT 1 LAST\r\nc")
      .server("250 ok\r\n250 done\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().outcomes[0].recipients[0].reply.text(), "done");
}

TEST(client_session, bdat_in_lock_step) {
  client_options o = chunked();
  o.limits.body_block = 4;
  client_script s = greeted("CHUNKING", o);
  s.sends(message({"x@b.example"}), "0123456")
      .client("MAIL FROM:<me@a.example>\r\n")
      .server("250 ok\r\n")
      .client("RCPT TO:<x@b.example>\r\n")
      .server("250 ok\r\n")
      .client("BDAT 4\r\n0123")
      .server("250 ok\r\n")
      .client("BDAT 3 LAST\r\n456")
      .server("250 ok\r\n");
  EXPECT_EQ(s.check(), "");
}

TEST(client_session, a_refused_chunk) {
  client_options o = chunked();
  o.limits.body_block = 4;
  o.limits.outstanding_chunks = 2;
  client_script s = greeted("PIPELINING,CHUNKING", o);
  s.sends(message({"x@b.example"}), "0123456789abc")
      .client(bdat_envelope)
      .server("250 ok\r\n250 ok\r\n")
      .client("BDAT 4\r\n0123")
      .client("BDAT 4\r\n4567")
      .server("552 5.3.4 full\r\n503 no\r\n")
      .sends(message({"x@b.example"}), "012")
      .client("RSET\r\n" + std::string(bdat_envelope))
      .server("250 ok\r\n250 ok\r\n250 ok\r\n")
      .client("BDAT 3 LAST\r\n012")
      .server("250 ok\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  const client_run r = s.play();
  EXPECT_EQ(summary(r.outcomes[0]), "failed 552");
  EXPECT_EQ(r.outcomes[0].recipients[0].step, client_step::body);
}

TEST(client_session, a_refused_chunk_and_an_accepted_message) {
  client_options o = chunked();
  o.limits.body_block = 4;
  client_script s = greeted("PIPELINING,CHUNKING", o);
  s.sends(message({"x@b.example"}), "01234")
      .client(bdat_envelope)
      .server("250 ok\r\n250 ok\r\n")
      .client("BDAT 4\r\n0123")
      .client("BDAT 1 LAST\r\n4")
      .server("450 no\r\n250 yes\r\n")
      .fails(errc::reply_out_of_step);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "deferred 450");
}

TEST(client_session, binary_goes_by_bdat) {
  transaction t = message({"x@b.example"});
  t.body = body_type::binary_mime;
  const std::string binary("\0\r\n.\r\n\n\xff", 8);
  client_script s = greeted("PIPELINING,CHUNKING,BINARYMIME,8BITMIME");  // not `when_offered`
  s.sends(t, binary)
      .client("MAIL FROM:<me@a.example> BODY=BINARYMIME\r\nRCPT TO:<x@b.example>\r\n")
      .server("250 ok\r\n250 ok\r\n")
      .client("BDAT 8 LAST\r\n" + binary)
      .server("250 ok\r\n");
  EXPECT_EQ(s.check(), "");
}

// --- LMTP and PRDR -------------------------------------------------------------------------------

client_options lmtp() {
  client_options o;
  o.protocol = client_protocol::lmtp;
  return o;
}

TEST(client_session, lmtp_replies_per_recipient) {
  client_script s = greeted("PIPELINING", lmtp());
  s.sends(message({"a@b.example", "b@b.example", "c@b.example"}), text)
      .client(
          "MAIL FROM:<me@a.example>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<b@b.example>\r\n"
          "RCPT TO:<c@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n250 ok\r\n354 go\r\n")
      .client(stuffed)
      .server("250 stored\r\n")
      .server("452 4.2.2 full\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "delivered 250, failed 550, deferred 452");
  // Between the two replies one has it, and the other may.
  EXPECT_EQ(summary(s.play_lost(8).outcomes[0]),
            "delivered 250, failed 550, deferred 451 in doubt (ours)");
}

TEST(client_session, lmtp_421_after_the_message) {
  client_script s = greeted("PIPELINING", lmtp());
  s.sends(message({"a@b.example", "b@b.example", "c@b.example"}), text)
      .client(
          "MAIL FROM:<me@a.example>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<b@b.example>\r\n"
          "RCPT TO:<c@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
      .client(stuffed)
      .server("250 stored\r\n421 4.3.0 dying\r\n")
      .fails(errc::server_closing);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "delivered 250, deferred 421, deferred 421 in doubt");
}

TEST(client_session, lmtp_has_no_reply_for_nobody) {
  client_script s = greeted("PIPELINING", lmtp());
  s.sends(message({"a@b.example"}), text)
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n550 no\r\n354 go\r\n")
      .fails(errc::reply_out_of_step);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "failed 550");
}

TEST(client_session, lmtp_by_bdat) {
  client_options o = lmtp();
  o.chunking = chunking_use::when_offered;
  o.limits.body_block = 2;
  client_script s = greeted("PIPELINING,CHUNKING", o);
  s.sends(to_two(), "012")
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nRCPT TO:<y@b.example>\r\n")
      .server("250 ok\r\n250 ok\r\n250 ok\r\n")
      .client("BDAT 2\r\n01")
      .client("BDAT 1 LAST\r\n2")
      .server("250 chunk\r\n250 x\r\n450 y\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "delivered 250, deferred 450");
}

TEST(client_session, lmtp_knows_no_helo) {
  client_script s(lmtp());
  s.server("220 x\r\n").client("LHLO localhost\r\n").server("500 what?\r\n");
  s.client("QUIT\r\n").server("221 bye\r\n").fails(errc::service_refused);
  EXPECT_EQ(s.check(), "");
}

client_script prdr(std::string_view replies) {
  client_options o;
  o.prdr = true;
  client_script s = greeted("PIPELINING,PRDR", o);
  s.sends(to_two(), text)
      .client(
          "MAIL FROM:<me@a.example> PRDR\r\nRCPT TO:<x@b.example>\r\nRCPT TO:<y@b.example>\r\n"
          "DATA\r\n")
      .server("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
      .client(stuffed)
      .server(replies);
  closing(s);
  return s;
}

TEST(client_session, prdr_replies) {
  const client_script both = prdr("353 follows\r\n250 x\r\n550 y\r\n250 all\r\n");
  EXPECT_EQ(both.check(), "");
  EXPECT_EQ(summary(both.play().outcomes[0]), "delivered 250, failed 550");

  const client_script taken_back = prdr("353 follows\r\n250 x\r\n550 y\r\n451 disk\r\n");
  EXPECT_EQ(taken_back.check(), "");
  EXPECT_EQ(summary(taken_back.play().outcomes[0]), "deferred 451, failed 550");

  const client_script one_reply = prdr("250 all\r\n");
  EXPECT_EQ(one_reply.check(), "");
  EXPECT_EQ(summary(one_reply.play().outcomes[0]), "delivered 250, delivered 250");
}

}  // namespace
}  // namespace gatepost::smtp
