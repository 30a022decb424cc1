#ifndef GATEPOST_SMTP_IMPL_TEXT_WALKER_IPP
#define GATEPOST_SMTP_IMPL_TEXT_WALKER_IPP

#include <algorithm>
#include <bit>
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

[[gnu::flatten]] GATEPOST_DECL data_step text_walker::next(std::string_view input) noexcept {
  data_step out;
  if (input.empty()) return out;
  if (normalises() && settle_cr(input, out)) return out;
  for (std::size_t i = 0;;) {
    i = walk(input, i);
    if (i == input.size()) return give(i, input);
    if (place_ == place::after_cr && want_cr_ != 0) {
      if (normalises()) return give(i, input.substr(0, i));  // and settle_cr() goes on
      violate(violation::bare_cr, offset_ + i - 1);
      place_ = place::in_line;
    } else if (input[i] == '\0') {
      violate(violation::nul, offset_ + i++);
      place_ = place::in_line;
    } else if (input[i] != '\n') {
      out = give(i, input.substr(0, i));
      out.at_dot = true;
      return out;
    } else if (normalises()) {
      return i == 0 ? make_line_end() : give(i, input.substr(0, i));
    } else {
      violate(violation::bare_lf, offset_ + i++);
      place_ = place::in_line;
    }
  }
}

GATEPOST_DECL void text_walker::drop_dot() noexcept {
  ++offset_;
  place_ = place::in_line;
  begin_line(0);
}

GATEPOST_DECL std::string_view text_walker::put_cr() noexcept {
  place_ = place::after_cr;
  return give(0, "\r").text;
}

GATEPOST_DECL std::string_view text_walker::end() noexcept {
  if (place_ == place::after_two_crs) return complete_two_crs(0, "\n\r\n");
  if (place_ != place::after_cr) return {};
  violate(violation::bare_cr, offset_ - 1);
  place_ = place::in_line;
  return normalises() ? complete_cr() : std::string_view{};
}

// Normalising, a CR is handed out before it is known to be bare. This decides it by the octets after it,
// and returns false where the walk just goes on. A bare CR is CRLF in the text, but one directly before
// CRLF vanishes: CR CR LF is what every line end becomes in a text that was converted twice, and blank
// lines in its place would cut the header short.
GATEPOST_DECL bool text_walker::settle_cr(std::string_view input, data_step& step) noexcept {
  const char next = input.front();
  if (place_ == place::after_two_crs) {
    if (next == '\n') {
      place_ = place::after_cr;
      return false;
    }
    if (next == '\r') {
      out.text = complete_two_crs(1, "\n\r");
      out.consumed = 1;
    } else {
      out.text = complete_two_crs(0, "\n\r\n");
    }
    return true;
  }
  if (place_ != place::after_cr || next == '\n') return false;
  violate(violation::bare_cr, offset_ - 1);
  if (next == '\r' && (input.size() == 1 || input[1] == '\n')) {
    if (input.size() == 1) place_ = place::after_two_crs;
    out = give(1, {});
  } else {
    out.text = complete_cr();
  }
  return true;
}

// Puts the LF after a CR that was handed out.
GATEPOST_DECL std::string_view text_walker::complete_cr() noexcept {
  const data_step lf = give(0, "\n");
  place_ = after_made_end_;
  begin_line(0);
  return lf.text;
}

// The first of two CRs is bare. The second was consumed, and is bare too, or, where a third is `consumed`
// now, has only to be handed out. `text` is both with what they need.
GATEPOST_DECL std::string_view text_walker::complete_two_crs(std::size_t consumed,
                                                             std::string_view text) noexcept {
  --offset_;
  complete_cr();
  ++offset_;
  put_cr();
  if (consumed == 0) {
    complete_cr();
  } else {
    give(consumed, {});
    place_ = place::after_two_crs;
  }
  return text;
}

// CRLF in the place of a bare LF.
GATEPOST_DECL data_step text_walker::make_line_end() noexcept {
  violate(violation::bare_lf, offset_);
  const data_step out = give(1, "\r\n");
  place_ = after_made_end_;
  begin_line(0);
  return out;
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
  // Lines that begin and end in one block are shorter than it: with a limit above that, the line that was
  // open before is the only one to look at.
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

GATEPOST_DECL data_step text_walker::give(std::size_t consumed,
                                                   std::string_view text) noexcept {
  offset_ += consumed;
  size_ += text.size();
  check_line(size_);
  return {consumed, text, false};
}

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_IMPL_TEXT_WALKER_IPP
