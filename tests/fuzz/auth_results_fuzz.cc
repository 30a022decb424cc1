// Authentication-Results: what is read can be written and read again; what is written is one field
// that says what it was given; a field of ours is found whatever stands around its id.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checks/auth_results.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/header_reader.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost;          // NOLINT(google-build-using-namespace)
using namespace gatepost::checks;  // NOLINT(google-build-using-namespace)

void check_read(std::string_view text) {
  const auth_results_limits limits{.octets = 4096, .methods = 8, .properties = 8};
  const auto read = parse_auth_results(text, limits);
  if (!read) return;
  FUZZ_CHECK(text.size() <= limits.octets && read->methods.size() <= limits.methods);
  FUZZ_CHECK(!read->authserv_id.empty());
  for (const auth_method& m : read->methods) {
    FUZZ_CHECK(!m.method.empty() && !m.result.empty());
    FUZZ_CHECK(m.properties.size() <= limits.properties);
  }
}

// Any texts: the field is one line, and reads back with as many methods and properties.
void check_written(std::string_view text) {
  std::vector<auth_method> methods(1 + text.size() % 3);
  std::size_t at = 0;
  const auto piece = [&] {
    const auto end = std::min(text.find('|', at), text.size());
    const std::string_view out = text.substr(std::min(at, end), end - std::min(at, end));
    at = std::min(end + 1, text.size());
    return std::string(out);
  };
  const std::string id = piece();
  for (auth_method& m : methods) {
    m.method = piece();
    m.result = piece();
    m.comment = piece();
    m.reason = piece();
    m.properties.push_back({piece(), piece(), piece()});
  }
  const std::string value = write_auth_results(id, methods);
  FUZZ_CHECK(value.find_first_of("\r\n") == value.npos && value.find('\0') == value.npos);
  std::string field;
  smtp::write_field(field, "Authentication-Results", value);
  const auto header = smtp::read_header(field);
  FUZZ_CHECK(header && header->fields.size() == 1);
  const auto read = parse_auth_results(value);
  if (id.empty()) return;
  FUZZ_CHECK(read && read->methods.size() == methods.size());
  for (const auth_method& m : read->methods) FUZZ_CHECK(m.properties.size() == 1);
  FUZZ_CHECK(parse_auth_results(write_auth_results(read->authserv_id, read->methods)));
}

// What a parser would take for ours is removed.
void check_forged(std::string_view text) {
  const auto header = smtp::read_header(text);
  if (!header) return;
  const std::vector<std::string> ids = {"mx.example"};
  const auto forged = forged_auth_results(header->fields, ids);
  for (const auto* field : smtp::all_fields(header->fields, "Authentication-Results")) {
    const auto read = parse_auth_results(field->value);
    if (!read || !same_authserv_id(read->authserv_id, ids[0])) continue;
    FUZZ_CHECK(std::find(forged.begin(), forged.end(), field->octets) != forged.end());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_read(text);
  check_written(text);
  check_forged(text);
  check_forged("Authentication-Results:" + text);
  return 0;
}
