// This header stands alone.
#include "smtp/auth.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/support/run.hpp"

namespace gatepost::smtp {
namespace {

// RFC 4954 §4: a challenge and its response.
class one_password final : public auth_exchange {
 public:
  asio::awaitable<auth_answer> step(std::string response, bool initial) override {
    if (!initial) co_return auth_answer::challenge("password?");
    if (response == "secret") co_return auth_answer::success("alice");
    co_return auth_answer::failure();
  }
};

asio::awaitable<void> ask(one_password& exchange, std::string response, bool initial,
                          std::vector<auth_answer>& said) {
  auth_answer answer = co_await exchange.step(std::move(response), initial);
  said.push_back(std::move(answer));
}

TEST(auth, an_exchange_answers_in_three_ways) {
  one_password exchange;
  std::vector<auth_answer> said;
  gatepost::testing::run(ask(exchange, "", false, said));
  gatepost::testing::run(ask(exchange, "secret", true, said));
  gatepost::testing::run(ask(exchange, "guess", true, said));
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0].what(), auth_answer::kind::challenge);
  EXPECT_EQ(said[0].text(), "password?");
  EXPECT_EQ(said[1].what(), auth_answer::kind::success);
  EXPECT_EQ(said[1].text(), "alice");
  EXPECT_EQ(said[2].what(), auth_answer::kind::failure);
  EXPECT_EQ(said[2].reply().code(), 535);
}

}  // namespace
}  // namespace gatepost::smtp
