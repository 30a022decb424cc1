// This header stands alone.
#include "checks/spf/record.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace gatepost::checks::spf {
namespace {

// RFC 7208 §4.5
TEST(SpfRecord, WhatIsOne) {
  for (const char* text : {"v=spf1", "v=spf1 ", "v=spf1 -all", "V=SPF1 a", "v=spf1  "})
    EXPECT_TRUE(is_record(text)) << text;
  for (const char* text : {"", "v=spf", "v=spf10", "v=spf1-all", "v=spf1\t-all", " v=spf1",
                           "v=spf2.0/pra -all", "v=spf1\xc2\xa0", "x v=spf1"})
    EXPECT_FALSE(is_record(text)) << text;
}

TEST(SpfRecord, Terms) {
  const std::string text =
      "v=spf1 +a ?MX:mail.example.com/24//64  ~ip4:192.0.2.77/24 ip6:2001:DB8::/32 "
      "ptr:%{d} exists:%{i}.x.example.com include:_spf.example.com. -all "
      "exp=why.example.com redirect=other.example.com x-thing=%{d}:/ ";
  const auto parsed = parse_record(text);
  ASSERT_TRUE(parsed) << parsed.problem;
  const auto& d = parsed.record.directives;
  ASSERT_EQ(d.size(), 8u);
  EXPECT_EQ(d[0].mechanism, mechanism::a);
  EXPECT_EQ(d[0].qualifier, qualifier::pass);
  EXPECT_TRUE(d[0].domain.empty());
  EXPECT_EQ(d[0].bits4, 32);
  EXPECT_EQ(d[0].bits6, 128);
  EXPECT_EQ(d[1].text, "?MX:mail.example.com/24//64");
  EXPECT_EQ(d[1].mechanism, mechanism::mx);
  EXPECT_EQ(d[1].qualifier, qualifier::neutral);
  EXPECT_EQ(d[1].domain.text, "mail.example.com");
  EXPECT_EQ(d[1].bits4, 24);
  EXPECT_EQ(d[1].bits6, 64);
  EXPECT_EQ(d[2].qualifier, qualifier::softfail);
  EXPECT_EQ(d[2].address.text(), "192.0.2.77");
  EXPECT_EQ(d[2].bits4, 24);
  EXPECT_EQ(d[3].address.text(), "2001:db8::");
  EXPECT_EQ(d[3].bits6, 32);
  EXPECT_EQ(d[4].mechanism, mechanism::ptr);
  EXPECT_EQ(d[5].domain.text, "%{i}.x.example.com");
  EXPECT_EQ(d[6].mechanism, mechanism::include);
  EXPECT_EQ(d[7].mechanism, mechanism::all);
  EXPECT_EQ(d[7].qualifier, qualifier::fail);
  ASSERT_TRUE(parsed.record.explanation && parsed.record.redirect);
  EXPECT_EQ(parsed.record.explanation->text, "why.example.com");
  EXPECT_EQ(parsed.record.redirect->text, "other.example.com");
}

TEST(SpfRecord, GoodTerms) {
  for (const char* term :
       {"all", "ALL", "a", "a/0", "a/32", "a//0", "a//128", "a/24//64", "a:example.com",
        "a:example.com/24", "a:example.com//64", "a:foo:bar/baz.example.com", "a:%{d}/24", "mx",
        "mx/9", "mx:a.b//1", "ptr", "ptr:example.com", "PTR", "ip4:0.0.0.0/0", "ip4:1.2.3.4",
        "ip6:::/0", "ip6:::1", "ip6:::ffff:192.0.2.1/96", "ip6:2001:db8::1/128",
        "exists:a.example.com", "exists:%{l/}.%{d}", "include:a.b", "moo=", "moo=%{d}",
        "default=pass", "a=b", "all=x", "op.v-1_x=!$&", "exp=a.b", "REDIRECT=a.b", "Exp=%{d}",
        // a macro may hold what looks like a prefix length
        "a:%{d1r/}", "exists:a.b.c", "include:a/24.example.com"}) {
    const std::string text = std::string("v=spf1 ") + term;
    const auto parsed = parse_record(text);
    EXPECT_TRUE(parsed) << parsed.problem;
  }
}

TEST(SpfRecord, BadTerms) {
  for (const char* term : {"moo",
                           "-",
                           "--all",
                           "-?all",
                           "=all",
                           "1up=foo",
                           "-moo=x",
                           "m\xc3\xbc=x",
                           "all.",
                           "all:example.com",
                           "all/8",
                           "a:",
                           "a/",
                           "a/33",
                           "a/024",
                           "a/-1",
                           "a/1 2x",
                           "a//",
                           "a//129",
                           "a//064",
                           "a///64",
                           "a/24/64",
                           "a//64/24",
                           "a/24//",
                           "a:example",
                           "a:example.",
                           "a:example.com:8080",
                           "a:example.com/",
                           "a:example.com/a",
                           "a:example.com/999999999999",
                           "a:/24",
                           "ax",
                           "mx:",
                           "mxa",
                           "mx.",
                           "ptr:",
                           "ptr/24",
                           "ptr:example.com/24",
                           "ip4",
                           "ip4:",
                           "ip4:1.2.3",
                           "ip4:1.2.3.4/33",
                           "ip4:1.2.3.4/",
                           "ip4:1.2.3.4/032",
                           "ip4:1.2.3.4//32",
                           "ip4:1.2.3.04",
                           "ip4:1.2.3.256",
                           "ip4:1.2.3.4:8080",
                           "ip4:::1",
                           "ip4/24",
                           "ip4=1.2.3.4 x",
                           "ip6",
                           "ip6:1.2.3.4",
                           "ip6:2001:db8::/129",
                           "ip6:2001:db8::g",
                           "ip6:2001:db8::1%eth0",
                           "exists",
                           "exists:",
                           "exists/24",
                           "exists:a.example.com/24",
                           "include",
                           "include:",
                           "include:example",
                           "include:a.b/24",
                           "redirect=",
                           "redirect:a.b",
                           "redirect=a.b redirect=c.d",
                           "exp=",
                           "exp=-all",
                           "exp=a.b EXP=a.b",
                           "foo=%abc",
                           "foo=%{c}",
                           "a\t-all",
                           "a\r\n",
                           "a:x\x80.example.com",
                           "\xef\xbb\xbf"
                           "a"}) {
    const std::string text = std::string("v=spf1 a ") + term + " -all";
    EXPECT_FALSE(parse_record(text)) << text;
  }
}

TEST(SpfRecord, ProblemsNameTheTerm) {
  EXPECT_EQ(parse_record("v=spf1 a moo -all").problem, "unknown mechanism: \"moo\"");
  EXPECT_EQ(parse_record("v=spf1 ip4:1.2.3/24\n").problem,
            "not an address of its family: \"ip4:1.2.3/24?\"");
  const std::string text = "v=spf1 " + std::string(1000, 'x');
  EXPECT_LT(parse_record(text).problem.size(), 200u);
}

}  // namespace
}  // namespace gatepost::checks::spf
