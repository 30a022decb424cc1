// The texts of large messages: one file each, in one directory, named by the message's id.
//
// A file is written under the id with ".tmp" behind it, synced, and renamed; the name is durable
// after sync(). What has ".tmp" after a crash was never part of a message.
#ifndef GATEPOST_ROUTING_DETAIL_BODY_FILES_HPP
#define GATEPOST_ROUTING_DETAIL_BODY_FILES_HPP

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "routing/body_reader.hpp"
#include "routing/detail/crc32c.hpp"
#include "routing/detail/posix_file.hpp"
#include "routing/spool_record.hpp"
#include "smtp/errc.hpp"

namespace gatepost::routing::detail {

inline constexpr std::string_view unfinished_suffix = ".tmp";

// A file on its way; unless it is finished its destructor removes it. The directory outlives it.
class unfinished_file {
 public:
  // Octets after which the disk is told to begin: so that little is left to wait for at the end.
  static constexpr std::uint64_t early_write_octets = 1u << 20;

  unfinished_file(int directory, std::string name)
      : directory_(directory),
        name_(std::move(name)),
        unfinished_name_(name_ + std::string(unfinished_suffix)) {}
  unfinished_file(const unfinished_file&) = delete;
  unfinished_file& operator=(const unfinished_file&) = delete;
  ~unfinished_file() {
    if (file_) ::unlinkat(directory_, unfinished_name_.c_str(), 0);
  }

  std::error_code write(std::string_view octets) {
    if (!file_) {
      constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
      file_ = descriptor(::openat(directory_, unfinished_name_.c_str(), flags, 0600));
      if (!file_) return last_error();
    }
    const std::error_code failed = write_all(file_.number(), octets);
    if (failed) return failed;
    size_ += octets.size();
    if (size_ - begun_ >= early_write_octets) {
      // Only a hint, so what it answers does not matter.
      ::sync_file_range(file_.number(), static_cast<off64_t>(begun_), 0, SYNC_FILE_RANGE_WRITE);
      begun_ = size_;
    }
    return {};
  }

  // Syncs the octets and gives the file its name, which needs a sync of the directory to last.
  std::error_code finish() {
    const std::error_code failed = sync_data(file_.number());
    if (failed) return failed;
    if (::renameat(directory_, unfinished_name_.c_str(), directory_, name_.c_str()) != 0) {
      return last_error();
    }
    file_.close();
    return {};
  }

 private:
  int directory_;
  std::string name_;
  std::string unfinished_name_;
  descriptor file_;
  std::uint64_t size_ = 0;
  std::uint64_t begun_ = 0;
};

class file_body final : public body_reader {
 public:
  // One read: a pipe's and a socket buffer's measure.
  static constexpr std::size_t block_octets = 64u << 10;

  file_body(descriptor file, const kept_text& text) : file_(std::move(file)), text_(text) {}

  std::uint64_t size() const override { return text_.size; }

  // The last octets are held back where the checksum is wrong: whoever passes the text on as it
  // comes has not got all of it, and so cannot complete what is damaged.
  smtp::result<std::string_view> next() override {
    if (failed_) return smtp::errc::spool_corrupt;
    if (read_ == text_.size) return std::string_view{};
    if (!block_) block_ = std::make_unique<char[]>(block_octets);
    ssize_t got = -1;
    do {
      got = ::read(file_.number(), block_.get(), block_octets);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return smtp::errc::spool_failed;
    const auto octets = static_cast<std::uint64_t>(got);
    const std::string_view block(block_.get(), octets);
    failed_ = octets == 0 || octets > text_.size - read_ || !check(block);
    if (failed_) return smtp::errc::spool_corrupt;
    return block;
  }

 private:
  bool check(std::string_view block) {
    read_ += block.size();
    crc32c_ = crc32c(block, crc32c_);
    return read_ < text_.size || !text_.crc32c || *text_.crc32c == crc32c_;
  }

  descriptor file_;
  kept_text text_;
  std::uint64_t read_ = 0;
  std::uint32_t crc32c_ = 0;  // of what was read
  bool failed_ = false;
  std::unique_ptr<char[]> block_;
};

class body_files {
 public:
  std::error_code open(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return last_error();
    directory_ = open_directory(path.c_str());
    return directory_ ? std::error_code{} : last_error();
  }

  std::shared_ptr<unfinished_file> create(const std::string& id) const {
    return std::make_shared<unfinished_file>(directory_.number(), id);
  }

  std::error_code sync() const { return sync_directory(directory_.number()); }

  void remove(const std::string& id) const { ::unlinkat(directory_.number(), id.c_str(), 0); }

  std::error_code move(const std::string& id, const std::string& to) const {
    const bool moved = ::renameat(directory_.number(), id.c_str(), AT_FDCWD, to.c_str()) == 0;
    return moved ? std::error_code{} : last_error();
  }

  // What is in the directory: ids of messages, and anything else.
  std::error_code list(std::vector<std::string>& names) const {
    return names_in(directory_.number(), names);
  }

  // `text`: what the message's record says. Errors: not_found, spool_corrupt, spool_failed.
  smtp::result<std::unique_ptr<body_reader>> read(const std::string& id,
                                                  const kept_text& text) const {
    constexpr int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
    descriptor file(::openat(directory_.number(), id.c_str(), flags));
    if (!file) return errno == ENOENT ? smtp::errc::not_found : smtp::errc::spool_failed;
    struct stat found{};
    if (::fstat(file.number(), &found) != 0) return smtp::errc::spool_failed;
    if (static_cast<std::uint64_t>(found.st_size) != text.size) return smtp::errc::spool_corrupt;
    return std::unique_ptr<body_reader>(std::make_unique<file_body>(std::move(file), text));
  }

 private:
  descriptor directory_;
};

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_BODY_FILES_HPP
