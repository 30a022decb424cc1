// This header stands alone.
#include "smtp/transaction.hpp"

#include <gtest/gtest.h>

#include <set>

namespace gatepost::smtp {
namespace {

TEST(transaction, every_step_and_state_has_a_name) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(client_step::quit); ++i)
    names.insert(to_string(static_cast<client_step>(i)));
  for (int i = 0; i <= static_cast<int>(recipient_state::failed); ++i)
    names.insert(to_string(static_cast<recipient_state>(i)));
  EXPECT_EQ(names.size(), 15u + 4u);
  EXPECT_EQ(names.count("?"), 0u);
}

TEST(transaction, an_outcome_counts) {
  transaction_outcome o;
  o.recipients.resize(3);
  EXPECT_EQ(o.count(recipient_state::untried), 3u);
  EXPECT_FALSE(o.in_doubt());
  o.recipients[1].state = recipient_state::deferred;
  o.recipients[1].in_doubt = true;
  EXPECT_EQ(o.count(recipient_state::untried), 2u);
  EXPECT_EQ(o.count(recipient_state::deferred), 1u);
  EXPECT_TRUE(o.in_doubt());
}

// What we say ourselves has the class of its code (RFC 3463 §2).
TEST(transaction, own_replies_are_consistent) {
  using namespace client_replies;
  for (const fixed_reply& r : {too_big, needs_8bitmime, needs_binarymime, needs_smtputf8,
                               needs_requiretls, needs_tls, bare_line_end}) {
    EXPECT_EQ(r.code / 100, r.enhanced.klass) << r.text;
    EXPECT_EQ(reply(r).enhanced(), r.enhanced) << r.text;
  }
}

}  // namespace
}  // namespace gatepost::smtp
