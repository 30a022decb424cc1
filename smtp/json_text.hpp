// Writing JSON (RFC 8259) objects of strings and numbers, member by member, into one line.
//
// For logs: whatever a string holds, the line stays one line of valid JSON in UTF-8. Octets that
// are not UTF-8 become U+FFFD, and a string beyond the limit is cut. Sans-I/O.
#ifndef GATEPOST_SMTP_JSON_TEXT_HPP
#define GATEPOST_SMTP_JSON_TEXT_HPP

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp {

// Octets of one string of a log line. A path has 256 octets and a reply line 512.
inline constexpr std::size_t max_json_string = 2048;

// Appends `text` in quotes.
inline void append_json_string(std::string& out, std::string_view text) {
  constexpr char hex[] = "0123456789abcdef";
  const bool cut = text.size() > max_json_string;
  if (cut) text = text.substr(0, max_json_string);
  out.push_back('"');
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(text[at++]);
    } else if (const std::size_t n = utf8_sequence(text, at); n > 0) {
      const std::string_view one = text.substr(at, n);
      at += n;
      if (!is_control(one)) {
        out.append(one);
        continue;
      }
      // The last octet of a control is its code: those of C1 are 0xC2 and the code.
      const auto code = static_cast<unsigned char>(one.back());
      out.append("\\u00");
      out.push_back(hex[code >> 4]);
      out.push_back(hex[code & 15]);
    } else {
      out.append("\xEF\xBF\xBD");
      ++at;
    }
  }
  if (cut) out.append("...");
  out.push_back('"');
}

// One object; done() closes it.
class json_object {
 public:
  explicit json_object(std::string& out) : out_(out) { out_.push_back('{'); }

  json_object& add(std::string_view name, std::string_view value) {
    begin(name);
    append_json_string(out_, value);
    return *this;
  }
  json_object& add(std::string_view name, const char* value) {
    return add(name, std::string_view(value));
  }
  json_object& add(std::string_view name, bool value) {
    begin(name);
    out_.append(value ? "true" : "false");
    return *this;
  }
  json_object& add(std::string_view name, std::uint64_t value) {
    begin(name);
    char digits[24];
    out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    return *this;
  }
  json_object& add(std::string_view name, double value) {
    begin(name);
    char digits[40];
    const auto end =
        std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, 6);
    out_.append(digits, end.ec == std::errc{} ? end.ptr : digits);
    return *this;
  }
  // Only where there is something to say.
  json_object& add_if(std::string_view name, std::string_view value) {
    return value.empty() ? *this : add(name, value);
  }
  // A list of strings, one by one: begin_list, add_item..., end_list.
  json_object& begin_list(std::string_view name) {
    begin(name);
    out_.push_back('[');
    first_item_ = true;
    return *this;
  }
  json_object& add_item(std::string_view value) {
    if (!first_item_) out_.push_back(',');
    first_item_ = false;
    append_json_string(out_, value);
    return *this;
  }
  json_object& end_list() {
    out_.push_back(']');
    return *this;
  }
  void done() { out_.push_back('}'); }

 private:
  void begin(std::string_view name) {
    if (!first_) out_.push_back(',');
    first_ = false;
    append_json_string(out_, name);
    out_.push_back(':');
  }

  std::string& out_;
  bool first_ = true;
  bool first_item_ = true;
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_JSON_TEXT_HPP
