// This header stands alone.
#include "checks/dmarc/report.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/checks/dmarc/report_kit.hpp"

namespace gatepost::checks::dmarc {
namespace {

evaluation failed() {
  evaluation e;
  e.result = result::fail;
  e.author_domain = "mail.example.com";
  e.record_domain = "example.com";
  e.record = parse_record("v=DMARC1; p=reject; rua=mailto:a@example.com");
  e.policy = e.disposition = policy::reject;
  return e;
}

TEST(Report, WhatIsReported) {
  evaluation e = failed();
  EXPECT_TRUE(reportable(e));
  e.result = result::pass;
  EXPECT_TRUE(reportable(e));
  e.result = result::temperror;
  EXPECT_FALSE(reportable(e));
  e = failed();
  e.record->rua.clear();
  EXPECT_FALSE(reportable(e));
  EXPECT_FALSE(reportable(evaluation{}));
  EXPECT_EQ(policy_of(failed(), regime::rfc7489).domain, "example.com");
}

// Whose domain it is does not depend on what its owner publishes.
TEST(Report, KnowsTheOrganization) {
  const auto list = public_suffix_list::system();
  ASSERT_TRUE(list);
  struct organization_case {
    const char* domain;
    const char* by_list;
    const char* by_labels;
  };
  const organization_case cases[] = {
      {"example.com", "example.com", "example.com"},
      {"a.b.example.com", "example.com", "example.com"},
      {"a.example.co.uk", "example.co.uk", "co.uk"},
      {"co.uk", "co.uk", "co.uk"},
      {"test", "test", "test"},
  };
  for (const organization_case& c : cases) {
    evaluation e = failed();
    e.record_domain = c.domain;
    e.record->psd = psd_flag::no;
    e.organizational_domain = c.domain;
    EXPECT_EQ(policy_of(e, regime::rfc9989, &*list).organization, c.by_list) << c.domain;
    EXPECT_EQ(policy_of(e, regime::rfc9989).organization, c.by_labels) << c.domain;
  }
}

// RFC 9990 §3.1.3
TEST(Report, TheBestSignaturesComeFirst) {
  evaluation e = failed();
  identifiers found;
  found.dkim = {{"other.example", "a", auth_result::fail},
                {"other.example", "b", auth_result::pass},
                {"example.com", "c", auth_result::pass},
                {"mail.example.com", "d", auth_result::pass}};
  e.dkim_each.assign(4, {});
  e.dkim_each[2].result = mechanism_result::pass;
  std::string order;
  const auto address = *smtp::parse_ip_address("192.0.2.1");
  for (const auto& s : row_of(e, found, address, "example.com").dkim) order += s.selector;
  EXPECT_EQ(order, "dcba");
  found.dkim.assign(150, {"other.example", "x", auth_result::fail});
  found.dkim.push_back({"mail.example.com", "y", auth_result::pass});
  const report_row row = row_of(e, found, address, "");
  EXPECT_EQ(row.dkim.size(), max_report_signatures);
  EXPECT_EQ(row.dkim[0].selector, "y");
}

TEST(Report, EqualRowsHaveEqualHashes) {
  const smtp::seeded_hash hash;
  EXPECT_EQ(hash_of(sample_row(), hash), hash_of(sample_row(), hash));
  EXPECT_NE(hash_of(sample_row(), hash), hash_of(sample_row(), smtp::seeded_hash()));
  report_row other = sample_row();
  other.spf->result = auth_result::pass;
  EXPECT_NE(hash_of(sample_row(), hash), hash_of(other, hash));
  EXPECT_FALSE(sample_row() == other);
  for (const override_reason& reason :
       {override_reason{override_type::other, "t=y"},
        override_reason{override_type::policy_test_mode, "because"}}) {
    report_row overridden = sample_row();
    overridden.reasons = {reason};
    EXPECT_NE(hash_of(sample_row(), hash), hash_of(overridden, hash)) << reason.comment;
  }
}

}  // namespace
}  // namespace gatepost::checks::dmarc
