// This header stands alone.
#include "checks/dkim/verifier.hpp"

#include <gtest/gtest.h>

#include <string>

#include "checks/testing.hpp"
#include "smtp/testing/fake_resolver.hpp"
#include "tests/checks/dkim/samples.hpp"

namespace gatepost::checks::dkim {
namespace {

using smtp::testing::fake_resolver;

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

fake_resolver& fill(fake_resolver& dns) {
  return dns.add_txt(samples::ed25519_name, {samples::ed25519_record})
      .add_txt(samples::rsa_name, {samples::rsa_record});
}

struct judged {
  report found;
  smtp::verdict verdict;
};

judged judge(const std::string& message, fake_resolver& dns, verifier_options options = {},
             std::size_t chunk = 4096) {
  judged out;
  trial t;
  t.add<verifier>(dns, std::move(options));
  t.add<reader>(out.found);
  t.mail("<a@example.test>");
  t.rcpt("<b@example.test>");
  out.verdict = t.message(message, chunk);
  EXPECT_TRUE(t.trouble().empty());
  return out;
}

TEST(DkimVerifier, LeavesItsReport) {
  fake_resolver dns;
  for (const std::size_t chunk : {1u, 7u, 4096u}) {
    const judged j = judge(samples::message, fill(dns), {}, chunk);
    EXPECT_TRUE(j.verdict.passes());
    ASSERT_EQ(j.found.signatures().size(), 2u) << chunk;
    EXPECT_EQ(j.found.signatures()[0].outcome, outcome::pass) << chunk;
    EXPECT_EQ(j.found.signatures()[1].outcome, outcome::pass) << chunk;
  }
}

TEST(DkimVerifier, KeysAreAskedForAtTheEndOfTheHeader) {
  fake_resolver dns;
  fill(dns);
  trial t;
  t.add<verifier>(dns);
  t.mail("<a@example.test>");
  t.rcpt("<b@example.test>");
  const smtp::message_view header{samples::message, samples::message.size()};
  EXPECT_TRUE(t.run(t.session().header_end(header)).passes());
  t.io().restart();
  t.io().poll();
  EXPECT_EQ(dns.asked().size(), 2u);
  t.reset();
}

TEST(DkimVerifier, NothingIsRefusedUnlessAsked) {
  fake_resolver dns;
  std::string broken = samples::message;
  broken.replace(broken.find("We lost"), 7, "We won!");
  EXPECT_TRUE(judge(broken, fill(dns)).verdict.passes());

  verifier_options strict;
  strict.on_fail = strict.on_none = strict.on_permerror = action::refuse;
  strict.on_temperror = action::defer;
  EXPECT_EQ(judge(broken, dns, strict).verdict.reply().code(), 550);
  EXPECT_EQ(judge(samples::plain_message, dns, strict).verdict.reply().code(), 550);
  EXPECT_TRUE(judge(samples::message, dns, strict).verdict.passes());
  fake_resolver empty;
  EXPECT_EQ(judge(samples::message, empty, strict).verdict.reply().code(), 550);
  empty.fails(samples::rsa_name, "timeout").fails(samples::ed25519_name, "timeout");
  EXPECT_EQ(judge(samples::message, empty, strict).verdict.reply().code(), 451);
}

TEST(DkimVerifier, OneReportForEachMessage) {
  fake_resolver dns;
  fill(dns);
  report found;
  trial t;
  t.add<verifier>(dns);
  t.add<reader>(found);
  for (int i = 0; i < 2; ++i) {
    for (const auto& [message, expected] : {std::pair(samples::message, outcome::pass),
                                            std::pair(samples::plain_message, outcome::none)}) {
      t.mail("<a@example.test>");
      t.rcpt("<b@example.test>");
      EXPECT_TRUE(t.message(message).passes());
      EXPECT_EQ(found.outcome(), expected);
    }
  }
}

}  // namespace
}  // namespace gatepost::checks::dkim
