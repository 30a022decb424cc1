// This header stands alone.
#include "routing/rocksdb_spool.hpp"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "routing/detail/spool_engine.hpp"
#include "tests/routing/spool_support.hpp"
#include "tests/routing/without_root_powers.hpp"

namespace gatepost::routing {
namespace {

using testing::run;
using tests::full_message;
using tests::ids_in;
using tests::put;
using tests::scratch_directory;
using tests::text_of;
using tests::text_of_size;
using tests::trouble_log;

class rocksdb_spool_test : public ::testing::Test {
 protected:
  rocksdb_spool_test() : options(scratch / "spool") {
    options.free_reserve = 0;
    options.observer = &trouble;
    reopen();
  }

  void reopen() {
    spool.reset();
    std::string problem;
    spool = rocksdb_spool::open(options, problem);
    ASSERT_TRUE(spool) << problem;
  }

  std::string problem_of(const rocksdb_spool_options& other) {
    std::string problem;
    EXPECT_FALSE(rocksdb_spool::open(other, problem));
    return problem;
  }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(options.directory + "/bodies")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  scratch_directory scratch;
  trouble_log trouble;
  rocksdb_spool_options options;
  std::unique_ptr<rocksdb_spool> spool;
};

TEST_F(rocksdb_spool_test, gives_back_what_was_committed) {
  const std::string text = text_of_size(5000);
  const std::string id = run(put(*spool, text));
  ASSERT_FALSE(id.empty());
  const auto message = spool->load(id);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->id, id);
  EXPECT_EQ(message->size, 5000u);
  EXPECT_EQ(message->reverse_path, "sender@example.test");
  ASSERT_EQ(message->recipients.size(), 2u);
  EXPECT_EQ(message->recipients[0].last_reply, "550 5.1.1 no such user");
  const auto body = text_of(*spool, id);
  ASSERT_TRUE(body);
  EXPECT_EQ(*body, text);
  EXPECT_TRUE(files().empty());
}

TEST_F(rocksdb_spool_test, takes_an_empty_message) {
  const std::string id = run(put(*spool, ""));
  const auto body = text_of(*spool, id);
  ASSERT_TRUE(body);
  EXPECT_EQ(*body, "");
}

// Sizes around the limit of what is held in memory, and around the pieces that a file is written
// in.
TEST_F(rocksdb_spool_test, spills_large_texts_to_files) {
  options.inline_limit = 1000;
  reopen();
  for (const std::size_t size : {999u, 1000u, 1001u, 262143u, 262144u, 262145u, 3000000u}) {
    for (const std::size_t step : {7777u, 65536u, 1000000u}) {
      const std::string text = text_of_size(size);
      const std::string id = run(put(*spool, text, step));
      ASSERT_FALSE(id.empty());
      EXPECT_EQ(files().size(), size > 1000 ? 1u : 0u);
      const auto body = spool->open(id);
      ASSERT_TRUE(body);
      EXPECT_EQ((*body)->size(), size);
      const auto read = tests::read_all(**body);
      ASSERT_TRUE(read);
      EXPECT_TRUE(*read == text) << size << " in steps of " << step;
      EXPECT_FALSE(run(spool->remove(id, durability::synced)));
      EXPECT_TRUE(files().empty());
    }
  }
}

TEST_F(rocksdb_spool_test, keeps_messages_over_a_restart) {
  options.inline_limit = 1000;
  reopen();
  const std::string small = run(put(*spool, text_of_size(500)));
  const std::string large = run(put(*spool, text_of_size(5000)));
  reopen();
  EXPECT_EQ(ids_in(*spool), (std::vector<std::string>{small, large}));
  EXPECT_EQ(*text_of(*spool, small), text_of_size(500));
  EXPECT_EQ(*text_of(*spool, large), text_of_size(5000));
  EXPECT_EQ(spool->stats().messages, 2u);
  EXPECT_EQ(spool->stats().octets, 5500u);
  // Removal finds the file of a message that came before the restart.
  EXPECT_FALSE(run(spool->remove(large, durability::synced)));
  EXPECT_TRUE(files().empty());
}

TEST_F(rocksdb_spool_test, updates_recipients) {
  const std::string id = run(put(*spool, "text\r\n"));
  auto message = spool->load(id);
  ASSERT_TRUE(message);
  message->recipients[1].state = recipient_state::delivered;
  message->recipients[1].attempts = 3;
  EXPECT_FALSE(run(spool->update(*message, durability::synced)));
  reopen();
  const auto again = spool->load(id);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->recipients[1].state, recipient_state::delivered);
  EXPECT_EQ(again->recipients[1].attempts, 3u);
  EXPECT_EQ(*text_of(*spool, id), "text\r\n");
}

TEST_F(rocksdb_spool_test, lazy_changes_are_written_in_the_end) {
  const std::string first = run(put(*spool, "one\r\n"));
  const std::string second = run(put(*spool, "two\r\n"));
  auto message = spool->load(second);
  message->recipients[0].attempts = 7;
  EXPECT_FALSE(run(spool->update(*message, durability::lazy)));
  EXPECT_FALSE(run(spool->remove(first, durability::lazy)));
  // In order: when one that is synced has been answered, they are written too.
  EXPECT_FALSE(run(put(*spool, "three\r\n")).empty());
  EXPECT_EQ(spool->load(first).error(), smtp::errc::not_found);
  EXPECT_EQ(spool->load(second)->recipients[0].attempts, 7u);
}

TEST_F(rocksdb_spool_test, removed_messages_are_gone) {
  const std::string id = run(put(*spool, "text\r\n"));
  const auto message = spool->load(id);
  EXPECT_FALSE(run(spool->remove(id, durability::synced)));
  EXPECT_EQ(spool->load(id).error(), smtp::errc::not_found);
  EXPECT_EQ(spool->open(id).error(), smtp::errc::not_found);
  EXPECT_EQ(run(spool->remove(id, durability::synced)), smtp::errc::not_found);
  // An update does not bring it back.
  EXPECT_EQ(run(spool->update(*message, durability::synced)), smtp::errc::not_found);
  EXPECT_TRUE(ids_in(*spool).empty());
  EXPECT_EQ(spool->stats().messages, 0u);
  EXPECT_EQ(spool->stats().octets, 0u);
}

TEST_F(rocksdb_spool_test, nothing_is_left_of_a_writer_without_commit) {
  options.inline_limit = 1000;
  reopen();
  for (const std::size_t size : {500u, 500000u}) {
    auto writer = spool->begin();
    const std::string text = text_of_size(size);
    EXPECT_FALSE(run(writer->write(text)));
  }
  // The destructor waits for the body thread.
  spool.reset();
  EXPECT_TRUE(files().empty());
  reopen();
  EXPECT_TRUE(ids_in(*spool).empty());
}

// Thousands of recipients, with what was said of each: a page of such records is no page.
TEST_F(rocksdb_spool_test, large_records_are_read_a_few_at_a_time) {
  std::vector<std::string> ids;
  for (int i = 0; i < 7; ++i) {
    spool_message m = *spool->load(ids.emplace_back(run(put(*spool, "a\r\n"))));
    m.recipients.at(0).last_reply.assign(1u << 20, 'x');
    ASSERT_FALSE(run(spool->update(m, durability::synced)));
  }
  EXPECT_EQ(ids_in(*spool), ids);
  reopen();
  EXPECT_EQ(spool->stats().messages, 7u);
  spool.reset();
  detail::rocksdb_store store(options.directory + "/db", 1u << 20);
  ASSERT_TRUE(store.open().ok());
  const std::string prefix(1, detail::record_prefix);
  std::vector<detail::rocksdb_store::record> found;
  ASSERT_TRUE(store.scan(prefix, prefix, 100, found).ok());
  EXPECT_EQ(found.size(), 4u);
}

TEST_F(rocksdb_spool_test, for_each_goes_by_age_and_stops_when_told) {
  std::vector<std::string> ids;
  for (int i = 0; i < 600; ++i) ids.push_back(run(put(*spool, "x")));
  EXPECT_EQ(ids_in(*spool), ids);
  int seen = 0;
  EXPECT_FALSE(spool->for_each([&](std::string_view, const auto&) { return ++seen < 3; }));
  EXPECT_EQ(seen, 3);
}

TEST_F(rocksdb_spool_test, visitor_may_change_the_spool) {
  for (int i = 0; i < 5; ++i) run(put(*spool, "x"));
  EXPECT_FALSE(spool->for_each([&](std::string_view id, const auto&) {
    EXPECT_FALSE(run(spool->remove(id, durability::synced)));
    return true;
  }));
  EXPECT_TRUE(ids_in(*spool).empty());
}

TEST_F(rocksdb_spool_test, a_used_up_budget_sends_texts_to_files) {
  smtp::memory_budget budget(10000);
  options.budget = &budget;
  reopen();
  {
    const auto first = spool->begin();
    const std::string text = text_of_size(9000);
    EXPECT_FALSE(run(first->write(text)));
    EXPECT_GE(budget.used(), 8192u);
    const auto second = spool->begin();
    EXPECT_FALSE(run(second->write(text)));
    EXPECT_LE(budget.used(), 10000u);
    EXPECT_EQ(files().size(), 1u);
    EXPECT_FALSE(run(first->commit(full_message())));
    EXPECT_FALSE(run(second->commit(full_message())));
    EXPECT_EQ(*text_of(*spool, first->id()), text);
    EXPECT_EQ(*text_of(*spool, second->id()), text);
  }
  spool.reset();
  EXPECT_EQ(budget.used(), 0u);
}

// --- Start ---------------------------------------------------------------------------------------

TEST_F(rocksdb_spool_test, a_start_removes_what_a_crash_left) {
  options.inline_limit = 10;
  reopen();
  const std::string kept = run(put(*spool, text_of_size(100)));
  spool.reset();
  const std::string bodies = options.directory + "/bodies/";
  std::ofstream(bodies + kept.substr(0, 13) + "z.tmp") << "half a mess";
  std::ofstream(bodies + "README") << "an administrator's own";
  reopen();
  auto left = files();
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (std::vector<std::string>{kept, "README"}));
  EXPECT_EQ(*text_of(*spool, kept), text_of_size(100));
}

TEST_F(rocksdb_spool_test, makes_its_directory_for_itself_alone) {
  for (const char* part : {"", "/bodies"}) {
    struct stat found{};
    ASSERT_EQ(::stat((options.directory + part).c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777, 0700u) << part;
  }
}

TEST_F(rocksdb_spool_test, refuses_a_directory_in_use) {
  const std::string problem = problem_of(options);
  EXPECT_NE(problem.find(options.directory), std::string::npos) << problem;
  EXPECT_NE(problem.find("another process has this spool open"), std::string::npos) << problem;
  // And does no harm to it.
  EXPECT_FALSE(run(put(*spool, "text")).empty());
}

TEST_F(rocksdb_spool_test, says_what_is_wrong_with_a_directory) {
  struct wrong {
    const char* name;
    void (*make)(const std::string& path);
    const char* expected;
  };
  const wrong cases[] = {
      {"a file", [](const std::string& path) { std::ofstream(path) << "x"; }, "is not a directory"},
      {"open to others",
       [](const std::string& path) {
         ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
         ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
       },
       "chmod 700"},
      {"without parent/spool", [](const std::string&) {}, "cannot make the spool's directory"},
      {"a spool of the future",
       [](const std::string& path) {
         std::filesystem::create_directory(path);
         ASSERT_EQ(::chmod(path.c_str(), 0700), 0);
         rocksdb::Options o;
         o.create_if_missing = true;
         rocksdb::DB* db = nullptr;
         ASSERT_TRUE(rocksdb::DB::Open(o, path + "/db", &db).ok());
         db->Put({}, "!format", "99");
         delete db;
       },
       "is of format 99"},
      {"a damaged spool",
       [](const std::string& path) {
         std::filesystem::create_directories(path + "/db");
         ASSERT_EQ(::chmod(path.c_str(), 0700), 0);
         std::ofstream(path + "/db/CURRENT") << "nonsense\n";
       },
       "restore db/ from a backup"},
  };
  for (const wrong& c : cases) {
    rocksdb_spool_options other(scratch / c.name);
    c.make(other.directory);
    const std::string problem = problem_of(other);
    EXPECT_EQ(problem.find(other.directory), 0u) << problem;
    EXPECT_NE(problem.find(c.expected), std::string::npos) << problem;
    EXPECT_EQ(problem.find('\n'), std::string::npos) << problem;
  }
  EXPECT_EQ(problem_of(rocksdb_spool_options("")), ": no directory is given for the spool");
}

// RocksDB would report it once, and have thrown everything away at the next start.
TEST_F(rocksdb_spool_test, does_not_begin_anew_where_its_database_lost_its_head) {
  const std::string id = run(put(*spool, "text"));
  spool.reset();
  const std::string current = options.directory + "/db/CURRENT";
  std::filesystem::rename(current, scratch / "CURRENT");
  for (int start = 0; start < 3; ++start)
    EXPECT_NE(problem_of(options).find("restore db/ from a backup"), std::string::npos);
  std::filesystem::rename(scratch / "CURRENT", current);
  reopen();
  EXPECT_EQ(*text_of(*spool, id), "text");
}

TEST_F(rocksdb_spool_test, says_that_it_may_not_write) {
  const tests::without_root_powers like_others;
  const rocksdb_spool_options other(scratch / "unwritable");
  ASSERT_EQ(::mkdir(other.directory.c_str(), 0500), 0);
  EXPECT_NE(problem_of(other).find("may not write here"), std::string::npos);
}

// --- Damage --------------------------------------------------------------------------------------

TEST_F(rocksdb_spool_test, a_damaged_record_is_named_and_left_alone) {
  const std::string bad = run(put(*spool, "bad"));
  const std::string good = run(put(*spool, "good"));
  spool.reset();
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), options.directory + "/db", &db).ok());
  ASSERT_TRUE(db->Put({}, "m" + bad, "\x01nonsense").ok());
  delete db;
  reopen();
  EXPECT_EQ(spool->load(bad).error(), smtp::errc::spool_corrupt);
  EXPECT_TRUE(trouble.contains("message " + bad));
  std::vector<std::pair<std::string, bool>> seen;
  EXPECT_FALSE(spool->for_each([&](std::string_view id, const auto& message) {
    seen.emplace_back(id, message.has_value());
    return true;
  }));
  EXPECT_EQ(seen, (std::vector<std::pair<std::string, bool>>{{bad, false}, {good, true}}));
  // It can be removed.
  EXPECT_FALSE(run(spool->remove(bad, durability::synced)));
  EXPECT_EQ(ids_in(*spool), std::vector<std::string>{good});
}

TEST_F(rocksdb_spool_test, a_missing_or_cut_text_is_damage) {
  options.inline_limit = 10;
  reopen();
  const std::string cut = run(put(*spool, text_of_size(100)));
  const std::string lost = run(put(*spool, text_of_size(100)));
  std::filesystem::resize_file(options.directory + "/bodies/" + cut, 99);
  std::filesystem::remove(options.directory + "/bodies/" + lost);
  EXPECT_EQ(spool->open(cut).error(), smtp::errc::spool_corrupt);
  EXPECT_EQ(spool->open(lost).error(), smtp::errc::spool_corrupt);
  EXPECT_TRUE(trouble.contains("message " + lost));
  EXPECT_TRUE(spool->load(cut));
}

TEST_F(rocksdb_spool_test, a_reader_survives_removal) {
  options.inline_limit = 10;
  reopen();
  const std::string text = text_of_size(200000);
  const std::string id = run(put(*spool, text));
  const auto body = spool->open(id);
  ASSERT_TRUE(body);
  EXPECT_FALSE(run(spool->remove(id, durability::synced)));
  const auto read = tests::read_all(**body);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, text);
}

}  // namespace
}  // namespace gatepost::routing
