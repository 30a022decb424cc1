// The walk over message text that the DATA reader, the BDAT reader and the DATA writer share.
//
// It knows lines: where they begin (after CRLF, and at the start), how long they are, and which
// octets violate RFC 5321 §2.3.8. It hands text out as views that are as large as they can be, and
// stops before a dot that begins a line, where its user decides. In line_ends::normalise it puts
// CRLF in the place of a bare CR or LF. Any split of the input gives the same text and the same
// violations.
#ifndef GATEPOST_SMTP_DETAIL_TEXT_WALKER_HPP
#define GATEPOST_SMTP_DETAIL_TEXT_WALKER_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/data_options.hpp"
#include "smtp/violations.hpp"

namespace gatepost::smtp::detail {

// Which dots next() stops at.
enum class dots : std::uint8_t {
  after_crlf,      // those that begin a line of the input: only CRLF begins one
  after_line_end,  // those that begin a line of the text: a line end that was made counts too
  are_text,        // none
};

class text_walker {
 public:
  text_walker(data_options options, dots d) noexcept;

  // Goes on, and fills in `step`, which has to be empty. (Returning it would cost a copy in each
  // reader, which with small reads is the larger part.) `end` says that input[consumed] is a dot
  // that begins a line. Text without consumed octets is possible, and the reverse; neither, and not
  // `end`, only where the input is empty.
  void next(std::string_view input, data_step& step) noexcept;

  // After such an end: the dot is not text; the line begins after it.
  void drop_dot() noexcept;
  // After such an end: the dot is ordinary text, and next() goes on with it.
  void keep_dot() noexcept { place_ = place::in_line; }
  // Takes n octets that are not text and that next() did not see.
  void drop(std::size_t n) noexcept { offset_ += n; }
  // Takes a CR that was consumed by drop() as text after all; the text to hand out.
  std::string_view put_cr() noexcept;
  // The message ends here: a CR that still waits for its LF is bare. The text to hand out.
  std::string_view end() noexcept;

  // The next octet begins a line, as `dots` says what that is: nothing, or CRLF, came before it.
  bool at_line_start() const noexcept { return place_ == place::line_start; }
  const violations& seen() const noexcept { return seen_; }
  std::uint64_t size() const noexcept { return size_; }

 private:
  enum class place : std::uint8_t {
    line_start,
    in_line,
    after_cr,       // the CR was handed out
    after_two_crs,  // only in normalise: the first was handed out, the second was not
  };

  bool normalises() const noexcept { return line_ends_ == line_ends::normalise; }
  bool note_violation(std::string_view input, std::size_t& i) noexcept;
  bool settle_cr(std::string_view input, data_step& step) noexcept;
  std::string_view complete_cr() noexcept;
  std::string_view complete_two_crs(bool third) noexcept;
  void make_line_end(data_step& step) noexcept;
  std::size_t walk(std::string_view input, std::size_t from) noexcept;
  std::size_t skip_clean(std::string_view rest, std::size_t at) noexcept;
  bool is_clean(char next) const noexcept;
  void pass_line_ends(std::uint64_t ends, std::size_t at) noexcept;
  void check_line(std::uint64_t end) noexcept;
  void begin_line(std::size_t at) noexcept;
  void violate(violation v, std::uint64_t offset) noexcept;
  void count(std::size_t consumed, std::size_t text) noexcept;

  static constexpr std::uint64_t all = ~std::uint64_t{0};

  std::uint64_t offset_ = 0;       // octets of the message as sent that were consumed
  std::uint64_t size_ = 0;         // octets of text handed out
  std::uint64_t line_offset_ = 0;  // offset_ where the text of the open line began
  std::uint64_t line_size_ = 0;    // size_ there
  std::size_t line_limit_;
  // What to stop at: all bits, or none where it was seen and changes nothing any more.
  std::uint64_t want_cr_ = all;
  std::uint64_t want_lf_ = all;
  std::uint64_t want_nul_ = all;
  std::uint64_t want_dot_;
  violations seen_;
  line_ends line_ends_;
  place place_ = place::line_start;
  place after_made_end_;  // a line end that was not CRLF
};

}  // namespace gatepost::smtp::detail

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/text_walker.ipp"
#endif

#endif  // GATEPOST_SMTP_DETAIL_TEXT_WALKER_HPP
