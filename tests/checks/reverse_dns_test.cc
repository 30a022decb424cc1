// This header stands alone.
#include "checks/reverse_dns.hpp"

#include <gtest/gtest.h>

#include <string>

#include "checks/auth_results.hpp"
#include "checks/testing.hpp"
#include "smtp/testing/fake_resolver.hpp"

namespace gatepost::checks {
namespace {

using namespace std::chrono_literals;
using smtp::testing::fake_resolver;

smtp::ip_address ip(const char* text) { return *smtp::parse_ip_address(text); }

struct world {
  fake_resolver dns;
  trial t;

  world() {
    dns.add_ptr("192.0.2.1", {"mail.example"}).add_a("mail.example", {"192.0.2.1"});
    dns.add_ptr("192.0.2.2", {"mail.example"});
    dns.fails("3.2.0.192.in-addr.arpa", "timeout");
    t.facts().channel = "default";
  }

  smtp::verdict mail(const char* client) {
    t.facts().client.address = ip(client);
    EXPECT_TRUE(t.connect().passes());
    EXPECT_TRUE(t.helo("helo.example").passes());
    return t.mail("<ann@example.test>");
  }
};

reverse_dns_options strict() {
  reverse_dns_options o;
  o.no_name.response = o.not_confirmed.response = response::refuse;
  o.on_trouble = dns_trouble::defer;
  return o;
}

double score_of(const trial& t) {
  const smtp::verdict& v = t.verdicts().back().verdict;
  return v.has_effects() ? v.what_else().score : 0;
}

TEST(ReverseDns, ScoresByDefault) {
  struct {
    const char* client;
    double score;
  } const cases[] = {{"192.0.2.1", 0}, {"192.0.2.2", 1}, {"192.0.2.3", 0}, {"192.0.2.4", 2}};
  for (const auto& c : cases) {
    world w;
    w.t.add<reverse_dns>(w.dns);
    EXPECT_TRUE(w.mail(c.client).passes()) << c.client;
    EXPECT_EQ(score_of(w.t), c.score) << c.client;
  }
}

// RFC 7372 §3.3
TEST(ReverseDns, RefusesWhereItIsTold) {
  struct {
    const char* client;
    const char* reply;
  } const cases[] = {
      {"192.0.2.2",
       "550 5.7.25 The name of your address 192.0.2.2 in the DNS does not lead back to it"},
      {"192.0.2.3",
       "451 4.4.3 The name of your address 192.0.2.3 cannot be looked up, try again later"},
      {"192.0.2.4", "550 5.7.25 Your address 192.0.2.4 has no name in the DNS (PTR record)"},
  };
  for (const auto& c : cases) {
    world w;
    w.t.add<reverse_dns>(w.dns, strict());
    EXPECT_EQ(w.mail(c.client).reply().to_string(), c.reply);
  }
  world w;
  w.t.add<reverse_dns>(w.dns, strict());
  EXPECT_TRUE(w.mail("192.0.2.1").passes());
}

// Looks for the note that others are left.
class note_reader final : public check {
 public:
  explicit note_reader(std::string& seen) : seen_(seen) {}
  std::string_view name() const override { return "note_reader"; }
  asio::awaitable<verdict> on_message(context& ctx) override {
    const auto* note = ctx.transaction_notes().find<iprev_result>();
    seen_ = note == nullptr ? "none"
                            : std::string(to_string(note->status())) + ' ' + note->name() + ' ' +
                                  note->address().text();
    const auto methods = all_auth_results(ctx.notes(), ctx.transaction_notes());
    seen_ += "; " + write_auth_results("mx", methods);
    co_return verdict::pass();
  }

 private:
  std::string& seen_;
};

TEST(ReverseDns, LeavesANoteForEveryMessage) {
  const std::string expected =
      "pass mail.example 192.0.2.1; mx; iprev=pass (mail.example) policy.iprev=192.0.2.1";
  world w;
  std::string seen;
  w.t.add<reverse_dns>(w.dns);
  w.t.add<note_reader>(seen);
  w.mail("192.0.2.1");
  w.t.message("Subject: x\r\n\r\n");
  EXPECT_EQ(seen, expected);
  seen.clear();
  w.t.mail("<bob@example.test>");
  w.t.message("Subject: x\r\n\r\n");
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(w.dns.asked().size(), 2u) << "once for all messages of the session";
}

TEST(ReverseDns, BeginsAtConnect) {
  world w;
  w.dns.delay(1ms);
  w.t.add<reverse_dns>(w.dns);
  w.t.facts().client.address = ip("192.0.2.1");
  EXPECT_TRUE(w.t.connect().passes());
  EXPECT_EQ(w.dns.open(), 1u);
  EXPECT_TRUE(w.t.helo("helo.example").passes());
  EXPECT_TRUE(w.t.mail("<ann@example.test>").passes());
  EXPECT_EQ(w.dns.open(), 0u);
}

TEST(ReverseDns, EndsWithTheSession) {
  world w;
  w.dns.delay(24h);
  w.t.add<reverse_dns>(w.dns);
  w.t.facts().client.address = ip("192.0.2.1");
  w.t.connect();
  EXPECT_EQ(w.dns.open(), 1u);
  w.t.leave();
  w.t.io().restart();
  w.t.io().poll();
  EXPECT_EQ(w.dns.open(), 0u);
}

TEST(ReverseDns, XclientBringsAnotherClient) {
  world w;
  w.t.add<reverse_dns>(w.dns, strict());
  EXPECT_EQ(w.mail("192.0.2.4").reply().code(), 550);
  EXPECT_TRUE(w.mail("192.0.2.1").passes());
  EXPECT_EQ(w.mail("192.0.2.4").reply().code(), 550);
}

TEST(ReverseDns, AFailureIsNotKept) {
  world w;
  w.t.add<reverse_dns>(w.dns, strict());
  EXPECT_EQ(w.mail("192.0.2.3").reply().code(), 451);
  EXPECT_EQ(w.t.mail("<ann@example.test>").reply().code(), 451);
  EXPECT_EQ(w.dns.asked().size(), 2u);
}

TEST(ReverseDns, WhoAuthenticatesIsNotJudged) {
  world w;
  w.t.add<reverse_dns>(w.dns, strict());
  w.t.facts().client.address = ip("192.0.2.4");
  w.t.connect();
  w.t.helo("laptop.example");
  w.t.auth("ann");
  EXPECT_TRUE(w.t.mail("<ann@example.test>").passes());
}

TEST(ReverseDns, OurOwnBorderIsNotJudged) {
  reverse_dns_options o = strict();
  true_client_options behind;
  behind.upstreams = *smtp::parse_network_set("198.51.100.1");
  o.client = true_client(behind);
  world w;
  w.t.add<reverse_dns>(w.dns, o);
  const std::string top = "Received: from a (a [192.0.2.4]) by border; x\r\n";
  EXPECT_TRUE(w.mail("198.51.100.1").passes());
  EXPECT_TRUE(w.dns.asked().empty());
  EXPECT_EQ(w.t.message(top + "\r\n").reply().code(), 550);
  EXPECT_TRUE(w.t.mail("<ann@example.test>").passes());
  EXPECT_TRUE(w.t.message("Received: from a (a [192.0.2.1]) by border; x\r\n\r\n").passes());
  EXPECT_TRUE(w.t.mail("<ann@example.test>").passes());
  EXPECT_TRUE(w.t.message("Subject: nobody knows\r\n\r\n").passes());
  for (const std::string& question : w.dns.asked())
    EXPECT_EQ(question.find("100.51.198"), std::string::npos) << question;
}

}  // namespace
}  // namespace gatepost::checks
