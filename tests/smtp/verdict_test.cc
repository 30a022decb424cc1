// This header stands alone.
#include "smtp/verdict.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace gatepost::smtp {
namespace {

TEST(verdict, decisions) {
  EXPECT_TRUE(verdict().passes());
  EXPECT_TRUE(verdict::pass().passes());
  EXPECT_TRUE(verdict::accept().passes());
  EXPECT_TRUE(verdict::inconclusive("no DNS").passes());
  for (const verdict& v : {verdict::discard("spam"), verdict::hold("virus?")}) {
    EXPECT_FALSE(v.passes());
    EXPECT_FALSE(v.negative());
  }
  for (const verdict& v :
       {verdict::refuse(replies::no_such_user), verdict::defer(), verdict::drop("flood")}) {
    EXPECT_FALSE(v.passes());
    EXPECT_TRUE(v.negative());
    EXPECT_FALSE(v.reply().empty());
  }
}

TEST(verdict, a_refusal_has_a_reply_that_refuses) {
  EXPECT_EQ(verdict::refuse({550, {5, 1, 1}, "no"}).reply().code(), 550);
  EXPECT_EQ(verdict::refuse({550, {5, 1, 1}, "no"}).kind(), decision::refuse);
  const verdict positive = verdict::refuse({250, {2, 0, 0}, "fine"});
  EXPECT_EQ(positive.reply(), reply(550, {5, 7, 1}, "fine"));
  EXPECT_EQ(positive.kind(), decision::refuse);
  EXPECT_EQ(verdict::refuse(reply()).reply().code(), 550);
  EXPECT_EQ(verdict::refuse({354, {}, "go on"}).reply().code(), 550);
  // A temporary reply is a deferral, whatever it was called.
  EXPECT_EQ(verdict::refuse({450, {4, 2, 1}, "later"}).kind(), decision::defer);
  EXPECT_EQ(verdict::defer({550, {5, 1, 1}, "no"}).reply(), reply(451, {4, 7, 1}, "no"));
  EXPECT_EQ(verdict::defer().reply(), reply(replies::local_error));
  EXPECT_EQ(verdict::drop("x").reply(), reply(replies::dropped));
}

TEST(verdict, reasons_for_logs) {
  EXPECT_EQ(verdict::inconclusive("no DNS").reason(), "no DNS");
  EXPECT_EQ(verdict::discard("spam").reason(), "spam");
  EXPECT_EQ(verdict::hold("virus?").reason(), "virus?");
  EXPECT_EQ(verdict::drop("flood").reason(), "flood");
  EXPECT_EQ(verdict::refuse({550, {5, 1, 1}, "no user"}).reason(), "no user");
  EXPECT_EQ(verdict::pass().reason(), "");
}

TEST(verdict, effects) {
  const verdict v = verdict::pass()
                        .add_header("X-A", "1")
                        .add_header("X-B", "2")
                        .remove_header("X-C")
                        .erase({7, 3})
                        .add_tag("k", "v")
                        .score(1.5)
                        .score(0.25)
                        .for_recipient(1, verdict::refuse(replies::no_such_user));
  ASSERT_TRUE(v.has_effects());
  const verdict::effects& e = v.what_else();
  ASSERT_EQ(e.add_headers.size(), 2U);
  EXPECT_EQ(e.add_headers[1].name, "X-B");
  EXPECT_EQ(e.remove_headers.at(0), "X-C");
  EXPECT_EQ(e.erased.at(0), (octet_range{7, 3}));
  EXPECT_EQ(e.tags.at(0).value, "v");
  EXPECT_EQ(e.score, 1.75);
  EXPECT_EQ(e.recipients.at(0).first, 1U);
  EXPECT_TRUE(e.recipients.at(0).second.negative());
  EXPECT_FALSE(verdict::pass().has_effects());
}

TEST(verdict, is_a_value) {
  verdict a =
      verdict::pass().add_tag("k", "v").for_recipient(0, verdict::hold("h").add_tag("x", "y"));
  verdict b = a;
  b.add_tag("k2", "v2");
  EXPECT_EQ(a.what_else().tags.size(), 1U);
  EXPECT_EQ(b.what_else().tags.size(), 2U);
  EXPECT_EQ(b.what_else().recipients.at(0).second.what_else().tags.at(0).value, "y");
  const verdict& self = b;
  b = self;
  EXPECT_EQ(b.what_else().tags.size(), 2U);
  verdict c = std::move(b);
  EXPECT_EQ(c.what_else().tags.size(), 2U);
  c = verdict::drop("z");
  EXPECT_FALSE(c.has_effects());
  a = c;
  EXPECT_EQ(a.kind(), decision::drop);
}

TEST(verdict, names) {
  EXPECT_EQ(to_string(decision::pass), "pass");
  EXPECT_EQ(to_string(decision::inconclusive), "inconclusive");
  EXPECT_EQ(to_string(decision::accept), "accept");
  EXPECT_EQ(to_string(decision::refuse), "refuse");
  EXPECT_EQ(to_string(decision::defer), "defer");
  EXPECT_EQ(to_string(decision::discard), "discard");
  EXPECT_EQ(to_string(decision::hold), "hold");
  EXPECT_EQ(to_string(decision::drop), "drop");
}

}  // namespace
}  // namespace gatepost::smtp
