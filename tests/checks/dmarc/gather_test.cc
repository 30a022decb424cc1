// This header stands alone.
#include "checks/dmarc/gather.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "checks/arc/result.hpp"
#include "checks/spf/outcome.hpp"

namespace gatepost::checks::dmarc {
namespace {

TEST(Gather, TakesSpfOfMailFrom) {
  notes transaction;
  EXPECT_FALSE(gather(transaction).spf);
  for (int i = 0; i <= static_cast<int>(spf::result::permerror); ++i) {
    spf::mail_note note;
    note.outcome.result = static_cast<spf::result>(i);
    note.outcome.sender = "a@example.com";
    transaction.emplace<spf::mail_note>(note);
    const identifiers found = gather(transaction);
    ASSERT_TRUE(found.spf);
    EXPECT_EQ(found.spf->domain, "example.com");
    EXPECT_EQ(to_string(found.spf->result), spf::to_string(note.outcome.result));
  }
}

// RFC 8617 §7.2.1: what the first of the trusted sealers saw, and of whom.
TEST(Gather, TakesFromArcOfWhomDmarcPassed) {
  struct {
    const char* results;
    bool passed;
    std::vector<std::string> authors;
  } const cases[] = {
      {"mx; dmarc=pass header.from=Evil.TEST.", true, {"evil.test"}},
      {"mx; dmarc=pass (p=none) header.from=b\xc3\xbc"
       "cher.test policy.dmarc=none",
       true,
       {"xn--bcher-kva.test"}},
      {"mx; dmarc=pass header.from=a@evil.test", true, {"evil.test"}},
      {"mx; dmarc=pass", true, {}},
      {"mx; dmarc=pass header.from=a.test; dmarc=fail header.from=b.test", true, {"a.test"}},
      {"mx; dmarc=pass header.from=a.test; dmarc=pass header.from=b.test",
       true,
       {"a.test", "b.test"}},
      {"mx; dmarc=fail header.from=a.test; spf=pass", false, {}},
  };
  for (const auto& c : cases) {
    notes transaction;
    arc::report chain;
    chain.chain = arc::chain_status::pass;
    chain.trusted_from = 2;
    chain.sets = {{1, "stranger.test", "s", "none", "x; dmarc=pass header.from=victim.test"},
                  {2, "list.test", "s", "pass", c.results}};
    transaction.emplace<arc::report>(chain);
    const identifiers found = gather(transaction);
    ASSERT_TRUE(found.arc) << c.results;
    EXPECT_EQ(found.arc->dmarc_pass, c.passed) << c.results;
    EXPECT_EQ(found.arc->authors, c.authors) << c.results;
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
