#include "examples/border_mta/mx_router.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "routing/table.hpp"
#include "smtp/envelope.hpp"
#include "smtp/testing/fake_resolver.hpp"
#include "smtp/testing/run.hpp"

namespace border_mta {
namespace {

namespace dns = gatepost::smtp::dns;
namespace routing = gatepost::routing;
namespace smtp = gatepost::smtp;
namespace testing = gatepost::smtp::testing;

using names = std::vector<std::string>;

// --- Which hosts, and in which order
// ---------------------------------------------------------------

mail_hosts choose(std::vector<dns::mx_record> records, std::uint64_t random = 0) {
  return choose_hosts("example.test", records, {"mx.own.test"}, random);
}

TEST(border_mta_mx, are_tried_by_preference) {
  EXPECT_EQ(choose({{20, "b.test"}, {10, "A.test"}, {30, "c.test"}}).names(),
            (names{"a.test", "b.test", "c.test"}));
}

TEST(border_mta_mx, are_spread_among_equals) {
  std::set<std::string> first;
  for (std::uint64_t random = 0; random < 64; ++random) {
    const names all = choose({{10, "a.test"}, {10, "b.test"}, {20, "c.test"}}, random).names();
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[2], "c.test");
    EXPECT_EQ(all, choose({{10, "b.test"}, {20, "c.test"}, {10, "a.test"}}, random).names())
        << "the order of the answer decides nothing";
    first.insert(all[0]);
  }
  EXPECT_EQ(first, (std::set<std::string>{"a.test", "b.test"}));
}

TEST(border_mta_mx, leave_out_ourselves_and_who_is_no_better) {
  EXPECT_EQ(choose({{10, "a.test"}, {20, "MX.own.test"}, {20, "b.test"}, {30, "c.test"}}).names(),
            names{"a.test"});
  const mail_hosts none = choose({{10, "mx.own.test"}, {20, "b.test"}});
  EXPECT_TRUE(none.names().empty());
  EXPECT_EQ(none.why_none().to_string().substr(0, 9), "554 5.4.6");
}

TEST(border_mta_mx, may_say_that_there_are_none) {
  EXPECT_EQ(choose({{0, ""}}).why_none().to_string(),
            "556 5.1.10 example.test takes no mail (null MX)");
  EXPECT_EQ(choose({{0, ""}, {10, "a.test"}}).names(), names{"a.test"});
  EXPECT_EQ(choose({{0, "a b"}}).why_none().code(), 550);
}

TEST(border_mta_mx, are_bounded) {
  std::vector<dns::mx_record> many;
  for (std::uint16_t i = 0; i < 100; ++i) many.push_back({i, "mx" + std::to_string(i) + ".test"});
  const names all = choose(many).names();
  ASSERT_EQ(all.size(), most_mail_hosts);
  EXPECT_EQ(all.back(), "mx9.test");
}

// --- Routes
// ----------------------------------------------------------------------------------------

struct routed {
  testing::fake_resolver dns;
  mx_router_options options;
  std::string table =
      "example.test  smtp:example.test:2525 tls=required\n"
      "two.test      smtp:gone.test, smtp:[backup.test]\n"
      "plain.test    smtp:[mx.plain.test]\n"
      "*             smtp:{domain}\n";

  // The route of a recipient as text; `session` is nullptr for the queue.
  std::string of(const std::string& to, const smtp::session_view* session = nullptr) {
    routing::table lines;
    EXPECT_TRUE(lines.parse(table, "routes").empty());
    mx_router router(lines, dns, options);
    const auto address = smtp::address::from_text(to);
    const routing::route_result found = testing::run(router.route(*address, session));
    EXPECT_EQ(found.status(), routing::route_status::found);
    EXPECT_EQ(found.by_default(), to.ends_with("@other.test"));
    return routing::to_string(found.where());
  }
};

TEST(border_mta_mx_router, puts_hosts_in_the_place_of_the_domain) {
  routed r;
  r.dns.add_mx("example.test", {{20, "b.test"}, {10, "a.test"}});
  EXPECT_EQ(r.of("bob@example.test"),
            "smtp:[a.test]:2525 tls=required, smtp:[b.test]:2525 tls=required");
  r.dns.add_mx("other.test", {{10, "mx.other.test"}});
  EXPECT_EQ(r.of("bob@other.test"), "smtp:[mx.other.test]");
}

TEST(border_mta_mx_router, leaves_other_routes_alone) {
  routed r;
  EXPECT_EQ(r.of("bob@plain.test"), "smtp:[mx.plain.test]");
  EXPECT_TRUE(r.dns.asked().empty());
}

TEST(border_mta_mx_router, takes_the_domain_itself_without_mx) {
  routed r;
  r.dns.add_aaaa("example.test", {"2001:db8::1"});
  EXPECT_EQ(r.of("bob@example.test"), "smtp:[example.test]:2525 tls=required");
  r.options.own_names = {"example.test"};
  EXPECT_EQ(r.of("bob@example.test").substr(0, 16), "refuse 554 5.4.6");
}

TEST(border_mta_mx_router, refuses_what_takes_no_mail) {
  routed r;
  EXPECT_EQ(r.of("bob@example.test"), "refuse 550 5.1.2 example.test does not exist");
  r.dns.add_txt("example.test", {"text"});
  EXPECT_EQ(r.of("bob@example.test"),
            "refuse 550 5.4.4 example.test has neither MX nor address records");
  r.dns.add_mx("other.test", {{0, ""}});
  EXPECT_EQ(r.of("bob@other.test"), "refuse 556 5.1.10 other.test takes no mail (null MX)");
  EXPECT_EQ(r.of("bob@two.test"), "smtp:[backup.test]");
}

TEST(border_mta_mx_router, waits_where_the_dns_does_not_answer) {
  routed r;
  r.dns.fails("example.test", "SERVFAIL");
  EXPECT_EQ(r.of("bob@example.test").substr(0, 16), "refuse 451 4.4.3");
}

// --- While a client waits
// --------------------------------------------------------------------------

struct by_session : routed {
  smtp::session_facts facts;
  smtp::envelope envelope;

  by_session() {
    facts.client = *smtp::parse_endpoint("192.0.2.1:4000");
    dns.fails("example.test", "SERVFAIL").fails("other.test", "SERVFAIL");
  }
  std::string now(const std::string& to) {
    const smtp::session_view view{facts, envelope};
    return of(to, &view);
  }
};

TEST(border_mta_mx_router, lets_the_spool_wait_for_the_dns) {
  by_session s;
  EXPECT_EQ(s.now("bob@example.test"), "smtp:example.test:2525 tls=required");
  s.options.mode = delivery_mode::cut_through;
  EXPECT_EQ(s.now("bob@example.test").substr(0, 16), "refuse 451 4.4.3");
}

TEST(border_mta_mx_router, asks_about_any_domain_only_for_whom_it_may_relay) {
  by_session s;
  EXPECT_EQ(s.now("bob@other.test"), "smtp:other.test");
  EXPECT_TRUE(s.dns.asked().empty());
  s.options.relay_from.add(*smtp::parse_ip_network("192.0.2.0/24"));
  s.now("bob@other.test");
  EXPECT_EQ(s.dns.asked(), names{"MX other.test"});
}

}  // namespace
}  // namespace border_mta
