// This header stands alone.
#include "smtp/dns/answer.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp::dns {
namespace {

TEST(dns_answer, found) {
  const auto a = answer<std::string>::found({"x"}, std::chrono::seconds(60));
  EXPECT_EQ(a.status(), status::found);
  EXPECT_TRUE(a.has_records());
  EXPECT_TRUE(a.is_definite());
  EXPECT_FALSE(a.authenticated());
  EXPECT_EQ(a.ttl(), std::chrono::seconds(60));
}

TEST(dns_answer, no_answer_is_not_a_negative_answer) {
  const auto failed = answer<std::string>::temporary_failure("SERVFAIL");
  const auto absent = answer<std::string>::no_such_name(std::chrono::seconds(30));
  const auto empty = answer<std::string>::no_data(std::chrono::seconds(30));
  EXPECT_FALSE(failed.is_definite());
  EXPECT_EQ(failed.reason(), "SERVFAIL");
  EXPECT_TRUE(absent.is_definite());
  EXPECT_TRUE(empty.is_definite());
  EXPECT_FALSE(absent.has_records());
  EXPECT_EQ(to_string(absent.status()), "no such name");
  EXPECT_EQ(to_string(empty.status()), "no data");
}

TEST(dns_answer, authenticated_is_set_by_who_validates) {
  auto a = answer<mx_record>::found({{10, "mx.example.test"}}, std::chrono::seconds(60));
  EXPECT_TRUE(a.set_authenticated(true).authenticated());
}

}  // namespace
}  // namespace gatepost::smtp::dns
