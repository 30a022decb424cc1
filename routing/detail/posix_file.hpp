// Files and directories by descriptor, with errors as std::error_code: what spool and Maildir
// share.
#ifndef GATEPOST_ROUTING_DETAIL_POSIX_FILE_HPP
#define GATEPOST_ROUTING_DETAIL_POSIX_FILE_HPP

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gatepost::routing::detail {

inline std::error_code last_error() { return {errno, std::generic_category()}; }

// Owns a file descriptor.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int fd) : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor() { close(); }

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int release() { return std::exchange(fd_, -1); }
  int number() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

inline std::error_code write_all(int fd, std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t written = ::write(fd, octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return last_error();
    octets.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// Fills `into`, or as much of it as there is; `got` says how much that was.
inline std::error_code read_all(int fd, std::string& into, std::size_t& got) {
  for (got = 0; got < into.size();) {
    const ssize_t n = ::read(fd, into.data() + got, into.size() - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  return {};
}

// Octets and the size of the file, where that has grown.
inline std::error_code sync_data(int fd) {
  return ::fdatasync(fd) == 0 ? std::error_code{} : last_error();
}

// For directories: the names in them.
inline std::error_code sync_directory(int fd) {
  return ::fsync(fd) == 0 ? std::error_code{} : last_error();
}

inline descriptor open_directory(const char* path) {
  return descriptor(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

inline std::error_code sync_directory_at(const std::string& path) {
  const descriptor directory = open_directory(path.c_str());
  return directory ? sync_directory(directory.number()) : last_error();
}

// The names in a directory but "." and "..".
inline std::error_code names_in(int directory, std::vector<std::string>& names) {
  const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return last_error();
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), &::closedir);
  if (!stream) {
    const std::error_code why = last_error();
    ::close(fd);
    return why;
  }
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return errno == 0 ? std::error_code{} : last_error();
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_POSIX_FILE_HPP
