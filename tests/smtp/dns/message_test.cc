// This header stands alone.
#include "smtp/dns/message.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/dns_message.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::smtp::dns {
namespace {

using namespace std::chrono_literals;
using namespace gatepost::tests;  // NOLINT(google-build-using-namespace)
using namespace std::string_literals;

constexpr std::uint16_t id = 0x1234;
const question asks_a{"www.example.test", record_type::a};

std::string v4(std::string_view text) {
  const auto address = *parse_ip_address(text);
  return {address.octets().begin(), address.octets().end()};
}

template <class Record = ip_address>
answer<Record> read(const dns_message& m, const question& asked = asks_a,
                    const response_options& options = {}) {
  return std::get<answer<Record>>(read_response(m.text(), asked, id, options));
}

// --- Queries -------------------------------------------------------------------------------------

TEST(dns_query, octets) {
  query_options options;
  options.id = id;
  options.payload = 0;
  EXPECT_EQ(
      *encode_query({"a.Bc", record_type::mx}, options),
      "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01\x61\x02\x42\x63\x00\x00\x0f\x00\x01"s);
  options.payload = 1232;
  options.security = dnssec::dnssec_ok;
  EXPECT_EQ(*encode_query({"a", record_type::a}, options),
            "\x12\x34\x01\x20\x00\x01\x00\x00\x00\x00\x00\x01\x01\x61\x00\x00\x01\x00\x01"
            "\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00"s);
}

TEST(dns_query, comes_back_as_it_was) {
  for (const auto security : {dnssec::off, dnssec::ad, dnssec::dnssec_ok}) {
    query_options options;
    options.id = 0xfffe;
    options.security = security;
    const auto back = read_query(*encode_query({"_25._tcp.Mx.test", record_type::tlsa}, options));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->asked.name, "_25._tcp.Mx.test");
    EXPECT_EQ(back->asked.type, record_type::tlsa);
    EXPECT_EQ(back->options.id, 0xfffe);
    EXPECT_EQ(back->options.payload, default_payload);
    EXPECT_EQ(back->options.security, security);
  }
}

TEST(dns_query, names) {
  const std::string label63(63, 'a');
  const std::string octets253 =
      label63 + "." + label63 + "." + label63 + "." + std::string(61, 'b');
  struct {
    std::string name;
    std::string back;  // empty: refused
  } const cases[] = {
      {"example.test", "example.test"},
      {"example.test.", "example.test"},
      {"a", "a"},
      {"under_score.-x-", "under_score.-x-"},
      {"a b", "a\\032b"},
      {"a\xff", "a\\255"},
      {"a\\.b.c", "a\\046b.c"},
      {"a\\046b.c", "a\\046b.c"},
      {"a\\\\b", "a\\092b"},
      {label63, label63},
      {octets253, octets253},
      {octets253 + "b", ""},
      {label63 + "a", ""},
      {"", ""},
      {".", ""},
      {"a..b", ""},
      {".a", ""},
      {"a..", ""},
      {"a\\", ""},
      {"a\\25", ""},
      {"a\\256", ""},
  };
  for (const auto& c : cases) {
    const auto sent = encode_query({c.name, record_type::a});
    EXPECT_EQ(sent.has_value(), !c.back.empty()) << c.name;
    EXPECT_EQ(is_name(c.name), !c.back.empty()) << c.name;
    if (!sent) {
      EXPECT_EQ(sent.error(), errc::bad_domain);
      continue;
    }
    const auto back = read_query(*sent);
    ASSERT_TRUE(back) << c.name;
    EXPECT_EQ(back->asked.name, c.back);
  }
}

TEST(dns_query, a_response_is_none) {
  const auto sent = *encode_query(asks_a);
  EXPECT_TRUE(read_query(sent));
  for (std::size_t n = 0; n < sent.size(); ++n) EXPECT_FALSE(read_query(sent.substr(0, n))) << n;
  EXPECT_FALSE(read_query(sent + "x"));
  EXPECT_FALSE(read_query(dns_message(id, asks_a).text()));
  EXPECT_FALSE(read_query(dns_message(id, asks_a, 0x2800).text()));  // UPDATE
}

// --- Records -------------------------------------------------------------------------------------

TEST(dns_response, addresses) {
  const auto a = read(dns_message(id, asks_a)
                          .answer("www.example.test", record_type::a, 300, v4("192.0.2.1"))
                          .answer("WWW.Example.TEST", record_type::a, 60, v4("192.0.2.2")));
  ASSERT_EQ(a.status(), status::found);
  ASSERT_EQ(a.records().size(), 2u);
  EXPECT_EQ(a.records()[0].text(), "192.0.2.1");
  EXPECT_EQ(a.records()[1].text(), "192.0.2.2");
  EXPECT_EQ(a.ttl(), 60s);  // the least
  const question asked{"www.example.test", record_type::aaaa};
  const auto aaaa =
      read(dns_message(id, asked).record(1, dns_pointer(12), 28, 5, v4("2001:db8::1")), asked);
  ASSERT_TRUE(aaaa.has_records());
  EXPECT_EQ(aaaa.records()[0].text(), "2001:db8::1");
}

TEST(dns_response, mail_exchangers) {
  const question asked{"example.test", record_type::mx};
  const auto a = read<mx_record>(
      dns_message(id, asked)
          .record(1, dns_pointer(12), 15, 300, dns16(10) + dns_string("Mx1") + dns_pointer(12))
          .answer("example.test", record_type::mx, 300, dns16(0) + dns_name("")),
      asked);
  const std::vector<mx_record> expected{{10, "Mx1.example.test"}, {0, ""}};
  EXPECT_EQ(a.records(), expected);
}

TEST(dns_response, text_is_joined) {
  const question asked{"example.test", record_type::txt};
  const auto a = read<std::string>(
      dns_message(id, asked)
          .answer("example.test", record_type::txt, 1,
                  dns_string("v=spf1 ip4:192.0.2.1") + dns_string("") + dns_string(" -all"))
          .answer("example.test", record_type::txt, 1, dns_string(std::string(255, '\0')))
          .answer("example.test", record_type::txt, 1, dns_string("")),
      asked);
  const std::vector<std::string> expected{"v=spf1 ip4:192.0.2.1 -all", std::string(255, '\0'), ""};
  EXPECT_EQ(a.records(), expected);
}

TEST(dns_response, names_and_keys) {
  const question ptr{"1.2.0.192.in-addr.arpa", record_type::ptr};
  const auto names = read<std::string>(
      dns_message(id, ptr)
          .answer(ptr.name, record_type::ptr, 1, dns_name("Host.example.test"))
          .answer(ptr.name, record_type::ptr, 1, dns_string("evil.example") + dns_name("test")),
      ptr);
  const std::vector<std::string> expected{"Host.example.test", "evil\\046example.test"};
  EXPECT_EQ(names.records(), expected);
  const question tlsa{"_25._tcp.mx.test", record_type::tlsa};
  const auto keys = read<tlsa_record>(
      dns_message(id, tlsa).answer(tlsa.name, record_type::tlsa, 1, "\x03\x01\x02key"s), tlsa);
  const std::vector<tlsa_record> one{{3, 1, 2, "key"}};
  EXPECT_EQ(keys.records(), one);
  const question cname{"www.example.test", record_type::cname};
  const auto alias =
      read<std::string>(dns_message(id, cname).alias("www.example.test", "web.test"), cname);
  ASSERT_TRUE(alias.has_records());
  EXPECT_EQ(alias.records()[0], "web.test");
}

TEST(dns_response, what_was_not_asked_for_is_passed_over) {
  const auto a = read(dns_message(id, asks_a)
                          .answer("other.example.test", record_type::a, 1, v4("192.0.2.9"))
                          .answer("www.example.test", record_type::txt, 1, dns_string("x"))
                          .record(1, dns_pointer(12), 1, 1, v4("192.0.2.8"), 3)  // class CH
                          .record(1, dns_pointer(12), 46, 1, "signature")
                          .answer("www.example.test", record_type::a, 9, v4("192.0.2.1"))
                          .record(3, dns_name(""), dns_opt, 0x8000, "", 1232));
  ASSERT_EQ(a.records().size(), 1u);
  EXPECT_EQ(a.records()[0].text(), "192.0.2.1");
  EXPECT_EQ(a.ttl(), 9s);
}

TEST(dns_response, highest_bit_of_a_ttl_makes_it_large) {  // RFC 8767 §4
  const auto a = read(dns_message(id, asks_a)
                          .answer("www.example.test", record_type::a, 0x80000001, v4("192.0.2.1")));
  EXPECT_TRUE(a.has_records());
  EXPECT_EQ(a.ttl(), 2147483647s);
}

// --- Aliases -------------------------------------------------------------------------------------

dns_message chain(int aliases, std::string_view last_ttl = {}) {
  dns_message m(id, asks_a);
  std::string name = "www.example.test";
  for (int i = 0; i < aliases; ++i) {
    const std::string next = "c" + std::to_string(i) + ".test";
    m.alias(name, next, 300 - static_cast<unsigned>(i));
    name = next;
  }
  if (last_ttl.empty()) m.answer(name, record_type::a, 1000, v4("192.0.2.1"));
  return m;
}

TEST(dns_response, aliases_are_followed_and_bounded) {
  const auto a = read(chain(8));
  ASSERT_TRUE(a.has_records());
  EXPECT_EQ(a.ttl(), 293s);
  EXPECT_EQ(read(chain(9)).failure(), failure::cname_chain);
  response_options options;
  options.aliases = 0;
  EXPECT_TRUE(read(chain(0), asks_a, options).has_records());
  EXPECT_EQ(read(chain(1), asks_a, options).failure(), failure::cname_chain);
}

TEST(dns_response, aliases_in_any_order) {
  const auto a = read(dns_message(id, asks_a)
                          .answer("b.test", record_type::a, 7, v4("192.0.2.1"))
                          .alias("a.test", "B.test")
                          .alias("www.example.test", "A.test"));
  ASSERT_TRUE(a.has_records());
  EXPECT_EQ(a.ttl(), 7s);
}

TEST(dns_response, loops_of_aliases_end) {
  EXPECT_EQ(read(dns_message(id, asks_a).alias("www.example.test", "www.example.test")).failure(),
            failure::cname_chain);
  EXPECT_EQ(read(dns_message(id, asks_a)
                     .alias("www.example.test", "a.test")
                     .alias("a.test", "www.example.test"))
                .failure(),
            failure::cname_chain);
}

TEST(dns_response, an_alias_without_its_target) {  // RFC 1034 §5.3.3 step 4c
  const auto step = [](const dns_message& m, const question& asked = asks_a) {
    return read_step(m.text(), asked, id);
  };
  const auto dangles = dns_message(id, asks_a)
                           .alias("www.example.test", "a.test", 100)
                           .alias("a.test", "b.other.test", 50);
  const response open = step(dangles);
  ASSERT_TRUE(open.open);
  EXPECT_EQ(open.open->target, "b.other.test");
  EXPECT_EQ(open.open->aliases, 2u);
  EXPECT_EQ(open.open->ttl, 50s);
  EXPECT_FALSE(open.open->authenticated);
  EXPECT_EQ(failure_of(open.said), failure::referral);
  EXPECT_EQ(read(dangles).failure(), failure::referral);
  // The SOA of a zone that the target is not in says nothing of it.
  auto elsewhere = dangles;
  EXPECT_TRUE(step(elsewhere.soa("example.test", 60, 60)).open);

  auto empty = dangles;
  EXPECT_FALSE(step(empty.soa("other.test", 60, 60)).open);
  auto gone = dangles;
  EXPECT_FALSE(step(gone.flags(dns_response | dns_nxdomain)).open);
  EXPECT_EQ(read(gone).status(), status::no_such_name);
  EXPECT_FALSE(step(dns_message(id, asks_a)).open) << "no alias";
  const auto to_root = dns_message(id, asks_a).alias("www.example.test", "");
  EXPECT_FALSE(step(to_root).open);
  EXPECT_EQ(read(to_root).status(), status::no_data);
  const question cname{"www.example.test", record_type::cname};
  EXPECT_FALSE(step(dns_message(id, cname).alias("www.example.test", "a.test"), cname).open);
}

TEST(dns_response, the_code_tells_of_the_end_of_the_chain) {  // RFC 6604 §3
  const auto gone = read(dns_message(id, asks_a, dns_response | dns_nxdomain)
                             .alias("www.example.test", "gone.other.test", 20)
                             .soa("other.test", 60, 90));
  EXPECT_EQ(gone.status(), status::no_such_name);
  EXPECT_EQ(gone.ttl(), 20s);
  const auto empty = read(dns_message(id, asks_a)
                              .alias("www.example.test", "empty.other.test", 100)
                              .soa("other.test", 60, 90));
  EXPECT_EQ(empty.status(), status::no_data);
  EXPECT_EQ(empty.ttl(), 60s);
}

// --- Negative answers (RFC 2308) -----------------------------------------------------------------

TEST(dns_response, negative_answers) {
  const auto nxdomain = [] { return dns_message(id, asks_a, dns_response | dns_nxdomain); };
  const auto noerror = [] { return dns_message(id, asks_a); };
  struct {
    const char* what;
    dns_message m;
    status expected;
    std::chrono::seconds ttl;
  } const cases[] = {
      {"the SOA's TTL is less", nxdomain().soa("test", 60, 90), status::no_such_name, 60s},
      {"MINIMUM is less", nxdomain().soa("example.test", 90, 60), status::no_such_name, 60s},
      {"of the root", nxdomain().soa("", 90, 60), status::no_such_name, 60s},
      {"no SOA: not to be kept", nxdomain(), status::no_such_name, 0s},
      {"a SOA of elsewhere", nxdomain().soa("ample.test", 90, 60), status::no_such_name, 0s},
      {"a SOA below the name", nxdomain().soa("a.www.example.test", 9, 9), status::no_such_name,
       0s},
      {"no data", noerror().soa("example.test", 90, 60), status::no_data, 60s},
      {"no data, type 3", noerror(), status::no_data, 0s},
      {"another type", noerror().answer("www.example.test", record_type::txt, 1, dns_string("x")),
       status::no_data, 0s},
  };
  for (const auto& c : cases) {
    const auto a = read(c.m);
    EXPECT_EQ(a.status(), c.expected) << c.what;
    EXPECT_EQ(a.ttl(), c.ttl) << c.what;
    EXPECT_TRUE(a.records().empty());
  }
}

TEST(dns_response, a_referral_is_no_answer) {  // RFC 2308 §2.2
  const auto refer = [](std::uint16_t flags) {
    return read(
        dns_message(id, asks_a, flags).record(2, dns_name("test"), dns_ns, 9, dns_name("n")));
  };
  EXPECT_EQ(refer(0x8100).failure(), failure::referral);
  EXPECT_EQ(refer(0x8500).status(), status::no_data);  // authoritative
  EXPECT_EQ(refer(0x8180).status(), status::no_data);  // it recurses
}

// --- Failures ------------------------------------------------------------------------------------

TEST(dns_response, codes) {
  const std::pair<int, failure> cases[] = {
      {1, failure::format_error}, {2, failure::server_failure}, {4, failure::not_implemented},
      {5, failure::refused},      {6, failure::other_rcode},    {9, failure::other_rcode},
      {15, failure::other_rcode},
  };
  for (const auto& [code, expected] : cases) {
    const auto a = read(dns_message(id, asks_a, static_cast<std::uint16_t>(dns_response | code))
                            .answer("www.example.test", record_type::a, 1, v4("192.0.2.1")));
    EXPECT_EQ(a.status(), status::temporary_failure);
    EXPECT_EQ(a.failure(), expected) << code;
    EXPECT_EQ(a.reason(), to_string(expected));
  }
  // BADVERS, RFC 6891 §6.1.3
  EXPECT_EQ(
      read(dns_message(id, asks_a).record(3, dns_name(""), dns_opt, 0x01000000, "")).failure(),
      failure::other_rcode);
}

TEST(dns_response, of_somebody_else) {
  const auto right = [](std::uint16_t own_id, const question& asked) {
    return dns_message(own_id, asked)
        .answer("www.example.test", record_type::a, 1, v4("192.0.2.1"));
  };
  EXPECT_TRUE(read(right(id, {"wWw.example.test", record_type::a})).has_records());
  const dns_message wrong[] = {
      right(id + 1, asks_a),
      right(id, {"www.example.tes", record_type::a}),
      right(id, {"www.example.test", record_type::txt}),
      right(id, asks_a).flags(0x0100),  // a query
      right(id, asks_a).flags(0xa180),  // UPDATE
      right(id, asks_a).no_question(),
      dns_message(id, asks_a).question("www.example.test", 1),
      dns_message(id, asks_a).no_question().question("www.example.test", 1, 3),
  };
  for (const auto& m : wrong) EXPECT_EQ(read(m).failure(), failure::mismatched);
}

TEST(dns_response, truncated) {
  EXPECT_EQ(read(dns_message(id, asks_a, dns_response | dns_tc)).failure(), failure::truncated);
}

TEST(dns_response, every_cut_is_found) {
  const std::string whole = dns_message(id, asks_a)
                                .alias("www.example.test", "a.test")
                                .answer("a.test", record_type::a, 1, v4("192.0.2.1"))
                                .soa("test", 1, 1)
                                .record(3, dns_name(""), dns_opt, 0, "", 1232)
                                .text();
  EXPECT_EQ(failure_of(read_response(whole, asks_a, id)), failure::none);
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_EQ(failure_of(read_response(std::string(whole, 0, n), asks_a, id)), failure::malformed)
        << n;
  EXPECT_EQ(failure_of(read_response(whole + '\0', asks_a, id)), failure::malformed);
}

TEST(dns_response, counts_that_lie) {
  for (int section = 1; section < 4; ++section) {
    for (const std::uint16_t claimed : {0, 2, 0xffff}) {
      dns_message m(id, asks_a);
      m.record(section, dns_pointer(12), 1, 1, v4("192.0.2.1")).claim(section, claimed);
      EXPECT_EQ(read(m).failure(), failure::malformed) << section << " " << claimed;
    }
  }
}

TEST(dns_response, data_of_the_wrong_size) {
  struct {
    record_type type;
    std::string data;
  } const cases[] = {
      {record_type::a, "abc"},
      {record_type::a, "abcde"},
      {record_type::aaaa, "abcd"},
      {record_type::mx, ""},
      {record_type::mx, dns16(1)},
      {record_type::mx, dns16(1) + dns_name("a") + "x"},
      {record_type::mx, dns16(1) + "\3ab"},
      {record_type::txt, ""},
      {record_type::txt, "\5abc"},
      {record_type::ptr, ""},
      {record_type::ptr, dns_name("a") + "x"},
      {record_type::tlsa, "ab"},
  };
  for (const auto& c : cases) {
    const question asked{"www.example.test", c.type};
    const auto m = dns_message(id, asked).answer(asked.name, c.type, 1, c.data).text();
    EXPECT_EQ(failure_of(read_response(m, asked, id)), failure::malformed)
        << to_string(c.type) << " " << c.data.size();
  }
  EXPECT_EQ(
      read(dns_message(id, asks_a).record(1, dns_pointer(12), 5, 1, dns_name("a") + "x")).failure(),
      failure::malformed);
}

TEST(dns_response, a_contradiction) {
  EXPECT_EQ(read(dns_message(id, asks_a, dns_response | dns_nxdomain)
                     .answer("www.example.test", record_type::a, 1, v4("192.0.2.1")))
                .failure(),
            failure::malformed);
  dns_message soa(id, asks_a);
  soa.record(2, dns_name("test"), dns_soa, 1, dns_name("a") + dns_name("b") + dns32(1));
  EXPECT_EQ(read(soa).failure(), failure::malformed);
}

// RFC 1035 §4.1.4. The first record begins at 12 + 18 + 4 = 34.
TEST(dns_response, pointers_go_backwards) {
  const std::pair<const char*, std::string> cases[] = {
      {"to itself", dns_pointer(34)},
      {"to itself behind a label", "\1a" + dns_pointer(34)},
      {"between its own labels", "\1a\1b" + dns_pointer(36)},
      {"forwards", dns_pointer(50)},
      {"behind the end", dns_pointer(0x3fff)},
      {"into the header", dns_pointer(4)},
      {"reserved 01", "\x41" + dns_name("")},
      {"reserved 10", "\x81" + dns_name("")},
  };
  for (const auto& [what, owner] : cases)
    EXPECT_EQ(read(dns_message(id, asks_a).record(1, owner, 1, 1, v4("192.0.2.1"))).failure(),
              failure::malformed)
        << what;
}

TEST(dns_response, pointers_to_pointers_are_bounded) {
  const auto with = [](unsigned pointers) {
    dns_message m(id, asks_a);
    // A record whose data are pointers, each to the one before; the first to the question.
    std::string data;
    const unsigned begin = 34 + 2 + 10;
    for (unsigned i = 0; i + 2 < pointers; ++i)
      data += dns_pointer(i == 0 ? 12 : begin + 2 * (i - 1));
    m.record(1, dns_pointer(12), 99, 1, data);
    m.record(1, dns_pointer(begin + 2 * (pointers - 3)), 1, 1, v4("192.0.2.1"));
    return read(m);
  };
  EXPECT_TRUE(with(100).has_records());
  EXPECT_EQ(with(200).failure(), failure::malformed);
}

TEST(dns_response, a_name_grows_by_pointers_to_255_octets_only) {
  // Each name is one label of 60 in front of the one before.
  const auto with = [](int labels) {
    const question root{"t", record_type::ptr};
    dns_message m(id, root);
    unsigned before = 12;
    unsigned at = 12 + 3 + 4;
    for (int i = 0; i < labels; ++i) {
      m.record(1, dns_string(std::string(60, 'x')) + dns_pointer(before), 99, 1, "");
      before = at;
      at += 61 + 2 + 10;
    }
    return failure_of(read_response(m.text(), root, id));
  };
  EXPECT_EQ(with(4), failure::none);
  EXPECT_EQ(with(5), failure::malformed);
}

TEST(dns_response, records_are_bounded) {
  response_options options;
  options.records = 3;
  dns_message m(id, asks_a);
  for (int i = 0; i < 3; ++i) m.record(1, dns_pointer(12), 1, 1, v4("192.0.2.1"));
  EXPECT_EQ(read(m, asks_a, options).records().size(), 3u);
  m.record(1, dns_pointer(12), 1, 1, v4("192.0.2.1"));
  EXPECT_EQ(read(m, asks_a, options).failure(), failure::too_many_records);
}

// --- DNSSEC --------------------------------------------------------------------------------------

TEST(dns_response, authenticated_only_where_trusted) {
  const auto with = [](std::uint16_t flags, ad_bit ad) {
    response_options options;
    options.ad = ad;
    return read(dns_message(id, asks_a, flags)
                    .answer("www.example.test", record_type::a, 1, v4("192.0.2.1")),
                asks_a, options)
        .authenticated();
  };
  EXPECT_TRUE(with(dns_response | dns_ad, ad_bit::trusted));
  EXPECT_FALSE(with(dns_response | dns_ad, ad_bit::ignored));
  EXPECT_FALSE(with(dns_response, ad_bit::trusted));
  response_options options;
  options.ad = ad_bit::trusted;
  EXPECT_TRUE(read(dns_message(id, asks_a, dns_response | dns_ad | dns_nxdomain), asks_a, options)
                  .authenticated());
}

TEST(dns_response, failures_have_the_type_of_the_question) {
  EXPECT_TRUE(std::holds_alternative<answer<mx_record>>(failed(record_type::mx, failure::timeout)));
  EXPECT_TRUE(
      std::holds_alternative<answer<std::string>>(read_response("", {"a", record_type::ptr}, 0)));
  const any_answer none = no_such_name(record_type::tlsa);
  EXPECT_EQ(std::get<answer<tlsa_record>>(none).status(), status::no_such_name);
}

// c-ares' own fuzz inputs: broken messages of all kinds, each read as an answer to its own question
// and to any.
TEST(dns_response, broken_messages) {
  GATEPOST_REQUIRE_SHARED(folder, "dns-wire");
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().has_extension()) continue;
    ++files;
    const std::string m = read_file(file.path());
    for (const auto type : {record_type::a, record_type::mx, record_type::txt, record_type::ptr,
                            record_type::cname, record_type::tlsa, record_type::aaaa}) {
      question asked{"a", type};
      if (m.size() > 17) {
        std::string as_query = m.substr(0, 12).replace(2, 10, "\1\0\0\1\0\0\0\0\0\0"s);
        for (std::size_t n = 17; n < m.size() && n < 300; ++n)
          if (const auto q = read_query(as_query + m.substr(12, n - 12)))
            asked = {q->asked.name, type};
      }
      const auto own_id = m.size() < 2
                              ? 0
                              : static_cast<std::uint16_t>(static_cast<unsigned char>(m[0]) << 8 |
                                                           static_cast<unsigned char>(m[1]));
      const any_answer a = read_response(m, asked, static_cast<std::uint16_t>(own_id));
      EXPECT_EQ(failure_of(a) != failure::none, status_of(a) == status::temporary_failure);
    }
  }
  EXPECT_GE(files, 35);
}

}  // namespace
}  // namespace gatepost::smtp::dns
