#include "tests/support/failing_calls.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace gatepost::tests {

std::string_view to_string(call c) {
  static constexpr std::string_view names[] = {
      "accept4", "recv", "send", "epoll_ctl", "write", "fsync", "fdatasync", "renameat", "openat"};
  return names[static_cast<std::size_t>(c)];
}

namespace failing_calls {
namespace {

// The threads of the program under test read it while the test writes: `on` is set last.
struct plan {
  std::atomic<bool> on{false};
  std::atomic<call> what{};
  std::atomic<int> error{0};
  std::atomic<std::size_t> first{0};
  std::atomic<std::size_t> count{0};
  std::atomic<long> thread{0};  // 0: all
  std::atomic<std::size_t> seen{0};
};

constinit plan now;

// Whether this call fails; errno says how.
bool fails(call c) {
  if (!now.on.load(std::memory_order_acquire) || now.what != c) return false;
  const long only = now.thread;
  if (only != 0 && only != ::syscall(SYS_gettid)) return false;
  const std::size_t number = ++now.seen;
  const std::size_t first = now.first;
  if (first == 0 || number < first || number - first >= now.count) return false;
  errno = now.error;
  return true;
}

}  // namespace

void fail(call c, int error, std::size_t first, std::size_t count, threads who) {
  stop();
  now.what = c;
  now.error = error;
  now.first = first;
  now.count = count;
  now.thread = who == threads::all ? 0 : ::syscall(SYS_gettid);
  now.seen = 0;
  now.on.store(true, std::memory_order_release);
}

std::size_t stop() {
  now.on = false;
  return now.seen;
}

std::size_t seen() { return now.seen; }

}  // namespace failing_calls
}  // namespace gatepost::tests

// The kernel's calls, for those that others call by these names.
using gatepost::tests::call;
using gatepost::tests::failing_calls::fails;

extern "C" {

int accept4(int fd, sockaddr* peer, socklen_t* size, int flags) {
  if (fails(call::accept4)) return -1;
  return static_cast<int>(::syscall(SYS_accept4, fd, peer, size, flags));
}

ssize_t recv(int fd, void* into, std::size_t size, int flags) {
  if (fails(call::recv)) return -1;
  return ::syscall(SYS_recvfrom, fd, into, size, flags, nullptr, nullptr);
}

ssize_t send(int fd, const void* octets, std::size_t size, int flags) {
  if (fails(call::send)) return -1;
  return ::syscall(SYS_sendto, fd, octets, size, flags, nullptr, 0);
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  if (fails(call::epoll_ctl)) return -1;
  return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

ssize_t write(int fd, const void* octets, std::size_t size) {
  if (fails(call::write)) return -1;
  return ::syscall(SYS_write, fd, octets, size);
}

int fsync(int fd) {
  if (fails(call::fsync)) return -1;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

int fdatasync(int fd) {
  if (fails(call::fdatasync)) return -1;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  if (fails(call::renameat)) return -1;
  return static_cast<int>(::syscall(SYS_renameat, from_folder, from, to_folder, to));
}

int openat(int folder, const char* path, int flags, ...) {
  if (fails(call::openat)) return -1;
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
    std::va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  return static_cast<int>(::syscall(SYS_openat, folder, path, flags, mode));
}

}  // extern "C"
