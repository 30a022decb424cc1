// PROXY headers: a beginning never says more than the whole, and what is accepted lies within the
// input.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "smtp/proxy_header.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost::smtp;  // NOLINT(google-build-using-namespace)

void check_within(std::string_view part, std::string_view whole) {
  if (part.empty()) return;
  FUZZ_CHECK(part.data() >= whole.data() &&
             part.data() + part.size() <= whole.data() + whole.size());
}

void check_accepted(std::string_view input, const proxy_header& header) {
  FUZZ_CHECK(header.consumed > 0 && header.consumed <= input.size());
  FUZZ_CHECK(header.version == 1 || header.version == 2);
  FUZZ_CHECK(header.consumed <= (header.version == 1 ? max_proxy_v1_octets : max_proxy_v2_octets));
  FUZZ_CHECK(header.source.has_value() == header.destination.has_value());
  FUZZ_CHECK(!header.source || header.command == proxy_command::proxy);
  const auto octets = input.substr(0, header.consumed);
  std::size_t size = 0;
  for (const auto& entry : header.tlvs) {
    check_within(entry.value, octets);
    size += 3 + entry.value.size();
  }
  FUZZ_CHECK(size <= octets.size());
  check_within(header.authority, octets);
  check_within(header.unique_id, octets);
  if (header.tls) check_within(header.tls->common_name, octets);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto whole = read_proxy_header(input);
  if (whole) check_accepted(input, *whole);
  const std::size_t header = whole ? whole->consumed : size;
  for (std::size_t part = 0; part < header; ++part) {
    const auto beginning = read_proxy_header(input.substr(0, part));
    FUZZ_CHECK(!beginning);
    const bool refused = beginning.error() == errc::bad_proxy_header;
    FUZZ_CHECK(refused || beginning.error() == errc::need_more);
    // Refused stays refused.
    FUZZ_CHECK(!refused || (!whole && whole.error() == errc::bad_proxy_header));
  }
  return 0;
}
