// A relay and its spool: what it does where the spool fails, and that the embedded one brings all
// back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routing/relay.hpp"
#include "routing/rocksdb_spool.hpp"
#include "tests/routing/relay_support.hpp"
#include "tests/routing/scratch_directory.hpp"
#include "tests/routing/spool_fixtures.hpp"
#include "tests/routing/wire_hop.hpp"

namespace gatepost::routing {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using tests::mail_session;
using tests::relay_bench;
using tests::run_until;
using tests::some_text;
using tests::wire_hop;

class RelaySpool : public ::testing::Test {
 protected:
  RelaySpool() { bench.routes.add("b.test", hop.hop()); }

  bool stop() {
    hop.go_away();
    return bench.stop();
  }

  relay_bench bench;
  wire_hop hop{bench.io};
};

// --- A spool that fails
// ---------------------------------------------------------------------------

// The next hop has the message, and the spool cannot note it: while we live it is not delivered
// again.
TEST_F(RelaySpool, ADeliveryThatCannotBeNotedIsNotRepeated) {
  bench.start();
  hop.answer([&](int, std::string_view line) -> std::string {
    if (line == ".") bench.store.fail_with(smtp::errc::spool_failed);
    return "";
  });
  const std::string id = bench.send({"r@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.complained("cannot note"); }));
  bench.relay->flush();
  const std::size_t before = bench.log.troubles().size();
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.troubles().size() > before; }));
  EXPECT_THAT(hop.messages(), SizeIs(1));
  EXPECT_EQ(bench.store.stats().messages, 1u);

  bench.store.fail_with({});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.store.stats().messages == 0; }));
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(hop.messages(), SizeIs(1));
}

// Only then it can come twice, and the log says so.
TEST_F(RelaySpool, StoppedBeforeItCouldBeNotedItIsNotLost) {
  bench.start();
  hop.answer([&](int, std::string_view line) -> std::string {
    if (line == ".") bench.store.fail_with(smtp::errc::spool_failed);
    return "";
  });
  const std::string id = bench.send({"r@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.complained("cannot note"); }));
  ASSERT_TRUE(stop());
  EXPECT_TRUE(bench.log.complained("message " + id + " may be delivered again"));
  bench.store.fail_with({});
  hop.answer({});
  bench.relay.reset();
  hop.come_back();
  bench.start();
  ASSERT_TRUE(bench.settled(2));
  EXPECT_THAT(hop.messages(), SizeIs(2));
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

TEST_F(RelaySpool, ADeferralThatCannotBeNotedIsTriedAgainAllTheSame) {
  bench.start();
  hop.answer([&](int, std::string_view line) -> std::string {
    if (!line.starts_with("RCPT")) return "";
    bench.store.fail_with(smtp::errc::spool_failed);
    return "450 4.2.1 later";
  });
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  bench.store.fail_with({});
  hop.answer({});
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(2));
  EXPECT_THAT(hop.messages(), SizeIs(1));
}

// A spool whose texts cannot be read, now and then.
class blind_spool final : public tests::forwarding_spool {
 public:
  using forwarding_spool::forwarding_spool;

  smtp::result<spool_message> load(std::string_view id) const override {
    if (cannot_load) return *cannot_load;
    return forwarding_spool::load(id);
  }
  smtp::result<std::unique_ptr<body_reader>> open(std::string_view id) const override {
    if (cannot_open) return smtp::errc::spool_failed;
    auto text = forwarding_spool::open(id);
    if (!text || !breaks_off) return text;
    return std::unique_ptr<body_reader>(std::make_unique<half>(*std::move(text)));
  }
  std::error_code for_each(const spool_visitor& v) const override {
    if (cannot_list) return smtp::errc::spool_failed;
    return forwarding_spool::for_each(v);
  }

  std::optional<smtp::errc> cannot_load;
  bool cannot_open = false;
  bool cannot_list = false;
  bool breaks_off = false;  // in the middle of a text

 private:
  class half final : public body_reader {
   public:
    explicit half(std::unique_ptr<body_reader> whole) : whole_(std::move(whole)) {}
    std::uint64_t size() const override { return whole_->size(); }
    smtp::result<std::string_view> next() override {
      if (std::exchange(read_, true)) return smtp::errc::spool_corrupt;
      const auto block = whole_->next();
      return block->substr(0, block->size() / 2);
    }

   private:
    std::unique_ptr<body_reader> whole_;
    bool read_ = false;
  };
};

TEST_F(RelaySpool, ATextThatCannotBeReadWaitsAndNoHopIsBlamed) {
  wire_hop second(bench.io);
  bench.routes.add("c.test", route(std::vector<next_hop>{hop.hop(), second.hop()}));
  blind_spool store(bench.store);
  bench.start(&store);
  store.cannot_open = true;
  const std::string id = bench.send({"r@c.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("r@c.test").reply, "451 4.3.0 The spool cannot read the message");
  EXPECT_TRUE(bench.log.complained("cannot read the text of message " + id));
  store.cannot_open = false;
  store.breaks_off = true;
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(bench.log.last("r@c.test").result, "deferred");
  EXPECT_THAT(hop.messages(), IsEmpty());  // half a message is none
  EXPECT_EQ(second.connections(), 0);
  store.breaks_off = false;
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(3));
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_EQ(hop.messages()[0].text, some_text);
  bench.relay.reset();
}

// Nor does the message fail for what it may not need.
TEST_F(RelaySpool, ATextThatCannotBeLookedAtWaits) {
  hop.offers({});
  blind_spool store(bench.store);
  bench.start(&store);
  store.breaks_off = true;
  const std::string id = bench.send({"r@b.test"}, "<s@a.test> BODY=8BITMIME SMTPUTF8");
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("r@b.test").reply, "451 4.3.0 The spool cannot read the message");
  EXPECT_TRUE(bench.log.complained("cannot read the text of message " + id));
  store.breaks_off = false;
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(2));
  EXPECT_THAT(hop.messages(), SizeIs(1));
  bench.relay.reset();
}

TEST_F(RelaySpool, AMessageThatCannotBeLoadedIsNotForgotten) {
  blind_spool store(bench.store);
  bench.start(&store);
  store.cannot_load = smtp::errc::spool_failed;
  bench.send({"r@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.complained("cannot read message"); }));
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.relay->stats().active == 0; }));
  EXPECT_EQ(bench.relay->stats().queued, 1u);
  store.cannot_load.reset();
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(hop.messages(), SizeIs(1));

  store.cannot_load = smtp::errc::spool_corrupt;  // what is damaged stays so
  bench.send({"r@b.test"});
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.log.troubles().size() == 2; }));
  ASSERT_TRUE(run_until(bench.io, [&] { return bench.relay->stats().active == 0; }));
  EXPECT_EQ(bench.relay->stats().queued, 0u);
  EXPECT_EQ(bench.store.stats().messages, 1u);
  bench.relay.reset();
}

TEST_F(RelaySpool, TheStartSaysWhetherTheSpoolCanBeRead) {
  blind_spool store(bench.store);
  store.cannot_list = true;
  relay r(bench.io, store, bench.routes, bench.options);
  EXPECT_EQ(r.start(), smtp::errc::spool_failed);
}

// --- The embedded spool
// ---------------------------------------------------------------------------

class RelayWithRocksdb : public RelaySpool {
 protected:
  std::unique_ptr<rocksdb_spool> open() {
    rocksdb_spool_options options;
    options.directory = directory / "spool";
    std::string problem;
    auto opened = rocksdb_spool::open(options, problem);
    EXPECT_EQ(problem, "");
    return opened;
  }

  tests::scratch_directory directory;
};

TEST_F(RelayWithRocksdb, DeliversAfterARestartWhatWasCommittedAndNothingTwice) {
  hop.answer("RCPT TO:<later@", "450 4.2.1 later");
  auto spool = open();
  bench.start(spool.get());
  const std::string half = bench.send({"now@b.test", "later@b.test"});
  ASSERT_TRUE(bench.settled(2));
  bench.relay->stop();
  const std::string fresh = bench.send({"fresh@b.test"});
  ASSERT_TRUE(stop());
  bench.relay.reset();
  spool.reset();

  hop.answer({});
  hop.come_back();
  spool = open();
  bench.start(spool.get());
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(4));
  std::vector<std::string> rcpt;
  for (const auto& m : hop.messages()) rcpt.insert(rcpt.end(), m.rcpt.begin(), m.rcpt.end());
  EXPECT_THAT(rcpt,
              ::testing::UnorderedElementsAre("RCPT TO:<now@b.test>", "RCPT TO:<later@b.test>",
                                              "RCPT TO:<fresh@b.test>"));
  EXPECT_EQ(hop.messages().back().text, some_text);
  EXPECT_EQ(spool->stats().messages, 0u);
  bench.relay.reset();
}

TEST_F(RelayWithRocksdb, ALargeTextComesFromItsFile) {
  auto spool = open();
  bench.start(spool.get());
  std::string text = "Subject: large\r\n\r\n";
  while (text.size() < 3u << 20) text += "a line of a large message\r\n";
  mail_session client(*bench.relay);
  client.edits.prepend("Received", "from a by b");
  client.from("<s@a.test>").to(bench.io, {"r@b.test"}).data(bench.io, text);
  ASSERT_TRUE(bench.settled(1));
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_TRUE(hop.messages()[0].text == "Received: from a by b\r\n" + text);
  bench.relay.reset();
}

}  // namespace
}  // namespace gatepost::routing
