// This header stands alone.
#include "checks/context.hpp"

#include <gtest/gtest.h>

#include <string>

#include "smtp/command.hpp"

namespace gatepost::checks {
namespace {

using smtp::stage;

class Context : public ::testing::Test {
 protected:
  Context() { envelope_.begin(*smtp::parse_mail("FROM:<a@example.test>", {})); }

  smtp::session_facts facts_;
  smtp::envelope envelope_;
  detail::session_store store_;
  context ctx_{facts_, envelope_, store_};
};

TEST_F(Context, ShowsWhatItWasGiven) {
  facts_.helo = "mx.example.test";
  envelope_.add(*smtp::parse_rcpt("TO:<b@example.test>", {}, false));
  ctx_.enter(stage::rcpt, {}, 0);
  EXPECT_EQ(ctx_.stage(), stage::rcpt);
  EXPECT_EQ(ctx_.facts().helo, "mx.example.test");
  EXPECT_EQ(ctx_.envelope().reverse_path().text(), "a@example.test");
  EXPECT_EQ(ctx_.recipient().forward_path.text(), "b@example.test");
}

TEST_F(Context, FieldsAreThoseOfTheHeaderOfNow) {
  ctx_.enter(stage::header_end, "A: 1\r\nB: 2\r\n", 12);
  ASSERT_TRUE(ctx_.fields());
  EXPECT_EQ(ctx_.fields()->fields.size(), 2u);
  ctx_.enter(stage::header_end, "C: 3\r\n", 6);
  ASSERT_EQ(ctx_.fields()->fields.size(), 1u);
  EXPECT_EQ(ctx_.fields()->fields[0].name, "C");
  ctx_.enter(stage::body, {}, 6);
  EXPECT_TRUE(ctx_.fields()->fields.empty());
}

TEST_F(Context, AHeaderThatCannotBeReadIsAnError) {
  const std::string header = "X: " + std::string(200'000, 'x') + "\r\n";
  ctx_.enter(stage::header_end, header, header.size());
  EXPECT_FALSE(ctx_.fields());
}

TEST_F(Context, ACopyDoesNotChange) {
  std::string header = "A: 1\r\n";
  facts_.helo = "before";
  ctx_.enter(stage::message, header, 100);
  context other = ctx_;
  other.show(other.take_snapshot());
  facts_.helo = "after";
  envelope_.clear();
  header.assign(header.size(), 'x');
  EXPECT_EQ(other.facts().helo, "before");
  EXPECT_EQ(other.envelope().reverse_path().text(), "a@example.test");
  EXPECT_EQ(other.header(), "A: 1\r\n");
  EXPECT_EQ(other.fields()->fields[0].name, "A");
  EXPECT_EQ(other.message_size(), 100u);
  EXPECT_EQ(ctx_.facts().helo, "after");
}

TEST_F(Context, NotesAreShared) {
  context other = ctx_;
  ctx_.notes().emplace<int>(7);
  ctx_.transaction_notes().emplace<int>(8);
  EXPECT_EQ(*other.notes().find<int>(), 7);
  EXPECT_EQ(*other.transaction_notes().find<int>(), 8);
}

}  // namespace
}  // namespace gatepost::checks
