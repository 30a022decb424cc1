// This header stands alone.
#include "checks/dmarc/record.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gatepost::checks::dmarc {
namespace {

TEST(DmarcRecord, BeginsWithItsVersion) {
  for (const char* text : {"v=DMARC1", "v=DMARC1;", "v=DMARC1; p=none", "v = DMARC1 ; p=none",
                           "V=DMARC1;p=none", "v=DMARC1\t;\tp=none;"})
    EXPECT_TRUE(parse_record(text)) << text;
  for (const char* text :
       {"", ";", "v", "v=", "v=dmarc1; p=none", "v=DMARC1 p=none", "v=DMARC2; p=none", "v=DMARC11",
        "p=none; v=DMARC1", "p=reject", "v=spf1 -all", ";v=DMARC1", "v=DMARC1=; p=none",
        " v=DMARC1; p=none", "\tv=DMARC1", "\r\nv=DMARC1"})
    EXPECT_FALSE(parse_record(text)) << text;
  EXPECT_FALSE(parse_record("v=DMARC1;" + std::string(max_record_octets, ' ')));
}

TEST(DmarcRecord, TheTagsOfRfc9989) {
  const auto r = parse_record(
      "v=DMARC1; p=reject; sp=quarantine; np=None; psd=n; t=y; adkim=s; aspf=S; fo=1:d:s;"
      " rua=mailto:agg@example.com; ruf=mailto:fail@example.com; unknown=x; =; p2=reject; lonely");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->p, policy::reject);
  EXPECT_EQ(r->sp, policy::quarantine);
  EXPECT_EQ(r->np, policy::none);
  EXPECT_EQ(r->psd, psd_flag::no);
  EXPECT_TRUE(r->testing);
  EXPECT_EQ(r->adkim, alignment_mode::strict);
  EXPECT_EQ(r->aspf, alignment_mode::strict);
  EXPECT_EQ(r->fo,
            (failure_options{.all_fail = false, .any_fails = true, .dkim = true, .spf = true}));
  EXPECT_EQ(r->fo_text, "1:d:s");
  ASSERT_EQ(r->rua.size(), 1u);
  EXPECT_EQ(r->rua[0], (report_uri{"mailto:agg@example.com", "agg@example.com"}));
  EXPECT_EQ(r->ruf[0].address, "fail@example.com");
  EXPECT_TRUE(r->problems.empty());
  EXPECT_TRUE(r->usable());
}

TEST(DmarcRecord, Defaults) {
  const auto r = parse_record("v=DMARC1; p=quarantine");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->psd, psd_flag::unknown);
  EXPECT_FALSE(r->testing);
  EXPECT_EQ(r->adkim, alignment_mode::relaxed);
  EXPECT_EQ(r->aspf, alignment_mode::relaxed);
  EXPECT_EQ(r->fo, failure_options{});
  EXPECT_EQ(r->pct, 100u);
  EXPECT_EQ(r->ri, 86400u);
  EXPECT_EQ(r->own_policy(), policy::quarantine);
  EXPECT_EQ(r->subdomain_policy(), policy::quarantine);
  EXPECT_EQ(r->nonexistent_policy(), policy::quarantine);
  EXPECT_EQ(parse_record("v=DMARC1; p=none; sp=reject")->nonexistent_policy(), policy::reject);
}

// RFC 9989 §4.8: what is wrong is as if it were not there.
TEST(DmarcRecord, WrongValuesBecomeDefaults) {
  const auto r = parse_record(
      "v=DMARC1; p=reject; psd=x; t=maybe; adkim=strict; aspf=; fo=0:1; pct=101; ri=-1; rua=nobody;"
      " p=none");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->p, policy::reject);
  EXPECT_EQ(r->psd, psd_flag::unknown);
  EXPECT_FALSE(r->testing);
  EXPECT_EQ(r->adkim, alignment_mode::relaxed);
  EXPECT_EQ(r->fo, failure_options{});
  EXPECT_EQ(r->pct, 100u);
  EXPECT_EQ(r->ri, 86400u);
  EXPECT_TRUE(r->rua.empty());
  EXPECT_EQ(r->problems.size(), 9u);
  for (const char* fo : {"2", "d:d", "", ":", "0:", "x:0", "dd"})
    EXPECT_EQ(parse_record("v=DMARC1; p=none; fo=" + std::string(fo))->fo_text, "0") << fo;
  EXPECT_EQ(parse_record("v=DMARC1; pct=0; ri=3600; p=none")->pct, 0u);
}

TEST(DmarcRecord, TellsSomeOfItsProblems) {
  std::string text = "v=DMARC1;p=none;rua=mailto:a@example.com;";
  for (int i = 0; i < 5000; ++i) text += "p=;";
  const auto r = parse_record(text);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->problems, std::vector<std::string>(max_record_problems, "p is there twice"));
}

// RFC 9989 §4.10.1, RFC 7489 §6.6.3
TEST(DmarcRecord, WithoutAValidPolicy) {
  struct {
    const char* text;
    bool usable;
  } const cases[] = {
      {"v=DMARC1", false},
      {"v=DMARC1; rua=mailto:a@example.com", true},
      {"v=DMARC1; rua=a@example.com", false},
      {"v=DMARC1; p=rejects", false},
      {"v=DMARC1; p=rejects; rua=mailto:a@example.com", true},
      {"v=DMARC1; p=reject; sp=all", false},
      {"v=DMARC1; p=reject; np=all; rua=mailto:a@example.com", true},
      {"v=DMARC1; sp=reject; rua=https://example.com/report", true},
  };
  for (const auto& c : cases) {
    const auto r = parse_record(c.text);
    ASSERT_TRUE(r) << c.text;
    EXPECT_EQ(r->usable(), c.usable) << c.text;
    if (!c.usable) continue;
    const record applied = r->applied();
    EXPECT_EQ(applied.own_policy(), policy::none) << c.text;
    EXPECT_EQ(applied.subdomain_policy(), policy::none) << c.text;
    EXPECT_EQ(applied.nonexistent_policy(), policy::none) << c.text;
  }
  EXPECT_EQ(parse_record("v=DMARC1; p=reject; sp=none")->applied(),
            *parse_record("v=DMARC1; p=reject; sp=none"));
}

// RFC 9989 §4.7
TEST(DmarcRecord, WithoutP) {
  const record r = parse_record("v=DMARC1; sp=quarantine; np=reject")->with_default_policy();
  EXPECT_TRUE(r.usable());
  EXPECT_EQ(r.applied().own_policy(), policy::none);
  EXPECT_EQ(r.applied().subdomain_policy(), policy::quarantine);
  EXPECT_EQ(r.applied().nonexistent_policy(), policy::reject);
  for (const char* text : {"v=DMARC1; p=rejected", "v=DMARC1; sp=all", "v=DMARC1; np=all"})
    EXPECT_FALSE(parse_record(text)->with_default_policy().usable()) << text;
  const auto told = parse_record("v=DMARC1; p=reject");
  EXPECT_EQ(told->with_default_policy(), *told);
}

// RFC 7489 §6.3
TEST(DmarcRecord, WithoutNp) {
  const auto r = parse_record("v=DMARC1; p=reject; np=bogus");
  ASSERT_TRUE(r);
  EXPECT_FALSE(r->usable());
  EXPECT_TRUE(r->without_np().usable());
  EXPECT_EQ(r->without_np().applied().p, policy::reject);
  EXPECT_EQ(parse_record("v=DMARC1; p=reject; np=none")->without_np().nonexistent_policy(),
            policy::reject);
  EXPECT_FALSE(parse_record("v=DMARC1; p=reject; sp=bogus; np=bogus")->without_np().usable());
}

TEST(DmarcRecord, ReportUris) {
  const auto uris = parse_report_uris(
      " mailto:a@example.com , mailto:b@example.net!10m,MAILTO:c%2Bd@example.org ! 50 K ,"
      "https://example.com/r?x=1, mailto:e@example.com?subject=x!7, mailto:f@b\xc3\xbc"
      "cher.example");
  ASSERT_EQ(uris.size(), 6u);
  EXPECT_EQ(uris[0], (report_uri{"mailto:a@example.com", "a@example.com", 0}));
  EXPECT_EQ(uris[1], (report_uri{"mailto:b@example.net", "b@example.net", 10u << 20}));
  EXPECT_EQ(uris[2], (report_uri{"MAILTO:c%2Bd@example.org", "c+d@example.org", 50u << 10}));
  EXPECT_EQ(uris[3], (report_uri{"https://example.com/r?x=1", "", 0}));
  EXPECT_EQ(uris[4].address, "e@example.com");
  EXPECT_EQ(uris[4].max_octets, 7u);
  EXPECT_EQ(uris[5].address,
            "f@b\xc3\xbc"
            "cher.example");
  for (const char* bad :
       {"", ",", "a@example.com", "mailto:", "mailto:nobody", "mailto:a@b c",
        "mailto:a b@c.example", "mailto:%zz@example.com", "mailto:a@example.com!",
        "mailto:a@example.com!x", "mailto:a@example.com!10x", ":x", "1x:y", "mailto:a%40b%40c"})
    EXPECT_TRUE(parse_report_uris(bad).empty()) << bad;
  EXPECT_EQ(parse_report_uris("mailto:a@b.example!99999999999t")[0].max_octets, ~0ull);
  EXPECT_EQ(parse_report_uris("mailto:a@b.example!1g")[0].max_octets, 1ull << 30);
  std::string many;
  for (int i = 0; i < 30; ++i) many += "mailto:a@example.com,";
  EXPECT_EQ(parse_report_uris(many).size(), max_report_uris);
}

TEST(DmarcRecord, Texts) {
  EXPECT_EQ(to_string(policy::none), "none");
  EXPECT_EQ(to_string(policy::quarantine), "quarantine");
  EXPECT_EQ(to_string(policy::reject), "reject");
  EXPECT_EQ(to_string(alignment_mode::relaxed), "r");
  EXPECT_EQ(to_string(alignment_mode::strict), "s");
}

}  // namespace
}  // namespace gatepost::checks::dmarc
