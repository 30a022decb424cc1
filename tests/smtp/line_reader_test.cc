// This header stands alone.
#include "smtp/line_reader.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/line_runs.hpp"

namespace gatepost::smtp {
namespace {

using tests::cut_every;
using tests::read_line;
using tests::read_lines;
using tests::reference_lines;
using tests::shown;

constexpr auto line = line_status::line;
constexpr auto too_long = line_status::too_long;
constexpr auto bare_cr = line_status::bare_cr;
constexpr auto bare_lf = line_status::bare_lf;
constexpr auto nul = line_status::nul;

struct lines_case {
  std::string sent;
  std::vector<read_line> strict;
  std::vector<read_line> normalise;
};

const std::vector<lines_case>& cases() {
  using namespace std::string_literals;
  static const std::vector<lines_case> all{
      {"", {}, {}},
      {"NOOP", {}, {}},
      {"NOOP\r", {}, {}},
      {"\r\n", {{line, ""}}, {{line, ""}}},
      {"NOOP\r\n", {{line, "NOOP"}}, {{line, "NOOP"}}},
      {"A\r\nB\r\nC", {{line, "A"}, {line, "B"}}, {{line, "A"}, {line, "B"}}},
      {"A\nB\r\n", {{bare_lf, ""}}, {{line, "A"}, {line, "B"}}},
      {"A\n", {}, {{line, "A"}}},
      {"\n\r\n", {{bare_lf, ""}}, {{line, ""}, {line, ""}}},
      {"A\rB\r\n", {{bare_cr, ""}}, {{bare_cr, ""}}},
      {"A\r\r\nB\r\n", {{bare_cr, ""}, {line, "B"}}, {{bare_cr, ""}, {line, "B"}}},
      {"A\rB\nC\r\n", {{bare_cr, ""}}, {{bare_cr, ""}, {line, "C"}}},
      {"A\0B\r\nC\r\n"s, {{nul, ""}, {line, "C"}}, {{nul, ""}, {line, "C"}}},
      {"A\r\0\n\r\n"s, {{bare_cr, ""}}, {{bare_cr, ""}, {line, ""}}},
      {"\0\r\rA\n\r\n"s, {{nul, ""}}, {{nul, ""}, {line, ""}}},
      {"\xff\x80 .\r\n", {{line, "\xff\x80 ."}}, {{line, "\xff\x80 ."}}},
      // What an injection hides behind a bare LF or CR is no command.
      {"HELO a\nMAIL FROM:<b>\r\n", {{bare_lf, ""}}, {{line, "HELO a"}, {line, "MAIL FROM:<b>"}}},
  };
  return all;
}

TEST(line_reader, splits_at_crlf_only) {
  for (const auto& [sent, strict, normalise] : cases()) {
    for (std::size_t part = 1; part <= sent.size() + 1; ++part) {
      const auto parts = cut_every(sent, part);
      EXPECT_EQ(read_lines(line_ends::strict, 512, parts), strict) << shown(sent);
      EXPECT_EQ(read_lines(line_ends::normalise, 512, parts), normalise) << shown(sent);
    }
    EXPECT_EQ(reference_lines(sent, line_ends::strict, 512), strict) << shown(sent);
    EXPECT_EQ(reference_lines(sent, line_ends::normalise, 512), normalise) << shown(sent);
  }
}

TEST(line_reader, every_sequence_of_five_at_every_split) {
  constexpr std::string_view letters{"\r\n\0ab", 5};
  for (unsigned number = 0; number < 5 * 5 * 5 * 5 * 5; ++number) {
    std::string sent;
    for (unsigned rest = number, i = 0; i < 5; ++i, rest /= 5) sent += letters[rest % 5];
    sent += "c\r\nd\r\n";
    for (const line_ends ends : {line_ends::strict, line_ends::normalise}) {
      for (const std::size_t limit : {3U, 5U, 512U}) {
        const auto want = reference_lines(sent, ends, limit);
        for (std::size_t part = 1; part <= sent.size(); ++part) {
          ASSERT_EQ(read_lines(ends, limit, cut_every(sent, part)), want) << shown(sent);
        }
      }
    }
  }
}

TEST(line_reader, random_lines_against_the_reference) {
  constexpr std::string_view letters{"\r\n\0.", 4};
  std::mt19937 random(512);
  for (int round = 0; round < 20000; ++round) {
    std::string sent;
    for (int i = 0; i < 12; ++i) {
      sent.append(random() % std::array{10U, 150U}[random() % 2], 'a');
      if (random() % 4 == 0) sent += letters[random() % letters.size()];
      if (random() % 2 == 0) sent += "\r\n";
    }
    const line_ends ends = round % 2 == 0 ? line_ends::strict : line_ends::normalise;
    const std::size_t limit = std::array{2U, 63U, 64U, 65U, 128U, 512U}[random() % 6];
    const auto want = reference_lines(sent, ends, limit);
    ASSERT_EQ(read_lines(ends, limit, {sent}), want) << shown(sent);
    ASSERT_EQ(read_lines(ends, limit, cut_every(sent, 1 + random() % 150)), want) << shown(sent);
  }
}

// RFC 5321 §4.5.3.1.4: the limit includes the CRLF.
TEST(line_reader, limit_counts_crlf) {
  for (const std::size_t limit : {2U, 63U, 64U, 65U, 512U, 12288U}) {
    const std::string most(limit - 2, 'a');
    for (const std::size_t part : {1U, 7U, 64U, 100000U}) {
      const std::vector<read_line> fits{{line, most}, {line, ""}};
      EXPECT_EQ(read_lines(line_ends::strict, limit, cut_every(most + "\r\n\r\n", part)), fits);
      const std::vector<read_line> longer{{too_long, ""}, {line, ""}};
      EXPECT_EQ(read_lines(line_ends::strict, limit, cut_every(most + "a\r\n\r\n", part)), longer);
    }
  }
}

TEST(line_reader, a_line_that_is_too_long_is_one_error_in_no_memory) {
  line_reader reader;
  const std::string part(1000, 'a');
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    const auto found = reader.next(part);
    ASSERT_EQ(found.status, line_status::need_more);
    ASSERT_EQ(found.consumed, part.size());
    ASSERT_EQ(reader.fault(), too_long);
    ASSERT_EQ(reader.pending(), i * 1000);
  }
  const auto found = reader.next("\r\nNOOP\r\n");
  EXPECT_EQ(found.status, too_long);
  EXPECT_EQ(found.consumed, 2U);
  EXPECT_EQ(reader.pending(), 0U);
  EXPECT_EQ(reader.next("NOOP\r\n").line, "NOOP");
}

TEST(line_reader, the_limit_may_change_from_call_to_call) {
  line_reader reader;
  const std::string long_line = std::string(1000, 'a') + "\r\n";
  EXPECT_EQ(reader.next(long_line, 512).status, too_long);
  const auto found = reader.next(long_line, max_auth_line);
  EXPECT_EQ(found.status, line);
  EXPECT_EQ(found.line.size(), 1000U);
}

TEST(line_reader, tells_a_fault_before_the_line_ends) {
  line_reader reader;
  const auto found = reader.next("EHLO client.example\n");
  EXPECT_EQ(found.status, line_status::need_more);
  EXPECT_EQ(reader.fault(), bare_lf);
  reader.reset();
  EXPECT_EQ(reader.fault(), line_status::need_more);
  EXPECT_EQ(reader.next("QUIT\r\n").line, "QUIT");
}

TEST(line_reader, a_line_is_a_view_of_the_input) {
  line_reader reader;
  const std::string input = "MAIL FROM:<a@b.example>\r\nDATA\r\n";
  EXPECT_EQ(reader.next(std::string_view(input).substr(0, 10)).consumed, 0U);
  const auto found = reader.next(input);
  EXPECT_EQ(found.line.data(), input.data());
  EXPECT_EQ(found.line, "MAIL FROM:<a@b.example>");
  EXPECT_EQ(found.consumed, 25U);
}

}  // namespace
}  // namespace gatepost::smtp
