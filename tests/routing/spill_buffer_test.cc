// This header stands alone.
#include "routing/detail/spill_buffer.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "smtp/memory_budget.hpp"
#include "tests/routing/scratch_directory.hpp"
#include "tests/routing/small_disk.hpp"

namespace gatepost::routing::detail {
namespace {

namespace fs = std::filesystem;
using tests::scratch_directory;

std::string contents(const spill_buffer& buffer) {
  const auto reader = buffer.reader();
  EXPECT_EQ(reader->size(), buffer.size());
  std::string text;
  for (;;) {
    const auto block = reader->next();
    if (!block) return "error: " + make_error_code(block.error()).message();
    if (block->empty()) return text;
    text += *block;
  }
}

std::string text_of_size(std::size_t octets) {
  std::string text(octets, '\0');
  for (std::size_t i = 0; i < octets; ++i) text[i] = static_cast<char>(i % 251);
  return text;
}

TEST(SpillBuffer, EmptyReadsAsEmpty) {
  const spill_buffer buffer(100, "/tmp", nullptr);
  EXPECT_EQ(buffer.size(), 0u);
  EXPECT_EQ(contents(buffer), "");
}

TEST(SpillBuffer, StaysInMemoryUpToTheBound) {
  spill_buffer buffer(10, "/nonexistent", nullptr);
  EXPECT_FALSE(buffer.append("12345"));
  EXPECT_FALSE(buffer.append("67890"));
  EXPECT_FALSE(buffer.spilled());
  EXPECT_EQ(contents(buffer), "1234567890");
}

// Around the bound, and around the size in which a file is read.
TEST(SpillBuffer, GivesBackWhatWasWrittenInPiecesOfAnySize) {
  const scratch_directory directory;
  constexpr std::size_t block = spill_buffer::read_block;
  for (const std::size_t size : {1000u, 1001u, 5000u, static_cast<unsigned>(3 * block),
                                 static_cast<unsigned>(3 * block + 1)}) {
    for (const std::size_t piece : {1u, 7u, 999u, 1000u, 1001u, 100'000u}) {
      const std::string text = text_of_size(size);
      spill_buffer buffer(1000, directory.path(), nullptr);
      for (std::size_t at = 0; at < size; at += piece)
        ASSERT_FALSE(buffer.append(std::string_view(text).substr(at, piece)));
      EXPECT_EQ(buffer.spilled(), size > 1000);
      EXPECT_EQ(buffer.size(), size);
      ASSERT_TRUE(contents(buffer) == text) << size << " by " << piece;
    }
  }
}

TEST(SpillBuffer, ReadsAgainFromTheBeginning) {
  const scratch_directory directory;
  for (const std::size_t bound : {0u, 1000u}) {
    spill_buffer buffer(bound, directory.path(), nullptr);
    EXPECT_FALSE(buffer.append("text"));
    EXPECT_EQ(contents(buffer), "text");
    EXPECT_EQ(contents(buffer), "text");
  }
}

TEST(SpillBuffer, TheFileHasNoName) {
  const scratch_directory directory;
  spill_buffer buffer(0, directory.path(), nullptr);
  EXPECT_FALSE(buffer.append("text"));
  EXPECT_TRUE(buffer.spilled());
  EXPECT_TRUE(fs::is_empty(directory.path()));
}

TEST(SpillBuffer, TheBudgetIsChargedAndGivenBack) {
  const scratch_directory directory;
  smtp::memory_budget budget(100'000);
  {
    spill_buffer buffer(50'000, directory.path(), &budget);
    EXPECT_FALSE(buffer.append(text_of_size(40'000)));
    EXPECT_GE(budget.used(), 40'000u);
    EXPECT_FALSE(buffer.append(text_of_size(20'000)));
    EXPECT_TRUE(buffer.spilled());
    EXPECT_EQ(budget.used(), 0u);  // it is on disk
  }
  {
    spill_buffer buffer(50'000, directory.path(), &budget);
    EXPECT_FALSE(buffer.append("text"));
    EXPECT_GT(budget.used(), 0u);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(SpillBuffer, AnExhaustedBudgetMakesTheFileComeEarlier) {
  const scratch_directory directory;
  smtp::memory_budget budget(1000);
  spill_buffer buffer(50'000, directory.path(), &budget);
  EXPECT_FALSE(buffer.append(text_of_size(2000)));
  EXPECT_TRUE(buffer.spilled());
  EXPECT_EQ(contents(buffer), text_of_size(2000));
}

TEST(SpillBuffer, ADirectoryThatIsNotThereIsAnErrorThatStays) {
  spill_buffer buffer(3, "/nonexistent", nullptr);
  EXPECT_FALSE(buffer.append("abc"));
  EXPECT_EQ(buffer.append("d"), smtp::errc::spool_failed);
  EXPECT_EQ(buffer.append(""), smtp::errc::spool_failed);
  EXPECT_EQ(buffer.problem(), "/nonexistent: No such file or directory");
  EXPECT_EQ(buffer.size(), 3u);
}

// A file may not grow beyond a limit of the process, as it may not beyond the disk.
TEST(SpillBuffer, AFailedWriteIsAnErrorThatStays) {
  const scratch_directory directory;
  const int status = tests::run_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{100, 100};
    tests::require(::setrlimit(RLIMIT_FSIZE, &small) == 0, "setrlimit");
    spill_buffer buffer(10, directory.path(), nullptr);
    tests::require(!buffer.append("begin"), "begin");
    tests::require(buffer.append(text_of_size(200)) == smtp::errc::spool_failed, "too large");
    tests::require(buffer.append("x") == smtp::errc::spool_failed, "after a failure");
  });
  EXPECT_EQ(status, 0);
}

TEST(SpillBuffer, AFullDiskIsToldFromABrokenOne) {
  const scratch_directory directory;
  const int status = tests::run_child([&] {
    const std::string disk = directory / "disk";
    tests::mount_small_disk(disk);  // 16 MiB
    spill_buffer buffer(10, disk, nullptr);
    const std::string chunk = text_of_size(1 << 20);
    std::error_code failed;
    for (int i = 0; i < 20 && !failed; ++i) failed = buffer.append(chunk);
    tests::require(failed == smtp::errc::spool_full, "full");
    tests::require(buffer.append("x") == smtp::errc::spool_full, "after that");
  });
  if (status == tests::cannot) GTEST_SKIP() << "no file system can be mounted here";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace gatepost::routing::detail
