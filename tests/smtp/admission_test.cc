// This header stands alone.
#include "smtp/admission.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;

const admission::time_point start{1h};

ip_address ip(std::string_view text) { return *parse_ip_address(text); }

ip_address numbered(unsigned i) {
  return ip_address(ip_address::v4_octets{10, static_cast<std::uint8_t>(i >> 16),
                                          static_cast<std::uint8_t>(i >> 8),
                                          static_cast<std::uint8_t>(i)});
}

TEST(admission, total) {
  admission a({.total = 2, .per_network = 0});
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start), admittance::admitted);
  EXPECT_EQ(a.enter(ip("192.0.2.2"), start), admittance::admitted);
  EXPECT_EQ(a.enter(ip("192.0.2.3"), start), admittance::too_many);
  EXPECT_EQ(a.sessions(), 2U);
  a.leave(ip("192.0.2.1"));
  EXPECT_EQ(a.sessions(), 1U);
  EXPECT_EQ(a.enter(ip("192.0.2.3"), start), admittance::admitted);
}

TEST(admission, per_network) {
  admission a({.total = 0, .per_network = 2});
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start), admittance::admitted);
  EXPECT_EQ(a.enter(ip("::ffff:192.0.2.1"), start), admittance::admitted);  // the same client
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start), admittance::too_many_of_network);
  EXPECT_EQ(a.enter(ip("192.0.2.2"), start), admittance::admitted);
  a.leave(ip("192.0.2.1"));
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start), admittance::admitted);
  // RFC 6177: a subscriber has a /64 at least.
  EXPECT_EQ(a.enter(ip("2001:db8::1"), start), admittance::admitted);
  EXPECT_EQ(a.enter(ip("2001:db8::2"), start), admittance::admitted);
  EXPECT_EQ(a.enter(ip("2001:db8::3"), start), admittance::too_many_of_network);
  EXPECT_EQ(a.enter(ip("2001:db8:0:1::3"), start), admittance::admitted);
  EXPECT_EQ(a.sessions(), 6U);
}

TEST(admission, networks_of_any_size) {
  admission a({.total = 0, .per_network = 1, .v4_bits = 24});
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start), admittance::admitted);
  EXPECT_EQ(a.enter(ip("192.0.2.200"), start), admittance::too_many_of_network);
  EXPECT_EQ(a.enter(ip("192.0.3.1"), start), admittance::admitted);
}

TEST(admission, rate) {
  admission a({.total = 0, .per_network = 0, .per_second = 2});
  for (int second = 0; second < 3; ++second) {
    const auto now = start + std::chrono::seconds(second);
    EXPECT_EQ(a.enter(ip("192.0.2.1"), now), admittance::admitted);
    EXPECT_EQ(a.enter(ip("192.0.2.2"), now), admittance::admitted);
    EXPECT_EQ(a.enter(ip("192.0.2.3"), now), admittance::too_fast);
  }
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start + 2500ms), admittance::admitted);
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start + 2501ms), admittance::too_fast);
  EXPECT_EQ(a.sessions(), 7U);
}

TEST(admission, rate_per_network) {
  admission a({.total = 0, .per_network = 0, .per_second_and_network = 1});
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start), admittance::admitted);
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start + 500ms), admittance::network_too_fast);
  EXPECT_EQ(a.enter(ip("192.0.2.2"), start + 500ms), admittance::admitted);
  a.leave(ip("192.0.2.1"));
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start + 900ms),
            admittance::network_too_fast);  // remembered without a session
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start + 1900ms), admittance::admitted);
}

// Connections whose client is not known yet count in all, and nowhere else.
TEST(admission, held) {
  admission a({.total = 2, .per_network = 1});
  EXPECT_EQ(a.hold(), admittance::admitted);
  EXPECT_EQ(a.hold(), admittance::admitted);
  EXPECT_EQ(a.sessions(), 0U);
  EXPECT_EQ(a.hold(), admittance::too_many);
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start), admittance::too_many);
  a.release();
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start), admittance::admitted);
  EXPECT_EQ(a.hold(), admittance::too_many);
  a.release();
  EXPECT_EQ(a.hold(), admittance::admitted);
  EXPECT_EQ(a.sessions(), 1U);
}

TEST(admission, leave_without_enter_is_nothing) {
  admission a({.total = 1});
  a.leave(ip("192.0.2.1"));
  EXPECT_EQ(a.sessions(), 0U);
  EXPECT_EQ(a.enter(ip("192.0.2.1"), start), admittance::admitted);
  a.leave(ip("192.0.2.2"));
  EXPECT_EQ(a.sessions(), 1U);
}

// What is remembered is bounded: then rates are forgotten, and never clients turned away.
TEST(admission, remembers_so_many_networks) {
  admission a({.total = 0, .per_network = 0, .per_second_and_network = 1, .remembered = 100});
  for (unsigned i = 0; i < 5000; ++i) {
    ASSERT_EQ(a.enter(numbered(i), start), admittance::admitted);
    a.leave(numbered(i));
  }
  EXPECT_EQ(a.enter(numbered(50), start), admittance::network_too_fast);
  EXPECT_EQ(a.enter(numbered(4000), start), admittance::admitted);
  a.leave(numbered(4000));
  // Idle ones make room.
  const auto later = start + 10s;
  for (unsigned i = 10000; i < 10050; ++i) {
    ASSERT_EQ(a.enter(numbered(i), later), admittance::admitted);
    a.leave(numbered(i));
  }
  EXPECT_EQ(a.enter(numbered(10000), later), admittance::network_too_fast);
}

TEST(admission, a_global_rate_leaves_no_traces_of_who_was_turned_away) {
  admission a({.total = 0,
               .per_network = 0,
               .per_second = 1,
               .per_second_and_network = 1,
               .remembered = 10});
  EXPECT_EQ(a.enter(numbered(0), start), admittance::admitted);
  for (unsigned i = 1; i < 100; ++i) EXPECT_EQ(a.enter(numbered(i), start), admittance::too_fast);
  EXPECT_EQ(a.sessions(), 1U);
}

TEST(admission, names_and_replies) {
  EXPECT_EQ(to_string(admittance::admitted), "admitted");
  EXPECT_EQ(to_string(admittance::too_many), "connections");
  EXPECT_EQ(to_string(admittance::too_many_of_network), "connections_per_network");
  EXPECT_EQ(to_string(admittance::too_fast), "sessions_per_second");
  EXPECT_EQ(to_string(admittance::network_too_fast), "sessions_per_second_and_network");
  for (const admittance why : {admittance::too_many, admittance::too_many_of_network,
                               admittance::too_fast, admittance::network_too_fast})
    EXPECT_EQ(refusal_of(why).code, 421);
}

}  // namespace
}  // namespace gatepost::smtp
