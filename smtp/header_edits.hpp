// Writing header fields, and changing the header of a message that has come in.
//
// write_field() is the one way by which text becomes a header field: whatever the value holds, it
// cannot end the field (RFC 5322 §2.2), and no line is longer than 998 octets (§2.1.1).
// header_edits says what to put on top of a message and which of its octets to leave out; nothing
// is copied until the pieces are written. No clock, no I/O.
#ifndef GATEPOST_SMTP_HEADER_EDITS_HPP
#define GATEPOST_SMTP_HEADER_EDITS_HPP

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::smtp {

// RFC 5322 §2.1.1, both without the CRLF.
inline constexpr std::size_t preferred_line_octets = 78;
inline constexpr std::size_t max_line_octets = 998;

// A longer run of blanks is cut to this in a written field: folding may not make a line of blanks
// only (RFC 5322 §3.2.2), and no value needs it.
inline constexpr std::size_t max_blank_run = 64;

// Appends "Name: value CRLF" to `out`, folded at blanks so that lines have at most 78 octets where
// blanks allow, and never more than 998. CR and LF in the value become a blank (where they were a
// fold, they vanish), NUL and the other controls '?', so no value can begin a field of its own.
// Blanks at the ends of the value are dropped. In the name, what a field name may not hold becomes
// '-'; an empty name becomes "-", and one of more than 76 octets is cut.
GATEPOST_DECL void write_field(std::string& out, std::string_view name, std::string_view value);

// Some octets of a header or message.
struct octet_range {
  std::size_t offset = 0;
  std::size_t size = 0;

  std::size_t end() const noexcept { return offset + size; }
  friend bool operator==(const octet_range&, const octet_range&) noexcept = default;
};

// How a message that has come in is changed on its way: what stands on top of it, what is left out.
class header_edits {
 public:
  // Puts a field on top of everything, also of the fields that were put there before.
  GATEPOST_DECL void prepend(std::string_view name, std::string_view value);

  // The same for fields that are written already: write_field() or smtp/trace.hpp made them, so
  // they are whole lines.
  GATEPOST_DECL void prepend_fields(std::string_view fields);

  // An empty line goes between what is put on top and the original: for one that begins with a
  // blank, which would else continue our last field (RFC 5322 §2.2.3), in the sender's words. At
  // most once.
  GATEPOST_DECL void end_header();

  // Leaves octets of the original out. Ranges may come in any order, and overlap.
  GATEPOST_DECL void erase(octet_range range);

  // The whole edited text in one string. For large messages see edited_pieces.
  GATEPOST_DECL std::string apply_to(std::string_view original) const;

  bool empty() const noexcept { return prepended_.empty() && erased_.empty(); }
  const std::string& prepended() const noexcept { return prepended_; }
  // In order, none empty, none touching the next.
  const std::vector<octet_range>& erased() const noexcept { return erased_; }

 private:
  std::string prepended_;
  std::vector<octet_range> erased_;
};

// The message that edits make, piece by piece. `original` is the message, or its beginning: what
// lies beyond the edits may be sent after the last piece. Both must stay alive and unchanged
// meanwhile.
//
//     edited_pieces pieces(edits, header);
//     while (const auto piece = pieces.next()) write(*piece);
class edited_pieces {
 public:
  edited_pieces(const header_edits& edits, std::string_view original) noexcept
      : edits_(&edits), original_(original) {}

  // The next octets, never empty; nothing at the end.
  GATEPOST_DECL std::optional<std::string_view> next() noexcept;

 private:
  const header_edits* edits_;
  std::string_view original_;
  std::size_t offset_ = 0;  // octets of the original that are behind us
  std::size_t erased_ = 0;  // erased ranges that are behind us
  bool prepended_ = false;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/header_edits.ipp"
#endif

#endif  // GATEPOST_SMTP_HEADER_EDITS_HPP
