// The text of a message out of the octets of DATA or BDAT: the one place that decides
// end-of-message.
//
// Only CRLF.CRLF ends DATA, where the first CRLF may be the one of the command line (RFC 5321
// §4.1.1.4); a bare CR or LF never does, nor does a dot after one mean anything (§2.3.8). Text
// comes out as views of the input that are as large as they can be, usually all of it; nothing is
// copied and nothing allocated. Violations are remembered and the reading goes on, so that a
// refused message ends where it truly ends.
//
//     while (!input.empty()) {
//       const data_step step = reader.next(input);
//       take(step.text);
//       input.remove_prefix(step.consumed);
//       if (step.end) return answer(reader.seen(), input);  // input: what follows the message
//     }
#ifndef GATEPOST_SMTP_DATA_READER_HPP
#define GATEPOST_SMTP_DATA_READER_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/data_options.hpp"
#include "smtp/detail/text_walker.hpp"
#include "smtp/violations.hpp"

namespace gatepost::smtp {

// DATA (RFC 5321 §4.1.1.4, transparency §4.5.2). Not thread-safe.
class data_reader {
 public:
  explicit data_reader(data_options options = {}) noexcept;

  // Reads on: call again with the rest of the input, until none is left or `end`. A step may
  // consume nothing and have text, but a step on input that is not empty always does one or the
  // other. How the input is split changes neither the text nor the violations. After `end` call
  // reset() first; until then nothing is consumed and each step is an end.
  data_step next(std::string_view input) noexcept;

  // The violations in the octets consumed so far, as far as what was consumed tells: a CR at the
  // end is not bare yet. The engine refuses a message with violations its policy does not forgive.
  const violations& seen() const noexcept { return walker_.seen(); }
  // Octets of text handed out so far.
  std::uint64_t size() const noexcept { return walker_.size(); }

  // Ready for the next message.
  void reset(data_options options = {}) noexcept { *this = data_reader{options}; }

 private:
  enum class held : std::uint8_t { nothing, dot, dot_cr, end };

  void read_dot(std::string_view input, data_step& step) noexcept;
  bool settle_dot(std::string_view input, data_step& step) noexcept;
  void finish(std::size_t octets, data_step& step) noexcept;

  detail::text_walker walker_;
  held held_ = held::nothing;  // after CRLF, what was consumed without knowing whether it is text
};

// Whether the octets of a BDAT message are lines.
enum class chunk_body : std::uint8_t {
  text,    // BODY=7BIT or 8BITMIME: lines, with the violations that DATA has
  binary,  // BODY=BINARYMIME (RFC 3030 §3): any octets, handed out as they are
};

// BDAT (RFC 3030 §2): as many octets as the command says, over all chunks of one message. A CRLF
// may be split over two chunks. Dots mean nothing. Not thread-safe.
class chunk_reader {
 public:
  explicit chunk_reader(data_options options = {}, chunk_body body = chunk_body::text) noexcept;

  // After `BDAT octets` or `BDAT octets LAST`; the chunk before must have come to its end.
  void begin(std::uint64_t octets, bool last) noexcept;

  // Reads on in the chunk, as data_reader::next() does; it never looks behind the chunk. The step
  // that consumes the last octet is the end; for a chunk without octets it is the first step, which
  // may be on empty input.
  data_step next(std::string_view input) noexcept;

  // Octets of the chunk that were not consumed yet.
  std::uint64_t remaining() const noexcept { return remaining_; }
  // No text was handed out, or it ended in CRLF: for a next hop without CHUNKING, DATA needs no
  // CRLF added.
  bool at_line_start() const noexcept;
  // The violations so far; in a binary body, none.
  const violations& seen() const noexcept { return walker_.seen(); }
  // Octets of text handed out so far, over all chunks.
  std::uint64_t size() const noexcept;

  // Ready for the next message.
  void reset(data_options options = {}, chunk_body body = chunk_body::text) noexcept {
    *this = chunk_reader{options, body};
  }

 private:
  data_step read_binary(std::string_view text) noexcept;

  detail::text_walker walker_;
  std::uint64_t remaining_ = 0;
  std::uint64_t binary_size_ = 0;
  chunk_body body_;
  bool last_ = false;
  bool binary_cr_ = false;         // a binary body's last octet was CR
  bool binary_line_start_ = true;  // a binary body is empty, or ended in CRLF
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/data_reader.ipp"
#endif

#endif  // GATEPOST_SMTP_DATA_READER_HPP
