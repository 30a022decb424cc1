// This header stands alone.
#include "checks/dkim/key_fetch.hpp"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "smtp/testing/fake_resolver.hpp"
#include "smtp/testing/run.hpp"

namespace gatepost::checks::dkim {
namespace {

using smtp::testing::fake_resolver;

TEST(DkimKeyFetch, AsksForAllAtOnce) {
  fake_resolver dns;
  asio::io_context io(1);  // its end is that of the questions
  dns.delay(std::chrono::hours(1));
  const key_fetch keys(io.get_executor(), dns, {"a.test", "b.test", "c.test"});
  smtp::testing::settle(io);
  EXPECT_EQ(dns.open(), 3u);
}

TEST(DkimKeyFetch, HasTheAnswersInOrder) {
  asio::io_context io(1);
  fake_resolver dns;
  dns.add_txt("a.test", {"one"}).fails("b.test", "timeout");
  key_fetch keys(io.get_executor(), dns, {"a.test", "b.test", "c.test"});
  smtp::testing::run(io, keys.wait());
  ASSERT_EQ(keys.answers().size(), 3u);
  EXPECT_EQ(keys.answers()[0].records().at(0), "one");
  EXPECT_FALSE(keys.answers()[1].is_definite());
  EXPECT_EQ(keys.answers()[2].status(), smtp::dns::status::no_such_name);
}

TEST(DkimKeyFetch, NothingToAsk) {
  asio::io_context io(1);
  fake_resolver dns;
  key_fetch keys(io.get_executor(), dns, {});
  smtp::testing::run(io, keys.wait());
  EXPECT_TRUE(keys.answers().empty());
}

TEST(DkimKeyFetch, WhoGoesAwayCancels) {
  asio::io_context io(1);
  fake_resolver dns;
  dns.delay(std::chrono::hours(1));
  auto keys =
      std::make_unique<key_fetch>(io.get_executor(), dns, std::vector<std::string>{"a.test"});
  smtp::testing::settle(io);
  EXPECT_EQ(dns.open(), 1u);
  keys.reset();
  smtp::testing::settle(io);
  EXPECT_EQ(dns.open(), 0u);
}

}  // namespace
}  // namespace gatepost::checks::dkim
