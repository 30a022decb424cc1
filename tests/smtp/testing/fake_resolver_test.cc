// This header stands alone.
#include "smtp/testing/fake_resolver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/bind_cancellation_slot.hpp>

#include "tests/support/run.hpp"

namespace gatepost::smtp::testing {
namespace {

using ::testing::ElementsAre;

TEST(fake_resolver, answers_from_its_table) {
  fake_resolver dns;
  dns.add_a("mx.example.test", {"192.0.2.1", "192.0.2.2"})
      .add_mx("Example.Test", {{10, "mx.example.test"}})
      .add_txt("example.test", {"v=spf1 -all"})
      .add_ptr("192.0.2.1", {"mx.example.test"});
  const auto a = gatepost::testing::run(dns.a("mx.example.test"));
  EXPECT_TRUE(a.has_records());
  EXPECT_EQ(a.records().size(), 2u);
  EXPECT_GT(a.ttl().count(), 0);
  const auto mx = gatepost::testing::run(dns.mx("EXAMPLE.test"));
  EXPECT_THAT(mx.records(), ElementsAre(dns::mx_record{10, "mx.example.test"}));
  const auto ptr = gatepost::testing::run(dns.ptr(*parse_ip_address("192.0.2.1")));
  EXPECT_THAT(ptr.records(), ElementsAre("mx.example.test"));
  EXPECT_THAT(dns.asked(),
              ElementsAre("A mx.example.test", "MX example.test", "PTR 1.2.0.192.in-addr.arpa"));
}

TEST(fake_resolver, tells_the_kinds_of_nothing_apart) {
  fake_resolver dns;
  dns.add_a("host.example.test", {"192.0.2.1"}).fails("slow.example.test", "timeout");
  const auto none = gatepost::testing::run(dns.txt("host.example.test"));
  EXPECT_EQ(none.status(), dns::status::no_data);
  const auto unknown = gatepost::testing::run(dns.txt("nobody.example.test"));
  EXPECT_EQ(unknown.status(), dns::status::no_such_name);
  EXPECT_TRUE(unknown.is_definite());
  const auto failed = gatepost::testing::run(dns.txt("slow.example.test"));
  EXPECT_EQ(failed.status(), dns::status::temporary_failure);
  EXPECT_EQ(failed.reason(), "timeout");
  EXPECT_FALSE(failed.is_definite());
}

TEST(fake_resolver, a_delayed_question_can_be_cancelled) {
  fake_resolver dns;
  dns.delay(std::chrono::hours(1));
  asio::io_context io;
  asio::cancellation_signal stop;
  bool cancelled = false;
  asio::co_spawn(io, dns.txt("example.test"),
                 asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr e, const auto&) {
                   cancelled = e != nullptr;
                 }));
  io.poll();
  EXPECT_EQ(dns.open(), 1u);
  stop.emit(asio::cancellation_type::terminal);
  io.run();
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(dns.open(), 0u);
}

}  // namespace
}  // namespace gatepost::smtp::testing
