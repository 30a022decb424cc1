#ifndef GATEPOST_SMTP_IMPL_REPLY_IPP
#define GATEPOST_SMTP_IMPL_REPLY_IPP

#include <charconv>

#include "smtp/detail/plain_text.hpp"
#include "smtp/reply.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp {
namespace detail {

// Where the digits end that were written at `to`. Nearly all numbers of replies have one digit.
inline char* write_number(char* to, unsigned value) {
  if (value < 10) {
    *to = static_cast<char>('0' + value);
    return to + 1;
  }
  return std::to_chars(to, to + 10, value).ptr;
}

// "250-2.1.0 " or "250 2.1.0 ".
inline void append_prefix(std::string& out, int code, enhanced_code enhanced, bool last) {
  char prefix[64];
  char* end = write_number(prefix, static_cast<unsigned>(code));
  *end++ = last ? ' ' : '-';
  if (!enhanced.empty()) {
    end = write_number(end, enhanced.klass);
    *end++ = '.';
    end = write_number(end, enhanced.subject);
    *end++ = '.';
    end = write_number(end, enhanced.detail);
    *end++ = ' ';
  }
  out.append(prefix, end);
}

// RFC 5321 §4.2: textstring = 1*(%d09 / %d32-126). UTF-8 passes (RFC 6531 §3.7.4.2); controls do
// not, nor does what is neither.
inline void append_text(std::string& out, std::string_view line) {
  const std::size_t start = out.size();
  out.append(line);
  if (is_plain_text(line)) return;
  const bool utf8 = valid_utf8(line);
  for (std::size_t i = start; i < out.size(); ++i) {
    const auto c = static_cast<unsigned char>(out[i]);
    if ((c < 0x20 && c != '\t') || c == 0x7F) out[i] = ' ';
    if (c >= 0x80 && !utf8) out[i] = '?';
  }
}

inline void append_reply_lines(std::string& out, int code, enhanced_code enhanced,
                               std::string_view text, std::string_view id) {
  // Code, separator, enhanced code ("5.999.999 ") and CRLF; " (" and ")" around an id, which is cut
  // too.
  constexpr std::size_t around = 4 + 10 + 2;
  id = id.substr(0, reply::max_line / 4);
  for (std::size_t lines = 1;; ++lines) {
    const std::size_t newline = text.find('\n');
    const bool last = newline == std::string_view::npos || lines == reply::max_lines;
    const bool quotes = last && !id.empty();
    std::string_view line = text.substr(0, newline);
    if (line.ends_with('\r')) line.remove_suffix(1);
    append_prefix(out, code, enhanced, last);
    append_text(out, cut_text(line, reply::max_line - around - (quotes ? id.size() + 3 : 0)));
    if (quotes) {
      out.append(" (");
      append_text(out, id);
      out.push_back(')');
    }
    out.append("\r\n");
    if (last) return;
    text.remove_prefix(newline + 1);
  }
}

}  // namespace detail

GATEPOST_DECL std::string_view cut_text(std::string_view text, std::size_t room) {
  if (text.size() <= room) return text;
  const auto continues = [text](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  std::size_t end = room;
  while (end > 0 && end + 3 > room && continues(end)) --end;
  return text.substr(0, continues(end) ? room : end);
}

GATEPOST_DECL reply::reply(int code, enhanced_code enhanced, std::string text)
    : code_(static_cast<std::uint16_t>(code < 200 || code > 599 ? 451 : code)),
      enhanced_(enhanced),
      owned_(std::move(text)) {
  const auto klass = static_cast<std::uint8_t>(code_ / 100);
  // RFC 3463 §2 knows the classes 2, 4 and 5; RFC 2034 §4: no enhanced code in a 3xx reply.
  if (klass == 3) enhanced_ = {};
  const bool bad = enhanced_.klass != klass || enhanced_.subject > 999 || enhanced_.detail > 999;
  if (!enhanced_.empty() && bad) enhanced_ = {klass, 0, 0};
}

GATEPOST_DECL reply reply::quoting(std::string_view id) const {
  reply r = *this;
  r.owned_.assign(text());
  r.owned_.append(" (").append(id).append(")");
  return r;
}

GATEPOST_DECL void reply::append_to(std::string& out, bool with_enhanced,
                                    std::string_view id) const {
  detail::append_reply_lines(out, code_, with_enhanced ? enhanced_ : enhanced_code{}, text(), id);
}

GATEPOST_DECL std::string reply::to_string() const {
  std::string out;
  detail::append_prefix(out, code_, enhanced_, true);
  const std::size_t start = out.size();
  out.append(text());
  for (std::size_t i = start; i < out.size(); ++i)
    if (static_cast<unsigned char>(out[i]) < 0x20 || out[i] == 0x7F) out[i] = ' ';
  return out;
}

GATEPOST_DECL void append_reply(std::string& out, const fixed_reply& r, bool with_enhanced,
                                std::string_view id) {
  detail::append_reply_lines(out, r.code, with_enhanced ? r.enhanced : enhanced_code{}, r.text, id);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_REPLY_IPP
