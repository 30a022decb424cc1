// This header stands alone.
#include "smtp/domain.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/json.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::smtp {
namespace {

std::string text_of(errc e) { return make_error_code(e).message(); }

std::string repeated(std::string_view s, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += s;
  return out;
}

// --- Names ---

TEST(domain, names) {
  const std::string label(max_label_octets, 'a');
  const std::string longest = label + "." + label + "." + label + "." + label;
  ASSERT_EQ(longest.size(), max_domain_octets);
  const std::string_view names[] = {"a",
                                    "0",
                                    "example",
                                    "example.com",
                                    "Mail.EXAMPLE.com",
                                    "a-b.c",
                                    "a--b",
                                    "xn--bcher-kva.de",
                                    "1.2.3.4",
                                    "3com.com",
                                    "255.255.255.256",
                                    "a.b.c.d.e.f.g.h.i.j",
                                    "xn--a",
                                    label,
                                    longest};
  for (const std::string_view name : names) {
    EXPECT_TRUE(valid_domain(name)) << name;
    EXPECT_TRUE(valid_domain(name, utf8_policy::smtputf8)) << name;
    EXPECT_TRUE(valid_helo_name(name)) << name;
  }
}

TEST(domain, what_is_no_name) {
  const std::string label(max_label_octets, 'a');
  const std::string longest = label + "." + label + "." + label + "." + label;
  const std::pair<std::string, errc> cases[] = {
      {"", errc::missing_domain},
      {".", errc::bad_domain},
      {"a.", errc::bad_domain},
      {".a", errc::bad_domain},
      {"a..b", errc::bad_domain},
      {"-a", errc::bad_domain},
      {"a-", errc::bad_domain},
      {"-", errc::bad_domain},
      {"a.-b", errc::bad_domain},
      {"a-.b", errc::bad_domain},
      {"_dmarc.example.com", errc::bad_domain},
      {"a_b", errc::bad_domain},
      {"a b", errc::bad_domain},
      {" a", errc::bad_domain},
      {"a ", errc::bad_domain},
      {"a@b", errc::bad_domain},
      {"a:25", errc::bad_domain},
      {"a/b", errc::bad_domain},
      {"a\r\n", errc::bad_domain},
      {std::string("a\0b", 3), errc::bad_domain},
      {"a\x7F", errc::bad_domain},
      {label + "a", errc::domain_too_long},
      {"b." + label + "a.c", errc::domain_too_long},
      {"b." + longest, errc::domain_too_long},
      {repeated("a.", 127) + "ab", errc::domain_too_long},
      {"b\u00fccher.de", errc::non_ascii_address},
      {"\xFF", errc::non_ascii_address},
  };
  for (const auto& [name, error] : cases) {
    const auto kind = parse_domain(name);
    ASSERT_FALSE(kind) << name;
    EXPECT_EQ(kind.error(), error) << name << ": " << text_of(kind.error());
    EXPECT_FALSE(valid_domain(name)) << name;
    EXPECT_FALSE(valid_helo_name(name)) << name;
  }
}

// --- Literals: RFC 5321 §4.1.3 ---

struct literal_case {
  std::string_view text;
  domain_kind kind;
  std::string_view canonical;
};

TEST(literal, accepted) {
  const auto v4 = domain_kind::ipv4_literal;
  const auto v6 = domain_kind::ipv6_literal;
  const literal_case cases[] = {
      {"[0.0.0.0]", v4, "[0.0.0.0]"},
      {"[123.255.37.2]", v4, "[123.255.37.2]"},
      {"[255.255.255.255]", v4, "[255.255.255.255]"},
      {"[001.02.3.004]", v4, "[1.2.3.4]"},
      // IPv6-full
      {"[IPv6:1:2:3:4:5:6:7:8]", v6, "[IPv6:1:2:3:4:5:6:7:8]"},
      {"[ipv6:FEDC:BA98:7654:3210:FEDC:BA98:7654:3210]", v6,
       "[IPv6:fedc:ba98:7654:3210:fedc:ba98:7654:3210]"},
      {"[IPv6:0001:0:0:0:0:0:0:0]", v6, "[IPv6:1::]"},
      {"[IPv6:0:0:0:0:0:0:0:0]", v6, "[IPv6:::]"},
      // IPv6-comp, with up to six groups beside the "::"
      {"[IPv6:::]", v6, "[IPv6:::]"},
      {"[IPv6:::1]", v6, "[IPv6:::1]"},
      {"[IPv6:1::]", v6, "[IPv6:1::]"},
      {"[IPv6:1::2]", v6, "[IPv6:1::2]"},
      {"[IPv6:1:2:3:4:5:6::]", v6, "[IPv6:1:2:3:4:5:6::]"},
      {"[IPv6:::1:2:3:4:5:6]", v6, "[IPv6:::1:2:3:4:5:6]"},
      {"[IPv6:1:2:3::4:5:6]", v6, "[IPv6:1:2:3::4:5:6]"},
      {"[IPv6:2001:DB8::FF00:42:8329]", v6, "[IPv6:2001:db8::ff00:42:8329]"},
      // IPv6v4-full and IPv6v4-comp
      {"[IPv6:1:2:3:4:5:6:1.2.3.4]", v6, "[IPv6:1:2:3:4:5:6:102:304]"},
      {"[IPv6:::1.2.3.4]", v6, "[IPv6:::102:304]"},
      {"[IPv6:::ffff:1.2.3.4]", v6, "[IPv6:::ffff:1.2.3.4]"},
      {"[IPv6:::FFFF:0102:0304]", v6, "[IPv6:::ffff:1.2.3.4]"},
      {"[IPv6:0:0:0:0:0:ffff:255.255.255.255]", v6, "[IPv6:::ffff:255.255.255.255]"},
      {"[IPv6:1:2:3:4::1.2.3.4]", v6, "[IPv6:1:2:3:4::102:304]"},
      {"[IPv6:1::2:3:4:1.2.3.4]", v6, "[IPv6:1::2:3:4:102:304]"},
      {"[IPv6:::1:2:3:4:1.2.3.4]", v6, "[IPv6:::1:2:3:4:102:304]"},
      // RFC 5952 §4.2: the longest run, the first of equal ones, never a single group
      {"[IPv6:1:0:0:2:0:0:0:3]", v6, "[IPv6:1:0:0:2::3]"},
      {"[IPv6:1:0:0:2:3:0:0:4]", v6, "[IPv6:1::2:3:0:0:4]"},
      {"[IPv6:1:0:2:3:4:5:6:7]", v6, "[IPv6:1:0:2:3:4:5:6:7]"},
      {"[IPv6:0:0:1:2:3:4:5:6]", v6, "[IPv6:::1:2:3:4:5:6]"},
  };
  for (const auto& c : cases) {
    const auto literal = parse_domain_literal(c.text);
    ASSERT_TRUE(literal) << c.text;
    EXPECT_EQ(literal->kind, c.kind) << c.text;
    EXPECT_EQ(to_text(*literal), c.canonical);
    EXPECT_EQ(canonical_domain(c.text), c.canonical);
    EXPECT_EQ(canonical_domain(c.canonical), c.canonical);
    EXPECT_TRUE(parse_domain_literal(c.canonical)) << c.canonical;
    const auto kind = parse_domain(c.text);
    ASSERT_TRUE(kind) << c.text;
    EXPECT_EQ(*kind, c.kind);
    EXPECT_FALSE(valid_domain(c.text));
    EXPECT_TRUE(valid_helo_name(c.text));
  }
}

TEST(literal, refused) {
  for (const std::string_view text : {"",
                                      "[",
                                      "]",
                                      "[]",
                                      "1.2.3.4",
                                      "[1.2.3.4",
                                      "1.2.3.4]",
                                      "[1.2.3]",
                                      "[1.2.3.4.5]",
                                      "[1.2.3.]",
                                      "[.1.2.3]",
                                      "[1..2.3]",
                                      "[1.2.3.256]",
                                      "[1.2.3.1000]",
                                      "[0001.2.3.4]",
                                      "[1.2.3.4 ]",
                                      "[ 1.2.3.4]",
                                      "[1.2.3.-4]",
                                      "[+1.2.3.4]",
                                      "[1.2.3.4]a",
                                      "a[1.2.3.4]",
                                      "[[1.2.3.4]]",
                                      "[1.2.3.0x4]",
                                      "[\xD9\xA1.2.3.4]",
                                      "[IPv6]",
                                      "[IPv6:]",
                                      "[IPv6::]",
                                      "[IPv6:1]",
                                      "[IPv6:1:2:3:4:5:6:7]",
                                      "[IPv6:1:2:3:4:5:6:7:8:9]",
                                      "[IPv6:1:2:3:4:5:6:7:8:]",
                                      "[IPv6::1:2:3:4:5:6:7:8]",
                                      "[IPv6::1]",
                                      "[IPv6:1::2::3]",
                                      "[IPv6::::]",
                                      "[IPv6:1:::2]",
                                      "[IPv6:1::2:]",
                                      "[IPv6:::1:]",
                                      "[IPv6:1:2:3:4:5:6:7::]",
                                      "[IPv6:::1:2:3:4:5:6:7]",
                                      "[IPv6:1:2:3:4::5:6:7]",
                                      "[IPv6:12345::]",
                                      "[IPv6:00001::]",
                                      "[IPv6:g::]",
                                      "[IPv6:0x1::]",
                                      "[IPv6:-1::]",
                                      "[IPv6:+1::]",
                                      "[IPv6: ::1]",
                                      "[IPv6:::1%eth0]",
                                      "[IPv6:fe80::1/64]",
                                      "[IPv6:1.2.3.4]",
                                      "[IPv6:1:1.2.3.4]",
                                      "[IPv6:1:2:3:4:5:1.2.3.4]",
                                      "[IPv6:1:2:3:4:5:6:7:1.2.3.4]",
                                      "[IPv6:1:2:3:4:5::1.2.3.4]",
                                      "[IPv6:::1:2:3:4:5:1.2.3.4]",
                                      "[IPv6:::1.2.3]",
                                      "[IPv6:::1.2.3.256]",
                                      "[IPv6:::1.2.3.4:5]",
                                      "[IPv6:::1.2.3.4.5]",
                                      "[IPv6:::1.2.3.4::]",
                                      "[::1]",
                                      "[2001:db8::1]",
                                      "[IPv4:1.2.3.4]",
                                      "[tag:content]"}) {
    const auto literal = parse_domain_literal(text);
    ASSERT_FALSE(literal) << text;
    EXPECT_EQ(literal.error(), errc::bad_address_literal);
    EXPECT_FALSE(text.starts_with('[') && parse_domain(text)) << text;
  }
}

TEST(literal, is_an_ip_address) {
  const auto v4 = parse_domain_literal("[192.0.2.001]");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->address, *parse_ip_address("192.0.2.1"));
  const auto v6 = parse_domain_literal("[IPv6:2001:db8::1.2.3.4]");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->address, *parse_ip_address("2001:db8::102:304"));
}

// General-address-literal, only where the options ask for it.
TEST(literal, general) {
  const auto literal = parse_domain_literal("[X400:c=US;a=x]", literal_tags::any);
  ASSERT_TRUE(literal);
  EXPECT_EQ(literal->kind, domain_kind::general_literal);
  EXPECT_EQ(literal->tag, "X400");
  EXPECT_EQ(literal->content, "c=US;a=x");
  EXPECT_EQ(to_text(*literal), "[x400:c=US;a=x]");
  EXPECT_EQ(canonical_domain("[X400:c=US;a=x]"), "[x400:c=US;a=x]");
  EXPECT_EQ(parse_domain_literal("[-t:!~]", literal_tags::any)->tag, "-t");
  EXPECT_TRUE(parse_domain("[t:^_`]", {.tags = literal_tags::any}));
  for (const std::string_view text :
       {"[x:]", "[:x]", "[x]", "[x-:y]", "[x_y:z]", "[x y:z]", "[x:y z]", "[x:[y]", "[x:y\\]",
        "[x:\x7F]", "[IPv6:zzz]", "[ipv6:1]"}) {
    EXPECT_FALSE(parse_domain_literal(text, literal_tags::any)) << text;
  }
}

// --- Comparing ---

TEST(domain, canonical) {
  EXPECT_EQ(canonical_domain(""), "");
  EXPECT_EQ(canonical_domain("Mail.EXAMPLE.Com"), "mail.example.com");
  EXPECT_EQ(canonical_domain("B\u00dcCHER.DE"), "xn--bcher-kva.de");
  EXPECT_EQ(canonical_domain("XN--BCHER-KVA.DE"), "xn--bcher-kva.de");
  EXPECT_EQ(canonical_domain("[Not a Literal]"), "[not a literal]");
  EXPECT_EQ(canonical_domain("A\xFF"), "a\xFF");
}

TEST(domain, lower_case_is_of_ascii_only) {
  EXPECT_EQ(to_lower_ascii("AZaz09[@`{\xC3\x84"), "azaz09[@`{\xC3\x84");
}

TEST(domain, below_another) {
  EXPECT_TRUE(is_subdomain_of("example.com", "example.com"));
  EXPECT_TRUE(is_subdomain_of("mail.example.com", "example.com"));
  EXPECT_TRUE(is_subdomain_of("A.Mail.EXAMPLE.com", "example.COM"));
  EXPECT_FALSE(is_subdomain_of("badexample.com", "example.com"));
  EXPECT_FALSE(is_subdomain_of("example.com", "mail.example.com"));
  EXPECT_FALSE(is_subdomain_of("example.com.evil.test", "example.com"));
  EXPECT_FALSE(is_subdomain_of(".example.com", "example.com"));
  EXPECT_FALSE(is_subdomain_of("example.com", ""));
  EXPECT_FALSE(is_subdomain_of("", ""));
  EXPECT_FALSE(is_subdomain_of("", "com"));
}

// --- Internationalised names ---

TEST(idn, to_a_labels) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"example.COM", "example.com"},
      {"b\u00fccher.de", "xn--bcher-kva.de"},
      {"B\u00dcCHER.De", "xn--bcher-kva.de"},
      {"bu\u0308cher.de", "xn--bcher-kva.de"},
      {"fa\u00df.de", "xn--fa-hia.de"},  // non-transitional
      {"FA\u1e9e.DE", "xn--fa-hia.de"},  // and so in upper case
      {"\u03b2\u03cc\u03bb\u03bf\u03c2.com", "xn--nxasmm1c.com"},
      {"\u4f8b\u5b50.\u5e7f\u544a", "xn--fsqu00a.xn--4rr70v"},
      {"\u4f8b\u3002a", "xn--fsq.a"},  // UTS 46 maps the ideographic full stop
      {"\uff41\uff22.com", "ab.com"},  // and the width
      {"xn--bcher-kva.b\u00fc", "xn--bcher-kva.xn--b-eha"},
      {"XN--A", "xn--a"},  // ASCII stays as it is
  };
  for (const auto& [name, expected] : cases) {
    const auto found = to_a_labels(name);
    ASSERT_TRUE(found) << name << ": " << text_of(found.error());
    EXPECT_EQ(*found, expected);
  }
}

TEST(idn, refused) {
  const std::pair<std::string, errc> cases[] = {
      {"", errc::missing_domain},
      {"a_b", errc::bad_domain},
      {"a.", errc::bad_domain},
      {"a b", errc::bad_domain},
      {std::string(64, 'a'), errc::domain_too_long},
      {"\u00fc_", errc::bad_idn},
      {"\u00fc.", errc::bad_idn},
      {"\u00fc b", errc::bad_idn},
      {".\u00fc", errc::bad_idn},
      {"-\u00fc", errc::bad_idn},
      {"\u00fc-", errc::bad_idn},
      {"\u2665.net", errc::bad_idn},    // IDNA 2008: DISALLOWED
      {"\u0627a", errc::bad_idn},       // Bidi rule
      {"\u200da", errc::bad_idn},       // CONTEXTJ
      {"\u0300a", errc::bad_idn},       // leading combining mark
      {"\u0378", errc::bad_idn},        // unassigned
      {"a\u2a74b", errc::bad_idn},      // would be "a::=b"
      {"a\u00a0b", errc::bad_idn},      // would be "a b"
      {"\u00ad", errc::bad_idn},        // would be nothing
      {"xn--a.\u00fc", errc::bad_idn},  // an A-label that is none
      {std::string("\u00fc\0.de", 6), errc::bad_idn},
      {"\u00fc\xFF", errc::bad_utf8},
      {"\xC3", errc::bad_utf8},
      {repeated("\u00fc", 64), errc::bad_idn},  // the A-label has more than 63 octets
      {repeated("\u00fc.", 300) + "a", errc::bad_idn},
      {repeated("\u00fc", 1000), errc::domain_too_long},
  };
  for (const auto& [name, error] : cases) {
    const auto found = to_a_labels(name);
    ASSERT_FALSE(found) << name << " -> " << *found;
    EXPECT_EQ(found.error(), error) << name << ": " << text_of(found.error());
  }
}

TEST(idn, u_labels_need_smtputf8) {
  for (const std::string_view name :
       {"b\u00fccher.de", "\u4f8b\u5b50.\u5e7f\u544a", "B\u00dc.de"}) {
    EXPECT_TRUE(valid_domain(name, utf8_policy::smtputf8)) << name;
    EXPECT_FALSE(valid_domain(name)) << name;
    EXPECT_FALSE(valid_helo_name(name)) << name;  // RFC 6531 §3.7.1: A-labels there
  }
}

// --- The vectors of others ---

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// RFC 5321 Domain once more, by hand.
bool is_mail_domain(const std::string& name) {
  if (name.empty() || name.size() > 255) return false;
  std::string label;
  for (const char c : name + ".") {
    if (c != '.') {
      label += c;
      if (!is_letter_or_digit(c) && c != '-') return false;
      continue;
    }
    if (label.empty() || label.size() > 63) return false;
    if (!is_letter_or_digit(label.front()) || !is_letter_or_digit(label.back())) return false;
    label.clear();
  }
  return true;
}

struct vector_counts {
  int same = 0;          // accepted with the same A-labels
  int refused = 0;       // refused by both
  int not_for_mail = 0;  // right in a URL, but not RFC 5321's Domain: refused here
  int disallowed = 0;    // UTS 46 allows it, IDNA 2008 does not: refused here
  int url_standard_only = 0;
};

// The vectors follow the URL standard, which allows more than mail: empty labels, hyphens anywhere,
// any ASCII, symbols. Where we accept, the answer must be theirs; what they refuse, we refuse.
vector_counts compare_vectors(const tests::json& vectors) {
  vector_counts counts;
  for (const auto& v : vectors.array()) {
    if (!v.is_object()) continue;  // a remark
    const std::string& input = v["input"].string();
    const auto found = to_a_labels(input);
    if (v.boolean_or("urlStandardOnly", false)) {
      ++counts.url_standard_only;
      EXPECT_FALSE(found) << input;
    } else if (v["output"].is_null()) {
      ++counts.refused;
      // A name of ASCII octets is not for IDNA to judge: RFC 5890 §2.3.1 calls it a fake A-label.
      EXPECT_TRUE(!found || is_ascii(input)) << input << " -> " << *found;
    } else if (!is_mail_domain(v["output"].string())) {
      ++counts.not_for_mail;
      EXPECT_FALSE(found) << input << " -> " << *found;
    } else if (!found) {
      ++counts.disallowed;
      EXPECT_EQ(found.error(), errc::bad_idn) << input;
      EXPECT_FALSE(is_ascii(input)) << input;
    } else {
      ++counts.same;
      EXPECT_EQ(*found, v["output"].string()) << input;
    }
  }
  return counts;
}

void print(const char* name, const vector_counts& c) {
  std::cout << name << ": " << c.same << " the same, " << c.refused << " refused by both, "
            << c.not_for_mail << " no domains of mail, " << c.disallowed
            << " not allowed by IDNA 2008, " << c.url_standard_only << " for URLs only\n";
}

TEST(vectors, toascii) {
  GATEPOST_REQUIRE_SHARED(path, "idna/toascii.json");
  const auto counts = compare_vectors(tests::parse_json(tests::read_file(path)));
  print("toascii.json", counts);
  EXPECT_GE(counts.same, 30);
  // Symbols, reserved hyphens, and four characters that later versions of Unicode judge otherwise.
  EXPECT_LE(counts.disallowed, 18);
}

TEST(vectors, unicode_conformance) {
  GATEPOST_REQUIRE_SHARED(path, "idna/IdnaTestV2-half.json");
  const auto counts = compare_vectors(tests::parse_json(tests::read_file(path)));
  print("IdnaTestV2-half.json", counts);
  EXPECT_GE(counts.same, 300);
  EXPECT_LE(counts.disallowed, 120);
}

}  // namespace
}  // namespace gatepost::smtp
