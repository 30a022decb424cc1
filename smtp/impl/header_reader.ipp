#ifndef GATEPOST_SMTP_IMPL_HEADER_READER_IPP
#define GATEPOST_SMTP_IMPL_HEADER_READER_IPP

#include <algorithm>

#include "smtp/header_reader.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp {
namespace detail::header {

inline constexpr std::string_view blanks_and_line_ends = " \t\r\n";

inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

// What a value may hold only as part of a fold. None of them is above CR, which is the usual
// answer.
inline bool is_breaking(char c) {
  return static_cast<unsigned char>(c) <= '\r' && (c == '\r' || c == '\n' || c == '\0');
}

// The offset of the first such octet at or after `from`, or the size of the text.
inline std::size_t breaking_at(std::string_view text, std::size_t from) {
  while (from < text.size() && !is_breaking(text[from])) ++from;
  return from;
}

// RFC 5322 §3.6.8 ftext.
inline bool is_name_octet(char c) { return c > ' ' && c < 0x7f && c != ':'; }

inline std::string_view trimmed(std::string_view text) {
  const auto begin = std::min(text.find_first_not_of(blanks_and_line_ends), text.size());
  return text.substr(begin, text.find_last_not_of(blanks_and_line_ends) + 1 - begin);
}

inline std::string_view without_line_end(std::string_view text, header_lines lines) {
  if (text.ends_with("\r\n")) return text.substr(0, text.size() - 2);
  if (lines == header_lines::crlf_or_lf && text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

// The offset behind the first line end at or after `from`, or npos.
inline std::size_t line_after(std::string_view input, std::size_t from, header_lines lines) {
  for (;;) {
    const auto lf = input.find('\n', from);
    if (lf == input.npos) return lf;
    if (lines == header_lines::crlf_or_lf || (lf > 0 && input[lf - 1] == '\r')) return lf + 1;
    from = lf + 1;
  }
}

// Octets of the line end, with a blank behind it, at text[at]: those that unfolding takes away.
inline std::size_t fold_at(std::string_view text, std::size_t at) {
  const std::size_t size = text[at] == '\n' ? 1 : text.substr(at, 2) == "\r\n" ? 2 : 0;
  return size != 0 && at + size < text.size() && is_blank(text[at + size]) ? size : 0;
}

// RFC 5322 §3.2.2: `text` begins with '('. The octets of the comment and those nested in it.
inline std::size_t comment_size(std::string_view text) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '(') {
      ++depth;
    } else if (text[i] == ')' && --depth == 0) {
      return i + 1;
    }
  }
  return text.size();
}

// RFC 5322 §3.2.4: `text` begins with '"'.
inline std::size_t quoted_size(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return text.size();
}

// Takes the next word of a Received field off `text`; empty before the date and at the end.
inline std::string_view take_word(std::string_view& text) {
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(blanks_and_line_ends), text.size()));
    if (!text.starts_with('(')) break;
    text.remove_prefix(comment_size(text));
  }
  const auto size = text.starts_with('"')
                        ? quoted_size(text)
                        : std::min(text.find_first_of(" \t\r\n(;\""), text.size());
  const auto word = text.substr(0, size);
  text.remove_prefix(size);
  return word;
}

}  // namespace detail::header

GATEPOST_DECL result<std::optional<field_view>> header_reader::next(std::string_view input,
                                                                    header_input kind) noexcept {
  if (ending_ != header_ending::open) return std::optional<field_view>();
  if (!begun_) {
    const auto mbox_line = mbox_line_of(input, kind);
    if (!mbox_line) return mbox_line.error();
    mbox_line_ = start_ = scanned_ = *mbox_line;
    begun_ = true;
  }
  return read_field(input, kind);
}

GATEPOST_DECL result<std::optional<field_view>> header_reader::read_field(
    std::string_view input, header_input kind) noexcept {
  if (colon_ == unknown) {
    const auto blank_line = blank_line_of(input, kind);
    if (!blank_line) return blank_line.error();
    if (*blank_line != 0) return finish(header_ending::blank_line, *blank_line);
    if (start_ == input.size()) return finish(header_ending::input_end, 0);
    const auto colon = colon_of(input, kind);
    if (!colon && colon.error() == errc::need_more) return errc::need_more;
    if (!colon) return finish(header_ending::not_a_field, 0);
    colon_ = *colon;
    scanned_ = colon_ + 1;
  }
  const auto end = end_of(input, kind);
  if (!end) return end.error();
  return take(input, *end);
}

// What mailbox files put on top of a message; "From : x" is a field all the same.
GATEPOST_DECL result<std::size_t> header_reader::mbox_line_of(std::string_view input,
                                                              header_input kind) noexcept {
  const bool partial = kind == header_input::partial;
  for (const std::string_view tag : {"From ", ">From "}) {
    const auto beginning = input.substr(0, tag.size());
    if (beginning != tag.substr(0, beginning.size())) continue;
    const auto after = input.find_first_not_of(" \t", tag.size());
    if (partial && beginning != tag) return errc::need_more;
    if (partial && after == input.npos) return within_limits(input.size(), errc::need_more);
    if (beginning != tag) continue;
    if (after < max_field_name_octets && after != input.npos && input[after] == ':') continue;
    scanned_ = std::max(scanned_, tag.size());
    const auto end = detail::header::line_after(input, scanned_, options_.lines);
    if (end != input.npos) return within_limits(end, end);
    scanned_ = input.size();
    return partial ? within_limits(scanned_, errc::need_more) : within_limits(scanned_, scanned_);
  }
  return std::size_t{0};
}

// 0 where the line at start_ is another one, or there is none.
GATEPOST_DECL result<std::size_t> header_reader::blank_line_of(std::string_view input,
                                                               header_input kind) const noexcept {
  const auto rest = input.substr(start_);
  if (rest.starts_with("\r\n")) return std::size_t{2};
  if (options_.lines == header_lines::crlf_or_lf && rest.starts_with('\n')) return std::size_t{1};
  if (kind == header_input::partial && (rest.empty() || rest == "\r")) return errc::need_more;
  return std::size_t{0};
}

// errc::bad_header_field where the line at start_ is no field.
GATEPOST_DECL result<std::size_t> header_reader::colon_of(std::string_view input,
                                                          header_input kind) noexcept {
  const std::size_t limit = std::min(input.size(), start_ + max_field_name_octets);
  std::size_t at = start_;
  while (at < limit && detail::header::is_name_octet(input[at])) ++at;
  name_end_ = at;
  while (at < limit && detail::header::is_blank(input[at])) ++at;
  if (at < limit) {
    if (name_end_ == start_ || input[at] != ':') return errc::bad_header_field;
    return at;
  }
  const bool more = kind == header_input::partial && at < start_ + max_field_name_octets;
  return more && name_end_ != start_ ? errc::need_more : errc::bad_header_field;
}

// The offset behind the field that begins at start_: the first line end that no blank follows.
GATEPOST_DECL result<std::size_t> header_reader::end_of(std::string_view input,
                                                        header_input kind) noexcept {
  const bool partial = kind == header_input::partial;
  for (;;) {
    const auto end = detail::header::line_after(input, scanned_, options_.lines);
    if (end == input.npos) {
      scanned_ = input.size();
      return partial ? within_limits(scanned_, errc::need_more) : within_limits(scanned_, scanned_);
    }
    scanned_ = end - 1;  // where it is found again when the next line has begun
    if (partial && end == input.size()) return within_limits(end, errc::need_more);
    if (end == input.size() || !detail::header::is_blank(input[end]))
      return within_limits(end, end);
    scanned_ = end + 1;
  }
}

GATEPOST_DECL result<std::optional<field_view>> header_reader::take(std::string_view input,
                                                                    std::size_t end) noexcept {
  if (++count_ > options_.fields) return errc::too_many_header_fields;
  field_view field;
  field.name = input.substr(start_, name_end_ - start_);
  field.value =
      detail::header::without_line_end(input.substr(colon_ + 1, end - colon_ - 1), options_.lines);
  field.octets = {start_, end - start_};
  start_ = scanned_ = end;
  name_end_ = colon_ = unknown;
  return std::optional(field);
}

GATEPOST_DECL std::optional<field_view> header_reader::finish(header_ending ending,
                                                              std::size_t blank_line) noexcept {
  ending_ = ending;
  body_offset_ = start_ + blank_line;
  return std::nullopt;
}

// `otherwise`, unless a field from start_ to `end` passes a limit; the one it passes first is
// reported.
GATEPOST_DECL result<std::size_t> header_reader::within_limits(
    std::size_t end, const result<std::size_t>& otherwise) const noexcept {
  const std::size_t size = end - start_;
  if (size <= options_.field_octets && end <= options_.header_octets) return otherwise;
  const bool field_first = options_.field_octets < options_.header_octets &&
                           start_ < options_.header_octets - options_.field_octets;
  return field_first ? errc::header_field_too_long : errc::header_too_big;
}

GATEPOST_DECL result<header_view> read_header(std::string_view message,
                                              const header_options& options) {
  header_reader reader(options);
  header_view header;
  for (;;) {
    const auto field = reader.next(message);
    if (!field) return field.error();
    if (!*field) break;
    header.fields.push_back(**field);
  }
  header.mbox_line = reader.mbox_line();
  header.fields_end = reader.fields_end();
  header.body_offset = reader.body_offset();
  header.ending = reader.ending();
  return header;
}

GATEPOST_DECL const field_view* first_field(std::span<const field_view> fields,
                                            std::string_view name) noexcept {
  for (const auto& field : fields) {
    if (equal_ignoring_case(field.name, name)) return &field;
  }
  return nullptr;
}

GATEPOST_DECL const field_view* last_field(std::span<const field_view> fields,
                                           std::string_view name) noexcept {
  for (std::size_t i = fields.size(); i-- > 0;) {
    if (equal_ignoring_case(fields[i].name, name)) return &fields[i];
  }
  return nullptr;
}

GATEPOST_DECL std::vector<const field_view*> all_fields(std::span<const field_view> fields,
                                                        std::string_view name) {
  std::vector<const field_view*> found;
  for (const auto& field : fields) {
    if (equal_ignoring_case(field.name, name)) found.push_back(&field);
  }
  return found;
}

GATEPOST_DECL std::size_t count_fields(std::span<const field_view> fields,
                                       std::string_view name) noexcept {
  return static_cast<std::size_t>(std::count_if(
      fields.begin(), fields.end(),
      [name](const field_view& field) { return equal_ignoring_case(field.name, name); }));
}

GATEPOST_DECL std::string_view unfolded(std::string_view value, std::string& storage) {
  value = detail::header::trimmed(value);
  if (detail::header::breaking_at(value, 0) == value.size()) return value;
  storage.clear();
  for (std::size_t at = 0; at < value.size();) {
    const auto next = detail::header::breaking_at(value, at);
    storage += value.substr(at, next - at);
    at = next;
    if (at == value.size()) break;
    const auto fold = detail::header::fold_at(value, at);
    if (fold == 0) storage += ' ';
    at += std::max<std::size_t>(fold, 1);
  }
  return storage;
}

GATEPOST_DECL std::size_t count_hops(std::span<const field_view> fields) noexcept {
  return count_fields(fields, "Received");
}

GATEPOST_DECL std::string_view received_by(std::string_view value) noexcept {
  for (;;) {
    const auto word = detail::header::take_word(value);
    if (word.empty()) return {};
    if (equal_ignoring_case(word, "by")) return detail::header::take_word(value);
    // The name that a client gave itself is no keyword, even if it is "by".
    if (equal_ignoring_case(word, "from")) detail::header::take_word(value);
  }
}

GATEPOST_DECL std::size_t count_received_by(std::span<const field_view> fields,
                                            std::string_view host) noexcept {
  return static_cast<std::size_t>(
      std::count_if(fields.begin(), fields.end(), [host](const field_view& field) {
        return equal_ignoring_case(field.name, "Received") &&
               equal_ignoring_case(received_by(field.value), host);
      }));
}

GATEPOST_DECL bool delivered_before(std::span<const field_view> fields, std::string_view mailbox) {
  std::string storage;
  return std::any_of(fields.begin(), fields.end(), [&](const field_view& field) {
    if (!equal_ignoring_case(field.name, "Delivered-To")) return false;
    auto value = unfolded(field.value, storage);
    if (value.starts_with('<') && value.ends_with('>')) value = value.substr(1, value.size() - 2);
    return equal_ignoring_case(value, mailbox);
  });
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_HEADER_READER_IPP
