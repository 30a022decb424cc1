// This header stands alone.
#include "checks/merge.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatepost::checks {
namespace {

using smtp::decision;
using smtp::verdict;

verdict refuse(int code = 550, std::string text = "no") {
  return verdict::refuse(smtp::reply(code, {5, 7, 1}, std::move(text)));
}

verdict merged(const std::vector<verdict>& all) {
  verdict_merger m;
  for (const verdict& v : all) m.add(v, "check");
  return m.result();
}

TEST(Merge, NothingIsAPass) {
  verdict_merger m;
  EXPECT_EQ(m.result().kind(), decision::pass);
  EXPECT_FALSE(m.result().has_effects());
  EXPECT_FALSE(m.settled());
  EXPECT_TRUE(m.silent());
}

TEST(Merge, FirstDecisiveVerdictHolds) {
  struct {
    std::vector<verdict> verdicts;
    decision expected;
  } const cases[] = {
      {{verdict::pass(), verdict::inconclusive("?")}, decision::pass},
      {{verdict::pass(), refuse()}, decision::refuse},
      {{verdict::defer(), refuse()}, decision::defer},
      {{refuse(), verdict::defer()}, decision::refuse},
      {{refuse(), verdict::drop("flood")}, decision::refuse},
      {{verdict::accept(), refuse()}, decision::pass},
      {{verdict::accept(), verdict::drop("flood")}, decision::pass},
      {{verdict::hold("odd"), refuse()}, decision::refuse},
      {{verdict::hold("odd"), verdict::accept(), refuse()}, decision::hold},
      {{verdict::discard("worm"), verdict::drop("flood")}, decision::drop},
      {{verdict::discard("worm"), verdict::hold("odd")}, decision::hold},
      {{verdict::hold("odd"), verdict::discard("worm")}, decision::hold},
      {{verdict::discard("worm"), verdict::pass()}, decision::discard},
  };
  for (std::size_t i = 0; i < std::size(cases); ++i)
    EXPECT_EQ(merged(cases[i].verdicts).kind(), cases[i].expected) << "case " << i;
}

TEST(Merge, FirstHoldGivesTheReason) {
  EXPECT_EQ(merged({verdict::hold("one"), verdict::hold("two")}).reason(), "one");
  EXPECT_EQ(merged({verdict::discard("one"), verdict::discard("two")}).reason(), "one");
}

TEST(Merge, ReplyIsThatOfTheFirstRefusal) {
  verdict_merger m;
  m.add(verdict::pass(), "a");
  m.add(refuse(553, "first"), "b");
  m.add(refuse(554, "second"), "c");
  EXPECT_EQ(m.result().reply(), smtp::reply(553, {5, 7, 1}, "first"));
  EXPECT_EQ(m.decided_by(), "b");
  EXPECT_TRUE(m.settled());
}

TEST(Merge, EffectsAddUpUntilItIsDecided) {
  const verdict v = merged({
      verdict::pass().add_header("X-A", "1").score(1.5),
      verdict::inconclusive("?").add_tag("dnsbl", "listed").score(2),
      verdict::hold("odd").remove_header("X-Spam").add_header("X-B", "2").erase({1, 2}),
      refuse().add_tag("why", "rule 7"),
      verdict::pass().add_header("X-Late", "3").score(100),
  });
  EXPECT_EQ(v.kind(), decision::refuse);
  ASSERT_TRUE(v.has_effects());
  const verdict::effects& e = v.what_else();
  ASSERT_EQ(e.add_headers.size(), 2u);
  EXPECT_EQ(e.add_headers[0].name, "X-A");
  EXPECT_EQ(e.add_headers[1].name, "X-B");
  EXPECT_EQ(e.remove_headers, std::vector<std::string>{"X-Spam"});
  EXPECT_EQ(e.erased, (std::vector<smtp::octet_range>{{1, 2}}));
  ASSERT_EQ(e.tags.size(), 2u);
  EXPECT_EQ(e.tags[1].value, "rule 7");
  EXPECT_DOUBLE_EQ(e.score, 3.5);
}

TEST(Merge, ClassesAddUp) {
  const verdict v = merged({verdict::pass().policy_class("a"), verdict::pass(),
                            verdict::inconclusive("?").policy_class("b")});
  ASSERT_TRUE(v.has_effects());
  EXPECT_EQ(v.what_else().policy_class, "a b");
}

decision for_recipient(const verdict& v, std::size_t index) {
  if (v.has_effects())
    for (const auto& [i, part] : v.what_else().recipients)
      if (i == index) return part.kind();
  return v.kind();
}

TEST(Merge, RecipientsAreMergedOneByOne) {
  // Recipient 0 wants no filter, 1 blocks this sender, 2 has nothing to say.
  const verdict v = merged({
      verdict::pass().for_recipient(1, refuse(550, "blocked")),
      refuse(554, "spam").for_recipient(0, verdict::pass()),
  });
  EXPECT_EQ(for_recipient(v, 0), decision::pass);
  EXPECT_EQ(for_recipient(v, 1), decision::refuse);
  EXPECT_EQ(for_recipient(v, 2), decision::refuse);
  ASSERT_EQ(v.what_else().recipients.size(), 2u);
  EXPECT_EQ(v.what_else().recipients[1].second.reply().text(), "blocked");
  EXPECT_EQ(v.reply().text(), "spam");
}

TEST(Merge, ARecipientNamedLateHasWhatWasDecidedForAll) {
  const verdict v = merged({
      verdict::hold("odd"),
      verdict::pass().for_recipient(3, verdict::discard("unwanted")),
      verdict::pass().for_recipient(0, refuse()),
  });
  EXPECT_EQ(for_recipient(v, 3), decision::hold);
  EXPECT_EQ(for_recipient(v, 0), decision::refuse);
  EXPECT_EQ(for_recipient(v, 1), decision::hold);
}

TEST(Merge, NobodyIsRescuedFromAnEarlierRefusal) {
  const verdict v = merged({refuse(), verdict::pass().for_recipient(0, verdict::accept())});
  EXPECT_EQ(for_recipient(v, 0), decision::refuse);
}

TEST(Merge, SettledOnlyWhenEveryRecipientIs) {
  verdict_merger m;
  m.add(refuse().for_recipient(1, verdict::pass()));
  EXPECT_FALSE(m.settled());
  m.add(verdict::pass().for_recipient(1, verdict::defer()));
  EXPECT_TRUE(m.settled());
}

TEST(Merge, EffectsOfARecipientStayWithIt) {
  const verdict v = merged({
      verdict::pass().add_header("X-All", "1"),
      verdict::pass().for_recipient(0, verdict::pass().add_header("X-One", "2")),
  });
  ASSERT_EQ(v.what_else().add_headers.size(), 1u);
  ASSERT_EQ(v.what_else().recipients.size(), 1u);
  const verdict& part = v.what_else().recipients[0].second;
  ASSERT_EQ(part.what_else().add_headers.size(), 1u);
  EXPECT_EQ(part.what_else().add_headers[0].name, "X-One");
}

TEST(Merge, ManyRecipientsInAnyOrder) {
  verdict all;
  for (std::size_t i = 1000; i > 0; --i) all.for_recipient(i - 1, refuse());
  verdict_merger m;
  m.add(all);
  m.add(verdict::drop("flood"));
  const verdict v = m.result();
  EXPECT_EQ(v.kind(), decision::drop);
  ASSERT_EQ(v.what_else().recipients.size(), 1000u);
  for (std::size_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(v.what_else().recipients[i].first, i);
    EXPECT_EQ(v.what_else().recipients[i].second.kind(), decision::refuse);
  }
}

TEST(Merge, DecisionAndEffectsComeApart) {
  const verdict v = refuse(551, "moved").add_tag("a", "b").score(2);
  EXPECT_EQ(decision_only(v).reply(), v.reply());
  EXPECT_FALSE(decision_only(v).has_effects());
  EXPECT_EQ(effects_only(v).kind(), decision::pass);
  EXPECT_DOUBLE_EQ(effects_only(v).what_else().score, 2);
}

}  // namespace
}  // namespace gatepost::checks
