// This header stands alone.
#include "smtp/testing/fake_delivery.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "smtp/testing/run.hpp"

namespace gatepost::smtp::testing {
namespace {

using ::testing::ElementsAre;
using step = fake_delivery::step;

struct surroundings {
  surroundings() {
    const parse_options none;
    mail.begin(*parse_mail("FROM:<a@b.example>", none));
    mail.add(*parse_rcpt("TO:<c@d.example>", none, false));
    mail.add(*parse_rcpt("TO:<e@d.example>", none, false));
  }
  session_facts facts;
  envelope mail;
  session_view view{facts, mail};
};

disposition to(std::vector<std::size_t> recipients) {
  disposition d;
  d.edits.prepend("X-A", "b");
  d.recipients = std::move(recipients);
  return d;
}

TEST(fake_delivery, keeps_messages) {
  surroundings s;
  fake_delivery delivery;
  EXPECT_TRUE(run(delivery.resolve(s.view, s.mail.recipients()[0])).passes());
  auto intake = run(delivery.begin(s.view));
  EXPECT_FALSE(run(intake->write("x: y\r\n")));
  EXPECT_FALSE(run(intake->write("\r\ntext")));
  const delivery_outcome said = run(intake->commit(to({1})));
  EXPECT_EQ(said.overall.code(), 250);
  EXPECT_EQ(said.queue_id, "Q1");
  run(intake->revoke());
  intake.reset();
  EXPECT_EQ(delivery.forgotten, 0U);
  ASSERT_EQ(delivery.kept.size(), 1U);
  const kept_message& m = delivery.kept[0];
  EXPECT_EQ(m.reverse_path, "a@b.example");
  EXPECT_THAT(m.recipients, ElementsAre("e@d.example"));
  EXPECT_EQ(m.received, "x: y\r\n\r\ntext");
  EXPECT_EQ(m.text, "X-A: b\r\nx: y\r\n\r\ntext");
  EXPECT_TRUE(m.revoked);
  EXPECT_THAT(delivery.resolved, ElementsAre("c@d.example"));
}

TEST(fake_delivery, forgets_what_is_not_committed) {
  surroundings s;
  fake_delivery delivery;
  run(delivery.begin(s.view)).reset();
  EXPECT_EQ(delivery.begun, 1U);
  EXPECT_EQ(delivery.forgotten, 1U);
}

TEST(fake_delivery, resolves_and_classifies) {
  surroundings s;
  fake_delivery delivery;
  delivery.resolves("c@d.example", verdict::refuse(replies::no_such_user))
      .classifies("e@d.example", "red");
  EXPECT_EQ(run(delivery.resolve(s.view, s.mail.recipients()[0])).kind(), decision::refuse);
  EXPECT_TRUE(run(delivery.resolve(s.view, s.mail.recipients()[1])).passes());
  EXPECT_EQ(s.mail.recipients()[1].policy_class, "red");
}

TEST(fake_delivery, fails_where_it_is_told_to) {
  surroundings s;
  fake_delivery delivery;
  delivery.fails_at(step::write, 2, fake_delivery::fault::error, errc::spool_full);
  delivery.fails_at(step::commit, 1, fake_delivery::fault::exception);
  delivery.fails_at(step::begin, 2);
  delivery.fails_at(step::resolve);
  auto intake = run(delivery.begin(s.view));
  EXPECT_FALSE(run(intake->write("a")));
  EXPECT_EQ(run(intake->write("b")), make_error_code(errc::spool_full));
  EXPECT_FALSE(run(intake->write("c")));
  EXPECT_THROW(run(intake->commit(to({0}))), std::runtime_error);
  EXPECT_EQ(run(delivery.begin(s.view)), nullptr);
  EXPECT_EQ(run(delivery.resolve(s.view, s.mail.recipients()[0])).kind(), decision::defer);
  EXPECT_EQ(delivery.kept.size(), 0U);
}

TEST(fake_delivery, answers_as_it_is_told_to) {
  surroundings s;
  fake_delivery delivery;
  delivery.answers(reply(452, {4, 2, 2}, "full"));
  auto intake = run(delivery.begin(s.view));
  EXPECT_EQ(run(intake->commit(to({0}))).overall.code(), 452);
  intake.reset();
  EXPECT_EQ(delivery.kept.size(), 0U);
  EXPECT_EQ(delivery.forgotten, 1U);
  EXPECT_EQ(run(delivery.etrn(s.view, "node")).code(), 250);
  EXPECT_THAT(delivery.nodes, ElementsAre("node"));
}

}  // namespace
}  // namespace gatepost::smtp::testing
