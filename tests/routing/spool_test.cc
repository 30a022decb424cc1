// This header stands alone.
#include "routing/spool.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "routing/memory_spool.hpp"
#include "routing/rocksdb_spool.hpp"
#include "tests/routing/spool_support.hpp"

namespace gatepost::routing {
namespace {

using testing::run;
using tests::ids_in;
using tests::put;
using tests::text_of;

// A spool of some kind, in a directory.
using spool_maker = std::unique_ptr<spool> (*)(const std::string& directory);

std::unique_ptr<spool> make_memory(const std::string&) { return std::make_unique<memory_spool>(); }

std::unique_ptr<spool> make_rocksdb(const std::string& directory) {
  rocksdb_spool_options options(directory);
  options.free_reserve = 0;
  std::string problem;
  return rocksdb_spool::open(options, problem);
}

// The contract, which every implementation keeps.
class spool_test : public ::testing::TestWithParam<spool_maker> {
 protected:
  spool_test() : kept(GetParam()(scratch / "spool")) {}

  tests::scratch_directory scratch;
  std::unique_ptr<spool> kept;
};

TEST_P(spool_test, gives_back_what_was_committed) {
  const std::string text = tests::text_of_size(300000);
  const std::string id = run(put(*kept, text, 7777));
  ASSERT_FALSE(id.empty());
  const auto message = kept->load(id);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->id, id);
  EXPECT_EQ(message->size, text.size());
  EXPECT_EQ(message->recipients.size(), 2u);
  const auto read = text_of(*kept, id);
  ASSERT_TRUE(read);
  EXPECT_TRUE(*read == text);
  EXPECT_EQ(kept->stats().messages, 1u);
  EXPECT_EQ(kept->stats().octets, text.size());
}

TEST_P(spool_test, knows_the_id_and_the_size_before_the_commit) {
  const auto writer = kept->begin();
  EXPECT_FALSE(writer->id().empty());
  EXPECT_FALSE(run(writer->write("abc")));
  EXPECT_EQ(writer->size(), 3u);
  spool_message message = tests::full_message();
  message.id = "not looked at";
  message.size = 4711;
  EXPECT_FALSE(run(writer->commit(message)));
  const auto back = kept->load(writer->id());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->id, writer->id());
  EXPECT_EQ(back->size, 3u);
}

TEST_P(spool_test, keeps_nothing_without_commit) {
  std::string id;
  {
    const auto writer = kept->begin();
    id = writer->id();
    EXPECT_FALSE(run(writer->write("abc")));
  }
  EXPECT_EQ(kept->load(id).error(), smtp::errc::not_found);
  EXPECT_EQ(kept->open(id).error(), smtp::errc::not_found);
  EXPECT_TRUE(ids_in(*kept).empty());
}

TEST_P(spool_test, commits_once) {
  const auto writer = kept->begin();
  EXPECT_FALSE(run(writer->commit(tests::full_message())));
  EXPECT_TRUE(run(writer->commit(tests::full_message())));
  EXPECT_TRUE(run(writer->write("more")));
}

TEST_P(spool_test, updates_and_removes) {
  const std::string id = run(put(*kept, "text"));
  auto message = kept->load(id);
  ASSERT_TRUE(message);
  message->recipients[1].last_reply = "451 later";
  EXPECT_FALSE(run(kept->update(*message, durability::synced)));
  EXPECT_EQ(kept->load(id)->recipients[1].last_reply, "451 later");
  EXPECT_EQ(*text_of(*kept, id), "text");
  EXPECT_FALSE(run(kept->remove(id, durability::synced)));
  EXPECT_EQ(kept->load(id).error(), smtp::errc::not_found);
  EXPECT_EQ(run(kept->update(*message, durability::synced)), smtp::errc::not_found);
  EXPECT_EQ(run(kept->remove(id, durability::synced)), smtp::errc::not_found);
  EXPECT_EQ(kept->stats().messages, 0u);
  EXPECT_EQ(kept->stats().octets, 0u);
  EXPECT_EQ(kept->stats().removals, 1u);
}

TEST_P(spool_test, lists_by_age) {
  std::vector<std::string> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(run(put(*kept, "text")));
  EXPECT_EQ(ids_in(*kept), ids);
  int seen = 0;
  EXPECT_FALSE(kept->for_each([&](std::string_view id, smtp::result<spool_message> message) {
    EXPECT_TRUE(message && message->id == id);
    EXPECT_FALSE(run(kept->remove(id, durability::synced)));
    return ++seen < 4;
  }));
  EXPECT_EQ(ids_in(*kept), std::vector<std::string>(ids.begin() + 4, ids.end()));
}

TEST_P(spool_test, its_writers_may_outlive_it) {
  const auto writer = kept->begin();
  EXPECT_FALSE(run(writer->write("text")));
  kept.reset();
  EXPECT_EQ(run(writer->commit(tests::full_message())), smtp::errc::spool_failed);
}

INSTANTIATE_TEST_SUITE_P(all, spool_test, ::testing::Values(&make_memory, &make_rocksdb));

}  // namespace
}  // namespace gatepost::routing
