// A place for the files of a test.
#ifndef GATEPOST_TESTS_ROUTING_SCRATCH_DIRECTORY_HPP
#define GATEPOST_TESTS_ROUTING_SCRATCH_DIRECTORY_HPP

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace gatepost::tests {

// An empty directory that is removed in the end.
class scratch_directory {
 public:
  scratch_directory() : scratch_directory(usual_root()) {}
  // Under another folder: Unix sockets want a short path.
  explicit scratch_directory(const std::string& root) {
    std::string pattern = root + "/gatepost.XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    path_ = pattern;
  }
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;
  ~scratch_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }

 private:
  static std::string usual_root() {
    const char* root = std::getenv("TEST_TMPDIR");
    return root != nullptr ? root : "/tmp";
  }

  std::string path_;
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_ROUTING_SCRATCH_DIRECTORY_HPP
