// This header stands alone.
#include "checks/arc/verifier.hpp"

#include <gtest/gtest.h>

#include <string>

#include "checks/testing.hpp"
#include "smtp/testing/fake_resolver.hpp"
#include "tests/checks/dkim/samples.hpp"

namespace gatepost::checks::arc {
namespace {

// Reads the note as a later check would.
class reader final : public check {
 public:
  explicit reader(report& into) : into_(into) {}
  std::string_view name() const override { return "reader"; }
  asio::awaitable<verdict> on_message(context& ctx) override {
    const auto* found = ctx.transaction_notes().find<report>();
    if (found != nullptr) into_ = *found;
    co_return verdict::pass();
  }

 private:
  report& into_;
};

TEST(ArcVerifier, LeavesItsReport) {
  smtp::testing::fake_resolver dns;
  report found;
  found.reason = "nothing was left";
  trial t;
  t.add<verifier>(dns);
  t.add<reader>(found);
  const auto send = [&](const std::string& message) {
    t.mail("<a@example.test>");
    t.rcpt("<b@example.test>");
    EXPECT_TRUE(t.message(message, 3).passes());
  };
  send(dkim::samples::message);
  EXPECT_EQ(found.chain, chain_status::none);
  EXPECT_EQ(found.reason, "");
  send("ARC-Seal: i=1; nonsense\r\n" + dkim::samples::message);
  EXPECT_EQ(found.chain, chain_status::fail);
  EXPECT_TRUE(dns.asked().empty());
  EXPECT_TRUE(t.trouble().empty());
}

}  // namespace
}  // namespace gatepost::checks::arc
