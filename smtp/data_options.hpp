// How message text is read: what is done about line ends that are not CRLF, how long a line may be,
// and what one step of the reading gives.
#ifndef GATEPOST_SMTP_DATA_OPTIONS_HPP
#define GATEPOST_SMTP_DATA_OPTIONS_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gatepost::smtp {

// What becomes of a bare CR or a bare LF (RFC 5321 §2.3.8). Neither policy lets one end a message,
// or the dot after one mean anything.
enum class line_ends : std::uint8_t {
  strict,     // a violation; the text keeps the octet
  normalise,  // a violation; the text has CRLF in its place. For trusted peers
};

// RFC 5321 §4.5.3.1.6: a text line has at most 1000 octets with its CRLF, a stuffed dot not
// counted. (RFC 5322 §2.1.1: 998 without the CRLF.)
inline constexpr std::size_t max_text_line = 1000;

struct data_options {
  line_ends ends = line_ends::strict;
  std::size_t max_line = max_text_line;  // octets of a line of text with its CRLF; 0: no limit
};

// What one call of a reader's next() did.
struct data_step {
  std::size_t consumed = 0;  // octets of the input that are done with
  std::string_view text;     // message text: a view of the input, or static; may be empty
  bool end = false;          // the message (DATA) or the chunk (BDAT) is complete
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_DATA_OPTIONS_HPP
