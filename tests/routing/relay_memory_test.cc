// A relay where memory runs out, once at each single allocation that it makes for a message: the
// message is delivered nevertheless, without a restart.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "routing/relay.hpp"
#include "routing/spool.hpp"
#include "tests/routing/relay_support.hpp"
#include "tests/support/failing_new.hpp"

namespace gatepost::routing {
namespace {

using tests::mail_session;
using tests::relay_bench;
using tests::run_until;
using tests::some_text;
namespace failing_new = tests::failing_new;

// Whose copy there is besides the one that is to be delivered.
enum class other { none, held };

// Nothing is pending of any message.
bool all_settled(const spool& store) {
  bool pending = false;
  const std::error_code failed =
      store.for_each([&](std::string_view, const smtp::result<spool_message>& m) {
        pending = pending || !m || m->due();
        return true;
      });
  return !failed && !pending;
}

// True: there are fewer allocations. `ahead`: how far the clock is set back when it is over.
bool delivers_without(std::size_t allocation, std::size_t count, other copy,
                      std::chrono::hours ahead = {}) {
  relay_bench bench;
  bench.options.now = [&ahead] { return std::chrono::system_clock::now() + ahead; };
  bench.routes.add("b.test", route::discard());
  bench.options.trouble_wait = std::chrono::milliseconds(1);
  bench.start();
  mail_session client(*bench.relay);
  client.from("<s@a.test>").to(bench.io, {"r@b.test"});
  if (copy == other::held) client.to(bench.io, {"held@b.test"});
  std::unique_ptr<smtp::intake> message = client.begin(bench.io, some_text);
  smtp::disposition what = client.to_all();
  if (copy == other::held) what.held = {1};
  EXPECT_TRUE(testing::run(bench.io, message->commit(what)).overall.positive());
  failing_new::arm(allocation, count);
  message.reset();
  bench.io.restart();
  bench.io.poll();
  failing_new::disarm();
  ahead = {};
  const bool failed = failing_new::failed() != 0;
  // Where the router had no memory, the message was put off.
  const auto put_off = [&] { return bench.log.count("deferred") > 0; };
  const auto settled = [&] { return all_settled(bench.store); };
  EXPECT_TRUE(run_until(bench.io, [&] { return settled() || put_off(); }));
  if (put_off()) {
    EXPECT_TRUE(run_until(bench.io, [&] { return bench.relay->stats().active == 0; }));
    bench.relay->flush();
  }
  EXPECT_TRUE(run_until(bench.io, settled));
  EXPECT_EQ(bench.store.stats().messages, copy == other::held ? 1u : 0u);
  EXPECT_TRUE(bench.stop());
  EXPECT_EQ(bench.relay->stats().queued, 0u);
  return !failed;
}

TEST(relay_memory, runs_out_and_the_message_is_delivered) {
  for (const other copy : {other::none, other::held}) {
    for (const std::size_t count : {1u, 5u}) {
      std::size_t n = 1;
      while (!delivers_without(n, count, copy) && !::testing::Test::HasFailure()) ++n;
      SCOPED_TRACE("allocation " + std::to_string(n));
      EXPECT_GT(n, 2u);
    }
  }
}

// The messages came in by a clock that has been set back since: what is looked for is not younger
// than that.
TEST(relay_memory, messages_from_the_future_are_found_too) {
  std::size_t n = 1;
  const std::chrono::hours year(24 * 365);
  while (!delivers_without(n, 1, other::none, year) && !::testing::Test::HasFailure()) ++n;
  SCOPED_TRACE("allocation " + std::to_string(n));
  EXPECT_GT(n, 2u);
}

}  // namespace
}  // namespace gatepost::routing
