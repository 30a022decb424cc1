// Delivery into a Maildir, for small appliances and for tests: https://cr.yp.to/proto/maildir.html.
//
// A message is written to tmp/, synced, renamed into new/, and the directory is synced: when
// deliver() has succeeded the message is safe, and no reader ever saw a part of it. Directories are
// made where they are missing, for their owner alone, and their names are synced; cur/ is the last,
// so where there is none a delivery makes, and syncs, what an earlier one did not bring to its end.
// Everything here waits for the disk: run it on a thread where that does no harm. Functions may be
// called on several threads, for the same Maildir too.
#ifndef GATEPOST_ROUTING_MAILDIR_HPP
#define GATEPOST_ROUTING_MAILDIR_HPP

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "routing/body_reader.hpp"
#include "smtp/config.hpp"
#include "smtp/reply.hpp"

namespace gatepost::routing {

enum class maildir_lines : std::uint8_t {
  lf,    // CRLF becomes LF: mail readers take a Maildir's files for text files of the system
  crlf,  // as it came in
};

struct maildir_options {
  maildir_options() = default;

  // Ours, for the files' names. Empty: what the system calls itself.
  std::string hostname;
  maildir_lines lines = maildir_lines::lf;
};

class maildir_outcome {
 public:
  explicit maildir_outcome(std::string file) : file_(std::move(file)) {}
  maildir_outcome(std::error_code error, std::string problem)
      : error_(error), problem_(std::move(problem)) {}

  explicit operator bool() const { return !error_; }
  const std::string& file() const { return file_; }  // where the message is now; success only
  std::error_code error() const { return error_; }
  const std::string& problem() const { return problem_; }  // for logs: with path, cause and remedy

  // For the client or the log: 250, or a 4xx. What is wrong with a Maildir is for its administrator
  // to put right, so nothing is permanent.
  GATEPOST_DECL smtp::reply reply() const;

 private:
  std::error_code error_;
  std::string file_;
  std::string problem_;
};

class maildir {
 public:
  // `path`: absolute, of the directory that holds tmp/, new/ and cur/.
  explicit maildir(std::string path, maildir_options options = {})
      : path_(std::move(path)), options_(std::move(options)) {}

  // Delivers one message: `fields`, which are whole lines with CRLF, and then the text.
  GATEPOST_DECL maildir_outcome deliver(std::string_view fields, body_reader& text) const;

 private:
  std::string path_;
  maildir_options options_;
};

// The fields that final delivery puts on top: Return-Path (RFC 5321 §4.4), and a Delivered-To for
// each recipient, by which loops are found. Addresses without <>; an empty reverse-path is the null
// path.
GATEPOST_DECL std::string final_delivery_fields(std::string_view reverse_path,
                                                std::span<const std::string> recipients);

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/maildir.ipp"
#endif

#endif  // GATEPOST_ROUTING_MAILDIR_HPP
