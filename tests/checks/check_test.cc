// This header stands alone.
#include "checks/check.hpp"

#include <gtest/gtest.h>

#include "checks/detail/stages.hpp"
#include "tests/support/run.hpp"

namespace gatepost::checks {
namespace {

using detail::bit;
using detail::stages_of;
using smtp::stage;

class nothing : public check {
 public:
  std::string_view name() const override { return "nothing"; }
};

class only_mail : public nothing {
 public:
  asio::awaitable<verdict> on_mail(context&) override { co_return verdict::hold("odd"); }
};

class mail_and_rcpt : public only_mail {
 private:
  asio::awaitable<verdict> on_rcpt(context&) override { co_return verdict::pass(); }
};

class overloaded : public nothing {
 public:
  void on_body();
  asio::awaitable<verdict> on_body(context&, std::string_view) override {
    co_return verdict::pass();
  }
};

TEST(Check, StagesAreThoseThatAreOverridden) {
  static_assert(stages_of<nothing>() == 0);
  static_assert(stages_of<only_mail>() == bit(stage::mail));
  static_assert(stages_of<mail_and_rcpt>() == (bit(stage::mail) | bit(stage::rcpt)));
  static_assert(stages_of<overloaded>() == bit(stage::body));
}

TEST(Check, EveryStagePassesByDefault) {
  const smtp::session_facts facts;
  const smtp::envelope envelope;
  detail::session_store store;
  context ctx(facts, envelope, store);
  nothing n;
  check& c = n;
  using function = asio::awaitable<verdict> (check::*)(context&);
  for (const function f :
       {&check::on_connect, &check::on_helo, &check::on_tls, &check::on_auth, &check::on_mail,
        &check::on_rcpt, &check::on_data, &check::on_header_end, &check::on_message})
    EXPECT_EQ(testing::run((c.*f)(ctx)).kind(), smtp::decision::pass);
  EXPECT_EQ(testing::run(c.on_body(ctx, "text")).kind(), smtp::decision::pass);
  EXPECT_TRUE(c.waits(stage::mail));
}

}  // namespace
}  // namespace gatepost::checks
