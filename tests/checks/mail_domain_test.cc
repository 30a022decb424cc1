// This header stands alone.
#include "checks/mail_domain.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "checks/testing.hpp"
#include "smtp/testing/fake_resolver.hpp"

namespace gatepost::checks {
namespace {

using smtp::testing::fake_resolver;

smtp::ip_address ip(const char* text) { return *smtp::parse_ip_address(text); }

void fill(fake_resolver& dns) {
  dns.add_mx("good.example", {{20, "mx2.example"}, {10, "mx1.example"}});
  dns.add_a("mx1.example", {"192.0.2.1"});
  dns.add_aaaa("mx2.example", {"2001:db8::1"});
  dns.add_mx("xn--bcher-kva.example", {{10, "mx1.example"}});
  dns.add_a("host.example", {"192.0.2.2"});
  dns.add_aaaa("six.example", {"2001:db8::2"});
  dns.add_mx("null.example", {{0, ""}});
  dns.add_mx("twosaid.example", {{0, ""}, {10, "mx1.example"}});
  dns.add_txt("text.example", {"nothing but text"});
  dns.add_mx("dangling.example", {{10, "gone.example"}});
  dns.add_mx("loop.example", {{10, "localhost.example"}, {20, "any.example"}});
  dns.add_a("localhost.example", {"127.0.0.1"}).add_aaaa("localhost.example", {"::1"});
  dns.add_a("any.example", {"0.0.0.0", "10.0.0.1"}).add_aaaa("any.example", {"::", "fd00::1"});
  dns.add_mx("mixed.example", {{10, "localhost.example"}, {20, "mx1.example"}});
  dns.add_mx("half.example", {{10, "localhost.example"}, {20, "slow.example"}});
  dns.add_a("self.example", {"127.0.0.1"});
  dns.fails("slow.example", "SERVFAIL");
  dns.add_mx("slowmx.example", {{10, "slow.example"}});
}

smtp::verdict judge(const std::string& sender, mail_domain_options options = {},
                    std::size_t* questions = nullptr) {
  fake_resolver dns;
  fill(dns);
  trial t;
  t.add<mail_domain>(dns, std::move(options));
  t.facts().client.address = ip("203.0.113.1");
  t.connect();
  t.helo("helo.example");
  t.mail("<" + sender + ">");
  if (questions != nullptr) *questions = dns.asked().size();
  return t.verdicts().back().verdict;
}

std::string reply_of(const smtp::verdict& v) {
  return v.negative() ? v.reply().to_string() : std::string(to_string(v.kind()));
}

TEST(MailDomain, WithTheDefaults) {
  struct {
    const char* sender;
    const char* reply;
  } const cases[] = {
      {"a@good.example", "pass"},
      {"a@GOOD.Example", "pass"},
      {"a@host.example", "pass"},  // RFC 5321 §5.1: the implicit MX
      {"a@six.example", "pass"},
      {"a@twosaid.example", "pass"},  // RFC 7505 §3: a null MX stands alone
      {"a@mixed.example", "pass"},
      {"a@half.example", "pass"},  // of one host nobody knows
      {"a@slowmx.example", "pass"},
      {"a@[203.0.113.1]", "pass"},
      {"", "pass"},
      // RFC 3463 §3.2
      {"a@gone.example", "550 5.1.8 Sender domain gone.example does not exist"},
      {"a@text.example", "550 5.1.8 Sender domain text.example has neither MX nor address records"},
      // RFC 7505 §4.2
      {"a@null.example", "550 5.7.27 Sender domain null.example takes no mail (null MX, RFC 7505)"},
      {"a@slow.example",
       "451 4.4.3 Sender domain slow.example cannot be looked up, try again later"},
      {"a@dangling.example", "pass"},  // with points
      {"a@loop.example", "pass"},
      {"a@self.example", "pass"},
  };
  for (const auto& c : cases) EXPECT_EQ(reply_of(judge(c.sender)), c.reply) << c.sender;
}

TEST(MailDomain, AMailHostThatCannotBeReachedIsOneThatIsNotThere) {
  for (const char* sender : {"a@dangling.example", "a@loop.example", "a@self.example"}) {
    const smtp::verdict v = judge(sender);
    ASSERT_TRUE(v.has_effects()) << sender;
    EXPECT_EQ(v.what_else().score, 2) << sender;
  }
  EXPECT_FALSE(judge("a@mixed.example").has_effects());
  mail_domain_options strict;
  strict.unreachable_mx.response = response::refuse;
  EXPECT_EQ(reply_of(judge("a@loop.example", strict)),
            "550 5.1.8 Sender domain loop.example has no mail host that can be reached");
  EXPECT_EQ(reply_of(judge("a@half.example", strict)), "pass");
  // A host that was not asked about may be the good one.
  strict.hosts = 1;
  EXPECT_EQ(reply_of(judge("a@mixed.example", strict)), "pass");
  strict.unreachable = {};
  EXPECT_EQ(reply_of(judge("a@self.example", strict)), "pass");
}

TEST(MailDomain, EveryFindingHasItsPolicy) {
  mail_domain_options o;
  o.no_domain.response = o.no_mail.response = o.null_mx.response = response::score;
  for (const char* sender : {"a@gone.example", "a@text.example", "a@null.example"}) {
    const smtp::verdict v = judge(sender, o);
    EXPECT_TRUE(v.passes()) << sender;
    EXPECT_EQ(v.what_else().score, 5) << sender;
  }
  o.literal.response = response::refuse;
  EXPECT_EQ(reply_of(judge("a@[203.0.113.1]", o)),
            "550 5.1.8 Sender address needs a domain name, not [203.0.113.1]");
  o.on_trouble = dns_trouble::skip;
  EXPECT_EQ(judge("a@slow.example", o).kind(), smtp::decision::inconclusive);
}

TEST(MailDomain, AsksNoMoreThanItNeeds) {
  std::size_t questions = 0;
  mail_domain_options few;
  few.unreachable_mx.response = response::ignore;
  judge("a@good.example", few, &questions);
  EXPECT_EQ(questions, 1u);
  judge("a@good.example", {}, &questions);
  EXPECT_EQ(questions, 5u);
  judge("a@gone.example", {}, &questions);
  EXPECT_EQ(questions, 1u);
  judge("a@host.example", {}, &questions);
  EXPECT_EQ(questions, 3u);
  judge("a@[203.0.113.1]", {}, &questions);
  EXPECT_EQ(questions, 0u);
  judge("", {}, &questions);
  EXPECT_EQ(questions, 0u);
}

TEST(MailDomain, AsksForMailHostsByPreference) {
  fake_resolver dns;
  fill(dns);
  trial t;
  t.add<mail_domain>(dns);
  t.facts().client.address = ip("203.0.113.1");
  EXPECT_TRUE(t.mail("<a@good.example>").passes());
  const std::vector<std::string> order = {"MX good.example", "A mx1.example", "AAAA mx1.example",
                                          "A mx2.example", "AAAA mx2.example"};
  EXPECT_EQ(dns.asked(), order);
}

TEST(MailDomain, SomeAreNotLookedAt) {
  const auto judge_as = [](auto change) {
    fake_resolver dns;
    trial t;
    t.add<mail_domain>(dns);
    t.facts().client.address = ip("203.0.113.1");
    change(t.facts());
    return t.mail("<a@gone.example>").passes();
  };
  EXPECT_FALSE(judge_as([](smtp::session_facts&) {}));
  EXPECT_TRUE(judge_as([](smtp::session_facts& f) { f.auth_identity = "ann"; }));
  EXPECT_TRUE(judge_as([](smtp::session_facts& f) { f.client.address = ip("10.0.0.1"); }));
  EXPECT_TRUE(judge_as([](smtp::session_facts& f) { f.unix_peer = "/run/x"; }));
}

}  // namespace
}  // namespace gatepost::checks
