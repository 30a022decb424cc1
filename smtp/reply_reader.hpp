// Reads what an SMTP server says: replies of one or more lines, RFC 5321 §4.2, whatever comes
// instead.
//
// Octets in, one `server_reply` at a time out, in memory that is used again. A reply is a success
// only by three digits that are whole and the same on each of its lines: anything else is
// errc::bad_reply, for good. A line may end in a bare LF (some servers do that; nothing can be
// smuggled to us by it, as each line has to begin with the code), but a bare CR ends nothing.
// Controls, NUL among them, become '?' in the text. Limits: `reply_limits`.
#ifndef GATEPOST_SMTP_REPLY_READER_HPP
#define GATEPOST_SMTP_REPLY_READER_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/errc.hpp"
#include "smtp/reply.hpp"

namespace gatepost::smtp {

struct reply_limits {
  // A line with its CRLF. RFC 5321 §4.5.3.1.5 allows 512; servers that quote URLs and headers
  // exceed it.
  std::size_t line = 2048;
  // Lines of one reply. EHLO has a few dozen, and no reply to be read by people has more.
  std::size_t lines = 512;
  // All octets of one reply: what a server can make us hold.
  std::size_t octets = 64u << 10;
};

class server_reply {
 public:
  // 200 to 599.
  int code() const { return code_; }
  // RFC 2034, where the first line has one that goes with the code; empty otherwise.
  enhanced_code enhanced() const { return enhanced_; }
  // Behind the code, line by line, with '\n' between them; enhanced codes are in it as they were
  // sent.
  std::string_view text() const { return text_; }

  bool positive() const { return code_ < 300; }
  bool intermediate() const { return code_ >= 300 && code_ < 400; }
  bool temporary() const { return code_ >= 400 && code_ < 500; }
  bool permanent() const { return code_ >= 500; }

  // As a value to keep: without the enhanced code in the text, of which there are at most `room`
  // octets.
  GATEPOST_DECL reply to_reply(std::size_t room = std::string_view::npos) const;

 private:
  friend class reply_reader;

  int code_ = 0;
  enhanced_code enhanced_;
  std::string text_;
};

enum class reply_state : std::uint8_t {
  partial,   // all of the input was taken, and the reply is not complete
  complete,  // reply() is good until next()
  failed,    // error() says why; nothing will be read any more before reset()
};

class reply_reader {
 public:
  explicit reply_reader(reply_limits limits = {}) : limits_(limits) {}

  // Takes octets from the front of `input`, at most to the end of one reply.
  GATEPOST_DECL reply_state read(std::string_view& input);

  // After `complete`.
  const server_reply& reply() const { return reply_; }
  // Ready for the following reply.
  GATEPOST_DECL void next();

  // After `failed`: errc::bad_reply or errc::reply_too_long.
  errc error() const { return error_; }

  // A reply has begun and is not complete.
  bool in_reply() const { return octets_ > 0 && !complete_; }

  void reset() {
    next();
    error_ = {};
  }

 private:
  void take_line();
  void fail(errc why) { error_ = why; }

  reply_limits limits_;
  server_reply reply_;
  std::string line_;        // the open line, without its line end
  std::size_t octets_ = 0;  // of this reply
  std::size_t lines_ = 0;
  errc error_{};
  bool complete_ = false;
};

// The enhanced code that `text` begins with, if its class goes with `code`: "5.1.1" before a blank
// or the end (RFC 2034 §4, RFC 3463 §2). `size` is set to the octets to skip, the blank included.
GATEPOST_DECL enhanced_code read_enhanced_code(std::string_view text, int code, std::size_t& size);

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/reply_reader.ipp"
#endif

#endif  // GATEPOST_SMTP_REPLY_READER_HPP
