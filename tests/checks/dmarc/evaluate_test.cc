// This header stands alone.
#include "checks/dmarc/evaluate.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "checks/dmarc/author.hpp"
#include "tests/support/json.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::checks::dmarc {
namespace {

using std::chrono::seconds;
using txt_answer = smtp::dns::answer<std::string>;

// A DNS in a map. A domain exists where anything at or below it does, or where it is named so.
struct zone {
  std::map<std::string, std::vector<std::string>> txt = {};
  std::set<std::string> exists = {};
  std::set<std::string> fails = {};  // any name that ends so
  std::vector<std::string> asked = {};

  bool failing(const std::string& name) const {
    for (const std::string& f : fails)
      if (name == f || name.ends_with("." + f)) return true;
    return false;
  }
  smtp::dns::status status(const std::string& name) const {
    if (failing(name)) return smtp::dns::status::temporary_failure;
    if (exists.contains(name)) return smtp::dns::status::no_data;
    for (const auto& [owner, records] : txt)
      if (owner == name || owner.ends_with("." + name)) return smtp::dns::status::no_data;
    return smtp::dns::status::no_such_name;
  }
  txt_answer ask(const std::string& name) const {
    if (failing(name)) return txt_answer::temporary_failure("timeout");
    const auto found = txt.find(name);
    if (found != txt.end()) return txt_answer::found(found->second, seconds(60));
    return status(name) == smtp::dns::status::no_data ? txt_answer::no_data(seconds(60))
                                                      : txt_answer::no_such_name(seconds(60));
  }
  void run(evaluator& e) {
    while (const auto q = e.next()) {
      asked.push_back(q->name);
      ASSERT_LT(asked.size(), 1000u);
      if (q->type == question::kind::txt)
        e.answer(ask(q->name));
      else
        e.answer(status(q->name));
    }
  }
  evaluation evaluate(const std::string& author, identifiers found,
                      evaluation_options options = {}) {
    asked.clear();
    evaluator e(author, options);
    run(e);
    e.judge(std::move(found));
    run(e);
    return e.outcome();
  }
};

identifiers spf(const std::string& domain, auth_result r = auth_result::pass) {
  identifiers found;
  found.spf = authenticated_spf{domain, r};
  return found;
}

identifiers dkim(const std::string& domain, auth_result r = auth_result::pass) {
  identifiers found;
  found.dkim.push_back({domain, "s", r});
  return found;
}

identifiers both(const std::string& spf_domain, auth_result spf_result,
                 const std::string& dkim_domain, auth_result dkim_result) {
  identifiers found = dkim(dkim_domain, dkim_result);
  found.spf = authenticated_spf{spf_domain, spf_result};
  return found;
}

TEST(Evaluate, TreeWalkExamplesOfAppendixB4) {
  zone simple{.txt = {{"_dmarc.example.com", {"v=DMARC1; p=reject"}},
                      {"_dmarc.signing.example.com", {"v=DMARC1; p=none"}}}};
  auto e = simple.evaluate("example.com", both("example.com", auth_result::pass,
                                               "signing.example.com", auth_result::pass));
  EXPECT_EQ(e.result, result::pass);
  EXPECT_EQ(e.spf, mechanism_result::pass);
  EXPECT_EQ(e.dkim, mechanism_result::pass);
  EXPECT_EQ(e.organizational_domain, "example.com");
  EXPECT_EQ(simple.asked, (std::vector<std::string>{"_dmarc.example.com", "_dmarc.com",
                                                    "_dmarc.signing.example.com"}));

  e = simple.evaluate(
      "a.b.c.d.e.f.g.h.i.j.k.example.com",
      both("example.com", auth_result::pass, "signing.example.com", auth_result::pass));
  EXPECT_EQ(e.result, result::pass);
  EXPECT_EQ(e.record_domain, "example.com");
  EXPECT_EQ(e.organizational_domain, "example.com");
  EXPECT_EQ(simple.asked,
            (std::vector<std::string>{"_dmarc.a.b.c.d.e.f.g.h.i.j.k.example.com",
                                      "_dmarc.g.h.i.j.k.example.com", "_dmarc.h.i.j.k.example.com",
                                      "_dmarc.i.j.k.example.com", "_dmarc.j.k.example.com",
                                      "_dmarc.k.example.com", "_dmarc.example.com", "_dmarc.com",
                                      "_dmarc.signing.example.com"}));

  zone bank{.txt = {{"_dmarc.bank.example", {"v=DMARC1; p=reject; psd=y"}},
                    {"_dmarc.giant.bank.example", {"v=DMARC1; p=quarantine"}}}};
  e = bank.evaluate("giant.bank.example", both("mail.giant.bank.example", auth_result::pass,
                                               "mail.mega.bank.example", auth_result::pass));
  EXPECT_EQ(e.result, result::pass);
  EXPECT_EQ(e.spf, mechanism_result::pass);
  EXPECT_EQ(e.dkim, mechanism_result::fail);
  EXPECT_EQ(e.record_domain, "giant.bank.example");
  EXPECT_EQ(e.policy, policy::quarantine);
  e = bank.evaluate("mail.mega.bank.example", spf("mega.bank.example"));
  EXPECT_EQ(e.result, result::pass);
  EXPECT_TRUE(e.psd_policy);
  EXPECT_EQ(e.record_domain, "bank.example");
  EXPECT_EQ(e.organizational_domain, "mega.bank.example");
}

TEST(Evaluate, WhichPolicyHolds) {
  const std::string three = "v=DMARC1; p=reject; sp=quarantine; np=none";
  struct {
    const char* what;
    const char* record;
    const char* author;
    bool exists;
    policy asked;
    policy_tag tag;
  } const cases[] = {
      {"the domain", three.c_str(), "example.org", true, policy::reject, policy_tag::p},
      {"below", three.c_str(), "sub.example.org", true, policy::quarantine, policy_tag::sp},
      {"nowhere", three.c_str(), "ghost.example.org", false, policy::none, policy_tag::np},
      {"no sp", "v=DMARC1; p=reject", "sub.example.org", true, policy::reject, policy_tag::p},
      {"no np", "v=DMARC1; p=reject; sp=none", "ghost.example.org", false, policy::none,
       policy_tag::sp},
      {"np alone", "v=DMARC1; p=none; np=reject", "ghost.example.org", false, policy::reject,
       policy_tag::np},
      {"np alone, exists", "v=DMARC1; p=none; np=reject", "sub.example.org", true, policy::none,
       policy_tag::p},
      {"no p", "v=DMARC1; sp=reject; rua=mailto:d@example.org", "sub.example.org", true,
       policy::reject, policy_tag::sp},
      {"reports only", "v=DMARC1; p=x; sp=reject; rua=mailto:d@example.org", "sub.example.org",
       true, policy::none, policy_tag::p},
      {"far above", "v=DMARC1; p=reject; np=quarantine", "a.b.c.d.e.f.g.h.i.j.example.org", false,
       policy::quarantine, policy_tag::np},
  };
  for (const auto& c : cases) {
    zone z{.txt = {{"_dmarc.example.org", {c.record}}}};
    if (c.exists) z.exists.insert(c.author);
    const auto e = z.evaluate(c.author, {});
    EXPECT_EQ(e.result, result::fail) << c.what;
    EXPECT_EQ(e.policy, c.asked) << c.what;
    EXPECT_EQ(e.disposition, c.asked) << c.what;
    EXPECT_EQ(e.tag, c.tag) << c.what;
    EXPECT_EQ(e.record_domain, "example.org") << c.what;
  }
}

// RFC 9989 §5.3.6
TEST(Evaluate, WhetherItExistsIsNotKnown) {
  struct {
    identifiers found;
    result expected;
  } const cases[] = {
      {{}, result::temperror},
      {spf("other.net"), result::temperror},
      {dkim("example.org"), result::pass},
  };
  zone z{.txt = {{"_dmarc.example.org", {"v=DMARC1; p=reject; sp=quarantine; np=none"}}}};
  for (const auto& c : cases) {
    evaluator e("ghost.example.org");
    while (const auto q = e.next()) {
      if (q->type == question::kind::existence)
        e.answer(smtp::dns::status::temporary_failure);
      else
        e.answer(z.ask(q->name));
    }
    EXPECT_EQ(e.outcome().policy, policy::quarantine);  // np wants NXDOMAIN
    e.judge(c.found);
    z.run(e);
    EXPECT_EQ(e.outcome().result, c.expected);
    EXPECT_EQ(e.outcome().reason.empty(), c.expected == result::pass);
    EXPECT_EQ(e.outcome().disposition, policy::none);
  }
}

TEST(Evaluate, TestMode) {
  zone z{.txt = {{"_dmarc.a.example", {"v=DMARC1; p=reject; t=y; pct=0"}},
                 {"_dmarc.b.example", {"v=DMARC1; p=quarantine; t=y"}},
                 {"_dmarc.c.example", {"v=DMARC1; p=none; t=y"}},
                 {"_dmarc.d.example", {"v=DMARC1; p=reject; pct=0"}}}};
  auto e = z.evaluate("a.example", {});
  EXPECT_EQ(e.policy, policy::reject);
  EXPECT_EQ(e.disposition, policy::quarantine);
  ASSERT_EQ(e.overrides.size(), 1u);
  EXPECT_EQ(e.overrides[0].type, override_type::policy_test_mode);
  EXPECT_EQ(z.evaluate("b.example", {}).disposition, policy::none);
  EXPECT_TRUE(z.evaluate("c.example", {}).overrides.empty());
  EXPECT_EQ(z.evaluate("d.example", {}).disposition, policy::reject);  // pct is historic
  e = z.evaluate("a.example", spf("a.example"));
  EXPECT_EQ(e.result, result::pass);
  EXPECT_EQ(e.disposition, policy::none);
  EXPECT_TRUE(e.overrides.empty());
}

// RFC 7489 §6.6.4
TEST(Evaluate, Sampling) {
  zone z{.txt = {{"_dmarc.a.example", {"v=DMARC1; p=reject; pct=25; t=y; np=none"}},
                 {"_dmarc.b.example", {"v=DMARC1; p=quarantine; pct=0"}}}};
  const auto at = [&](const char* author, unsigned sample) {
    return z.evaluate(author, {}, {.regime = regime::rfc7489, .sample = sample});
  };
  EXPECT_EQ(at("a.example", 24).disposition, policy::reject);
  EXPECT_TRUE(at("a.example", 24).overrides.empty());
  EXPECT_EQ(at("a.example", 25).disposition, policy::quarantine);
  EXPECT_EQ(at("a.example", 25).overrides[0].type, override_type::sampled_out);
  EXPECT_EQ(at("b.example", 0).disposition, policy::none);
}

// RFC 7489 §6.3: unknown tags are ignored, whatever their values.
TEST(Evaluate, NpIsUnknownToRfc7489) {
  zone z{.txt = {{"_dmarc.a.example", {"v=DMARC1; p=reject; np=bogus"}},
                 {"_dmarc.b.example", {"v=DMARC1; p=reject; np=bogus; rua=mailto:d@b.example"}}}};
  for (const char* author : {"a.example", "b.example"}) {
    const auto e = z.evaluate(author, {}, {.regime = regime::rfc7489});
    EXPECT_EQ(e.result, result::fail) << author;
    EXPECT_EQ(e.disposition, policy::reject) << author;
  }
  EXPECT_EQ(z.evaluate("a.example", {}).result, result::none);
  EXPECT_EQ(z.evaluate("b.example", {}).disposition, policy::none);
}

TEST(Evaluate, Alignment) {
  struct {
    const char* what;
    const char* record;
    const char* author;
    identifiers found;
    result expected;
  } const cases[] = {
      {"strict, same", "v=DMARC1; p=reject; aspf=s; adkim=s", "example.org", dkim("example.org"),
       result::pass},
      {"strict, below", "v=DMARC1; p=reject; aspf=s; adkim=s", "example.org",
       both("sub.example.org", auth_result::pass, "sub.example.org", auth_result::pass),
       result::fail},
      {"relaxed, below", "v=DMARC1; p=reject", "example.org", dkim("sub.example.org"),
       result::pass},
      {"relaxed, beside", "v=DMARC1; p=reject", "a.example.org", spf("b.example.org"),
       result::pass},
      {"case", "v=DMARC1; p=reject; aspf=s", "example.org", spf("EXAMPLE.ORG"), result::pass},
      {"final dot", "v=DMARC1; p=reject; aspf=s", "Example.org.", spf("example.org"), result::pass},
      {"suffix of the name only", "v=DMARC1; p=reject", "example.org", spf("badexample.org"),
       result::fail},
      {"above", "v=DMARC1; p=reject", "example.org", spf("org"), result::fail},
      {"not passed", "v=DMARC1; p=reject", "example.org", spf("example.org", auth_result::softfail),
       result::fail},
      {"neutral", "v=DMARC1; p=reject", "example.org", dkim("example.org", auth_result::neutral),
       result::fail},
      {"none", "v=DMARC1; p=reject", "example.org", {}, result::fail},
      {"no domain", "v=DMARC1; p=reject", "example.org", spf(""), result::fail},
  };
  for (const auto& c : cases) {
    zone z{.txt = {{"_dmarc.example.org", {c.record}}}};
    const auto e = z.evaluate(c.author, c.found);
    EXPECT_EQ(e.result, c.expected) << c.what;
  }
  zone z{.txt = {{"_dmarc.xn--bcher-kva.example", {"v=DMARC1; p=reject; aspf=s; adkim=s"}}}};
  EXPECT_EQ(z.evaluate("b\xc3\xbc"
                       "cher.example",
                       spf("xn--bcher-kva.example"))
                .result,
            result::pass);
  EXPECT_EQ(z.evaluate("xn--bcher-kva.example", dkim("B\xc3\x9c"
                                                     "CHER.example"))
                .result,
            result::pass);
}

TEST(Evaluate, Psd) {
  zone own{.txt = {{"_dmarc.mail.example.com", {"v=DMARC1; p=reject; psd=n"}},
                   {"_dmarc.example.com", {"v=DMARC1; p=none"}}}};
  EXPECT_EQ(own.evaluate("a.mail.example.com", spf("b.mail.example.com")).result, result::pass);
  EXPECT_EQ(own.evaluate("a.mail.example.com", spf("example.com")).result, result::fail);
  zone bank{.txt = {{"_dmarc.bank.example", {"v=DMARC1; p=reject; psd=y"}}}};
  const auto e = bank.evaluate("giant.bank.example", spf("mega.bank.example"));
  EXPECT_EQ(e.result, result::fail);
  EXPECT_TRUE(e.psd_policy);
  EXPECT_EQ(e.policy, policy::reject);
}

// RFC 9989 §5.3.6
TEST(Evaluate, TemporaryTrouble) {
  struct {
    const char* spf_domain;
    auth_result spf;
    const char* dkim_domain;
    auth_result dkim;
    result expected;
  } const cases[] = {
      {"example.org", auth_result::temperror, "example.org", auth_result::fail, result::temperror},
      {"other.net", auth_result::temperror, "other.net", auth_result::temperror, result::fail},
      {"other.net", auth_result::fail, "example.org", auth_result::temperror, result::temperror},
      {"example.org", auth_result::temperror, "example.org", auth_result::pass, result::pass},
      {"attacker.fails.net", auth_result::pass, "attacker.fails.net", auth_result::pass,
       result::fail},
      {"sub.fails.example.org", auth_result::pass, "other.net", auth_result::none,
       result::temperror},
      {"sub.fails.example.org", auth_result::pass, "example.org", auth_result::pass, result::pass},
  };
  zone z{.txt = {{"_dmarc.example.org", {"v=DMARC1; p=reject"}}},
         .fails = {"fails.net", "fails.example.org"}};
  for (const auto& c : cases) {
    const auto e = z.evaluate("example.org", both(c.spf_domain, c.spf, c.dkim_domain, c.dkim));
    EXPECT_EQ(e.result, c.expected) << c.spf_domain << ' ' << c.dkim_domain;
    EXPECT_EQ(e.disposition, e.result == result::fail ? policy::reject : policy::none);
  }
  for (const regime r : {regime::rfc9989, regime::rfc7489}) {
    EXPECT_EQ(z.evaluate("x.fails.net", {}, {.regime = r}).result, result::temperror);
    EXPECT_EQ(z.evaluate("fails.net", spf("fails.net"), {.regime = r}).result, result::temperror);
  }
  // The author's record is there, its walk fails: only what is the same can pass.
  zone top{.txt = {{"_dmarc.example.org", {"v=DMARC1; p=reject"}}}, .fails = {"_dmarc.org"}};
  EXPECT_EQ(top.evaluate("example.org", spf("example.org")).result, result::pass);
  EXPECT_EQ(top.evaluate("example.org", spf("a.example.org")).result, result::temperror);
  EXPECT_EQ(top.evaluate("example.org", spf("example.net")).result, result::fail);
}

TEST(Evaluate, RecordsThatDoNotCount) {
  zone z{.txt = {{"_dmarc.a.example", {"v=spf1 -all", "hello", "v=DMARC1; p=reject"}},
                 {"_dmarc.b.a.example", {"v=DMARC1; p=none", "v=DMARC1; p=quarantine"}},
                 {"_dmarc.c.a.example", {"v=DMARC1; sp=reject"}},
                 {"_dmarc.d.a.example", {"p=none"}}}};
  EXPECT_EQ(z.evaluate("a.example", {}).result, result::fail);
  // RFC 9989 §4.10: all discarded, and the walk goes on.
  EXPECT_EQ(z.evaluate("b.a.example", {}).record_domain, "a.example");
  EXPECT_EQ(z.evaluate("d.a.example", {}).record_domain, "a.example");
  // RFC 7489 §6.6.3 step 6: no p and no rua, no processing.
  EXPECT_EQ(z.evaluate("c.a.example", {}, {.regime = regime::rfc7489}).result, result::none);
  EXPECT_EQ(z.evaluate("nothing.test", {}).result, result::none);
  // RFC 7489 §6.6.3: several records end the search.
  EXPECT_EQ(z.evaluate("b.a.example", {}, {.regime = regime::rfc7489}).result, result::none);
}

// RFC 9989 §4.7: as if it were p=none; an invalid one is another matter (§4.10.1).
TEST(Evaluate, WithoutP) {
  zone z{.txt = {{"_dmarc.a.example", {"v=DMARC1; adkim=s"}},
                 {"_dmarc.b.example", {"v=DMARC1; sp=quarantine; np=reject"}},
                 {"_dmarc.c.example", {"v=DMARC1; p=rejected"}},
                 {"_dmarc.d.example", {"v=DMARC1; sp=rejected"}},
                 {"_dmarc.e.example", {" v=DMARC1; p=reject"}}},
         .exists = {"there.b.example"}};
  auto e = z.evaluate("a.example", {});
  EXPECT_EQ(e.result, result::fail);
  EXPECT_EQ(e.policy, policy::none);
  EXPECT_EQ(e.disposition, policy::none);
  EXPECT_EQ(z.evaluate("a.example", dkim("a.example")).result, result::pass);
  EXPECT_EQ(z.evaluate("a.example", dkim("x.a.example")).result, result::fail);
  EXPECT_EQ(z.evaluate("b.example", {}).policy, policy::none);
  EXPECT_EQ(z.evaluate("there.b.example", {}).policy, policy::quarantine);
  EXPECT_EQ(z.evaluate("gone.b.example", {}).policy, policy::reject);
  for (const char* author : {"c.example", "d.example", "e.example"})
    EXPECT_EQ(z.evaluate(author, {}).result, result::none) << author;
  for (const char* author : {"a.example", "b.example", "there.b.example", "e.example"})
    EXPECT_EQ(z.evaluate(author, {}, {.regime = regime::rfc7489}).result, result::none) << author;
}

// Where that costs no question.
TEST(Evaluate, TellsTheOrganizationalDomain) {
  zone z{.txt = {{"_dmarc.a.example", {"v=DMARC1; p=reject; psd=n"}},
                 {"_dmarc.b.example", {"v=DMARC1; p=reject"}}}};
  const evaluation own = z.evaluate("a.example", dkim("a.example"));
  EXPECT_EQ(own.organizational_domain, "a.example");
  EXPECT_EQ(z.asked.size(), 1u);
  EXPECT_EQ(z.evaluate("b.example", dkim("b.example")).organizational_domain, "");
  EXPECT_EQ(z.asked.size(), 1u);
  EXPECT_EQ(z.evaluate("x.b.example", dkim("x.b.example")).organizational_domain, "b.example");
}

TEST(Evaluate, AuthorsThatAreNone) {
  zone z;
  for (const char* author : {"", "a..b", "a b", "\xff"})
    EXPECT_EQ(z.evaluate(author, spf("example.com")).result, result::none) << author;
  EXPECT_TRUE(z.asked.empty());
}

TEST(Evaluate, QuestionsAreBounded) {
  zone z{.txt = {{"_dmarc.example.org", {"v=DMARC1; p=reject; psd=n"}}}};
  identifiers many;
  for (int i = 0; i < 1000; ++i) {
    const std::string n = std::to_string(i);
    many.dkim.push_back({"a" + n + ".b" + n + ".c.d.e.f.g.h.example.org", "s", auth_result::pass});
  }
  // psd=n at a name that no walk of theirs reaches first: each is looked up in full.
  evaluation_options options{.identifiers = 5};
  const auto e = z.evaluate("example.org", many, options);
  EXPECT_EQ(e.result, result::pass);
  EXPECT_LE(z.asked.size(), 1 + 5 * max_tree_walk_queries);
  z.fails.insert("c.d.e.f.g.h.example.org");
  EXPECT_EQ(z.evaluate("example.org", many, options).result, result::temperror);
  EXPECT_LE(z.asked.size(), 2 + 5 * max_tree_walk_queries);
  z.fails.clear();
  // The rest is still compared with the Author Domain.
  many.dkim.push_back({"example.org", "s", auth_result::pass});
  z.evaluate("example.org", many, options);
  EXPECT_EQ(z.asked.size(), 1u);
}

// Whoever signs often does not make a message fail that the last signature would let pass.
TEST(Evaluate, BeyondTheLimitNothingIsKnown) {
  zone z{.txt = {{"_dmarc.example.org", {"v=DMARC1; p=reject"}}}};
  identifiers many;
  for (const char* own : {"a.example.org", "b.example.org"}) {
    z.txt["_dmarc." + std::string(own)] = {"v=DMARC1; p=none; psd=n"};
    many.dkim.push_back({own, "s", auth_result::pass});
  }
  const evaluation_options options{.identifiers = 2};
  EXPECT_EQ(z.evaluate("example.org", many, options).result, result::fail);
  many.dkim.push_back({"other.example", "s", auth_result::pass});
  EXPECT_EQ(z.evaluate("example.org", many, options).result, result::fail);
  many.dkim.push_back({"c.example.org", "s", auth_result::pass});
  EXPECT_EQ(z.evaluate("example.org", many, options).result, result::temperror);
  EXPECT_EQ(z.evaluate("example.org", many).result, result::pass);
}

TEST(Evaluate, EachSignature) {
  zone z{.txt = {{"_dmarc.example.org", {"v=DMARC1; p=reject"}}}};
  identifiers found = dkim("other.example");
  found.dkim.push_back({"a.example.org", "s", auth_result::fail});
  found.dkim.push_back({"b.example.org", "s", auth_result::pass});
  const auto e = z.evaluate("example.org", found);
  ASSERT_EQ(e.dkim_each.size(), 3u);
  EXPECT_EQ(e.dkim_each[0].result, mechanism_result::fail);
  EXPECT_EQ(e.dkim_each[1].result, mechanism_result::none);
  EXPECT_EQ(e.dkim_each[2].result, mechanism_result::pass);
  EXPECT_EQ(e.dkim, mechanism_result::pass);
  EXPECT_EQ(e.spf, mechanism_result::none);
}

TEST(Evaluate, Overrides) {
  evaluation e;
  e.disposition = policy::reject;
  e.override_by(override_type::mailing_list, "list.example");
  EXPECT_EQ(e.disposition, policy::none);
  EXPECT_EQ(e.overrides,
            (std::vector<override_reason>{{override_type::mailing_list, "list.example"}}));
  EXPECT_EQ(to_string(override_type::forwarded), "forwarded");
  EXPECT_EQ(to_string(override_type::trusted_forwarder), "trusted_forwarder");
  EXPECT_EQ(to_string(override_type::policy_test_mode), "policy_test_mode");
  EXPECT_EQ(to_string(result::permerror), "permerror");
}

// --- The shared cases ----------------------------------------------------------------------------

using tests::json;

std::string text_of(const json& value) {
  return value.is_array() ? text_of(value.array().front()) : value.string();
}

auth_result auth_result_of(const std::string& text) {
  for (int i = 0; i <= static_cast<int>(auth_result::permerror); ++i)
    if (to_string(static_cast<auth_result>(i)) == text) return static_cast<auth_result>(i);
  ADD_FAILURE() << "no result: " << text;
  return auth_result::none;
}

zone zone_of(const json& dns) {
  zone z;
  for (const auto& [name, records] : dns.object()) {
    for (const json& r : records.array()) {
      if (r.contains("rcode")) {
        z.fails.insert(name);
        continue;
      }
      std::string joined;
      for (const json& part : r["data"].array()) joined += part.string();
      z.txt[name].push_back(joined);
    }
  }
  return z;
}

identifiers identifiers_of_case(const json& c) {
  identifiers found;
  for (const json& s : c["spf"].array())
    found.spf = authenticated_spf{s["domain"].string(), auth_result_of(s["result"].string())};
  for (const json& d : c["dkim"].array())
    found.dkim.push_back({d["domain"].string(), "", auth_result_of(d["result"].string())});
  return found;
}

bool agrees(const json& c, const evaluation& e) {
  const json& expected = c["expect"];
  const std::string id = c["id"].string() + " " + c["title"].string();
  EXPECT_EQ(to_string(e.result), expected["result"].string()) << id;
  // What the cases call record_domain is the Organizational Domain.
  EXPECT_EQ(e.organizational_domain, expected["record_domain"].string()) << id;
  bool same = to_string(e.result) == expected["result"].string() &&
              e.organizational_domain == expected["record_domain"].string();
  if (const json* p = expected.find("policy")) {
    EXPECT_EQ(to_string(e.policy), p->string()) << id;
    same = same && to_string(e.policy) == p->string();
  }
  return same;
}

TEST(Evaluate, SharedCasesOfRfc7489) {
  GATEPOST_REQUIRE_SHARED(path, "dmarc/cases-rfc7489.json");
  const auto suffixes = public_suffix_list::system();
  ASSERT_TRUE(suffixes);
  const json cases = tests::parse_json(tests::read_file(path));
  int passed = 0;
  for (const json& c : cases.array()) {
    std::string from = text_of(c["header_from"]);
    if (from.find('@') == from.npos) from = "someone@" + from;
    zone z = zone_of(c["dns"]);
    const auto e = z.evaluate(read_authors(from).domains.at(0), identifiers_of_case(c),
                              {.regime = regime::rfc7489, .suffixes = &*suffixes});
    passed += agrees(c, e) ? 1 : 0;
  }
  std::printf("DMARC cases of RFC 7489: %d of %zu\n", passed, cases.array().size());
  EXPECT_EQ(static_cast<std::size_t>(passed), cases.array().size());
}

}  // namespace
}  // namespace gatepost::checks::dmarc
