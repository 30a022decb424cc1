// Asks a colleague about a sender before it lets it in: a check that waits.
#ifndef GATEPOST_EXAMPLES_CUSTOM_CHECK_FIRST_CONTACT_HPP
#define GATEPOST_EXAMPLES_CUSTOM_CHECK_FIRST_CONTACT_HPP

#include <asio/awaitable.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "checks/check.hpp"

namespace checks = gatepost::checks;
namespace smtp = gatepost::smtp;

// What it leaves for later checks.
struct sender_reputation {
  int points = 0;
};

class first_contact final : public checks::check {
 public:
  // Whoever knows senders: a database, a service, in a test a lambda. Called on many threads.
  using lookup = std::function<asio::awaitable<int>(std::string sender)>;

  explicit first_contact(lookup ask) : ask_(std::move(ask)) {}

  std::string_view name() const override { return "first_contact"; }

  asio::awaitable<checks::verdict> on_mail(checks::context& ctx) override {
    // Notifications have no sender, and somebody waits for them.
    if (ctx.envelope().reverse_path().is_null()) co_return checks::verdict::pass();
    std::string sender = ctx.envelope().reverse_path().text();
    const int points = co_await ask_(std::move(sender));
    ctx.transaction_notes().emplace<sender_reputation>(sender_reputation{points});
    if (points < 0) {
      static constexpr smtp::fixed_reply unwanted{550, {5, 7, 1}, "We have no business with you"};
      co_return checks::verdict::refuse(unwanted);
    }
    co_return checks::verdict::pass().add_tag("reputation", std::to_string(points));
  }

 private:
  lookup ask_;
};

#endif  // GATEPOST_EXAMPLES_CUSTOM_CHECK_FIRST_CONTACT_HPP
