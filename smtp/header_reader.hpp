// Reads the header of a message: where its fields are, without copying them.
//
// Takes real mail as it is: no blank behind a colon, blanks before it (RFC 5322 §4.5), any
// printable name, any octets in a value, a "From " line on top, a header that ends without an empty
// line. The first line that is no field ends the header, and the body begins with it. Views point
// into the text that was given and live as long as it. No I/O; a reader belongs to one thread at a
// time.
//
//     const auto header = read_header(message);
//     if (!header) return header.error();
//     if (const auto* subject = first_field(header->fields, "subject")) ...
#ifndef GATEPOST_SMTP_HEADER_READER_HPP
#define GATEPOST_SMTP_HEADER_READER_HPP

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/result.hpp"

namespace gatepost::smtp {

// RFC 5322 §2.2: a name is printable ASCII. A longer one than fits a line is no name.
inline constexpr std::size_t max_field_name_octets = max_line_octets;

// What ends a line of a header.
enum class header_lines : std::uint8_t {
  crlf,        // RFC 5322 §2.1: as it came over the wire; a lone CR or LF is an octet of a value
  crlf_or_lf,  // as in files
};

struct header_options {
  // Real headers have 20 to 100 fields; a loop adds a few per hop.
  std::size_t fields = 1000;
  // To: with some thousand recipients has 100 KiB, Postfix's header_size_limit.
  std::size_t field_octets = 128u << 10;
  // The whole header is held in memory; see session_limits::header.
  std::size_t header_octets = 256u << 10;
  header_lines lines = header_lines::crlf;
};

// Whether more octets may come behind the text that is given.
enum class header_input : std::uint8_t { partial, complete };

// Why a header ended.
enum class header_ending : std::uint8_t {
  open,         // it has not
  blank_line,   // RFC 5322 §2.1
  input_end,    // the text ended within the header: there is no body
  not_a_field,  // by a line that is no field and no continuation: the body begins with that line
};

// One field.
struct field_view {
  std::string_view name;   // without the blanks before the colon
  std::string_view value;  // all between colon and final line end, folds and blanks included
  octet_range
      octets;  // the whole field with its final line end, counted from the header's first octet
};

// Reads field by field, from text that may still be growing.
class header_reader {
 public:
  explicit header_reader(const header_options& options = {}) noexcept : options_(options) {}

  // The next field; nothing at the end of the header. `input` is always the header from its first
  // octet, and may have moved and grown since the last call; what was searched in vain is not
  // searched again, however small the steps. Errors: need_more (call again with more; never for
  // complete input), too_many_header_fields, header_field_too_long, header_too_big. After an error
  // other than need_more the reader is of no use.
  GATEPOST_DECL result<std::optional<field_view>> next(
      std::string_view input, header_input kind = header_input::complete) noexcept;

  header_ending ending() const noexcept { return ending_; }
  // Octets of a "From " or ">From " line on top, which is no field; 0 where there is none.
  std::size_t mbox_line() const noexcept { return mbox_line_; }
  // Octets up to the end of the last field read.
  std::size_t fields_end() const noexcept { return start_; }
  // Where the body begins; only once the header has ended.
  std::size_t body_offset() const noexcept { return body_offset_; }

 private:
  result<std::size_t> mbox_line_of(std::string_view input, header_input kind) noexcept;
  result<std::size_t> blank_line_of(std::string_view input, header_input kind) const noexcept;
  result<std::size_t> colon_of(std::string_view input, header_input kind) noexcept;
  result<std::size_t> end_of(std::string_view input, header_input kind) noexcept;
  result<std::optional<field_view>> read_field(std::string_view input, header_input kind) noexcept;
  result<std::optional<field_view>> take(std::string_view input, std::size_t end) noexcept;
  std::optional<field_view> finish(header_ending ending, std::size_t blank_line) noexcept;
  result<std::size_t> within_limits(std::size_t end,
                                    const result<std::size_t>& otherwise) const noexcept;

  static constexpr std::size_t unknown = std::numeric_limits<std::size_t>::max();

  header_options options_;
  std::size_t start_ = 0;           // of the field that is being read
  std::size_t name_end_ = unknown;  // of that field
  std::size_t colon_ = unknown;
  std::size_t scanned_ = 0;  // no line of that field ends before here
  std::size_t count_ = 0;    // of fields read
  std::size_t mbox_line_ = 0;
  std::size_t body_offset_ = 0;
  bool begun_ = false;
  header_ending ending_ = header_ending::open;
};

// A whole header. Its mbox line, fields and blank line follow each other without a gap.
struct header_view {
  std::vector<field_view> fields;
  std::size_t mbox_line = 0;
  std::size_t fields_end = 0;
  std::size_t body_offset = 0;
  header_ending ending = header_ending::open;
};

// Reads the header of a message, or a header alone. Errors: those of header_reader but need_more.
GATEPOST_DECL result<header_view> read_header(std::string_view message,
                                              const header_options& options = {});

// The first field of that name in any case of letters, or nullptr.
GATEPOST_DECL const field_view* first_field(std::span<const field_view> fields,
                                            std::string_view name) noexcept;
// The last one.
GATEPOST_DECL const field_view* last_field(std::span<const field_view> fields,
                                           std::string_view name) noexcept;
// All of them, from top to bottom.
GATEPOST_DECL std::vector<const field_view*> all_fields(std::span<const field_view> fields,
                                                        std::string_view name);
GATEPOST_DECL std::size_t count_fields(std::span<const field_view> fields,
                                       std::string_view name) noexcept;

// The value as one line, without blanks at its ends (RFC 5322 §2.2.3): what stood behind a fold
// keeps its blanks. A CR, LF or NUL that is no fold becomes a blank. A view of `value` where
// nothing had to change, else of `storage`.
GATEPOST_DECL std::string_view unfolded(std::string_view value, std::string& storage);

// How many servers a message has passed: its Received fields (RFC 5321 §6.3).
GATEPOST_DECL std::size_t count_hops(std::span<const field_view> fields) noexcept;

// The host that a Received field's "by" clause names, brackets of a literal included; empty where
// it names none. Comments and quoted strings are skipped (RFC 5322 §3.2.2).
GATEPOST_DECL std::string_view received_by(std::string_view value) noexcept;

// How many Received fields name `host` as their writer: how often a message was here. One or two
// may be right (a forward that returns), a dozen is a loop.
GATEPOST_DECL std::size_t count_received_by(std::span<const field_view> fields,
                                            std::string_view host) noexcept;

// Whether the message was delivered to that mailbox before: the loop that a forward makes. Compared
// without regard to case.
GATEPOST_DECL bool delivered_before(std::span<const field_view> fields, std::string_view mailbox);

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/header_reader.ipp"
#endif

#endif  // GATEPOST_SMTP_HEADER_READER_HPP
