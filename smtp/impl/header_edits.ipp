#ifndef GATEPOST_SMTP_IMPL_HEADER_EDITS_IPP
#define GATEPOST_SMTP_IMPL_HEADER_EDITS_IPP

#include <algorithm>
#include <array>
#include <cassert>
#include <span>
#include <utility>

#include "smtp/header_edits.hpp"

namespace gatepost::smtp {
namespace detail::edits {

inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

inline bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// An octet that does not begin a character of UTF-8.
inline bool is_utf8_tail(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// RFC 5322 §2.2: printable ASCII but the colon.
inline void append_name(std::string& out, std::string_view name) {
  // With the colon and a blank, a longer one would leave the value no room.
  name = name.substr(0, preferred_line_octets - 2);
  if (name.empty()) out += '-';
  for (const char c : name) out += c > ' ' && c < 0x7f && c != ':' ? c : '-';
}

inline char harmless(char c) { return is_control(c) ? '?' : c; }

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto begin = std::min(text.find_first_not_of(blanks), text.size());
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// Writes words so that the lines keep their limits. A word goes to a new line with the blanks
// before it, which are the fold; the first one stays beside the name, where some readers need it.
class folder {
 public:
  folder(std::string& out, std::size_t line_start) : out_(out), line_start_(line_start) {}

  void append(std::string_view gap, std::string_view word) {
    std::array<char, max_blank_run> room;
    const auto blanks = blanks_of(gap, room);
    const std::size_t width = out_.size() - line_start_ + blanks.size() + word.size();
    if (width > preferred_line_octets && (!first_ || width > max_line_octets)) fold();
    first_ = false;
    out_ += blanks;
    while (out_.size() - line_start_ + word.size() > max_line_octets) break_word(word);
    for (const char c : word) out_ += harmless(c);
  }

 private:
  // A gap without its line ends, which are an older fold or an attempt to end the field.
  static std::string_view blanks_of(std::string_view gap, std::span<char> room) {
    std::size_t size = 0;
    for (const char c : gap) {
      if (is_blank(c) && size < room.size()) room[size++] = c;
    }
    if (size == 0) room[size++] = ' ';
    return {room.data(), size};
  }

  void fold() {
    out_ += "\r\n";
    line_start_ = out_.size();
  }

  // A word of more than 998 octets: no blank to fold at, so one is put in, between two characters.
  void break_word(std::string_view& word) {
    const std::size_t room = max_line_octets - (out_.size() - line_start_);
    std::size_t size = room;
    while (size > room - 3 && is_utf8_tail(word[size])) --size;
    for (const char c : word.substr(0, size)) out_ += harmless(c);
    word.remove_prefix(size);
    fold();
    out_ += ' ';
  }

  std::string& out_;
  std::size_t line_start_;
  bool first_ = true;
};

}  // namespace detail::edits

GATEPOST_DECL void write_field(std::string& out, std::string_view name, std::string_view value) {
  namespace impl = detail::edits;
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t line_start = out.size();
  impl::append_name(out, name);
  out += ':';
  value = impl::trimmed(value);
  impl::folder folder(out, line_start);
  for (std::string_view gap = " "; !value.empty();) {
    const auto word = value.substr(0, value.find_first_of(blanks));
    folder.append(gap, word);
    value.remove_prefix(word.size());
    gap = value.substr(0, value.find_first_not_of(blanks));
    value.remove_prefix(gap.size());
  }
  out += "\r\n";
}

GATEPOST_DECL void header_edits::prepend(std::string_view name, std::string_view value) {
  std::string field;
  write_field(field, name, value);
  prepend_fields(field);
}

GATEPOST_DECL void header_edits::prepend_fields(std::string_view fields) {
  assert(fields.empty() || fields.ends_with("\r\n"));
  prepended_.insert(0, fields);
}

GATEPOST_DECL void header_edits::end_header() { prepended_ += "\r\n"; }

GATEPOST_DECL void header_edits::erase(octet_range range) {
  if (range.size == 0) return;
  const auto first = std::find_if(erased_.begin(), erased_.end(), [&](const octet_range& other) {
    return other.end() >= range.offset;
  });
  auto last = first;
  std::size_t end = range.end();
  for (; last != erased_.end() && last->offset <= end; ++last) end = std::max(end, last->end());
  if (first != last) range.offset = std::min(range.offset, first->offset);
  range.size = end - range.offset;
  erased_.insert(erased_.erase(first, last), range);
}

GATEPOST_DECL std::optional<std::string_view> edited_pieces::next() noexcept {
  if (!std::exchange(prepended_, true) && !edits_->prepended().empty()) return edits_->prepended();
  const auto& erased = edits_->erased();
  while (offset_ < original_.size()) {
    const bool more = erased_ < erased.size();
    const auto stop = more ? std::min(erased[erased_].offset, original_.size()) : original_.size();
    const auto kept = original_.substr(offset_, stop - offset_);
    offset_ = stop;
    if (more && stop < original_.size()) offset_ = erased[erased_++].end();
    if (!kept.empty()) return kept;
  }
  return std::nullopt;
}

GATEPOST_DECL std::string header_edits::apply_to(std::string_view original) const {
  std::string out;
  edited_pieces pieces(*this, original);
  while (const auto piece = pieces.next()) out += *piece;
  return out;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_HEADER_EDITS_IPP
