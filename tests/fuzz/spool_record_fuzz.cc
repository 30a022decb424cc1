// Records of a spool from octets that a disk has spoilt.
//
// Oracle: what decodes is written as the same record again, or as one that decodes to that record.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "routing/spool_record.hpp"
#include "tests/fuzz/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gatepost::routing;  // NOLINT(google-build-using-namespace)
  const std::string_view record(reinterpret_cast<const char*>(data), size);
  const auto message = decode_spool_record("0123456789abcd", record);
  const auto alone = text_in_spool_record(record);
  if (!message) return 0;
  FUZZ_CHECK(alone && alone->size == message->size && alone->crc32c == message->crc32c);
  std::string once;
  encode_spool_record(*message, {message->size, message->crc32c}, once);
  // Numbers may have been written longer than they need.
  FUZZ_CHECK(once.size() <= record.size());
  const auto again = decode_spool_record("0123456789abcd", once);
  FUZZ_CHECK(again.has_value());
  std::string twice;
  encode_spool_record(*again, {again->size, again->crc32c}, twice);
  FUZZ_CHECK(once == twice);
  return 0;
}
