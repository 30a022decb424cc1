// Command lines from hostile octets.
//
// Input: an octet of options, one that says how the rest is split into reads, the rest.
// Oracles: the slow reference, which cuts the whole at its line ends; any split gives the same
// lines; no more than the limit is ever kept.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/fuzz/check.hpp"
#include "tests/support/line_runs.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using gatepost::smtp::line_ends;
  namespace tests = gatepost::tests;
  if (size < 2) return 0;
  constexpr std::array<std::size_t, 8> limits{2, 3, 20, 63, 64, 65, 128, 512};
  const line_ends ends = (data[0] & 1) == 0 ? line_ends::strict : line_ends::normalise;
  const std::size_t limit = limits[data[0] >> 1 & 7];
  const std::string_view octets(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto want = tests::reference_lines(octets, ends, limit);
  FUZZ_CHECK(tests::read_lines(ends, limit, {octets}) == want);
  FUZZ_CHECK(tests::read_lines(ends, limit, tests::cut_by_seed(octets, data[1])) == want);
  return 0;
}
