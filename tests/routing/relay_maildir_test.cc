// A relay that delivers into Maildirs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "routing/relay.hpp"
#include "tests/routing/relay_support.hpp"
#include "tests/routing/scratch_directory.hpp"
#include "tests/routing/small_disk.hpp"

namespace gatepost::routing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using tests::mail_session;
using tests::relay_bench;
using tests::some_text;

class RelayMaildir : public ::testing::Test {
 protected:
  void route_all_to(const std::string& below) {
    bench.routes.add("b.test", route::maildir((directory / below) + "/{domain}/{local}"));
  }

  // The messages in a Maildir, as they are on disk.
  std::vector<std::string> mail_of(const std::string& user) {
    std::vector<std::string> all;
    const fs::path fresh = directory / ("mail/b.test/" + user + "/new");
    if (!fs::exists(fresh)) return all;
    for (const auto& entry : fs::directory_iterator(fresh)) {
      std::ifstream in(entry.path(), std::ios::binary);
      all.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    return all;
  }

  tests::scratch_directory directory;
  relay_bench bench;
};

TEST_F(RelayMaildir, WritesTheMessageWithItsTrace) {
  route_all_to("mail");
  bench.start();
  mail_session client(*bench.relay);
  client.edits.prepend("Received", "from a by b");
  client.from("<s@a.test>").to(bench.io, {"User@b.test"}).data(bench.io, some_text);
  ASSERT_TRUE(bench.settled(1));
  EXPECT_THAT(mail_of("user"), ElementsAre("Return-Path: <s@a.test>\n"
                                           "Delivered-To: User@b.test\n"
                                           "Received: from a by b\n"
                                           "Subject: hello\n\nHi.\n.a dot\n"));
  const tests::delivery_note note = bench.log.last("User@b.test");
  EXPECT_EQ(note.result, "delivered");
  EXPECT_EQ(note.hop, "maildir:" + (directory / "mail/b.test/user"));
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

TEST_F(RelayMaildir, EachRecipientGetsACopyAlsoInASharedMailbox) {
  route_all_to("mail");
  bench.routes.add("alias@b.test", route::maildir(directory / "mail/b.test/user"));
  bench.start();
  bench.send({"user@b.test", "other@b.test", "alias@b.test"}, "<>");
  ASSERT_TRUE(bench.settled(3));
  EXPECT_THAT(mail_of("other"),
              ElementsAre(StartsWith("Return-Path: <>\nDelivered-To: other@b.test\n")));
  EXPECT_THAT(mail_of("user"),
              ::testing::UnorderedElementsAre(HasSubstr("\nDelivered-To: user@b.test\n"),
                                              HasSubstr("\nDelivered-To: alias@b.test\n")));
  EXPECT_EQ(bench.store.stats().messages, 0u);
}

TEST_F(RelayMaildir, WhereItCannotWriteItSaysWhyAndTriesAgain) {
  std::ofstream(directory / "mail") << "a file where a directory has to be";
  route_all_to("mail");
  bench.start();
  const std::string id = bench.send({"user@b.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("user@b.test").result, "deferred");
  const spool_recipient r = bench.kept(id).recipients.at(0);
  EXPECT_EQ(r.state, recipient_state::pending);
  EXPECT_EQ(r.enhanced.klass, 4);
  EXPECT_THAT(r.last_reply, HasSubstr(directory / "mail/b.test/user"));
  EXPECT_THAT(r.last_reply, HasSubstr("Not a directory"));
  EXPECT_TRUE(bench.log.complained("maildir: " + (directory / "mail/b.test/user")));

  fs::remove(directory / "mail");
  bench.relay->flush();
  ASSERT_TRUE(bench.settled(2));
  EXPECT_THAT(mail_of("user"), SizeIs(1));
}

TEST_F(RelayMaildir, AFullDiskPutsOff) {
  const int status = tests::run_child([&] {
    const std::string disk = directory / "disk";
    tests::mount_small_disk(disk);  // 16 MiB
    relay_bench inner;
    inner.routes.add("b.test", route::maildir(disk + "/{domain}/{local}"));
    inner.start();
    mail_session client(*inner.relay);
    const std::string large(20u << 20, 'x');
    client.from("<s@a.test>").to(inner.io, {"user@b.test"}).data(inner.io, large);
    tests::require(inner.settled(1), "settled");
    tests::require(inner.log.last("user@b.test").result == "deferred", "deferred");
    const std::string said = inner.log.last("user@b.test").reply;
    tests::require(said.starts_with("452 4.3.1 " + disk), said);
    tests::require(said.find("No space left on device") != said.npos, said);
    tests::require(fs::is_empty(disk + "/b.test/user/tmp"), "nothing is left");
  });
  if (status == tests::cannot) GTEST_SKIP() << "no file system can be mounted here";
  EXPECT_EQ(status, 0);
}

// The writing thread has work when the relay goes.
TEST_F(RelayMaildir, MayBeDestroyedWhileItWrites) {
  route_all_to("mail");
  bench.start();
  for (int i = 0; i < 20; ++i) bench.send({"user@b.test"});
  bench.io.restart();
  for (int i = 0; i < 25; ++i) bench.io.poll_one();
  bench.relay.reset();
  // What was not noted is still there.
  EXPECT_GE(bench.store.stats().messages + mail_of("user").size(), 20u);
}

TEST_F(RelayMaildir, StopWaitsForWhatIsBeingWritten) {
  route_all_to("mail");
  bench.start();
  for (int i = 0; i < 20; ++i) bench.send({"user@b.test"});
  bench.io.restart();
  for (int i = 0; i < 25; ++i) bench.io.poll_one();
  ASSERT_TRUE(bench.stop());
  EXPECT_EQ(bench.store.stats().messages + mail_of("user").size(), 20u);
  bench.start();
  ASSERT_TRUE(tests::run_until(bench.io, [&] { return bench.store.stats().messages == 0; }));
  EXPECT_THAT(mail_of("user"), SizeIs(20));
}

}  // namespace
}  // namespace gatepost::routing
