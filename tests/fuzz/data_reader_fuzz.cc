// DATA and BDAT from hostile octets, and back.
//
// Input: an octet of options, one that says how the rest is split into reads, the rest.
// Oracles: the slow reference decoder; any split gives the same result; what was encoded and
// decoded is the same text; what a normalising writer sends has no violation and exactly one end.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/check.hpp"
#include "tests/support/data_runs.hpp"
#include "tests/support/reference_data_decoder.hpp"

namespace {

using namespace gatepost::smtp;   // NOLINT(google-build-using-namespace)
using namespace gatepost::tests;  // NOLINT(google-build-using-namespace)

using parts = std::vector<std::string_view>;

data_options options_of(std::uint8_t octet) {
  constexpr std::array<std::size_t, 8> limits{0, 2, 20, 63, 64, 65, 200, 1000};
  return {.ends = (octet & 1) == 0 ? line_ends::strict : line_ends::normalise,
          .max_line = limits[octet >> 1 & 7]};
}

void check_data(data_options options, std::string_view sent, const parts& split) {
  const reference_data want = reference_data_decoder(options).data(sent);
  FUZZ_CHECK(read_data(options, {sent}) == want);
  FUZZ_CHECK(read_data(options, split) == want);
  FUZZ_CHECK(read_data(options, cut_every(sent, 1)) == want);
}

void check_chunks(data_options options, std::string_view sent, const parts& split) {
  const std::vector<std::string> chunks(split.begin(), split.end());
  if (chunks.empty()) return;
  const reference_data want = reference_data_decoder(options).chunks(sent, true);
  FUZZ_CHECK(read_chunks(options, chunk_body::text, chunks, 1) == want);
  FUZZ_CHECK(read_chunks(options, chunk_body::text, chunks, 100) == want);
  bool ends_in_crlf = false;
  const reference_data binary =
      read_chunks(options, chunk_body::binary, chunks, 100, &ends_in_crlf);
  FUZZ_CHECK(binary.text == sent && binary.violations.empty());
  FUZZ_CHECK(ends_in_crlf == (sent.empty() || sent.ends_with("\r\n")));
}

std::string with_crlf(std::string text) {
  return text.empty() || text.ends_with("\r\n") ? text : text + "\r\n";
}

void check_writer(std::string_view text, const parts& split) {
  const std::string sent = write_data({}, split, 3);
  FUZZ_CHECK(sent == reference_encode(text));
  const reference_data back = read_data({}, {sent});
  FUZZ_CHECK(back.end && back.consumed == sent.size());
  FUZZ_CHECK(back.text == with_crlf(std::string(text)));
}

void check_normalising_writer(std::string_view text, const parts& split) {
  const data_options normalise{.ends = line_ends::normalise, .max_line = 0};
  const std::string sent = write_data(normalise, split, 5);
  const reference_data back = read_data({.max_line = 0}, {sent});
  FUZZ_CHECK(back.end && back.consumed == sent.size());
  FUZZ_CHECK(!back.violations.contains(violation::bare_cr));
  FUZZ_CHECK(!back.violations.contains(violation::bare_lf));
  FUZZ_CHECK(back.text == with_crlf(reference_data_decoder(normalise).chunks(text, true).text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 2, size - 2);
  const data_options options = options_of(data[0]);
  const parts split = cut_by_seed(octets, data[1]);
  check_data(options, octets, split);
  check_chunks(options, octets, split);
  check_writer(octets, split);
  check_normalising_writer(octets, split);
  return 0;
}
