// Children that fail alone, and a file system of their own that is soon full.
#ifndef GATEPOST_TESTS_ROUTING_SMALL_DISK_HPP
#define GATEPOST_TESTS_ROUTING_SMALL_DISK_HPP

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace gatepost::tests {

inline constexpr int cannot = 77;  // exit status: the system does not allow this test

// In a child: leaves it at once, with a word on why, unless `condition` holds.
inline void require(bool condition, std::string_view what) {
  if (condition) return;
  std::fprintf(stderr, "child: %.*s\n", static_cast<int>(what.size()), what.data());
  ::_exit(1);
}

inline pid_t start_child(const std::function<void()>& what) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  try {
    what();
  } catch (const std::exception& e) {
    require(false, e.what());
  }
  ::_exit(0);
}

// As a shell tells it: 128 and the signal, if one ended it.
inline int status_of(pid_t pid) {
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline int run_child(const std::function<void()>& what) { return status_of(start_child(what)); }

inline void write_file(const std::string& path, const std::string& octets) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) ::_exit(cannot);
  std::fwrite(octets.data(), 1, octets.size(), file);
  if (std::fclose(file) != 0) ::_exit(cannot);
}

// A file system of 16 MiB that this process alone sees; also without being root, if the system lets
// users have namespaces.
inline void mount_small_disk(const std::string& path) {
  require(::mkdir(path.c_str(), 0700) == 0, "mkdir");
  if (::unshare(CLONE_NEWNS) != 0) {
    const std::string user = "0 " + std::to_string(::geteuid()) + " 1";
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ::_exit(cannot);
    write_file("/proc/self/uid_map", user);
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(cannot);
  if (::mount("none", path.c_str(), "tmpfs", 0, "size=16m,mode=0700") != 0) ::_exit(cannot);
}

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_ROUTING_SMALL_DISK_HPP
