// This header stands alone.
#include "smtp/dns/cares_resolver.hpp"

#include <gtest/gtest.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "smtp/io_threads.hpp"
#include "smtp/testing/run.hpp"
#include "tests/support/dns_message.hpp"
#include "tests/support/name_server.hpp"

namespace gatepost::smtp::dns {
namespace {

using namespace std::chrono_literals;
using namespace gatepost::tests;  // NOLINT(google-build-using-namespace)
using request = name_server::request;
using replies = name_server::replies;

dns_message to(const request& r, std::uint16_t flags = dns_response) {
  return dns_message(r.asked.options.id, r.asked.asked, flags);
}
std::string v4() { return {'\xc0', '\0', '\2', '\1'}; }

replies good(const request& r) {
  return {to(r).answer(r.asked.asked.name, record_type::a, 300, v4()).text()};
}
replies silent(const request&) { return {}; }
replies code(const request& r, int rcode) {
  return {to(r, static_cast<std::uint16_t>(dns_response | rcode)).text()};
}

// Short where a test waits for them, so long that a busy machine meets them elsewhere.
cares_options options_for(const name_server& server) {
  cares_options options;
  options.servers = {server.where()};
  options.timeout = 20s;
  options.deadline = 40s;
  return options;
}

class dns_cares_resolver : public ::testing::Test {
 protected:
  // Asks for A records, waits, and gives what came.
  answer<ip_address> ask(resolver& from, std::string name = "www.example.test") {
    return testing::run(io_, from.a(std::move(name)));
  }
  // The same without waiting.
  struct pending {
    std::optional<answer<ip_address>> got;
    std::error_code error;
    asio::cancellation_signal cancel;
    bool ended = false;
  };
  std::shared_ptr<pending> start(resolver& from, std::string name = "www.example.test") {
    auto p = std::make_shared<pending>();
    asio::co_spawn(io_, from.a(std::move(name)),
                   asio::bind_cancellation_slot(p->cancel.slot(),
                                                [p](std::exception_ptr e, answer<ip_address> a) {
                                                  p->ended = true;
                                                  if (!e) p->got = std::move(a);
                                                  try {
                                                    if (e) std::rethrow_exception(e);
                                                  } catch (const std::system_error& x) {
                                                    p->error = x.code();
                                                  }
                                                }));
    return p;
  }
  template <class Condition>
  void until(Condition holds) {
    io_.restart();
    const auto end = std::chrono::steady_clock::now() + testing::patience;
    while (!holds() && io_.run_one_until(end) > 0) continue;
    ASSERT_TRUE(holds());
  }

  asio::io_context io_{1};
};

TEST_F(dns_cares_resolver, asks_and_remembers) {
  name_server server(io_, good);
  cares_resolver resolver(io_, options_for(server));
  const auto a = ask(resolver);
  ASSERT_EQ(a.status(), status::found) << a.reason();
  EXPECT_EQ(a.records().front().text(), "192.0.2.1");
  EXPECT_EQ(a.ttl(), 300s);
  EXPECT_TRUE(ask(resolver, "WWW.example.TEST.").has_records());
  EXPECT_EQ(server.asked(), 1);
  EXPECT_EQ(server.last().options.payload, default_payload);
  EXPECT_EQ(server.last().options.security, dnssec::off);
  const auto counters = resolver.counters();
  EXPECT_EQ(counters.questions, 2u);
  EXPECT_EQ(counters.queries, 1u);
  EXPECT_EQ(counters.cache.hits, 1u);
  EXPECT_EQ(counters.cache.misses, 1u);
  EXPECT_EQ(counters.failures, 0u);
  EXPECT_EQ(resolver.open(), 0u);
}

TEST_F(dns_cares_resolver, known_is_what_needs_no_question) {
  name_server server(io_, good);
  cares_resolver resolver(io_, options_for(server));
  const question www{"www.example.test", record_type::a};
  EXPECT_FALSE(resolver.known(www));
  EXPECT_EQ(resolver.counters().questions, 0u) << "nobody was asked";
  EXPECT_TRUE(ask(resolver, "www.example.test").has_records());
  const auto known = resolver.known(www);
  ASSERT_TRUE(known);
  EXPECT_EQ(std::get<answer<ip_address>>(*known).records().front().text(), "192.0.2.1");
  EXPECT_FALSE(resolver.known({"www.example.test", record_type::aaaa}));
  const auto none = resolver.known({"no..name", record_type::mx});
  ASSERT_TRUE(none);
  EXPECT_EQ(std::get<answer<mx_record>>(*none).status(), status::no_such_name);
  EXPECT_EQ(server.asked(), 1);
  const auto counters = resolver.counters();
  EXPECT_EQ(counters.questions, 3u);
  EXPECT_EQ(counters.cache.hits, 1u);
  EXPECT_EQ(counters.cache.misses, 1u);
}

TEST_F(dns_cares_resolver, a_name_that_does_not_exist_is_asked_once) {  // RFC 8020
  name_server server(io_, [](const request& r) {
    return replies{to(r, dns_response | dns_nxdomain).soa("test", 60, 60).text()};
  });
  cares_resolver resolver(io_, options_for(server));
  EXPECT_EQ(ask(resolver, "gone.test").status(), status::no_such_name);
  EXPECT_EQ(testing::run(io_, resolver.mx("Gone.test.")).status(), status::no_such_name);
  const auto txt = resolver.known({"gone.test", record_type::txt});
  ASSERT_TRUE(txt);
  EXPECT_EQ(std::get<answer<std::string>>(*txt).status(), status::no_such_name);
  EXPECT_EQ(server.asked(), 1);
  // It may be an alias.
  EXPECT_EQ(testing::run(io_, resolver.cname("gone.test")).status(), status::no_such_name);
  EXPECT_EQ(server.asked(), 2);
}

TEST_F(dns_cares_resolver, every_type) {
  std::string asked;
  name_server server(io_, [&](const request& r) -> replies {
    asked += std::string(to_string(r.asked.asked.type)) + " " + r.asked.asked.name + "; ";
    return {to(r).soa("test", 60, 60).text()};
  });
  cares_resolver resolver(io_, options_for(server));
  EXPECT_EQ(testing::run(io_, resolver.a("a.test")).status(), status::no_data);
  EXPECT_EQ(testing::run(io_, resolver.aaaa("b.test")).status(), status::no_data);
  EXPECT_EQ(testing::run(io_, resolver.mx("c.test")).status(), status::no_data);
  EXPECT_EQ(testing::run(io_, resolver.txt("d.test")).ttl(), 60s);
  EXPECT_EQ(testing::run(io_, resolver.tlsa("_25._tcp.e.test")).status(), status::no_data);
  EXPECT_EQ(testing::run(io_, resolver.cname("f.test")).status(), status::no_data);
  for (const char* address : {"192.0.2.1", "::ffff:192.0.2.2", "2001:db8::1"})
    testing::run(io_, resolver.ptr(*parse_ip_address(address)));
  EXPECT_EQ(asked,
            "A a.test; AAAA b.test; MX c.test; TXT d.test; TLSA _25._tcp.e.test; CNAME f.test; "
            "PTR 1.2.0.192.in-addr.arpa; PTR 2.2.0.192.in-addr.arpa; "
            "PTR 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa; ");
}

TEST_F(dns_cares_resolver, a_name_that_cannot_be_does_not_exist) {
  name_server server(io_, good);
  cares_resolver resolver(io_, options_for(server));
  for (const char* name : {"", ".", "a..b", ".a"})
    EXPECT_EQ(ask(resolver, name).status(), status::no_such_name) << name;
  EXPECT_EQ(ask(resolver, std::string(64, 'a')).status(), status::no_such_name);
  EXPECT_EQ(server.asked(), 0);
}

TEST_F(dns_cares_resolver, hosts_and_search_lists_are_not_looked_at) {
  name_server server(io_, [](const request& r) { return code(r, dns_nxdomain); });
  cares_resolver resolver(io_, options_for(server));
  EXPECT_EQ(ask(resolver, "localhost").status(), status::no_such_name);
  EXPECT_EQ(server.asked(), 1);
  EXPECT_EQ(server.last().asked.name, "localhost");
}

// --- DNSSEC --------------------------------------------------------------------------------------

TEST_F(dns_cares_resolver, trusts_the_resolver_only_where_told) {
  const auto signed_answer = [](const request& r) -> replies {
    return {
        to(r, dns_response | dns_ad).answer("www.example.test", record_type::a, 9, v4()).text()};
  };
  name_server server(io_, signed_answer);
  cares_options options = options_for(server);
  {
    cares_resolver resolver(io_, options);
    EXPECT_FALSE(ask(resolver).authenticated());
  }
  options.response.ad = ad_bit::trusted;
  {
    cares_resolver resolver(io_, options);
    EXPECT_TRUE(ask(resolver).authenticated());
    EXPECT_EQ(server.last().options.security, dnssec::ad);
    EXPECT_TRUE(ask(resolver).authenticated()) << "from the cache as well";
  }
  options.security = dnssec::dnssec_ok;
  cares_resolver resolver(io_, options);
  EXPECT_TRUE(ask(resolver).authenticated());
  EXPECT_EQ(server.last().options.security, dnssec::dnssec_ok);
}

// --- Failures ------------------------------------------------------------------------------------

TEST_F(dns_cares_resolver, codes_are_typed_and_not_asked_for_twice) {
  const std::pair<int, failure> cases[] = {
      {2, failure::server_failure}, {5, failure::refused}, {15, failure::other_rcode}};
  for (const auto& [rcode, expected] : cases) {
    name_server server(io_, [rcode = rcode](const request& r) { return code(r, rcode); });
    cares_resolver resolver(io_, options_for(server));
    const auto a = ask(resolver);
    EXPECT_EQ(a.failure(), expected);
    EXPECT_EQ(a.status(), status::temporary_failure);
    const int asked = server.asked();
    EXPECT_EQ(asked, expected == failure::other_rcode ? 2 : 1) << "2: without EDNS";
    EXPECT_EQ(ask(resolver).failure(), expected);
    EXPECT_EQ(server.asked(), asked) << "it is remembered";
    EXPECT_EQ(resolver.counters().failures, 1u);
    EXPECT_EQ(resolver.counters().cache.failure_hits, 1u);
  }
}

TEST_F(dns_cares_resolver, without_edns_where_the_server_does_not_know_it) {  // RFC 6891 §6.2.2
  for (const int rcode : {1, 4}) {
    name_server server(io_, [rcode](const request& r) {
      return r.asked.options.payload != 0 ? code(r, rcode) : good(r);
    });
    cares_resolver resolver(io_, options_for(server));
    EXPECT_TRUE(ask(resolver).has_records()) << rcode;
    EXPECT_EQ(server.asked(), 2);
  }
}

TEST_F(dns_cares_resolver, the_next_server_where_one_fails) {
  name_server bad(io_, [](const request& r) { return code(r, 2); });
  name_server worse(io_, [](const request& r) -> replies { return {to(r).claim(1, 7).text()}; });
  name_server right(io_, good);
  cares_options options = options_for(bad);
  options.servers = {bad.where(), name_server::nowhere(io_), worse.where(), right.where()};
  cares_resolver resolver(io_, options);
  EXPECT_EQ(resolver.servers(), options.servers);
  EXPECT_TRUE(ask(resolver).has_records());
  EXPECT_EQ(bad.asked() + worse.asked() + right.asked(), 3);
}

TEST_F(dns_cares_resolver, nobody_is_there) {
  cares_options options;
  options.servers = {name_server::nowhere(io_)};
  options.timeout = 20s;
  cares_resolver resolver(io_, options);
  EXPECT_EQ(ask(resolver).failure(), failure::unreachable);
}

TEST_F(dns_cares_resolver, silence) {
  name_server server(io_, silent);
  cares_options options = options_for(server);
  options.timeout = 20ms;
  options.tries = 3;
  cares_resolver resolver(io_, options);
  EXPECT_EQ(ask(resolver).failure(), failure::timeout);
  EXPECT_EQ(server.asked(), 3);
  EXPECT_EQ(resolver.counters().timeouts, 3u);
}

TEST_F(dns_cares_resolver, the_deadline_ends_it_all) {
  name_server server(io_, silent);
  cares_options options = options_for(server);
  options.deadline = 20ms;
  cares_resolver resolver(io_, options);
  EXPECT_EQ(ask(resolver).failure(), failure::timeout);
  EXPECT_EQ(server.asked(), 1);
  EXPECT_EQ(resolver.open(), 0u);
}

TEST_F(dns_cares_resolver, a_second_try_may_succeed) {
  name_server server(io_, [](const request& r) { return r.number == 1 ? silent(r) : good(r); });
  cares_options options = options_for(server);
  options.timeout = 20ms;
  cares_resolver resolver(io_, options);
  EXPECT_TRUE(ask(resolver).has_records());
  EXPECT_EQ(server.asked(), 2);
}

TEST_F(dns_cares_resolver, malformed_answers) {
  const std::pair<const char*, std::function<std::string(const request&)>> cases[] = {
      {"a count that lies", [](const request& r) { return to(r).claim(1, 3).text(); }},
      {"a record cut off",
       [](const request& r) { return to(r).claim(1, 1).raw(dns_name("a") + "xx").text(); }},
      {"octets behind the end", [](const request& r) { return to(r).raw("garbage").text(); }},
      {"a name that points to itself",
       [](const request& r) {
         const unsigned here = 12 + 18 + 4;
         return to(r).record(1, dns_pointer(here), 1, 1, v4()).text();
       }},
      {"an address of three octets",
       [](const request& r) {
         return to(r).answer("www.example.test", record_type::a, 1, "abc").text();
       }},
  };
  for (const auto& [what, make] : cases) {
    name_server server(io_, [&make = make](const request& r) -> replies { return {make(r)}; });
    cares_resolver resolver(io_, options_for(server));
    EXPECT_EQ(ask(resolver).failure(), failure::malformed) << what;
  }
}

// A server that tells one alias at a time, and not what is behind it.
replies one_alias(const request& r, const std::string& target, std::uint32_t ttl = 300) {
  return {to(r).alias(r.asked.asked.name, target, ttl).text()};
}

TEST_F(dns_cares_resolver, goes_on_with_what_an_alias_stands_for) {  // RFC 1034 §5.3.3 step 4c
  std::vector<std::string> asked;
  name_server server(io_, [&asked](const request& r) {
    asked.push_back(r.asked.asked.name);
    if (asked.back() == "a.test") return one_alias(r, "b.test", 200);
    if (asked.back() == "b.test") return one_alias(r, "c.test", 100);
    if (asked.back() == "empty.test") return one_alias(r, "nothing.test");
    if (asked.back() == "gone.test") return one_alias(r, "none.test", 30);
    if (asked.back() == "none.test")
      return replies{to(r, dns_response | dns_nxdomain).soa("test", 60, 60).text()};
    if (asked.back() == "nothing.test") return replies{to(r).soa("test", 60, 60).text()};
    return good(r);
  });
  cares_resolver resolver(io_, options_for(server));
  const auto found = ask(resolver, "a.test");
  ASSERT_TRUE(found.has_records()) << found.reason();
  EXPECT_EQ(found.records().front().text(), "192.0.2.1");
  EXPECT_EQ(found.ttl(), 100s);
  EXPECT_EQ(asked, (std::vector<std::string>{"a.test", "b.test", "c.test"}));
  EXPECT_TRUE(ask(resolver, "a.test").has_records());
  EXPECT_EQ(asked.size(), 3u) << "from the cache";
  EXPECT_EQ(ask(resolver, "empty.test").status(), status::no_data);
  const auto gone = ask(resolver, "gone.test");
  EXPECT_EQ(gone.status(), status::no_such_name);
  EXPECT_EQ(gone.ttl(), 30s);
  EXPECT_EQ(resolver.counters().failures, 0u);
}

TEST_F(dns_cares_resolver, aliases_that_come_one_by_one_are_bounded) {
  name_server server(io_, [](const request& r) {
    const std::string& name = r.asked.asked.name;  // "n7.test"
    if (name == "loop1.test") return one_alias(r, "loop2.test");
    if (name == "loop2.test") return one_alias(r, "loop1.test");
    const int n = std::stoi(name.substr(1));
    return n == 0 ? good(r) : one_alias(r, "n" + std::to_string(n - 1) + ".test");
  });
  cares_resolver resolver(io_, options_for(server));
  EXPECT_TRUE(ask(resolver, "n8.test").has_records());
  EXPECT_EQ(server.asked(), 9);
  EXPECT_EQ(ask(resolver, "n9.test").failure(), failure::cname_chain);
  EXPECT_EQ(server.asked(), 18);
  EXPECT_EQ(ask(resolver, "loop1.test").failure(), failure::cname_chain);
  EXPECT_EQ(server.asked(), 27);
}

TEST_F(dns_cares_resolver, every_step_of_a_chain_has_to_be_validated) {
  std::string bare = "b.test";  // this step is not
  name_server server(io_, [&bare](const request& r) {
    const std::string& name = r.asked.asked.name;
    const bool marked = !name.starts_with(bare);
    const auto flags = static_cast<std::uint16_t>(dns_response | (marked ? dns_ad : 0));
    if (name == "b.test")
      return replies{to(r, flags).answer(name, record_type::a, 300, v4()).text()};
    return replies{to(r, flags).alias(name, "b.test").text()};
  });
  cares_options options = options_for(server);
  options.response.ad = ad_bit::trusted;
  cares_resolver resolver(io_, options);
  EXPECT_FALSE(ask(resolver, "a1.test").authenticated());
  bare = "a2";
  EXPECT_FALSE(ask(resolver, "a2.test").authenticated());
  EXPECT_TRUE(ask(resolver, "a3.test").authenticated());
}

TEST_F(dns_cares_resolver, a_server_that_has_no_target_is_passed_over) {
  name_server bad(io_, [](const request& r) {
    return r.asked.asked.name == "a.test" ? one_alias(r, "b.test") : code(r, 2);
  });
  name_server other(io_, good);
  cares_options options = options_for(bad);
  options.servers.push_back(other.where());
  cares_resolver resolver(io_, options);
  EXPECT_TRUE(ask(resolver, "a.test").has_records());
  EXPECT_EQ(bad.asked(), 2);
  EXPECT_EQ(other.asked(), 1);
  EXPECT_EQ(other.last().asked.name, "b.test");
}

TEST_F(dns_cares_resolver, a_loop_of_aliases) {
  name_server server(io_, [](const request& r) -> replies {
    return {to(r).alias("www.example.test", "a.test").alias("a.test", "www.example.test").text()};
  });
  cares_resolver resolver(io_, options_for(server));
  EXPECT_EQ(ask(resolver).failure(), failure::cname_chain);
}

TEST_F(dns_cares_resolver, lies_are_passed_over) {
  const std::pair<const char*, std::function<std::string(const request&)>> lies[] = {
      {"another id",
       [](const request& r) {
         return dns_message(r.asked.options.id ^ 1, r.asked.asked)
             .answer("www.example.test", record_type::a, 1, "evil")
             .text();
       }},
      {"another name",
       [](const request& r) {
         return dns_message(r.asked.options.id, {"www.example.tesu", record_type::a})
             .answer("www.example.test", record_type::a, 1, "evil")
             .text();
       }},
      {"another type",
       [](const request& r) {
         return dns_message(r.asked.options.id, {"www.example.test", record_type::mx})
             .answer("www.example.test", record_type::a, 1, "evil")
             .text();
       }},
      {"no question",
       [](const request& r) {
         return to(r).no_question().answer("www.example.test", record_type::a, 1, "evil").text();
       }},
      {"nothing at all", [](const request&) { return std::string(); }},
      {"octets", [](const request&) { return std::string("\1\2\3"); }},
  };
  for (const auto& [what, lie] : lies) {
    // The lie comes first, the truth later.
    name_server server(
        io_, [&lie = lie](const request& r) -> replies { return {lie(r), good(r).front()}; });
    cares_options options = options_for(server);
    {
      cares_resolver resolver(io_, options);
      const auto a = ask(resolver);
      ASSERT_TRUE(a.has_records()) << what << ": " << a.reason();
      EXPECT_EQ(a.records().front().text(), "192.0.2.1") << what;
    }
    // Or the truth never comes.
    server.behave([&lie = lie](const request& r) -> replies { return {lie(r)}; });
    options.timeout = 20ms;
    options.tries = 1;
    cares_resolver resolver(io_, options);
    EXPECT_FALSE(ask(resolver).is_definite()) << what;
  }
}

// --- TCP -----------------------------------------------------------------------------------------

TEST_F(dns_cares_resolver, tcp_where_udp_is_truncated) {
  name_server server(io_, [](const request& r) -> replies {
    if (r.by == name_server::protocol::udp) return {to(r, dns_response | dns_tc).text()};
    dns_message m = to(r);
    for (unsigned char i = 0; i < 250; ++i)
      m.answer("www.example.test", record_type::a, 1, v4().substr(0, 3) + static_cast<char>(i));
    return {m.text()};
  });
  cares_resolver resolver(io_, options_for(server));
  EXPECT_EQ(ask(resolver).records().size(), 250u);
  EXPECT_EQ(server.asked_by_tcp(), 1);
  server.behave([](const request& r) -> replies { return {to(r, dns_response | dns_tc).text()}; });
  EXPECT_EQ(ask(resolver, "b.test").failure(), failure::truncated);
}

TEST_F(dns_cares_resolver, up_to_the_payload_udp_is_enough) {
  name_server server(io_, [](const request& r) -> replies {
    dns_message m = to(r);
    for (unsigned char i = 0; i < 60; ++i)
      m.record(1, dns_pointer(12), 1, 1, v4().substr(0, 3) + static_cast<char>(i));
    return {m.text()};
  });
  cares_resolver resolver(io_, options_for(server));
  EXPECT_EQ(ask(resolver).records().size(), 60u);
  EXPECT_EQ(server.asked_by_tcp(), 0);
}

TEST_F(dns_cares_resolver, tcp_that_is_cut_off) {
  name_server server(io_, [](const request& r) -> replies {
    if (r.by == name_server::protocol::udp) return {to(r, dns_response | dns_tc).text()};
    return {};
  });
  cares_options options = options_for(server);
  options.timeout = 50ms;
  options.tries = 1;
  cares_resolver resolver(io_, options);
  EXPECT_FALSE(ask(resolver).is_definite());
  EXPECT_EQ(server.asked_by_tcp(), 1);
}

// --- Who waits -----------------------------------------------------------------------------------

TEST_F(dns_cares_resolver, same_questions_are_asked_once) {
  name_server server(io_, good);
  cares_resolver resolver(io_, options_for(server));
  const auto one = start(resolver);
  const auto two = start(resolver, "www.EXAMPLE.test");
  const auto other = start(resolver, "other.example.test");
  until([&] { return one->ended && two->ended && other->ended; });
  EXPECT_TRUE(one->got->has_records());
  EXPECT_EQ(one->got->records(), two->got->records());
  EXPECT_EQ(server.asked(), 2);
  EXPECT_EQ(resolver.counters().coalesced, 1u);
}

TEST_F(dns_cares_resolver, who_is_cancelled_takes_nothing_from_others) {
  int held = 0;
  name_server server(io_, [&](const request& r) {
    ++held;
    return silent(r);
  });
  cares_options options = options_for(server);
  options.timeout = 200ms;
  cares_resolver resolver(io_, options);
  const auto one = start(resolver);
  const auto two = start(resolver);
  until([&] { return held == 1; });
  one->cancel.emit(asio::cancellation_type::terminal);
  until([&] { return one->ended; });
  EXPECT_EQ(one->error, asio::error::operation_aborted);
  EXPECT_FALSE(two->ended);
  EXPECT_EQ(resolver.open(), 1u);
  server.behave(good);
  until([&] { return two->ended; });
  EXPECT_TRUE(two->got->has_records());
}

// What nobody waits for keeps no io_context busy until its deadline.
TEST_F(dns_cares_resolver, the_last_who_is_cancelled_takes_the_question_along) {
  auto server = std::make_unique<name_server>(io_, silent);
  cares_options options = options_for(*server);
  options.queries_per_port = 1;  // the first channel is retired
  cares_resolver resolver(io_, options);
  const auto one = start(resolver);
  const auto two = start(resolver, "b.test");
  until([&] { return server->asked() == 2; });
  one->cancel.emit(asio::cancellation_type::terminal);
  until([&] { return one->ended; });
  EXPECT_EQ(resolver.open(), 2u) << "somebody still waits for something";
  const auto again = start(resolver);
  testing::settle(io_);
  EXPECT_EQ(resolver.counters().coalesced, 1u);
  again->cancel.emit(asio::cancellation_type::terminal);
  two->cancel.emit(asio::cancellation_type::terminal);
  until([&] { return again->ended && two->ended; });
  EXPECT_EQ(again->error, asio::error::operation_aborted);
  EXPECT_EQ(two->error, asio::error::operation_aborted);
  EXPECT_EQ(resolver.open(), 0u);
  EXPECT_EQ(resolver.counters().failures, 0u);
  // It is no answer that could be remembered.
  const auto anew = start(resolver);
  until([&] { return server->asked() == 3; });
  EXPECT_FALSE(anew->ended);
  anew->cancel.emit(asio::cancellation_type::terminal);
  server.reset();
  io_.restart();
  const auto from = std::chrono::steady_clock::now();
  io_.run_for(testing::patience);
  EXPECT_TRUE(io_.stopped()) << "nothing is left to be done";
  EXPECT_LT(std::chrono::steady_clock::now() - from, 10s);
  EXPECT_TRUE(anew->ended);
}

TEST_F(dns_cares_resolver, goes_with_questions_open) {
  name_server server(io_, silent);
  auto resolver = std::make_unique<cares_resolver>(io_, options_for(server));
  const auto one = start(*resolver);
  const auto two = start(*resolver, "b.test");
  until([&] { return server.asked() == 2; });
  resolver.reset();
  EXPECT_FALSE(one->ended) << "nobody is resumed from within the destructor";
  until([&] { return one->ended && two->ended; });
  EXPECT_EQ(one->got->failure(), failure::shut_down);
  EXPECT_EQ(two->got->failure(), failure::shut_down);
}

TEST_F(dns_cares_resolver, asked_after_it_has_gone) {
  name_server server(io_, silent);
  auto resolver = std::make_unique<cares_resolver>(io_, options_for(server));
  auto late = resolver->a("c.test");
  resolver.reset();
  EXPECT_EQ(testing::run(io_, std::move(late)).failure(), failure::shut_down);
}

TEST_F(dns_cares_resolver, the_io_context_goes_with_questions_open) {
  auto io = std::make_unique<asio::io_context>(1);
  auto server = std::make_unique<name_server>(*io, silent);
  auto resolver = std::make_unique<cares_resolver>(*io, options_for(*server));
  asio::co_spawn(*io, resolver->a("a.test"), [](std::exception_ptr, answer<ip_address>) {});
  while (server->asked() == 0) io->run_one();
  resolver.reset();
  server.reset();
  io.reset();  // with all who wait
}

TEST_F(dns_cares_resolver, open_questions_are_bounded) {
  name_server server(io_, silent);
  cares_options options = options_for(server);
  options.outstanding = 2;
  cares_resolver resolver(io_, options);
  const auto one = start(resolver, "a.test");
  const auto two = start(resolver, "b.test");
  until([&] { return server.asked() == 2; });
  EXPECT_EQ(ask(resolver, "c.test").failure(), failure::overload);
  EXPECT_EQ(resolver.counters().overload, 1u);
  const auto joined = start(resolver, "a.test");
  testing::settle(io_);
  EXPECT_FALSE(joined->ended) << "no new query";
  server.behave(good);
}

TEST_F(dns_cares_resolver, many_at_a_time) {
  name_server server(io_, good);
  cares_resolver resolver(io_, options_for(server));
  std::vector<std::shared_ptr<pending>> all;
  for (int i = 0; i < 200; ++i) all.push_back(start(resolver, "n" + std::to_string(i) + ".test"));
  until([&] {
    for (const auto& p : all)
      if (!p->ended) return false;
    return true;
  });
  for (const auto& p : all) EXPECT_TRUE(p->got->has_records()) << p->got->reason();
}

TEST_F(dns_cares_resolver, source_ports_and_ids_change) {
  std::set<std::uint16_t> ports;
  std::set<std::uint16_t> ids;
  name_server server(io_, [&](const request& r) {
    ports.insert(r.port);
    ids.insert(r.asked.options.id);
    return silent(r);
  });
  cares_options options = options_for(server);
  options.queries_per_port = 3;
  cares_resolver resolver(io_, options);
  std::vector<std::shared_ptr<pending>> all;
  for (int i = 0; i < 30; ++i) all.push_back(start(resolver, "n" + std::to_string(i) + ".test"));
  until([&] { return server.asked() == 30; });
  EXPECT_EQ(ports.size(), 10u);
  EXPECT_GT(ids.size(), 25u) << "by chance two may be the same";
}

TEST_F(dns_cares_resolver, servers_of_the_system) {
  cares_resolver resolver(io_);
  for (const endpoint& e : resolver.servers()) EXPECT_NE(e.port, 0);
}

// --- Threads -------------------------------------------------------------------------------------

TEST(dns_cares_resolvers, one_for_each_thread) {
  asio::io_context io(1);
  name_server server(io, good);
  auto guard = asio::make_work_guard(io);
  std::thread serving([&] { io.run(); });
  {
    io_threads threads(3);
    cares_options options = options_for(server);
    cares_resolvers resolvers(threads.contexts(), options);
    std::atomic<int> found = 0;
    std::atomic<int> known = 0;
    for (asio::io_context* context : threads.contexts()) {
      EXPECT_NE(resolvers.of(*context), nullptr);
      for (int i = 0; i < 20; ++i) {
        const std::string name = "n" + std::to_string(i) + ".test";
        asio::co_spawn(*context, resolvers.a(name),
                       [&, name](std::exception_ptr, const answer<ip_address>& a) {
                         if (a.has_records()) ++found;
                         if (resolvers.known({name, record_type::a})) ++known;
                       });
      }
    }
    // Every thread has work of its own; front() must outlast the others' here.
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < threads.contexts().size(); ++i)
      others.emplace_back([c = threads.contexts()[i]] { c->run(); });
    threads.front().run();
    for (auto& t : others) t.join();
    EXPECT_EQ(found, 60);
    EXPECT_EQ(known, 60);
    EXPECT_FALSE(resolvers.known({"n0.test", record_type::a})) << "this thread has no resolver";
    for (asio::io_context* context : threads.contexts())
      EXPECT_EQ(resolvers.of(*context)->counters().questions, 40u);
    EXPECT_EQ(resolvers.of(io), nullptr);
    const auto elsewhere = testing::run(resolvers.a("a.test"));
    EXPECT_EQ(elsewhere.status(), status::temporary_failure);
  }
  guard.reset();
  io.stop();
  serving.join();
}

}  // namespace
}  // namespace gatepost::smtp::dns
