// This header stands alone.
#include "smtp/policy.hpp"

#include <gtest/gtest.h>

#include "tests/support/run.hpp"

namespace gatepost::smtp {
namespace {

TEST(accept_all, has_nothing_against_anything) {
  const session_facts facts;
  const envelope nothing;
  const session_view view{facts, nothing};
  accept_all policy;
  const auto session = policy.open(view);
  for (int s = 0; s < stage_count; ++s) {
    const verdict v = gatepost::testing::run(session->ask(static_cast<stage>(s)));
    EXPECT_EQ(v.kind(), decision::pass);
    EXPECT_TRUE(session->ignores(static_cast<stage>(s)));
  }
  const verdict v = gatepost::testing::run(session->message({}));
  EXPECT_EQ(v.kind(), decision::pass);
}

}  // namespace
}  // namespace gatepost::smtp
