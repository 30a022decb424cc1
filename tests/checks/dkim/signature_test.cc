// This header stands alone.
#include "checks/dkim/signature.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatepost::checks::dkim {
namespace {

const std::string good =
    "v=1; a=rsa-sha256; d=example.test; s=sel; h=from:to; "
    "bh=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=; b=QUJD";

// `good` with a tag's value replaced, or added; "" takes the tag out.
std::string with(const std::string& name, const std::string& value) {
  const std::string list = "; " + good + ";";
  const auto at = list.find("; " + name + "=");
  std::string out = list;
  if (at != list.npos) out.erase(at, list.find(';', at + 1) - at);
  if (!value.empty()) out += " " + name + "=" + value + ";";
  return out.substr(2);
}

parsed<signature> dkim_signature(const std::string& text) {
  return parse_signature(text, signature_kind::dkim);
}

TEST(DkimSignature, ReadsAllTags) {
  const auto s = dkim_signature(
      "v=1; a=ed25519-sha256; b= QUJD \r\n REVG; bh=QUJD;c=relaxed/simple; d=Example.TEST;"
      " h=From : to:SUBJECT; i=joe=20x@sub.example.test; l=42; q=dns/txt; s=Sel.a; t=100; x=200; "
      "z=From:x|To:y");
  ASSERT_TRUE(s) << s.problem();
  EXPECT_EQ(s->algorithm, algorithm::ed25519_sha256);
  EXPECT_EQ(s->b, "ABCDEF");
  EXPECT_EQ(s->b64, "QUJDREVG");
  EXPECT_EQ(s->bh, "ABC");
  EXPECT_EQ(s->header, canonicalization::relaxed);
  EXPECT_EQ(s->body, canonicalization::simple);
  EXPECT_EQ(s->domain, "example.test");
  EXPECT_EQ(s->key_name(), "sel.a._domainkey.example.test");
  EXPECT_EQ(s->names, (std::vector<std::string>{"From", "to", "SUBJECT"}));
  EXPECT_EQ(s->identity, "joe x@sub.example.test");
  EXPECT_EQ(s->identity_domain, "sub.example.test");
  EXPECT_EQ(s->length, 42u);
  EXPECT_EQ(s->signed_at, 100u);
  EXPECT_EQ(s->expires_at, 200u);
}

TEST(DkimSignature, Defaults) {
  const auto s = dkim_signature(good);
  ASSERT_TRUE(s) << s.problem();
  EXPECT_EQ(s->header, canonicalization::simple);
  EXPECT_EQ(s->body, canonicalization::simple);
  EXPECT_EQ(s->identity, "@example.test");
  EXPECT_FALSE(s->length || s->signed_at || s->expires_at);
}

TEST(DkimSignature, WhatIsTaken) {
  struct {
    const char* name;
    const char* value;
  } const cases[] = {
      {"c", "relaxed"},
      {"c", "simple/relaxed"},
      {"q", "dns/txt"},
      {"q", "x : dns/txt"},
      {"i", "@example.test"},
      {"i", "@a.b.example.test"},
      {"i", "\"a@b\"@EXAMPLE.test"},
      {"s", "a_b.c-d"},
      {"s", "2026"},
      {"l", "0"},
      {"x", "99999999999999999999"},
      {"h", "FROM"},
      {"h", " from\r\n : x-y "},
      {"unknown", "x"},
      {"t", "1"},
      {"d", "xn--bcher-kva.example"},
      {"d",
       "b\xc3\xbc"
       "cher.example"},
      {"a", "rsa-sha1"},
  };
  for (const auto& c : cases) {
    const auto s = dkim_signature(with(c.name, c.value));
    EXPECT_TRUE(s) << c.name << "=" << c.value << ": " << s.problem();
  }
  EXPECT_EQ(dkim_signature(with("d",
                                "b\xc3\xbc"
                                "cher.example"))
                ->domain,
            "xn--bcher-kva.example");
  EXPECT_EQ(dkim_signature(with("c", "relaxed"))->body, canonicalization::simple);
}

TEST(DkimSignature, WhatIsRefused) {
  struct {
    const char* name;
    const char* value;  // "": the tag is missing
  } const cases[] = {
      {"v", ""},
      {"v", "2"},
      {"v", "1.0"},
      {"a", ""},
      {"a", "rsa"},
      {"a", "rsa-sha512"},
      {"a", "RSA-SHA256"},
      {"b", ""},
      {"b", "*"},
      {"bh", ""},
      {"bh", "*"},
      {"c", "relaxed/"},
      {"c", "nofws"},
      {"c", "relaxed/simple/simple"},
      {"d", ""},
      {"d", "test"},
      {"d", "a..test"},
      {"d", ".example.test"},
      {"d", "exa mple.test"},
      {"d", "***"},
      {"s", ""},
      {"s", "a..b"},
      {"s", "-a"},
      {"h", ""},
      {"h", "to:subject"},
      {"h", "from::to"},
      {"h", "from:to:"},
      {"h", "fr om"},
      {"i", "example.test"},
      {"i", "@other.test"},
      {"i", "@test"},
      {"i", "@xexample.test"},
      {"l", "-1"},
      {"l", "x"},
      {"q", "http"},
      {"t", "x"},
      {"t", "-1"},
      {"t", "1234567890123"},
      {"x", "soon"},
  };
  for (const auto& c : cases)
    EXPECT_FALSE(dkim_signature(with(c.name, c.value))) << c.name << "=" << c.value;
  EXPECT_FALSE(dkim_signature(good + "; d=example.test"));  // given twice
  EXPECT_FALSE(dkim_signature(good + "; l="));
  EXPECT_FALSE(dkim_signature(good + "; t=200; x=200"));  // §3.5: x= is greater than t=
  EXPECT_FALSE(dkim_signature(good + "; c="));
  EXPECT_FALSE(dkim_signature(good.substr(0, good.rfind("b=") + 2)));  // b= is empty
  EXPECT_FALSE(dkim_signature(""));
}

TEST(DkimSignature, TooManyNames) {
  std::string names = "from";
  for (std::size_t i = 1; i < max_signed_fields; ++i) names += ":x";
  EXPECT_TRUE(dkim_signature(with("h", names)));
  EXPECT_FALSE(dkim_signature(with("h", names + ":x")));
}

// RFC 8617 §4.1.2, §4.1.3
TEST(DkimSignature, OfArc) {
  const std::string ams =
      "i=2; a=rsa-sha256; d=example.test; s=sel; h=subject::to; bh=QUJD; b=QUJD";
  const auto message = parse_signature(ams, signature_kind::arc_message);
  ASSERT_TRUE(message) << message.problem();
  EXPECT_EQ(message->instance, 2u);
  EXPECT_EQ(message->identity, "@example.test");
  EXPECT_FALSE(parse_signature(ams + ";v=1;i=3", signature_kind::arc_message));
  for (const char* i : {"0", "51", "x", "", "-1", "100"}) {
    const std::string text = "i=" + std::string(i) + ams.substr(3);
    EXPECT_FALSE(parse_signature(text, signature_kind::arc_message)) << i;
  }
  EXPECT_FALSE(
      parse_signature("i=1; a=rsa-sha256; d=example.test; s=sel; h=arc-seal; bh=QUJD; b=QUJD",
                      signature_kind::arc_message));

  const std::string as = "i=1; a=rsa-sha256; d=example.test; s=sel; t=1; b=QUJD; cv=";
  for (const char* cv : {"none", "pass", "fail"})
    EXPECT_EQ(parse_signature(as + cv, signature_kind::arc_seal)->cv, cv);
  EXPECT_EQ(parse_signature(as + "Pass", signature_kind::arc_seal)->cv, "pass");
  EXPECT_FALSE(parse_signature(as + "none; h=from", signature_kind::arc_seal));
  EXPECT_FALSE(parse_signature(ams, signature_kind::arc_seal));
}

TEST(DkimSignature, AnOutlineIsWhatCanBeTold) {
  const auto outline = outline_of("v=9; d=Example.test; s=sel");
  EXPECT_EQ(outline.domain, "example.test");
  EXPECT_EQ(outline.selector, "sel");
  EXPECT_EQ(outline_of("nonsense").domain, "");
}

}  // namespace
}  // namespace gatepost::checks::dkim
