#ifndef GATEPOST_SMTP_IMPL_DATA_WRITER_IPP
#define GATEPOST_SMTP_IMPL_DATA_WRITER_IPP

#include <cassert>

#include "smtp/data_writer.hpp"

namespace gatepost::smtp {

// A line end that is made for the wire begins a line there: a dot after it has to be stuffed. One
// that is left as it is begins none, neither here nor for data_reader.
GATEPOST_DECL data_writer::data_writer(data_options options) noexcept
    : walker_(options, detail::dots::after_line_end) {}

GATEPOST_DECL data_writer::step data_writer::next(std::string_view text,
                                                  std::span<std::string_view> views) noexcept {
  assert(views.size() >= 2);
  step done;
  while (done.consumed != text.size() && done.count + 2 <= views.size()) {
    data_step piece;
    walker_.next(text.substr(done.consumed), piece);
    if (!piece.text.empty()) views[done.count++] = piece.text;
    done.consumed += piece.consumed;
    if (!piece.end) continue;
    views[done.count++] = ".";
    walker_.keep_dot();
  }
  return done;
}

GATEPOST_DECL std::string_view data_writer::finish() noexcept {
  const std::string_view tail = walker_.end();  // completes a CR that was sent already
  if (tail == "\n") return "\n.\r\n";
  if (!tail.empty()) return "\n\r\n.\r\n";
  return walker_.at_line_start() ? ".\r\n" : "\r\n.\r\n";
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_DATA_WRITER_IPP
