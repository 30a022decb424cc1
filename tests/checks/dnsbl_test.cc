// This header stands alone.
#include "checks/dnsbl.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "checks/reverse_dns.hpp"
#include "checks/testing.hpp"
#include "smtp/domain.hpp"
#include "smtp/testing/fake_resolver.hpp"
#include "tests/support/run.hpp"

namespace gatepost::checks {
namespace {

using namespace std::chrono_literals;
using smtp::testing::fake_resolver;
using subject = dnsbl_subject;

smtp::ip_address ip(const char* text) { return *smtp::parse_ip_address(text); }

dnsbl_list listing(const char* zone, double weight = 1) {
  dnsbl_list list;
  list.zone = zone;
  list.weight = weight;
  return list;
}

dnsbl_list names(const char* zone, std::vector<subject> subjects) {
  dnsbl_list list = listing(zone);
  list.subjects = std::move(subjects);
  return list;
}

struct note_reader final : check {
  explicit note_reader(dnsbl_result& s) : seen(s) {}
  std::string_view name() const override { return "note_reader"; }
  asio::awaitable<verdict> on_rcpt(context& ctx) override {
    if (const auto* note = ctx.transaction_notes().find<dnsbl_result>()) seen = *note;
    co_return verdict::pass();
  }
  dnsbl_result& seen;
};

// A session with one dnsbl.
struct world {
  explicit world(dnsbl_options o) : options(std::move(o)) {
    options.observer = &told;
    options.now = [this] { return now; };
  }

  dnsbl& start() {
    lists = &t.add<dnsbl>(dns, options);
    t.add<note_reader>(note);
    return *lists;
  }

  // The first message of a new session.
  smtp::verdict mail(const char* client, const char* sender = "<ann@sender.example>") {
    if (lists == nullptr) start();
    t.leave();
    t.facts().client.address = ip(client);
    EXPECT_TRUE(t.connect().passes());
    EXPECT_TRUE(t.helo("helo.example").passes());
    const smtp::verdict said = t.mail(sender);
    last = t.verdicts().back().verdict;
    if (said.passes()) t.rcpt("<bob@example.test>");
    return said;
  }
  std::string reply(const char* client, const char* sender = "<ann@sender.example>") {
    const smtp::verdict v = mail(client, sender);
    return v.negative() ? v.reply().to_string() : std::string(to_string(last.kind()));
  }
  double score() const { return last.has_effects() ? last.what_else().score : 0; }

  fake_resolver dns;
  recorder told;
  std::chrono::steady_clock::time_point now{1000s};
  dnsbl_options options;
  dnsbl_result note;
  trial t;
  dnsbl* lists = nullptr;
  smtp::verdict last;
};

dnsbl_options with(std::vector<dnsbl_list> lists) {
  dnsbl_options o;
  o.lists = std::move(lists);
  return o;
}

true_client behind_an_upstream() {
  true_client_options behind;
  behind.upstreams = *smtp::parse_network_set("198.51.100.1");
  return true_client(behind);
}

TEST(Dnsbl, RefusesByNameAndReason) {
  world w(with({listing("bl.test")}));
  w.dns.add_a("1.2.0.192.bl.test", {"127.0.0.2"})
      .add_txt("1.2.0.192.bl.test", {"see\r\n https://bl.test/?192.0.2.1"});
  w.dns.add_a("2.2.0.192.bl.test", {"127.0.0.3"});
  EXPECT_EQ(
      w.reply("192.0.2.1"),
      "550 5.7.1 Client address 192.0.2.1 is listed at bl.test: see https://bl.test/?192.0.2.1");
  EXPECT_EQ(w.reply("192.0.2.2"), "550 5.7.1 Client address 192.0.2.2 is listed at bl.test");
  EXPECT_EQ(w.reply("::ffff:192.0.2.2"), "550 5.7.1 Client address 192.0.2.2 is listed at bl.test");
  EXPECT_EQ(w.reply("192.0.2.3"), "pass");
  const std::vector<std::string> asked = {"A 1.2.0.192.bl.test", "TXT 1.2.0.192.bl.test",
                                          "A 2.2.0.192.bl.test", "TXT 2.2.0.192.bl.test",
                                          "A 2.2.0.192.bl.test", "TXT 2.2.0.192.bl.test",
                                          "A 3.2.0.192.bl.test"};
  EXPECT_EQ(w.dns.asked(), asked) << "reasons of those that are listed only";
}

// RFC 5782 §2.4
TEST(Dnsbl, AsksAboutIpv6ByNibbles) {
  world w(with({listing("bl.test"), names("four.test", {subject::ipv4})}));
  const std::string nibbles = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
  w.dns.add_a(nibbles + ".bl.test", {"127.0.0.2"});
  EXPECT_EQ(w.reply("2001:db8::1"), "550 5.7.1 Client address 2001:db8::1 is listed at bl.test");
  EXPECT_EQ(w.dns.asked().front(), "A " + nibbles + ".bl.test");
  EXPECT_EQ(w.dns.asked().size(), 2u) << "four.test knows no IPv6";
}

TEST(Dnsbl, WeightsAddUp) {
  dnsbl_options o =
      with({listing("one.test", 2), listing("two.test", 1.5), listing("good.test", -3)});
  o.lists[0].codes = {"127.0.0.2-3", "127.0.0.4=0.5"};
  o.refuse = 3;
  struct {
    std::vector<const char*> one, two, good;
    const char* reply;
    double score;
  } const cases[] = {
      {{}, {}, {}, "pass", 0},
      {{"127.0.0.2"}, {}, {}, "pass", 2},
      {{"127.0.0.4"}, {}, {}, "pass", 0.5},
      {{"127.0.0.9"}, {}, {}, "pass", 0},  // not one of the codes
      {{"127.0.0.2"},
       {"127.0.0.2"},
       {},
       "550 5.7.1 Client address 192.0.2.1 is listed at one.test",
       0},
      {{"127.0.0.4"}, {"127.0.0.2"}, {}, "pass", 2},
      {{"127.0.0.2"}, {"127.0.0.2"}, {"127.0.0.2"}, "pass", 0.5},
      {{}, {}, {"127.0.0.2"}, "pass", -3},
  };
  for (const auto& c : cases) {
    world w(o);
    for (const char* a : c.one) w.dns.add_a("1.2.0.192.one.test", {a});
    for (const char* a : c.two) w.dns.add_a("1.2.0.192.two.test", {a});
    for (const char* a : c.good) w.dns.add_a("1.2.0.192.good.test", {a});
    EXPECT_EQ(w.reply("192.0.2.1"), c.reply);
    EXPECT_EQ(w.score(), c.score);
  }
}

TEST(Dnsbl, AnAllowListSilencesTheOthers) {
  dnsbl_options o = with({listing("bl.test", 5), listing("wl.test", 0)});
  o.lists[1].allow = true;
  world w(o);
  w.dns.add_a("1.2.0.192.bl.test", {"127.0.0.2"}).add_a("1.2.0.192.wl.test", {"127.0.10.1"});
  EXPECT_EQ(w.reply("192.0.2.1"), "pass");
  EXPECT_EQ(w.score(), 0);
  EXPECT_TRUE(w.note.allowed);
  EXPECT_EQ(w.note.hits.size(), 2u);
}

TEST(Dnsbl, WithoutABoundItOnlyScores) {
  dnsbl_options o = with({listing("bl.test", 5)});
  o.refuse.reset();
  world w(o);
  w.dns.add_a("1.2.0.192.bl.test", {"127.0.0.2"});
  EXPECT_EQ(w.reply("192.0.2.1"), "pass");
  EXPECT_EQ(w.score(), 5);
  ASSERT_EQ(w.last.what_else().tags.size(), 1u);
  EXPECT_EQ(w.last.what_else().tags[0].value, "bl.test=127.0.0.2");
}

TEST(Dnsbl, LeavesANote) {
  dnsbl_options o = with({listing("key.bl.test", 0.5)});
  o.lists[0].name = "bl.test";
  world w(o);
  w.dns.add_a("1.2.0.192.key.bl.test", {"127.0.0.9"}).add_txt("1.2.0.192.key.bl.test", {"because"});
  EXPECT_EQ(w.reply("192.0.2.1"), "pass");
  ASSERT_EQ(w.note.hits.size(), 1u);
  const dnsbl_hit& hit = w.note.hits[0];
  EXPECT_EQ(hit.list, "bl.test") << "the key stays secret";
  EXPECT_EQ(hit.subject, subject::ipv4);
  EXPECT_EQ(hit.what, "192.0.2.1");
  EXPECT_EQ(hit.code, ip("127.0.0.9"));
  EXPECT_EQ(hit.reason, "because");
  EXPECT_EQ(w.note.score, 0.5);
}

TEST(Dnsbl, AsksListsOfNames) {
  struct {
    const char* listed;
    const char* reply;
  } const cases[] = {
      {"helo.example.helo.test", "550 5.7.1 HELO name helo.example is listed at helo.test"},
      {"sender.example.sender.test",
       "550 5.7.1 Sender domain sender.example is listed at sender.test"},
      {"mail.example.rdns.test", "550 5.7.1 Client name mail.example is listed at rdns.test"},
      {"forged.example.rdns.test", "pass"},  // not confirmed
      {"helo.example.sender.test", "pass"},
  };
  for (const auto& c : cases) {
    world w(with({names("helo.test", {subject::helo}), names("sender.test", {subject::sender}),
                  names("rdns.test", {subject::client_name})}));
    w.dns.add_ptr("192.0.2.1", {"forged.example", "mail.example"})
        .add_a("mail.example", {"192.0.2.1"})
        .add_a(c.listed, {"127.0.0.2"});
    EXPECT_EQ(w.reply("192.0.2.1", "<ann@SENDER.example>"), c.reply) << c.listed;
  }
}

TEST(Dnsbl, WhatIsNoNameIsNotAskedAbout) {
  world w(with({names("bl.test", {subject::helo, subject::sender, subject::client_name})}));
  w.start();
  w.t.facts().client.address = ip("192.0.2.1");
  w.t.connect();
  w.t.helo("[192.0.2.1]");
  EXPECT_TRUE(w.t.mail("<>").passes());
  EXPECT_TRUE(w.t.mail("<ann@[192.0.2.1]>").passes());
  for (const std::string& q : w.dns.asked()) EXPECT_TRUE(q.starts_with("PTR ")) << q;
}

TEST(Dnsbl, SharesTheClientsNameWithReverseDns) {
  world w(with({names("bl.test", {subject::client_name})}));
  w.dns.add_ptr("192.0.2.1", {"mail.example"}).add_a("mail.example", {"192.0.2.1"});
  w.t.add<reverse_dns>(w.dns);
  EXPECT_EQ(w.reply("192.0.2.1"), "pass");
  const std::vector<std::string> asked = {"PTR 1.2.0.192.in-addr.arpa", "A mail.example",
                                          "A mail.example.bl.test"};
  EXPECT_EQ(w.dns.asked(), asked);
}

// --- Trouble
// ---------------------------------------------------------------------------------------

TEST(Dnsbl, BeingBlockedIsTroubleAndNotAListing) {
  world w(with({listing("bl.test")}));
  w.dns.add_a("1.2.0.192.bl.test", {"127.255.255.254"}).add_a("2.2.0.192.bl.test", {"192.0.2.80"});
  EXPECT_EQ(w.reply("192.0.2.1"), "inconclusive");
  ASSERT_EQ(w.told.trouble.size(), 1u);
  EXPECT_EQ(w.told.trouble[0].where, "check dnsbl");
  EXPECT_TRUE(
      w.told.trouble[0].what.starts_with("bl.test: answers 127.255.255.254: we may not ask"))
      << w.told.trouble[0].what;
  EXPECT_EQ(w.reply("192.0.2.2"), "inconclusive");
  EXPECT_EQ(w.told.trouble.size(), 1u) << "told once";
  EXPECT_EQ(w.reply("192.0.2.3"), "pass");
  ASSERT_EQ(w.told.trouble.size(), 2u);
  EXPECT_EQ(w.told.trouble[1].what,
            "bl.test: answers again (3 asked, 0 listed, 0 failed, 1 blocked, 1 odd, 0 skipped)");
  const dnsbl_stats s = w.lists->stats().at(0);
  EXPECT_EQ(s.asked, 3u);
  EXPECT_EQ(s.blocked, 1u);
  EXPECT_EQ(s.odd, 1u);
  EXPECT_EQ(s.listed, 0u);
}

TEST(Dnsbl, ADeadListIsLeftAloneForAWhile) {
  dnsbl_options o = with({listing("dead.test"), listing("bl.test")});
  o.breaker = {.failures = 2, .rest = 60s};
  world w(o);
  w.dns.fails("1.2.0.192.dead.test", "timeout").add_a("1.2.0.192.bl.test", {"127.0.0.2"});
  const auto stats = [&] { return w.lists->stats().at(0); };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(w.mail("192.0.2.1").reply().code(), 550) << "by bl.test";
  EXPECT_EQ(stats().asked, 2u);
  EXPECT_EQ(stats().failed, 2u);
  EXPECT_EQ(stats().skipped, 3u);
  EXPECT_TRUE(stats().resting);
  ASSERT_EQ(w.told.trouble.size(), 1u);
  EXPECT_EQ(w.told.trouble[0].what,
            "dead.test: 2 questions in a row failed (timeout); not asked for 60000 ms (2 asked, 0 "
            "listed, 2 failed, 0 blocked, 0 odd, 0 skipped)");
  EXPECT_EQ(to_string(stats()),
            "dead.test: 2 asked, 0 listed, 2 failed, 0 blocked, 0 odd, 3 skipped; rests");
  // One trial after the rest, which fails.
  w.now += 60s;
  for (int i = 0; i < 3; ++i) w.mail("192.0.2.1");
  EXPECT_EQ(stats().asked, 3u);
  // The next one is answered.
  w.now += 60s;
  w.mail("192.0.2.9");
  EXPECT_EQ(stats().asked, 4u);
  EXPECT_FALSE(stats().resting);
  EXPECT_EQ(w.told.trouble.size(), 2u) << "not for each trial";
  EXPECT_EQ(w.told.trouble.back().what,
            "dead.test: answers again (4 asked, 0 listed, 3 failed, 0 blocked, 0 odd, 5 skipped)");
  EXPECT_FALSE(w.lists->stats().at(1).resting);
  EXPECT_EQ(to_string(w.lists->stats().at(1)),
            "bl.test: 9 asked, 8 listed, 0 failed, 0 blocked, 0 odd, 0 skipped");
}

// That it rests is said, too, after it was said what it answers.
TEST(Dnsbl, AListThatBlocksUsIsLeftAloneAndThatIsSaid) {
  dnsbl_options o = with({listing("bl.test")});
  o.breaker = {.failures = 2, .rest = 60s};
  world w(o);
  w.dns.add_a("1.2.0.192.bl.test", {"127.255.255.254"});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(w.reply("192.0.2.1"), "inconclusive");
  ASSERT_EQ(w.told.trouble.size(), 2u);
  EXPECT_EQ(w.told.trouble[1].what,
            "bl.test: 2 questions in a row failed (it answers 127.255.255.254); not asked for "
            "60000 ms (2 asked, 0 listed, 0 failed, 2 blocked, 0 odd, 0 skipped)");
}

TEST(Dnsbl, ASlowListCostsNoMoreThanItsDeadline) {
  dnsbl_options o = with({listing("bl.test")});
  o.deadline = 1ms;
  world w(o);
  w.dns.add_a("1.2.0.192.bl.test", {"127.0.0.2"}).delay(24h);
  EXPECT_EQ(w.reply("192.0.2.1"), "inconclusive");
  EXPECT_EQ(w.lists->stats().at(0).failed, 1u);
  EXPECT_EQ(w.dns.open(), 0u);
}

TEST(Dnsbl, AReasonThatDoesNotComeIsDoneWithout) {
  world w(with({listing("bl.test")}));
  w.dns.add_a("1.2.0.192.bl.test", {"127.0.0.2"})
      .add_txt("1.2.0.192.bl.test", {std::string(999, 'x')});
  EXPECT_EQ(w.reply("192.0.2.1"),
            "550 5.7.1 Client address 192.0.2.1 is listed at bl.test: " + std::string(200, 'x'));
}

// --- Who is judged
// ---------------------------------------------------------------------------------

TEST(Dnsbl, WhoAuthenticatesIsNotJudged) {
  world w(with({listing("bl.test")}));
  w.dns.add_a("1.2.0.192.bl.test", {"127.0.0.2"});
  w.start();
  w.t.facts().client.address = ip("192.0.2.1");
  w.t.connect();
  w.t.helo("laptop.example");
  w.t.auth("ann");
  EXPECT_TRUE(w.t.mail("<ann@example.test>").passes());
}

TEST(Dnsbl, LoopbackAndPrivateNetworksAreNotJudged) {
  world w(with({listing("bl.test")}));
  EXPECT_EQ(w.reply("127.0.0.1"), "pass");
  EXPECT_EQ(w.reply("10.0.0.1"), "pass");
  EXPECT_TRUE(w.dns.asked().empty());
}

TEST(Dnsbl, OurOwnBorderIsNotJudged) {
  dnsbl_options o = with({listing("bl.test"), names("helo.test", {subject::helo})});
  o.client = behind_an_upstream();
  world w(o);
  // Whoever asks about the border gets what a border would get.
  w.dns.add_a("1.100.51.198.bl.test", {"127.0.0.2"}).add_a("1.2.0.192.bl.test", {"127.0.0.2"});
  w.dns.add_a("helo.example.helo.test", {"127.0.0.2"});
  EXPECT_EQ(w.reply("198.51.100.1"), "pass");
  EXPECT_TRUE(w.dns.asked().empty());
  EXPECT_EQ(w.t.message("Received: from a.example (a [192.0.2.1]) by border; x\r\n\r\n")
                .reply()
                .to_string(),
            "550 5.7.1 Client address 192.0.2.1 is listed at bl.test");
  w.t.mail("<ann@sender.example>");
  w.t.rcpt("<bob@example.test>");
  EXPECT_TRUE(
      w.t.message("Received: from a.example (a [192.0.2.2]) by border; x\r\n\r\n").passes());
  for (const std::string& q : w.dns.asked())
    EXPECT_EQ(q.find("100.51.198"), std::string::npos) << q;
}

// One connection from an upstream brings the mail of many clients: what is known of one is not said
// of the next, of whose address no list knows anything.
TEST(Dnsbl, TheLastMessagesClientIsNotThisOne) {
  dnsbl_options o = with({names("bl.test", {subject::ipv4}), names("wl.test", {subject::ipv4}),
                          names("sender.test", {subject::sender})});
  o.lists[1].allow = true;
  o.client = behind_an_upstream();
  for (const bool at_hand : {false, true}) {
    world w(o);
    w.dns.at_hand(at_hand);
    w.dns.add_a("5.113.0.203.bl.test", {"127.0.0.2"}).add_a("6.113.0.203.wl.test", {"127.0.0.2"});
    w.dns.add_a("spam.example.sender.test", {"127.0.0.2"});
    const auto next = [&w](const char* client, const char* sender) {
      w.t.mail(sender);
      w.t.rcpt("<bob@example.test>");
      const smtp::verdict v = w.t.message("Received: from a.example (a [" + std::string(client) +
                                          "]) by border; x\r\n\r\n");
      return v.negative() ? v.reply().to_string() : "";
    };
    w.mail("198.51.100.1");
    EXPECT_EQ(next("203.0.113.5", "<ann@sender.example>"),
              "550 5.7.1 Client address 203.0.113.5 is listed at bl.test");
    EXPECT_EQ(next("2001:db8::1", "<ann@sender.example>"), "");
    EXPECT_EQ(next("203.0.113.6", "<ann@spam.example>"), "") << "allowed";
    EXPECT_EQ(next("2001:db8::1", "<ann@spam.example>"),
              "550 5.7.1 Sender domain spam.example is listed at sender.test");
  }
}

// Where there are such borders, others are judged at MAIL all the same, and only there.
TEST(Dnsbl, WhoWasJudgedAtMailIsNotAskedAboutAgain) {
  dnsbl_options o = with({names("sender.test", {subject::sender})});
  o.client = behind_an_upstream();
  for (const bool at_hand : {false, true}) {
    world w(o);
    w.dns.at_hand(at_hand);
    EXPECT_EQ(w.reply("192.0.2.1"), "pass");
    EXPECT_TRUE(w.t.message("Subject: x\r\n\r\n").passes());
    EXPECT_EQ(w.lists->stats().at(0).asked, 1u);
    EXPECT_EQ(w.dns.asked().size(), 1u);
  }
}

// --- Else
// ------------------------------------------------------------------------------------------

// RFC 5782 §5
TEST(Dnsbl, ChecksItsListsByTheirTestEntries) {
  fake_resolver dns;
  dns.add_a("2.0.0.127.good.test", {"127.0.0.2"});
  dns.add_a("2.0.0.127.all.test", {"127.0.0.2"}).add_a("1.0.0.127.all.test", {"127.0.0.2"});
  dns.add_a("2.0.0.127.blocked.test", {"127.255.255.255"});
  dns.fails("2.0.0.127.dead.test", "timeout");
  dns.add_a("test.names.test", {"127.0.1.2"});
  dns.add_a("2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.six.test",
            {"127.0.0.2"});
  dnsbl_options o =
      with({listing("good.test"), listing("all.test"), listing("none.test"),
            listing("blocked.test"), listing("dead.test"), names("names.test", {subject::sender}),
            names("six.test", {subject::ipv6})});
  const dnsbl check(dns, o);
  asio::io_context io(1);
  const std::vector<std::string> wrong = testing::run(io, check.self_check());
  const std::vector<std::string> expected = {
      "all.test: lists 1.0.0.127, which no list does (RFC 5782 section 5)",
      "none.test: does not list its test entry 2.0.0.127 (RFC 5782 section 5)",
      "blocked.test: answers 127.255.255.255, so it cannot be used from here",
      "dead.test: does not answer"};
  EXPECT_EQ(wrong, expected);
}

TEST(Dnsbl, RefusesListsThatCannotBe) {
  fake_resolver dns;
  EXPECT_THROW(dnsbl(dns, with({listing("no domain")})), std::invalid_argument);
  dnsbl_options o = with({listing("bl.test")});
  o.blocked = {"127"};
  EXPECT_THROW(dnsbl(dns, o), std::invalid_argument);
}

TEST(Dnsbl, AVeryLongNameIsNotAskedAbout) {
  world w(with({names("bl.test", {subject::sender})}));
  std::string domain;
  while (domain.size() < 240) domain += "abcdefgh.";
  domain += "example";
  ASSERT_TRUE(smtp::valid_domain(domain));
  EXPECT_EQ(w.reply("192.0.2.1", ("<a@" + domain + ">").c_str()), "pass");
  EXPECT_TRUE(w.dns.asked().empty());
}

}  // namespace
}  // namespace gatepost::checks
