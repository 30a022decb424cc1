// This header stands alone.
#include "smtp/observer_list.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

class counter final : public observer {
 public:
  explicit counter(bool wants) : wants_(wants) {}
  void on_trouble(const trouble_event&) override { ++troubles; }
  bool wants_transcript(const session_facts&) override { return wants_; }
  void on_transcript(const session_facts&, direction, std::string_view) override { ++lines; }
  int troubles = 0;
  int lines = 0;

 private:
  bool wants_;
};

TEST(observer_list, tells_all) {
  counter a(false);
  counter b(false);
  observer_list both{&a, &b};
  both.on_trouble({"here", "something", {}});
  EXPECT_EQ(a.troubles, 1);
  EXPECT_EQ(b.troubles, 1);
  EXPECT_FALSE(both.wants_transcript({}));
}

TEST(observer_list, transcripts_go_to_who_wants_them) {
  counter a(false);
  counter b(true);
  observer_list both{&a, &b};
  EXPECT_TRUE(both.wants_transcript({}));
  both.on_transcript({}, direction::from_client, "EHLO a");
  EXPECT_EQ(a.lines, 0);
  EXPECT_EQ(b.lines, 1);
}

}  // namespace
}  // namespace gatepost::smtp
