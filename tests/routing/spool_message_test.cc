// This header stands alone.
#include "routing/spool_message.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace gatepost::routing {
namespace {

smtp::path path_of(const char* text) { return *smtp::parse_forward_path(text); }

TEST(spool_message, takes_an_envelope_and_some_of_its_recipients) {
  smtp::envelope from;
  smtp::mail_command mail;
  mail.reverse_path = path_of("<s@example.test>");
  mail.parameters.body = smtp::body_type::eight_bit_mime;
  mail.parameters.smtputf8 = true;
  mail.parameters.requiretls = true;
  mail.parameters.ret = smtp::dsn_return::full;
  mail.parameters.envid = "env";
  mail.parameters.auth = "who";
  mail.parameters.solicit = "a:b";
  from.begin(mail);
  for (const char* text : {"<a@example.test>", "<b@example.test>", "<c@example.test>"}) {
    smtp::rcpt_command rcpt;
    rcpt.forward_path = path_of(text);
    rcpt.parameters.notify = smtp::notify_failure;
    rcpt.parameters.orcpt = "rfc822;x@y";
    from.add(rcpt).route = std::string("to ") + text;
  }
  spool_message m;
  m.recipients.emplace_back();  // of another message
  const std::vector<std::size_t> which = {2, 0};
  m.take(from, which);
  EXPECT_EQ(m.reverse_path, "s@example.test");
  EXPECT_EQ(m.body, smtp::body_type::eight_bit_mime);
  EXPECT_TRUE(m.smtputf8);
  EXPECT_TRUE(m.requiretls);
  EXPECT_EQ(m.ret, smtp::dsn_return::full);
  EXPECT_EQ(m.envid, "env");
  EXPECT_EQ(m.auth, "who");
  EXPECT_EQ(m.solicit, "a:b");
  ASSERT_EQ(m.recipients.size(), 2u);
  EXPECT_EQ(m.recipients[0].forward_path, "c@example.test");
  EXPECT_EQ(m.recipients[0].route, "to <c@example.test>");
  EXPECT_EQ(m.recipients[0].notify, smtp::notify_failure);
  EXPECT_EQ(m.recipients[0].orcpt, "rfc822;x@y");
  EXPECT_EQ(m.recipients[1].forward_path, "a@example.test");
}

TEST(spool_message, is_due_at_the_earliest_attempt_of_those_pending) {
  spool_message m;
  EXPECT_FALSE(m.due());
  for (const int minute : {5, 3, 1, 4}) {
    m.recipients.emplace_back().next_attempt = spool_time(std::chrono::minutes(minute));
  }
  EXPECT_EQ(m.due(), spool_time(std::chrono::minutes(1)));
  m.recipients[2].state = recipient_state::delivered;
  EXPECT_EQ(m.due(), spool_time(std::chrono::minutes(3)));
  m.recipients[1].state = recipient_state::held;
  m.recipients[3].state = recipient_state::failed;
  EXPECT_EQ(m.due(), spool_time(std::chrono::minutes(5)));
  m.recipients[0].state = recipient_state::failed;
  EXPECT_FALSE(m.due());
}

TEST(spool_message, release_is_for_those_that_are_held) {
  const spool_time then(std::chrono::hours(1)), now(std::chrono::hours(5));
  spool_message m;
  m.received_at = then;
  for (const auto s : {recipient_state::pending, recipient_state::failed}) {
    m.recipients.emplace_back().state = s;
    m.recipients.back().next_attempt = then;
  }
  EXPECT_FALSE(m.held());
  m.release(now);
  EXPECT_EQ(m.received_at, then);
  m.recipients.emplace_back().state = recipient_state::held;
  EXPECT_TRUE(m.held());
  m.release(now);
  EXPECT_FALSE(m.held());
  EXPECT_EQ(m.received_at, now);
  EXPECT_EQ(m.recipients[0].next_attempt, then);
  EXPECT_EQ(m.recipients[1].state, recipient_state::failed);
  EXPECT_EQ(m.recipients[2].state, recipient_state::pending);
  EXPECT_EQ(m.recipients[2].next_attempt, now);
}

TEST(spool_message, retry_is_for_all_that_are_not_delivered) {
  const spool_time then(std::chrono::hours(1)), now(std::chrono::hours(5));
  spool_message m;
  m.received_at = then;
  const auto add = [&](recipient_state s) {
    m.recipients.emplace_back().state = s;
    m.recipients.back().next_attempt = then;
  };
  add(recipient_state::delivered);
  add(recipient_state::pending);
  m.retry(now);
  EXPECT_EQ(m.received_at, then);
  EXPECT_EQ(m.recipients[0].state, recipient_state::delivered);
  EXPECT_EQ(m.due(), now);
  for (const auto s : {recipient_state::held, recipient_state::failed}) {
    SCOPED_TRACE(static_cast<int>(s));
    m.received_at = then;
    add(s);
    m.retry(now);
    EXPECT_EQ(m.received_at, now);
    EXPECT_EQ(m.recipients.back().state, recipient_state::pending);
    EXPECT_EQ(m.recipients.back().next_attempt, now);
  }
  EXPECT_EQ(m.recipients[0].next_attempt, then);
}

}  // namespace
}  // namespace gatepost::routing
