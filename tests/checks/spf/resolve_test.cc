// This header stands alone.
#include "checks/spf/resolve.hpp"

#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "smtp/testing/fake_resolver.hpp"
#include "smtp/testing/gate.hpp"
#include "smtp/testing/run.hpp"

namespace gatepost::checks::spf {
namespace {

namespace dns = smtp::dns;
using smtp::testing::fake_resolver;

// Holds answers about addresses back until its gate opens; can throw instead.
class slow_resolver final : public dns::resolver {
 public:
  fake_resolver table;
  smtp::testing::gate gate;
  bool throws = false;

  asio::awaitable<dns::answer<smtp::ip_address>> a(std::string name) override {
    if (throws) throw std::runtime_error("broken");
    co_await gate.pass();
    auto found = co_await table.a(std::move(name));
    co_return std::move(found);
  }
  asio::awaitable<dns::answer<smtp::ip_address>> aaaa(std::string name) override {
    return table.aaaa(std::move(name));
  }
  asio::awaitable<dns::answer<dns::mx_record>> mx(std::string name) override {
    return table.mx(std::move(name));
  }
  asio::awaitable<dns::answer<std::string>> txt(std::string name) override {
    return table.txt(std::move(name));
  }
  asio::awaitable<dns::answer<std::string>> ptr(smtp::ip_address address) override {
    return table.ptr(address);
  }
  asio::awaitable<dns::answer<dns::tlsa_record>> tlsa(std::string name) override {
    return table.tlsa(std::move(name));
  }
};

query client(const char* address = "192.0.2.1") {
  return query::mail_from(*smtp::parse_ip_address(address), "a@example.com", "mx.example.org");
}

outcome evaluate_all(dns::resolver& resolver, query q = client()) {
  return smtp::testing::run(evaluate(resolver, std::move(q), {}));
}

void add_three_hosts(fake_resolver& dns) {
  dns.add_txt("example.com", {"v=spf1 mx -all"});
  dns.add_mx("example.com", {{1, "a.example.com"}, {2, "b.example.com"}, {3, "c.example.com"}});
  dns.add_a("a.example.com", {"192.0.2.7"}).add_a("b.example.com", {"192.0.2.8"});
  dns.add_a("c.example.com", {"192.0.2.1"});
}

TEST(SpfResolve, AsksForEveryType) {
  fake_resolver dns;
  dns.add_txt("example.com", {"v=spf1 a mx ptr exists:x.example.com -all"});
  dns.add_a("example.com", {"192.0.2.7"}).add_aaaa("example.com", {"2001:db8::7"});
  dns.add_mx("example.com", {{1, "mx.example.com"}});
  dns.add_a("mx.example.com", {"192.0.2.8"}).add_aaaa("mx.example.com", {"2001:db8::8"});
  dns.add_ptr("192.0.2.1", {"host.example.com"}).add_a("host.example.com", {"192.0.2.1"});
  dns.add_a("x.example.com", {"127.0.0.2"});
  EXPECT_EQ(evaluate_all(dns).mechanism, "ptr");
  EXPECT_EQ(evaluate_all(dns, client("2001:db8::7")).mechanism, "a");
  EXPECT_EQ(evaluate_all(dns, client("2001:db8::8")).mechanism, "mx");
  EXPECT_EQ(evaluate_all(dns, client("2001:db8::9")).mechanism, "exists:x.example.com");
}

TEST(SpfResolve, AnswersThatTakeTime) {
  fake_resolver dns;
  add_three_hosts(dns);
  dns.delay(std::chrono::milliseconds(1));
  EXPECT_EQ(evaluate_all(dns).result, result::pass);
  dns.fails("a.example.com", "SERVFAIL");
  EXPECT_EQ(evaluate_all(dns).problem, "A of a.example.com: SERVFAIL");
}

TEST(SpfResolve, AsksAtTheSameTime) {
  slow_resolver dns;
  add_three_hosts(dns.table);
  asio::io_context io(1);
  outcome found;
  asio::co_spawn(io, evaluate(dns, client(), {}),
                 [&](const std::exception_ptr&, outcome o) { found = std::move(o); });
  smtp::testing::settle(io);
  EXPECT_EQ(dns.gate.waiting(), 3u);
  dns.gate.open();
  smtp::testing::settle(io);
  EXPECT_EQ(found.result, result::pass);
}

// RFC 7208 §4.6.4
TEST(SpfResolve, TheDeadlineIsATemporaryError) {
  slow_resolver dns;
  add_three_hosts(dns.table);
  asio::io_context io(1);
  const outcome found =
      smtp::testing::run(io, evaluate(dns, client(), {}, std::chrono::milliseconds(1)));
  EXPECT_EQ(found.result, result::temperror);
  EXPECT_EQ(found.problem, "the DNS did not answer in time");
  smtp::testing::settle(io);
  dns.gate.open();  // what was asked and left behind ends without harm
  smtp::testing::settle(io);
  EXPECT_EQ(dns.gate.waiting(), 0u);
}

TEST(SpfResolve, NoTimeAtAllAsksNothing) {
  fake_resolver dns;
  add_three_hosts(dns);
  const outcome found =
      smtp::testing::run(evaluate(dns, client(), {}, std::chrono::milliseconds(0)));
  EXPECT_EQ(found.result, result::temperror);
  EXPECT_TRUE(dns.asked().empty());
}

TEST(SpfResolve, ExceptionsAreTemporaryErrors) {
  slow_resolver dns;
  add_three_hosts(dns.table);
  dns.throws = true;
  const outcome found = evaluate_all(dns);
  EXPECT_EQ(found.result, result::temperror);
}

TEST(SpfResolve, CanBeCancelled) {
  slow_resolver dns;
  add_three_hosts(dns.table);
  asio::io_context io(1);
  asio::cancellation_signal cancel;
  std::exception_ptr error;
  bool ended = false;
  asio::co_spawn(io, evaluate(dns, client(), {}),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr e, outcome) {
                   error = std::move(e);
                   ended = true;
                 }));
  smtp::testing::settle(io);
  ASSERT_FALSE(ended);
  cancel.emit(asio::cancellation_type::all);
  smtp::testing::settle(io);
  ASSERT_TRUE(ended);
  EXPECT_THROW(std::rethrow_exception(error), std::system_error);
  dns.gate.open();
  smtp::testing::settle(io);
}

// The loop goes away in the middle of it.
TEST(SpfResolve, CanBeAbandoned) {
  slow_resolver dns;
  add_three_hosts(dns.table);
  auto io = std::make_unique<asio::io_context>(1);
  bool ended = false;
  asio::co_spawn(*io, evaluate(dns, client(), {}),
                 [&](const std::exception_ptr&, const outcome&) { ended = true; });
  smtp::testing::settle(*io);
  EXPECT_EQ(dns.gate.waiting(), 3u);
  io.reset();
  EXPECT_FALSE(ended);
}

}  // namespace
}  // namespace gatepost::checks::spf
