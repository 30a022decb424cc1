// Codes of DNS lists, and their reasons: a list without
// a problem can be made, one with a problem cannot; reasons are short and printable.

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "checks/dnsbl_list.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost::checks;  // NOLINT(google-build-using-namespace)

bool can_be_made(const dnsbl_list& list) {
  try {
    const dnsbl_reader reader(list, default_blocked_codes());
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

void check_reason(std::string_view text) {
  const std::string reason = dnsbl_reason(text, 200);
  FUZZ_CHECK(reason.size() <= 200);
  for (const char c : reason) FUZZ_CHECK(c >= 0x20 && c < 0x7f);
  FUZZ_CHECK(dnsbl_reason(reason, 200) == reason);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  dnsbl_list list;
  list.zone = "bl.example";
  list.codes = {std::string(input)};
  FUZZ_CHECK(can_be_made(list) == problem_of(list).empty());
  list.codes.clear();
  list.zone = input;
  FUZZ_CHECK(can_be_made(list) == problem_of(list).empty());
  check_reason(input);
  return 0;
}
