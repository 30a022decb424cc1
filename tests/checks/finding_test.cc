// This header stands alone.
#include "checks/finding.hpp"

#include <gtest/gtest.h>

namespace gatepost::checks {
namespace {

const smtp::fixed_reply no{550, {5, 7, 25}, "No name"};

TEST(Finding, IsIgnoredScoredOrRefused) {
  EXPECT_FALSE(respond({response::ignore, 3}, "x", no).has_effects());
  EXPECT_TRUE(respond({response::ignore, 3}, "x", no).passes());

  const smtp::verdict scored = respond({response::score, 3}, "x", no);
  EXPECT_TRUE(scored.passes());
  EXPECT_EQ(scored.what_else().score, 3);
  ASSERT_EQ(scored.what_else().tags.size(), 1u);
  EXPECT_EQ(scored.what_else().tags[0].name, "x");
  EXPECT_EQ(scored.what_else().tags[0].value, "No name");

  const smtp::verdict refused = respond({response::refuse, 3}, "x", no);
  EXPECT_EQ(refused.reply().to_string(), "550 5.7.25 No name");
}

TEST(Finding, TroubleWithTheDnsIsSkippedOrDeferred) {
  EXPECT_EQ(respond(dns_trouble::skip, "No answer").kind(), smtp::decision::inconclusive);
  const smtp::verdict later = respond(dns_trouble::defer, "No answer");
  EXPECT_EQ(later.kind(), smtp::decision::defer);
  EXPECT_EQ(later.reply().to_string(), "451 4.4.3 No answer, try again later");
}

}  // namespace
}  // namespace gatepost::checks
