// Test material that lies outside the tree: $GATEPOST_SHARED/data/...
//
// A test names what it needs with GATEPOST_REQUIRE_SHARED, first in its body:
//
//     TEST(address, isemail_suite) {
//       GATEPOST_REQUIRE_SHARED(path, "address/isemail-tests.xml");
//       const std::string text = read_file(path);
//
// Where the material is absent the test is skipped and says so; where the environment has CI it
// fails.
#ifndef GATEPOST_TESTS_SUPPORT_SHARED_DATA_HPP
#define GATEPOST_TESTS_SUPPORT_SHARED_DATA_HPP

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace gatepost::tests {

// Where a file or folder of the shared data is; nothing where it (or GATEPOST_SHARED) is absent.
inline std::optional<std::filesystem::path> shared_data(std::string_view relative) {
  const char* root = std::getenv("GATEPOST_SHARED");
  if (root == nullptr || *root == '\0') return std::nullopt;
  auto path = std::filesystem::path(root) / "data" / relative;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  return path;
}

// Whether the environment promises that all test material is there.
inline bool shared_data_is_promised() {
  const char* ci = std::getenv("CI");
  return ci != nullptr && *ci != '\0';
}

// The whole file as octets. Throws std::runtime_error where it cannot be read.
inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in.is_open() || in.bad()) throw std::runtime_error("cannot read " + path.string());
  return text;
}

}  // namespace gatepost::tests

// Declares `variable`, the path of data/`relative`, or leaves the test (skipped; failed under CI).
#define GATEPOST_REQUIRE_SHARED(variable, relative)                                     \
  const auto variable##_found = ::gatepost::tests::shared_data(relative);               \
  if (!variable##_found && ::gatepost::tests::shared_data_is_promised()) {              \
    FAIL() << "CI is set, but $GATEPOST_SHARED/data/" << (relative) << " is absent";    \
  }                                                                                     \
  if (!variable##_found) {                                                              \
    GTEST_SKIP() << "$GATEPOST_SHARED/data/" << (relative) << " is absent: not tested"; \
  }                                                                                     \
  const std::filesystem::path variable = *variable##_found

#endif  // GATEPOST_TESTS_SUPPORT_SHARED_DATA_HPP
