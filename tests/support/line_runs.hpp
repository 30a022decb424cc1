// Runs line_reader over octets that arrive in any split, beside a slow reference.
#ifndef GATEPOST_TESTS_SUPPORT_LINE_RUNS_HPP
#define GATEPOST_TESTS_SUPPORT_LINE_RUNS_HPP

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/line_reader.hpp"
#include "tests/support/data_runs.hpp"

namespace gatepost::tests {

using read_line = std::pair<smtp::line_status, std::string>;

// The lines of `sent`, as RFC 5321 §2.3.8 has them, each judged as a whole.
inline std::vector<read_line> reference_lines(std::string_view sent, smtp::line_ends ends,
                                              std::size_t limit) {
  const std::string_view line_end = ends == smtp::line_ends::strict ? "\r\n" : "\n";
  std::vector<read_line> lines;
  for (std::size_t end; (end = sent.find(line_end)) != sent.npos; sent.remove_prefix(end)) {
    end += line_end.size();
    const std::string_view line = sent.substr(0, end);
    auto status = smtp::line_status::line;
    for (std::size_t i = 0; i < line.size() && status == smtp::line_status::line; ++i) {
      if (i >= limit) {
        status = smtp::line_status::too_long;
      } else if (i > 0 && line[i - 1] == '\r' && line[i] != '\n') {
        status = smtp::line_status::bare_cr;
      } else if (line[i] == '\n' && i + 1 != line.size()) {
        status = smtp::line_status::bare_lf;
      } else if (line[i] == '\0') {
        status = smtp::line_status::nul;
      }
    }
    std::string_view content = line.substr(0, line.size() - 1);
    if (content.ends_with('\r')) content.remove_suffix(1);
    if (status != smtp::line_status::line) content = {};
    lines.emplace_back(status, content);
  }
  return lines;
}

// The lines that the reader finds where the octets arrive in these parts. The buffer is as large as
// what it holds, and may not hold `limit` octets without a line in it.
inline std::vector<read_line> read_lines(smtp::line_ends ends, std::size_t limit,
                                         const std::vector<std::string_view>& parts) {
  smtp::line_reader reader(ends);
  std::vector<read_line> lines;
  std::string buffer;
  for (const std::string_view part : parts) {
    buffer += part;
    for (;;) {
      const guarded_octets octets(buffer);
      const auto found = reader.next(octets.view(), limit);
      if (found.status != smtp::line_status::need_more)
        lines.emplace_back(found.status, found.line);
      buffer.erase(0, found.consumed);
      if (found.status == smtp::line_status::need_more) break;
      if (found.consumed == 0) throw std::logic_error("a line without octets");
    }
    if (buffer.size() >= limit) throw std::logic_error("too much is kept");
  }
  return lines;
}

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_LINE_RUNS_HPP
