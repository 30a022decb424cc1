// An authenticator for tests of what comes after it.
#ifndef GATEPOST_TESTS_SUPPORT_AUTHENTICATORS_HPP
#define GATEPOST_TESTS_SUPPORT_AUTHENTICATORS_HPP

#include <memory>
#include <string>
#include <string_view>

#include "smtp/auth.hpp"

namespace gatepost::tests {

// Everybody is who he says he is, in one step; who says nothing fails.
class trusting_authenticator final : public smtp::authenticator {
 public:
  std::unique_ptr<smtp::auth_exchange> start(std::string_view,
                                             const smtp::session_facts&) override {
    return std::make_unique<exchange>();
  }

 private:
  class exchange final : public smtp::auth_exchange {
   public:
    asio::awaitable<smtp::auth_answer> step(std::string response, bool) override {
      if (response.empty()) co_return smtp::auth_answer::failure();
      co_return smtp::auth_answer::success(response);
    }
  };
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_AUTHENTICATORS_HPP
