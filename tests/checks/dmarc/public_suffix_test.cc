// This header stands alone.
#include "checks/dmarc/public_suffix.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "checks/dmarc/tree_walk.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::checks::dmarc {
namespace {

TEST(PublicSuffix, TheSystemsList) {
  const auto list = public_suffix_list::system();
  ASSERT_TRUE(list);
  EXPECT_EQ(list->registrable_domain("a.b.Example.COM"), "example.com");
  EXPECT_EQ(list->registrable_domain("mail.example.co.uk."), "example.co.uk");
  EXPECT_EQ(list->registrable_domain("co.uk"), std::nullopt);
  EXPECT_EQ(list->registrable_domain("com"), std::nullopt);
  EXPECT_EQ(list->registrable_domain(""), std::nullopt);
  EXPECT_EQ(list->registrable_domain("a..b"), std::nullopt);
  EXPECT_EQ(list->registrable_domain("a.b.unknown-tld"), "b.unknown-tld");
}

TEST(PublicSuffix, FilesThatAreNoList) {
  EXPECT_FALSE(public_suffix_list::load("/nonexistent/list"));
  EXPECT_FALSE(public_suffix_list::load("/dev/null"));
}

// The test data of the list's project: "input expected".
TEST(PublicSuffix, TheListsOwnTests) {
  GATEPOST_REQUIRE_SHARED(tests, "psl/tests.txt");
  GATEPOST_REQUIRE_SHARED(file, "psl/public_suffix_list.dat");
  const auto list = public_suffix_list::load(file);
  ASSERT_TRUE(list);
  std::istringstream lines(tests::read_file(tests));
  int count = 0;
  int passed = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string input;
    std::string expected;
    if (line.starts_with("//") || !(words >> input >> expected)) continue;
    ++count;
    const auto found = list->registrable_domain(input);
    // The file gives U-labels back where it was asked in U-labels; here all are A-labels.
    const std::string wanted = expected == "null" ? "null" : canonical_name(expected).value_or("?");
    EXPECT_EQ(found.value_or("null"), wanted) << input;
    passed += found.value_or("null") == wanted ? 1 : 0;
  }
  std::printf("public suffix list: %d of %d\n", passed, count);
  EXPECT_GT(count, 70);
}

}  // namespace
}  // namespace gatepost::checks::dmarc
