#ifndef GATEPOST_SMTP_IMPL_TEXT_WALKER_IPP
#define GATEPOST_SMTP_IMPL_TEXT_WALKER_IPP

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>

#include "smtp/detail/line_scan.hpp"
#include "smtp/detail/text_walker.hpp"

namespace gatepost::smtp::detail {

// "No limit": small enough that an offset can be added to it.
inline constexpr std::size_t no_line_limit = std::numeric_limits<std::size_t>::max() / 2;

GATEPOST_DECL text_walker::text_walker(data_options options, dots d) noexcept
    : line_limit_(options.max_line == 0 ? no_line_limit
                                        : std::min(options.max_line, no_line_limit)),
      want_dot_(d == dots::are_text ? 0 : all),
      line_ends_(options.ends),
      after_made_end_(d == dots::after_crlf ? place::in_line : place::line_start) {}

// Flattened: with small reads, calls would cost more than the work.
[[gnu::flatten]] GATEPOST_DECL void text_walker::next(std::string_view input,
                                                      data_step& step) noexcept {
  if (input.empty() || (normalises() && settle_cr(input, step))) return;
  std::size_t i = walk(input, 0);
  while (i != input.size() && note_violation(input, i)) i = walk(input, i);
  count(i, i);
  step.consumed = i;
  step.text = input.substr(0, i);
  if (i == input.size()) return;
  step.end = place_ == place::line_start && input[i] == '.';
  if (step.end || i != 0) return;
  assert(normalises() && input.front() == '\n');
  make_line_end(step);
}

// The walk stopped before input[i]: remembers a violation that leaves the text as it is, and lets
// the walk go on. Returns false where the step has to end.
GATEPOST_DECL bool text_walker::note_violation(std::string_view input, std::size_t& i) noexcept {
  if (place_ == place::after_cr && want_cr_ != 0) {
    if (normalises()) return false;  // settle_cr() goes on
    violate(violation::bare_cr, offset_ + i - 1);
    place_ = place::in_line;
    return true;
  }
  const char here = input[i];
  if (here != '\0' && (here != '\n' || normalises())) return false;
  violate(here == '\0' ? violation::nul : violation::bare_lf, offset_ + i);
  place_ = place::in_line;
  ++i;
  return true;
}

GATEPOST_DECL void text_walker::drop_dot() noexcept {
  ++offset_;
  place_ = place::in_line;
  begin_line(0);
}

GATEPOST_DECL std::string_view text_walker::put_cr() noexcept {
  count(0, 1);
  place_ = place::after_cr;
  return "\r";
}

GATEPOST_DECL std::string_view text_walker::end() noexcept {
  if (place_ == place::after_two_crs) return complete_two_crs(false);
  if (place_ != place::after_cr) return {};
  violate(violation::bare_cr, offset_ - 1);
  place_ = place::in_line;
  return normalises() ? complete_cr() : std::string_view{};
}

// Normalising, a CR is handed out before it is known to be bare. This decides it by the octets
// after it, and returns false where the walk just goes on. A bare CR is CRLF in the text, but one
// directly before CRLF vanishes: CR CR LF is what every line end becomes in a text that was
// converted twice, and blank lines in its place would cut the header short.
GATEPOST_DECL bool text_walker::settle_cr(std::string_view input, data_step& step) noexcept {
  if (place_ == place::after_two_crs) {
    if (input.front() == '\n') {
      place_ = place::after_cr;
      return false;
    }
    const bool third = input.front() == '\r';
    step.text = complete_two_crs(third);
    step.consumed = third ? 1 : 0;
    return true;
  }
  if (place_ != place::after_cr || input.front() == '\n') return false;
  violate(violation::bare_cr, offset_ - 1);
  if (input == "\r" || input.starts_with("\r\n")) {
    if (input.size() == 1) place_ = place::after_two_crs;
    count(1, 0);
    step.consumed = 1;
  } else {
    step.text = complete_cr();
  }
  return true;
}

// The LF after a CR that was handed out.
GATEPOST_DECL std::string_view text_walker::complete_cr() noexcept {
  count(0, 1);
  place_ = after_made_end_;
  begin_line(0);
  return "\n";
}

// The LF after the first of two CRs, and the second one; with its LF, where no third follows, which
// is then consumed and waits in its place.
GATEPOST_DECL std::string_view text_walker::complete_two_crs(bool third) noexcept {
  --offset_;  // the line after the first CR begins with the second
  complete_cr();
  ++offset_;
  put_cr();
  if (!third) {
    complete_cr();
    return "\n\r\n";
  }
  count(1, 0);
  place_ = place::after_two_crs;
  return "\n\r";
}

// CRLF in the place of a bare LF.
GATEPOST_DECL void text_walker::make_line_end(data_step& step) noexcept {
  violate(violation::bare_lf, offset_);
  count(1, 2);
  place_ = after_made_end_;
  begin_line(0);
  step.consumed = 1;
  step.text = "\r\n";
}

// From input[from] to the first octet that needs a decision, or to the end.
GATEPOST_DECL std::size_t text_walker::walk(std::string_view input, std::size_t from) noexcept {
  std::size_t i = from;
  for (;;) {
    i += skip_clean(input.substr(i), i);
    if (i == input.size()) return i;
    const std::size_t n = std::min(input.size() - i, scan_block);
    const octet_masks here = octets_of(input.data() + i, n);
    const std::uint64_t after_cr = here.cr << 1 | (place_ == place::after_cr ? 1U : 0U);
    const std::uint64_t line_end = here.lf & after_cr;
    const std::uint64_t line_start = line_end << 1 | (place_ == place::line_start ? 1U : 0U);
    const std::uint64_t bare_cr = after_cr & ~here.lf & low_bits(n);  // marks the octet after it
    const std::uint64_t bare_lf = here.lf & ~after_cr;
    const std::uint64_t events = (bare_cr & want_cr_) | (bare_lf & want_lf_) |
                                 (here.nul & want_nul_) | (here.dot & line_start & want_dot_);
    const std::size_t clear = events == 0 ? n : static_cast<std::size_t>(std::countr_zero(events));
    pass_line_ends(line_end & low_bits(clear), i);
    if (clear != 0) {
      const std::uint64_t last = std::uint64_t{1} << (clear - 1);
      place_ = (here.cr & last) != 0    ? place::after_cr
               : (line_end & last) != 0 ? place::line_start
                                        : place::in_line;
    }
    i += clear;
    if (events != 0) return i;
  }
}

// How many octets of `rest`, which begins at index `at` of the input, need no decision.
GATEPOST_DECL std::size_t text_walker::skip_clean(std::string_view rest, std::size_t at) noexcept {
  const std::uint64_t line = size_ + at - line_size_;
  if (rest.empty() || line >= line_limit_ || !is_clean(rest.front())) return 0;
  const clean_run run =
      detail::skip_clean(rest.data(), rest.size(), {line_limit_ - line, line_limit_});
  if (run.length == 0) return 0;
  if (run.open_line != 0) begin_line(at + run.open_line);
  const char last = rest[run.length - 1];
  place_ = last == '\r' ? place::after_cr : last == '\n' ? place::line_start : place::in_line;
  return run.length;
}

GATEPOST_DECL bool text_walker::is_clean(char next) const noexcept {
  if ((place_ == place::after_cr) != (next == '\n')) return false;
  return next != '.' || place_ != place::line_start || want_dot_ == 0;
}

// The bits of `ends` are the LFs of line ends; bit 0 is index `at` of the input.
GATEPOST_DECL void text_walker::pass_line_ends(std::uint64_t ends, std::size_t at) noexcept {
  if (ends == 0) return;
  // Lines that begin and end in one block are shorter than it: with a limit above that, the line
  // that was open before is the only one to look at.
  for (; line_limit_ < scan_block && ends != 0; ends &= ends - 1) {
    const auto next = at + static_cast<std::size_t>(std::countr_zero(ends)) + 1;
    check_line(size_ + next);
    begin_line(next);
  }
  if (ends == 0) return;
  check_line(size_ + at + static_cast<std::size_t>(std::countr_zero(ends)) + 1);
  begin_line(at + static_cast<std::size_t>(std::bit_width(ends)));
}

// `end` is the size of the text up to an octet of the line that is open.
GATEPOST_DECL void text_walker::check_line(std::uint64_t end) noexcept {
  if (end - line_size_ > line_limit_) violate(violation::long_line, line_offset_);
}

GATEPOST_DECL void text_walker::begin_line(std::size_t at) noexcept {
  line_offset_ = offset_ + at;
  line_size_ = size_ + at;
}

GATEPOST_DECL void text_walker::violate(violation v, std::uint64_t offset) noexcept {
  seen_.add(v, offset);
  if (v == violation::long_line) line_limit_ = no_line_limit;
  if (v == violation::nul) want_nul_ = 0;
  if (normalises()) return;
  if (v == violation::bare_cr) want_cr_ = 0;
  if (v == violation::bare_lf) want_lf_ = 0;
}

GATEPOST_DECL void text_walker::count(std::size_t consumed, std::size_t text) noexcept {
  offset_ += consumed;
  size_ += text;
  check_line(size_);
}

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_IMPL_TEXT_WALKER_IPP
