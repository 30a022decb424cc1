// Command lines out of the octets that a client sends: only CRLF ends one (RFC 5321 §2.3.8).
//
// The octets stay in the caller's buffer until a line is whole. A line with a bare CR, a bare LF or
// NUL in it, or one that is too long, is thrown away up to its true CRLF in no memory at all, and
// is one error: no part of it is ever taken for a command.
//
//     for (;;) {
//       const auto found = lines.next(input, limit);
//       input.remove_prefix(found.consumed);
//       if (found.status == line_status::need_more) break;  // read more behind what is left of
//       input
//       ...
//     }
#ifndef GATEPOST_SMTP_LINE_READER_HPP
#define GATEPOST_SMTP_LINE_READER_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/data_options.hpp"

namespace gatepost::smtp {

// RFC 5321 §4.5.3.1.4: 512 octets with CRLF; extensions raise it.
inline constexpr std::size_t max_command_line = 512;
// RFC 4954 §4: 12288 octets fit every AUTH mechanism in use.
inline constexpr std::size_t max_auth_line = 12288;

enum class line_status : std::uint8_t {
  line,       // a whole line
  need_more,  // none yet
  too_long,   // the others: the violation that came first in a line which has now ended
  bare_cr,
  bare_lf,
  nul,
};

// Not thread-safe.
class line_reader {
 public:
  struct result {
    line_status status = line_status::need_more;
    std::string_view line;     // without its line end; a view of the input; only with status `line`
    std::size_t consumed = 0;  // octets of the input that are done with
  };

  // `normalise`, for trusted clients only: a bare LF ends a line too.
  explicit line_reader(line_ends ends = line_ends::strict) noexcept : line_ends_(ends) {}

  // The first line of `input`, if that has at most `limit` octets with its line end. After
  // need_more, input has to begin with the octets that were not consumed. Octets are looked at
  // once, and not kept where `limit` of them hold no line end. Violations behind `limit` do not
  // count: too_long came first.
  result next(std::string_view input, std::size_t limit = max_command_line) noexcept;

  // The violation of the line that has not ended yet; need_more where there is none. A client that
  // waits for the answer to a bare LF can so be told before it gives up.
  line_status fault() const noexcept { return fault_; }
  // How many octets of the line that has not ended yet came, kept or thrown away.
  std::uint64_t pending() const noexcept { return length_; }

  // Forgets the line that has not ended yet (with the input: RFC 3207 §4.2).
  void reset() noexcept { *this = line_reader{line_ends_}; }

 private:
  struct block;

  void note_fault(const block& seen, std::size_t room) noexcept;
  result finish(std::string_view input, std::size_t end) noexcept;

  std::uint64_t length_ = 0;  // octets of the open line that were looked at
  std::size_t kept_ = 0;      // how many of them are still in the input
  line_ends line_ends_;
  line_status fault_ = line_status::need_more;
  bool after_cr_ = false;  // the last octet looked at is CR
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/line_reader.ipp"
#endif

#endif  // GATEPOST_SMTP_LINE_READER_HPP
