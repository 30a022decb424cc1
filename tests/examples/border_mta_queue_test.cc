// What an administrator sees of a spool.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>

#include "examples/border_mta/queue.hpp"
#include "routing/memory_spool.hpp"
#include "tests/support/run.hpp"

namespace border_mta {
namespace {

namespace routing = gatepost::routing;
using routing::recipient_state;
using ::testing::HasSubstr;
using ::testing::Not;

class Queue : public ::testing::Test {
 protected:
  routing::memory_spool spool;
  const routing::spool_time now = std::chrono::system_clock::now();

  // A message with a recipient in each state.
  std::string put() {
    routing::spool_message m;
    m.received_at = now - std::chrono::hours(3);
    m.reverse_path = "s@a.test";
    m.hold_reason = "odd\nvirus";
    for (const auto s : {recipient_state::pending, recipient_state::delivered,
                         recipient_state::failed, recipient_state::held}) {
      routing::spool_recipient& r = m.recipients.emplace_back();
      r.forward_path = std::to_string(m.recipients.size()) + "@b.test";
      r.state = s;
      r.next_attempt = now + std::chrono::minutes(5);
    }
    const std::unique_ptr<routing::spool_writer> writer = spool.begin();
    EXPECT_FALSE(gatepost::testing::run(writer->commit(m)));
    return writer->id();
  }

  std::string list() const {
    std::ostringstream out;
    EXPECT_FALSE(list_queue(spool, now, out));
    return out.str();
  }
};

TEST_F(Queue, SaysWhoseCopyIsHeld) {
  const std::string id = put();
  EXPECT_EQ(list(), id + "  3h  0 B  from <s@a.test>  held: odd?virus\n"
                         "    <1@b.test>  waits 5m\n"
                         "    <2@b.test>  delivered\n"
                         "    <3@b.test>  failed\n"
                         "    <4@b.test>  held\n"
                         "1 message, 0 B\n");
}

// A terminal obeys controls of C1 too, U+009B as it obeys ESC and '['.
TEST_F(Queue, ShowsNoControls) {
  const std::string id = put();
  auto m = spool.load(id);
  ASSERT_TRUE(m);
  m->recipients[0].last_reply =
      "550 a\x1b[2Jb\u009b2Jc\x9b"
      "2Jd\u00db";
  EXPECT_FALSE(gatepost::testing::run(spool.update(*m, routing::durability::synced)));
  EXPECT_THAT(list(), HasSubstr("waits 5m: 550 a?[2Jb?2Jc?2Jd\u00db\n"));
}

TEST_F(Queue, ReleaseMakesAllDueThatAreNotDelivered) {
  const std::string id = put();
  EXPECT_FALSE(release_message(spool, id, now));
  EXPECT_THAT(list(), Not(HasSubstr("held")));
  const auto m = spool.load(id);
  ASSERT_TRUE(m);
  for (const routing::spool_recipient& r : m->recipients) {
    const bool done = r.forward_path == "2@b.test";
    EXPECT_EQ(r.state, done ? recipient_state::delivered : recipient_state::pending);
    EXPECT_EQ(r.next_attempt == now, !done);
  }
  EXPECT_EQ(m->received_at, now);
  EXPECT_EQ(release_message(spool, "nothing", now), gatepost::smtp::errc::not_found);
}

}  // namespace
}  // namespace border_mta
