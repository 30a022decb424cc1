// This header stands alone.
#include "smtp/sasl_client.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatepost::smtp {
namespace {

using names = std::vector<std::string>;

// RFC 4616 §4.
TEST(sasl_client, plain) {
  credentials login("Kurt", "xipj3plmq");
  login.act_as = "Ursel";
  const auto c = choose_sasl_client(names{"LOGIN", "PLAIN"}, login);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->mechanism(), "PLAIN");
  EXPECT_EQ(c->initial_response(), std::string("Ursel\0Kurt\0xipj3plmq", 20));
}

TEST(sasl_client, plain_after_an_empty_challenge) {
  const auto c = choose_sasl_client(names{"PLAIN"}, {"tim", "tanstaaftanstaaf"});
  const auto said = c->respond("");
  ASSERT_TRUE(said);
  EXPECT_EQ(*said, std::string("\0tim\0tanstaaftanstaaf", 21));
  EXPECT_FALSE(c->respond(""));
}

TEST(sasl_client, login) {
  const auto c = choose_sasl_client(names{"LOGIN"}, {"tim", "secret"});
  EXPECT_EQ(c->mechanism(), "LOGIN");
  EXPECT_FALSE(c->initial_response());
  EXPECT_EQ(*c->respond("Username:"), "tim");
  EXPECT_EQ(*c->respond("whatever"), "secret");
  EXPECT_FALSE(c->respond("and now?"));
}

TEST(sasl_client, none_that_fits) {
  EXPECT_EQ(choose_sasl_client(names{}, {"a", "b"}), nullptr);
  EXPECT_EQ(choose_sasl_client(names{"CRAM-MD5", "PLAINTEXT"}, {"a", "b"}), nullptr);
  EXPECT_EQ(choose_sasl_client(names{"PLAIN"}, {std::string("a\0b", 3), "c"}), nullptr);
  EXPECT_EQ(choose_sasl_client(names{"PLAIN"}, {"a", std::string("b\0", 2)}), nullptr);
  credentials other("a", "b");
  other.act_as = "c";
  EXPECT_EQ(choose_sasl_client(names{"LOGIN"}, other), nullptr);
}

}  // namespace
}  // namespace gatepost::smtp
