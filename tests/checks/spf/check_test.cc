// This header stands alone.
#include "checks/spf/check.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/testing.hpp"
#include "smtp/testing/fake_resolver.hpp"

namespace gatepost::checks::spf {
namespace {

// Looks at the notes as DMARC would, and keeps the header fields.
class reader final : public checks::check {
 public:
  struct seen {
    std::string helo;
    std::string mail;
    std::string domain;
  };
  explicit reader(seen& s) : seen_(&s) {}

  std::string_view name() const override { return "reader"; }
  asio::awaitable<verdict> on_rcpt(context& ctx) override { co_return look(ctx); }
  asio::awaitable<verdict> on_message(context& ctx) override { co_return look(ctx); }

 private:
  verdict look(const context& ctx) const {
    const auto* helo = ctx.notes().find<helo_note>();
    const auto* mail = ctx.transaction_notes().find<mail_note>();
    seen_->helo = helo == nullptr ? "-" : to_string(helo->outcome.result);
    seen_->mail = mail == nullptr ? "-" : to_string(mail->outcome.result);
    seen_->domain = mail == nullptr ? "" : mail->outcome.domain();
    return verdict::pass();
  }

  seen* seen_;
};

// A session of 192.0.2.1, which calls itself mx.example.org.
class SpfCheck : public testing::Test {
 protected:
  SpfCheck() {
    dns.add_txt("mx.example.org", {"v=spf1 ip4:192.0.2.1 -all"});
    dns.add_txt("pass.example", {"v=spf1 ip4:192.0.2.1 -all"});
    dns.add_txt("fail.example", {"v=spf1 -all"});
    dns.add_txt("told.example", {"v=spf1 -all exp=why.example"});
    dns.add_txt("why.example", {"%{i} is not one of us. Ask %{r}."});
    dns.add_txt("soft.example", {"v=spf1 ~all"});
    dns.add_txt("neutral.example", {"v=spf1 ?all"});
    dns.add_txt("bad.example", {"v=spf1 moo"});
    dns.fails("slow.example", "timeout");
  }

  trial& session(check_options options = {}, const char* client = "192.0.2.1") {
    t = std::make_unique<trial>();
    t->add<spf::check>(dns, std::move(options));
    t->add<reader>(seen);
    t->facts().client.address = *smtp::parse_ip_address(client);
    return *t;
  }

  // The reply to MAIL from somebody at `domain`; "" where it passes.
  std::string mail(const std::string& domain, check_options options = {}) {
    trial& s = session(std::move(options));
    EXPECT_TRUE(s.helo("mx.example.org").passes());
    const verdict v = s.mail("<a@" + domain + ">");
    return v.passes() ? "" : v.reply().to_string();
  }

  std::vector<std::string> fields() {
    t->rcpt("<b@example.net>");
    const verdict v = t->message("Subject: x\r\n\r\n");
    std::vector<std::string> all;
    if (!v.has_effects()) return all;
    for (const auto& f : v.what_else().add_headers) all.push_back(f.name + ": " + f.value);
    return all;
  }

  smtp::testing::fake_resolver dns;
  reader::seen seen;
  std::unique_ptr<trial> t;
};

TEST_F(SpfCheck, WithTheDefaults) {
  struct {
    const char* domain;
    const char* reply;
  } const cases[] = {
      {"pass.example", ""},
      {"none.example", ""},
      {"neutral.example", ""},
      {"soft.example", ""},
      {"bad.example", ""},
      {"fail.example", "550 5.7.23 SPF: 192.0.2.1 may not send mail for fail.example (MAIL FROM)"},
      {"slow.example",
       "451 4.7.24 SPF of slow.example (MAIL FROM) cannot be evaluated: TXT of slow.example: "
       "timeout"},
  };
  for (const auto& c : cases) EXPECT_EQ(mail(c.domain), c.reply) << c.domain;
}

// RFC 7372 §3.2
TEST_F(SpfCheck, EveryResultCanBeActedOn) {
  check_options strict;
  strict.on_mail = {action::defer, action::refuse, action::refuse, action::refuse};
  EXPECT_TRUE(mail("fail.example", strict).starts_with("451 4.7.23 "));
  EXPECT_TRUE(mail("soft.example", strict).starts_with("550 5.7.23 "));
  EXPECT_TRUE(mail("slow.example", strict).starts_with("550 5.7.24 "));
  EXPECT_TRUE(mail("bad.example", strict).starts_with("550 5.7.24 "));
  check_options lax;
  lax.on_mail = {action::pass, action::pass, action::pass, action::pass};
  for (const char* domain : {"fail.example", "soft.example", "slow.example", "bad.example"})
    EXPECT_EQ(mail(domain, lax), "") << domain;
}

// RFC 7208 §8.4: the domain's words are told as such.
TEST_F(SpfCheck, TellsTheExplanation) {
  check_options options;
  options.receiver = "mx.example.net";
  trial& s = session(options);
  s.helo("mx.example.org");
  const verdict v = s.mail("<a@told.example>");
  EXPECT_EQ(v.reply().text(),
            "SPF: 192.0.2.1 may not send mail for told.example (MAIL FROM)\n"
            "The domain told.example explains:\n"
            "192.0.2.1 is not one of us. Ask mx.example.net.");
}

TEST_F(SpfCheck, Helo) {
  trial& s = session();
  EXPECT_TRUE(s.helo("fail.example").passes());  // said at MAIL, when AUTH is over
  EXPECT_EQ(s.mail("<a@pass.example>").reply().to_string(),
            "550 5.7.23 SPF: 192.0.2.1 may not send mail for fail.example (HELO)");
  // Said again, it counts anew.
  EXPECT_TRUE(s.helo("mx.example.org").passes());
  EXPECT_TRUE(s.mail("<a@pass.example>").passes());
  s.rcpt("<b@example.net>");
  EXPECT_EQ(seen.helo, "pass");
  for (const char* name : {"soft.example", "slow.example", "bad.example", "[192.0.2.1]"}) {
    trial& other = session();
    other.helo(name);
    EXPECT_TRUE(other.mail("<a@pass.example>").passes()) << name;
  }
  check_options off;
  off.helo = false;
  trial& without = session(off);
  without.helo("fail.example");
  EXPECT_TRUE(without.mail("<a@pass.example>").passes());
  without.rcpt("<b@example.net>");
  EXPECT_EQ(seen.helo, "-");
}

// RFC 7208 §2.4
TEST_F(SpfCheck, TheNullSender) {
  trial& s = session();
  s.helo("mx.example.org");
  const auto asked = dns.asked().size();
  EXPECT_TRUE(s.mail("<>").passes());
  EXPECT_EQ(dns.asked().size(), asked);  // it is the HELO identity's question
  s.rcpt("<b@example.net>");
  EXPECT_EQ(seen.mail, "pass");
  EXPECT_EQ(seen.domain, "mx.example.org");
  check_options options;
  options.helo = false;
  trial& alone = session(options);
  alone.helo("fail.example");
  EXPECT_EQ(alone.mail("<>").reply().code(), 550);
  // A HELO name that cannot be asked about: MAIL FROM's rule.
  trial& slow = session();
  slow.helo("slow.example");
  EXPECT_EQ(slow.mail("<>").reply().code(), 451);
}

TEST_F(SpfCheck, Notes) {
  mail("soft.example");
  t->rcpt("<b@example.net>");
  EXPECT_EQ(seen.helo, "pass");
  EXPECT_EQ(seen.mail, "softfail");
  EXPECT_EQ(seen.domain, "soft.example");
  t->mail("<a@pass.example>");
  t->rcpt("<b@example.net>");
  EXPECT_EQ(seen.mail, "pass");
}

TEST_F(SpfCheck, ReceivedSpfFields) {
  check_options options;
  options.receiver = "mx.example.net";
  mail("soft.example", options);
  EXPECT_EQ(fields(),
            (std::vector<std::string>{
                "Received-SPF: softfail (mx.example.net: soft.example probably does not permit "
                "192.0.2.1) identity=mailfrom; client-ip=192.0.2.1; receiver=mx.example.net; "
                "envelope-from=\"a@soft.example\"; helo=mx.example.org; mechanism=all",
                "Received-SPF: pass (mx.example.net: mx.example.org designates 192.0.2.1 as "
                "permitted sender) identity=helo; client-ip=192.0.2.1; receiver=mx.example.net; "
                "helo=mx.example.org; mechanism=\"ip4:192.0.2.1\""}));
  t->helo("mx.example.org");
  t->mail("<>");
  EXPECT_EQ(fields().size(), 1u);
  options.received_spf = false;
  mail("soft.example", options);
  EXPECT_TRUE(fields().empty());
}

TEST_F(SpfCheck, SomeAreNotLookedAt) {
  trial& local = session({}, "127.0.0.1");
  local.helo("fail.example");
  EXPECT_TRUE(local.mail("<a@fail.example>").passes());
  true_client_options who;
  who.exempt.add(*smtp::parse_ip_network("192.0.2.0/24"));
  check_options options;
  options.client = true_client(who);
  EXPECT_EQ(mail("fail.example", options), "");
  EXPECT_EQ(fields().size(), 0u);
  trial& unix_client = session();
  unix_client.facts().unix_peer = "/run/x";
  unix_client.helo("fail.example");
  EXPECT_TRUE(unix_client.mail("<a@fail.example>").passes());
  EXPECT_EQ(session({}, "::ffff:127.0.0.1").mail("<a@fail.example>").reply().code(), 0);
}

TEST_F(SpfCheck, WhoHasAuthenticated) {
  trial& s = session();
  s.helo("fail.example");
  s.auth("somebody");
  EXPECT_TRUE(s.mail("<a@pass.example>").passes());
}

// What is known of a HELO name is not shown to be that of another client, or of another name.
TEST_F(SpfCheck, AFormerHeloIsForgotten) {
  trial& s = session();
  s.helo("mx.example.org");
  EXPECT_TRUE(s.mail("<a@pass.example>").passes());
  EXPECT_EQ(fields().size(), 2u);
  EXPECT_EQ(seen.helo, "pass");
  // XCLIENT tells of an exempt one.
  s.facts().client.address = *smtp::parse_ip_address("10.0.0.1");
  s.connect();
  s.helo("inside.example");
  EXPECT_TRUE(s.mail("<a@pass.example>").passes());
  EXPECT_TRUE(fields().empty());
  EXPECT_EQ(seen.helo, "-");
}

TEST_F(SpfCheck, AHeloBeforeAuthIsForgotten) {
  trial& s = session();
  s.helo("mx.example.org");
  s.auth("somebody");
  EXPECT_TRUE(s.mail("<a@pass.example>").passes());
  EXPECT_TRUE(fields().empty());
  EXPECT_EQ(seen.helo, "-");
}

// --- Behind a server of our own ------------------------------------------------------------------

// The classic mistake: asking whether our own border may send mail for the sender.
class SpfBehindABorder : public SpfCheck {
 protected:
  // What is said once the header is there. Our border is 198.51.100.1.
  verdict behind_border(const std::string& domain, const std::string& received) {
    true_client_options who;
    who.upstreams.add(*smtp::parse_ip_network("198.51.100.0/24"));
    check_options options;
    options.client = true_client(who);
    trial& s = session(options, "198.51.100.1");
    EXPECT_TRUE(s.helo("border.example.net").passes());
    EXPECT_TRUE(s.mail("<a@" + domain + ">").passes());
    EXPECT_TRUE(s.rcpt("<b@example.net>").passes());
    return s.message(received + "Subject: x\r\n\r\n");
  }

  static std::string seen_by_border(const std::string& helo, const std::string& address) {
    return "Received: from " + helo + " (" + helo + " [" + address +
           "]) by border.example.net with ESMTP id 1; Thu, 1 Jan 2026 00:00:00 +0000\r\n";
  }
};

TEST_F(SpfBehindABorder, TheClientThatTheBorderSawIsJudged) {
  EXPECT_TRUE(
      behind_border("pass.example", seen_by_border("mx.example.org", "192.0.2.1")).passes());
  EXPECT_EQ(seen.mail, "pass");
  const verdict v = behind_border("pass.example", seen_by_border("mx.example.org", "203.0.113.9"));
  ASSERT_FALSE(v.passes());
  EXPECT_NE(v.reply().to_string().find("203.0.113.9 may not send mail"), std::string::npos);
}

TEST_F(SpfBehindABorder, TheBorderItselfNever) {
  EXPECT_TRUE(behind_border("fail.example", "").passes());
  EXPECT_TRUE(dns.asked().empty());
}

TEST_F(SpfBehindABorder, ToldByXclientItIsJudgedAtOnce) {
  trial& s = session({}, "203.0.113.9");
  s.facts().trusted_hop = true;
  s.helo("mx.example.org");
  EXPECT_FALSE(s.mail("<a@pass.example>").passes());
}

}  // namespace
}  // namespace gatepost::checks::spf
