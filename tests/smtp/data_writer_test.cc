// This header stands alone.
#include "smtp/data_writer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/data_runs.hpp"
#include "tests/support/reference_data_decoder.hpp"

namespace gatepost::smtp {
namespace {

using tests::cut_every;
using tests::read_data;
using tests::reference_encode;
using tests::shown;
using tests::write_data;

constexpr data_options strict{};
constexpr data_options normalise{.ends = line_ends::normalise};

struct writer_case {
  std::string text;
  std::string sent;      // strict
  std::string repaired;  // normalise, where it differs
};

const std::vector<writer_case>& cases() {
  static const std::vector<writer_case> all{
      {"", ".\r\n", ""},
      {"a", "a\r\n.\r\n", ""},
      {"a\r\n", "a\r\n.\r\n", ""},
      {"\r\n", "\r\n.\r\n", ""},
      {".", "..\r\n.\r\n", ""},
      {".\r\n", "..\r\n.\r\n", ""},
      {"..a\r\n.\r\n", "...a\r\n..\r\n.\r\n", ""},
      {"a.b\r\n .\r\n", "a.b\r\n .\r\n.\r\n", ""},
      {".\r\n.\r\n.", "..\r\n..\r\n..\r\n.\r\n", ""},
      // A bare CR or LF is CRLF on the wire, and a dot after it begins a line there.
      {"a\n.\n", "a\n.\n\r\n.\r\n", "a\r\n..\r\n.\r\n"},
      {"a\n.\r\nb", "a\n.\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r.\r", "a\r.\r\r\n.\r\n", "a\r\n..\r\n.\r\n"},
      {"a\r.\r\nb", "a\r.\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r\r\n.b\r\n", "a\r\r\n..b\r\n.\r\n", "a\r\n..b\r\n.\r\n"},
      {"a\r\r", "a\r\r\r\n.\r\n", "a\r\n\r\n.\r\n"},
      {"a\r\r.", "a\r\r.\r\n.\r\n", "a\r\n\r\n..\r\n.\r\n"},
      {"\n.\n", "\n.\n\r\n.\r\n", "\r\n..\r\n.\r\n"},
  };
  return all;
}

TEST(data_writer, stuffs_and_ends) {
  for (const auto& [text, sent, repaired] : cases()) {
    for (std::size_t part = 1; part <= text.size() + 1; ++part) {
      for (std::size_t views = 2; views < 6; ++views) {
        const auto parts = cut_every(text, part);
        EXPECT_EQ(shown(write_data(strict, parts, views)), shown(sent));
        EXPECT_EQ(shown(write_data(normalise, parts, views)),
                  shown(repaired.empty() ? sent : repaired));
      }
    }
  }
}

std::string random_text(std::mt19937& random) {
  static constexpr std::array<std::string_view, 8> pieces{"\r\n", "\r\n.", ".",      "\r",
                                                          "\n",   "a",     "\r\n..", ""};
  std::string text;
  const std::size_t size = random() % 30;
  for (std::size_t i = 0; i < size; ++i) {
    text += pieces[random() % pieces.size()];
    if (random() % 6 == 0) text.append(random() % 200, 'b');
  }
  return text;
}

TEST(data_writer, random_text_against_the_reference) {
  std::mt19937 random(4);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_text(random);
    const auto parts = cut_every(text, 1 + random() % 150);
    ASSERT_EQ(write_data(strict, parts, 2 + random() % 8), reference_encode(text)) << shown(text);
  }
}

TEST(data_writer, what_is_read_is_what_was_written) {
  std::mt19937 random(45);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_text(random);
    const std::string whole = text.empty() || text.ends_with("\r\n") ? text : text + "\r\n";
    const auto got = read_data(strict, {write_data(strict, {text}, 4)});
    ASSERT_TRUE(got.end);
    ASSERT_EQ(got.text, whole);
  }
}

TEST(data_writer, normalised_octets_have_no_violation_and_one_end) {
  std::mt19937 random(238);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_text(random);
    const std::string sent = write_data(normalise, cut_every(text, 1 + random() % 9), 3);
    const auto got = read_data(strict, {sent});
    ASSERT_TRUE(got.end) << shown(text);
    ASSERT_EQ(got.consumed, sent.size()) << shown(text);
    ASSERT_TRUE(got.violations.empty()) << shown(text);
    // The same text that a normalising reader makes of it, which finds no end in it.
    const auto repaired = tests::read_chunks(normalise, chunk_body::text, {text}, 1000);
    ASSERT_EQ(got.text, repaired.text.empty() || repaired.text.ends_with("\r\n")
                            ? repaired.text
                            : repaired.text + "\r\n");
  }
}

TEST(data_writer, clean_text_is_one_view_of_it) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += std::string(76, 'x') + "\r\n";
  std::array<std::string_view, 8> views;
  data_writer writer;
  const auto step = writer.next(text, views);
  EXPECT_EQ(step.consumed, text.size());
  ASSERT_EQ(step.count, 1U);
  EXPECT_EQ(views[0].data(), text.data());
  EXPECT_EQ(writer.finish(), ".\r\n");
}

TEST(data_writer, stops_where_the_views_are_used_up) {
  std::array<std::string_view, 3> views;
  data_writer writer;
  const std::string_view text = ".a\r\n.b\r\n.c\r\n";
  const auto first = writer.next(text, views);
  EXPECT_EQ(first.consumed, 4U);
  ASSERT_EQ(first.count, 3U);
  EXPECT_EQ(views[0], ".");
  EXPECT_EQ(views[1], ".a\r\n");
  EXPECT_EQ(views[2], ".");
}

TEST(data_writer, tells_what_was_not_right) {
  std::array<std::string_view, 16> views;
  data_writer writer;
  writer.next("a\nb\rc", views);
  EXPECT_EQ(writer.seen().at(violation::bare_lf), 1U);
  writer.finish();
  writer.reset();
  EXPECT_TRUE(writer.seen().none());
  EXPECT_EQ(writer.finish(), ".\r\n");
}

}  // namespace
}  // namespace gatepost::smtp
