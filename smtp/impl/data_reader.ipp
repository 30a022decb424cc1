#ifndef GATEPOST_SMTP_IMPL_DATA_READER_IPP
#define GATEPOST_SMTP_IMPL_DATA_READER_IPP

#include <algorithm>
#include <cassert>

#include "smtp/data_reader.hpp"

namespace gatepost::smtp {
namespace detail {

// The text of the last octet of a message, a CR, and the `tail` that completes it, as one view:
// both are among the few static texts of text_walker.
inline std::string_view with_tail(std::string_view text, std::string_view tail) noexcept {
  if (tail.empty()) return text;
  if (text.empty()) return tail;
  return text == "\r" ? "\r\n" : "\n\r\n\r\n";  // else "\n\r" and "\n\r\n"
}

}  // namespace detail

GATEPOST_DECL data_reader::data_reader(data_options options) noexcept
    : walker_(options, detail::dots::after_crlf) {}

GATEPOST_DECL data_step data_reader::next(std::string_view input) noexcept {
  data_step step;
  if (held_ != held::nothing && settle_dot(input, step)) return step;
  walker_.next(input, step);
  if (step.end) read_dot(input, step);
  return step;
}

// RFC 5321 §4.5.2: a dot that begins a line ends the message where CRLF follows, and else it is not
// text. The step ends before the dot.
GATEPOST_DECL void data_reader::read_dot(std::string_view input, data_step& step) noexcept {
  const std::string_view rest = input.substr(step.consumed + 1);
  walker_.drop_dot();
  ++step.consumed;
  step.end = false;
  if (rest.starts_with("\r\n")) {
    finish(2, step);
  } else if (rest.empty()) {
    held_ = held::dot;
  } else if (rest == "\r") {
    walker_.drop(1);
    ++step.consumed;
    held_ = held::dot_cr;
  }
}

// The same where the input before ended after the dot, or after the CR behind it. Returns false
// where the dot was not the end, and the input is text.
GATEPOST_DECL bool data_reader::settle_dot(std::string_view input, data_step& step) noexcept {
  if (input.empty() || held_ == held::end) {
    step.end = held_ == held::end;
    return true;
  }
  const std::string_view wanted = held_ == held::dot ? "\r\n" : "\n";
  if (input.starts_with(wanted)) {
    finish(wanted.size(), step);
    return true;
  }
  if (held_ == held::dot_cr) {
    step.text = walker_.put_cr();
    held_ = held::nothing;
    return true;
  }
  held_ = held::nothing;
  if (input != "\r") return false;
  walker_.drop(1);
  step.consumed = 1;
  held_ = held::dot_cr;
  return true;
}

// The next `octets` of the input complete the end-of-message: they are not text.
GATEPOST_DECL void data_reader::finish(std::size_t octets, data_step& step) noexcept {
  walker_.drop(octets);
  step.consumed += octets;
  step.end = true;
  held_ = held::end;
}

GATEPOST_DECL chunk_reader::chunk_reader(data_options options, chunk_body body) noexcept
    : walker_(options, detail::dots::are_text), body_(body) {}

GATEPOST_DECL void chunk_reader::begin(std::uint64_t octets, bool last) noexcept {
  assert(remaining_ == 0 && !last_);
  remaining_ = octets;
  last_ = last;
}

GATEPOST_DECL data_step chunk_reader::next(std::string_view input) noexcept {
  std::string_view mine = input.substr(0, std::min<std::uint64_t>(input.size(), remaining_));
  if (body_ == chunk_body::binary) return read_binary(mine);
  const bool ends_message = last_ && mine.size() == remaining_;
  // A CR as the last octet of a message is bare. It comes alone, so that the text in its place is
  // static.
  if (ends_message && mine.size() > 1 && mine.back() == '\r') mine.remove_suffix(1);
  data_step step;
  walker_.next(mine, step);
  remaining_ -= step.consumed;
  step.end = remaining_ == 0;
  if (step.end && last_) step.text = detail::with_tail(step.text, walker_.end());
  return step;
}

GATEPOST_DECL bool chunk_reader::at_line_start() const noexcept {
  return body_ == chunk_body::binary ? binary_line_start_ : walker_.at_line_start();
}

GATEPOST_DECL std::uint64_t chunk_reader::size() const noexcept {
  return body_ == chunk_body::binary ? binary_size_ : walker_.size();
}

GATEPOST_DECL data_step chunk_reader::read_binary(std::string_view text) noexcept {
  remaining_ -= text.size();
  binary_size_ += text.size();
  if (!text.empty()) {
    const bool cr_before = text.size() > 1 ? text[text.size() - 2] == '\r' : binary_cr_;
    binary_line_start_ = text.back() == '\n' && cr_before;
    binary_cr_ = text.back() == '\r';
  }
  return {text.size(), text, remaining_ == 0};
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_DATA_READER_IPP
