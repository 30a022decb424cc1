// This header stands alone.
#include "smtp/dns/resolver.hpp"

#include <gtest/gtest.h>

#include <string>

#include "smtp/testing/run.hpp"

namespace gatepost::smtp::dns {
namespace {

// The least that an implementation of one's own has to say.
class always_failing final : public resolver {
 public:
  asio::awaitable<answer<ip_address>> a(std::string) override { return fail<ip_address>(); }
  asio::awaitable<answer<ip_address>> aaaa(std::string) override { return fail<ip_address>(); }
  asio::awaitable<answer<mx_record>> mx(std::string) override { return fail<mx_record>(); }
  asio::awaitable<answer<std::string>> txt(std::string) override { return fail<std::string>(); }
  asio::awaitable<answer<std::string>> ptr(ip_address) override { return fail<std::string>(); }
  asio::awaitable<answer<tlsa_record>> tlsa(std::string) override { return fail<tlsa_record>(); }

 private:
  template <class Record>
  static asio::awaitable<answer<Record>> fail() {
    co_return answer<Record>::temporary_failure(failure::timeout);
  }
};

TEST(dns_resolver, is_asked_by_its_port) {
  always_failing own;
  resolver& port = own;
  const auto mx = testing::run(port.mx("example.test"));
  EXPECT_FALSE(mx.is_definite());
  EXPECT_EQ(mx.failure(), failure::timeout);
  const auto names = testing::run(port.ptr(ip_address()));
  EXPECT_EQ(names.reason(), "timeout");
}

}  // namespace
}  // namespace gatepost::smtp::dns
