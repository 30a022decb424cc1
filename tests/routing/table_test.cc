// This header stands alone.
#include "routing/table.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/run.hpp"

namespace gatepost::routing {
namespace {

smtp::address address_of(std::string_view text) {
  const auto a = smtp::address::from_text(text);
  EXPECT_TRUE(a) << text;
  return a ? *a : smtp::address();
}

route_result ask(table& t, std::string_view address) {
  const smtp::address who = address_of(address);
  return testing::run(t.route(who, nullptr));
}

TEST(table, answers_with_routes_and_with_replies) {
  table t;
  t.add("example.test", next_hop("127.0.0.1", 2526));
  t.add("box.test", route::maildir("/var/mail/{domain}/{local}"));
  t.add_users("box.test", {"alice"});

  const route_result hop = ask(t, "a@example.test");
  ASSERT_EQ(hop.status(), route_status::found);
  EXPECT_EQ(to_string(hop.where()), "smtp:[127.0.0.1]:2526");
  EXPECT_FALSE(hop.by_default());

  EXPECT_EQ(to_string(ask(t, "Alice@box.test").where()), "maildir:/var/mail/box.test/alice");

  const route_result nobody = ask(t, "bob@box.test");
  EXPECT_EQ(nobody.status(), route_status::unknown_user);
  EXPECT_EQ(nobody.reply().to_string(), "550 5.1.1 No such user here");

  const route_result stranger = ask(t, "a@elsewhere.test");
  EXPECT_EQ(stranger.status(), route_status::unknown_domain);
  EXPECT_EQ(stranger.reply().to_string(), "550 5.7.1 Relaying denied");
}

TEST(table, a_route_for_everything_says_so) {
  table t;
  t.add("*", next_hop::mx_of("{domain}"));
  const route_result r = ask(t, "a@elsewhere.test");
  ASSERT_EQ(r.status(), route_status::found);
  EXPECT_TRUE(r.by_default());
  EXPECT_EQ(to_string(r.where()), "smtp:elsewhere.test");
}

TEST(table, answers_with_classes) {
  table t;
  t.add("example.test", route::discard());
  t.add("*", route::discard());
  t.add_class("vip@example.test", "strict");
  EXPECT_EQ(ask(t, "vip@example.test").policy_class(), "strict");
  EXPECT_EQ(ask(t, "a@example.test").policy_class(), "");
  EXPECT_TRUE(t.parse("* discard\n* class: others\n", "f").empty());
  EXPECT_EQ(ask(t, "vip@example.test").policy_class(), "others");
  EXPECT_TRUE(ask(t, "vip@example.test").by_default());
}

TEST(table, an_address_that_would_leave_the_maildirs_is_no_user) {
  table t;
  t.add("*", route::maildir("/var/mail/{domain}/{local}"));
  for (const char* address : {"../../etc/x@example.test", "\"..\"@example.test", "a/b@example.test",
                              "\"\"@example.test", "\".ssh\"@example.test"}) {
    const auto who = smtp::address::from_text(address);
    if (!who) continue;  // not even an address
    EXPECT_EQ(t.find(*who).status(), route_status::unknown_user) << address;
  }
  EXPECT_EQ(ask(t, "x@example.test").status(), route_status::found);
}

TEST(table, postmaster_without_domain_is_at_the_first_one) {
  table t;
  t.add("example.test", route::maildir("/var/mail/{domain}/{local}"));
  EXPECT_EQ(to_string(ask(t, "Postmaster").where()), "maildir:/var/mail/example.test/postmaster");
}

TEST(table, a_text_takes_the_place_of_all_that_was) {
  table t;
  t.add("old.test", route::discard());
  EXPECT_TRUE(t.parse("new.test discard\n", "f").empty());
  EXPECT_EQ(ask(t, "a@old.test").status(), route_status::unknown_domain);
  EXPECT_EQ(ask(t, "a@new.test").status(), route_status::found);
}

TEST(table, a_bad_text_changes_nothing) {
  table t;
  t.add("old.test", route::discard());
  const std::vector<std::string> errors = t.parse("new.test discard\nnonsense\n", "f");
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].substr(0, 5), "f:2: ");
  EXPECT_EQ(ask(t, "a@old.test").status(), route_status::found);
  EXPECT_EQ(ask(t, "a@new.test").status(), route_status::unknown_domain);
  EXPECT_THROW(t.add("old.test", route::discard()), std::invalid_argument);
}

TEST(table, may_be_replaced_while_it_is_asked) {
  table t;
  t.add("example.test", next_hop("a.example"));
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      const smtp::address who = address_of("x@example.test");
      while (!done) {
        const route_result r = t.find(who);
        const bool right =
            r.status() == route_status::found && (to_string(r.where()) == "smtp:[a.example]" ||
                                                  to_string(r.where()) == "smtp:[b.example]");
        if (!right) ++wrong;
      }
    });
  }
  for (int i = 0; i < 500; ++i) {
    EXPECT_TRUE(
        t.parse(i % 2 == 0 ? "example.test smtp:[a.example]" : "example.test smtp:[b.example]", "f")
            .empty());
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace gatepost::routing
