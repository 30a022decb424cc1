// With an empty cache, the checks that ask the DNS take one round trip per step that depends on the
// one before, however many they are; and they begin as soon as their question is known.
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "checks/dnsbl.hpp"
#include "checks/helo_dns.hpp"
#include "checks/mail_domain.hpp"
#include "checks/reverse_dns.hpp"
#include "checks/testing.hpp"
#include "smtp/command.hpp"
#include "tests/checks/stepped_resolver.hpp"

namespace gatepost::checks {
namespace {

using namespace std::chrono_literals;

dnsbl_list listing(const char* zone, std::vector<dnsbl_subject> subjects) {
  dnsbl_list list;
  list.zone = zone;
  list.subjects = std::move(subjects);
  list.weight = 0.1;
  return list;
}

class all_checks {
 public:
  all_checks() : dns(t.io()) {
    dns.table()
        .add_ptr("192.0.2.1", {"mail.example", "alias.example"})
        .add_a("alias.example", {"192.0.2.1"})
        .add_a("helo.example", {"192.0.2.1"})
        .add_mx("sender.example", {{10, "mx1.example"}, {20, "mx2.example"}})
        .add_a("mx2.example", {"192.0.2.25"})
        .add_a("1.2.0.192.one.test", {"127.0.0.2"})
        .add_txt("1.2.0.192.one.test", {"because"})
        .add_a("alias.example.names.test", {"127.0.0.2"});
    dnsbl_options lists;
    lists.lists = {listing("one.test", {dnsbl_subject::ipv4, dnsbl_subject::ipv6}),
                   listing("two.test", {dnsbl_subject::ipv4}),
                   listing("names.test", {dnsbl_subject::helo, dnsbl_subject::sender,
                                          dnsbl_subject::client_name})};
    lists.deadline = 1min;
    auto lookups = t.chain().concurrently();
    lookups.add<reverse_dns>(trial::patient(), dns);
    lookups.add<helo_dns>(trial::patient(), dns);
    lookups.add<mail_domain>(trial::patient(), dns);
    lookups.add<dnsbl>(trial::patient(), dns, lists);
    t.facts().client.address = *smtp::parse_ip_address("192.0.2.1");
  }

  // No question is left to the resolver, which ends before the I/O.
  ~all_checks() {
    session.reset();
    t.io().restart();
    t.io().poll();
  }
  all_checks(const all_checks&) = delete;
  all_checks& operator=(const all_checks&) = delete;

  // Begins the stage; its verdict comes into `said`.
  void begin(smtp::stage s) {
    if (!session) session = t.chain().open({t.facts(), envelope});
    said.reset();
    asio::co_spawn(t.io(), session->ask(s),
                   [this](const std::exception_ptr&, smtp::verdict v) { said = std::move(v); });
    t.io().restart();
    t.io().poll();
  }
  void begin_mail() {
    envelope.begin(*smtp::parse_mail("FROM:<ann@sender.example>", {}));
    begin(smtp::stage::mail);
  }

  // How many steps the stage has to wait for.
  int steps_left() {
    int steps = 0;
    for (; !said && steps < 100; ++steps) dns.step();
    return steps;
  }

  trial t;
  kit::stepped_resolver dns;
  smtp::envelope envelope;
  std::unique_ptr<smtp::session_policy> session;
  std::optional<smtp::verdict> said;
};

TEST(DnsRounds, AsManyAsDependOnEachOther) {
  all_checks c;
  c.begin(smtp::stage::connect);
  EXPECT_TRUE(c.said) << "connect only begins";
  EXPECT_EQ(c.dns.open(), 3u) << "PTR, and the two lists of addresses";
  c.t.facts().helo = "helo.example";
  c.begin(smtp::stage::helo);
  EXPECT_TRUE(c.said) << "HELO only begins";
  EXPECT_EQ(c.dns.open(), 6u) << "A and AAAA, and the list of names";
  c.begin_mail();
  EXPECT_FALSE(c.said);
  EXPECT_EQ(c.dns.open(), 8u) << "MX, and the list of names";
  c.dns.step();
  EXPECT_FALSE(c.said);
  EXPECT_EQ(c.dns.open(), 7u) << "two hosts of PTR, two families of two mail hosts, one reason";
  c.dns.step();
  EXPECT_FALSE(c.said);
  EXPECT_EQ(c.dns.open(), 1u) << "the list of names, about the confirmed name";
  // It has it: the reason is the last step.
  EXPECT_EQ(c.steps_left(), 2);
  EXPECT_TRUE(c.said->passes());
}

TEST(DnsRounds, WhatWasAskedEarlyIsThereAtMail) {
  all_checks c;
  c.begin(smtp::stage::connect);
  for (int i = 0; i < 2; ++i) c.dns.step();
  c.t.facts().helo = "helo.example";
  c.begin(smtp::stage::helo);
  c.dns.step();
  EXPECT_EQ(c.dns.open(), 0u);
  c.begin_mail();
  EXPECT_EQ(c.dns.open(), 3u) << "MX, and the list of names about two names";
  EXPECT_EQ(c.steps_left(), 2);
  EXPECT_TRUE(c.said->passes());
  // The next message of the session asks about its sender only.
  c.begin_mail();
  EXPECT_EQ(c.steps_left(), 2);
}

TEST(DnsRounds, WhoLeavesIsNotAskedAboutAnyMore) {
  all_checks c;
  c.begin(smtp::stage::connect);
  c.t.facts().helo = "helo.example";
  c.begin(smtp::stage::helo);
  c.begin_mail();
  EXPECT_GT(c.dns.open(), 0u);
  c.session->cancel();
  c.t.io().restart();
  c.t.io().poll();
  c.session.reset();
  c.t.io().restart();
  c.t.io().poll();
  EXPECT_EQ(c.dns.open(), 0u);
}

}  // namespace
}  // namespace gatepost::checks
