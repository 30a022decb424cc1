// The block scan under every reader of message text: which of the next octets are CR, LF, NUL, '.'.
//
// octets_of() answers exactly, as bit masks of up to 64 octets. skip_clean() runs over text that
// needs no decision at all (each CR followed by LF, each LF preceded by CR, no NUL, no dot after
// LF) as fast as it can be read: AVX2 where the processor has it, else 16-octet vectors (SSE2,
// NEON). No function reads outside the octets it was given.
#ifndef GATEPOST_SMTP_DETAIL_LINE_SCAN_HPP
#define GATEPOST_SMTP_DETAIL_LINE_SCAN_HPP

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace gatepost::smtp::detail {

inline constexpr std::size_t scan_block = 64;

// Bit i speaks of octet i.
struct octet_masks {
  std::uint64_t cr = 0;
  std::uint64_t lf = 0;
  std::uint64_t nul = 0;
  std::uint64_t dot = 0;
};

// A mask of the lowest n bits.
constexpr std::uint64_t low_bits(std::size_t n) noexcept {
  return n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
}

// Eight octets in a register: a bit for each that equals c.
inline std::uint64_t equal_octets(std::uint64_t word, char c) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t low7 = 0x7f7f7f7f7f7f7f7f;
  const std::uint64_t zero_where_equal = word ^ (ones * static_cast<unsigned char>(c));
  const std::uint64_t high_where_equal =
      ~(((zero_where_equal & low7) + low7) | zero_where_equal | low7);
  return ((high_where_equal >> 7) * 0x0102040810204080) >> 56;  // gathers the eight top bits
}

struct word_lane {
  static constexpr std::size_t size = 8;

  static octet_masks octets(const char* p) noexcept {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    return {equal_octets(word, '\r'), equal_octets(word, '\n'), equal_octets(word, '\0'),
            equal_octets(word, '.')};
  }
};

#if defined(__x86_64__)
struct sse2_lane {
  static constexpr std::size_t size = 16;

  static std::uint64_t equal(__m128i octets, char c) noexcept {
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(octets, _mm_set1_epi8(c))));
  }

  static octet_masks octets(const char* p) noexcept {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {equal(v, '\r'), equal(v, '\n'), equal(v, '\0'), equal(v, '.')};
  }
};
using best_lane = sse2_lane;
#else
using best_lane = word_lane;
#endif

// The masks of the n octets at p; n <= scan_block. Always inlined: what the caller does not ask for
// is not computed.
template <class Lane = best_lane>
[[gnu::always_inline]] inline octet_masks octets_of(const char* p, std::size_t n) noexcept {
  octet_masks all;
  const auto add = [&all](const octet_masks& lane, std::size_t at) {
    all.cr |= lane.cr << at;
    all.lf |= lane.lf << at;
    all.nul |= lane.nul << at;
    all.dot |= lane.dot << at;
  };
  if (n == scan_block) {
#pragma GCC unroll 8
    for (std::size_t at = 0; at < scan_block; at += Lane::size) add(Lane::octets(p + at), at);
  } else if (n >= Lane::size) {
    for (std::size_t at = 0; at < n - Lane::size; at += Lane::size) add(Lane::octets(p + at), at);
    add(Lane::octets(p + n - Lane::size), n - Lane::size);  // may overlap the one before
  } else {
    char padded[Lane::size];
    std::memset(padded, 'x', sizeof padded);
    if (n != 0) std::memcpy(padded, p, n);
    add(Lane::octets(padded), 0);
  }
  return all;
}

// How far text was clean.
struct clean_run {
  std::size_t length = 0;     // in octets
  std::size_t open_line = 0;  // where its last line begins; 0: where the run does, or before
};

// The limits that a clean run keeps to: lines of no more than `line` octets, the one that is open
// at the start ending before `open`. A run stops early rather than pass a line that may be too
// long.
struct run_limits {
  std::size_t open;  // at most `line`
  std::size_t line;  // at most half of what a size_t can hold
};

using octets16 = unsigned char __attribute__((vector_size(16)));

inline octets16 load16(const char* p) noexcept {
  octets16 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline bool any(octets16 v) noexcept {
#if defined(__x86_64__)
  return _mm_movemask_epi8(reinterpret_cast<__m128i>(v)) != 0;
#else
  std::uint64_t halves[2];
  std::memcpy(halves, &v, sizeof halves);
  return (halves[0] | halves[1]) != 0;
#endif
}

// Which octets of `here` need a decision, going by the octets behind them.
inline octets16 unclean(octets16 here, octets16 next) noexcept {
  return (reinterpret_cast<octets16>(here == '\r') ^ reinterpret_cast<octets16>(next == '\n')) |
         reinterpret_cast<octets16>((next == '.') & (here == '\n')) |
         reinterpret_cast<octets16>(here == '\0');
}

// Whole blocks of clean text.
struct clean_blocks {
  static constexpr std::size_t none = ~std::size_t{0};

  std::size_t length = 0;            // in octets
  std::size_t last_lf_block = none;  // where the last block that holds an LF begins
};

// Octet i is looked at together with octet i + 1, so that the blocks end before the last octet.
inline clean_blocks skip_blocks_16(const char* p, std::size_t n, run_limits limits) noexcept {
  clean_blocks run;
  std::size_t open = limits.open;
  for (std::size_t i = 0; n - i > scan_block && i + scan_block <= open; i += scan_block) {
    octets16 bad{};
    octets16 lf{};
    for (std::size_t j = 0; j < scan_block; j += sizeof(octets16)) {
      const octets16 here = load16(p + i + j);
      bad |= unclean(here, load16(p + i + j + 1));
      lf |= reinterpret_cast<octets16>(here == '\n');
    }
    if (any(bad)) break;
    const bool line_end = any(lf);
    run.last_lf_block = line_end ? i : run.last_lf_block;
    open = line_end ? i + limits.line : open;
    run.length = i + scan_block;
  }
  return run;
}

#if defined(__x86_64__)
using octets32 = unsigned char __attribute__((vector_size(32)));

// The same with vectors twice as wide. (The loop cannot be shared: a template has one target.)
__attribute__((target("avx2"))) inline clean_blocks skip_blocks_avx2(const char* p, std::size_t n,
                                                                     run_limits limits) noexcept {
  clean_blocks run;
  std::size_t open = limits.open;
  for (std::size_t i = 0; n - i > scan_block && i + scan_block <= open; i += scan_block) {
    octets32 bad{};
    octets32 lf{};
    for (std::size_t j = 0; j < scan_block; j += sizeof(octets32)) {
      octets32 here;
      octets32 next;
      std::memcpy(&here, p + i + j, sizeof here);
      std::memcpy(&next, p + i + j + 1, sizeof next);
      const auto here_lf = reinterpret_cast<octets32>(here == '\n');
      bad |= reinterpret_cast<octets32>(here == '\r') ^ reinterpret_cast<octets32>(next == '\n');
      bad |= reinterpret_cast<octets32>(next == '.') & here_lf;
      bad |= reinterpret_cast<octets32>(here == '\0');
      lf |= here_lf;
    }
    using chars = char __attribute__((vector_size(32)));
    using words = long long __attribute__((vector_size(32)));
    const auto all_bad = reinterpret_cast<words>(bad);
    if (!__builtin_ia32_ptestz256(all_bad, all_bad)) break;
    const bool line_end = __builtin_ia32_pmovmskb256(reinterpret_cast<chars>(lf)) != 0;
    run.last_lf_block = line_end ? i : run.last_lf_block;
    open = line_end ? i + limits.line : open;
    run.length = i + scan_block;
  }
  return run;
}
#endif

inline clean_blocks skip_blocks(const char* p, std::size_t n, run_limits limits) noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return skip_blocks_avx2(p, n, limits);
#endif
  return skip_blocks_16(p, n, limits);
}

// The fewest and the most octets that clean_part() can look at.
inline constexpr std::size_t least_part = sizeof(octets16) + 1;
inline constexpr std::size_t most_part = scan_block + 1;

// Whether the n octets at p are clean, the last one too: what follows it will tell.
[[gnu::always_inline]] inline bool clean_part(const char* p, std::size_t n) noexcept {
  octets16 bad{};
  for (std::size_t i = 0; i < n - 1; i += sizeof(octets16)) {
    const std::size_t at =
        std::min(i, n - least_part);  // the last vectors may overlap those before
    bad |= unclean(load16(p + at), load16(p + at + 1));
  }
  return !any(bad) && p[n - 1] != '\0';
}

// The index behind the last LF of the n octets at p, at most scan_block; 0 where there is none.
inline std::size_t behind_last_lf(const char* p, std::size_t n) noexcept {
  return static_cast<std::size_t>(std::bit_width(octets_of(p, n).lf));
}

// How many of the n octets at p need no decision: all of them, or some whole blocks. The octet
// before p is the caller's to judge: an LF or a dot at p[0] is taken as right.
inline clean_run skip_clean(const char* p, std::size_t n, run_limits limits) noexcept {
  if (n <= scan_block) {
    if (n < least_part || n > limits.open || !clean_part(p, n)) return {};
    return {n, behind_last_lf(p, n)};
  }
  const clean_blocks blocks = skip_blocks(p, n, limits);
  clean_run run{blocks.length, 0};
  std::size_t open = limits.open;
  if (blocks.last_lf_block != clean_blocks::none) {
    run.open_line = blocks.last_lf_block + behind_last_lf(p + blocks.last_lf_block, scan_block);
    open = run.open_line + limits.line;
  }
  if (n - run.length > scan_block || n > open) return run;
  if (!clean_part(p + n - most_part, most_part)) return run;
  run.length = n;
  const std::size_t rest = behind_last_lf(p + n - scan_block, scan_block);
  if (rest != 0) run.open_line = n - scan_block + rest;
  return run;
}

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_DETAIL_LINE_SCAN_HPP
