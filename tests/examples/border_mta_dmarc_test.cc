// What border_mta's configuration forgives though DMARC fails.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "checks/dmarc/check.hpp"
#include "checks/testing.hpp"
#include "examples/border_mta/dmarc_exceptions.hpp"
#include "smtp/testing/fake_resolver.hpp"

namespace border_mta {
namespace {

namespace checks = gatepost::checks;
namespace dmarc = gatepost::checks::dmarc;
using dmarc::auth_result;

dmarc_exception entry(std::vector<std::string> authors, std::vector<std::string> authenticated,
                      std::string comment = {}) {
  dmarc_exception e;
  e.authors = std::move(authors);
  e.authenticated = std::move(authenticated);
  e.comment = std::move(comment);
  return e;
}

dmarc::identifiers found(const std::string& spf, const std::string& dkim,
                         auth_result dkim_result = auth_result::pass) {
  dmarc::identifiers all;
  all.spf = dmarc::authenticated_spf{spf, auth_result::fail};
  all.dkim = {{.domain = "other.test", .result = auth_result::pass},
              {.domain = dkim, .result = dkim_result}};
  return all;
}

TEST(border_mta_dmarc, which_entry_fits) {
  const std::vector<dmarc_exception> all = {
      entry({"a.test"}, {"lists.test"}, "both"), entry({"b.test"}, {}, "author"),
      entry({}, {"Friend.test", "b\u00fccher.test"}, "authenticated")};
  struct {
    const char* author;
    dmarc::identifiers identifiers;
    const char* fits;  // empty: none
  } const cases[] = {
      {"a.test", found("lists.test", "lists.test"), "both"},
      {"sub.a.test", found("x.test", "mx.lists.test"), "both"},
      {"a.test", found("lists.test", "x.test"), ""},
      {"a.test", found("x.test", "lists.test", auth_result::fail), ""},
      {"a.test", found("x.test", "badlists.test"), ""},
      {"xa.test", found("x.test", "lists.test"), ""},
      {"b.test", {}, "author"},
      {"x.test", found("x.test", "friend.test"), "authenticated"},
      {"x.test", found("x.test", "xn--bcher-kva.test"), "authenticated"},
      {"x.test", {}, ""},
  };
  for (const auto& c : cases) {
    const auto reason = exception_for(all, c.author, c.identifiers);
    EXPECT_EQ(reason ? reason->comment : "", c.fits) << c.author;
  }
}

// Says that the list's signature is right.
class signed_by_the_list final : public checks::check {
 public:
  std::string_view name() const override { return "signed_by_the_list"; }
  asio::awaitable<gatepost::smtp::verdict> on_message(checks::context& ctx) override {
    dmarc::identifiers_of(ctx.transaction_notes()) = found("x.test", "lists.test");
    co_return gatepost::smtp::verdict::pass();
  }
};

TEST(border_mta_dmarc, lets_a_failing_message_through) {
  gatepost::smtp::testing::fake_resolver dns;
  dns.add_txt("_dmarc.a.test", {"v=DMARC1; p=reject"});
  const auto passes = [&dns](std::vector<dmarc_exception> all) {
    dmarc::check_options options;
    options.local_policy = local_policy_of(std::move(all));
    checks::trial t;
    t.add<signed_by_the_list>();
    t.add<dmarc::check>(dns, std::move(options));
    t.facts().client.address = *gatepost::smtp::parse_ip_address("192.0.2.7");
    t.mail("<x@bounce.test>");
    t.rcpt("<b@example.org>");
    return t.message("From: x@a.test\r\n\r\nx\r\n").passes();
  };
  EXPECT_FALSE(passes({}));
  EXPECT_TRUE(passes({entry({}, {"lists.test"})}));
  EXPECT_FALSE(passes({entry({"b.test"}, {"lists.test"})}));
}

}  // namespace
}  // namespace border_mta
