// This header stands alone.
#include "smtp/delivery.hpp"

#include <gtest/gtest.h>

#include "tests/support/run.hpp"

namespace gatepost::smtp {
namespace {

TEST(discard_all, takes_everything) {
  const session_facts facts;
  const envelope nothing;
  const session_view view{facts, nothing};
  discard_all delivery;
  recipient to;
  EXPECT_EQ(gatepost::testing::run(delivery.resolve(view, to)).kind(), decision::pass);
  EXPECT_FALSE(delivery.available());
  const auto message = gatepost::testing::run(delivery.begin(view));
  ASSERT_NE(message, nullptr);
  EXPECT_FALSE(gatepost::testing::run(message->write("text")));
  EXPECT_FALSE(message->wants_edits());
  const disposition what;
  EXPECT_EQ(gatepost::testing::run(message->commit(what)).overall.code(), 250);
}

// RFC 1985 §5.3: 459 where a node may not start the delivery here.
TEST(delivery, etrn_is_refused_unless_overridden) {
  const session_facts facts;
  const envelope nothing;
  const session_view view{facts, nothing};
  discard_all delivery;
  EXPECT_EQ(gatepost::testing::run(delivery.etrn(view, "example.test")).code(), 459);
}

TEST(delivery_outcome, says_no_unless_told_otherwise) {
  EXPECT_TRUE(delivery_outcome().overall.temporary());
}

}  // namespace
}  // namespace gatepost::smtp
