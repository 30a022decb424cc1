// This header stands alone.
#include "smtp/testing/event_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatepost::smtp::testing {
namespace {

using ::testing::ElementsAre;

TEST(event_log, a_line_for_each_event) {
  event_log log;
  session_facts facts;
  envelope mail;
  const verdict v = verdict::discard("worm");
  const reply r(250, {2, 0, 0}, "OK");
  log.on_connection({facts, true, {}});
  log.on_connection({facts, false, "connections"});
  log.on_verdict({facts, mail, "message", "antivirus", v, {}});
  log.on_message({facts, mail, "discarded", "", r, 12, {}});
  log.on_message({facts, mail, "accepted", "Q1", r, 12, {}});
  log.on_delivery({.queue_id = "Q1",
                   .session_id = "S",
                   .reverse_path = "a",
                   .forward_path = "b@c",
                   .next_hop = "d",
                   .result = "delivered",
                   .reply = "250 OK"});
  log.on_trouble({"spool", "disk is full", "S"});
  log.on_session_end({facts, "quit", 1, 2, {}});
  EXPECT_THAT(log.lines, ElementsAre("connection", "connection refused by connections",
                                     "verdict message antivirus discard worm",
                                     "message discarded 250 2.0.0 OK (12 octets)",
                                     "message accepted Q1 250 2.0.0 OK (12 octets)",
                                     "delivery delivered b@c 250 OK", "trouble spool: disk is full",
                                     "session quit"));
}

TEST(event_log, transcripts_where_they_are_wanted) {
  event_log log;
  session_facts facts;
  EXPECT_FALSE(log.wants_transcript(facts));
  log.with_transcript = true;
  EXPECT_TRUE(log.wants_transcript(facts));
  log.on_transcript(facts, direction::from_client, "NOOP");
  log.on_transcript(facts, direction::to_client, "250 OK");
  EXPECT_THAT(log.transcript, ElementsAre("C: NOOP", "S: 250 OK"));
}

}  // namespace
}  // namespace gatepost::smtp::testing
