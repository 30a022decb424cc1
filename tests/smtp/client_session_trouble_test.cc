// client_session: connections that break, servers that stop, and what that means for the message.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "smtp/client_session.hpp"
#include "tests/smtp/client_session_support.hpp"

namespace gatepost::smtp {
namespace {

// --- Trouble -------------------------------------------------------------------------------------

TEST(client_session, loss_tells_whether_the_message_may_have_arrived) {
  const client_script s = plain_message();
  EXPECT_EQ(s.check(), "");
  const auto lost = [&](std::size_t step) { return s.play_lost(step).outcomes.at(0); };
  EXPECT_EQ(summary(lost(4)), "deferred 451 (ours), deferred 451 (ours)");  // before the envelope
  EXPECT_TRUE(lost(4).unanswered);
  EXPECT_EQ(summary(lost(5)), "deferred 451 (ours), deferred 451 (ours)");
  EXPECT_TRUE(lost(5).unanswered);
  // The end of the message was given to be written, and may be at the server.
  EXPECT_EQ(summary(lost(6)), "deferred 451 in doubt (ours), failed 550");
  EXPECT_FALSE(lost(6).unanswered);
  EXPECT_EQ(summary(lost(7)), "deferred 451 in doubt (ours), failed 550");
  EXPECT_EQ(lost(7).recipients[0].reply,
            reply(451, {4, 4, 2}, "connection lost (the end of the message)"));
  const client_run late = s.play_lost(7, errc::timed_out);
  EXPECT_EQ(late.outcomes[0].recipients[0].reply.text(), "timed out (the end of the message)");
  EXPECT_EQ(late.failure.error, errc::timed_out);
  EXPECT_EQ(late.failure.step, client_step::final_dot);
}

TEST(client_session, no_doubt_before_the_end_was_written) {
  client_options o;
  o.limits.body_block = 8;
  client_script s = greeted("PIPELINING", o);
  s.sends(message({"x@b.example"}), "0123456789\r\n")
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n354 go\r\n")
      .client("01234567")
      .client("89\r\n.\r\n")
      .server("250 ok\r\n");
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play_lost(6).outcomes[0]), "deferred 451 (ours)");
  EXPECT_EQ(s.play_lost(6).outcomes[0].recipients[0].step, client_step::body);
  EXPECT_EQ(summary(s.play_lost(7).outcomes[0]), "deferred 451 in doubt (ours)");
}

TEST(client_session, loss_while_text_is_awaited) {
  client_session s(lock_step());
  const transaction t = message({"x@b.example"});
  for (const std::string_view reply : {"220 x\r\n", "250 x\r\n"}) {
    EXPECT_EQ(s.next().kind, client_action_kind::read);
    s.received(reply);
    if (s.next().kind == client_action_kind::write) s.written();
  }
  s.begin(t);
  for (const std::string_view reply : {"250 x\r\n", "250 x\r\n", "354 x\r\n"}) {
    ASSERT_EQ(s.next().kind, client_action_kind::write);
    s.written();
    s.received(reply);
  }
  ASSERT_EQ(s.next().kind, client_action_kind::want_body);
  s.body("abc", body_part::more_follows);
  ASSERT_EQ(s.next().kind, client_action_kind::want_body);
  s.lost(errc::connection_lost);
  EXPECT_EQ(s.next().kind, client_action_kind::failed);
  EXPECT_EQ(summary(s.outcome()), "deferred 451 (ours)");
  EXPECT_EQ(s.outcome().recipients[0].step, client_step::body);
}

TEST(client_session, abandoned_message) {
  client_script s = greeted("PIPELINING");
  s.breaks_off(message({"x@b.example"}), text)
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n354 go\r\n")
      .fails(errc::message_abandoned);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(summary(s.play().outcomes[0]), "deferred 451 (ours)");

  client_options o = chunked();
  o.limits.body_block = 4;
  client_script b = greeted("PIPELINING,CHUNKING", o);
  b.breaks_off(message({"x@b.example"}), "012345")
      .client(bdat_envelope)
      .server("250 ok\r\n250 ok\r\n")
      .client("BDAT 4\r\n0123")
      .server("250 ok\r\n")
      .sends(message({"x@b.example"}))
      .client("RSET\r\n" + std::string(bdat_envelope))
      .server("250 ok\r\n450 no\r\n503 no\r\n");
  closing(b);
  EXPECT_EQ(b.check(), "");
  EXPECT_EQ(summary(b.play().outcomes[0]), "deferred 451 (ours)");
  EXPECT_FALSE(b.play().failure.error);
}

// RFC 5321 §3.8: 421 may answer anything.
TEST(client_session, 421_at_any_time) {
  const auto at_envelope = [](std::string_view replies, std::string_view expected) {
    client_script s = greeted("PIPELINING");
    s.sends(to_two(), text)
        .client(
            "MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nRCPT "
            "TO:<y@b.example>\r\nDATA\r\n")
        .server(replies)
        .fails(errc::server_closing);
    EXPECT_EQ(s.check(), "") << replies;
    EXPECT_EQ(summary(s.play().outcomes[0]), expected) << replies;
  };
  at_envelope("421 4.3.2 bye\r\n", "deferred 421, deferred 421");
  at_envelope("250 ok\r\n421 bye\r\n", "deferred 421, deferred 421");
  at_envelope("250 ok\r\n550 no\r\n421 bye\r\n", "failed 550, deferred 421");
  at_envelope("250 ok\r\n250 ok\r\n550 no\r\n421 bye\r\n", "deferred 421, failed 550");

  client_script final = greeted("PIPELINING");
  final.sends(message({"x@b.example"}), text)
      .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n354 go\r\n")
      .client(stuffed)
      .server("421 bye\r\n")
      .fails(errc::server_closing);
  EXPECT_EQ(final.check(), "");
  EXPECT_EQ(summary(final.play().outcomes[0]), "deferred 421");  // no doubt: it said no

  client_script idle = greeted("PIPELINING");
  idle.server_while_idle("421 4.4.2 idle too long\r\n").fails(errc::server_closing);
  EXPECT_EQ(idle.check(), "");

  client_script ehlo;
  ehlo.server("220 x\r\n").client("EHLO localhost\r\n").server("421 bye\r\n");
  ehlo.fails(errc::server_closing);
  EXPECT_EQ(ehlo.check(), "");
}

TEST(client_session, refusal_while_the_text_is_written) {
  client_options o;
  o.limits.body_block = 8;
  for (const std::string_view reply : {"552 5.3.4 too big\r\n", "421 4.3.0 bye\r\n"}) {
    client_script s = greeted("PIPELINING", o);
    s.sends(message({"x@b.example"}), "0123456789\r\n")
        .client("MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nDATA\r\n")
        .server("250 ok\r\n250 ok\r\n354 go\r\n")
        .client("01234567")
        .server_too_early(reply)
        .fails(errc::server_closing);
    EXPECT_EQ(s.check(), "") << reply;
    EXPECT_EQ(s.play().outcomes[0].recipients[0].state,
              reply[0] == '5' ? state::failed : state::deferred);
    EXPECT_FALSE(s.play().outcomes[0].in_doubt());
  }
}

}  // namespace
}  // namespace gatepost::smtp
