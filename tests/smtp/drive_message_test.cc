// This header stands alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "smtp/drive.hpp"
#include "tests/support/memory_sessions.hpp"

// What becomes of a message: headers, verdicts, recipients.
namespace gatepost::smtp {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using testing::fake_delivery;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using namespace tests;  // NOLINT(google-build-using-namespace)

const verdict spam = verdict::refuse({550, {5, 7, 1}, "spam"});
const verdict full = verdict::defer({452, {4, 2, 2}, "over quota"});

// --- The header
// -------------------------------------------------------------------------------------------

TEST(drive_message, a_refusal_by_the_header_saves_the_rest) {
  fake_session f;
  f.policy.answers(stage::header_end, spam);
  f.begin_message();
  f.says("DATA\r\n");
  EXPECT_EQ(f.says("Subject: spam\r\n\r\n"), "");
  EXPECT_EQ(f.delivery.forgotten, 1U);  // nothing is kept of it from here on
  EXPECT_EQ(f.says("more\r\nand more\r\n.\r\n"), "550 5.7.1 spam (ID1)\r\n");
  EXPECT_THAT(f.policy.asked, Not(Contains("body")));
  EXPECT_THAT(f.policy.asked, Not(Contains("message")));
  EXPECT_THAT(f.events(), ElementsAre("message refused 550 5.7.1 spam (33 octets)"));
  EXPECT_EQ(f.policy.asked.back(), "reset");
}

TEST(drive_message, a_message_without_body_has_a_header_that_ends) {
  fake_session f;
  f.begin_message();
  EXPECT_EQ(f.sends("Subject: x\r\n"), "250 2.0.0 OK\r\n");
  EXPECT_EQ(f.policy.header, "Subject: x\r\n");
  f.policy.answers(stage::header_end, full);
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.sends("Subject: x\r\n"), "452 4.2.2 over quota (ID1)\r\n");
  EXPECT_THAT(f.events(), Contains("message deferred 452 4.2.2 over quota (12 octets)"));
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.sends(""), "250 2.0.0 OK\r\n");
  EXPECT_EQ(f.policy.header, "");
}

// RFC 5321 §6.3: "Simple counting of the number of 'Received:' header fields in a message has
// proven to be an effective, although rarely optimal, method of detecting loops".
TEST(drive_message, hops) {
  fake_session f(mx_with([](channel& c) { c.limits.hops = 3; }));
  const std::string hop = "Received: from a by b; now\r\n";
  f.begin_message();
  EXPECT_EQ(f.sends(hop + hop + hop + "\r\nReceived: in the body\r\n"), "250 2.0.0 OK\r\n");
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.sends(hop + hop + hop + hop + "\r\n"),
            "554 5.4.6 Too many hops: mail loop (ID1)\r\n");
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.sends(hop + hop + hop + "received: x\r\n"),
            "554 5.4.6 Too many hops: mail loop (ID1)\r\n");
}

TEST(drive_message, a_header_has_a_limit) {
  fake_session f(mx_with([](channel& c) { c.limits.header = 40; }));
  f.begin_message();
  EXPECT_EQ(f.sends("Subject: " + std::string(29, 'x') +
                    "\r\n\r\nand a long body that does not count\r\n"),
            "250 2.0.0 OK\r\n");
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.sends("Subject: " + std::string(30, 'x') + "\r\n\r\nx\r\n"),
            "552 5.3.4 Message header exceeds the size limit (ID1)\r\n");
  EXPECT_EQ(f.delivery.kept.size(), 1U);
}

TEST(drive_message, a_body_may_be_refused_in_the_middle) {
  fake_session f;
  f.begin_message();
  f.says("DATA\r\n");
  f.says("Subject: x\r\n\r\n");
  f.policy.answers(stage::body, spam);
  f.says("virus\r\n");
  EXPECT_EQ(f.delivery.forgotten, 1U);
  EXPECT_EQ(f.says("more\r\n.\r\n"), "550 5.7.1 spam (ID1)\r\n");
  EXPECT_EQ(f.policy.body, "Subject: x\r\n\r\nvirus\r\n");
  EXPECT_THAT(f.events(), ElementsAre("message refused 550 5.7.1 spam (27 octets)"));
}

TEST(drive_message, a_policy_may_not_care_for_bodies) {
  fake_session f;
  f.policy.ignores(stage::body);
  f.begin_message();
  f.sends();
  EXPECT_THAT(f.policy.asked, Not(Contains("body")));
  EXPECT_EQ(f.delivery.kept.size(), 1U);
}

// --- Verdicts
// ---------------------------------------------------------------------------------------------

TEST(drive_message, verdicts) {
  const struct {
    verdict v;
    std::string said;
    std::string event;
    bool kept;
  } cases[] = {
      {verdict::pass(), "250 2.0.0 OK\r\n", "message accepted Q1 250 2.0.0 OK (18 octets)", true},
      {verdict::inconclusive("?"), "250 2.0.0 OK\r\n",
       "message accepted Q1 250 2.0.0 OK (18 octets)", true},
      {verdict::hold("virus?"), "250 2.0.0 OK\r\n", "message held Q1 250 2.0.0 OK (18 octets)",
       true},
      {verdict::discard("worm"), "250 2.0.0 OK\r\n", "message discarded 250 2.0.0 OK (18 octets)",
       false},
      {spam, "550 5.7.1 spam (ID1)\r\n", "message refused 550 5.7.1 spam (18 octets)", false},
      {full, "452 4.2.2 over quota (ID1)\r\n", "message deferred 452 4.2.2 over quota (18 octets)",
       false},
  };
  for (const auto& c : cases) {
    fake_session f;
    f.policy.answers(stage::message, c.v);
    f.begin_message();
    EXPECT_EQ(f.sends(), c.said);
    EXPECT_THAT(f.events(), ElementsAre(c.event));
    EXPECT_EQ(f.delivery.kept.size(), c.kept ? 1U : 0U);
    EXPECT_EQ(f.delivery.forgotten, c.kept ? 0U : 1U);
    if (!c.kept) continue;
    EXPECT_EQ(f.delivery.kept[0].hold_reason, c.v.kind() == decision::hold ? "virus?" : "");
  }
}

TEST(drive_message, what_the_delivery_says) {
  fake_session f;
  f.delivery.answers(reply(250, {2, 6, 0}, "queued as Q1"));
  f.begin_message();
  EXPECT_EQ(f.sends(), "250 2.6.0 queued as Q1\r\n");
  f.delivery.answers(reply(550, {5, 1, 1}, "the next hop says no"));
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.sends(), "550 5.1.1 the next hop says no (ID1)\r\n");
  // Not a reply that could end a message: never a promise.
  for (const int code : {0, 354, 334}) {
    f.delivery.answers(code == 0 ? reply() : reply(code, {}, "go on"));
    f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
    EXPECT_THAT(f.sends(), StartsWith("451 4.3.0 "));
    EXPECT_EQ(f.events().back(),
              "message deferred 451 4.3.0 Local error in processing, try again later (18 octets)");
  }
}

// The engine's own refusals reach the log as well.
TEST(drive_message, refusals_of_the_engine) {
  fake_session f(mx_with([](channel& c) { c.limits.message = 30; }));
  f.begin_message();
  EXPECT_THAT(f.sends("a\nb\r\n"), StartsWith("550 5.6.0 "));
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_THAT(f.sends(std::string(40, 'x') + "\r\n"), StartsWith("552 5.3.4 "));
  f.says("MAIL FROM:<>\r\n");
  f.says("BDAT 3 LAST\r\nabc");
  EXPECT_THAT(f.events(), ElementsAre(StartsWith("message refused 550 5.6.0 "),
                                      StartsWith("message refused 552 5.3.4 "),
                                      StartsWith("message refused 503 5.5.1 ")));
  EXPECT_EQ(f.session->log.last_duration.count(), 0);
  EXPECT_EQ(f.delivery.kept.size(), 0U);
  EXPECT_EQ(f.delivery.forgotten, 2U);
}

// --- Header edits
// -----------------------------------------------------------------------------------------

TEST(drive_message, fields_are_added_and_removed) {
  fake_session f;
  f.policy.answers(stage::message, verdict::pass()
                                       .add_header("X-One", "1")
                                       .add_header("X-Two", "2")
                                       .remove_header("x-spam")
                                       .remove_header("Bcc")
                                       .add_tag("k", "v"));
  f.begin_message();
  f.sends(
      "Subject: x\r\nX-Spam: forged\r\n folded\r\nTo: y\r\nBCC: z\r\n\r\nX-Spam: in the body\r\n");
  const testing::kept_message& m = f.delivery.kept.at(0);
  EXPECT_EQ(m.text,
            "X-One: 1\r\nX-Two: 2\r\n"
            "Received: from client.example ([192.0.2.7]) by mx.example.test with ESMTP\r\n id ID1 "
            "for <b@example.test>; Mon, 23 Nov 2026 09:00:00 +0000\r\n"
            "Subject: x\r\nTo: y\r\n\r\nX-Spam: in the body\r\n");
  EXPECT_EQ(m.tags.at(0).name, "k");
}

// Else its first line would continue our Received field, or what a check has put on top (RFC 5322
// §2.2.3), or would be passed over by who reads on.
TEST(drive_message, text_without_a_header_does_not_continue_ours) {
  for (const std::string text :
       {" by evil.test\r\nTo: y\r\n\r\nhi\r\n", "\tx\r\n", "hi\r\n", "hi\r\nFrom: x\r\n\r\n"}) {
    fake_session f;
    f.begin_message();
    f.sends(text);
    EXPECT_THAT(f.delivery.kept.at(0).text, EndsWith("09:00:00 +0000\r\n\r\n" + text));
  }
  for (const std::string text : {"\r\n by evil.test\r\n", "To: y\r\n\r\nhi\r\n"}) {
    fake_session f;
    f.begin_message();
    f.sends(text);
    EXPECT_THAT(f.delivery.kept.at(0).text, EndsWith("09:00:00 +0000\r\n" + text));
  }
}

// Who reads on behind a line that is no field would find an author whom no check has seen.
TEST(drive_message, the_header_that_was_judged_is_the_one_that_is_read) {
  fake_session f;
  f.policy.answers(stage::message,
                   verdict::pass().erase({6, 6}).remove_header("X-Old").add_header("X-New", "1"));
  f.begin_message();
  f.sends("A: 1\r\nB: 2\r\nX-Old: 3\r\nC: 4\r\nno field\r\nFrom: ceo@bank.test\r\n\r\nhi\r\n");
  const std::string& text = f.delivery.kept.at(0).text;
  EXPECT_THAT(text, StartsWith("X-New: 1\r\nReceived: "));
  EXPECT_THAT(text, EndsWith("09:00:00 +0000\r\nA: 1\r\nC: 4\r\n\r\n"
                             "no field\r\nFrom: ceo@bank.test\r\n\r\nhi\r\n"));
}

// "From sender date" behind our fields would be such a line.
TEST(drive_message, the_line_of_a_mailbox_file_is_left_out) {
  for (const std::string line : {"From a@b.test Mon Nov 23 09:00:00 2026\r\n", ">From a\r\n"}) {
    fake_session f;
    f.begin_message();
    f.sends(line + "To: y\r\n\r\nhi\r\n");
    EXPECT_THAT(f.delivery.kept.at(0).text, EndsWith("09:00:00 +0000\r\nTo: y\r\n\r\nhi\r\n"));
  }
}

// What a policy has nothing to say to is not asked; nor do its answers come from anywhere else.
TEST(drive_message, stages_that_the_policy_ignores_are_not_asked) {
  for (int i = 0; i < stage_count; ++i) {
    const auto ignored = static_cast<stage>(i);
    if (ignored == stage::connect || ignored == stage::tls || ignored == stage::auth) continue;
    fake_session f;
    f.policy.ignores(ignored);
    f.begin_message();
    EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n");
    EXPECT_THAT(f.policy.asked, Not(Contains(std::string(to_string(ignored)))));
    EXPECT_EQ(f.policy.asked.size(), 9U) << to_string(ignored);
    EXPECT_EQ(f.delivery.kept.size(), 1U);
  }
}

TEST(drive_message, single_fields_are_erased) {
  fake_session f;
  f.policy.answers(stage::message, verdict::pass().erase({6, 6}));
  f.begin_message();
  f.sends("A: 1\r\nB: 2\r\nB: 3\r\n\r\nbody\r\n");
  EXPECT_THAT(f.delivery.kept.at(0).text, HasSubstr("\r\nA: 1\r\nB: 3\r\n\r\nbody"));
}

TEST(drive_message, no_edits_for_a_delivery_that_does_not_want_them) {
  fake_session f;
  f.delivery.wants_no_edits();
  f.policy.answers(stage::message, verdict::pass().add_header("X-One", "1").add_tag("k", "v"));
  f.begin_message();
  f.sends("Subject: x\r\n");
  const testing::kept_message& m = f.delivery.kept.at(0);
  EXPECT_EQ(m.text, "Subject: x\r\n");
  EXPECT_EQ(m.tags.at(0).name, "k");
}

TEST(drive_message, nothing_of_a_check_can_begin_a_field_of_its_own) {
  fake_session f;
  f.policy.answers(stage::message, verdict::pass()
                                       .add_header("X-A", "1\r\nX-Evil: 2\r\n\r\nbody")
                                       .add_header("X-B\r\nX-C", "3"));
  f.begin_message();
  f.sends();
  EXPECT_THAT(f.delivery.kept.at(0).text, Not(HasSubstr("\r\nX-Evil")));
  EXPECT_THAT(f.delivery.kept.at(0).text, Not(HasSubstr("\r\nX-C")));
}

// RFC 5321 §4.4: "for" only where it tells nothing of other recipients.
TEST(drive_message, received_names_a_single_recipient_only) {
  fake_session f;
  f.begin_message({"b@example.test", "c@example.test"});
  f.sends();
  EXPECT_THAT(f.delivery.kept.at(0).text, Not(HasSubstr("for <")));
}

// --- Recipients
// -------------------------------------------------------------------------------------------

// One verdict for three recipients: the first gets it, the second is refused, the third deferred.
verdict mixed() { return verdict::pass().for_recipient(1, spam).for_recipient(2, full); }

TEST(drive_message, lmtp_tells_each) {
  fake_session f(lmtp());
  f.policy.answers(stage::message, mixed());
  f.begin_message({"a@example.test", "b@example.test", "c@example.test"});
  EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n550 5.7.1 spam (ID1)\r\n452 4.2.2 over quota (ID1)\r\n");
  EXPECT_THAT(f.delivery.kept.at(0).recipients, ElementsAre("a@example.test"));
  EXPECT_THAT(f.events(), ElementsAre("message accepted Q1 250 2.0.0 OK (18 octets)"));
  EXPECT_THAT(f.delivery.kept.at(0).text, HasSubstr(" with LMTP"));
}

TEST(drive_message, prdr_tells_each_and_all) {
  fake_session f(with_extension(extension::prdr));
  f.policy.answers(stage::message, mixed());
  f.begin_message({"a@example.test", "b@example.test", "c@example.test"}, " PRDR");
  EXPECT_EQ(f.sends(),
            "353 Per-recipient replies follow\r\n250 2.0.0 OK\r\n550 5.7.1 spam (ID1)\r\n452 4.2.2 "
            "over quota (ID1)\r\n250 2.0.0 OK\r\n");
  EXPECT_THAT(f.delivery.kept.at(0).recipients, ElementsAre("a@example.test"));
}

TEST(drive_message, a_delivery_may_answer_for_each) {
  fake_session f(lmtp());
  f.policy.answers(stage::message, verdict::pass().for_recipient(0, spam));
  f.delivery.answers(reply(250, {2, 0, 0}, "all"),
                     {reply(250, {2, 0, 0}, "one"), reply(452, {4, 2, 2}, "two")});
  f.begin_message({"a@example.test", "b@example.test", "c@example.test"});
  EXPECT_EQ(f.sends(), "550 5.7.1 spam (ID1)\r\n250 2.0.0 one\r\n452 4.2.2 two (ID1)\r\n");
  // One of them took it: that is an accepted message, whatever is said of all.
  f.delivery.answers(reply(452, {4, 2, 2}, "all"),
                     {reply(250, {2, 0, 0}, "one"), reply(452, {4, 2, 2}, "two")});
  f.says("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nRCPT TO:<c@example.test>\r\n");
  EXPECT_EQ(f.sends(), "250 2.0.0 one\r\n452 4.2.2 two (ID1)\r\n");
  EXPECT_EQ(f.events().back(), "message accepted Q2 452 4.2.2 all (18 octets)");
}

TEST(drive_message, all_refused_each_for_its_own_reason) {
  fake_session f(lmtp());
  f.policy.answers(stage::message, verdict::pass().for_recipient(0, full).for_recipient(1, spam));
  f.begin_message({"a@example.test", "b@example.test"});
  EXPECT_EQ(f.sends(), "452 4.2.2 over quota (ID1)\r\n550 5.7.1 spam (ID1)\r\n");
  EXPECT_THAT(f.events(), ElementsAre("message refused 550 5.7.1 spam (18 octets)"));
  EXPECT_EQ(f.delivery.kept.size(), 0U);
}

TEST(drive_message, merged_the_worst_holds_for_all) {
  fake_session f;
  f.policy.answers(stage::message, mixed());
  f.begin_message({"a@example.test", "b@example.test", "c@example.test"});
  EXPECT_EQ(f.sends(), "550 5.7.1 spam (ID1)\r\n");
  EXPECT_EQ(f.delivery.kept.size(), 0U);
  f.policy.answers(stage::message, verdict::pass().for_recipient(1, full));
  f.says("MAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(f.sends(), "452 4.2.2 over quota (ID1)\r\n");
}

channel accept_if_any() {
  return mx_with([](channel& c) { c.merge = merge_rule::accept_if_any; });
}

TEST(drive_message, merged_somebody_gets_it) {
  fake_session f(accept_if_any());
  f.policy.answers(stage::message, mixed());
  f.begin_message({"a@example.test", "b@example.test", "c@example.test"});
  EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n");
  EXPECT_THAT(f.delivery.kept.at(0).recipients, ElementsAre("a@example.test"));
  // And the log says who does not.
  EXPECT_THAT(f.events(), ElementsAre("verdict message b@example.test refuse spam",
                                      "verdict message c@example.test defer over quota",
                                      "message accepted Q1 250 2.0.0 OK (18 octets)"));
}

TEST(drive_message, merged_nobody_gets_it) {
  fake_session f(accept_if_any());
  f.policy.answers(stage::message, verdict::pass().for_recipient(0, full).for_recipient(1, spam));
  f.begin_message({"a@example.test", "b@example.test"});
  EXPECT_EQ(f.sends(), "550 5.7.1 spam (ID1)\r\n");
}

TEST(drive_message, discarded_for_some) {
  fake_session f;
  f.policy.answers(stage::message, verdict::pass().for_recipient(0, verdict::discard("muted")));
  f.begin_message({"a@example.test", "b@example.test"});
  EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n");
  EXPECT_THAT(f.delivery.kept.at(0).recipients, ElementsAre("b@example.test"));
  fake_session g(accept_if_any());
  g.policy.answers(
      stage::message,
      verdict::pass().for_recipient(0, verdict::discard("muted")).for_recipient(1, spam));
  g.begin_message({"a@example.test", "b@example.test"});
  EXPECT_EQ(g.sends(), "250 2.0.0 OK\r\n");
  EXPECT_EQ(g.delivery.kept.size(), 0U);
  EXPECT_THAT(g.events(), Contains("message discarded 250 2.0.0 OK (18 octets)"));
  fake_session h(lmtp());
  h.policy.answers(
      stage::message,
      verdict::pass().for_recipient(0, verdict::discard("muted")).for_recipient(1, spam));
  h.begin_message({"a@example.test", "b@example.test"});
  EXPECT_EQ(h.sends(), "250 2.0.0 OK\r\n550 5.7.1 spam (ID1)\r\n");
}

TEST(drive_message, held_for_one_is_held) {
  fake_session f;
  f.policy.answers(stage::message, verdict::pass().for_recipient(0, verdict::hold("look")));
  f.begin_message();
  f.sends();
  EXPECT_THAT(f.delivery.kept.at(0).held, ElementsAre("b@example.test"));
  EXPECT_EQ(f.delivery.kept.at(0).hold_reason, "look");
}

TEST(drive_message, held_for_some_is_delivered_to_others) {
  const std::string a = "a@example.test", b = "b@example.test", c = "c@example.test";
  const struct {
    verdict v;
    std::vector<std::string> takers, held;
    std::string reason, result;
  } cases[] = {
      {verdict::pass().for_recipient(0, verdict::hold("virus")),
       {a, b, c},
       {a},
       "virus",
       "accepted"},
      {verdict::pass().for_recipient(0, verdict::hold("virus")).for_recipient(1, spam),
       {a, c},
       {a},
       "virus",
       "accepted"},
      {verdict::hold("virus").for_recipient(1, verdict::discard("dup")),
       {a, c},
       {a, c},
       "virus",
       "held"},
      {verdict::pass()
           .for_recipient(0, verdict::hold("virus"))
           .for_recipient(1, verdict::hold("odd"))
           .for_recipient(2, verdict::hold("virus")),
       {a, b, c},
       {a, b, c},
       "virus; odd",
       "held"},
      {verdict::hold("virus").for_recipient(1, verdict::pass()),
       {a, b, c},
       {a, c},
       "virus",
       "accepted"},
      {verdict::pass().for_recipient(1, verdict::discard("dup")), {a, c}, {}, "", "accepted"},
  };
  for (const auto& t : cases) {
    fake_session f(mx_with([](channel& mx) { mx.merge = merge_rule::accept_if_any; }));
    f.policy.answers(stage::message, t.v);
    f.begin_message({a, b, c});
    EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n");
    const testing::kept_message& kept = f.delivery.kept.at(0);
    EXPECT_EQ(kept.recipients, t.takers);
    EXPECT_EQ(kept.held, t.held);
    EXPECT_EQ(kept.hold_reason, t.reason);
    EXPECT_THAT(f.events(), Contains(StartsWith("message " + t.result)));
  }
}

// 421 speaks of the connection: for one recipient of several it becomes 451.
TEST(drive_message, a_drop_for_one_recipient) {
  fake_session f(lmtp());
  f.policy.answers(stage::message, verdict::pass().for_recipient(0, verdict::drop("x")));
  f.begin_message({"a@example.test", "b@example.test"});
  EXPECT_EQ(f.sends(), "451 4.7.0 Service not available to you (ID1)\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(f.says("NOOP\r\n"), "250 2.0.0 OK\r\n");
}

TEST(drive_message, verdicts_for_nobody) {
  fake_session f;
  f.policy.answers(stage::message, verdict::pass().for_recipient(7, spam));
  f.begin_message();
  EXPECT_EQ(f.sends(), "250 2.0.0 OK\r\n");
}

}  // namespace
}  // namespace gatepost::smtp
