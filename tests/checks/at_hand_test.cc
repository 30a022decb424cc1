// Checks say the same of a session whose answers are all at hand, when no check needs a coroutine
// of its own, as of one that has to ask for each of them.
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <cstddef>
#include <exception>
#include <string>
#include <vector>

#include "checks/arc/verifier.hpp"
#include "checks/dkim/verifier.hpp"
#include "checks/dmarc/check.hpp"
#include "checks/dnsbl.hpp"
#include "checks/helo_dns.hpp"
#include "checks/mail_domain.hpp"
#include "checks/reverse_dns.hpp"
#include "checks/spf/check.hpp"
#include "checks/testing.hpp"
#include "smtp/testing/fake_resolver.hpp"

namespace gatepost::checks {
namespace {

using smtp::testing::fake_resolver;

struct session {
  const char* what;
  const char* client;
  const char* helo;
  const char* sender;
  const char* author;
};

const session sessions[] = {
    {"honest", "192.0.2.1", "mail.good.test", "<a@good.test>", "a@good.test"},
    {"the null sender", "192.0.2.1", "mail.good.test", "<>", "a@good.test"},
    {"another client", "192.0.2.66", "mail.good.test", "<a@good.test>", "a@good.test"},
    {"a name that does not exist", "192.0.2.7", "nowhere.test", "<a@nowhere.test>", "a@good.test"},
    {"listed", "192.0.2.9", "listed.test", "<a@listed.test>", "a@listed.test"},
    {"the DNS does not answer", "192.0.2.8", "slow.test", "<a@slow.test>", "a@slow.test"},
    {"SPF by way of MX", "192.0.2.20", "mx.test", "<a@mx.test>", "a@mx.test"},
    {"a literal", "192.0.2.1", "[192.0.2.1]", "<a@[192.0.2.1]>", "a@good.test"},
};

void fill(fake_resolver& dns) {
  dns.add_ptr("192.0.2.1", {"mail.good.test"})
      .add_a("mail.good.test", {"192.0.2.1"})
      .add_mx("good.test", {{10, "mail.good.test"}})
      .add_txt("good.test", {"v=spf1 include:all.good.test -all"})
      .add_txt("all.good.test", {"v=spf1 a:mail.good.test ?all"})
      .add_txt("_dmarc.good.test", {"v=DMARC1; p=reject"})
      .add_txt("key._domainkey.good.test", {"v=DKIM1; p="});
  dns.add_ptr("192.0.2.9", {"listed.test"})
      .add_a("listed.test", {"192.0.2.9"})
      .add_a("9.2.0.192.lists.test", {"127.0.0.2"})
      .add_txt("9.2.0.192.lists.test", {"ask somebody else"})
      .add_a("listed.test.lists.test", {"127.0.0.3"});
  dns.fails("8.2.0.192.in-addr.arpa", "SERVFAIL").fails("slow.test", "timeout");
  dns.fails("_dmarc.slow.test", "timeout").fails("8.2.0.192.lists.test", "timeout");
  dns.add_mx("mx.test", {{10, "a.mx.test"}, {20, "b.mx.test"}})
      .add_a("b.mx.test", {"192.0.2.20"})
      .add_txt("mx.test", {"v=spf1 mx exists:%{i}.ex.test -all"});
}

void add_checks(chain& c, fake_resolver& dns) {
  chain::group lookups = c.concurrently();
  lookups.add<reverse_dns>(trial::patient(), dns);
  lookups.add<spf::check>(trial::patient(), dns);
  lookups.add<helo_dns>(trial::patient(), dns);
  lookups.add<mail_domain>(trial::patient(), dns);
  dnsbl_options lists;
  lists.lists.emplace_back().zone = "lists.test";
  lists.lists.back().subjects = {dnsbl_subject::ipv4, dnsbl_subject::helo, dnsbl_subject::sender,
                                 dnsbl_subject::client_name};
  lookups.add<dnsbl>(trial::patient(), dns, lists);
  c.add<dkim::verifier>(trial::patient(), dns);
  c.add<arc::verifier>(trial::patient(), dns);
  c.add<dmarc::check>(trial::patient(), dns);
}

std::string text_of(const recorder::verdict_record& r) {
  std::string text = r.stage + ' ' + r.check + ' ' + std::string(to_string(r.verdict.kind())) +
                     ' ' + std::string(r.verdict.reason());
  if (!r.verdict.has_effects()) return text;
  const auto& more = r.verdict.what_else();
  text += " score " + std::to_string(more.score);
  for (const auto& tag : more.tags) text += ' ' + tag.name + '=' + tag.value;
  for (const auto& field : more.add_headers) text += ' ' + field.name + ": " + field.value;
  return text;
}

// What every check says at every stage, and two messages of one session.
std::vector<std::string> said(const session& s, bool at_hand) {
  fake_resolver dns;
  fill(dns);
  dns.at_hand(at_hand);
  chain_options options = trial::immediate();
  options.run_all = true;
  trial t(options);
  add_checks(t.chain(), dns);
  t.facts().client.address = *smtp::parse_ip_address(s.client);
  t.connect();
  t.helo(s.helo);
  const std::string message = std::string(
                                  "DKIM-Signature: v=1; a=rsa-sha256; d=good.test; s=key;"
                                  "\r\n h=from; bh=YQ==; b=YQ==\r\nFrom: ") +
                              s.author + "\r\n\r\nhello\r\n";
  for (int i = 0; i < 2; ++i) {
    t.mail(s.sender);
    t.rcpt("<b@here.test>");
    t.message(message);
  }
  EXPECT_TRUE(t.trouble().empty()) << s.what;
  std::vector<std::string> all;
  for (const auto& r : t.verdicts()) all.push_back(text_of(r));
  return all;
}

TEST(AtHand, ChangesNothingOfWhatIsSaid) {
  for (const session& s : sessions) {
    const auto asked_for = said(s, false);
    EXPECT_GT(asked_for.size(), 10u) << s.what;
    EXPECT_EQ(said(s, true), asked_for) << s.what;
  }
}

// How often the event loop turns for MAIL, however many checks it is asked of.
std::size_t turns_at_mail(bool with_checks, bool at_hand) {
  fake_resolver dns;
  fill(dns);
  dns.at_hand(at_hand);
  trial t;
  if (with_checks) add_checks(t.chain(), dns);
  t.facts().client.address = *smtp::parse_ip_address("192.0.2.1");
  t.connect();
  t.helo("mail.good.test");
  t.mail("<a@good.test>");
  bool done = false;
  asio::co_spawn(t.io(), t.session().ask(smtp::stage::mail),
                 [&](const std::exception_ptr& e, const smtp::verdict&) { done = !e; });
  t.io().restart();
  const std::size_t turns = t.io().poll();
  EXPECT_TRUE(done);
  return turns;
}

TEST(AtHand, NobodyWaits) {
  EXPECT_EQ(turns_at_mail(true, true), turns_at_mail(false, true));
  EXPECT_GT(turns_at_mail(true, false), turns_at_mail(false, true));
}

}  // namespace
}  // namespace gatepost::checks
