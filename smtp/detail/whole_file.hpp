// A file that others find as a whole or not at all, also after a crash.
//
//     whole_file fresh("/var/lib/x/NAME");         // until then it is /var/lib/x/.NAME.new
//     fresh.write(text);
//     const std::error_code error = fresh.keep();  // none: NAME is on the disk
//
// Waits for the disk. What a crash leaves behind is overwritten the next time.
#ifndef GATEPOST_SMTP_DETAIL_WHOLE_FILE_HPP
#define GATEPOST_SMTP_DETAIL_WHOLE_FILE_HPP

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "smtp/detail/owned_fd.hpp"

namespace gatepost::smtp::detail {

class whole_file {
 public:
  explicit whole_file(std::filesystem::path file, ::mode_t mode = 0600)
      : file_(std::move(file)),
        fresh_(folder() / ("." + file_.filename().string() + ".new")),
        opened_(
            ::open(fresh_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode)) {
    if (!opened_) fail();
  }
  whole_file(const whole_file&) = delete;
  whole_file& operator=(const whole_file&) = delete;
  ~whole_file() {
    if (exists_) ::unlink(fresh_.c_str());
  }

  // Nothing, once something has failed.
  void write(std::string_view octets) {
    while (!octets.empty() && !error_) {
      const auto n = ::write(opened_.get(), octets.data(), octets.size());
      if (n > 0) octets.remove_prefix(static_cast<std::size_t>(n));
      if (n == 0) errno = EIO;  // nothing would go on
      if (n == 0 || (n < 0 && errno != EINTR)) fail();
    }
  }

  // Of what was done so far.
  std::error_code error() const { return error_; }

  // Once, at the end. An error of this or of anything before: the file is as it was, or it is new
  // and a crash may still lose it.
  std::error_code keep() {
    if (!error_ && ::fsync(opened_.get()) != 0) fail();
    if (const int fd = opened_.release(); fd >= 0 && ::close(fd) != 0) fail();
    if (!error_ && std::rename(fresh_.c_str(), file_.c_str()) != 0) fail();
    if (error_) return error_;
    exists_ = false;
    // The name is durable only when its folder is.
    const owned_fd opened(::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened || ::fsync(opened.get()) != 0) fail();
    return error_;
  }

 private:
  std::filesystem::path folder() const {
    return file_.has_parent_path() ? file_.parent_path() : std::filesystem::path(".");
  }
  void fail() {
    if (!error_) error_ = std::error_code(errno, std::generic_category());
  }

  std::filesystem::path file_;
  std::filesystem::path fresh_;
  owned_fd opened_;
  bool exists_ = static_cast<bool>(opened_);
  std::error_code error_;
};

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_DETAIL_WHOLE_FILE_HPP
