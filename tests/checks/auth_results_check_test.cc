// This header stands alone.
#include "checks/auth_results_check.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "checks/arc/result.hpp"
#include "checks/dkim/result.hpp"
#include "checks/spf/outcome.hpp"
#include "checks/testing.hpp"

namespace gatepost::checks {
namespace {

// Leaves a result for the session at HELO and one for each message.
class finder final : public check {
 public:
  std::string_view name() const override { return "finder"; }
  asio::awaitable<verdict> on_helo(context& ctx) override {
    add_auth_result(ctx.notes(), {.method = "iprev", .result = "pass"});
    co_return verdict::pass();
  }
  asio::awaitable<verdict> on_mail(context& ctx) override {
    add_auth_result(ctx.transaction_notes(), {.method = "spf", .result = "pass"});
    co_return verdict::pass();
  }
};

smtp::verdict send(trial& t, const std::string& message) {
  t.helo("client.example");
  t.mail("<a@example.com>");
  t.rcpt("<b@example.org>");
  return t.message(message);
}

std::string added(const smtp::verdict& v) {
  std::string all;
  if (v.has_effects())
    for (const auto& field : v.what_else().add_headers) all += field.name + ": " + field.value;
  return all;
}

std::size_t erased(const smtp::verdict& v) {
  return v.has_effects() ? v.what_else().erased.size() : 0;
}

constexpr const char* forged =
    "From: a@example.com\r\nAuthentication-Results: MX.example.org; dmarc=pass\r\n\r\nx\r\n";

TEST(AuthResultsCheck, WritesWhatBothScopesHold) {
  trial t;
  t.add<finder>();
  t.add<auth_results>(auth_results_options{.authserv_id = "mx.example.org"});
  EXPECT_EQ(added(send(t, "From: a@example.com\r\n\r\nx\r\n")),
            "Authentication-Results: mx.example.org; iprev=pass; spf=pass");
  // The next message of the session: what was found for the first one is gone.
  t.mail("<a@example.com>");
  t.rcpt("<b@example.org>");
  EXPECT_EQ(added(t.message("From: a@example.com\r\n\r\nx\r\n")),
            "Authentication-Results: mx.example.org; iprev=pass; spf=pass");
}

// Stands for spf::check.
class says_spf final : public check {
 public:
  std::string_view name() const override { return "says_spf"; }
  asio::awaitable<verdict> on_mail(context& ctx) override {
    spf::helo_note& helo = ctx.notes().emplace<spf::helo_note>();
    helo.outcome.identity = spf::identity::helo;
    helo.outcome.sender = "postmaster@client.example";
    spf::mail_note& mail = ctx.transaction_notes().emplace<spf::mail_note>();
    mail.outcome.result = spf::result::temperror;
    mail.outcome.sender = "a@example.com";
    mail.outcome.problem = "timeout";
    add_auth_result(ctx.transaction_notes(), {.method = "dmarc", .result = "pass"});
    co_return verdict::pass();
  }
};

TEST(AuthResultsCheck, TellsOfSpf) {
  trial t;
  t.add<says_spf>();
  t.add<auth_results>(auth_results_options{.authserv_id = "mx"});
  EXPECT_EQ(added(send(t, "From: a@example.com\r\n\r\nx\r\n")),
            "Authentication-Results: mx; spf=none smtp.helo=client.example; spf=temperror "
            "reason=timeout smtp.mailfrom=a@example.com; dmarc=pass");
}

// Stands for dkim::verifier and arc::verifier.
class says_dkim final : public check {
 public:
  says_dkim(std::vector<dkim::signature_result> signatures, arc::report chain)
      : signatures_(std::move(signatures)), chain_(std::move(chain)) {}
  std::string_view name() const override { return "says_dkim"; }
  asio::awaitable<verdict> on_message(context& ctx) override {
    ctx.transaction_notes().emplace<dkim::report>(signatures_);
    ctx.transaction_notes().emplace<arc::report>(chain_);
    co_return verdict::pass();
  }

 private:
  std::vector<dkim::signature_result> signatures_;
  arc::report chain_;
};

TEST(AuthResultsCheck, TellsOfDkimAndArc) {
  const auto told = [](std::vector<dkim::signature_result> signatures, arc::report chain) {
    trial t;
    t.add<says_dkim>(std::move(signatures), std::move(chain));
    t.add<auth_results>(auth_results_options{.authserv_id = "mx"});
    t.facts().client.address = *smtp::parse_ip_address("192.0.2.1");
    return added(send(t, "From: a@example.com\r\n\r\nx\r\n"));
  };
  EXPECT_EQ(told({}, {}), "Authentication-Results: mx; dkim=none; arc=none");
  dkim::signature_result good;
  good.outcome = dkim::outcome::pass;
  good.domain = "example.com";
  good.identity = "@example.com";
  good.selector = "s1";
  good.algorithm = "rsa-sha256";
  good.b = "abcd/fgh+jkl";
  dkim::signature_result bad;
  bad.outcome = dkim::outcome::permerror;
  bad.reason = "no key";
  arc::report chain;
  chain.chain = arc::chain_status::pass;
  chain.sets.resize(2);
  chain.sets[1].instance = 2;
  chain.sets[1].domain = "list.example";
  EXPECT_EQ(told({good, bad}, chain),
            "Authentication-Results: mx; dkim=pass header.d=example.com header.i=@example.com "
            "header.s=s1 header.a=rsa-sha256 header.b=\"abcd/fgh\"; "
            "dkim=permerror reason=\"no key\"; "
            "arc=pass (i=2 by list.example)");
}

TEST(AuthResultsCheck, TakesForgedFieldsAway) {
  trial t;
  t.add<auth_results>(auth_results_options{.authserv_id = "mx.example.org"});
  const smtp::verdict v = send(t, forged);
  EXPECT_EQ(added(v), "");
  ASSERT_EQ(erased(v), 1u);
  smtp::header_edits edits;
  edits.erase(v.what_else().erased[0]);
  EXPECT_EQ(edits.apply_to(forged), "From: a@example.com\r\n\r\nx\r\n");

  trial other;
  other.add<auth_results>(
      auth_results_options{.authserv_id = "inner.example.org", .other_ids = {"mx.example.org"}});
  EXPECT_EQ(erased(send(other, forged)), 1u);
}

TEST(AuthResultsCheck, BelievesTrustedClients) {
  auth_results_options options{.authserv_id = "mx.example.org"};
  options.trusted = smtp::network_set::loopback();
  trial t;
  t.add<auth_results>(std::move(options));
  t.facts().client.address = *smtp::parse_ip_address("127.0.0.1");
  EXPECT_EQ(erased(send(t, forged)), 0u);
}

TEST(AuthResultsCheck, Options) {
  trial t;
  t.add<auth_results>(auth_results_options{.authserv_id = "mx.example.org", .write_none = true});
  EXPECT_EQ(added(send(t, "From: a@example.com\r\n\r\nx\r\n")),
            "Authentication-Results: mx.example.org; none");
  EXPECT_THROW(auth_results{auth_results_options{}}, std::invalid_argument);

  trial submission;
  submission.add<auth_results>(auth_results_options{.authserv_id = "mx.example.org"});
  submission.facts().auth_identity = "me";
  submission.facts().auth_mechanism = "PLAIN";
  EXPECT_EQ(added(send(submission, "From: a@example.com\r\n\r\nx\r\n")),
            "Authentication-Results: mx.example.org; auth=pass (PLAIN)");
}

}  // namespace
}  // namespace gatepost::checks
