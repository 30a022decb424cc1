// RFC 6376 §3.4.3 and §3.4.4 written down as they are read: slow, on whole bodies, to compare with.
#ifndef GATEPOST_TESTS_SUPPORT_REFERENCE_CANONICAL_HPP
#define GATEPOST_TESTS_SUPPORT_REFERENCE_CANONICAL_HPP

#include <string>
#include <string_view>
#include <vector>

namespace gatepost::tests {

// The lines without their CRLF; a last one without CRLF counts unless it is empty.
inline std::vector<std::string> body_lines(std::string_view body) {
  std::vector<std::string> lines;
  while (!body.empty()) {
    const auto end = body.find("\r\n");
    lines.emplace_back(body.substr(0, end));
    body.remove_prefix(end == body.npos ? body.size() : end + 2);
  }
  return lines;
}

inline std::string joined(std::vector<std::string> lines) {
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  std::string out;
  for (const std::string& line : lines) out += line + "\r\n";
  return out;
}

inline std::string simple_body(std::string_view body) {
  const std::string out = joined(body_lines(body));
  return out.empty() ? "\r\n" : out;
}

inline std::string relaxed_body(std::string_view body) {
  std::vector<std::string> lines = body_lines(body);
  for (std::string& line : lines) {
    std::string reduced;
    for (const char c : line) {
      const bool blank = c == ' ' || c == '\t';
      if (!blank)
        reduced += c;
      else if (reduced.empty() || reduced.back() != ' ')
        reduced += ' ';
    }
    if (reduced.ends_with(' ')) reduced.pop_back();
    line = reduced;
  }
  return joined(lines);
}

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_REFERENCE_CANONICAL_HPP
