// Octets in memory up to a bound, and past it in a file without a name.
//
// The file goes when the buffer goes, or the process: nothing is ever left behind. It is never
// synced: what it holds need not survive. Writing may wait for the disk. One thread at a time.
#ifndef GATEPOST_ROUTING_DETAIL_SPILL_BUFFER_HPP
#define GATEPOST_ROUTING_DETAIL_SPILL_BUFFER_HPP

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "routing/body_reader.hpp"
#include "routing/detail/posix_file.hpp"
#include "smtp/errc.hpp"
#include "smtp/memory_budget.hpp"

namespace gatepost::routing::detail {

class spill_buffer {
 public:
  // Octets that are read from the file at once.
  static constexpr std::size_t read_block = 64u << 10;
  // Memory is reserved in steps, so that small writes do not each touch the shared count.
  static constexpr std::size_t reserve_step = 4096;

  // `memory`: charged for what is held; where it is exhausted the file comes earlier. May be
  // nullptr.
  spill_buffer(std::size_t in_memory, std::string directory, smtp::memory_budget* memory)
      : in_memory_(in_memory), directory_(std::move(directory)), reserved_(memory) {}
  spill_buffer(const spill_buffer&) = delete;
  spill_buffer& operator=(const spill_buffer&) = delete;

  std::uint64_t size() const { return size_; }
  bool spilled() const { return static_cast<bool>(file_); }

  // Why append() failed, for logs: "/var/tmp: No space left on device".
  std::string problem() const { return directory_ + ": " + cause_.message(); }

  // Errors: spool_full, spool_failed; then every further call fails too.
  std::error_code append(std::string_view text) {
    if (failed_) return failed_;
    if (!spilled() && fits(text.size())) {
      memory_.append(text);
    } else {
      if (!spilled()) failed_ = spill();
      if (!failed_) failed_ = write(text);
      if (failed_) return failed_;
    }
    size_ += text.size();
    return {};
  }

  // Reads from the beginning; this outlives it and does not change meanwhile.
  std::unique_ptr<body_reader> reader() const { return std::make_unique<reading>(*this); }

 private:
  class reading final : public body_reader {
   public:
    explicit reading(const spill_buffer& from) : from_(from) {}

    std::uint64_t size() const override { return from_.size_; }

    smtp::result<std::string_view> next() override {
      if (at_ == from_.size_) return std::string_view();
      if (from_.spilled()) return next_of_file();
      at_ = from_.size_;
      return std::string_view(from_.memory_);
    }

   private:
    smtp::result<std::string_view> next_of_file() {
      block_.resize(read_block);
      const auto at = static_cast<off_t>(at_);
      ssize_t n = 0;
      do {
        n = ::pread(from_.file_.number(), block_.data(), block_.size(), at);
      } while (n < 0 && errno == EINTR);
      if (n <= 0) return smtp::errc::spool_failed;
      at_ += static_cast<std::uint64_t>(n);
      return std::string_view(block_.data(), static_cast<std::size_t>(n));
    }

    const spill_buffer& from_;
    std::uint64_t at_ = 0;
    std::string block_;
  };

  bool fits(std::size_t more) {
    const std::size_t wanted = memory_.size() + more;
    if (wanted > in_memory_) return false;
    return reserved_.grow_to((wanted + reserve_step - 1) / reserve_step * reserve_step);
  }

  std::error_code spill() {
    file_ = open_nameless();
    if (!file_) return failure(last_error());
    const std::error_code failed = write(memory_);
    std::string().swap(memory_);
    reserved_.release();
    return failed;
  }

  descriptor open_nameless() const {
    descriptor file(::open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    // Some file systems know no files without a name.
    if (file || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
    std::string name = directory_ + "/gatepost.XXXXXX";
    file = descriptor(::mkostemp(name.data(), O_CLOEXEC));
    if (file) ::unlink(name.c_str());
    return file;
  }

  std::error_code write(std::string_view text) {
    const std::error_code failed = write_all(file_.number(), text);
    return failed ? failure(failed) : std::error_code{};
  }

  std::error_code failure(std::error_code cause) {
    cause_ = cause;
    const bool full = cause.value() == ENOSPC || cause.value() == EDQUOT;
    return full ? smtp::errc::spool_full : smtp::errc::spool_failed;
  }

  std::size_t in_memory_;
  std::string directory_;
  smtp::memory_reservation reserved_;
  std::string memory_;
  std::uint64_t size_ = 0;
  descriptor file_;
  std::error_code failed_;
  std::error_code cause_;
};

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_SPILL_BUFFER_HPP
