// This header stands alone.
#include "checks/spf/evaluate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "checks/spf/record_cache.hpp"
#include "tests/checks/spf/zone.hpp"

namespace gatepost::checks::spf {
namespace {

smtp::ip_address ip(std::string_view text) { return *smtp::parse_ip_address(text); }

query from(std::string_view client, std::string sender = "a@example.com",
           std::string helo = "mx.example.org") {
  return query::mail_from(ip(client), std::move(sender), std::move(helo));
}

// The result for 192.0.2.1 and a@example.com.
outcome evaluate(zone& z) { return z.evaluate(from("192.0.2.1")); }

outcome evaluate(std::string record) {
  zone z;
  z.txt("example.com", std::move(record));
  return evaluate(z);
}

std::string repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(SpfEvaluate, SaysWhatMatched) {
  zone z;
  z.txt("example.com", "v=spf1 a redirect=other.example.com").address("example.com", "192.0.2.9");
  z.txt("other.example.com", "v=spf1 include:third.example.com -all");
  z.txt("third.example.com", "v=spf1 ?ip4:192.0.2.1 ip4:192.0.2.0/24");
  const outcome fail = evaluate(z);
  EXPECT_EQ(fail.result, result::fail);
  EXPECT_EQ(fail.mechanism, "-all");
  EXPECT_EQ(fail.mechanism_domain, "other.example.com");
  EXPECT_EQ(fail.domain(), "example.com");
  EXPECT_EQ(fail.sender, "a@example.com");
  EXPECT_EQ(fail.dns_terms, 3u);
  const outcome pass = z.evaluate(from("192.0.2.2"));
  EXPECT_EQ(pass.result, result::pass);
  EXPECT_EQ(pass.mechanism, "include:third.example.com");
  EXPECT_EQ(evaluate("v=spf1 ip4:1.2.3.4").mechanism, "");
}

TEST(SpfEvaluate, Identities) {
  zone z;
  z.txt("example.com", "v=spf1 exists:%{l}.%{o}.%{h}.e.example.net -all");
  z.txt("mx.example.org", "v=spf1 exists:%{l}.%{o}.%{h}.e.example.net -all");
  z.address("a.example.com.mx.example.org.e.example.net", "127.0.0.2");
  z.address("postmaster.mx.example.org.mx.example.org.e.example.net", "127.0.0.2");
  z.address("postmaster.example.com.mx.example.org.e.example.net", "127.0.0.2");
  EXPECT_EQ(z.evaluate(from("192.0.2.1")).result, result::pass);
  // RFC 7208 §2.4, §4.3
  const outcome null = z.evaluate(from("192.0.2.1", ""));
  EXPECT_EQ(null.result, result::pass);
  EXPECT_EQ(null.identity, identity::mail_from);
  EXPECT_EQ(null.domain(), "mx.example.org");
  EXPECT_EQ(null.sender, "postmaster@mx.example.org");
  EXPECT_EQ(z.evaluate(from("192.0.2.1", "@example.com")).result, result::pass);
  EXPECT_EQ(z.evaluate(from("192.0.2.1", "example.com")).result, result::pass);
  const outcome helo = z.evaluate(query::helo_identity(ip("192.0.2.1"), "mx.example.org"));
  EXPECT_EQ(helo.result, result::pass);
  EXPECT_EQ(helo.identity, identity::helo);
  EXPECT_EQ(z.evaluate(from("192.0.2.1", "\"x@y\"@example.com")).result, result::fail);
}

// RFC 7208 §4.3
TEST(SpfEvaluate, DomainsThatAreNone) {
  for (const std::string& domain :
       {std::string(), std::string("localhost"), std::string("[192.0.2.1]"),
        std::string("[IPv6:2001:db8::1]"), std::string("a..example.com"), std::string("."),
        std::string(64, 'a') + ".example.com", repeat("a.", 127) + "example",
        std::string("\xff.example.com")}) {
    zone z;
    EXPECT_EQ(z.evaluate(from("192.0.2.1", "a@" + domain)).result, result::none) << domain;
    EXPECT_TRUE(z.asked.empty()) << domain;
  }
  zone z;
  z.txt("example.com", "v=spf1 -all");
  EXPECT_EQ(z.evaluate(from("192.0.2.1", "a@EXAMPLE.com.")).result, result::fail);
  EXPECT_EQ(z.evaluate(from("192.0.2.1", "a@none.example")).result, result::none);
}

// RFC 7208 §4.3: U-labels are asked about as A-labels; RFC 8616 §4: a local part that is not ASCII
// matches nothing.
TEST(SpfEvaluate, InternationalMailboxes) {
  zone z;
  z.txt("xn--bcher-kva.example", "v=spf1 exists:%{d}.e.example.net exists:%{l}.l.example.net -all");
  const std::string sender =
      "\xc3\xbc@b\xc3\xbc"
      "cher.example";
  const outcome fail = z.evaluate(from("192.0.2.1", sender));
  EXPECT_EQ(fail.result, result::fail);
  EXPECT_EQ(fail.domain(), "xn--bcher-kva.example");
  z.address("xn--bcher-kva.example.e.example.net", "127.0.0.2");
  EXPECT_EQ(z.evaluate(from("192.0.2.1", sender)).result, result::pass);
}

// RFC 8616 §4: the term, whatever it would become: of another case, without the part that is not
// ASCII, of a name that includes would miss.
TEST(SpfEvaluate, LocalPartsThatAreNotAscii) {
  for (const char* term :
       {"exists:%{l}.e.example.net", "exists:%{L}.e.example.net", "exists:%{S}.e.example.net",
        "a:%{s1}.e.example.net", "mx:%{lr}.e.example.net", "include:%{l}.e.example.net",
        "include:%{L}.e.example.net", "ptr:%{s2}", "exists:%{p}.%{l}.e.example.net"}) {
    zone z;
    z.txt("example.com", std::string("v=spf1 ") + term + " ?all");
    z.address("%C3%BC.e.example.net", "192.0.2.1").address("com.e.example.net", "192.0.2.1");
    z.ptr("1.2.0.192.in-addr.arpa", "mx.example.com").address("mx.example.com", "192.0.2.1");
    const outcome found = z.evaluate(from("192.0.2.1", "\xc3\xbc@example.com"));
    EXPECT_EQ(found.result, result::neutral) << term;
    EXPECT_EQ(found.dns_terms, 1u) << term;
    EXPECT_EQ(z.asked.size(), 1u) << term;
  }
}

TEST(SpfEvaluate, Families) {
  struct {
    const char* client;
    const char* record;
    result expected;
  } const cases[] = {
      {"192.0.2.1", "v=spf1 ip4:192.0.2.0/24 -all", result::pass},
      {"192.0.3.1", "v=spf1 ip4:192.0.2.0/24 -all", result::fail},
      {"192.0.2.1", "v=spf1 ip4:192.0.2.77/24 -all", result::pass},  // bits beyond it do not count
      {"192.0.2.63", "v=spf1 ip4:192.0.2.0/26 -all", result::pass},
      {"192.0.2.64", "v=spf1 ip4:192.0.2.0/26 -all", result::fail},
      {"192.0.2.255", "v=spf1 ip4:192.0.2.254/31 -all", result::pass},
      {"192.0.2.253", "v=spf1 ip4:192.0.2.254/31 -all", result::fail},
      {"2001:db8::8000", "v=spf1 ip6:2001:db8::/112 -all", result::pass},
      {"2001:db8::8000", "v=spf1 ip6:2001:db8::/113 -all", result::fail},
      {"2001:db8::1", "v=spf1 ip6:2001:db8::1 -all", result::pass},
      {"2001:db8::2", "v=spf1 ip6:2001:db8::1 -all", result::fail},
      {"192.0.3.1", "v=spf1 ip4:0.0.0.0/0 -all", result::pass},
      {"2001:db8::1", "v=spf1 ip4:0.0.0.0/0 -all", result::fail},
      {"2001:db8::1", "v=spf1 ip6:2001:db8::/32 -all", result::pass},
      {"192.0.2.1", "v=spf1 ip6::: /0 -all", result::permerror},
      {"192.0.2.1", "v=spf1 ip6:::/0 -all", result::fail},
      {"192.0.2.1", "v=spf1 ip6:::ffff:0:0/96 -all", result::fail},
      // RFC 7208 §5: a mapped address is an IPv4 address.
      {"::ffff:192.0.2.1", "v=spf1 ip4:192.0.2.1 -all", result::pass},
      {"::ffff:192.0.2.1", "v=spf1 ip6:::ffff:192.0.2.1 -all", result::fail},
      {"192.0.2.1", "v=spf1 a/24 -all", result::pass},
      {"192.0.2.1", "v=spf1 a/28 -all", result::fail},
      {"192.0.2.1", "v=spf1 a//24 -all", result::fail},
      {"2001:db8:1::1", "v=spf1 a//32 -all", result::pass},
      {"2001:db8:1::1", "v=spf1 a/32 -all", result::fail},
      {"2001:db8:1::1", "v=spf1 mx//32 -all", result::pass},
      {"192.0.2.1", "v=spf1 mx/24 -all", result::pass},
      {"2001:db8:1::1", "v=spf1 exists:example.com -all", result::pass},
      {"192.0.2.1", "v=spf1 exists:v6.example.com -all", result::fail},
  };
  for (const auto& c : cases) {
    zone z;
    z.txt("example.com", c.record);
    z.address("example.com", "192.0.2.77").address("example.com", "2001:db8::77");
    z.address("v6.example.com", "2001:db8::77");
    z.mx("example.com", 10, "example.com");
    EXPECT_EQ(z.evaluate(from(c.client)).result, c.expected) << c.client << ' ' << c.record;
  }
}

// RFC 7208 §5.2
TEST(SpfEvaluate, Includes) {
  struct {
    const char* included;
    result expected;
  } const cases[] = {
      {"v=spf1 +all", result::softfail}, {"v=spf1 -all", result::fail},
      {"v=spf1 ~all", result::fail},     {"v=spf1 ?all", result::fail},
      {"v=spf1", result::fail},          {"v=spf1 moo", result::permerror},
      {"no record", result::permerror},
  };
  for (const auto& c : cases) {
    zone z;
    z.txt("example.com", "v=spf1 ~include:i.example.com -all").txt("i.example.com", c.included);
    EXPECT_EQ(evaluate(z).result, c.expected) << c.included;
  }
  zone z;
  z.txt("example.com", "v=spf1 ~include:i.example.com -all").times_out("i.example.com");
  EXPECT_EQ(evaluate(z).result, result::temperror);
  EXPECT_EQ(evaluate("v=spf1 include:nowhere.example -all").result, result::permerror);
  EXPECT_EQ(evaluate("v=spf1 include:%{h}. -all").result, result::permerror);
}

// RFC 7208 §6.1
TEST(SpfEvaluate, Redirects) {
  zone z;
  z.txt("example.com", "v=spf1 redirect=%{d1}.example.net exp=x.example.com");
  z.txt("com.example.net", "v=spf1 include:i.example.com -all");
  z.txt("i.example.com", "v=spf1 redirect=j.example.com")
      .txt("j.example.com", "v=spf1 ip4:192.0.2.1");
  EXPECT_EQ(evaluate(z).result, result::pass);
  EXPECT_EQ(z.evaluate(from("192.0.2.2")).result, result::fail);
  EXPECT_EQ(evaluate("v=spf1 redirect=nowhere.example").result, result::permerror);
  EXPECT_EQ(evaluate("v=spf1 redirect=nowhere.example ?all").result, result::neutral);
  EXPECT_EQ(evaluate("v=spf1 redirect=example.com").result, result::permerror);
}

// RFC 7208 §4.5
TEST(SpfEvaluate, OneRecord) {
  zone z;
  z.txt("example.com", "google-site-verification=x").txt("example.com", "v=spf1 -all");
  z.txt("example.com", "v=spf10 +all");
  EXPECT_EQ(evaluate(z).result, result::fail);
  z.txt("example.com", "v=spf1 +all");
  const outcome two = evaluate(z);
  EXPECT_EQ(two.result, result::permerror);
  EXPECT_EQ(two.problem, "example.com has several SPF records");
}

TEST(SpfEvaluate, TemporaryErrors) {
  for (const char* term : {"a:bad.example", "mx:bad.example", "exists:bad.example",
                           "include:bad.example", "redirect=bad.example", "mx:half.example"}) {
    zone z;
    z.txt("example.com", std::string("v=spf1 ") + term).times_out("bad.example");
    z.mx("half.example", 1, "x.half.example").mx("half.example", 2, "bad.example");
    z.address("x.half.example", "192.0.2.2");
    const outcome found = evaluate(z);
    EXPECT_EQ(found.result, result::temperror) << term;
    EXPECT_NE(found.problem.find("bad.example: timeout"), std::string::npos) << found.problem;
    EXPECT_TRUE(found.mechanism.empty());
  }
  zone z;
  z.times_out("example.com");
  EXPECT_EQ(evaluate(z).result, result::temperror);
  // What matches before is a match.
  zone first;
  first.txt("example.com", "v=spf1 mx -all").mx("example.com", 2, "bad.example");
  first.mx("example.com", 1, "good.example").address("good.example", "192.0.2.1");
  first.times_out("bad.example");
  EXPECT_EQ(evaluate(first).result, result::pass);
}

// RFC 7208 §4.6.4
TEST(SpfEvaluate, DnsTerms) {
  zone z;
  z.address("example.com", "192.0.2.9").address("ok.example.com", "192.0.2.1");
  z.txt("i.example.com", "v=spf1 ?all");
  z.txt("example.com", "v=spf1 " + repeat("a ", 9) + "a:ok.example.com -all");
  EXPECT_EQ(evaluate(z).result, result::pass);
  zone over;
  over.address("example.com", "192.0.2.9").address("ok.example.com", "192.0.2.1");
  over.txt("example.com", "v=spf1 " + repeat("a ", 10) + "a:ok.example.com -all");
  const outcome found = evaluate(over);
  EXPECT_EQ(found.result, result::permerror);
  EXPECT_EQ(found.dns_terms, 10u);
  // Terms that ask nothing are not counted, nor is exp.
  zone free;
  free.address("example.com", "192.0.2.9").txt("x.example.com", "no");
  free.txt("example.com",
           "v=spf1 " + repeat("a ", 10) + repeat("ip4:192.0.2.3 ", 50) + "-all exp=x.example.com");
  EXPECT_EQ(evaluate(free).explanation, "no");
  // Includes and redirects are.
  zone chain;
  chain.txt("example.com", "v=spf1 redirect=1.r.example");
  for (int i = 1; i < 12; ++i) {
    const std::string name = std::to_string(i) + ".r.example";
    chain.txt(name, "v=spf1 " + std::string(i % 2 ? "include:" : "redirect=") +
                        std::to_string(i + 1) + ".r.example");
  }
  EXPECT_EQ(evaluate(chain).result, result::permerror);
  EXPECT_EQ(chain.asked.size(), 11u);
}

TEST(SpfEvaluate, VoidLookups) {
  for (const char* term : {"a:%{ir}.v.example ", "mx:v.example ", "exists:v.example ",
                           "mx:hostless.example ", "a:txt.example "}) {
    zone z;
    z.txt("txt.example", "x");
    z.mx("hostless.example", 1, "a.v.example").mx("hostless.example", 2, "b.v.example");
    z.mx("hostless.example", 3, "c.v.example");
    z.txt("example.com", "v=spf1 " + repeat(term, 2) + "?all");
    EXPECT_EQ(evaluate(z).result, result::neutral) << term;
    EXPECT_EQ(evaluate(z).void_lookups, 2u) << term;
    z.txt("more.example", "v=spf1 " + repeat(term, 3) + "?all");
    EXPECT_EQ(z.evaluate(from("192.0.2.1", "a@more.example")).result, result::permerror) << term;
  }
  // A client without a name is one lookup; other clients' hosts that have none are no matter.
  EXPECT_EQ(evaluate("v=spf1 ptr ptr ?all").result, result::neutral);
  EXPECT_EQ(evaluate("v=spf1 ptr ptr ptr ?all").result, result::permerror);
  // Names that cannot be asked about are not.
  EXPECT_EQ(evaluate("v=spf1 " + repeat("a:a..b.example ", 5) + "?all").result, result::neutral);
}

TEST(SpfEvaluate, MxHosts) {
  zone z;
  z.txt("example.com", "v=spf1 mx -all").txt("more.example", "v=spf1 mx -all");
  for (unsigned i = 0; i < 10; ++i) {
    const std::string host = "mx" + std::to_string(i) + ".example.com";
    z.mx("example.com", i, host).mx("more.example", i, host);
    z.address(host, "192.0.2." + std::to_string(i + 10));
  }
  z.mx("more.example", 10, "mx0.example.com");
  EXPECT_EQ(z.evaluate(from("192.0.2.19")).result, result::pass);
  EXPECT_EQ(z.evaluate(from("192.0.2.20")).result, result::fail);
  EXPECT_EQ(z.evaluate(from("192.0.2.10", "a@more.example")).result, result::permerror);
  // RFC 7505: no mail, so no host either. No implicit MX (§5.4).
  zone null;
  null.txt("example.com", "v=spf1 mx -all").mx("example.com", 0, "");
  null.address("example.com", "192.0.2.1");
  EXPECT_EQ(evaluate(null).result, result::fail);
}

TEST(SpfEvaluate, ClientNames) {
  zone z;
  const std::string reverse = "1.2.0.192.in-addr.arpa";
  z.txt("example.com", "v=spf1 ptr -all").txt("other.example", "v=spf1 ptr:example.com -all");
  z.ptr(reverse, "bad..name").ptr(reverse, "liar.example.com").ptr(reverse, "MX.example.COM.");
  z.address("liar.example.com", "192.0.2.99").address("mx.example.com", "192.0.2.1");
  EXPECT_EQ(evaluate(z).result, result::pass);
  EXPECT_EQ(z.evaluate(from("192.0.2.1", "a@other.example")).result, result::pass);
  z.txt("notexample.com", "v=spf1 ptr:ample.com -all");
  EXPECT_EQ(z.evaluate(from("192.0.2.1", "a@notexample.com")).result, result::fail);
}

// RFC 7208 §4.6.4: ten names, the others are ignored; errors are no match (§5.5).
TEST(SpfEvaluate, ManyClientNames) {
  const std::string reverse = "1.2.0.192.in-addr.arpa";
  for (const int before : {9, 10}) {
    zone z;
    z.txt("example.com", "v=spf1 ptr ptr:%{p} -all");
    for (int i = 0; i < before; ++i) z.ptr(reverse, "h" + std::to_string(i) + ".example.net");
    z.ptr(reverse, "mx.example.com").address("mx.example.com", "192.0.2.1");
    EXPECT_EQ(evaluate(z).result, before == 9 ? result::pass : result::fail);
    EXPECT_EQ(std::count(z.asked.begin(), z.asked.end(), "PTR " + reverse), 1);
  }
  zone z;
  z.txt("example.com", "v=spf1 ptr -all").times_out(reverse);
  EXPECT_EQ(evaluate(z).result, result::fail);
  zone half;
  half.txt("example.com", "v=spf1 ptr -all").ptr(reverse, "bad.example.com");
  half.ptr(reverse, "mx.example.com").times_out("bad.example.com");
  half.address("mx.example.com", "192.0.2.1");
  EXPECT_EQ(evaluate(half).result, result::pass);
}

// RFC 7208 §7.3, p
TEST(SpfEvaluate, TheValidatedName) {
  const std::string reverse = "1.2.0.192.in-addr.arpa";
  struct {
    std::vector<const char*> names;
    const char* expected;
  } const cases[] = {
      {{}, "unknown"},
      {{"x.example.net"}, "x.example.net"},
      {{"x.example.net", "b.example.com", "c.example.com"}, "b.example.com"},
      {{"x.example.net", "b.example.com", "example.com"}, "example.com"},
  };
  for (const auto& c : cases) {
    zone z;
    z.txt("example.com", "v=spf1 -all exp=e.example.com").txt("e.example.com", "%{p}");
    for (const char* name : c.names) z.ptr(reverse, name).address(name, "192.0.2.1");
    EXPECT_EQ(evaluate(z).explanation, c.expected);
  }
}

// RFC 7208 §6.2
TEST(SpfEvaluate, Explanations) {
  zone z;
  z.txt("example.com", "v=spf1 ~ip4:192.0.2.9 ip4:192.0.2.8 -all exp=%{o}.x.example.net");
  z.txt("example.com.x.example.net", "%{c} is not %{d}, says %{r} at %{t}");
  query q = from("192.0.2.1");
  q.time = 1000;
  evaluation_options options;
  options.receiver = "mx.example.org";
  const outcome told = z.evaluate(q, options);
  EXPECT_EQ(told.explanation, "192.0.2.1 is not example.com, says mx.example.org at 1000");
  EXPECT_EQ(told.explanation_domain, "example.com");
  options.limits.explanation_octets = 9;
  EXPECT_EQ(z.evaluate(q, options).explanation, "192.0.2.1");
  options.explain = false;
  EXPECT_EQ(z.evaluate(q, options).explanation, "");
  EXPECT_EQ(z.evaluate(from("192.0.2.8")).explanation, "");
  EXPECT_EQ(z.evaluate(from("192.0.2.9")).explanation, "");
}

TEST(SpfEvaluate, ExplanationsThatDoNotCount) {
  for (const char* text : {"%{x}", "100%", "b\xc3\xbc", "a\tb", "a\r\n250 ok"}) {
    zone z;
    z.txt("example.com", "v=spf1 -all exp=x.example.com").txt("x.example.com", text);
    const outcome found = evaluate(z);
    EXPECT_EQ(found.result, result::fail) << text;
    EXPECT_EQ(found.explanation, "") << text;
  }
}

TEST(SpfEvaluate, ALongRecordIsAnError) {
  evaluation_options options;
  options.limits.record_octets = 100;
  zone z;
  z.txt("example.com", "v=spf1 " + std::string(89, ' ') + "-all");
  z.txt("long.example", "v=spf1 " + std::string(90, ' ') + "-all");
  EXPECT_EQ(z.evaluate(from("192.0.2.1"), options).result, result::fail);
  EXPECT_EQ(z.evaluate(from("192.0.2.1", "a@long.example"), options).result, result::permerror);
}

// What is independent is asked at once.
TEST(SpfEvaluate, SeveralQuestionsAtOnce) {
  evaluation e(from("192.0.2.1"));
  const auto ttl = std::chrono::seconds(60);
  ASSERT_EQ(e.questions().size(), 1u);
  EXPECT_EQ(e.questions()[0].name, "example.com");
  e.answer(0, dns::answer<std::string>::found({"v=spf1 mx ptr -all"}, ttl));
  ASSERT_EQ(e.questions().size(), 1u);
  EXPECT_EQ(e.questions()[0].type, record_type::mx);
  e.answer(
      0, dns::answer<dns::mx_record>::found({{20, "b.example.com"}, {10, "a.example.com."}}, ttl));
  ASSERT_EQ(e.questions().size(), 2u);
  EXPECT_EQ(e.questions()[0].name, "a.example.com");
  EXPECT_EQ(e.questions()[1].type, record_type::a);
  e.answer(1, dns::answer<smtp::ip_address>::found({ip("192.0.2.7")}, ttl));
  e.answer(1, dns::answer<smtp::ip_address>::found({ip("192.0.2.1")}, ttl));  // only once
  e.answer(7, dns::answer<smtp::ip_address>::found({ip("192.0.2.1")}, ttl));  // not asked
  ASSERT_EQ(e.questions().size(), 2u);
  e.answer(0, dns::answer<smtp::ip_address>::no_data(ttl));
  ASSERT_EQ(e.questions().size(), 1u);
  EXPECT_EQ(e.questions()[0].type, record_type::ptr);
  EXPECT_EQ(e.questions()[0].address, ip("192.0.2.1"));
  e.answer(0, dns::answer<std::string>::found({"a.example.com", "c.example.com"}, ttl));
  ASSERT_EQ(e.questions().size(), 2u);
  e.answer(0, dns::answer<smtp::ip_address>::no_such_name(ttl));
  EXPECT_FALSE(e.done());
  e.answer(1, dns::answer<smtp::ip_address>::found({ip("192.0.2.1")}, ttl));
  EXPECT_TRUE(e.done());
  EXPECT_TRUE(e.questions().empty());
  EXPECT_EQ(e.outcome().result, result::pass);
}

// A record that was read for one domain means the same to another, except for whose it is.
TEST(SpfEvaluate, RecordsThatWereReadBefore) {
  record_cache records;
  evaluation_options options;
  options.records = &records;
  zone z;
  z.txt("one.example", "v=spf1 a:%{d1r}.x.example -all")
      .txt("two.example", "v=spf1 a:%{d1r}.x.example -all");
  z.address("one.x.example", "192.0.2.1").address("two.x.example", "192.0.2.2");
  for (int round = 0; round < 2; ++round) {
    const outcome one = z.evaluate(from("192.0.2.1", "a@one.example"), options);
    const outcome two = z.evaluate(from("192.0.2.1", "a@two.example"), options);
    EXPECT_EQ(one.result, result::pass);
    EXPECT_EQ(two.result, result::fail);
    EXPECT_EQ(std::string(one.domain()) + one.mechanism_domain, "one.example");
    EXPECT_EQ(std::string(two.domain()) + two.mechanism_domain, "two.example");
  }
  EXPECT_EQ(records.size(), 1u);
  EXPECT_EQ(records.counters().hits, 3u);
}

// Kept by its text, a record lives no longer than the DNS's answer: a new answer counts at once,
// and so does that the record is gone.
TEST(SpfEvaluate, TheAnswerDecidesWhichRecordCounts) {
  record_cache records;
  evaluation_options options;
  options.records = &records;
  const auto said = [&](zone z) { return z.evaluate(from("192.0.2.1"), options).result; };
  EXPECT_EQ(said(zone().txt("example.com", "v=spf1 ip4:192.0.2.1 -all")), result::pass);
  EXPECT_EQ(said(zone().txt("example.com", "v=spf1 -all")), result::fail);
  EXPECT_EQ(said(zone()), result::none);
  EXPECT_EQ(said(zone().times_out("example.com")), result::temperror);
  EXPECT_EQ(said(zone().txt("example.com", "v=spf1 ip4:192.0.2.1 -all")), result::pass);
}

// The names of several questions are good until the last one is answered, whatever is answered
// before; what was said may go at once.
TEST(SpfEvaluate, NamesAreGoodUntilTheLastAnswer) {
  evaluation e(from("192.0.2.1"));
  const auto ttl = std::chrono::seconds(60);
  const std::string one = "a-name-that-is-long-enough-for-the-heap.one.example";
  const std::string two = "a-name-that-is-long-enough-for-the-heap.two.example";
  e.answer(0, dns::answer<std::string>::found({"v=spf1 include:" + one + " -all"}, ttl));
  EXPECT_EQ(e.questions()[0].name, one);
  e.answer(0, dns::answer<std::string>::found({"v=spf1 mx:%{h}." + two + " -all"}, ttl));
  EXPECT_TRUE(e.questions()[0].name.ends_with(two));
  e.answer(0, dns::answer<dns::mx_record>::found({{1, one}, {2, two}}, ttl));
  const auto asked = e.questions();
  ASSERT_EQ(asked.size(), 2u);
  e.answer(1, dns::answer<smtp::ip_address>::no_data(ttl));
  EXPECT_EQ(asked[0].name, one);
  EXPECT_EQ(asked[1].name, two);
  e.answer(0, dns::answer<smtp::ip_address>::found({ip("192.0.2.1")}, ttl));
  EXPECT_EQ(e.outcome().result, result::pass);
}

// What they have been read into may go while they are in use.
TEST(SpfEvaluate, ARecordMayLeaveTheCacheMeanwhile) {
  record_cache records({.entries = 1});
  evaluation_options options;
  options.records = &records;
  evaluation e(from("192.0.2.1"), options);
  const auto ttl = std::chrono::seconds(60);
  e.answer(0,
           dns::answer<std::string>::found({"v=spf1 a:host.example.net ip4:192.0.2.1 -all"}, ttl));
  records.get("v=spf1 -all");
  e.answer(0, dns::answer<smtp::ip_address>::no_data(ttl));
  ASSERT_TRUE(e.done());
  EXPECT_EQ(e.outcome().mechanism, "ip4:192.0.2.1");
}

// Includes one after the other and one in the other, with names of many lengths.
TEST(SpfEvaluate, IncludesInARow) {
  zone z;
  z.txt("example.com",
        "v=spf1 include:a.example include:a-rather-long-name.b.example include:c.example -all");
  z.txt("a.example", "v=spf1 include:d.example -all");
  z.txt("a-rather-long-name.b.example", "v=spf1 ip4:192.0.2.9 -all");
  z.txt("c.example", "v=spf1 redirect=e.example").txt("d.example", "v=spf1 ip4:192.0.2.8 -all");
  z.txt("e.example", "v=spf1 ip4:192.0.2.1 exists:%{d} -all");
  const outcome found = evaluate(z);
  EXPECT_EQ(found.result, result::pass);
  EXPECT_EQ(found.mechanism, "include:c.example");
  EXPECT_EQ(found.mechanism_domain, "");  // that of the query
  EXPECT_EQ(z.asked, (std::vector<std::string>{"TXT example.com", "TXT a.example", "TXT d.example",
                                               "TXT a-rather-long-name.b.example", "TXT c.example",
                                               "TXT e.example"}));
}

TEST(SpfEvaluate, AnswersOfTheWrongType) {
  evaluation e(from("192.0.2.1"));
  e.answer(0, dns::answer<smtp::ip_address>::found({ip("192.0.2.1")}, std::chrono::seconds(1)));
  ASSERT_TRUE(e.done());
  EXPECT_EQ(e.outcome().result, result::temperror);
}

TEST(SpfEvaluate, GivingUp) {
  evaluation e(from("192.0.2.1"));
  e.give_up("too late");
  ASSERT_TRUE(e.done());
  EXPECT_EQ(e.outcome().result, result::temperror);
  EXPECT_EQ(e.outcome().problem, "too late");
  evaluation explaining(from("192.0.2.1"));
  explaining.answer(
      0, dns::answer<std::string>::found({"v=spf1 -all exp=a.b"}, std::chrono::seconds(1)));
  explaining.give_up("too late");
  EXPECT_EQ(explaining.outcome().result, result::fail);
}

TEST(SpfEvaluate, Trace) {
  zone z;
  z.txt("example.com", "v=spf1 ip4:192.0.2.9 include:i.example.com ~all");
  z.txt("i.example.com", "v=spf1 -all");
  evaluation_options options;
  options.trace = true;
  std::string all;
  for (const trace_entry& t : z.evaluate(from("192.0.2.1"), options).trace)
    all += std::to_string(t.depth) + ' ' + t.domain + ": " + t.text + ' ' + t.finding + '\n';
  EXPECT_EQ(all,
            "0 example.com: v=spf1 ip4:192.0.2.9 include:i.example.com ~all \n"
            "0 example.com: ip4:192.0.2.9 no match\n"
            "0 example.com: include:i.example.com include\n"
            "1 i.example.com: v=spf1 -all \n"
            "1 i.example.com: -all match\n"
            "0 example.com: include:i.example.com no match\n"
            "0 example.com: ~all match\n");
  EXPECT_TRUE(evaluate(z).trace.empty());
}

// RFC 7208 appendix A.1 to A.3, with the zone of appendix A.
class SpfAppendixA : public testing::Test {
 protected:
  SpfAppendixA() {
    z.mx("example.com", 10, "mail-a.example.com").mx("example.com", 20, "mail-b.example.com");
    z.address("example.com", "192.0.2.10").address("example.com", "192.0.2.11");
    z.address("amy.example.com", "192.0.2.65").address("bob.example.com", "192.0.2.66");
    z.address("mail-a.example.com", "192.0.2.129").address("mail-b.example.com", "192.0.2.130");
    z.mx("example.org", 10, "mail-c.example.org").address("mail-c.example.org", "192.0.2.140");
    z.ptr("10.2.0.192.in-addr.arpa", "example.com").ptr("11.2.0.192.in-addr.arpa", "example.com");
    z.ptr("65.2.0.192.in-addr.arpa", "amy.example.com");
    z.ptr("66.2.0.192.in-addr.arpa", "bob.example.com");
    z.ptr("129.2.0.192.in-addr.arpa", "mail-a.example.com");
    z.ptr("130.2.0.192.in-addr.arpa", "mail-b.example.com");
    z.ptr("140.2.0.192.in-addr.arpa", "mail-c.example.org");
    z.ptr("4.0.0.10.in-addr.arpa", "bob.example.com");  // a liar
  }

  // The clients that pass, of all that the zone knows.
  std::string passing(const std::string& record) {
    zone with = z;
    with.txt("example.com", record);
    std::string all;
    for (const char* client : {"192.0.2.10", "192.0.2.11", "192.0.2.65", "192.0.2.66",
                               "192.0.2.129", "192.0.2.130", "192.0.2.140", "10.0.0.4"})
      if (with.evaluate(from(client)).result == result::pass) all += std::string(client) + ' ';
    return all;
  }

  zone z;
};

TEST_F(SpfAppendixA, SimpleExamples) {
  const std::string all =
      "192.0.2.10 192.0.2.11 192.0.2.65 192.0.2.66 192.0.2.129 192.0.2.130 "
      "192.0.2.140 ";
  EXPECT_EQ(passing("v=spf1 +all"), all + "10.0.0.4 ");
  EXPECT_EQ(passing("v=spf1 a -all"), "192.0.2.10 192.0.2.11 ");
  EXPECT_EQ(passing("v=spf1 a:example.org -all"), "");
  EXPECT_EQ(passing("v=spf1 mx -all"), "192.0.2.129 192.0.2.130 ");
  EXPECT_EQ(passing("v=spf1 mx:example.org -all"), "192.0.2.140 ");
  EXPECT_EQ(passing("v=spf1 mx mx:example.org -all"), "192.0.2.129 192.0.2.130 192.0.2.140 ");
  EXPECT_EQ(passing("v=spf1 mx/30 mx:example.org/30 -all"), "192.0.2.129 192.0.2.130 192.0.2.140 ");
  EXPECT_EQ(passing("v=spf1 ptr -all"),
            "192.0.2.10 192.0.2.11 192.0.2.65 192.0.2.66 192.0.2.129 192.0.2.130 ");
  EXPECT_EQ(passing("v=spf1 ip4:192.0.2.128/28 -all"), "192.0.2.129 192.0.2.130 192.0.2.140 ");
}

}  // namespace
}  // namespace gatepost::checks::spf
