// A descriptor with an owner.
#ifndef GATEPOST_SMTP_DETAIL_OWNED_FD_HPP
#define GATEPOST_SMTP_DETAIL_OWNED_FD_HPP

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace gatepost::smtp::detail {

// A descriptor that is closed unless it is let go.
class owned_fd {
 public:
  explicit owned_fd(int fd = -1) : fd_(fd) {}
  owned_fd(owned_fd&& other) noexcept : fd_(other.release()) {}
  owned_fd& operator=(owned_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~owned_fd() {
    const int error = errno;
    if (fd_ >= 0) ::close(fd_);
    errno = error;  // whoever returns early has more to say
  }
  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_DETAIL_OWNED_FD_HPP
