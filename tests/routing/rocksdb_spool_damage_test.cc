// What the spool does about files that are not as it left them: nothing is ever lost in silence.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routing/rocksdb_spool.hpp"
#include "tests/routing/spool_support.hpp"

namespace gatepost::routing {
namespace {

using testing::run;
using tests::ids_in;
using tests::put;
using tests::text_of;
using tests::text_of_size;

namespace fs = std::filesystem;

class rocksdb_spool_damage_test : public ::testing::Test {
 protected:
  rocksdb_spool_damage_test() : options(scratch / "spool") {
    options.free_reserve = 0;
    options.observer = &trouble;
  }

  std::unique_ptr<rocksdb_spool> open() {
    problem.clear();
    return rocksdb_spool::open(options, problem);
  }

  // A spool with messages that were acknowledged, which ended as `how` says; their ids.
  enum class end { clean, killed };
  std::vector<std::string> fill(std::size_t count, std::size_t octets, end how) {
    auto spool = open();
    EXPECT_TRUE(spool) << problem;
    std::vector<std::string> ids;
    for (std::size_t n = 0; n < count; ++n) ids.push_back(run(put(*spool, text_of_size(octets))));
    EXPECT_EQ(std::count(ids.begin(), ids.end(), ""), 0);
    finish(std::move(spool), how);
    return ids;
  }

  // Of a spool that was killed there is what was in its files at that time.
  void finish(std::unique_ptr<rocksdb_spool> spool, end how) {
    const fs::path now = scratch / "now";
    if (how == end::killed) fs::copy(options.directory, now, fs::copy_options::recursive);
    spool.reset();
    if (how == end::clean) return;
    fs::remove_all(options.directory);
    fs::rename(now, options.directory);
  }

  std::vector<fs::path> logs() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(options.directory + "/db"))
      if (entry.path().extension() == ".log") found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
  }

  fs::path log() const {
    const auto all = logs();
    EXPECT_EQ(all.size(), 1u);
    return all.back();
  }

  static std::string read(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  static void write(const fs::path& file, std::string_view octets) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << octets;
  }

  std::vector<std::string> lost() const {
    std::vector<std::string> names;
    if (!fs::exists(options.directory + "/lost")) return names;
    for (const auto& entry : fs::directory_iterator(options.directory + "/lost"))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  tests::scratch_directory scratch;
  tests::trouble_log trouble;
  rocksdb_spool_options options;
  std::string problem;
};

// --- The log -------------------------------------------------------------------------------------

// Whichever octet of what was safe has changed: either a start says so, or nothing is missing.
TEST_F(rocksdb_spool_damage_test, one_changed_octet_of_the_log_is_found) {
  const auto ids = fill(12, 300, end::clean);
  const fs::path file = log();
  const std::string whole = read(file);
  const fs::path kept = scratch / "kept";
  fs::copy(options.directory, kept, fs::copy_options::recursive);
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); at += 97) {
    fs::remove_all(options.directory);
    fs::copy(kept, options.directory, fs::copy_options::recursive);
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x40);
    write(file, changed);
    const auto spool = open();
    if (spool) {
      // Only the mark of the end was hit.
      EXPECT_EQ(ids_in(*spool), ids) << at;
      EXPECT_GT(at, whole.size() - 100);
      continue;
    }
    ++refused;
    EXPECT_EQ(problem.find(options.directory + ": "), 0u) << problem;
    EXPECT_NE(problem.find(file), std::string::npos) << problem;
    EXPECT_NE(problem.find("restore db/ from a backup"), std::string::npos) << problem;
    EXPECT_NE(problem.find("--repair"), std::string::npos) << problem;
    EXPECT_EQ(problem.find('\n'), std::string::npos) << problem;
    EXPECT_TRUE(fs::exists(file));
    EXPECT_EQ(read(file), changed);
  }
  EXPECT_GT(refused, 30u);
}

TEST_F(rocksdb_spool_damage_test, a_damage_is_found_after_a_crash_and_in_a_large_log) {
  fill(40, 20000, end::killed);
  std::string octets = read(log());
  ASSERT_GT(octets.size(), 800000u);
  for (const std::size_t at :
       {std::size_t{40}, std::size_t{32768 * 3 + 4}, octets.size() / 2, octets.size() - 60000}) {
    std::string changed = octets;
    changed[at] = static_cast<char>(changed[at] + 1);
    write(log(), changed);
    EXPECT_FALSE(open()) << at;
    EXPECT_NE(problem.find("cannot be read from octet"), std::string::npos) << problem;
  }
  // A sector that was never written, in the middle.
  std::string changed = octets;
  changed.replace(octets.size() / 2, 4096, 4096, '\0');
  write(log(), changed);
  EXPECT_FALSE(open());
  write(log(), octets);
  const auto spool = open();
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(spool->stats().messages, 40u);
}

TEST_F(rocksdb_spool_damage_test, repair_salvages_what_can_be_read) {
  const auto ids = fill(60, 20000, end::clean);
  const fs::path file = log();
  std::string octets = read(file);
  octets[octets.size() / 2] ^= 1;
  write(file, octets);
  EXPECT_FALSE(open());
  options.repair = true;
  auto spool = open();
  ASSERT_TRUE(spool) << problem;
  const auto left = ids_in(*spool);
  EXPECT_GE(left.size(), ids.size() - 4);  // 32 KiB at most are lost
  EXPECT_LT(left.size(), ids.size());
  EXPECT_TRUE(std::find(left.begin(), left.end(), ids.front()) != left.end());
  EXPECT_TRUE(std::find(left.begin(), left.end(), ids.back()) != left.end());
  for (const std::string& id : left) EXPECT_EQ(*text_of(*spool, id), text_of_size(20000));
  EXPECT_TRUE(trouble.contains("what can be read is salvaged"));
  EXPECT_EQ(lost(), std::vector<std::string>{file.filename()});
  EXPECT_EQ(read(options.directory + "/lost/" + file.filename().string()), octets);
  // Once is enough.
  spool.reset();
  options.repair = false;
  spool = open();
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(ids_in(*spool), left);
}

TEST_F(rocksdb_spool_damage_test, repair_keeps_a_copy_of_every_log) {
  fill(60, 20000, end::clean);
  const fs::path file = log();
  std::string octets = read(file);
  octets[octets.size() / 2] ^= 1;
  write(file, octets);
  // Of an earlier time: it has nothing that counts any more.
  const fs::path earlier = file.parent_path() / "000001.log";
  write(earlier, "");
  options.repair = true;
  const auto spool = open();
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(lost(), (std::vector<std::string>{earlier.filename(), file.filename()}));
}

// What a power failure leaves: the last batch is cut, or not all of its octets were written.
TEST_F(rocksdb_spool_damage_test, a_torn_end_recovers_by_itself) {
  const auto before = fill(5, 300, end::killed);
  const std::string safe = read(log());
  const fs::path kept = scratch / "kept";
  fs::copy(options.directory, kept, fs::copy_options::recursive);
  const auto with_log = [&](const std::string& octets) {
    fs::remove_all(options.directory);
    fs::copy(kept, options.directory, fs::copy_options::recursive);
    write(log(), octets);
  };
  const std::size_t last = (safe.size() - 100) / 5;  // less than the last batch has
  std::string unwritten = safe;
  unwritten.replace(safe.size() - last, 50, 50, '\0');
  std::string garbled = safe;
  garbled[safe.size() - last / 2] ^= 1;
  for (const std::string& torn :
       {safe.substr(0, safe.size() - 1), safe.substr(0, safe.size() - last), unwritten, garbled,
        safe.substr(0, safe.size() - last) + std::string(40000, '\0')}) {
    with_log(torn);
    auto spool = open();
    ASSERT_TRUE(spool) << problem;
    EXPECT_EQ(ids_in(*spool), std::vector<std::string>(before.begin(), before.end() - 1));
    EXPECT_TRUE(trouble.contains("its end is torn"));
    const std::string more = run(put(*spool, "more"));
    spool.reset();
    spool = open();
    ASSERT_TRUE(spool) << problem;
    EXPECT_EQ(ids_in(*spool).back(), more);
  }
  with_log(safe + std::string(100000, '\0'));  // room that was never used
  const auto spool = open();
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(ids_in(*spool), before);
}

// A lazy change need not be safe, and so a power failure may lose it although what came later is
// there.
TEST_F(rocksdb_spool_damage_test, what_was_lazy_may_be_lost_before_something_later) {
  options.lazy_sync = std::chrono::hours(1);
  auto writing = open();
  ASSERT_TRUE(writing) << problem;
  auto message = *writing->load(run(put(*writing, "text")));
  message.recipients[1].last_reply = "lazy";
  for (unsigned n = 1; n <= 2; ++n) {
    EXPECT_FALSE(run(writing->update(message, durability::lazy)));
    ASSERT_TRUE(tests::eventually([&] { return writing->stats().updates == n; }));
  }
  finish(std::move(writing), end::killed);
  std::string octets = read(log());
  const std::size_t at = octets.find("lazy");
  ASSERT_NE(at, std::string::npos);
  octets[at] = 'L';
  write(log(), octets);
  const auto spool = open();
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(ids_in(*spool).size(), 1u);
}

// --- Files ---------------------------------------------------------------------------------------

// The log ends before the removal then, and the message comes again.
TEST_F(rocksdb_spool_damage_test, a_removal_that_a_power_failure_undoes_has_left_the_text) {
  options.inline_limit = 10;
  options.lazy_sync = std::chrono::hours(1);
  auto writing = open();
  ASSERT_TRUE(writing) << problem;
  const std::string id = run(put(*writing, text_of_size(100)));
  const std::uintmax_t synced = fs::file_size(log());
  EXPECT_FALSE(run(writing->remove(id, durability::lazy)));
  ASSERT_TRUE(tests::eventually([&] { return writing->stats().removals == 1; }));
  finish(std::move(writing), end::killed);
  ASSERT_GT(fs::file_size(log()), synced);
  fs::resize_file(log(), synced);
  const auto spool = open();
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(ids_in(*spool), std::vector<std::string>{id});
  const auto text = text_of(*spool, id);
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, text_of_size(100));
}

// Where all of the log could be read no record was lost: it was never written, and nobody was
// promised anything.
TEST_F(rocksdb_spool_damage_test, a_file_that_no_message_knows_goes) {
  options.inline_limit = 10;
  const auto ids = fill(1, 100, end::clean);
  const std::string bodies = options.directory + "/bodies/";
  const std::string stranger = "0123456789abcd";
  write(bodies + stranger, "of a commit that was not answered");
  write(bodies + stranger + ".tmp", "half a mess");
  const auto spool = open();
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(lost(), std::vector<std::string>{});
  EXPECT_FALSE(fs::exists(bodies + stranger));
  EXPECT_FALSE(fs::exists(bodies + stranger + ".tmp"));
  EXPECT_EQ(ids_in(*spool), ids);
  EXPECT_EQ(*text_of(*spool, ids[0]), text_of_size(100));
}

// Else a record may have been lost.
TEST_F(rocksdb_spool_damage_test, a_file_is_set_aside_where_some_of_the_log_cannot_be_read) {
  options.inline_limit = 10;
  auto ids = fill(2, 100, end::killed);
  const std::string octets = read(log());
  write(log(), octets.substr(0, octets.size() - 1));
  auto spool = open();
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(lost(), std::vector<std::string>{ids[1]});
  EXPECT_EQ(read(options.directory + "/lost/" + ids[1]), text_of_size(100));
  EXPECT_TRUE(trouble.contains("bodies/" + ids[1] + " belongs to no message that is known"));
  ids.pop_back();
  EXPECT_EQ(ids_in(*spool), ids);
  // A log that was torn once is gone for good.
  spool.reset();
  const std::string stranger = "0123456789abcd";
  write(options.directory + "/bodies/" + stranger, "of a commit that was not answered");
  spool = open();
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(lost().size(), 1u);
}

// As docs/operations.md has it for a database that nothing can be made of.
TEST_F(rocksdb_spool_damage_test, texts_are_set_aside_where_the_database_was_moved_away) {
  options.inline_limit = 10;
  const auto ids = fill(2, 100, end::clean);
  fs::remove_all(options.directory + "/db");
  const auto spool = open();
  ASSERT_TRUE(spool) << problem;
  EXPECT_EQ(lost(), ids);
  EXPECT_TRUE(ids_in(*spool).empty());
}

// Whoever passes it on as it is read must not be able to complete it.
TEST_F(rocksdb_spool_damage_test, a_changed_octet_of_a_file_is_found_before_its_end) {
  options.inline_limit = 10;
  const std::size_t size = 200000;
  const std::string id = fill(1, size, end::clean).at(0);
  const auto spool = open();
  ASSERT_TRUE(spool) << problem;
  // An update keeps the checksum.
  auto message = *spool->load(id);
  message.recipients[0].attempts = 5;
  EXPECT_FALSE(run(spool->update(message, durability::synced)));
  const std::string file = options.directory + "/bodies/" + id;
  const std::string whole = read(file);
  ASSERT_EQ(whole.size(), size);
  for (const std::size_t at : {std::size_t{0}, std::size_t{65536}, size / 2, size - 1}) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    write(file, changed);
    const auto body = spool->open(id);
    ASSERT_TRUE(body);
    std::size_t got = 0;
    smtp::result<std::string_view> block = (*body)->next();
    for (; block && !block->empty(); block = (*body)->next()) got += block->size();
    ASSERT_FALSE(block) << at;
    EXPECT_EQ(block.error(), smtp::errc::spool_corrupt);
    EXPECT_LT(got, size);
    EXPECT_FALSE((*body)->next());
  }
  write(file, whole);
  EXPECT_EQ(*text_of(*spool, id), text_of_size(size));
}

}  // namespace
}  // namespace gatepost::routing
