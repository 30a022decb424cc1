// This header stands alone.
#include "routing/maildir.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "smtp/header_edits.hpp"
#include "tests/routing/scratch_directory.hpp"
#include "tests/routing/small_disk.hpp"
#include "tests/routing/without_root_powers.hpp"
#include "tests/support/failing_calls.hpp"

namespace gatepost::routing {
namespace {

namespace fs = std::filesystem;
namespace failing_calls = tests::failing_calls;

// A text in blocks of some size; with `broken` an error at its end.
class blocks final : public body_reader {
 public:
  explicit blocks(std::string text, std::size_t block = 65536, bool broken = false)
      : text_(std::move(text)), block_(block), broken_(broken) {}
  std::uint64_t size() const override { return text_.size(); }
  smtp::result<std::string_view> next() override {
    if (at_ == text_.size() && broken_) return smtp::errc::spool_corrupt;
    const auto part = std::string_view(text_).substr(at_, block_);
    at_ += part.size();
    return part;
  }

 private:
  std::string text_;
  std::size_t block_;
  bool broken_;
  std::size_t at_ = 0;
};

maildir_outcome deliver(const maildir& to, std::string text, std::string_view fields = {}) {
  blocks body(std::move(text));
  return to.deliver(fields, body);
}

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename());
  return names;
}

// How many syncs a delivery takes that succeeds.
std::size_t syncs_of_delivery(const std::string& to) {
  failing_calls::fail(tests::call::fsync, 0, 0);
  const auto out = deliver(maildir(to), "x\r\n");
  EXPECT_TRUE(out) << out.problem();
  return failing_calls::stop();
}

class maildir_test : public ::testing::Test {
 protected:
  std::string path() const { return scratch / "box"; }

  tests::scratch_directory scratch;
};

TEST_F(maildir_test, delivers_a_message_with_lines_of_the_system) {
  const maildir box(path());
  const auto out = deliver(box, "A: b\r\n\r\ntext\r\n", "Return-Path: <>\r\n");
  ASSERT_TRUE(out) << out.problem();
  EXPECT_EQ(contents(out.file()), "Return-Path: <>\nA: b\n\ntext\n");
  EXPECT_EQ(out.reply(), smtp::replies::ok);
  EXPECT_TRUE(out.file().starts_with(path() + "/new/")) << out.file();
  EXPECT_TRUE(names_in(path() + "/tmp").empty());
  EXPECT_TRUE(names_in(path() + "/cur").empty());
}

TEST_F(maildir_test, keeps_lines_as_they_came_if_told_to) {
  maildir_options options;
  options.lines = maildir_lines::crlf;
  const auto out = deliver(maildir(path(), options), "A: b\r\n\r\n\r");
  ASSERT_TRUE(out) << out.problem();
  EXPECT_EQ(contents(out.file()), "A: b\r\n\r\n\r");
}

TEST_F(maildir_test, only_crlf_becomes_lf_whatever_the_blocks) {
  const std::string text = "a\r\nb\rc\nd\r\r\ne\r\n\r\n\r";
  const std::string expected = "a\nb\rc\nd\r\ne\n\n\r";
  for (std::size_t block = 1; block <= text.size(); ++block) {
    blocks body(text, block);
    const auto out = maildir(path()).deliver("", body);
    ASSERT_TRUE(out) << out.problem();
    EXPECT_EQ(contents(out.file()), expected) << "blocks of " << block;
  }
}

TEST_F(maildir_test, large_messages_are_whole) {
  std::string text;
  while (text.size() < 1000000) text += "line " + std::to_string(text.size()) + "\r\n";
  const auto out = deliver(maildir(path()), text);
  ASSERT_TRUE(out) << out.problem();
  std::string expected = text;
  std::erase(expected, '\r');
  EXPECT_TRUE(contents(out.file()) == expected);
}

TEST_F(maildir_test, names_tell_the_size_and_never_repeat) {
  maildir_options options;
  options.hostname = "mx/1:a.example";
  const maildir box(path(), options);
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) {
    const auto out = deliver(box, "abc\r\n");
    ASSERT_TRUE(out) << out.problem();
    names.insert(fs::path(out.file()).filename());
  }
  EXPECT_EQ(names.size(), 100u);
  for (const std::string& name : names) {
    EXPECT_TRUE(name.ends_with(".mx\\0571\\072a.example,S=4")) << name;
    // The part before the first dot is the time.
    EXPECT_EQ(name.find_first_not_of("0123456789"), name.find('.')) << name;
  }
}

TEST_F(maildir_test, makes_what_is_missing_for_its_owner_alone) {
  const std::string deep = scratch / "a/b/c";
  ASSERT_TRUE(deliver(maildir(deep), "x\r\n"));
  for (const char* part : {"a", "a/b", "a/b/c", "a/b/c/tmp", "a/b/c/new", "a/b/c/cur"}) {
    struct stat found{};
    ASSERT_EQ(::stat((scratch / part).c_str(), &found), 0) << part;
    EXPECT_EQ(found.st_mode & 07777, 0700u) << part;
  }
  const auto out = deliver(maildir(deep), "y\r\n");
  struct stat found{};
  ASSERT_EQ(::stat(out.file().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600u);
}

TEST_F(maildir_test, threads_share_a_maildir) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 25; ++i) EXPECT_TRUE(deliver(maildir(path()), "x\r\n"));
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(names_in(path() + "/new").size(), 100u);
}

// --- What goes wrong -----------------------------------------------------------------------------

TEST_F(maildir_test, a_message_that_cannot_be_read_leaves_nothing) {
  ASSERT_TRUE(deliver(maildir(path()), "first\r\n"));
  blocks body("half a mess", 65536, true);
  const auto out = maildir(path()).deliver("", body);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error(), smtp::errc::spool_corrupt);
  EXPECT_EQ(names_in(path() + "/new").size(), 1u);
  EXPECT_TRUE(names_in(path() + "/tmp").empty());
}

TEST_F(maildir_test, says_what_is_wrong_and_that_it_may_pass) {
  const tests::without_root_powers like_others;
  std::ofstream(scratch / "file") << "x";
  ASSERT_EQ(::mkdir((scratch / "closed").c_str(), 0500), 0);
  ASSERT_TRUE(deliver(maildir(scratch / "half"), "x\r\n"));
  ASSERT_EQ(::chmod((scratch / "half/tmp").c_str(), 0500), 0);
  const std::pair<std::string, std::string> cases[] = {
      {scratch / "file", "cannot open this Maildir: Not a directory"},
      {scratch / "file/box", "cannot open this Maildir: Not a directory"},
      {scratch / "closed/box", "has to own it"},
      {scratch / "half", "cannot make a file in tmp/: Permission denied"},
      {"relative", "is no absolute path"},
      {"", "is no absolute path"},
  };
  for (const auto& [where, expected] : cases) {
    const auto out = deliver(maildir(where), "x\r\n");
    ASSERT_FALSE(out) << where;
    EXPECT_TRUE(out.problem().starts_with(where + ": ")) << out.problem();
    EXPECT_NE(out.problem().find(expected), std::string::npos) << out.problem();
    EXPECT_TRUE(out.reply().temporary());
    // The path is nobody's business on the wire.
    EXPECT_EQ(out.reply().text().find('/'), std::string_view::npos);
  }
}

TEST_F(maildir_test, nothing_is_left_after_a_full_disk) {
  const int status = tests::run_child([this] {
    const std::string disk = scratch / "disk";
    tests::mount_small_disk(disk);
    const maildir box(disk + "/box");
    tests::require(bool(deliver(box, "small\r\n")), "cannot deliver");
    const auto out = deliver(box, std::string(20u << 20, 'x'));
    tests::require(out.error() == std::errc::no_space_on_device, out.problem());
    tests::require(out.reply() == smtp::reply(smtp::replies::no_storage), "not 452");
    tests::require(names_in(disk + "/box/tmp").empty(), "something is left in tmp/");
    tests::require(names_in(disk + "/box/new").size() == 1, "half a message in new/");
    tests::require(bool(deliver(box, "small\r\n")), "cannot deliver any more");
  });
  if (status == tests::cannot) GTEST_SKIP() << "may not mount a small file system here";
  EXPECT_EQ(status, 0);
}

// 250 is said when all names above the message are safe, whoever made them.
TEST_F(maildir_test, what_could_not_be_synced_is_synced_by_the_next_delivery) {
  const std::size_t all = syncs_of_delivery(scratch / "0/a/b");
  constexpr std::size_t text_and_name = 2;
  EXPECT_EQ(syncs_of_delivery(scratch / "0/a/b"), text_and_name);
  ASSERT_GT(all, text_and_name);
  for (std::size_t n = 1; n <= all; ++n) {
    const std::string above = scratch / (std::to_string(n) + "/a");
    failing_calls::fail(tests::call::fsync, EIO, n);
    const auto out = deliver(maildir(above + "/b"), "x\r\n");
    failing_calls::stop();
    EXPECT_EQ(out.error(), std::errc::io_error) << "sync " << n;
    EXPECT_EQ(syncs_of_delivery(above + "/other"), all) << "sync " << n;
    // Nobody needs the name of cur/ to find a message.
    const bool ready = n + text_and_name >= all;
    EXPECT_EQ(syncs_of_delivery(above + "/b"), ready ? text_and_name : all) << "sync " << n;
    EXPECT_EQ(names_in(above + "/b/new").size(), 1u);
  }
}

TEST_F(maildir_test, a_directory_above_need_not_be_readable) {
  const tests::without_root_powers like_others;
  fs::create_directories(scratch / "above/ours");
  ASSERT_EQ(::chmod((scratch / "above").c_str(), 0111), 0);
  const auto out = deliver(maildir(scratch / "above/ours/box"), "x\r\n");
  EXPECT_TRUE(out) << out.problem();
  ASSERT_EQ(::chmod((scratch / "above").c_str(), 0700), 0);
}

// Killed at any moment, new/ holds whole messages only.
TEST_F(maildir_test, new_holds_whole_messages_only) {
  const std::string text(300000, 'x');
  const std::string box = path();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = tests::start_child([&] {
    for (;;) {
      const auto out = deliver(maildir(box), text);
      tests::require(bool(out), out.problem());
      const std::string line = out.file() + "\n";
      tests::require(::write(ends[1], line.data(), line.size()) > 0, "pipe");
    }
  });
  ::close(ends[1]);
  std::string told;
  char buffer[4096];
  bool killed = false;
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    told.append(buffer, static_cast<std::size_t>(got));
    const bool enough = std::count(told.begin(), told.end(), '\n') >= 20;
    if (enough && !std::exchange(killed, true)) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  EXPECT_EQ(tests::status_of(child), 128 + SIGKILL);
  std::set<std::string> found;
  for (const std::string& name : names_in(box + "/new")) {
    EXPECT_EQ(fs::file_size(box + "/new/" + name), text.size());
    found.insert(box + "/new/" + name);
  }
  std::size_t at = 0;
  for (std::size_t end; (end = told.find('\n', at)) != std::string::npos; at = end + 1) {
    EXPECT_TRUE(found.contains(told.substr(at, end - at)));
  }
}

TEST(final_delivery_fields, are_return_path_and_delivered_to) {
  const std::vector<std::string> to = {"a@example.test", "b@example.test"};
  EXPECT_EQ(final_delivery_fields("s@example.test", to),
            "Return-Path: <s@example.test>\r\n"
            "Delivered-To: a@example.test\r\nDelivered-To: b@example.test\r\n");
  EXPECT_EQ(final_delivery_fields("", {}), "Return-Path: <>\r\n");
  // However an address looks, it is one field.
  const std::vector<std::string> odd = {"\"a\r\nX: y\"@example.test"};
  const std::string fields = final_delivery_fields("", odd);
  EXPECT_EQ(std::count(fields.begin(), fields.end(), '\n'), 2);
}

}  // namespace
}  // namespace gatepost::routing
