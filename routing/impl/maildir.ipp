#ifndef GATEPOST_ROUTING_IMPL_MAILDIR_IPP
#define GATEPOST_ROUTING_IMPL_MAILDIR_IPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <random>

#include "routing/detail/posix_file.hpp"
#include "routing/maildir.hpp"
#include "smtp/header_edits.hpp"

namespace gatepost::routing {
namespace detail {

// In a Maildir's file name '/' ends it and ':' begins its flags; the specification says how they
// are written instead.
inline std::string maildir_host(std::string name) {
  if (name.empty()) {
    std::array<char, HOST_NAME_MAX + 1> buffer{};
    if (::gethostname(buffer.data(), buffer.size() - 1) == 0) name = buffer.data();
  }
  if (name.empty()) name = "localhost";
  std::string out;
  for (const char c : name) {
    if (c == '/') {
      out += "\\057";
    } else if (c == ':') {
      out += "\\072";
    } else if (static_cast<unsigned char>(c) > 0x20 && c != 0x7f) {
      out += c;
    }
  }
  return out;
}

// Time, process, a count, and something random for processes that share their id with others, as in
// containers.
inline std::string maildir_name(const std::string& hostname) {
  static std::atomic<unsigned> deliveries{0};
  static const unsigned random = std::random_device{}();
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  constexpr std::int64_t million = 1'000'000;
  std::array<char, 128> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%lld.M%06lldP%ldQ%uR%08x.",
                static_cast<long long>(micros / million), static_cast<long long>(micros % million),
                static_cast<long>(::getpid()), ++deliveries, random);
  return buffer.data() + maildir_host(hostname);
}

// Writes through a buffer, and makes LF of CRLF if it is told to.
class maildir_file {
 public:
  static constexpr std::size_t buffer_octets = 64u << 10;

  maildir_file(descriptor file, maildir_lines lines) : file_(std::move(file)), lines_(lines) {
    buffer_.reserve(buffer_octets);
  }

  std::error_code write(std::string_view text) {
    while (!text.empty()) {
      if (buffer_.size() >= buffer_octets) {
        const std::error_code failed = flush();
        if (failed) return failed;
      }
      const std::string_view part = text.substr(0, buffer_octets - buffer_.size());
      text.remove_prefix(part.size());
      if (lines_ == maildir_lines::lf) {
        append_with_lf(part);
      } else {
        buffer_.append(part);
      }
    }
    return {};
  }

  // Everything on disk. The descriptor is closed: some file systems report a full disk only then.
  std::error_code finish() {
    if (held_cr_) buffer_ += '\r';
    std::error_code failed = flush();
    if (!failed && ::fsync(file_.number()) != 0) failed = last_error();
    if (!failed && ::close(file_.release()) != 0) failed = last_error();
    return failed;
  }

  std::uint64_t size() const { return size_; }

 private:
  // A CR waits for what follows it, which may come with the next piece.
  void append_with_lf(std::string_view text) {
    for (const char c : text) {
      if (held_cr_ && c != '\n') buffer_ += '\r';
      held_cr_ = c == '\r';
      if (!held_cr_) buffer_ += c;
    }
  }

  std::error_code flush() {
    const std::error_code failed = write_all(file_.number(), buffer_);
    size_ += buffer_.size();
    buffer_.clear();
    return failed;
  }

  descriptor file_;
  maildir_lines lines_;
  std::string buffer_;
  bool held_cr_ = false;
  std::uint64_t size_ = 0;
};

// One delivery. What is in tmp/ is removed unless it got to new/.
class maildir_delivery {
 public:
  maildir_delivery(const std::string& path, const maildir_options& options)
      : path_(path), options_(options) {}
  maildir_delivery(const maildir_delivery&) = delete;
  maildir_delivery& operator=(const maildir_delivery&) = delete;
  ~maildir_delivery() {
    if (!temporary_.empty()) ::unlinkat(tmp_.number(), temporary_.c_str(), 0);
  }

  maildir_outcome run(std::string_view fields, body_reader& text) {
    if (!open_directories()) return failure();
    descriptor file = create();
    if (!file) return fail("cannot make a file in tmp/"), failure();
    maildir_file out(std::move(file), options_.lines);
    if (!copy(fields, text, out)) return failure();
    return publish(out.size());
  }

 private:
  void fail(std::error_code error, const char* what) {
    error_ = error;
    problem_ = path_ + ": " + what + ": " + error.message();
    if (error == std::errc::permission_denied) {
      problem_ += "; user " + std::to_string(::geteuid()) + " has to own it";
    }
  }
  void fail(const char* what) { fail(last_error(), what); }

  maildir_outcome failure() const { return {error_, problem_}; }

  bool open_directories() {
    if (!path_.starts_with('/')) {
      fail(std::make_error_code(std::errc::invalid_argument), "is no absolute path");
      return false;
    }
    if (open_parts()) return true;
    if (errno != ENOENT) return fail("cannot open this Maildir"), false;
    if (!make_directories()) return fail("cannot make this Maildir"), false;
    if (open_parts()) return true;
    fail("cannot open this Maildir");
    return false;
  }

  // False: errno says why. Without cur/ the Maildir is not ready, whatever else there is of it.
  bool open_parts() {
    struct stat found{};
    if (::lstat((path_ + "/cur").c_str(), &found) != 0) return false;
    tmp_ = open_directory((path_ + "/tmp").c_str());
    if (tmp_) new_ = open_directory((path_ + "/new").c_str());
    return tmp_ && new_;
  }

  // The Maildir and what is missing above it. Each name is synced: after a crash of the system the
  // message must be found by its path. cur/ comes last, when all others are safe: until then each
  // delivery comes here. The message does without it.
  bool make_directories() const {
    for (std::size_t end = path_.find('/', 1); end != path_.npos; end = path_.find('/', end + 1)) {
      if (!make_directory(path_.substr(0, end))) return false;
    }
    for (const char* part : {"", "/tmp", "/new", "/cur"}) {
      if (!make_directory(path_ + part)) return false;
    }
    return true;
  }

  // A name that is there may be of a delivery that could not sync it, or has not yet; but not where
  // we may not write, nor read, nor where nothing can be synced.
  static bool make_directory(const std::string& path) {
    const bool made = ::mkdir(path.c_str(), 0700) == 0;
    if (!made && errno != EEXIST) return false;
    const std::string above = path.substr(0, path.find_last_of('/') + 1);
    if (!made && ::faccessat(AT_FDCWD, above.c_str(), W_OK, AT_EACCESS) != 0) return true;
    const descriptor parent = open_directory(above.c_str());
    if (!parent) return !made && errno == EACCES;
    return ::fsync(parent.number()) == 0 || (!made && errno == EINVAL);
  }

  descriptor create() {
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    std::string name = maildir_name(options_.hostname);
    descriptor file(::openat(tmp_.number(), name.c_str(), flags, 0600));
    if (file) temporary_ = std::move(name);
    return file;
  }

  bool copy(std::string_view fields, body_reader& text, maildir_file& out) {
    std::error_code failed = out.write(fields);
    while (!failed) {
      const smtp::result<std::string_view> block = text.next();
      if (!block) {
        fail(block.error(), "cannot read the message");
        return false;
      }
      if (block->empty()) break;
      failed = out.write(*block);
    }
    if (!failed) failed = out.finish();
    if (failed) fail(failed, "cannot write");
    return !failed;
  }

  // Makes the message visible, with its size in the name, so that readers need not ask for it.
  maildir_outcome publish(std::uint64_t size) {
    const std::string name = temporary_ + ",S=" + std::to_string(size);
    if (::renameat(tmp_.number(), temporary_.c_str(), new_.number(), name.c_str()) != 0) {
      return fail("cannot move the message to new/"), failure();
    }
    temporary_.clear();
    const std::error_code failed = sync_directory(new_.number());
    if (!failed) return maildir_outcome(path_ + "/new/" + name);
    // Nobody will be told that it is here, so it will come again.
    ::unlinkat(new_.number(), name.c_str(), 0);
    fail(failed, "cannot sync new/");
    return failure();
  }

  const std::string& path_;
  const maildir_options& options_;
  descriptor tmp_;
  descriptor new_;
  std::string temporary_;  // name in tmp/, as long as it is there
  std::error_code error_;
  std::string problem_;
};

}  // namespace detail

GATEPOST_DECL smtp::reply maildir_outcome::reply() const {
  if (!error_) return smtp::replies::ok;
  if (error_ == std::errc::no_space_on_device) return smtp::replies::no_storage;
  if (error_.category() == std::generic_category() && error_.value() == EDQUOT) {
    return {452, {4, 2, 2}, "Mailbox is full"};
  }
  return smtp::replies::local_error;
}

GATEPOST_DECL maildir_outcome maildir::deliver(std::string_view fields, body_reader& text) const {
  return detail::maildir_delivery(path_, options_).run(fields, text);
}

GATEPOST_DECL std::string final_delivery_fields(std::string_view reverse_path,
                                                std::span<const std::string> recipients) {
  std::string out;
  smtp::write_field(out, "Return-Path", "<" + std::string(reverse_path) + ">");
  for (const std::string& r : recipients) smtp::write_field(out, "Delivered-To", r);
  return out;
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_MAILDIR_IPP
