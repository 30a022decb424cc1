// The from clause of Received fields: what is found lies within the text; a blank behind it changes
// nothing; and no name that a client gives itself
// becomes its address in a field of ours.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/received_from.hpp"
#include "smtp/trace.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost::smtp;  // NOLINT(google-build-using-namespace)

void check_within(std::string_view part, std::string_view whole) {
  if (part.empty()) return;
  FUZZ_CHECK(part.data() >= whole.data() &&
             part.data() + part.size() <= whole.data() + whole.size());
}

void check_found(std::string_view input) {
  const auto found = read_received_from(input);
  if (!found) return;
  FUZZ_CHECK(input.size() <= max_received_octets);
  FUZZ_CHECK(!found->address.is_v4_mapped() && !found->address.is_unspecified());
  check_within(found->helo, input);
  check_within(found->name, input);
  if (input.size() == max_received_octets) return;
  const std::string longer = std::string(input) + " ";
  const auto again = read_received_from(longer);
  FUZZ_CHECK(again && again->address == found->address);
}

void check_ours(std::string_view client) {
  received_facts facts;
  facts.helo = client.substr(0, client.size() / 2);
  facts.client_name = client.substr(client.size() / 2);
  facts.client = *parse_ip_address("192.0.2.1");
  facts.by = "mx.example.test";
  std::string field;
  write_received(field, facts);
  const auto found = read_received_from(std::string_view(field).substr(9));
  FUZZ_CHECK(!found || found->address == *facts.client);
  FUZZ_CHECK(!found || !found->authenticated);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_found(input);
  check_ours(input);
  return 0;
}
