// This header stands alone.
#include "checks/dmarc/tree_walk.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace gatepost::checks::dmarc {
namespace {

TEST(TreeWalk, CanonicalNames) {
  EXPECT_EQ(canonical_name("Mail.Example.COM"), "mail.example.com");
  EXPECT_EQ(canonical_name("example.com."), "example.com");
  EXPECT_EQ(canonical_name("_x._domainkey.example"), "_x._domainkey.example");
  EXPECT_EQ(canonical_name("B\xc3\x9c"
                           "cher.example"),
            "xn--bcher-kva.example");
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".com"), std::string("a..b"),
        std::string("a b.example"), std::string("a\0b", 3), std::string("\xff.example"),
        std::string(64, 'a') + ".example", std::string(254, 'a')})
    EXPECT_FALSE(canonical_name(bad)) << bad;
}

TEST(TreeWalk, Labels) {
  EXPECT_EQ(count_labels(""), 0u);
  EXPECT_EQ(count_labels("com"), 1u);
  EXPECT_EQ(count_labels("a.b.c"), 3u);
  EXPECT_EQ(last_labels("a.b.c", 2), "b.c");
  EXPECT_EQ(last_labels("a.b.c", 3), "a.b.c");
  EXPECT_EQ(last_labels("a.b.c", 9), "a.b.c");
  EXPECT_EQ(policy_name("example.com"), "_dmarc.example.com");
  EXPECT_FALSE(policy_name(std::string(247, 'a')));
}

using names = std::vector<std::string_view>;

// RFC 9989 §4.10
TEST(TreeWalk, AsksAtMostEightTimes) {
  EXPECT_EQ(tree_walk("a.b.c.d.e.f.g.h.i.j.mail.example.com"),
            (names{"a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com",
                   "h.i.j.mail.example.com", "i.j.mail.example.com", "j.mail.example.com",
                   "mail.example.com", "example.com", "com"}));
  EXPECT_EQ(tree_walk("a.mail.example.com"),
            (names{"a.mail.example.com", "mail.example.com", "example.com", "com"}));
  EXPECT_EQ(tree_walk("1.2.3.4.5.6.7.8").size(), 8u);
  EXPECT_EQ(tree_walk("1.2.3.4.5.6.7.8")[1], "2.3.4.5.6.7.8");
  EXPECT_EQ(tree_walk("0.1.2.3.4.5.6.7.8")[1], "2.3.4.5.6.7.8");
  EXPECT_EQ(tree_walk("0.1.2.3.4.5.6.7.8").size(), 8u);
  EXPECT_EQ(tree_walk("com"), names{"com"});
  EXPECT_EQ(tree_walk(""), names{});
}

// Walks over records that lie in a map.
struct outcome {
  std::string organization;
  std::string policy;
};

outcome walk_over(const std::map<std::string, std::string>& published, std::string_view start) {
  std::vector<record> records;
  records.reserve(max_tree_walk_queries);
  std::vector<walk_find> found;
  for (const auto name : tree_walk(start)) {
    const auto text = published.find(std::string(name));
    if (text == published.end()) continue;
    records.push_back(*parse_record(text->second));
    found.push_back({name, &records.back()});
    if (ends_walk(records.back())) break;
  }
  const walk_find* above = policy_above(start, found);
  return {std::string(organizational_domain(start, found)),
          above == nullptr ? "" : std::string(above->domain)};
}

TEST(TreeWalk, OrganizationalDomains) {
  const std::string plain = "v=DMARC1; p=none";
  const std::string yes = "v=DMARC1; p=reject; psd=y";
  const std::string no = "v=DMARC1; p=reject; psd=n";
  struct {
    const char* what;
    std::map<std::string, std::string> published;
    const char* start;
    const char* organization;
    const char* policy;
  } const cases[] = {
      {"RFC 9989 §4.10.2, first example",
       {{"mail.example.com", plain}, {"example.com", plain}},
       "a.mail.example.com",
       "example.com",
       "example.com"},
      {"second example",
       {{"mail.example.com", no}, {"example.com", plain}},
       "a.mail.example.com",
       "mail.example.com",
       "mail.example.com"},
      {"last example", {{"com", yes}}, "a.mail.example.com", "example.com", "com"},
      {"App. B.4.1, author", {{"example.com", plain}}, "example.com", "example.com", "example.com"},
      {"App. B.4.1, DKIM",
       {{"example.com", plain}, {"signing.example.com", plain}},
       "signing.example.com",
       "example.com",
       "example.com"},
      {"App. B.4.2",
       {{"example.com", plain}, {"signing.example.com", plain}},
       "a.b.c.d.e.f.g.h.i.j.k.example.com",
       "example.com",
       "example.com"},
      {"App. B.4.3, author",
       {{"bank.example", yes}, {"giant.bank.example", plain}},
       "giant.bank.example",
       "giant.bank.example",
       "giant.bank.example"},
      {"App. B.4.3, MAIL FROM",
       {{"bank.example", yes}, {"giant.bank.example", plain}},
       "mail.giant.bank.example",
       "giant.bank.example",
       "giant.bank.example"},
      {"App. B.4.3, DKIM",
       {{"bank.example", yes}, {"giant.bank.example", plain}},
       "mail.mega.bank.example",
       "mega.bank.example",
       "bank.example"},
      {"the suffix itself",
       {{"bank.example", yes}},
       "bank.example",
       "bank.example",
       "bank.example"},
      {"psd=n beyond what a long name asks for",
       {{"f.g.h.i.j.mail.example.com", no}, {"example.com", plain}},
       "a.b.c.d.e.f.g.h.i.j.mail.example.com",
       "example.com",
       "example.com"},
      {"none at all", {}, "a.example.com", "a.example.com", ""},
      {"between author and suffix, of no use to the author",
       {{"b.c.example", plain}, {"example", yes}},
       "a.b.c.example",
       "c.example",
       "example"},
  };
  for (const auto& c : cases) {
    const outcome o = walk_over(c.published, c.start);
    EXPECT_EQ(o.organization, c.organization) << c.what;
    EXPECT_EQ(o.policy, c.policy) << c.what;
  }
}

}  // namespace
}  // namespace gatepost::checks::dmarc
