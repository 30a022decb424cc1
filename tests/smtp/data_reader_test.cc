// This header stands alone.
#include "smtp/data_reader.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/data_runs.hpp"
#include "tests/support/json.hpp"
#include "tests/support/reference_data_decoder.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::smtp {
namespace {

using tests::cut;
using tests::cut_every;
using tests::json;
using tests::read_chunks;
using tests::read_data;
using tests::reference_data;
using tests::reference_data_decoder;
using tests::shown;

constexpr data_options strict{};
constexpr data_options normalise{.ends = line_ends::normalise};
constexpr std::string_view alphabet{"\r\n.\0a", 5};

const json& vectors() {
  static const json all = tests::parse_json(tests::read_file("tests/data/end_of_data.json"));
  return all;
}

// The octets of a string in the vectors.
std::string octets(const json& text) { return text.string(); }

// What a vector wants; `normalise` stands only where it differs.
const json& wanted(const json& vector, line_ends ends) {
  const json* other = ends == line_ends::normalise ? vector.find("normalise") : nullptr;
  return other != nullptr ? *other : vector["strict"];
}

std::map<violation, std::uint64_t> violations_of(const json& want) {
  static const std::map<std::string, violation> names{{"bare_cr", violation::bare_cr},
                                                      {"bare_lf", violation::bare_lf},
                                                      {"nul", violation::nul},
                                                      {"long_line", violation::long_line}};
  std::map<violation, std::uint64_t> all;
  for (const auto& [name, at] : want["violations"].object()) {
    all.emplace(names.at(name), static_cast<std::uint64_t>(at.integer()));
  }
  return all;
}

// Every way to cut a short input, every pair of cuts of a middling one, every cut of a long one.
std::vector<std::vector<std::size_t>> cuts_of(std::size_t size) {
  std::vector<std::vector<std::size_t>> all{{}};
  if (size <= 9) {
    for (std::size_t set = 1; set < std::size_t{1} << (size == 0 ? 0 : size - 1); ++set) {
      all.emplace_back();
      for (std::size_t i = 1; i < size; ++i) {
        if ((set >> (i - 1) & 1) != 0) all.back().push_back(i);
      }
    }
    return all;
  }
  all.emplace_back();
  for (std::size_t i = 1; i < size; ++i) {
    all[1].push_back(i);
    all.push_back({i});
    for (std::size_t j = i + 1; j < size && size < 64; ++j) all.push_back({i, j});
  }
  return all;
}

void expect_everywhere(data_options options, std::string_view sent, const reference_data& want) {
  for (const auto& at : cuts_of(sent.size())) {
    const reference_data got = read_data(options, cut(sent, at));
    ASSERT_EQ(got, want) << shown(sent) << " cut at " << testing::PrintToString(at);
  }
}

void run_vector(const json& vector, line_ends ends) {
  const std::string sent = octets(vector["input"]);
  const json& want = wanted(vector, ends);
  const data_options options{.ends = ends};
  const reference_data reference = reference_data_decoder(options).data(sent);
  EXPECT_EQ(reference.end, want["end"].boolean());
  EXPECT_EQ(reference.violations, violations_of(want));
  if (reference.end) {
    EXPECT_EQ(shown(reference.text), shown(octets(want["message"])));
    EXPECT_EQ(shown(sent.substr(reference.consumed)), shown(octets(want["rest"])));
  }
  expect_everywhere(options, sent, reference);
}

TEST(data_reader, vectors_at_every_split) {
  for (const json& vector : vectors()["cases"].array()) {
    SCOPED_TRACE(vector["name"].string());
    run_vector(vector, line_ends::strict);
    run_vector(vector, line_ends::normalise);
    if (HasFailure()) return;
  }
}

TEST(data_reader, vectors_hold_every_short_sequence) {
  EXPECT_GE(vectors()["cases"].size(), 125U + 2 * 625U);
  EXPECT_GE(vectors()["chunk_cases"].size(), 20U);
}

TEST(chunk_reader, vectors_at_every_split) {
  for (const json& vector : vectors()["chunk_cases"].array()) {
    SCOPED_TRACE(vector["name"].string());
    const auto body = vector["body"].string() == "binary" ? chunk_body::binary : chunk_body::text;
    std::vector<std::string> chunks;
    for (const json& chunk : vector["chunks"].array()) chunks.push_back(octets(chunk));
    for (const line_ends ends : {line_ends::strict, line_ends::normalise}) {
      const json& want = wanted(vector, ends);
      for (std::size_t read = 1; read < 70; ++read) {
        bool ends_in_crlf = false;
        const auto got = read_chunks({.ends = ends}, body, chunks, read, &ends_in_crlf);
        EXPECT_EQ(shown(got.text), shown(octets(want["message"])));
        EXPECT_EQ(got.violations, violations_of(want));
        EXPECT_EQ(ends_in_crlf, want["ends_in_crlf"].boolean());
      }
    }
  }
}

std::string octets_of_hex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

TEST(data_reader, sequences_that_must_not_end_a_message) {
  GATEPOST_REQUIRE_SHARED(path, "smtp/eod-sequences.json");
  const json all = tests::parse_json(tests::read_file(path));
  ASSERT_GT(all.size(), 0U);
  for (const json& one : all.array()) {
    const std::string sent = "text" + octets_of_hex(one["bytes_hex"].string()) + "MAIL FROM:<>\r\n";
    for (const data_options options : {strict, normalise}) {
      for (const auto& at : cuts_of(sent.size())) {
        EXPECT_EQ(read_data(options, cut(sent, at)).end, one["end_of_data"].boolean())
            << one["id"].string();
      }
    }
  }
}

// Text with lines of all lengths, where every letter of the alphabet turns up now and then.
std::string random_text(std::mt19937& random, std::size_t size, unsigned odds) {
  static constexpr std::array<std::string_view, 8> pieces{
      "\r\n",    "\r\n.", "\r\n..", "\r\n.\r", "\n.\r\n", "\r\r\n", std::string_view("\0", 1),
      "\r\n\r\n"};
  std::string text;
  while (text.size() < size) {
    if (random() % odds == 0) {
      text += pieces[random() % pieces.size()];
    } else if (random() % odds == 0) {
      text += alphabet[random() % alphabet.size()];
    } else {
      text.append(random() % 90, 'a');
      if (random() % 8 != 0) text += "\r\n";
    }
  }
  return text;
}

// Cuts that leave parts of up to `most` octets.
std::vector<std::size_t> random_cuts(std::mt19937& random, std::size_t size, std::size_t most) {
  std::vector<std::size_t> at;
  for (std::size_t i = random() % most; i < size; i += random() % most) at.push_back(i);
  return at;
}

TEST(data_reader, random_text_against_the_reference) {
  std::mt19937 random(5321);
  for (int round = 0; round < 4000; ++round) {
    const std::string sent = random_text(random, random() % 1500, 2 + random() % 40);
    const data_options options{
        .ends = round % 2 == 0 ? line_ends::strict : line_ends::normalise,
        .max_line = std::array{0U, 2U, 50U, 64U, 65U, 80U, 200U}[random() % 7]};
    const reference_data want = reference_data_decoder(options).data(sent);
    ASSERT_EQ(read_data(options, {sent}), want) << shown(sent);
    const auto at = random_cuts(random, sent.size(), std::array{3U, 70U, 400U}[random() % 3]);
    ASSERT_EQ(read_data(options, cut(sent, at)), want) << shown(sent);
  }
}

TEST(chunk_reader, random_text_against_the_reference) {
  std::mt19937 random(3030);
  for (int round = 0; round < 4000; ++round) {
    const std::string sent = random_text(random, random() % 600, 2 + random() % 10);
    const data_options options{.ends = round % 2 == 0 ? line_ends::strict : line_ends::normalise,
                               .max_line = std::array{0U, 2U, 64U, 90U}[random() % 4]};
    std::vector<std::string> chunks;
    for (const auto part : cut(sent, random_cuts(random, sent.size(), 200)))
      chunks.emplace_back(part);
    const reference_data want = reference_data_decoder(options).chunks(sent, true);
    ASSERT_EQ(read_chunks(options, chunk_body::text, chunks, 1 + random() % 150), want)
        << shown(sent);
  }
}

// Every sequence at every distance from the end of a block, and of the input.
TEST(data_reader, corners_at_every_place_of_a_block) {
  for (const std::string_view corner :
       {"\r\n.\r\n", "\r\n..\r\n", "\r\r\n", "\r\n.\rb", "\n", "\r", "\r\n\n", "\r\n.\n.\r\n"}) {
    for (std::size_t before = 0; before < 200; ++before) {
      const std::string lead = std::string(before, 'a');
      for (const std::size_t after : {0U, 1U, 63U, 64U, 65U, 130U}) {
        const std::string sent = lead + std::string(corner) + std::string(after, 'b');
        for (const data_options options : {strict, normalise}) {
          ASSERT_EQ(read_data(options, {sent}), reference_data_decoder(options).data(sent))
              << shown(sent);
        }
      }
    }
  }
}

TEST(data_reader, clean_text_is_one_view_of_the_input) {
  std::string sent;
  for (int i = 0; i < 1000; ++i)
    sent += std::string(static_cast<std::size_t>(i % 90), 'x') + "\r\n";
  data_reader reader;
  const data_step step = reader.next(sent);
  EXPECT_EQ(step.consumed, sent.size());
  EXPECT_EQ(step.text.data(), sent.data());
  EXPECT_EQ(step.text.size(), sent.size());
  EXPECT_FALSE(step.end);
  EXPECT_TRUE(reader.seen().none());
}

TEST(data_reader, violations_do_not_end_a_view_in_strict) {
  const std::string sent =
      std::string(100, 'a') + "\nb\rc" + std::string("\0", 1) + "\n\nd\r\r\n.\r\n";
  data_reader reader;
  const data_step step = reader.next(sent);
  EXPECT_TRUE(step.end);
  EXPECT_EQ(step.text, sent.substr(0, sent.size() - 3));
  EXPECT_EQ(reader.seen().at(violation::bare_lf), 100U);
  EXPECT_EQ(reader.seen().at(violation::bare_cr), 102U);
  EXPECT_EQ(reader.seen().at(violation::nul), 104U);
  EXPECT_EQ(reader.seen().first(), violation::bare_lf);
}

TEST(data_reader, what_follows_the_end_is_left) {
  data_reader reader;
  const std::string_view sent = "a\r\n.\r\nQUIT\r\n";
  const data_step step = reader.next(sent);
  EXPECT_TRUE(step.end);
  EXPECT_EQ(step.text, "a\r\n");
  EXPECT_EQ(sent.substr(step.consumed), "QUIT\r\n");
  EXPECT_EQ(reader.size(), 3U);
  const data_step again = reader.next(sent.substr(step.consumed));
  EXPECT_TRUE(again.end);
  EXPECT_EQ(again.consumed, 0U);
  EXPECT_EQ(again.text, "");
}

TEST(data_reader, reset_begins_a_message) {
  data_reader reader;
  EXPECT_FALSE(reader.next("a\nb").end);
  reader.reset({.ends = line_ends::normalise, .max_line = 10});
  EXPECT_TRUE(reader.seen().none());
  EXPECT_EQ(reader.size(), 0U);
  EXPECT_TRUE(reader.next(".\r\n").end);
}

TEST(data_reader, nothing_in_nothing_out) {
  data_reader reader;
  for (const std::string_view part : {"", "\r", "", "\n", "", ".", "", "\r", ""}) {
    const data_step step = reader.next(part);
    EXPECT_EQ(step.consumed, part.size());
    EXPECT_FALSE(step.end);
  }
  EXPECT_TRUE(reader.next("\n").end);
  EXPECT_EQ(reader.size(), 2U);
}

struct line_case {
  std::size_t limit;
  std::string line;  // with its line end
  bool too_long;
};

TEST(data_reader, line_limit_counts_crlf_and_no_stuffed_dot) {
  for (const std::size_t limit :
       {2U, 3U, 10U, 63U, 64U, 65U, 66U, 127U, 128U, 129U, 1000U, 2000U}) {
    const std::string most = std::string(limit - 2, 'a') + "\r\n";
    const std::vector<line_case> cases{{limit, most, false},
                                       {limit, "a" + most, true},
                                       {limit, "." + most, false},
                                       {limit, ".a" + most, true},
                                       {0, most + most, false}};
    for (const auto& [max_line, line, too_long] : cases) {
      for (std::size_t before = 0; before < 130; before += 13) {
        const std::string lead = before == 0 ? "" : "\r\n" + std::string(limit - 2, 'b') + "\r\n";
        const std::string sent = lead + line + most + ".\r\n";
        const data_options options{.max_line = max_line};
        const reference_data got = read_data(options, {sent});
        EXPECT_EQ(got.violations.contains(violation::long_line), too_long) << limit << shown(sent);
        EXPECT_EQ(got, reference_data_decoder(options).data(sent));
      }
    }
  }
}

TEST(data_reader, a_line_without_end_is_too_long_as_soon_as_it_is) {
  data_reader reader;
  const std::string part(500, 'a');
  EXPECT_EQ(reader.next(part).consumed, 500U);
  EXPECT_EQ(reader.next(part).consumed, 500U);
  EXPECT_TRUE(reader.seen().none());
  reader.next("a");
  EXPECT_EQ(reader.seen().at(violation::long_line), 0U);
}

TEST(chunk_reader, never_looks_behind_the_chunk) {
  chunk_reader reader;
  reader.begin(3, false);
  const std::string_view sent = "ab\rBDAT 1 LAST\r\n\n";
  const data_step first = reader.next(sent);
  EXPECT_TRUE(first.end);
  EXPECT_EQ(first.consumed, 3U);
  EXPECT_TRUE(reader.seen().none());
  reader.begin(1, true);
  EXPECT_EQ(reader.remaining(), 1U);
  const data_step second = reader.next("\nQUIT\r\n");
  EXPECT_TRUE(second.end);
  EXPECT_EQ(second.consumed, 1U);
  EXPECT_TRUE(reader.seen().none());
  EXPECT_TRUE(reader.at_line_start());
  EXPECT_EQ(reader.size(), 4U);
}

TEST(chunk_reader, binary_hands_out_every_octet) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  const auto got = read_chunks(strict, chunk_body::binary, {all, all}, 7);
  EXPECT_EQ(got.text, all + all);
  EXPECT_TRUE(got.violations.empty());
}

TEST(chunk_reader, a_size_beyond_any_message_is_only_counted) {
  chunk_reader reader;
  reader.begin(~std::uint64_t{0}, true);
  EXPECT_FALSE(reader.next("abc").end);
  EXPECT_EQ(reader.remaining(), ~std::uint64_t{0} - 3);
}

TEST(violations, name_error_codes) {
  EXPECT_EQ(to_errc(violation::bare_cr), errc::bare_cr);
  EXPECT_EQ(to_errc(violation::bare_lf), errc::bare_lf);
  EXPECT_EQ(to_errc(violation::nul), errc::nul_byte);
  EXPECT_EQ(to_errc(violation::long_line), errc::line_too_long);
  EXPECT_FALSE(violations{}.first().has_value());
}

}  // namespace
}  // namespace gatepost::smtp
