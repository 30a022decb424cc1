// This header stands alone.
#include "smtp/tls/status.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

TEST(tls_io, says_failed_until_it_is_told_otherwise) {
  EXPECT_EQ(tls_io{}.status, tls_status::failed);
  EXPECT_EQ(tls_io{}.size, 0u);
  EXPECT_EQ((tls_io{tls_status::done, 5}.size), 5u);
}

// RFC 8446 §5.2: a record has up to 2^14 + 256 octets behind its 5 of header.
TEST(tls_limits, have_room_for_records) {
  constexpr std::size_t record = 5 + 16384 + 256;
  EXPECT_GE(tls_input_limit, 4 * record);
  EXPECT_GE(tls_output_limit, record);
  EXPECT_GE(tls_handshake_limit, 2 * record);
}

}  // namespace
}  // namespace gatepost::smtp
