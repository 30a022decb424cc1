#ifndef GATEPOST_SMTP_IMPL_REPLY_READER_IPP
#define GATEPOST_SMTP_IMPL_REPLY_READER_IPP

#include <optional>

#include "smtp/reply_reader.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp {
namespace detail {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// RFC 5321 §4.2: three digits, then '-', a blank, or the end. Second and third digits that nobody
// has defined are read by the first (§4.3.2).
inline std::optional<int> read_reply_code(std::string_view line) {
  if (line.size() < 3 || line[0] < '2' || line[0] > '5') return std::nullopt;
  if (!is_digit(line[1]) || !is_digit(line[2])) return std::nullopt;
  if (line.size() > 3 && line[3] != '-' && line[3] != ' ') return std::nullopt;
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

// One to three digits without a leading zero (RFC 3463 §2), taken from the front of `text`.
inline std::optional<std::uint16_t> read_code_part(std::string_view& text) {
  std::size_t n = 0;
  unsigned value = 0;
  for (; n < text.size() && n < 3 && is_digit(text[n]); ++n) value = value * 10 + (text[n] - '0');
  if (n == 0 || (n > 1 && text[0] == '0')) return std::nullopt;
  text.remove_prefix(n);
  return static_cast<std::uint16_t>(value);
}

inline bool take_dot(std::string_view& text) {
  if (text.empty() || text.front() != '.') return false;
  text.remove_prefix(1);
  return true;
}

// The text of a reply as logs and terminals may see it. UTF-8 stays (RFC 6531 §3.7.4.2).
inline void append_visible(std::string& out, std::string_view line) {
  for (std::size_t at = 0; at < line.size();) {
    const std::string_view one = character_at(line, at);
    at += one.size();
    if (is_control(one))
      out.push_back(one[0] == '\t' ? ' ' : '?');
    else
      out.append(one);
  }
}

}  // namespace detail

GATEPOST_DECL enhanced_code read_enhanced_code(std::string_view text, int code, std::size_t& size) {
  size = 0;
  const std::size_t before = text.size();
  const auto klass = detail::read_code_part(text);
  if (!klass || *klass != code / 100 || *klass == 3 || !detail::take_dot(text)) return {};
  const auto subject = detail::read_code_part(text);
  if (!subject || !detail::take_dot(text)) return {};
  const auto detail_part = detail::read_code_part(text);
  if (!detail_part || (!text.empty() && text.front() != ' ')) return {};
  size = before - text.size() + (text.empty() ? 0 : 1);
  return {static_cast<std::uint8_t>(*klass), *subject, *detail_part};
}

GATEPOST_DECL reply server_reply::to_reply(std::size_t room) const {
  std::string plain;
  std::string_view rest = text_;
  for (bool more = true; more;) {
    const std::size_t newline = rest.find('\n');
    more = newline != std::string_view::npos;
    std::string_view line = rest.substr(0, newline);
    std::size_t skip = 0;
    // RFC 2034 §4: every line of the reply has the code.
    if (read_enhanced_code(line, code_, skip) == enhanced_) line.remove_prefix(skip);
    plain.append(line);
    if (!more || plain.size() >= room) break;
    plain.push_back('\n');
    rest.remove_prefix(newline + 1);
  }
  plain.resize(cut_text(plain, room).size());
  plain.shrink_to_fit();
  return {code_, enhanced_, std::move(plain)};
}

GATEPOST_DECL reply_state reply_reader::read(std::string_view& input) {
  while (!complete_ && error_ == errc{} && !input.empty()) {
    const std::size_t newline = input.find('\n');
    const bool whole = newline != std::string_view::npos;
    const std::size_t taken = whole ? newline + 1 : input.size();
    octets_ += taken;
    if (line_.size() + taken > limits_.line || octets_ > limits_.octets) {
      fail(errc::reply_too_long);
      break;
    }
    line_.append(input.substr(0, whole ? newline : taken));
    input.remove_prefix(taken);
    if (whole) take_line();
  }
  if (error_ != errc{}) return reply_state::failed;
  return complete_ ? reply_state::complete : reply_state::partial;
}

GATEPOST_DECL void reply_reader::take_line() {
  if (!line_.empty() && line_.back() == '\r') line_.pop_back();
  const auto code = detail::read_reply_code(line_);
  // RFC 5321 §4.2.1: the code is the same on every line. Which one would hold otherwise?
  if (!code || (lines_ > 0 && *code != reply_.code_)) return fail(errc::bad_reply);
  if (++lines_ > limits_.lines) return fail(errc::reply_too_long);
  std::string_view text = line_;
  text.remove_prefix(text.size() > 3 ? 4 : 3);
  if (lines_ > 1) reply_.text_.push_back('\n');
  const std::size_t start = reply_.text_.size();
  detail::append_visible(reply_.text_, text);
  if (lines_ == 1) {
    reply_.code_ = *code;
    std::size_t ignored = 0;
    const auto visible = std::string_view(reply_.text_).substr(start);
    reply_.enhanced_ = read_enhanced_code(visible, *code, ignored);
  }
  complete_ = line_.size() == 3 || line_[3] != '-';
  line_.clear();
}

GATEPOST_DECL void reply_reader::next() {
  reply_.code_ = 0;
  reply_.enhanced_ = {};
  // A connection that is kept for later keeps no memory of the longest reply that it ever saw.
  constexpr std::size_t kept = 4096;
  reply_.text_.clear();
  if (reply_.text_.capacity() > kept) std::string().swap(reply_.text_);
  line_.clear();
  octets_ = 0;
  lines_ = 0;
  complete_ = false;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_REPLY_READER_IPP
