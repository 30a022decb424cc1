// The octets of DATA for the text of a message: dot-stuffing and the end-of-message (RFC 5321
// §4.5.2).
//
// The text may come in any split; what is to be sent comes out as views of it, with static views
// for what is added, ready for one gathering write. Nothing is copied. What data_reader makes of
// the octets is the text again, with CRLF at its end.
//
//     std::array<std::string_view, 64> views;
//     while (!text.empty()) {
//       const auto [consumed, count] = writer.next(text, views);
//       send(std::span(views).first(count));
//       text.remove_prefix(consumed);
//     }
//     send(writer.finish());
#ifndef GATEPOST_SMTP_DATA_WRITER_HPP
#define GATEPOST_SMTP_DATA_WRITER_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/data_options.hpp"
#include "smtp/detail/text_walker.hpp"
#include "smtp/violations.hpp"

namespace gatepost::smtp {

// Not thread-safe.
class data_writer {
 public:
  struct step {
    std::size_t consumed = 0;  // octets of the text that are in the views
    std::size_t count = 0;     // views that were filled; they die with the text, or never
  };

  // A client must not send a bare CR or LF (RFC 5321 §2.3.8), because a next hop may take one for a
  // line end: `normalise`, the default, sends CRLF. `strict` sends such octets as they are.
  explicit data_writer(data_options options = {.ends = line_ends::normalise}) noexcept;

  // As much of the text as fits into `views`, at least two of them: one where the text is clean,
  // two more for each line that begins with a dot. Call it again with the rest.
  step next(std::string_view text, std::span<std::string_view> views) noexcept;

  // After the last text: CRLF where the text does not end with it, and ".CRLF". A static view. Call
  // reset() before the next message.
  std::string_view finish() noexcept;

  // What was not right about the text so far; offsets count its octets.
  const violations& seen() const noexcept { return walker_.seen(); }

  // Ready for the next message.
  void reset(data_options options = {.ends = line_ends::normalise}) noexcept {
    *this = data_writer{options};
  }

 private:
  detail::text_walker walker_;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/data_writer.ipp"
#endif

#endif  // GATEPOST_SMTP_DATA_WRITER_HPP
