// This header stands alone.
#include "checks/dmarc/gather.hpp"

#include <gtest/gtest.h>

#include "checks/spf/outcome.hpp"

namespace gatepost::checks::dmarc {
namespace {

TEST(Gather, TakesSpfOfMailFrom) {
  notes transaction;
  EXPECT_FALSE(gather(transaction).spf);
  for (int i = 0; i <= static_cast<int>(spf::result::permerror); ++i) {
    spf::mail_note note;
    note.outcome.result = static_cast<spf::result>(i);
    note.outcome.domain = "example.com";
    transaction.emplace<spf::mail_note>(note);
    const identifiers found = gather(transaction);
    ASSERT_TRUE(found.spf);
    EXPECT_EQ(found.spf->domain, "example.com");
    EXPECT_EQ(to_string(found.spf->result), spf::to_string(note.outcome.result));
  }
}

TEST(Gather, TheNoteOfIdentifiersGoesFirst) {
  notes transaction;
  transaction.emplace<spf::mail_note>();
  identifiers_of(transaction).spf = authenticated_spf{"example.net", auth_result::pass};
  identifiers_of(transaction).dkim.push_back({"example.org", "s", auth_result::pass});
  EXPECT_EQ(gather(transaction).spf->domain, "example.net");
  EXPECT_EQ(gather(transaction).dkim.size(), 1u);
}

}  // namespace
}  // namespace gatepost::checks::dmarc
