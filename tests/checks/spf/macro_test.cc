// This header stands alone.
#include "checks/spf/macro.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gatepost::checks::spf {
namespace {

smtp::ip_address ip(std::string_view text) { return *smtp::parse_ip_address(text); }

// The sender of the examples of RFC 7208 §7.4.
macro_values strong_bad(std::string_view client = "192.0.2.3") {
  macro_values v;
  v.sender = "strong-bad@email.example.com";
  v.local_part = "strong-bad";
  v.sender_domain = "email.example.com";
  v.domain = "email.example.com";
  v.helo = "mx.example.org";
  v.client = ip(client);
  return v;
}

std::string name_of(std::string_view text, const macro_values& values = strong_bad()) {
  const auto parsed = parse_macro_string(text, macro_use::modifier);
  return parsed ? expand_domain(parsed.value, values) : "(" + std::string(parsed.problem) + ")";
}

std::string text_of(std::string_view text, const macro_values& values = strong_bad()) {
  const auto parsed = parse_macro_string(text, macro_use::explanation);
  return parsed ? expand_text(parsed.value, values, 1000) : "(" + std::string(parsed.problem) + ")";
}

// RFC 7208 §7.4
TEST(SpfMacro, ExamplesOfTheRfc) {
  struct {
    const char* macros;
    const char* expansion;
  } const cases[] = {
      {"%{s}", "strong-bad@email.example.com"},
      {"%{o}", "email.example.com"},
      {"%{d}", "email.example.com"},
      {"%{d4}", "email.example.com"},
      {"%{d3}", "email.example.com"},
      {"%{d2}", "example.com"},
      {"%{d1}", "com"},
      {"%{dr}", "com.example.email"},
      {"%{d2r}", "example.email"},
      {"%{l}", "strong-bad"},
      {"%{l-}", "strong.bad"},
      {"%{lr}", "strong-bad"},
      {"%{lr-}", "bad.strong"},
      {"%{l1r-}", "strong"},
      {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
      {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
      {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
      {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
      {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
  };
  for (const auto& c : cases) EXPECT_EQ(name_of(c.macros), c.expansion) << c.macros;
  EXPECT_EQ(name_of("%{ir}.%{v}._spf.%{d2}", strong_bad("2001:db8::cb01")),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com");
}

TEST(SpfMacro, EveryLetter) {
  macro_values v = strong_bad("2001:db8::CB01");
  v.validated_name = "mx.example.com";
  v.receiver = "mx.example.net";
  v.time = 1795821357;
  EXPECT_EQ(text_of("%{s} %{l} %{o} %{d} %{p} %{v} %{h}", v),
            "strong-bad@email.example.com strong-bad email.example.com email.example.com "
            "mx.example.com ip6 mx.example.org");
  EXPECT_EQ(text_of("%{c} %{r} %{t}", v), "2001:db8::cb01 mx.example.net 1795821357");
  EXPECT_EQ(text_of("%{i}", v), "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1");
  EXPECT_EQ(text_of("%{c} %{i} %{p} %{r}"), "192.0.2.3 192.0.2.3 unknown unknown");
}

TEST(SpfMacro, LiteralsAndEscapes) {
  EXPECT_EQ(text_of("100%%%_%-"), "100% %20");
  EXPECT_EQ(text_of(""), "");
  macro_values v = strong_bad();
  // RFC 7208 §7.3: an upper case letter escapes what is not unreserved (RFC 3986 §2.3).
  v.local_part = "~jack&jill=up-a_b3.c \"\xc3\xbc\"";
  EXPECT_EQ(text_of("%{L}", v), "~jack%26jill%3Dup-a_b3.c%20%22%C3%BC%22");
  EXPECT_EQ(text_of("%{l}", v), "~jack&jill=up-a_b3.c \"??\"");  // a reply is ASCII
  EXPECT_EQ(text_of("%{IR}"), "3.2.0.192");
}

TEST(SpfMacro, PartsAndDelimiters) {
  macro_values v = strong_bad();
  v.local_part = "foo-bar+zip+quux";
  EXPECT_EQ(name_of("%{l2r+-}", v), "bar.foo");
  EXPECT_EQ(name_of("%{l+}", v), "foo-bar.zip.quux");
  EXPECT_EQ(name_of("%{l+-}", v), "foo.bar.zip.quux");
  EXPECT_EQ(name_of("%{l128r+-}", v), "quux.zip.bar.foo");
  EXPECT_EQ(name_of("%{l99999999999999999999+-}", v), "foo.bar.zip.quux");
  v.local_part = "a..b";  // empty parts are parts
  EXPECT_EQ(name_of("%{l2}", v), ".b");
  v.local_part = "a.+-,/_=b";
  EXPECT_EQ(name_of("%{l.+-,/_=}", v), "a.......b");
  EXPECT_EQ(name_of("%{L1R.+-,/_=}", v), "a");
}

TEST(SpfMacro, NeedsTheLocalPart) {
  const auto needs = [](std::string_view text) {
    return parse_macro_string(text, macro_use::domain).value.needs_local_part;
  };
  for (const char* text : {"%{l}.a.example", "%{S}", "%{lr-}.%{d}", "%{d}.%{L1}", "%{s1}"})
    EXPECT_TRUE(needs(text)) << text;
  for (const char* text : {"l.s.example", "%{o}", "%{d}.%{i}.%{h}.%{p}", "%%l.example"})
    EXPECT_FALSE(needs(text)) << text;
}

struct syntax_case {
  const char* text;
  bool domain;
  bool modifier;
  bool explanation;
};

// RFC 7208 §7.1
TEST(SpfMacro, Syntax) {
  const syntax_case cases[] = {
      {"example.com", true, true, true},
      {"example.com.", true, true, true},
      {"a.b", true, true, true},
      {"%{d}", true, true, true},
      {"%{D}", true, true, true},
      {"%{dr}", true, true, true},
      {"%{dR}", true, true, true},
      {"%{d3r.-}", true, true, true},
      {"x%%", true, true, true},  // domain-end may be any macro-expand
      {"x%_", true, true, true},
      {"x%-", true, true, true},
      {".com", true, true, true},
      {"_x.a--b", true, true, true},
      {"foo:bar/baz.example.com", true, true, true},
      {"%{i}.foo%{d}", true, true, true},
      {"", false, true, true},
      {"example", false, true, true},
      {"example.", false, true, true},
      {"example.com..", false, true, true},
      {"example.123", false, true, true},
      {"example.1a3", true, true, true},
      {"example.1-3", true, true, true},
      {"example.-a", false, true, true},
      {"example.a-", false, true, true},
      {"example.a_b", false, true, true},
      {"example.com:8080", false, true, true},
      {"example.com/", false, true, true},
      {"%{d}com", false, true, true},
      {"%{d}.", false, true, true},
      {"%{d}.com", true, true, true},
      {"%{d}.com.", true, true, true},
      {"a b.example.com", false, false, true},
      {"%{c}.example.com", false, false, true},
      {"%{r}.example.com", false, false, true},
      {"%{T}.example.com", false, false, true},
      {"%{p}.example.com", true, true, true},
      {"%{x}.example.com", false, false, false},
      {"%{}.example.com", false, false, false},
      {"%{d0}.example.com", false, false, false},  // §7.3: nonzero
      {"%{d00}", false, false, false},
      {"%{dr3}", false, false, false},
      {"%{drr}", false, false, false},
      {"%{d-3}", false, false, false},
      {"%{d*}", false, false, false},
      {"%{d", false, false, false},
      {"%{", false, false, false},
      {"%", false, false, false},
      {"%a.example.com", false, false, false},
      {"%(ir).example.com", false, false, false},
      {"a\tb.example.com", false, false, false},
      {"a\x7f.example.com", false, false, false},
      {"\xc3\xbc.example.com", false, false, false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(bool(parse_macro_string(c.text, macro_use::domain)), c.domain) << c.text;
    EXPECT_EQ(bool(parse_macro_string(c.text, macro_use::modifier)), c.modifier) << c.text;
    EXPECT_EQ(bool(parse_macro_string(c.text, macro_use::explanation)), c.explanation) << c.text;
  }
  EXPECT_FALSE(parse_macro_string(std::string_view("a\0.example.com", 14), macro_use::explanation));
}

TEST(SpfMacro, SaysWhatItNeeds) {
  EXPECT_TRUE(parse_macro_string("a.example.com", macro_use::domain).value.plain);
  EXPECT_FALSE(parse_macro_string("%{d}", macro_use::domain).value.plain);
  EXPECT_FALSE(parse_macro_string("%{d}", macro_use::domain).value.needs_validated_name);
  EXPECT_TRUE(parse_macro_string("%{P}.x", macro_use::domain).value.needs_validated_name);
}

// RFC 7208 §7.3: longer than 253 octets, labels go from the left.
TEST(SpfMacro, LongNamesAreCut) {
  const std::string label(49, 'a');
  macro_values v = strong_bad();
  const std::string five = label + '.' + label + '.' + label + '.' + label + '.' + label;
  v.domain = five;                                   // 249 octets
  EXPECT_EQ(name_of("abc.%{d}", v), "abc." + five);  // 253
  EXPECT_EQ(name_of("abc.%{d}.", v), "abc." + five);
  EXPECT_EQ(name_of("abcd.%{d}", v), five);
  EXPECT_EQ(name_of("x.abcd.%{d}", v), five);
  EXPECT_EQ(name_of("%{d}.%{d}", v), five);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "%{d}.";
  EXPECT_EQ(name_of(many + "%{d}", v), five);
  const std::string one_label(300, 'a');
  v.domain = one_label;
  EXPECT_EQ(name_of("%{d}", v), "");
  EXPECT_EQ(name_of("%{d}.com", v), "com");
}

TEST(SpfMacro, TextIsCut) {
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "%{d}";
  const auto parsed = parse_macro_string(many, macro_use::explanation);
  EXPECT_EQ(expand_text(parsed.value, strong_bad(), 40),
            "email.example.comemail.example.comemail.");
}

TEST(SpfMacro, ValidNames) {
  const std::string label(63, 'a');
  for (const std::string& name :
       {std::string("example.com"), std::string("a"), std::string("_a._b"),
        std::string("a b.example.com"), label + ".com",
        label + '.' + label + '.' + label + '.' + std::string(61, 'b')})
    EXPECT_TRUE(valid_name(name)) << name;
  for (const std::string& name :
       {std::string(), std::string("."), std::string("a."), std::string(".a"), std::string("a..b"),
        'a' + label, std::string("\xc3\xbc.example"), std::string("a\\.b"), std::string("a\nb"),
        label + '.' + label + '.' + label + '.' + std::string(62, 'b')})
    EXPECT_FALSE(valid_name(name)) << name;
}

// Octet by octet, as valid_name() says.
bool is_valid(std::string_view name) {
  std::size_t label = 0;
  for (const char c : name) {
    if (c < ' ' || c > '~' || c == '\\') return false;
    if (c == '.' && label == 0) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > 63) return false;
  }
  return label > 0 && name.size() <= max_name_octets;
}

// Each octet in each place, and with a dot beside it.
TEST(SpfMacro, ValidNamesOfEveryOctet) {
  for (std::size_t size = 1; size <= 20; ++size)
    for (std::size_t at = 0; at < size; ++at)
      for (int octet = 0; octet < 256; ++octet) {
        std::string name(size, 'a');
        name[at] = static_cast<char>(octet);
        ASSERT_EQ(valid_name(name), is_valid(name)) << size << ' ' << at << ' ' << octet;
        name[(at + 1) % size] = '.';
        ASSERT_EQ(valid_name(name), is_valid(name)) << size << ' ' << at << ' ' << octet;
      }
}

// A dot in each place of names about as long as a label and a name may be.
TEST(SpfMacro, ValidNamesOfEveryLength) {
  for (std::size_t size = 0; size <= 260; ++size)
    for (std::size_t at = 0; at < size; ++at) {
      std::string name(size, 'a');
      for (std::size_t dot = at; dot < size; dot += 64) name[dot] = '.';
      ASSERT_EQ(valid_name(name), is_valid(name)) << name;
      name[size / 2] = '.';
      ASSERT_EQ(valid_name(name), is_valid(name)) << name;
    }
}

// RFC 7208 §7.3 word by word.
std::string transformed(std::string_view value, std::string_view delimiters, std::size_t keep,
                        bool reverse) {
  std::vector<std::string> parts(1);
  for (const char c : value) {
    if (delimiters.find(c) == delimiters.npos) {
      parts.back() += c;
    } else {
      parts.emplace_back();
    }
  }
  if (reverse) std::reverse(parts.begin(), parts.end());
  if (keep > 0 && keep < parts.size()) parts.erase(parts.begin(), parts.end() - keep);
  std::string all;
  for (const std::string& part : parts) all += (&part == &parts[0] ? "" : ".") + part;
  return all;
}

TEST(SpfMacro, EveryTransformation) {
  for (const char* value :
       {"a", "", ".", "a.b", "foo-bar+zip.quux", "..a", "a..", "-a--b.", "a,b/c_d=e"})
    for (const char* delimiters : {"", ".", "-", "+-", ".-+,/_="})
      for (std::size_t keep = 0; keep < 8; ++keep)
        for (const bool reverse : {false, true}) {
          macro_values v = strong_bad();
          v.local_part = value;
          const std::string macro = "%{l" + (keep == 0 ? "" : std::to_string(keep)) +
                                    (reverse ? "r" : "") + delimiters + "}|";
          EXPECT_EQ(text_of(macro, v),
                    transformed(value, *delimiters == 0 ? "." : delimiters, keep, reverse) + '|')
              << macro << ' ' << value;
        }
}

}  // namespace
}  // namespace gatepost::checks::spf
