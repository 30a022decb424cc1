// Copies that are kept and not delivered, until somebody releases them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <chrono>
#include <exception>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "routing/relay.hpp"
#include "tests/routing/relay_support.hpp"
#include "tests/routing/wire_hop.hpp"

namespace gatepost::routing {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using tests::mail_session;
using tests::relay_bench;
using tests::run_until;
using tests::some_text;
using tests::wire_hop;
using state = recipient_state;

class RelayHold : public ::testing::Test {
 protected:
  relay_bench bench;
  wire_hop hop{bench.io};

  void SetUp() override {
    bench.routes.add("b.test", hop.hop());
    bench.start();
  }

  bool stop() {
    hop.go_away();
    return bench.stop();
  }

  // A message to a@ and b@; those in `held` are held. Its id.
  std::string send(std::vector<std::size_t> held) {
    mail_session client(*bench.relay);
    client.from("<s@a.test>").to(bench.io, {"a@b.test", "b@b.test"});
    auto message = client.begin(bench.io, some_text);
    smtp::disposition what = client.to_all();
    what.held = std::move(held);
    what.hold_reason = "looks odd";
    what.tags = {{"spf", "fail"}};
    const auto outcome = gatepost::testing::run(bench.io, message->commit(what));
    message.reset();
    EXPECT_TRUE(outcome.overall.positive());
    return outcome.queue_id;
  }

  std::error_code release(const std::string& id) {
    return gatepost::testing::run(bench.io, bench.relay->release(id));
  }

  std::vector<state> states(const std::string& id) const {
    std::vector<state> all;
    for (const spool_recipient& r : bench.kept(id).recipients) all.push_back(r.state);
    return all;
  }
};

TEST_F(RelayHold, AHeldMessageWaitsForSomebody) {
  const std::string id = send({0, 1});
  bench.send({"other@b.test"});
  ASSERT_TRUE(bench.settled(1));
  bench.relay->flush();
  ASSERT_TRUE(stop());
  EXPECT_THAT(hop.messages(), SizeIs(1));
  EXPECT_THAT(states(id), ElementsAre(state::held, state::held));
  EXPECT_TRUE(bench.kept(id).held());
  EXPECT_EQ(bench.kept(id).hold_reason, "looks odd");
  EXPECT_THAT(bench.kept(id).tags, SizeIs(1));
  EXPECT_EQ(bench.relay->stats().queued, 0u);

  hop.come_back();
  bench.start();  // after a restart as well
  EXPECT_FALSE(release(id));
  ASSERT_TRUE(bench.settled(3));
  EXPECT_THAT(hop.messages(), SizeIs(2));
  EXPECT_EQ(bench.store.stats().messages, 0u);
  EXPECT_EQ(release("nothing"), smtp::errc::not_found);
}

TEST_F(RelayHold, TheOthersGetTheirCopies) {
  const std::string id = send({0});
  ASSERT_TRUE(bench.settled(1));
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_THAT(hop.messages()[0].rcpt, ElementsAre("RCPT TO:<b@b.test>"));
  EXPECT_THAT(states(id), ElementsAre(state::held, state::delivered));
  EXPECT_EQ(bench.relay->stats().queued, 0u);

  ASSERT_TRUE(stop());
  hop.come_back();
  bench.start();
  bench.relay->flush();
  EXPECT_FALSE(release(id));
  ASSERT_TRUE(bench.settled(2));
  ASSERT_THAT(hop.messages(), SizeIs(2));
  EXPECT_THAT(hop.messages()[1].rcpt, ElementsAre("RCPT TO:<a@b.test>"));
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

// Both write the message's record: neither may undo what the other has noted.
TEST_F(RelayHold, ReleasedWhileTheOthersAreDelivered) {
  std::string id;
  std::vector<std::error_code> answers;
  hop.answer([&](int, std::string_view line) {
    if (line == "." && answers.empty() && bench.relay->stats().delivered == 0)
      for (int twice = 0; twice < 2; ++twice)
        asio::co_spawn(bench.io, bench.relay->release(id),
                       [&](std::exception_ptr, std::error_code e) { answers.push_back(e); });
    return std::string();
  });
  id = send({0});
  ASSERT_TRUE(bench.settled(2));
  EXPECT_THAT(answers, ElementsAre(std::error_code(), std::error_code()));
  ASSERT_THAT(hop.messages(), SizeIs(2));
  EXPECT_THAT(hop.messages()[0].rcpt, ElementsAre("RCPT TO:<b@b.test>"));
  EXPECT_THAT(hop.messages()[1].rcpt, ElementsAre("RCPT TO:<a@b.test>"));
  EXPECT_EQ(bench.store.stats().messages, 0u);
  ASSERT_TRUE(stop());
}

// The others wait for their next attempt, as before.
TEST_F(RelayHold, AReleaseThatFailsChangesNothing) {
  hop.answer("RCPT TO:<b@b.test>", "450 4.2.0 later");
  const std::string id = send({0});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.relay->stats().queued, 1u);
  bench.store.fail_with(smtp::errc::spool_full);
  EXPECT_EQ(release(id), smtp::errc::spool_full);
  bench.store.fail_with({});
  EXPECT_THAT(states(id), ElementsAre(state::held, state::pending));
  EXPECT_TRUE(run_until(bench.io, [&] { return bench.relay->stats().active == 0; }));
  EXPECT_EQ(bench.relay->stats().queued, 1u);
  hop.answer({});
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(2));
  EXPECT_THAT(states(id), ElementsAre(state::held, state::delivered));
  EXPECT_FALSE(release(id));
  ASSERT_TRUE(bench.settled(3));
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

TEST_F(RelayHold, NothingIsReleasedThatIsNotHeld) {
  hop.answer("RCPT", "450 4.2.0 later");
  const std::string id = send({});
  ASSERT_TRUE(bench.settled(2));
  const spool_message before = bench.kept(id);
  EXPECT_FALSE(release(id));
  EXPECT_EQ(bench.kept(id).received_at, before.received_at);
  EXPECT_EQ(bench.relay->stats().queued, 1u);
  EXPECT_EQ(hop.count("RCPT"), 2u);
}

}  // namespace
}  // namespace gatepost::routing
