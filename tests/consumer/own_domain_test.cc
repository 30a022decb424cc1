#include "own_domain.hpp"

#include <gtest/gtest.h>

#include "checks/testing.hpp"

namespace consumer {
namespace {

TEST(own_domain, refuses_a_stranger_that_claims_it) {
  checks::trial trial;
  trial.add<own_domain>("example.test");
  EXPECT_TRUE(trial.connect().passes());
  EXPECT_EQ(trial.mail("<a@example.test>").reply().code(), 550);
}

TEST(own_domain, lets_others_and_notifications_pass) {
  checks::trial trial;
  trial.add<own_domain>("example.test");
  EXPECT_TRUE(trial.connect().passes());
  EXPECT_TRUE(trial.mail("<a@example.org>").passes());
  trial.reset();
  EXPECT_TRUE(trial.mail("<>").passes());
}

}  // namespace
}  // namespace consumer
