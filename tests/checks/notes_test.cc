// This header stands alone.
#include "checks/notes.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatepost::checks {
namespace {

struct speed {
  int value = 0;
};
struct colour {
  std::string value;
};

TEST(Notes, FoundByType) {
  notes n;
  EXPECT_EQ(n.find<speed>(), nullptr);
  n.emplace<speed>(speed{3});
  n.emplace<colour>(colour{"red"});
  ASSERT_NE(n.find<speed>(), nullptr);
  EXPECT_EQ(n.find<speed>()->value, 3);
  EXPECT_EQ(n.find<colour>()->value, "red");
}

TEST(Notes, TheSecondOfATypeReplacesTheFirst) {
  notes n;
  n.emplace<speed>(speed{3});
  n.emplace<speed>(speed{4});
  EXPECT_EQ(n.find<speed>()->value, 4);
}

TEST(Notes, OneIsTakenAway) {
  notes n;
  int one = 0;
  n.erase<speed>();
  n.emplace<speed>(speed{3});
  n.emplace<colour>(colour{"red"});
  n.own<speed>(&one).value = 1;
  n.erase<speed>();
  EXPECT_EQ(n.find<speed>(), nullptr);
  EXPECT_EQ(n.find<colour>()->value, "red");
  EXPECT_EQ(n.own<speed>(&one).value, 1);
}

TEST(Notes, OwnersAreApart) {
  notes n;
  int one = 0, two = 0;
  n.own<speed>(&one).value = 1;
  n.own<speed>(&two).value = 2;
  EXPECT_EQ(n.own<speed>(&one).value, 1);
  EXPECT_EQ(n.own<speed>(&two).value, 2);
  EXPECT_EQ(n.find<speed>(), nullptr);
}

struct says_goodbye {
  says_goodbye(std::vector<int>& to, int who) : to(to), who(who) {}
  ~says_goodbye() { to.push_back(who); }
  std::vector<int>& to;
  int who;
};
struct says_goodbye_too : says_goodbye {
  using says_goodbye::says_goodbye;
};

TEST(Notes, DestroyedLastFirst) {
  std::vector<int> gone;
  {
    notes n;
    n.emplace<says_goodbye>(gone, 1);
    n.emplace<says_goodbye_too>(gone, 2);
    EXPECT_TRUE(gone.empty());
  }
  EXPECT_EQ(gone, (std::vector<int>{2, 1}));
}

TEST(Notes, ClearedOnDemand) {
  std::vector<int> gone;
  notes n;
  n.emplace<says_goodbye>(gone, 1);
  n.clear();
  EXPECT_EQ(gone, std::vector<int>{1});
  EXPECT_EQ(n.find<says_goodbye>(), nullptr);
}

}  // namespace
}  // namespace gatepost::checks
