// This header stands alone.
#include "smtp/client_session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/smtp/client_session_support.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::ElementsAre;

// --- A message goes through ----------------------------------------------------------------------

TEST(client_session, lock_step) {
  client_script s = greeted("PIPELINING,SIZE", lock_step());
  s.sends(to_two(), text)
      .client("MAIL FROM:<me@a.example>\r\n")
      .server("250 ok\r\n")
      .client("RCPT TO:<x@b.example>\r\n")
      .server("250 ok\r\n")
      .client("RCPT TO:<y@b.example>\r\n")
      .server("251 will forward\r\n")
      .client("DATA\r\n")
      .server("354 go\r\n")
      .client(stuffed)
      .server("250 2.0.0 queued as 42\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  const client_run r = s.play();
  EXPECT_EQ(summary(r.outcomes[0]), "delivered 250, delivered 250");
  EXPECT_EQ(r.outcomes[0].recipients[1].reply.text(), "queued as 42");
  EXPECT_EQ(r.outcomes[0].recipients[1].step, client_step::final_dot);
}

TEST(client_session, pipelined_in_one_write) {
  client_script s = greeted("PIPELINING");
  s.sends(to_two(), text)
      .client(
          "MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nRCPT TO:<y@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n550 5.1.1 no y here\r\n354 go\r\n")
      .client(stuffed)
      .server("250 ok\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  const client_run r = s.play();
  EXPECT_EQ(summary(r.outcomes[0]), "delivered 250, failed 550");
  const recipient_outcome& y = r.outcomes[0].recipients[1];
  EXPECT_EQ(y.step, client_step::rcpt);
  EXPECT_EQ(y.reply, reply(550, {5, 1, 1}, "no y here"));
}

TEST(client_session, recipients_go_in_groups_of_bounded_size) {
  client_options o;
  o.limits.outstanding = 2;
  client_script s = greeted("PIPELINING", o);
  s.sends(message({"x1@b.example", "x2@b.example", "x3@b.example", "x4@b.example"}), "")
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x1@b.example>\r\n")
      .server("250 ok\r\n250 ok\r\n")
      .client("RCPT TO:<x2@b.example>\r\nRCPT TO:<x3@b.example>\r\n")
      .server("450 later\r\n250 ok\r\n")
      .client("RCPT TO:<x4@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n354 go\r\n")
      .client(".\r\n")
      .server("250 ok\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]),
            "delivered 250, deferred 450, delivered 250, delivered 250");

  o.limits.outstanding = 100;
  o.limits.command_block = 40;
  client_script octets = greeted("PIPELINING", o);
  octets.sends(to_two(), "")
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\n")
      .server("250 ok\r\n250 ok\r\n")
      .client("RCPT TO:<y@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n354 go\r\n")
      .client(".\r\n")
      .server("250 ok\r\n");
  EXPECT_EQ(octets.check(), "");
}

TEST(client_session, several_messages_on_one_connection) {
  client_script s = greeted("PIPELINING");
  for (int i = 0; i < 3; ++i) {
    s.sends(message({"x@b.example"}, ""), text)
        .client("MAIL FROM:<>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
        .server("250 ok\r\n250 ok\r\n354 go\r\n")
        .client(stuffed)
        .server("250 ok\r\n");
  }
  closing(s);
  EXPECT_EQ(s.check(), "");
}

TEST(client_session, the_text_is_written_in_blocks) {
  client_options o;
  o.limits.body_block = 10;
  client_script s = greeted("PIPELINING", o);
  s.sends(message({"x@b.example"}), "0123456789\r\n.a\r\n", 3)
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n354 go\r\n")
      .client("0123456789")
      .client("\r\n..a\r\n.\r\n")
      .server("250 ok\r\n");
  EXPECT_EQ(s.check(), "");
  const client_run r = s.play();
  EXPECT_THAT(r.transcript, ::testing::Contains("C: (16 octets of message text)"));
}

TEST(client_session, text_gets_its_last_line_end_and_no_bare_ones) {
  const auto sent = [](std::string_view given, std::string_view wire) {
    client_script s = greeted("PIPELINING");
    s.sends(message({"x@b.example"}), given, 1)
        .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
        .server("250 ok\r\n250 ok\r\n354 go\r\n")
        .client(wire)
        .server("250 ok\r\n");
    return s.check();
  };
  EXPECT_EQ(sent("a", "a\r\n.\r\n"), "");
  EXPECT_EQ(sent("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"), "");
  EXPECT_EQ(sent("a\r.\rb\r\n", "a\r\n..\r\nb\r\n.\r\n"), "");
  EXPECT_EQ(sent(".", "..\r\n.\r\n"), "");
}

TEST(client_session, a_strict_client_refuses_bare_line_ends) {
  for (const std::string_view given : {"a\n.\r\nb", "a\rb", "a\r"}) {
    client_options o;
    o.line_ends = line_ends::strict;
    client_script s = greeted("PIPELINING", o);
    s.sends(message({"x@b.example"}), given)
        .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
        .server("250 ok\r\n250 ok\r\n354 go\r\n")
        .fails(given[1] == '\n' ? errc::bare_lf : errc::bare_cr);
    EXPECT_EQ(s.check(), "") << given;
    EXPECT_EQ(summary(s.play().outcomes[0]), "failed 554 (ours)");
  }
}

// --- Refusals ------------------------------------------------------------------------------------

TEST(client_session, mail_refused) {
  client_script s = greeted("PIPELINING");
  s.sends(to_two())
      .client(
          "MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nRCPT TO:<y@b.example>\r\nDATA\r\n")
      .server("450 4.7.1 later\r\n503 no\r\n503 no\r\n503 no\r\n")
      .sends(message({"x@b.example"}))  // no RSET: there is nothing to reset
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("550 no\r\n503 no\r\n503 no\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  const client_run r = s.play();
  EXPECT_EQ(summary(r.outcomes[0]), "deferred 450, deferred 450");
  EXPECT_EQ(r.outcomes[0].recipients[1].step, client_step::mail);
  EXPECT_EQ(summary(r.outcomes[1]), "failed 550");

  client_script l = greeted("", lock_step());
  l.sends(to_two()).client("MAIL FROM:<me@a.example>\r\n").server("550 no\r\n");
  closing(l);
  EXPECT_EQ(l.check(), "");
  EXPECT_EQ(summary(l.play().outcomes[0]), "failed 550, failed 550");
}

// A server must not make us keep as much for each recipient as it may say in one reply.
TEST(client_session, a_long_reply_is_cut) {
  std::string reply;
  for (int i = 0; i < 30; ++i) reply += "451-4.3.0 " + std::string(2000, 'x') + "\r\n";
  client_script refused = greeted("PIPELINING", lock_step());
  refused.sends(to_two(), text).client("MAIL FROM:<me@a.example>\r\n").server(reply + "451 .\r\n");
  closing(refused);
  client_script senseless = greeted("PIPELINING", lock_step());
  std::string go = reply + "451 .\r\n";
  for (std::size_t at = 0; (at = go.find("451", at)) != std::string::npos;)
    go.replace(at, 3, "354");
  senseless.sends(to_two(), text).client("MAIL FROM:<me@a.example>\r\n").server(go);
  // Only in one segment: a cut at each of 60,000 octets would take minutes.
  for (const client_script* s : {&refused, &senseless}) {
    const client_run r = s->play();
    for (const recipient_outcome& o : r.outcomes.at(0).recipients) {
      EXPECT_EQ(o.state, state::deferred);
      EXPECT_EQ(o.reply.text().size(), recipient_outcome::max_text);
    }
  }
}

TEST(client_session, all_recipients_refused_then_rset) {
  client_script s = greeted("PIPELINING");
  s.sends(to_two())
      .client(
          "MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nRCPT TO:<y@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n550 no\r\n450 later\r\n554 no valid recipients\r\n")
      .sends(message({"z@b.example"}))
      .client("RSET\r\nMAIL FROM:<me@a.example>\r\nRCPT TO:<z@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n550 no\r\n503 no\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "failed 550, deferred 450");

  client_script l = greeted("", lock_step());
  l.sends(message({"x@b.example"}))
      .client("MAIL FROM:<me@a.example>\r\n")
      .server("250 ok\r\n")
      .client("RCPT TO:<x@b.example>\r\n")
      .server("550 no\r\n")
      .sends(message({"z@b.example"}))
      .client("RSET\r\n")
      .server("250 ok\r\n")
      .client("MAIL FROM:<me@a.example>\r\n")
      .server("450 ok\r\n");
  closing(l);
  EXPECT_EQ(l.check(), "");
}

// RFC 2920 §3.1: the 354 cannot be taken back, so a lone dot is sent.
TEST(client_session, data_accepted_for_nobody) {
  client_script s = greeted("PIPELINING");
  s.sends(message({"x@b.example"}), text)
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n550 no\r\n354 go\r\n")
      .client(".\r\n")
      .server("250 hm\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "failed 550");

  client_script m = greeted("PIPELINING");
  m.sends(message({"x@b.example"}), text)
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("550 no\r\n250 ok\r\n354 go\r\n")
      .fails(errc::reply_out_of_step);
  EXPECT_EQ(m.check(), "");
  EXPECT_EQ(summary(m.play().outcomes[0]), "failed 550");
}

TEST(client_session, data_refused) {
  client_script s = greeted("PIPELINING");
  s.sends(to_two(), text)
      .client(
          "MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nRCPT TO:<y@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n550 no\r\n451 4.3.0 disk\r\n")
      .sends(message({"x@b.example"}), text)
      .client("RSET\r\nMAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n250 ok\r\n354 ok\r\n")
      .client(stuffed)
      .server("552 5.3.4 too big\r\n");
  closing(s);  // no RSET: the end of the message has ended the transaction
  EXPECT_EQ(s.check(), "");
  const client_run r = s.play();
  EXPECT_EQ(summary(r.outcomes[0]), "deferred 451, failed 550");
  EXPECT_EQ(r.outcomes[0].recipients[0].step, client_step::data);
  EXPECT_EQ(summary(r.outcomes[1]), "failed 552");
  EXPECT_EQ(r.outcomes[1].recipients[0].step, client_step::final_dot);
}

// RFC 5321 §4.5.3.1.10.
TEST(client_session, too_many_recipients_by_552) {
  client_script s = greeted("PIPELINING");
  s.sends(message({"a@b.example", "b@b.example", "c@b.example", "d@b.example"}))
      .client(
          "MAIL FROM:<me@a.example>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<b@b.example>\r\n"
          "RCPT TO:<c@b.example>\r\nRCPT TO:<d@b.example>\r\nDATA\r\n")
      .server(
          "250 ok\r\n552 too many\r\n552 5.5.3 too many\r\n552 5.2.2 full\r\n452 4.5.3 too many\r\n"
          "554 no\r\n");
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "deferred 552, deferred 552, failed 552, deferred 452");
}

// --- Greeting and EHLO ---------------------------------------------------------------------------

TEST(client_session, falls_back_to_helo) {
  client_script s;
  s.server("220 old\r\n")
      .client("EHLO localhost\r\n")
      .server("500 what?\r\n")
      .client("HELO localhost\r\n")
      .server("250-old.example\r\n250 PIPELINING\r\n")  // text, not features
      .sends(message({"x@b.example"}))
      .client("MAIL FROM:<me@a.example>\r\n")
      .server("550 no\r\n");
  closing(s);
  EXPECT_EQ(s.check(), "");
  const client_run r = s.play();
  EXPECT_FALSE(r.features.esmtp);
  EXPECT_TRUE(r.features.extensions.empty());
  EXPECT_EQ(r.features.name, "old.example");
}

TEST(client_session, a_server_that_will_not) {
  const auto refused = [](std::string_view greeting) {
    client_script s;
    s.server(greeting).client("QUIT\r\n").server("221 bye\r\n").fails(errc::service_refused);
    return s.check();
  };
  EXPECT_EQ(refused("554 5.7.1 no SMTP here\r\n"), "");
  EXPECT_EQ(refused("450 4.7.1-later\r\n"), "");

  client_script busy;
  busy.server("421 4.3.2 busy\r\n").fails(errc::server_closing);
  EXPECT_EQ(busy.check(), "");
  const client_run r = busy.play();
  EXPECT_EQ(r.failure.reply, reply(421, {4, 3, 2}, "busy"));
  EXPECT_EQ(r.failure.step, client_step::greeting);
  EXPECT_EQ(r.failure.text(), "server closes the connection (the greeting): 421 4.3.2 busy");

  client_script helo;
  helo.server("220 x\r\n")
      .client("EHLO localhost\r\n")
      .server("550 no\r\n")
      .client("HELO localhost\r\n")
      .server("550 I said no\r\n")
      .client("QUIT\r\n")
      .server("221 bye\r\n")
      .fails(errc::service_refused);
  EXPECT_EQ(helo.check(), "");

  client_script ehlo;
  ehlo.server("220 x\r\n").client("EHLO localhost\r\n").server("450 no\r\n");
  ehlo.client("QUIT\r\n").server("221 bye\r\n").fails(errc::service_refused);
  EXPECT_EQ(ehlo.check(), "");
}

TEST(client_session, our_name_is_checked) {
  for (const char* name : {"", "a b", "x\r\nMAIL FROM:<>", "a_b", "[1.2.3]", "\xc3\xa9.example"}) {
    client_options o;
    o.hello_name = name;
    client_session s(o);
    EXPECT_EQ(s.next().kind, client_action_kind::failed) << name;
    EXPECT_EQ(s.failure().error, errc::bad_config);
  }
  for (const char* name : {"mx.example", "[192.0.2.1]", "[IPv6:2001:db8::1]"}) {
    client_options o;
    o.hello_name = name;
    EXPECT_EQ(client_session(o).next().kind, client_action_kind::read) << name;
  }
}

// --- Waits ---------------------------------------------------------------------------------------

// RFC 5321 §4.5.3.2.
TEST(client_session, timeouts_by_step) {
  using std::chrono::minutes;
  client_session s;
  const auto expect = [&](client_action_kind kind, client_step step, minutes timeout) {
    const client_action a = s.next();
    EXPECT_EQ(a.kind, kind);
    EXPECT_EQ(a.step, step);
    EXPECT_EQ(a.timeout, timeout);
    if (kind == client_action_kind::write) s.written();
    return a.wait;
  };
  using enum client_action_kind;
  const transaction t = message({"x@b.example"});
  std::vector<std::uint32_t> waits;
  waits.push_back(expect(read, client_step::greeting, minutes(5)));
  s.received("22");
  EXPECT_EQ(expect(read, client_step::greeting, minutes(5)), waits.back());  // the same wait
  s.received("0 x\r\n");
  waits.push_back(expect(write, client_step::hello, minutes(5)));
  waits.push_back(expect(read, client_step::hello, minutes(5)));
  s.received("250 x\r\n");
  waits.push_back(s.next().wait);
  s.begin(t);
  waits.push_back(expect(write, client_step::mail, minutes(5)));
  waits.push_back(expect(read, client_step::mail, minutes(5)));
  s.received("250 x\r\n");
  expect(write, client_step::rcpt, minutes(5));
  expect(read, client_step::rcpt, minutes(5));
  s.received("250 x\r\n");
  expect(write, client_step::data, minutes(2));
  expect(read, client_step::data, minutes(2));
  s.received("354 x\r\n");
  EXPECT_EQ(s.next().kind, want_body);
  s.body("abc", body_part::last);
  waits.push_back(expect(write, client_step::final_dot, minutes(3)));
  waits.push_back(expect(read, client_step::final_dot, minutes(10)));
  for (std::size_t i = 1; i < waits.size(); ++i) EXPECT_LT(waits[i - 1], waits[i]) << i;
}

TEST(client_session, next_repeats_itself) {
  client_session s;
  s.received("220 x\r\n");
  const client_action first = s.next();
  const client_action again = s.next();
  EXPECT_EQ(first.text, "EHLO localhost\r\n");
  EXPECT_EQ(again.text, first.text);
  EXPECT_EQ(again.wait, first.wait);
}

TEST(client_session, transcript) {
  const client_run r = plain_message().play();
  EXPECT_THAT(r.transcript, ElementsAre("S: 220 mx.example ESMTP", "C: EHLO localhost",
                                        "S: 250-mx.example at your service", "S: 250 PIPELINING",
                                        "C: MAIL FROM:<me@a.example>", "C: RCPT TO:<x@b.example>",
                                        "C: RCPT TO:<y@b.example>", "C: DATA", "S: 250 ok",
                                        "S: 250 ok", "S: 550 no", "S: 354 go",
                                        "C: (26 octets of message text)", "C: .", "S: 250 ok"));
}

TEST(client_session, begin_where_it_is_not_idle_serves_nobody) {
  const transaction t = to_two();
  client_session s;
  s.begin(t);
  EXPECT_EQ(summary(s.outcome()), "untried 0, untried 0");
  EXPECT_EQ(s.next().kind, client_action_kind::read);
}

}  // namespace
}  // namespace gatepost::smtp
