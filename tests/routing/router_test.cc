// This header stands alone.
#include "routing/router.hpp"

#include <gtest/gtest.h>

#include "tests/support/run.hpp"

namespace gatepost::routing {
namespace {

TEST(route_result, found) {
  const route_result r = route_result::found(next_hop("mx.example"));
  EXPECT_EQ(r.status(), route_status::found);
  EXPECT_EQ(to_string(r.where()), "smtp:[mx.example]");
  EXPECT_FALSE(r.by_default());
  EXPECT_TRUE(route_result::found_by_default(route::discard()).by_default());
  EXPECT_EQ(r.policy_class(), "");
  const route_result strict = route_result::found(route::discard()).in_class("strict");
  EXPECT_EQ(strict.status(), route_status::found);
  EXPECT_EQ(strict.policy_class(), "strict");
}

TEST(route_result, not_found_has_a_reply) {
  EXPECT_EQ(route_result::unknown_domain().status(), route_status::unknown_domain);
  EXPECT_EQ(route_result::unknown_domain().reply(), smtp::reply(smtp::replies::relaying_denied));
  EXPECT_EQ(route_result::unknown_user().status(), route_status::unknown_user);
  EXPECT_EQ(route_result::unknown_user().reply(), smtp::reply(smtp::replies::no_such_user));
  EXPECT_EQ(route_result::unavailable().status(), route_status::unavailable);
  EXPECT_TRUE(route_result::unavailable().reply().temporary());
  EXPECT_EQ(route_result().status(), route_status::unavailable);
}

// A user's router: one directory question per recipient.
class own_router final : public router {
 public:
  asio::awaitable<route_result> route(const smtp::address& recipient,
                                      const smtp::session_view* session) override {
    if (session != nullptr) co_return route_result::unavailable();
    if (recipient.is_postmaster()) co_return route_result::found(routing::route::discard());
    co_return route_result::unknown_user();
  }
};

TEST(router, may_be_written_by_the_user) {
  own_router own;
  router& r = own;
  const auto postmaster = smtp::address::from_text("postmaster@example.test");
  const auto nobody = smtp::address::from_text("nobody@example.test");
  EXPECT_EQ(testing::run(r.route(*postmaster, nullptr)).status(), route_status::found);
  EXPECT_EQ(testing::run(r.route(*nobody, nullptr)).status(), route_status::unknown_user);
}

}  // namespace
}  // namespace gatepost::routing
