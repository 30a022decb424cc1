// No link that somebody has put into a directory leads the spool elsewhere.
//
// The spool's directories are for its owner alone, so that nobody should be able to; this is the
// second door.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "routing/detail/body_files.hpp"
#include "tests/routing/scratch_directory.hpp"

namespace gatepost::routing::detail {
namespace {

namespace fs = std::filesystem;
using tests::scratch_directory;

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class symlink_test : public ::testing::Test {
 protected:
  symlink_test() {
    std::ofstream(victim) << "precious";
    EXPECT_FALSE(files.open(directory / "bodies"));
  }

  scratch_directory directory;
  std::string victim = directory / "victim";
  body_files files;
};

TEST_F(symlink_test, a_link_is_not_written_through) {
  for (const char* target : {"victim", "not there"}) {
    const std::string link = directory / "bodies/id.tmp";
    fs::create_symlink(directory / target, link);
    {
      const auto file = files.create("id");
      EXPECT_EQ(file->write("text"), std::errc::file_exists) << target;
    }
    EXPECT_EQ(contents(victim), "precious");
    EXPECT_FALSE(fs::exists(directory / "not there"));
    EXPECT_TRUE(fs::is_symlink(link)) << "what is not ours is not removed";
    fs::remove(link);
  }
}

TEST_F(symlink_test, a_file_of_somebody_else_is_not_written_to) {
  std::ofstream(directory / "bodies/id.tmp") << "theirs";
  EXPECT_EQ(files.create("id")->write("text"), std::errc::file_exists);
  EXPECT_EQ(contents(directory / "bodies/id.tmp"), "theirs");
}

TEST_F(symlink_test, a_link_is_replaced_and_not_followed_when_a_text_gets_its_name) {
  fs::create_symlink(victim, directory / "bodies/id");
  const auto file = files.create("id");
  ASSERT_FALSE(file->write("text"));
  ASSERT_FALSE(file->finish());
  EXPECT_EQ(contents(victim), "precious");
  EXPECT_FALSE(fs::is_symlink(directory / "bodies/id"));
  EXPECT_EQ(contents(directory / "bodies/id"), "text");
}

TEST_F(symlink_test, a_link_is_not_read_through) {
  fs::create_symlink(victim, directory / "bodies/id");
  const auto text = files.read("id", 8);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error(), smtp::errc::spool_failed);
}

TEST_F(symlink_test, a_link_is_removed_and_not_what_it_leads_to) {
  fs::create_symlink(victim, directory / "bodies/id");
  files.remove("id");
  EXPECT_FALSE(fs::is_symlink(directory / "bodies/id"));
  EXPECT_EQ(contents(victim), "precious");
}

TEST_F(symlink_test, files_are_for_their_owner_alone) {
  const auto file = files.create("id");
  ASSERT_FALSE(file->write("text"));
  struct stat found{};
  ASSERT_EQ(::stat((directory / "bodies/id.tmp").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600u);
}

}  // namespace
}  // namespace gatepost::routing::detail
