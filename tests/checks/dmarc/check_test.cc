// This header stands alone.
#include "checks/dmarc/check.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "checks/auth_results.hpp"
#include "checks/auth_results_check.hpp"
#include "checks/testing.hpp"
#include "smtp/testing/fake_resolver.hpp"

namespace gatepost::checks::dmarc {
namespace {

// Stands for SPF and DKIM.
class authenticates final : public checks::check {
 public:
  explicit authenticates(identifiers found) : found_(std::move(found)) {}
  std::string_view name() const override { return "authenticates"; }
  asio::awaitable<verdict> on_message(context& ctx) override {
    identifiers_of(ctx.transaction_notes()) = found_;
    co_return verdict::pass();
  }

 private:
  identifiers found_;
};

identifiers spf(const std::string& domain) {
  identifiers found;
  found.spf = authenticated_spf{domain, auth_result::pass};
  return found;
}

class DmarcCheck : public testing::Test {
 protected:
  smtp::verdict send(check_options options, identifiers found,
                     const std::string& from = "a@example.com") {
    trial t;
    t.add<authenticates>(std::move(found));
    t.add<check>(dns_, std::move(options));
    t.add<auth_results>(auth_results_options{.authserv_id = "mx"});
    t.facts().id = "session";
    t.facts().client.address = *smtp::parse_ip_address(client_);
    t.facts().auth_identity = identity_;
    t.mail("<a@bounce.example>");
    t.rcpt("<b@example.org>");
    return t.message(received_ + (from.empty() ? "" : "From: " + from + "\r\n") +
                     "Subject: x\r\n\r\nx\r\n");
  }
  static std::string header(const smtp::verdict& v) {
    return v.has_effects() && !v.what_else().add_headers.empty()
               ? v.what_else().add_headers[0].value
               : "";
  }
  static std::string tag(const smtp::verdict& v) {
    return v.has_effects() && !v.what_else().tags.empty() ? v.what_else().tags[0].value : "";
  }

  // One that knows 10.0.0.1 for one of our own servers.
  static check_options behind_upstream() {
    true_client_options client;
    client.upstreams = *smtp::parse_network_set("10.0.0.1");
    check_options options;
    options.client = true_client(std::move(client));
    return options;
  }

  smtp::testing::fake_resolver dns_;
  std::string client_ = "192.0.2.7";
  std::string identity_;
  std::string received_;
};

TEST_F(DmarcCheck, Refuses) {
  dns_.add_txt("_dmarc.example.com", {"v=DMARC1; p=reject"});
  const auto v = send({}, spf("other.example"));
  EXPECT_EQ(v.kind(), smtp::decision::refuse);
  EXPECT_EQ(v.reply().to_string(), "550 5.7.1 Email rejected per DMARC policy for example.com");
  EXPECT_EQ(send({.refusal = {5, 7, 26}}, {}).reply().enhanced(), (smtp::enhanced_code{5, 7, 26}));
  EXPECT_TRUE(send({}, spf("example.com")).passes());
}

// Lets everything through at the end of the header.
class trusting final : public checks::check {
 public:
  std::string_view name() const override { return "trusting"; }
  bool waits(smtp::stage) const override { return false; }
  asio::awaitable<verdict> on_header_end(context&) override { co_return verdict::accept(); }
};

// Whoever else is in its group, and decides: what was prepared is not what was asked for.
TEST_F(DmarcCheck, SaysNothingOfAMessageThatIsAcceptedBefore) {
  dns_.add_txt("_dmarc.example.com", {"v=DMARC1; p=reject"});
  for (const bool at_hand : {false, true}) {
    dns_.at_hand(at_hand);
    trial t;
    auto both = t.chain().concurrently();
    both.add<trusting>(trial::patient());
    both.add<check>(trial::patient(), dns_);
    t.facts().client.address = *smtp::parse_ip_address("192.0.2.7");
    t.mail("<a@bounce.example>");
    t.rcpt("<b@example.org>");
    EXPECT_TRUE(t.message("From: a@example.com\r\n\r\nx\r\n").passes()) << at_hand;
  }
}

TEST_F(DmarcCheck, WritesItsResult) {
  dns_.add_txt("_dmarc.example.com", {"v=DMARC1; p=quarantine"});
  auto v = send({}, spf("example.com"));
  EXPECT_EQ(header(v), "mx; dmarc=pass (p=quarantine dis=none) header.from=example.com");
  EXPECT_EQ(tag(v), "pass example.com p=quarantine");
  v = send({.quarantine_score = 2.5}, {});
  EXPECT_TRUE(v.passes());
  EXPECT_EQ(header(v),
            "mx; dmarc=fail (p=quarantine dis=quarantine) header.from=example.com "
            "policy.dmarc=quarantine");
  EXPECT_EQ(tag(v), "fail example.com p=quarantine dis=quarantine");
  EXPECT_EQ(v.what_else().score, 2.5);
  EXPECT_EQ(send({.on_quarantine = treatment::hold}, {}).kind(), smtp::decision::hold);
  EXPECT_EQ(send({.on_quarantine = treatment::refuse}, {}).kind(), smtp::decision::refuse);
  v = send({}, {}, "a@nothing.example");
  EXPECT_EQ(header(v), "mx; dmarc=none reason=\"no DMARC record\" header.from=nothing.example");
}

TEST_F(DmarcCheck, TemporaryTrouble) {
  dns_.fails("_dmarc.example.com", "timeout");
  EXPECT_TRUE(send({}, {}).passes());
  const auto v = send({.defer_on_temperror = true}, {});
  EXPECT_EQ(v.reply().code(), 451);
  EXPECT_EQ(v.reply().enhanced(), (smtp::enhanced_code{4, 4, 3}));
}

TEST_F(DmarcCheck, OddFromFields) {
  dns_.add_txt("_dmarc.example.com", {"v=DMARC1; p=reject"})
      .add_txt("_dmarc.example.net", {"v=DMARC1; p=none"});
  const std::string two = "a@example.net, b@example.com";
  for (const std::string& from : {std::string(), two, std::string("nobody"),
                                  std::string("a@example.net\r\nFrom: b@example.com")}) {
    EXPECT_TRUE(send({}, {}, from).passes()) << from;
    EXPECT_EQ(send({.on_odd_from = odd_from::refuse}, {}, from).reply().code(), 550) << from;
  }
  const check_options each{.on_odd_from = odd_from::evaluate_each};
  auto v = send(each, spf("example.net"), two);
  EXPECT_EQ(v.reply().text(), "Email rejected per DMARC policy for example.com");
  EXPECT_TRUE(send(each, spf("example.com"), two).passes());
  EXPECT_EQ(send(each, {}, "nobody").reply().code(), 550);
  EXPECT_EQ(
      send(each, {}, "a@1.example,a@2.example,a@3.example,a@4.example,a@5.example").reply().code(),
      550);
}

// One author's domain is evaluated however odd the field is: oddness is no way around p=reject.
TEST_F(DmarcCheck, OneDomainInAnOddFromField) {
  dns_.add_txt("_dmarc.bank.test", {"v=DMARC1; p=reject"});
  for (const std::string from : {
           "x@evil.test <ceo@bank.test>",
           "\"ceo <ceo@bank.test>",
           "<ceo@bank.test",
           "ceo@bank.test the boss",
           "ceo@bank.test <>",
           "(the boss ceo@bank.test",
           "ceo@bank.test\r\nFrom: x@bank.test",
       }) {
    EXPECT_EQ(send({}, spf("evil.test"), from).reply().text(),
              "Email rejected per DMARC policy for bank.test")
        << from;
    EXPECT_TRUE(send({}, spf("bank.test"), from).passes()) << from;
    EXPECT_EQ(send({.on_odd_from = odd_from::refuse}, spf("bank.test"), from).reply().code(), 550)
        << from;
  }
}

// RFC 7489 §6.6.1
TEST_F(DmarcCheck, SeveralAuthorsByRfc7489) {
  dns_.add_txt("_dmarc.a.test", {"v=DMARC1; p=quarantine"})
      .add_txt("_dmarc.b.test", {"v=DMARC1; p=reject"})
      .add_txt("_dmarc.c.test", {"v=DMARC1; p=none"});
  check_options options;
  options.regime = regime::rfc7489;
  options.suffixes = std::make_shared<public_suffix_list>(*public_suffix_list::system());
  EXPECT_EQ(send(options, {}, "x@a.test, y@b.test, z@c.test").reply().text(),
            "Email rejected per DMARC policy for b.test");
  EXPECT_EQ(tag(send(options, spf("b.test"), "x@a.test, y@b.test, z@c.test")),
            "fail a.test p=quarantine dis=quarantine");
  EXPECT_EQ(tag(send(options, spf("b.test"), "y@b.test, x@unknown.test")), "none unknown.test");
  EXPECT_EQ(tag(send(options, {}, "1@b.test, 2@c.test, 3@d.test, 4@e.test, 5@f.test")), "none")
      << "more than `authors`";
  options.on_odd_from = odd_from::refuse;
  EXPECT_EQ(send(options, {}, "x@c.test, y@b.test").reply().code(), 550);
}

// What local policy forgives one author it does not the other.
TEST_F(DmarcCheck, LocalPolicyIsForOneAuthor) {
  dns_.add_txt("_dmarc.a.test", {"v=DMARC1; p=reject"})
      .add_txt("_dmarc.b.test", {"v=DMARC1; p=reject"});
  check_options options;
  options.on_odd_from = odd_from::evaluate_each;
  options.local_policy = [](const context&, const evaluation& e) -> std::optional<override_reason> {
    if (e.author_domain != "a.test") return std::nullopt;
    return override_reason{override_type::local_policy, "a partner"};
  };
  EXPECT_TRUE(send(options, {}, "x@a.test").passes());
  for (const char* from : {"x@a.test, y@b.test", "y@b.test, x@a.test"})
    EXPECT_EQ(send(options, {}, from).reply().text(), "Email rejected per DMARC policy for b.test");
}

// An author whose record asks for nothing does not hide one whose record is not known.
TEST_F(DmarcCheck, ATemporaryErrorIsNotHidden) {
  dns_.add_txt("_dmarc.a.test", {"v=DMARC1; p=none"}).fails("_dmarc.b.test", "timeout");
  check_options options;
  options.on_odd_from = odd_from::evaluate_each;
  options.defer_on_temperror = true;
  EXPECT_EQ(send(options, {}, "x@a.test, y@b.test").reply().code(), 451);
  options.defer_on_temperror = false;
  EXPECT_TRUE(send(options, {}, "x@a.test, y@b.test").passes());
}

TEST_F(DmarcCheck, WhoIsNotLookedAt) {
  dns_.add_txt("_dmarc.example.com", {"v=DMARC1; p=reject"});
  check_options options;
  options.exempt = *smtp::parse_network_set("192.0.2.0/24");
  EXPECT_TRUE(send(options, {}).passes());
  identity_ = "me";
  EXPECT_TRUE(send({}, {}).passes());
  EXPECT_TRUE(dns_.asked().empty());
}

// Whom SPF leaves alone DMARC does, too: there is nothing that they could pass with.
TEST_F(DmarcCheck, WhoIsNotLookedAtBehindAnUpstream) {
  dns_.add_txt("_dmarc.example.com", {"v=DMARC1; p=reject"});
  client_ = "10.0.0.1";
  check_options options = behind_upstream();
  options.exempt = *smtp::parse_network_set("203.0.113.0/24");
  for (const char* field : {
           "Received: from pc (home [198.51.100.9]) by up with ESMTPSA id 1; x\r\n",
           "Received: from pc (home [198.51.100.9]) (Authenticated sender: ann) by up; x\r\n",
           "Received: from pc (pc [192.168.0.7]) by up with ESMTPS id 1; x\r\n",
           "Received: from pc (pc [203.0.113.7]) by up with ESMTPS id 1; x\r\n",
           "Received: by up (Postfix, from userid 33) id 1; x\r\n",
           "",
       }) {
    received_ = field;
    EXPECT_TRUE(send(options, {}).passes()) << field;
    EXPECT_TRUE(dns_.asked().empty()) << field;
  }
  received_ = "Received: from x (authenticated.evil.test [198.51.100.9]) by up with ESMTP; x\r\n";
  EXPECT_FALSE(send(options, {}).passes());
  client_ = "192.168.0.7";
  EXPECT_TRUE(send(options, {}).passes()) << "an exempt client that comes itself";
}

// Not the upstream: whom it saw.
TEST_F(DmarcCheck, TheClientBehindAnUpstreamIsMeant) {
  dns_.add_txt("_dmarc.example.com", {"v=DMARC1; p=reject; rua=mailto:a@example.com"});
  client_ = "10.0.0.1";
  received_ = "Received: from x (y [198.51.100.9]) by up with ESMTP id 1; x\r\n";
  check_options options = behind_upstream();
  memory_report_store store;
  options.reports = &store;
  options.exempt = *smtp::parse_network_set("10.0.0.1");
  options.forwarders.push_back({.networks = *smtp::parse_network_set("10.0.0.1")});
  for (const bool at_hand : {false, true}) {
    dns_.at_hand(at_hand);
    EXPECT_FALSE(send(options, {}).passes());
    EXPECT_TRUE(send(options, spf("example.com")).passes());
  }
  options.forwarders[0].networks = *smtp::parse_network_set("198.51.100.9");
  EXPECT_EQ(tag(send(options, {})), "fail example.com p=reject dis=none trusted_forwarder");
  const std::chrono::sys_seconds ever(std::chrono::hours(24 * 365 * 1000));
  const auto due = store.close(ever, std::chrono::seconds(0));
  ASSERT_EQ(due.size(), 1u);
  for (const auto& counted : store.closed(due[0])->rows)
    EXPECT_EQ(counted.row.source.text(), "198.51.100.9");
}

TEST_F(DmarcCheck, LocalOverrides) {
  dns_.add_txt("_dmarc.example.com", {"v=DMARC1; p=reject"});
  check_options options;
  options.forwarders.push_back({.networks = *smtp::parse_network_set("192.0.2.7")});
  EXPECT_EQ(tag(send(options, {})), "fail example.com p=reject dis=none trusted_forwarder");

  options = {};
  options.local_policy = [](const context&, const evaluation& e) {
    EXPECT_EQ(e.disposition, policy::reject);
    return override_reason{override_type::mailing_list, "list"};
  };
  EXPECT_EQ(tag(send(options, {})), "fail example.com p=reject dis=none mailing_list");

  identifiers found;
  found.arc = trusted_arc{.sealer = "list.example", .dmarc_pass = true};
  EXPECT_EQ(tag(send({}, found)), "fail example.com p=reject dis=none local_policy");
  EXPECT_FALSE(send({.trust_arc = false}, found).passes());
  found.arc->dmarc_pass = false;
  EXPECT_FALSE(send({}, found).passes());
}

// A sealer's word about one author is no word about another.
TEST_F(DmarcCheck, ArcIsGoodForTheAuthorItNames) {
  dns_.add_txt("_dmarc.victim.example", {"v=DMARC1; p=reject"})
      .add_txt("_dmarc.evil.test", {"v=DMARC1; p=reject"});
  check_options options;
  options.on_odd_from = odd_from::evaluate_each;
  identifiers found;
  found.arc = trusted_arc{.sealer = "list.example", .dmarc_pass = true};
  const char* const both = "ceo@victim.example, a@evil.test";
  const auto passes = [&](const std::string& from) { return send(options, found, from).passes(); };
  EXPECT_TRUE(passes("a@evil.test"));
  EXPECT_FALSE(passes(both)) << "of whom is not told";
  found.arc->authors = {"evil.test"};
  EXPECT_TRUE(passes("a@EVIL.test"));
  EXPECT_FALSE(passes("ceo@victim.example"));
  EXPECT_EQ(send(options, found, both).reply().text(),
            "Email rejected per DMARC policy for victim.example");
  found.arc->authors = {"evil.test", "victim.example"};
  EXPECT_TRUE(passes(both));
}

TEST_F(DmarcCheck, CountsForReports) {
  dns_.add_txt("_dmarc.example.com", {"v=DMARC1; p=reject; rua=mailto:a@example.com"});
  memory_report_store store;
  int told = 0;
  check_options options;
  options.reports = &store;
  options.on_outcome = [&](const context&, const evaluation&, const identifiers&) { ++told; };
  send(options, spf("other.example"));
  send(options, spf("other.example"));
  send(options, spf("example.com"));
  options.on_reject = treatment::mark;
  send(options, spf("other.example"));
  EXPECT_EQ(told, 4);
  const std::chrono::sys_seconds ever(std::chrono::hours(24 * 365 * 1000));
  const auto due = store.close(ever, std::chrono::seconds(0));
  ASSERT_EQ(due.size(), 1u);
  const report told_to_owner = *store.closed(due[0]);
  const auto& rows = told_to_owner.rows;
  ASSERT_EQ(rows.size(), 3u);
  const report_row& row = rows[0].row;
  EXPECT_EQ(rows[0].count, 2u);
  EXPECT_EQ(row.source.text(), "192.0.2.7");
  EXPECT_EQ(row.disposition, policy::reject);
  EXPECT_EQ(row.envelope_from, "bounce.example");
  EXPECT_EQ(row.header_from, "example.com");
  EXPECT_TRUE(rows[1].row.passed);
  EXPECT_EQ(rows[2].row.disposition, policy::quarantine);
  EXPECT_EQ(rows[2].row.reasons[0].type, override_type::local_policy);
}

TEST_F(DmarcCheck, ByPublicSuffixes) {
  EXPECT_THROW(check(dns_, {.regime = regime::rfc7489}), std::invalid_argument);
  dns_.add_txt("_dmarc.example.com", {"v=DMARC1; p=reject; np=none"});
  check_options options{.regime = regime::rfc7489};
  options.suffixes = std::make_shared<public_suffix_list>(*public_suffix_list::system());
  EXPECT_FALSE(send(options, {}, "a@ghost.example.com").passes());
  EXPECT_TRUE(send({}, {}, "a@ghost.example.com").passes());
}

}  // namespace
}  // namespace gatepost::checks::dmarc
