// A check as a user writes one: refuses strangers who say that they send from our own domain.
#ifndef GATEPOST_TESTS_CONSUMER_OWN_DOMAIN_HPP
#define GATEPOST_TESTS_CONSUMER_OWN_DOMAIN_HPP

#include <asio/awaitable.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "checks/check.hpp"

namespace consumer {

namespace checks = gatepost::checks;

class own_domain final : public checks::check {
 public:
  explicit own_domain(std::string domain) : domain_(std::move(domain)) {}

  std::string_view name() const override { return "own_domain"; }

  asio::awaitable<checks::verdict> on_mail(checks::context& ctx) override {
    const std::string sender = ctx.envelope().reverse_path().text();
    if (!sender.ends_with("@" + domain_)) co_return checks::verdict::pass();
    static constexpr gatepost::smtp::fixed_reply refusal{550, {5, 7, 1}, "That is our own domain"};
    co_return checks::verdict::refuse(refusal);
  }

 private:
  std::string domain_;
};

}  // namespace consumer

#endif  // GATEPOST_TESTS_CONSUMER_OWN_DOMAIN_HPP
