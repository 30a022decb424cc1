// Keeps the header of a message that comes in piece by piece, until it is complete or too big.
//
// Most headers come whole in the first piece; what is kept is a copy, because the checks at the end
// of the message want to see it again. The memory is used again for the next message, unless it is
// release()d. Sans-I/O.
#ifndef GATEPOST_SMTP_HEADER_COLLECTOR_HPP
#define GATEPOST_SMTP_HEADER_COLLECTOR_HPP

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/result.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp {

class header_collector {
 public:
  enum class state : std::uint8_t { open, complete, too_big };

  // `limit`: octets of a header. A collector is used again for the next message.
  void begin(std::size_t limit) {
    release();
    options_ = {};
    options_.header_octets = limit;
    reader_ = header_reader(options_);
    hops_ = 0;
    error_ = {};
    state_ = state::open;
  }

  // The message is over, and views of its header with it. A session that waits for its next message
  // holds no long header of its last one.
  void release() {
    if (text_.capacity() > kept_capacity) std::string().swap(text_);
    text_.clear();
    end_ = 0;
    state_ = state::complete;
  }

  // Octets of memory that the text takes: for whoever accounts for it.
  std::size_t held() const { return text_.capacity(); }

  // Message text in order; what comes after the header is not looked at.
  state add(std::string_view text) {
    if (state_ != state::open) return state_;
    // Never more than the limit and the empty line behind it are kept.
    const std::size_t room =
        options_.header_octets + 2 - std::min(text_.size(), options_.header_octets + 2);
    text_.append(text.substr(0, room));
    if (read(header_input::partial) != state::open || text.size() <= room) return state_;
    error_ = errc::header_too_big;
    return state_ = state::too_big;
  }

  // The message is over: what is there is the header.
  state finish() { return state_ == state::open ? read(header_input::complete) : state_; }

  state where() const { return state_; }
  // Why it is too_big: too_many_header_fields, header_field_too_long or header_too_big.
  errc error() const { return error_; }
  // All fields with their line ends, without the empty line behind them.
  std::string_view header() const { return std::string_view(text_).substr(0, end_); }
  std::size_t hops() const { return hops_; }
  // What a mailbox file has put on top of the message; the first octets of header().
  std::size_t mbox_line() const { return reader_.mbox_line(); }
  // The header ends by a line that is no field, and by no empty one. Many programs read on, and
  // find fields in what is the body to us; and where that line is the first and begins with a
  // blank, it would continue whatever field is put on top (RFC 5322 §2.2.3).
  bool breaks_off() const {
    return state_ == state::complete && reader_.ending() == header_ending::not_a_field;
  }

 private:
  // A longer header's memory is not kept for the next message. Most are shorter.
  static constexpr std::size_t kept_capacity = 8u << 10;

  state read(header_input kind) {
    while (true) {
      const auto field = reader_.next(text_, kind);
      if (!field) {
        if (field.error() == errc::need_more) return state_;
        error_ = field.error();
        return state_ = state::too_big;
      }
      if (!*field) break;
      if (equal_ignoring_case((*field)->name, "Received")) ++hops_;
    }
    end_ = reader_.fields_end();
    if (end_ > options_.header_octets) {
      error_ = errc::header_too_big;
      return state_ = state::too_big;
    }
    return state_ = state::complete;
  }

  std::string text_;
  std::size_t end_ = 0;
  std::size_t hops_ = 0;
  header_options options_;
  header_reader reader_;
  state state_ = state::complete;
  errc error_{};
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_HEADER_COLLECTOR_HPP
