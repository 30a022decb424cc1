// This header stands alone.
#include "smtp/detail/line_scan.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/data_runs.hpp"

namespace gatepost::smtp::detail {
namespace {

using tests::guarded_octets;
using tests::shown;

std::string random_octets(std::mt19937& random, std::size_t size, std::string_view letters) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += letters[random() % letters.size()];
  return text;
}

constexpr std::string_view near_misses{"\r\n.\0\x0b\x0c\x8d\x8a\x80\xae\x01/-a", 15};

template <class Lane>
void expect_masks(std::string_view text) {
  const guarded_octets memory(text);
  const octet_masks got = octets_of<Lane>(memory.view().data(), text.size());
  octet_masks want;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint64_t bit = std::uint64_t{1} << i;
    if (text[i] == '\r') want.cr |= bit;
    if (text[i] == '\n') want.lf |= bit;
    if (text[i] == '\0') want.nul |= bit;
    if (text[i] == '.') want.dot |= bit;
  }
  ASSERT_EQ(got.cr, want.cr) << shown(text);
  ASSERT_EQ(got.lf, want.lf) << shown(text);
  ASSERT_EQ(got.nul, want.nul) << shown(text);
  ASSERT_EQ(got.dot, want.dot) << shown(text);
}

TEST(line_scan, masks_are_exact_for_every_size) {
  std::mt19937 random(64);
  for (std::size_t size = 0; size <= scan_block; ++size) {
    for (int round = 0; round < 50; ++round) {
      const std::string text = random_octets(random, size, near_misses);
      expect_masks<best_lane>(text);
      expect_masks<word_lane>(text);
    }
  }
}

TEST(line_scan, masks_of_every_octet) {
  for (int c = 0; c < 256; ++c) {
    expect_masks<best_lane>(std::string(scan_block, static_cast<char>(c)));
    expect_masks<word_lane>(std::string(scan_block, static_cast<char>(c)));
  }
}

TEST(line_scan, low_bits) {
  EXPECT_EQ(low_bits(0), 0U);
  EXPECT_EQ(low_bits(1), 1U);
  EXPECT_EQ(low_bits(63), ~std::uint64_t{0} >> 1);
  EXPECT_EQ(low_bits(64), ~std::uint64_t{0});
  EXPECT_EQ(low_bits(1000), ~std::uint64_t{0});
}

// Whether octet i needs no decision, going by the octet behind it.
bool is_clean(std::string_view text, std::size_t i) {
  if ((text[i] == '\r') != (text[i + 1] == '\n')) return false;
  return text[i] != '\0' && !(text[i] == '\n' && text[i + 1] == '.');
}

clean_blocks reference_blocks(std::string_view text, run_limits limits) {
  clean_blocks run;
  std::size_t open = limits.open;
  for (std::size_t begin = 0; text.size() - begin > scan_block; begin += scan_block) {
    if (begin + scan_block > open) break;
    for (std::size_t i = begin; i < begin + scan_block; ++i) {
      if (!is_clean(text, i)) return run;
    }
    if (text.substr(begin, scan_block).find('\n') != text.npos) {
      run.last_lf_block = begin;
      open = begin + limits.line;
    }
    run.length = begin + scan_block;
  }
  return run;
}

using skip = clean_blocks (*)(const char*, std::size_t, run_limits) noexcept;

std::vector<skip> every_skip() {
  std::vector<skip> all{&skip_blocks_16, &skip_blocks};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) all.push_back(&skip_blocks_avx2);
#endif
  return all;
}

void expect_blocks(std::string_view text, run_limits limits) {
  const guarded_octets memory(text);
  const clean_blocks want = reference_blocks(text, limits);
  for (const skip s : every_skip()) {
    const clean_blocks got = s(memory.view().data(), text.size(), limits);
    ASSERT_EQ(got.length, want.length) << shown(text);
    ASSERT_EQ(got.last_lf_block, want.last_lf_block) << shown(text);
  }
}

// The lengths of the lines of a text, the last of which is open.
std::vector<std::size_t> line_lengths(std::string_view text) {
  std::vector<std::size_t> lengths;
  for (std::size_t lf; (lf = text.find('\n')) != text.npos; text.remove_prefix(lf + 1)) {
    lengths.push_back(lf + 1);
  }
  lengths.push_back(text.size());
  return lengths;
}

// A run may be shorter than it could be, but what it passes is clean and within the limits, and of
// clean text with short lines it leaves nothing.
void expect_run(std::string_view text, run_limits limits) {
  const guarded_octets memory(text);
  const clean_run got = skip_clean(memory.view().data(), text.size(), limits);
  ASSERT_LE(got.length, text.size());
  const std::string_view run = text.substr(0, got.length);
  for (std::size_t i = 0; i < run.size(); ++i) {
    ASSERT_TRUE(i + 1 == text.size() ? text[i] != '\0' : is_clean(text, i)) << shown(text) << i;
  }
  const auto lengths = line_lengths(run);
  ASSERT_LE(lengths.front(), limits.open);
  for (std::size_t i = 1; i < lengths.size(); ++i) ASSERT_LE(lengths[i], limits.line);
  ASSERT_EQ(got.open_line, run.rfind('\n') == run.npos ? 0 : run.rfind('\n') + 1) << shown(text);
}

std::string clean_lines(std::mt19937& random, std::size_t size) {
  std::string text;
  while (text.size() < size) text += std::string(random() % 150, 'a') + "\r\n";
  text.resize(size);
  return text;
}

TEST(line_scan, a_run_ends_before_what_needs_a_decision) {
  std::mt19937 random(78);
  for (int round = 0; round < 20000; ++round) {
    std::string text = clean_lines(random, 1 + random() % 400);
    if (round % 4 != 0) text[random() % text.size()] = near_misses[random() % near_misses.size()];
    const std::size_t line = 1 + random() % 500;
    const run_limits limits{random() % (line + 1), line};
    expect_blocks(text, limits);
    expect_run(text, limits);
  }
}

TEST(line_scan, clean_text_is_one_run) {
  std::mt19937 random(79);
  for (std::size_t size = least_part; size < 400; ++size) {
    std::string text = clean_lines(random, size);
    const clean_run got = skip_clean(text.data(), text.size(), {1000, 1000});
    EXPECT_EQ(got.length, size);
    expect_run(text, {1000, 1000});
  }
}

TEST(line_scan, a_run_keeps_to_the_limits) {
  const std::string text(1000, 'a');
  for (const std::size_t open : {0U, 63U, 64U, 500U, 999U}) {
    expect_blocks(text, {open, 2000});
    EXPECT_LE(skip_clean(text.data(), text.size(), {open, 2000}).length, open);
  }
  EXPECT_EQ(skip_clean(text.data(), text.size(), {1000, 2000}).length, 1000U);
}

}  // namespace
}  // namespace gatepost::smtp::detail
