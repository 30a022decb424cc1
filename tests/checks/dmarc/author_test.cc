// This header stands alone.
#include "checks/dmarc/author.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatepost::checks::dmarc {
namespace {

using names = std::vector<std::string>;

TEST(Author, OneDomain) {
  for (const char* from : {
           "a@example.com",
           " a@example.com\r\n",
           "<a@example.com>",
           "A Name <a@Example.COM>",
           "\"b@evil.example\" <a@example.com>",
           "\"quoted \\\" <b@evil.example>\" <a@example.com>",
           "(b@evil.example) a@example.com (comment (nested \\) ))",
           "A (c) Name (d) < a (x) @ (y) example . com >",
           "a @ example.com",
           "\"a@b\"@example.com",
           "\"a b\" <\"x>y\"@example.com>",
           "<@one.example,@two.example:a@example.com>",
           "a@example.com, b@example.com",
           "a@example.com, \"B\" <b@EXAMPLE.com>",
           "Team: a@example.com, b@example.com;",
           "=?utf-8?q?b=40evil.example?= <a@example.com>",
           "A\r\n Name\r\n <a@example.com>",
           ",a@example.com,,",
           "J. Doe <a@example.com>",
           "nobody, a@example.com",
           "Doe, John <a@example.com>",
           "a@example.com <a@example.com>",
           "<a(<b@evil.example>)@example.com>",
           "b@EXAMPLE.com (c) <a@example.com>",
       }) {
    const authors found = read_authors(from);
    EXPECT_EQ(found.domains, names{"example.com"}) << from;
    EXPECT_TRUE(found.single()) << from;
  }
  EXPECT_EQ(read_authors("a@b\xc3\xbc"
                         "cher.example")
                .domains,
            names{"xn--bcher-kva.example"});
  EXPECT_EQ(read_authors("\xe4\xbd\xa0\xe5\xa5\xbd@example.com").domains, names{"example.com"});
}

// RFC 9989 §11.5: nothing that hides a second author is taken for a single one.
TEST(Author, NotSingle) {
  struct {
    const char* from;
    names domains;
  } const cases[] = {
      {"", {}},
      {"  \r\n", {}},
      {"nobody", {}},
      {"A Name", {}},
      {"<>", {}},
      {"Undisclosed:;", {}},
      {"a@example.com, b@example.net", {"example.com", "example.net"}},
      {"a@example.com b@example.net", {"example.com", "example.net"}},
      {"A Name a@example.com", {"example.com"}},
      {"a@example.com (c) and more", {"example.com"}},
      {"<a@example.com and more>", {"example.com"}},
      {"<a@example.com> <b@example.net>", {"example.com", "example.net"}},
      {"<a@example.com><b@example.net>", {"example.com", "example.net"}},
      {"b@example.net <a@example.com>", {"example.com"}},
      {"a@example.com b@example.net <a@example.com>", {"example.com"}},
      {"a@example.com <nobody>", {"example.com"}},
      {"a@example.com <>", {"example.com"}},
      {"a@example.com: a@example.com;", {"example.com"}},
      {"Doe, John <a@example.com>, b@example.net", {"example.com", "example.net"}},
      {"<a@example.com> b@example.net", {"example.com", "example.net"}},
      {"a@example.com; b@example.net", {"example.com", "example.net"}},
      {"One: a@example.com; , Two: b@example.net;", {"example.com", "example.net"}},
      {"a@example.com@example.net", {"example.com", "example.net"}},
      {"a@[192.0.2.1]", {}},
      {"a@", {}},
      {"@example.com", {"example.com"}},
      {"a@exa mple.com", {"exa"}},
      {"a@example..com", {}},
      {"(never closed a@example.com", {"example.com"}},
      {"\"never closed <a@example.com>", {"example.com"}},
      {"<a@example.com", {"example.com"}},
      {"a@\xff.example", {}},
      // Nothing that cannot be in an address makes one domain of two words.
      {"ceo@bank.example(.evil.test", {"bank.example"}},
      {"ceo@bank.example\".evil.test", {"bank.example"}},
      {"ceo@bank.example\"x\".evil.test", {"bank.example"}},
      {"ceo@bank.example(x)evil.test", {"bank.example"}},
      {"ceo@bank.example> .evil.test", {"bank.example"}},
      {"<ceo@bank.example\\.evil.test>", {"bank.example"}},
      {"<ceo@bank.example(.evil.test>", {"bank.example"}},
      {"<(ceo@bank.example>", {"bank.example"}},
      // What cannot be read as a whole is shown all the same, and is an author beside others.
      {"ceo@bank.example>", {"bank.example"}},
      {"ceo@bank.example:;", {"bank.example"}},
      {"<ceo@bank.example)>", {"bank.example"}},
      {"<a@b.example:ceo@bank.example>", {"b.example", "bank.example"}},
      {"ceo@bank.example\xff", {"bank.example"}},
      {"ceo@bank.example>, a@evil.test", {"bank.example", "evil.test"}},
      {"a@evil.test, ceo@bank.example@", {"evil.test", "bank.example"}},
      {"CEO <ceo@bank.example\\>, a@evil.test", {"bank.example", "evil.test"}},
      {"ceo@bank.example: a@evil.test;", {"bank.example", "evil.test"}},
      {"ceo@bank.example..x, a@evil.test", {"bank.example", "evil.test"}},
      // Comments hold brackets, routes nothing but domains, and quotes do not stand behind a '@'.
      {"<ceo(<a@evil.test>)@bank.example>, b@evil.test", {"bank.example", "evil.test"}},
      {"<ceo(>)@bank.example>, a@evil.test", {"bank.example", "evil.test"}},
      {"<@evil.test:ceo@bank.example:a@evil.test>", {"bank.example", "evil.test"}},
      {"<@evil.test,ceo@bank.example:a@evil.test>", {"evil.test", "bank.example"}},
      {"<a@evil.test\"> <ceo@bank.example>", {"evil.test", "bank.example"}},
      {"ceo@bank.example (<a@evil.test>", {"evil.test", "bank.example"}},
      // No domain that appears nowhere.
      {"ceo@ba\x01nk.example", {}},
      {"ceo@bank..example", {}},
      {"a@evil.test\x01.bank.example", {}},
      {"=?utf-8?q?ceo=40bank.example=00?=@evil.test", {"evil.test"}},
  };
  for (const auto& c : cases) {
    const authors found = read_authors(c.from);
    EXPECT_EQ(found.domains, c.domains) << c.from;
    EXPECT_FALSE(found.single()) << c.from;
    EXPECT_EQ(found.has_one_domain(), c.domains.size() == 1) << c.from;
  }
}

TEST(Author, Fields) {
  const auto header = [](const std::string& text) {
    const auto read = smtp::read_header(text);
    return read_authors(read->fields);
  };
  EXPECT_TRUE(header("To: x@y.example\r\nFROM : a@example.com\r\n\r\n").single());
  EXPECT_EQ(header("To: x@y.example\r\n\r\n").fields, 0u);
  EXPECT_FALSE(header("To: x@y.example\r\n\r\n").single());
  // Even of one domain: which of them is shown, nobody knows (RFC 5322 §3.6).
  const authors twice = header("From: a@example.com\r\nfrom: b@example.com\r\n\r\n");
  EXPECT_EQ(twice.fields, 2u);
  EXPECT_EQ(twice.domains, names{"example.com"});
  EXPECT_FALSE(twice.single());
  EXPECT_TRUE(twice.has_one_domain());
}

TEST(Author, NotMoreThanTheLimit) {
  std::string many;
  for (std::size_t i = 0; i < max_authors; ++i) many += "a@example.com,";
  EXPECT_TRUE(read_authors(many).single());
  many += "a@example.com";
  EXPECT_FALSE(read_authors(many).single());
  EXPECT_EQ(read_authors(many).mailboxes, max_authors);
  // The one that is shown may be among those that were left out.
  EXPECT_FALSE(read_authors(many).has_one_domain());
}

// A field may be as long as a header may: none of these takes more than a moment.
TEST(Author, LongFields) {
  constexpr std::size_t octets = 1 << 20;
  const auto repeated = [](const std::string& text) {
    std::string all;
    while (all.size() < octets) all += text;
    return all;
  };
  for (const std::string text :
       {"(", "\"\\", "\\\"", "<", "()", "a@x ", "<a@x", "a@", "a.", ":", ">@"}) {
    const authors found = read_authors(repeated(text));
    EXPECT_LE(found.domains.size(), 1u) << text;
    EXPECT_FALSE(found.single()) << text;
  }
  std::string all;
  for (int i = 0; all.size() < octets; ++i) all += "a@x" + std::to_string(i) + " ";
  EXPECT_EQ(read_authors(all).domains.size(), max_authors);
}

}  // namespace
}  // namespace gatepost::checks::dmarc
