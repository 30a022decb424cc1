// This header stands alone.
#include "smtp/address.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tests/support/address_abnf.hpp"
#include "tests/support/json.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::smtp {
namespace {

namespace abnf = tests::abnf;

constexpr address_options with_utf8{.utf8 = utf8_policy::smtputf8};
constexpr address_options with_tags{.tags = literal_tags::any};

std::string in_brackets(std::string_view text) { return "<" + std::string(text) + ">"; }

// errc{} for an accepted path.
errc reverse_error(std::string_view text, const address_options& options = {}) {
  const auto p = parse_reverse_path(text, options);
  return p ? errc{} : p.error();
}

errc forward_error(std::string_view text, const address_options& options = {}) {
  const auto p = parse_forward_path(text, options);
  return p ? errc{} : p.error();
}

// --- What a path is taken apart into ---

struct accepted_case {
  std::string_view path;
  std::string_view text;
  std::string_view local_part;
  std::string_view domain;
  domain_kind kind = domain_kind::name;
  std::string_view route = "";
};

class accepted : public testing::TestWithParam<accepted_case> {};

TEST_P(accepted, is_taken_apart) {
  const auto& expected = GetParam();
  for (const auto parse : {parse_reverse_path, parse_forward_path}) {
    const auto p = parse(expected.path, with_tags);
    ASSERT_TRUE(p) << expected.path << ": " << make_error_code(p.error()).message();
    EXPECT_EQ(p->box.text, expected.text);
    EXPECT_EQ(p->box.local_part, expected.local_part);
    EXPECT_EQ(p->box.domain, expected.domain);
    EXPECT_EQ(p->box.kind, expected.kind);
    EXPECT_EQ(p->box.quoted, expected.local_part.starts_with('"'));
    EXPECT_FALSE(p->box.utf8);
    EXPECT_EQ(p->source_route, expected.route);
    EXPECT_EQ(p->size, expected.path.size());
    EXPECT_FALSE(p->is_null());
  }
}

INSTANTIATE_TEST_SUITE_P(
    rfc_examples, accepted,
    testing::Values(
        // RFC 5321 appendix D, §4.1.1.3, appendix C, §3.6.1
        accepted_case{"<Smith@bar.com>", "Smith@bar.com", "Smith", "bar.com"},
        accepted_case{"<JQP@bar.com>", "JQP@bar.com", "JQP", "bar.com"},
        accepted_case{"<@foo.com:Jones@XYZ.COM>", "Jones@XYZ.COM", "Jones", "XYZ.COM",
                      domain_kind::name, "@foo.com"},
        accepted_case{"<@hosta.int,@jkl.org:userc@d.bar.org>", "userc@d.bar.org", "userc",
                      "d.bar.org", domain_kind::name, "@hosta.int,@jkl.org"},
        // RFC 5321 §4.1.2: one local part in two spellings
        accepted_case{"<\"Joe\\ Smith\"@x.org>", "\"Joe\\ Smith\"@x.org", "\"Joe\\ Smith\"",
                      "x.org"},
        accepted_case{"<\"Joe Smith\"@x.org>", "\"Joe Smith\"@x.org", "\"Joe Smith\"", "x.org"},
        // RFC 5321 §4.1.3
        accepted_case{"<u@[123.255.37.2]>", "u@[123.255.37.2]", "u", "[123.255.37.2]",
                      domain_kind::ipv4_literal},
        // RFC 3696 §3 with its errata, where SMTP allows them
        accepted_case{"<\"Abc\\@def\"@example.com>", "\"Abc\\@def\"@example.com", "\"Abc\\@def\"",
                      "example.com"},
        accepted_case{"<\"Fred\\ Bloggs\"@example.com>", "\"Fred\\ Bloggs\"@example.com",
                      "\"Fred\\ Bloggs\"", "example.com"},
        accepted_case{"<\"Joe.\\\\Blow\"@example.com>", "\"Joe.\\\\Blow\"@example.com",
                      "\"Joe.\\\\Blow\"", "example.com"},
        accepted_case{"<customer/department=shipping@example.com>",
                      "customer/department=shipping@example.com", "customer/department=shipping",
                      "example.com"},
        accepted_case{"<!def!xyz%abc@example.com>", "!def!xyz%abc@example.com", "!def!xyz%abc",
                      "example.com"},
        accepted_case{"<_somename@example.com>", "_somename@example.com", "_somename",
                      "example.com"}));

INSTANTIATE_TEST_SUITE_P(
    corners, accepted,
    testing::Values(accepted_case{"<a@b>", "a@b", "a", "b"},
                    accepted_case{"<a@1.2.3.4>", "a@1.2.3.4", "a", "1.2.3.4"},
                    accepted_case{"<a@0>", "a@0", "a", "0"},
                    accepted_case{"<\"\"@b>", "\"\"@b", "\"\"", "b"},
                    accepted_case{"<\">\"@b>", "\">\"@b", "\">\"", "b"},
                    accepted_case{"<\"@\"@b>", "\"@\"@b", "\"@\"", "b"},
                    accepted_case{"<\"a\\\"> b\"@c>", "\"a\\\"> b\"@c", "\"a\\\"> b\"", "c"},
                    accepted_case{"<\"[<(;:,)>]\"@b>", "\"[<(;:,)>]\"@b", "\"[<(;:,)>]\"", "b"},
                    accepted_case{"<a+b=c@d-e.f--g>", "a+b=c@d-e.f--g", "a+b=c", "d-e.f--g"},
                    accepted_case{"<a@[IPv6:::]>", "a@[IPv6:::]", "a", "[IPv6:::]",
                                  domain_kind::ipv6_literal},
                    accepted_case{"<a@[ipV6:1:2:3:4:5:6:7:8]>", "a@[ipV6:1:2:3:4:5:6:7:8]", "a",
                                  "[ipV6:1:2:3:4:5:6:7:8]", domain_kind::ipv6_literal},
                    accepted_case{"<a@[x400:c=us;a=>@]>", "a@[x400:c=us;a=>@]", "a",
                                  "[x400:c=us;a=>@]", domain_kind::general_literal},
                    accepted_case{"<@a,@b.c,@d:\"@\"@e>", "\"@\"@e", "\"@\"", "e",
                                  domain_kind::name, "@a,@b.c,@d"},
                    accepted_case{"<postmaster@b>", "postmaster@b", "postmaster", "b"}));

// --- What is refused, and why ---

struct refused_case {
  std::string_view path;
  errc error;
};

class refused : public testing::TestWithParam<refused_case> {};

TEST_P(refused, says_why) {
  const auto& [text, error] = GetParam();
  EXPECT_EQ(reverse_error(text), error) << text;
  EXPECT_EQ(forward_error(text), error) << text;
}

INSTANTIATE_TEST_SUITE_P(
    table, refused,
    testing::Values(
        refused_case{"", errc::empty_address}, refused_case{"a@b", errc::missing_angle_bracket},
        refused_case{" <a@b>", errc::missing_angle_bracket},
        refused_case{"a@b>", errc::missing_angle_bracket},
        refused_case{"<a@b", errc::missing_angle_bracket},
        refused_case{"<a@[1.2.3.4]", errc::missing_angle_bracket},
        refused_case{"<", errc::bad_local_part}, refused_case{"< >", errc::bad_local_part},
        refused_case{"< a@b>", errc::bad_local_part}, refused_case{"<a @b>", errc::bad_local_part},
        refused_case{"<<a@b>>", errc::bad_local_part}, refused_case{"<.a@b>", errc::bad_local_part},
        refused_case{"<a.@b>", errc::bad_local_part},
        refused_case{"<a..b@c>", errc::bad_local_part},
        refused_case{"<a,b@c>", errc::bad_local_part},
        refused_case{"<a:b@c>", errc::bad_local_part},
        refused_case{"<a(c)@b>", errc::bad_local_part},
        refused_case{"<a\\ b@c>", errc::bad_local_part},
        refused_case{"<a\"b\"@c>", errc::bad_local_part},
        refused_case{"<\"a\"b@c>", errc::bad_local_part},
        refused_case{"<\"a\".b@c>", errc::bad_local_part},
        refused_case{"<\"a\" @c>", errc::bad_local_part},
        refused_case{"<\ta@b>", errc::bad_local_part},
        refused_case{"<a\x7F@b>", errc::bad_local_part},
        refused_case{"<\"a@b>", errc::bad_quoted_string},
        refused_case{"<\"a\\\"@b>", errc::bad_quoted_string},
        refused_case{"<\"a\\", errc::bad_quoted_string},
        refused_case{"<\"a\tb\"@c>", errc::bad_quoted_string},
        refused_case{"<\"a\r\nb\"@c>", errc::bad_quoted_string},
        refused_case{"<\"a\\\rb\"@c>", errc::bad_quoted_string},
        refused_case{"<\"\x7F\"@c>", errc::bad_quoted_string},
        refused_case{"<\"\\\x7F\"@c>", errc::bad_quoted_string},
        refused_case{std::string_view("<\"\0\"@c>", 8), errc::bad_quoted_string},
        refused_case{"<a>", errc::missing_domain}, refused_case{"<a@>", errc::missing_domain},
        refused_case{"<a@", errc::missing_domain}, refused_case{"<a", errc::missing_domain},
        refused_case{"<\"postmaster\">", errc::missing_domain},
        refused_case{"<postmaster@>", errc::missing_domain},
        refused_case{"<postmasters>", errc::missing_domain},
        refused_case{"<@a:postmaster>", errc::missing_domain},
        refused_case{"<a@b@c>", errc::bad_domain}, refused_case{"<a@b.>", errc::bad_domain},
        refused_case{"<a@.b>", errc::bad_domain}, refused_case{"<a@b..c>", errc::bad_domain},
        refused_case{"<a@-b>", errc::bad_domain}, refused_case{"<a@b->", errc::bad_domain},
        refused_case{"<a@b-.c>", errc::bad_domain}, refused_case{"<a@b.-c>", errc::bad_domain},
        refused_case{"<a@b_c>", errc::bad_domain}, refused_case{"<a@b c>", errc::bad_domain},
        refused_case{"<a@b >", errc::bad_domain}, refused_case{"<a@ b>", errc::bad_domain},
        refused_case{"<a@\"b\">", errc::bad_domain}, refused_case{"<a@b,c>", errc::bad_domain},
        refused_case{"<a@b\r>", errc::bad_domain}, refused_case{"<a@b/c>", errc::bad_domain},
        refused_case{"<a@[]>", errc::bad_address_literal},
        refused_case{"<a@[1.2.3]>", errc::bad_address_literal},
        refused_case{"<a@[1.2.3.4.5]>", errc::bad_address_literal},
        refused_case{"<a@[1.2.3.256]>", errc::bad_address_literal},
        refused_case{"<a@[1.2.3.0004]>", errc::bad_address_literal},
        refused_case{"<a@[1.2.3.4>", errc::bad_address_literal},
        refused_case{"<a@[1.2.3.4]b>", errc::bad_address_literal},
        refused_case{"<a@[1.2.3.4]]>", errc::bad_address_literal},
        refused_case{"<a@[::1]>", errc::bad_address_literal},
        refused_case{"<a@[IPv6:1::2::3]>", errc::bad_address_literal},
        refused_case{"<a@[x400:c=us]>", errc::bad_address_literal},
        refused_case{"<a@b> ", errc::trailing_characters},
        refused_case{"<a@b>>", errc::trailing_characters},
        refused_case{"<a@b> SIZE=3", errc::trailing_characters},
        refused_case{"<a@b><c@d>", errc::trailing_characters},
        refused_case{"<@a>", errc::bad_source_route},
        refused_case{"<@:a@b>", errc::bad_source_route},
        refused_case{"<@a,:a@b>", errc::bad_source_route},
        refused_case{"<@a,b:a@b>", errc::bad_source_route},
        refused_case{"<@a, @b:a@b>", errc::bad_source_route},
        refused_case{"<@a;@b:a@b>", errc::bad_source_route},
        refused_case{"<@[1.2.3.4]:a@b>", errc::bad_source_route},
        refused_case{"<@a_b:a@b>", errc::bad_source_route},
        refused_case{"<@a:>", errc::bad_local_part},
        refused_case{"<@a:@b:c@d>", errc::bad_local_part},
        refused_case{"<\xC3\xA4@b>", errc::non_ascii_address},
        refused_case{"<\"\xC3\xA4\"@b>", errc::non_ascii_address},
        refused_case{"<a@\xC3\xA4>", errc::non_ascii_address},
        refused_case{"<a@b\xC3\xA4>", errc::non_ascii_address},
        refused_case{"<@\xC3\xA4:a@b>", errc::non_ascii_address},
        refused_case{"<@a\xC3\xA4:a@b>", errc::non_ascii_address},
        refused_case{"<a\xFF@b>", errc::non_ascii_address}));

// RFC 5321 §4.1.1.2, §4.5.5: only a reverse-path may be null.
TEST(path, null) {
  const auto p = parse_reverse_path("<>");
  ASSERT_TRUE(p);
  EXPECT_TRUE(p->is_null());
  EXPECT_EQ(p->box.kind, domain_kind::none);
  EXPECT_EQ(p->size, 2u);
  EXPECT_EQ(forward_error("<>"), errc::empty_address);
  EXPECT_EQ(reverse_error("<> "), errc::trailing_characters);
}

// RFC 5321 §4.1.1.3: "<Postmaster>" in RCPT only, in any case.
TEST(path, postmaster_without_domain) {
  for (const std::string_view text : {"<Postmaster>", "<postmaster>", "<POSTMASTER>"}) {
    const auto p = parse_forward_path(text);
    ASSERT_TRUE(p) << text;
    EXPECT_EQ(p->box.text, text.substr(1, 10));
    EXPECT_EQ(p->box.local_part, p->box.text);
    EXPECT_EQ(p->box.domain, "");
    EXPECT_EQ(p->box.kind, domain_kind::none);
    EXPECT_TRUE(p->box.is_postmaster());
    EXPECT_EQ(reverse_error(text), errc::missing_domain);
  }
}

// --- The path at the head of a command's argument ---

TEST(path, ends_where_it_ends) {
  const std::pair<std::string_view, std::size_t> cases[] = {
      {"<> SIZE=3", 2},
      {"<a@b> SIZE=3", 5},
      {"<a@b>", 5},
      {"<a@b>SIZE=3", 5},
      {"<\"a b\"@x> SIZE=3", 9},
      {"<\"> SIZE=9\"@x> SIZE=3", 14},
      {"<\"a\\\">\"@x>> b", 10},
      {"<@a,@b:c@d> NOTIFY=NEVER ORCPT=rfc822;<x@y>", 11},
      {"<a@[1.2.3.4]> <", 13},
  };
  for (const auto& [text, size] : cases) {
    const auto p = read_reverse_path(text);
    ASSERT_TRUE(p) << text;
    EXPECT_EQ(p->size, size) << text;
    EXPECT_EQ(text[p->size - 1], '>') << text;
  }
  EXPECT_EQ(read_forward_path("<Postmaster> NOTIFY=NEVER")->size, 12u);
  EXPECT_EQ(read_forward_path("<> x").error(), errc::empty_address);
}

// --- Limits: RFC 5321 §4.5.3.1 ---

TEST(limits, local_part) {
  const std::string longest(max_local_part_octets, 'a');
  EXPECT_EQ(reverse_error("<" + longest + "@b>"), errc{});
  EXPECT_EQ(reverse_error("<" + longest + "a@b>"), errc::local_part_too_long);
  const std::string quoted = "\"" + std::string(max_local_part_octets - 2, 'a') + "\"";
  EXPECT_EQ(reverse_error("<" + quoted + "@b>"), errc{});
  EXPECT_EQ(reverse_error("<\"a" + quoted.substr(1) + "@b>"), errc::local_part_too_long);
  EXPECT_EQ(reverse_error("<" + longest + "a@b>", {.local_part = 65}), errc{});
}

TEST(limits, label) {
  const std::string longest(max_label_octets, 'a');
  EXPECT_EQ(reverse_error("<a@" + longest + ">"), errc{});
  EXPECT_EQ(reverse_error("<a@" + longest + "a>"), errc::domain_too_long);
  EXPECT_EQ(reverse_error("<a@b." + longest + "a.c>"), errc::domain_too_long);
}

TEST(limits, domain_and_path) {
  const std::string label = std::string(max_label_octets, 'a') + ".";
  const std::string three = label + label + label;               // 192
  const std::string fits = "a@" + three + std::string(60, 'b');  // 254 = 256 - <>
  ASSERT_EQ(fits.size() + 2, max_path_octets);
  EXPECT_EQ(reverse_error(in_brackets(fits)), errc{});
  EXPECT_TRUE(parse_mailbox(fits));
  EXPECT_EQ(reverse_error(in_brackets(fits + "b")), errc::path_too_long);
  EXPECT_EQ(parse_mailbox(fits + "b").error(), errc::path_too_long);
  EXPECT_EQ(reverse_error(in_brackets("a" + fits)), errc::path_too_long);
  // The route is part of the path (§4.5.3.1.3: "including the punctuation and element separators").
  EXPECT_EQ(reverse_error("<@c:" + fits.substr(0, 251) + ">"), errc{});
  EXPECT_EQ(reverse_error("<@c:" + fits.substr(0, 252) + ">"), errc::path_too_long);
  // A domain of 255 octets is too long for a path, unless paths may be longer.
  const std::string whole = three + std::string(63, 'b');
  const address_options roomy{.path = 1000};
  EXPECT_EQ(reverse_error("<a@" + whole + ">"), errc::path_too_long);
  EXPECT_EQ(reverse_error("<a@" + whole + ">", roomy), errc{});
  EXPECT_EQ(reverse_error("<a@c." + whole + ">", roomy), errc::domain_too_long);
  EXPECT_EQ(reverse_error("<a@bcd>", {.domain = 2}), errc::domain_too_long);
}

TEST(limits, hostile_sizes_are_refused) {
  const std::string megabyte(1 << 20, 'a');
  EXPECT_EQ(reverse_error("<" + megabyte), errc::local_part_too_long);
  EXPECT_EQ(reverse_error("<a@" + megabyte + ">"), errc::domain_too_long);
  EXPECT_EQ(reverse_error("<\"" + megabyte), errc::bad_quoted_string);
  EXPECT_EQ(reverse_error("<a@[" + megabyte + "]>"), errc::bad_address_literal);
  std::string labels = "<a@a";
  std::string route = "<@a";
  for (int i = 0; i < 100000; ++i) {
    labels += ".a";
    route += ",@a";
  }
  EXPECT_EQ(reverse_error(labels + ">"), errc::domain_too_long);
  EXPECT_EQ(reverse_error(route + ":a@b>"), errc::path_too_long);
}

// --- RFC 6531 §3.3 ---

TEST(smtputf8, is_accepted_where_asked_for) {
  struct utf8_case {
    std::string_view path;
    std::string_view local_part;
    std::string_view domain;
    std::string_view canonical;
  };
  const utf8_case cases[] = {
      {"<\u00fc@example.com>", "\u00fc", "example.com", "example.com"},
      {"<a.\u00fc.b@example.com>", "a.\u00fc.b", "example.com", "example.com"},
      {"<\"\u00fc \u20ac\"@example.com>", "\"\u00fc \u20ac\"", "example.com", "example.com"},
      {"<\U0001F600@example.com>", "\U0001F600", "example.com", "example.com"},
      {"<a@b\u00fccher.example>", "a", "b\u00fccher.example", "xn--bcher-kva.example"},
      {"<a@B\u00dcCHER.Example>", "a", "B\u00dcCHER.Example", "xn--bcher-kva.example"},
      {"<\u7528\u6237@\u4f8b\u5b50.\u5e7f\u544a>", "\u7528\u6237", "\u4f8b\u5b50.\u5e7f\u544a",
       "xn--fsqu00a.xn--4rr70v"},
      {"<@b\u00fc:\u00fc@c>", "\u00fc", "c", "c"},
      {"<x@fa\u00df.de>", "x", "fa\u00df.de", "xn--fa-hia.de"},
      {"<x@FA\u1e9e.de>", "x", "FA\u1e9e.de", "xn--fa-hia.de"},
      {"<x@xn--fa-hia.fa\u00df>", "x", "xn--fa-hia.fa\u00df", "xn--fa-hia.xn--fa-hia"},
  };
  for (const auto& c : cases) {
    const auto p = parse_forward_path(c.path, with_utf8);
    ASSERT_TRUE(p) << c.path << ": " << make_error_code(p.error()).message();
    EXPECT_TRUE(p->box.utf8);
    EXPECT_EQ(p->box.local_part, c.local_part);
    EXPECT_EQ(p->box.domain, c.domain);
    EXPECT_EQ(address(p->box).canonical_domain(), c.canonical);
    EXPECT_EQ(forward_error(c.path), errc::non_ascii_address);
  }
}

TEST(smtputf8, tells_ascii_paths_apart) {
  EXPECT_FALSE(parse_forward_path("<\"a b\"@c>", with_utf8)->box.utf8);
  // The path needs SMTPUTF8, what is sent on does not.
  const auto routed = parse_forward_path("<@b\u00fc:a@c>", with_utf8);
  ASSERT_TRUE(routed);
  EXPECT_TRUE(routed->box.utf8);
  EXPECT_FALSE(address(routed->box).is_utf8());
}

TEST(smtputf8, refuses_what_is_not_utf8) {
  const std::string_view broken[] = {
      "\x80",              // a continuation alone
      "\xBF\xBF",          //
      "\xC3",              // cut short
      "\xE2\x82",          //
      "\xF0\x9F\x98",      //
      "\xC0\xAF",          // overlong
      "\xC1\xBF",          //
      "\xE0\x9F\xBF",      //
      "\xF0\x8F\xBF\xBF",  //
      "\xED\xA0\x80",      // a surrogate
      "\xED\xBF\xBF",      //
      "\xF4\x90\x80\x80",  // above U+10FFFF
      "\xF5\x80\x80\x80",  //
      "\xFE",              //
      "\xFF",              //
      "\xE2\x28\xA1",      // a wrong continuation
  };
  for (const std::string_view octets : broken) {
    const std::string s(octets);
    EXPECT_EQ(reverse_error("<" + s + "@b>", with_utf8), errc::bad_utf8)
        << testing::PrintToString(s);
    EXPECT_EQ(reverse_error("<a" + s + "a@b>", with_utf8), errc::bad_utf8);
    EXPECT_EQ(reverse_error("<\"a" + s + "\"@b>", with_utf8), errc::bad_utf8);
    EXPECT_EQ(reverse_error("<a@b" + s + "c>", with_utf8), errc::bad_utf8);
    EXPECT_EQ(reverse_error("<a@" + s + ">", with_utf8), errc::bad_utf8);
    EXPECT_EQ(reverse_error("<@" + s + ":a@b>", with_utf8), errc::bad_utf8);
  }
}

TEST(smtputf8, keeps_the_rest_of_the_grammar) {
  const refused_case cases[] = {
      {"<\u00fc..a@b>", errc::bad_local_part},
      {"<\u00fc b@c>", errc::bad_local_part},
      {"<\"\\\u00fc\"@b>", errc::bad_quoted_string},  // quoted-pairSMTP stays ASCII
      {"<a@\u00fc_b>", errc::bad_domain},
      {"<a@-\u00fc>", errc::bad_domain},
      {"<a@\u00fc->", errc::bad_domain},
      {"<a@\u00fc.>", errc::bad_domain},
      {"<a@[\u00fc:a]>", errc::bad_address_literal},
      {"<a@\u2665.net>", errc::bad_idn},         // a symbol: IDNA 2008 disallows it
      {"<a@a\u3002b>", errc::bad_idn},           // a full stop that is no dot of SMTP
      {"<a@\u200db>", errc::bad_idn},            // a joiner without context
      {"<a@b\u2a74c>", errc::bad_idn},           // would become "b::=c"
      {"<a@\u00ad>", errc::bad_idn},             // would become nothing
      {"<a@\u0300a>", errc::bad_idn},            // a leading combining mark
      {"<a@exam\u200bple.com>", errc::bad_idn},  // invisible
      {"<a@exam\u2060ple.com>", errc::bad_idn},  // invisible
      {"<a@\ufb01\u2060.com>", errc::bad_idn},   // as long as what it becomes
      {"<a@u\u0308.com>", errc::bad_idn},        // not composed (RFC 5890 §2.3.2.1: NFC)
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(reverse_error(text, with_utf8), error) << text;
}

TEST(smtputf8, limits_count_octets) {
  std::string local;
  for (int i = 0; i < 32; ++i) local += "\u00fc";
  EXPECT_EQ(reverse_error("<" + local + "@b>", with_utf8), errc{});
  EXPECT_EQ(reverse_error("<" + local + "a@b>", with_utf8), errc::local_part_too_long);
  // A U-label may have more than 63 octets as long as its A-label has not.
  std::string label;
  for (int i = 0; i < 40; ++i) label += "\u4f8b";
  ASSERT_GT(label.size(), max_label_octets);
  EXPECT_EQ(reverse_error("<a@" + label + ">", with_utf8), errc{});
  for (int i = 0; i < 40; ++i) label += "\u00fc";
  EXPECT_EQ(reverse_error("<a@" + label + ">", with_utf8), errc::bad_idn);
}

// --- address ---

address kept(std::string_view text, const address_options& options = with_utf8) {
  const auto a = address::from_text(text, options);
  EXPECT_TRUE(a) << text;
  return a ? *a : address();
}

static_assert(std::is_nothrow_move_constructible_v<address>);

TEST(address, null_is_the_default) {
  const address null;
  EXPECT_TRUE(null.is_null());
  EXPECT_EQ(null.text(), "");
  EXPECT_EQ(null.local_part(), "");
  EXPECT_EQ(null.domain(), "");
  EXPECT_EQ(null.canonical_domain(), "");
  EXPECT_EQ(null.unquoted_local_part(), "");
  EXPECT_EQ(null.kind(), domain_kind::none);
  EXPECT_EQ(null, address(parse_reverse_path("<>")->box));
  EXPECT_EQ(null, kept(""));
  EXPECT_NE(null, kept("a@b"));
  EXPECT_NE(null, kept("Postmaster"));
}

TEST(address, keeps_what_was_written) {
  address a;
  {
    const std::string gone = "<@r:\"A b\\\"c\"@Mail.Example>";
    a = address(parse_reverse_path(gone)->box);
  }
  EXPECT_EQ(a.text(), "\"A b\\\"c\"@Mail.Example");
  EXPECT_EQ(a.local_part(), "\"A b\\\"c\"");
  EXPECT_EQ(a.unquoted_local_part(), "A b\"c");
  EXPECT_EQ(a.domain(), "Mail.Example");
  EXPECT_EQ(a.canonical_domain(), "mail.example");
  EXPECT_EQ(a.kind(), domain_kind::name);
  EXPECT_TRUE(a.is_quoted());
  EXPECT_FALSE(a.is_utf8());
  const address copy = a;
  a = address();
  EXPECT_EQ(copy.domain(), "Mail.Example");
}

TEST(address, from_text_reads_what_text_gave) {
  for (const std::string_view path :
       {"<Postmaster>", "<a@b>", "<@x:\"a b\"@[1.2.3.4]>", "<\u00fc@b\u00fc.example>"}) {
    const address before(parse_forward_path(path, with_utf8)->box);
    const address after = kept(before.text());
    EXPECT_EQ(before, after);
    EXPECT_EQ(before.kind(), after.kind());
    EXPECT_EQ(before.is_utf8(), after.is_utf8());
    EXPECT_EQ(before.domain(), after.domain());
  }
  EXPECT_EQ(address::from_text("a").error(), errc::missing_domain);
  EXPECT_EQ(address::from_text("<a@b>").error(), errc::bad_local_part);
}

TEST(address, equality) {
  const std::pair<std::string_view, std::string_view> same[] = {
      {"a@b.example", "a@B.EXAMPLE"},
      {"\"Joe Smith\"@b", "\"Joe\\ Smith\"@b"},  // RFC 5321 §4.1.2
      {"\"joe\"@b", "joe@b"},
      {"a@b\u00fccher.example", "a@XN--BCHER-KVA.example"},
      {"a@B\u00dcCHER.example", "a@b\u00fccher.example"},
      {"a@[1.2.3.4]", "a@[001.002.003.004]"},
      {"a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:0db8:0:0:0:0:0:1]"},
  };
  for (const auto& [x, y] : same) {
    EXPECT_EQ(kept(x), kept(y)) << x << ' ' << y;
    EXPECT_TRUE(kept(x).same_domain_as(kept(y)));
    EXPECT_EQ(std::hash<address>()(kept(x)), std::hash<address>()(kept(y))) << x << ' ' << y;
  }
  const std::pair<std::string_view, std::string_view> different[] = {
      {"a@b", "A@b"},  // RFC 5321 §2.4
      {"a@b", "a@c"},
      {"a@1.2.3.4", "a@[1.2.3.4]"},
      {"a@[1.2.3.4]", "a@[IPv6:::ffff:1.2.3.4]"},
      {"\"a b\"@c", "\"a  b\"@c"},
      {"postmaster@b", "postmaster"},
      {"fa\u00df@x", "fass@x"},
      {"a@fa\u00df.de", "a@fass.de"},
  };
  for (const auto& [x, y] : different) EXPECT_NE(kept(x), kept(y)) << x << ' ' << y;
}

TEST(address, in_a_set) {
  std::unordered_set<address> recipients;
  for (const std::string_view text : {"a@b", "a@B", "\"a\"@b", "A@b", "a@c"}) {
    recipients.insert(kept(text));
  }
  EXPECT_EQ(recipients.size(), 3u);
}

TEST(address, unquoting) {
  EXPECT_EQ(unquote_local_part("a.b"), "a.b");
  EXPECT_EQ(unquote_local_part("\"\""), "");
  EXPECT_EQ(unquote_local_part("\"a\\\\b\\\"\""), "a\\b\"");
  EXPECT_EQ(unquote_local_part("\"\u00fc\""), "\u00fc");
}

// --- Against the grammar ---

// Every field agrees with the grammar written down rule by rule.
void expect_as_abnf(const std::string& text) {
  ASSERT_EQ(parse_reverse_path(text).has_value(), abnf::is_reverse_path(text)) << text;
  ASSERT_EQ(parse_forward_path(text).has_value(), abnf::is_forward_path(text)) << text;
  const std::string_view inside =
      text.size() < 2 ? text : std::string_view(text).substr(1, text.size() - 2);
  ASSERT_EQ(parse_mailbox(inside).has_value(), abnf::is_mailbox(inside)) << inside;
}

// Calls f with every text of up to `longest` octets of the alphabet.
void for_each_text(std::string_view alphabet, std::size_t longest,
                   const std::function<void(const std::string&)>& f) {
  std::vector<std::string> texts{""};
  for (std::size_t size = 0; size <= longest; ++size) {
    std::vector<std::string> longer;
    for (const auto& text : texts) {
      f(text);
      if (size == longest) continue;
      for (const char c : alphabet) longer.push_back(text + c);
    }
    texts = std::move(longer);
  }
}

TEST(against_abnf, all_short_paths) {
  for_each_text("a@.\"\\ -[]<>:,\x7F", 4,
                [](const std::string& s) { expect_as_abnf(in_brackets(s)); });
}

TEST(against_abnf, all_short_ipv6_addresses) {
  for_each_text("1:.", 7, [](const std::string& s) { expect_as_abnf("<a@[IPv6:" + s + "]>"); });
}

TEST(against_abnf, all_octets_at_all_places) {
  for (const std::string_view seed :
       {"<ab@cd>", "<\"ab\\c\"@d.e>", "<@a,@b:c@d>", "<a@[1.2.3.4]>"}) {
    for (std::size_t at = 0; at < seed.size(); ++at) {
      for (int octet = 0; octet < 256; ++octet) {
        std::string text(seed);
        text[at] = static_cast<char>(octet);
        expect_as_abnf(text);
      }
    }
  }
}

// How many of `texts` random texts of these tokens, with something before and after, are mailboxes.
int accepted_of_random(int texts, const std::vector<std::string>& tokens, const std::string& before,
                       const std::string& after) {
  std::mt19937 random(5321);
  int accepted_count = 0;
  for (int i = 0; i < texts; ++i) {
    std::string text = before;
    for (auto n = random() % 8; n > 0; --n) text += tokens[random() % tokens.size()];
    text += after;
    expect_as_abnf(in_brackets(text));
    accepted_count += parse_mailbox(text).has_value() ? 1 : 0;
  }
  return accepted_count;
}

TEST(against_abnf, random_tokens) {
  const std::vector<std::string> tokens{
      "a", "b.c", "@", ".",       "\"",  "\\",  " ", "[",  "]", ":",     "::",  "IPv6:",
      "1", "0:0", "-", "1.2.3.4", "255", "256", ",", "@r", "<", "\"q\"", "a@b", "x@[1.2.3.4]"};
  EXPECT_GT(accepted_of_random(2500, tokens, "", ""), 30);
}

TEST(against_abnf, random_ipv6_literals) {
  const std::vector<std::string> tokens{"1:",   ":1",   "ffff:", "0:0:",    "::",       ":",
                                        ":2::", "a:b:", "12345", "1.2.3.4", "0:0:0:0:", "1"};
  EXPECT_GT(accepted_of_random(2500, tokens, "a@[IPv6:", "]"), 100);
}

TEST(against_abnf, sizes_around_the_limits) {
  for (std::size_t local = 62; local <= 66; ++local) {
    for (std::size_t rest = 180; rest <= 200; rest += 4) {
      for (std::size_t label = 62; label <= 64; ++label) {
        std::string domain(rest, 'd');
        for (std::size_t at = label; at + 1 < rest; at += label + 1) domain[at] = '.';
        expect_as_abnf("<" + std::string(local, 'l') + "@" + domain + ">");
      }
    }
  }
}

// --- The suites of others ---

// The text of <NAME>...</NAME> in a fragment of XML without attributes or nesting; "" for <NAME/>.
std::string element(std::string_view xml, const std::string& name) {
  const auto begin = xml.find("<" + name + ">");
  if (begin == std::string_view::npos) return "";
  const auto from = begin + name.size() + 2;
  return std::string(xml.substr(from, xml.find("</" + name + ">", from) - from));
}

std::string decode_entity(const std::string& name) {
  static const std::map<std::string, std::string> named{
      {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}};
  if (const auto found = named.find(name); found != named.end()) return found->second;
  const bool hex = name.starts_with("#x");
  const auto code =
      static_cast<char32_t>(std::stoul(name.substr(hex ? 2 : 1), nullptr, hex ? 16 : 10));
  std::string out;
  tests::append_utf8(out, code);
  return out;
}

std::string decode_entities(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '&') {
      out += text[at];
      continue;
    }
    const auto end = text.find(';', at);
    out += decode_entity(std::string(text.substr(at + 1, end - at - 1)));
    at = end;
  }
  return out;
}

// U+2400 to U+2421 are pictures of control characters; the suite means the characters.
std::string decode_control_pictures(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool picture = text.substr(at, 2) == "\xE2\x90" && at + 2 < text.size() &&
                         static_cast<unsigned char>(text[at + 2]) <= 0xA1;
    if (!picture) {
      out += text[at];
      continue;
    }
    const int code = static_cast<unsigned char>(text[at + 2]) - 0x80;
    out += static_cast<char>(code == 0x21 ? 0x7F : code);
    at += 2;
  }
  return out;
}

TEST(suites, isemail) {
  GATEPOST_REQUIRE_SHARED(path, "address/isemail-tests.xml");
  const std::string xml = tests::read_file(path);
  int accepted_count = 0;
  int refused_count = 0;
  for (std::size_t at = 0; (at = xml.find("<test id=", at)) != std::string::npos;) {
    const std::size_t end = xml.find("</test>", at);
    ASSERT_NE(end, std::string::npos);
    const std::string_view fragment = std::string_view(xml).substr(at, end - at);
    at = end;
    const std::string text = decode_control_pictures(decode_entities(element(fragment, "address")));
    const std::string category = element(fragment, "category");
    ASSERT_TRUE(category.starts_with("ISEMAIL_")) << fragment;
    const bool wanted = category == "ISEMAIL_VALID_CATEGORY" || category == "ISEMAIL_RFC5321" ||
                        category == "ISEMAIL_DNSWARN";
    (wanted ? accepted_count : refused_count) += 1;
    EXPECT_EQ(parse_mailbox(text).has_value(), wanted) << fragment;
    EXPECT_EQ(parse_mailbox(text, with_utf8).has_value(), wanted) << fragment;
    EXPECT_EQ(forward_error(in_brackets(text)) == errc{}, wanted) << fragment;
    // Nothing between "<" and ">" is the null path, which the suite does not know.
    EXPECT_EQ(reverse_error(in_brackets(text)) == errc{}, wanted || text.empty()) << fragment;
  }
  std::cout << "isemail: " << accepted_count << " to accept, " << refused_count << " to refuse\n";
  EXPECT_GT(accepted_count, 0);
  EXPECT_GT(refused_count, 0);
}

// MAIL and RCPT lines with their parse, of which only the path is compared. That parser can be told
// to take everything between "<" and ">": then its address must be refused here.
TEST(suites, envelope_commands) {
  GATEPOST_REQUIRE_SHARED(path, "smtp/envelope-commands.json");
  const tests::json cases = tests::parse_json(tests::read_file(path));
  int taken = 0;
  int left = 0;
  int elsewhere = 0;
  for (const auto& c : cases.array()) {
    const std::string& line = c["line"].string();
    const std::size_t open = std::min(line.find('<'), line.size());
    const auto p = read_reverse_path(std::string_view(line).substr(open), with_utf8);
    if (!c["parsed"].is_object()) {
      // Some have their mistake outside of the path.
      (p ? elsewhere : left) += 1;
      continue;
    }
    const auto expected = address::from_text(c["parsed"]["address"].string(), with_utf8);
    ASSERT_EQ(p.has_value(), expected.has_value()) << line;
    (p ? taken : left) += 1;
    if (p) {
      EXPECT_EQ(address(p->box), *expected) << line;
    }
  }
  std::cout << "envelope commands: " << taken << " paths taken, " << left << " refused, "
            << elsewhere << " lines with a mistake elsewhere\n";
  EXPECT_GT(taken, 0);
  EXPECT_LT(elsewhere, taken / 4);
}

}  // namespace
}  // namespace gatepost::smtp
