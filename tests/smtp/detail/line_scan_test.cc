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

clean_run reference_run(std::string_view text, run_limits limits) {
  clean_run run;
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

using skip = clean_run (*)(const char*, std::size_t, run_limits) noexcept;

std::vector<skip> every_skip() {
  std::vector<skip> all{&skip_clean_16, &skip_clean};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) all.push_back(&skip_clean_avx2);
#endif
  return all;
}

void expect_run(std::string_view text, run_limits limits) {
  const guarded_octets memory(text);
  const clean_run want = reference_run(text, limits);
  for (const skip s : every_skip()) {
    const clean_run got = s(memory.view().data(), text.size(), limits);
    ASSERT_EQ(got.length, want.length) << shown(text);
    ASSERT_EQ(got.last_lf_block, want.last_lf_block) << shown(text);
  }
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
    expect_run(text, {100 + random() % 300, 100 + random() % 300});
  }
}

TEST(line_scan, a_run_keeps_to_the_limits) {
  const std::string text(1000, 'a');
  expect_run(text, {0, 1000});
  expect_run(text, {63, 1000});
  expect_run(text, {64, 1000});
  expect_run(text, {500, 1000});
  EXPECT_EQ(skip_clean(text.data(), text.size(), {500, 1000}).length, 448U);
  EXPECT_EQ(skip_clean(text.data(), text.size(), {5000, 5000}).length, 960U);
  EXPECT_EQ(skip_clean(text.data(), text.size(), {5000, 5000}).last_lf_block, clean_run::none);
}

}  // namespace
}  // namespace gatepost::smtp::detail
