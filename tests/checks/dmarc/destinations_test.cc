// This header stands alone.
#include "checks/dmarc/destinations.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gatepost::checks::dmarc {
namespace {

using std::chrono::seconds;
using txt_answer = smtp::dns::answer<std::string>;
using zone = std::map<std::string, std::vector<std::string>>;

// A record that reads "fails" is a failure of the DNS.
std::vector<std::string> run(destinations& d, const zone& dns) {
  std::vector<std::string> asked;
  while (const auto name = d.next()) {
    asked.push_back(*name);
    if (asked.size() > 100) break;
    const auto found = dns.find(*name);
    if (found == dns.end())
      d.answer(txt_answer::no_such_name(seconds(60)));
    else if (found->second[0] == "fails")
      d.answer(txt_answer::temporary_failure("timeout"));
    else
      d.answer(txt_answer::found(found->second, seconds(60)));
  }
  return asked;
}

std::vector<std::string> verified(const std::string& domain, const std::string& rua,
                                  const zone& dns) {
  destinations d(domain, regime::rfc9989, parse_report_uris(rua));
  run(d, dns);
  std::vector<std::string> out;
  for (const report_uri& uri : d.verified()) out.push_back(uri.address);
  return out;
}

using addresses = std::vector<std::string>;

TEST(Destinations, InsideNeedNoPermission) {
  EXPECT_EQ(verified("example.org", "mailto:a@example.org,mailto:b@Sub.Example.org", {}),
            (addresses{"a@example.org", "b@Sub.Example.org"}));
  EXPECT_EQ(verified("xn--bcher-kva.example",
                     "mailto:a@b\xc3\xbc"
                     "cher.example",
                     {})
                .size(),
            1u);
  // Of one organization, though not below the policy's domain.
  const zone dns = {{"_dmarc.example.org", {"v=DMARC1; p=none; aspf=s"}},
                    {"_dmarc.mail.example.org", {"v=DMARC1; p=none; aspf=s"}}};
  EXPECT_EQ(verified("mail.example.org", "mailto:a@example.org,mailto:b@rua.example.org", dns),
            (addresses{"a@example.org", "b@rua.example.org"}));
}

// RFC 9990 §4: whose they are is said by their Organizational Domains, and not by their names.
TEST(Destinations, BelowAPublicSuffixDomainAreOthers) {
  const std::string rua = "mailto:own@psd.test,mailto:x@registrant.psd.test";
  zone dns = {{"_dmarc.psd.test", {"v=DMARC1; p=none; psd=y"}}};
  EXPECT_EQ(verified("psd.test", rua, dns), addresses{"own@psd.test"});
  // Another organization by its own word.
  EXPECT_EQ(verified("example.org", "mailto:x@sub.example.org",
                     {{"_dmarc.example.org", {"v=DMARC1; p=none"}},
                      {"_dmarc.sub.example.org", {"v=DMARC1; p=none; psd=n"}}}),
            addresses{});
  // They may agree.
  dns["psd.test._report._dmarc.registrant.psd.test"] = {"v=DMARC1"};
  EXPECT_EQ(verified("psd.test", rua, dns), (addresses{"own@psd.test", "x@registrant.psd.test"}));
  // By the list of suffixes, where the policy is that of a public suffix.
  const auto suffixes = public_suffix_list::system();
  ASSERT_TRUE(suffixes);
  for (const char* domain : {"co.uk", "example.co.uk"}) {
    const std::string host = "x." + std::string(domain);
    destinations d(domain, regime::rfc7489, parse_report_uris("mailto:a@" + host),
                   {.suffixes = &*suffixes});
    run(d, {{"_dmarc." + std::string(domain), {"v=DMARC1; p=none"}}});
    EXPECT_EQ(d.verified().empty(), domain == std::string("co.uk")) << domain;
  }
}

// What is below costs two walks, whatever its depth.
TEST(Destinations, OfAnOrganizationAskFewQuestions) {
  const zone dns = {{"_dmarc.example.org", {"v=DMARC1; p=none"}}};
  std::string rua;
  for (const char* name : {"1", "2", "3", "4", "5", "6"})
    rua += "mailto:x@" + std::string(name) + ".c.d.e.f.g.h.i.j.k.l.example.org,";
  destinations d("example.org", regime::rfc9989, parse_report_uris(rua));
  EXPECT_LE(run(d, dns).size(), 5 * 2 * max_tree_walk_queries);
  EXPECT_EQ(d.verified().size(), 5u);
}

// Whoever takes failure reports for another says by ruf= to where (RFC 9991 §5).
TEST(Destinations, OfFailureReportsAreNamedByRuf) {
  const std::string name = "blue.example.com._report._dmarc.red.example.net";
  const zone dns = {
      {name, {"v=DMARC1; rua=mailto:rua@red.example.net; ruf=mailto:ruf@red.example.net"}}};
  for (const bool failure : {false, true}) {
    destination_options options;
    options.failure_reports = failure;
    destinations d("blue.example.com", regime::rfc9989,
                   parse_report_uris("mailto:reports@red.example.net"), options);
    run(d, dns);
    ASSERT_EQ(d.verified().size(), 1u);
    EXPECT_EQ(d.verified()[0].address, failure ? "ruf@red.example.net" : "rua@red.example.net");
  }
}

// RFC 9990 §4
TEST(Destinations, OutsideNeedOne) {
  const std::string rua = "mailto:reports@red.example.net";
  const std::string name = "blue.example.com._report._dmarc.red.example.net";
  EXPECT_EQ(verified("blue.example.com", rua, {}), addresses{});
  EXPECT_EQ(verified("blue.example.com", rua, {{name, {"v=DMARC1"}}}),
            addresses{"reports@red.example.net"});
  EXPECT_EQ(verified("blue.example.com", rua, {{name, {"hello", "v=DMARC1;"}}}),
            addresses{"reports@red.example.net"});
  EXPECT_EQ(verified("blue.example.com", rua, {{name, {"v=DMARC2", "p=none"}}}), addresses{});
  // Step 9.
  EXPECT_EQ(
      verified("blue.example.com", rua, {{name, {"v=DMARC1; rua=mailto:other@red.example.net"}}}),
      addresses{"other@red.example.net"});
  EXPECT_EQ(
      verified("blue.example.com", rua, {{name, {"v=DMARC1; rua=mailto:victim@example.edu"}}}),
      addresses{});
  destinations d("blue.example.com", regime::rfc9989, parse_report_uris(rua));
  EXPECT_TRUE(run(d, {{name, {"fails"}}}).size() >= 1);
  EXPECT_TRUE(d.verified().empty());
  EXPECT_TRUE(d.incomplete());
}

// One lost answer about whose domain it is does not make it a stranger's.
TEST(Destinations, OfAnOrganizationThatIsNotKnownAreAskedAgain) {
  const std::string rua = "mailto:d@example.com";
  zone dns = {{"_dmarc.sub.example.com", {"v=DMARC1; p=none"}},
              {"_dmarc.example.com", {"v=DMARC1; p=none"}}};
  for (const char* lost : {"_dmarc.sub.example.com", "_dmarc.example.com"}) {
    SCOPED_TRACE(lost);
    zone now = dns;
    now[lost] = {"fails"};
    destinations d("sub.example.com", regime::rfc9989, parse_report_uris(rua));
    run(d, now);
    EXPECT_TRUE(d.verified().empty());
    EXPECT_TRUE(d.incomplete());
    // With a permission it does not matter, and then it is no matter of the next address.
    now["sub.example.com._report._dmarc.example.com"] = {"v=DMARC1"};
    destinations permitted("sub.example.com", regime::rfc9989,
                           parse_report_uris(rua + ",mailto:x@sub.example.com"));
    run(permitted, now);
    EXPECT_EQ(permitted.verified().size(), 2u);
    EXPECT_FALSE(permitted.incomplete());
  }
  destinations d("sub.example.com", regime::rfc9989,
                 parse_report_uris(rua + ",mailto:x@other.test"));
  run(d, dns);
  EXPECT_EQ(d.verified().size(), 1u);
  EXPECT_FALSE(d.incomplete());
}

TEST(Destinations, WhatIsLeftOut) {
  EXPECT_EQ(verified("example.org", "https://example.org/r,mailto:a@[192.0.2.1]", {}), addresses{});
  EXPECT_EQ(verified("", "mailto:a@example.org", {}), addresses{});
  const std::string one = "mailto:a@example.org,";
  EXPECT_EQ(verified("example.org", one + one + one + one + one + one + one, {}).size(), 5u);
  // RFC 9990 §4 step 4: a name that the DNS cannot hold.
  std::string deep;
  for (int i = 0; i < 30; ++i) deep += "abcdef.";
  const std::string far = "mailto:a@" + deep + "example.net";
  destinations d("a.very.long.name.of.a.domain.example.org", regime::rfc9989,
                 parse_report_uris(far));
  for (const std::string& name : run(d, {})) EXPECT_LE(name.size(), 253u);
  EXPECT_TRUE(d.verified().empty());
}

TEST(Destinations, ByPublicSuffixes) {
  const auto suffixes = public_suffix_list::system();
  ASSERT_TRUE(suffixes);
  report_policy p{.domain = "mail.example.org", .regime = regime::rfc7489};
  p.published = *parse_record("v=DMARC1; p=none; rua=mailto:a@example.org,mailto:b@example.net");
  destinations d(p, {.suffixes = &*suffixes});
  const zone dns = {{"_dmarc.mail.example.org", {"v=DMARC1; p=none"}}};
  EXPECT_EQ(run(d, dns).back(), "mail.example.org._report._dmarc.example.net");
  ASSERT_EQ(d.verified().size(), 1u);
  EXPECT_EQ(d.verified()[0].address, "a@example.org");
}

// RFC 7489 §6.2: "!" and the most octets that a report may have.
TEST(Destinations, SizeLimitsAreObeyed) {
  destinations d("example.org", regime::rfc7489,
                 parse_report_uris("mailto:a@example.org!1k,mailto:b@example.org,"
                                   "mailto:c@example.org!10m,mailto:d@example.org!1024"));
  run(d, {});
  const auto those = [&](std::uint64_t octets) {
    std::string out;
    for (const report_uri& uri : d.verified(octets)) out += uri.address[0];
    return out;
  };
  EXPECT_EQ(d.verified().size(), 4u);
  EXPECT_EQ(those(0), "abcd");
  EXPECT_EQ(those(1024), "abcd");
  EXPECT_EQ(those(1025), "bc");
  EXPECT_EQ(those(10u << 20), "bc");
  EXPECT_EQ(those((10u << 20) + 1), "b");
}

// An address that takes the place of another brings its own limit.
TEST(Destinations, AnOverridingAddressHasItsOwnSizeLimit) {
  const zone dns = {
      {"example.org._report._dmarc.other.example", {"v=DMARC1; rua=mailto:new@other.example!2k"}}};
  destinations d("example.org", regime::rfc9989, parse_report_uris("mailto:a@other.example!1k"));
  run(d, dns);
  ASSERT_EQ(d.verified(2048).size(), 1u);
  EXPECT_EQ(d.verified(2048)[0].address, "new@other.example");
  EXPECT_TRUE(d.verified(2049).empty());
}

}  // namespace
}  // namespace gatepost::checks::dmarc
