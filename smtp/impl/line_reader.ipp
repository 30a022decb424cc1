#ifndef GATEPOST_SMTP_IMPL_LINE_READER_IPP
#define GATEPOST_SMTP_IMPL_LINE_READER_IPP

#include <algorithm>
#include <bit>
#include <cassert>

#include "smtp/detail/line_scan.hpp"
#include "smtp/line_reader.hpp"

namespace gatepost::smtp {

// What up to scan_block octets of a line hold, up to its end.
struct line_reader::block {
  block(const char* p, std::size_t n, bool starts_after_cr, line_ends ends) noexcept {
    const detail::octet_masks octets = detail::octets_of(p, n);
    const std::uint64_t after_cr = octets.cr << 1 | (starts_after_cr ? 1U : 0U);
    const std::uint64_t line_end = ends == line_ends::normalise ? octets.lf : octets.lf & after_cr;
    has_end = line_end != 0;
    size = has_end ? static_cast<std::size_t>(std::countr_zero(line_end)) + 1 : n;
    const std::uint64_t mine = detail::low_bits(size);
    bare_cr = after_cr & ~octets.lf & mine;
    bare_lf = octets.lf & ~line_end & mine;
    nul = octets.nul & mine;
    ends_in_cr = (octets.cr >> (size - 1) & 1) != 0;
  }

  std::uint64_t bare_cr = 0;  // marks the octet after the CR: that one tells
  std::uint64_t bare_lf = 0;
  std::uint64_t nul = 0;
  std::size_t size = 0;  // octets that belong to the line
  bool has_end = false;
  bool ends_in_cr = false;
};

GATEPOST_DECL line_reader::result line_reader::next(std::string_view input,
                                                    std::size_t limit) noexcept {
  assert(kept_ <= input.size());
  for (std::size_t i = kept_; i < input.size();) {
    const std::size_t n = std::min(input.size() - i, detail::scan_block);
    const block seen(input.data() + i, n, after_cr_, line_ends_);
    note_fault(seen, length_ < limit ? limit - length_ : 0);
    i += seen.size;
    length_ += seen.size;
    after_cr_ = seen.ends_in_cr;
    const bool over = seen.has_end ? length_ > limit : length_ >= limit;
    if (over && fault_ == line_status::need_more) fault_ = line_status::too_long;
    if (seen.has_end) return finish(input, i);
  }
  if (fault_ == line_status::need_more) {
    kept_ = input.size();
    return {};
  }
  kept_ = 0;
  return {line_status::need_more, {}, input.size()};
}

// The first violation of the line, if it is among the next `room` octets.
GATEPOST_DECL void line_reader::note_fault(const block& seen, std::size_t room) noexcept {
  const std::uint64_t all = (seen.bare_cr | seen.bare_lf | seen.nul) & detail::low_bits(room);
  if (all == 0 || fault_ != line_status::need_more) return;
  const std::uint64_t first = all & (~all + 1);
  fault_ = (seen.bare_cr & first) != 0   ? line_status::bare_cr
           : (seen.bare_lf & first) != 0 ? line_status::bare_lf
                                         : line_status::nul;
}

// The line ends before input[end].
GATEPOST_DECL line_reader::result line_reader::finish(std::string_view input,
                                                      std::size_t end) noexcept {
  result out{fault_, {}, end};
  if (fault_ == line_status::need_more) {
    out.status = line_status::line;
    out.line = input.substr(0, end - 1);
    if (out.line.ends_with('\r')) out.line.remove_suffix(1);
  }
  reset();
  return out;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_LINE_READER_IPP
