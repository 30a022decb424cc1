// This header stands alone.
#include "smtp/envelope.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gatepost::smtp {
namespace {

const parse_options all_offered = [] {
  parse_options o;
  for (const extension_row& row : extension_table) o.offered.add(row.bit);
  return o;
}();

void begin(envelope& e, std::string_view argument) { e.begin(*parse_mail(argument, all_offered)); }

recipient& add(envelope& e, std::string_view argument) {
  return e.add(*parse_rcpt(argument, all_offered, true));
}

TEST(envelope, keeps_what_mail_said) {
  envelope e;
  EXPECT_FALSE(e.active());
  begin(e,
        "FROM:<a@b.example> SIZE=12 BODY=8BITMIME SMTPUTF8 REQUIRETLS PRDR RET=FULL ENVID=id "
        "AUTH=<> SOLICIT=s:t");
  EXPECT_TRUE(e.active());
  EXPECT_EQ(e.reverse_path().text(), "a@b.example");
  EXPECT_EQ(e.size(), 12U);
  EXPECT_EQ(e.body(), body_type::eight_bit_mime);
  EXPECT_TRUE(e.smtputf8() && e.requiretls() && e.prdr());
  EXPECT_EQ(e.ret(), dsn_return::full);
  EXPECT_EQ(e.envid(), "id");
  EXPECT_EQ(e.auth(), "<>");
  EXPECT_EQ(e.solicit(), "s:t");
}

TEST(envelope, nothing_is_left_for_the_next_message) {
  envelope e;
  begin(e,
        "FROM:<a@b.example> SIZE=12 BODY=8BITMIME SMTPUTF8 REQUIRETLS PRDR RET=FULL ENVID=id "
        "AUTH=<> SOLICIT=s:t");
  recipient& r = add(e, "TO:<c@d.example> NOTIFY=NEVER ORCPT=rfc822;c");
  r.route = "somewhere";
  r.policy_class = "red";
  e.clear();
  EXPECT_FALSE(e.active());
  EXPECT_TRUE(e.reverse_path().is_null());
  EXPECT_TRUE(e.recipients().empty());
  begin(e, "FROM:<>");
  EXPECT_FALSE(e.size());
  EXPECT_EQ(e.body(), body_type::seven_bit);
  EXPECT_FALSE(e.smtputf8() || e.requiretls() || e.prdr());
  EXPECT_EQ(e.ret(), dsn_return::unspecified);
  EXPECT_EQ(e.envid() + e.auth() + e.solicit(), "");
  const recipient& next = add(e, "TO:<x@d.example>");
  EXPECT_EQ(next.notify, notify_unspecified);
  EXPECT_EQ(next.orcpt + next.route + next.policy_class, "");
}

TEST(envelope, begins_anew_without_clear) {
  envelope e;
  begin(e, "FROM:<a@b.example> ENVID=id");
  add(e, "TO:<c@d.example>");
  begin(e, "FROM:<x@b.example>");
  EXPECT_EQ(e.envid(), "");
  EXPECT_TRUE(e.recipients().empty());
}

TEST(envelope, a_recipient_may_be_taken_back) {
  envelope e;
  e.take_back();
  begin(e, "FROM:<>");
  add(e, "TO:<a@d.example>");
  add(e, "TO:<b@d.example>").route = "r";
  e.take_back();
  ASSERT_EQ(e.recipients().size(), 1U);
  EXPECT_EQ(add(e, "TO:<c@d.example>").route, "");
  EXPECT_EQ(e.recipients()[1].forward_path.text(), "c@d.example");
}

TEST(envelope, is_a_value) {
  envelope e;
  begin(e, "FROM:<a@b.example>");
  add(e, "TO:<c@d.example>");
  const envelope copy = e;
  e.clear();
  EXPECT_TRUE(copy.active());
  EXPECT_EQ(copy.recipients()[0].forward_path.text(), "c@d.example");
}

TEST(envelope, many_recipients_are_not_kept_for_ever) {
  envelope e;
  begin(e, "FROM:<>");
  for (int i = 0; i < 1000; ++i) add(e, "TO:<user" + std::to_string(i) + "@d.example>");
  EXPECT_EQ(e.recipients().size(), 1000U);
  EXPECT_EQ(e.recipients()[999].forward_path.local_part(), "user999");
  e.clear();
  EXPECT_TRUE(e.recipients().empty());
  begin(e, "FROM:<>");
  EXPECT_EQ(add(e, "TO:<a@d.example>").forward_path.text(), "a@d.example");
}

}  // namespace
}  // namespace gatepost::smtp
