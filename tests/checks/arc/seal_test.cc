// This header stands alone.
#include "checks/arc/seal.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

#include "checks/arc/validate.hpp"
#include "checks/dkim/canonical.hpp"
#include "checks/dkim/tag_list.hpp"
#include "smtp/header_reader.hpp"
#include "tests/checks/dkim/samples.hpp"
#include "tests/support/json.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::checks::arc {
namespace {

using std::chrono::seconds;
using tests::json;
using time_point = std::chrono::system_clock::time_point;

const time_point now(seconds(1'800'000'000));

dkim::signing_key key(const char* pem = dkim::samples::rsa_pem) {
  return *dkim::signing_key::make("example.org", "dummy", *dkim::private_key::from_pem(pem));
}

dkim::parsed<std::string> sealed(const std::string& message, chain_status status,
                                 seal_options options = {}, const dkim::signing_key& by = key(),
                                 const found_results& found = {"mx.example.org", "spf=pass"},
                                 time_point when = now) {
  const auto header = smtp::read_header(message);
  sealing s(std::move(options));
  s.body(std::string_view(message).substr(header->body_offset));
  return s.seal({message, header->fields}, by, found, status, when);
}

report validated(const std::string& message, const dkim::signing_key& by = key(),
                 validate_options options = {}) {
  validation v(std::move(options), now);
  const auto header = smtp::read_header(message);
  v.header(message, header);
  for (std::size_t i = 0; i < v.questions().size(); ++i)
    v.answer(i, smtp::dns::answer<std::string>::found({by.key.dns_record()}, seconds(1)));
  v.body(std::string_view(message).substr(header->body_offset));
  return v.finish();
}

// --- The test suite ------------------------------------------------------------------------------

// What it has; fewer would mean that cases were lost on the way.
constexpr std::size_t cases_of_the_suite = 6;

// The field's tags without any white space in them.
std::map<std::string, std::string> tags_of(std::string_view value) {
  std::map<std::string, std::string> out;
  const auto list = dkim::tag_list::parse(value);
  EXPECT_TRUE(list) << value;
  if (!list) return out;
  for (const dkim::tag& t : list->tags()) out[std::string(t.name)] = dkim::without_blanks(t.value);
  return out;
}

std::string relaxed(std::string text) {
  std::erase(text, '\r');
  for (std::size_t at = 0; (at = text.find('\n', at)) != text.npos; at += 3)
    text.replace(at, 1, "\r\n ");
  std::string out;
  dkim::append_canonical_field(out, dkim::canonicalization::relaxed, {}, "x", text);
  return out;
}

bool agrees(const json& scenario, const json& test) {
  const std::string message = test["message"].string();
  const auto header = smtp::read_header(message);
  const auto by =
      dkim::signing_key::make(scenario["domain"].string(), scenario["sel"].string(),
                              *dkim::private_key::from_pem(scenario["privatekey"].string()));
  const std::string host = test["srv-id"].string();
  const std::string results = results_of({message, header->fields}, host);
  seal_options options;
  options.fields.clear();
  options.layout = dkim::b_layout::whole;
  for (const auto name : dkim::split_colons(test["sig-headers"].string()))
    options.fields.emplace_back(name);
  const auto fields = sealed(message, status_of(results), options, *by, {host, results},
                             time_point(seconds(test["t"].integer())));
  if (!fields) return false;
  const auto made = smtp::read_header(*fields);
  if (made->fields.size() != 3) return false;
  const auto seal = tags_of(made->fields[0].value);
  const auto message_signature = tags_of(made->fields[1].value);
  const std::string told = relaxed(std::string(made->fields[2].value));
  EXPECT_EQ(seal, tags_of(test["AS"].string()));
  EXPECT_EQ(message_signature, tags_of(test["AMS"].string()));
  EXPECT_EQ(told, relaxed(test["AAR"].string()));
  return seal == tags_of(test["AS"].string()) &&
         message_signature == tags_of(test["AMS"].string()) &&
         told == relaxed(test["AAR"].string());
}

TEST(ArcSeal, AgreesWithTheTestSuite) {
  GATEPOST_REQUIRE_SHARED(path, "arc/sign.json");
  const json all = tests::parse_json(tests::read_file(path));
  std::size_t agreed = 0;
  std::size_t count = 0;
  for (const json& scenario : all.array()) {
    for (const auto& [name, test] : scenario["tests"].object()) {
      const bool good = agrees(scenario, test);
      EXPECT_TRUE(good) << name;
      agreed += good ? 1 : 0;
      ++count;
    }
  }
  std::cout << "ARC signing suite: " << agreed << " of " << count << " agree\n";
  EXPECT_EQ(count, cases_of_the_suite);
}

// --- Chains of our own ---------------------------------------------------------------------------

TEST(ArcSeal, AChainOfOursPasses) {
  for (const char* pem : {dkim::samples::rsa_pem, dkim::samples::ed25519_pem}) {
    std::string message = dkim::samples::message;
    auto status = chain_status::none;
    for (unsigned i = 1; i <= 5; ++i) {
      const auto fields = sealed(message, status, {}, key(pem));
      ASSERT_TRUE(fields) << fields.problem();
      message = *fields + "Received: from x by y\r\n" + message;
      const report r = validated(message, key(pem));
      ASSERT_EQ(r.chain, chain_status::pass) << i << r.reason;
      EXPECT_EQ(r.sets.size(), i);
      EXPECT_EQ(r.sets.back().results, "mx.example.org; spf=pass");
      status = r.chain;
    }
  }
}

// RFC 8617 §4.1.2
TEST(ArcSeal, ADkimSignatureMayBeAddedLater) {
  for (const std::string& message : {dkim::samples::plain_message, dkim::samples::message}) {
    const std::string once = *sealed(message, chain_status::none) + message;
    const report r = validated("DKIM-Signature: v=1; a=rsa-sha256\r\n" + once);
    EXPECT_EQ(r.chain, chain_status::pass) << r.reason;
    EXPECT_EQ(validated("Sender: a@other.test\r\n" + once).chain, chain_status::fail);
  }
}

TEST(ArcSeal, AFailedChainIsSealedAloneAndEnds) {
  const std::string once =
      *sealed(dkim::samples::message, chain_status::none) + dkim::samples::message;
  std::string changed = once;
  changed.replace(changed.find("We lost"), 7, "We won!");
  ASSERT_EQ(validated(changed).chain, chain_status::fail);
  const auto fields = sealed(changed, chain_status::fail);
  ASSERT_TRUE(fields);
  EXPECT_NE(fields->find("cv=fail;"), fields->npos);
  const report r = validated(*fields + changed);
  EXPECT_EQ(r.chain, chain_status::fail);
  EXPECT_EQ(r.reason, sealed_as_failed);
  EXPECT_EQ(sealed(*fields + changed, chain_status::fail).problem(), sealed_as_failed);
}

TEST(ArcSeal, ABrokenChainIsSealedOnce) {
  const std::string broken = "ARC-Seal: i=1; nonsense\r\n" + dkim::samples::message;
  const auto fields = sealed(broken, chain_status::fail);
  ASSERT_TRUE(fields);
  EXPECT_NE(fields->find("cv=fail;"), fields->npos);
  const std::string once = *fields + broken;
  EXPECT_NE(validated(once).reason, sealed_as_failed);
  EXPECT_EQ(sealed(once, chain_status::fail).problem(), sealed_as_failed);
}

TEST(ArcSeal, NobodySealsMoreThanFiftySets) {
  std::string message = dkim::samples::message;
  auto status = chain_status::none;
  for (unsigned i = 1; i <= dkim::max_arc_instance; ++i) {
    const auto fields = sealed(message, status, {}, key(dkim::samples::ed25519_pem));
    ASSERT_TRUE(fields) << i;
    message = *fields + message;
    status = chain_status::pass;
  }
  EXPECT_EQ(validated(message, key(dkim::samples::ed25519_pem)).chain, chain_status::pass);
  EXPECT_FALSE(sealed(message, status));
  validate_options few;
  few.max_sets = 49;
  EXPECT_EQ(validated(message, key(dkim::samples::ed25519_pem), few).chain, chain_status::fail);
}

TEST(ArcSeal, WhatNobodyValidatedIsNotSealedAsPassing) {
  const std::string once =
      *sealed(dkim::samples::message, chain_status::none) + dkim::samples::message;
  EXPECT_NE(sealed(once, chain_status::none)->find("cv=fail;"), std::string::npos);
  EXPECT_NE(sealed(dkim::samples::message, chain_status::pass)->find("cv=none;"),
            std::string::npos);
}

TEST(ArcSeal, ResultsOfAHost) {
  const std::string text =
      "Authentication-Results: mx.test; spf=pass\r\n  smtp.mailfrom=a.test\r\n"
      "Authentication-Results: other.test; dkim=pass\r\n"
      "Authentication-Results: MX.test 1; arc=pass; dkim=fail\r\n";
  const auto header = smtp::read_header(text);
  const std::string found = results_of({text, header->fields}, "mx.test");
  EXPECT_EQ(found, "spf=pass  smtp.mailfrom=a.test; arc=pass; dkim=fail");
  EXPECT_EQ(status_of(found), chain_status::pass);
  EXPECT_EQ(status_of("spf=pass"), chain_status::none);
  EXPECT_EQ(status_of("arc=fail (x)"), chain_status::fail);
  EXPECT_EQ(status_of(" arc=none"), chain_status::none);
}

// RFC 8601 §2.2
TEST(ArcSeal, StatusByResults) {
  struct {
    const char* results;
    chain_status expected;
  } const cases[] = {
      {"", chain_status::none},
      {"arc = pass", chain_status::pass},
      {"spf=pass;ARC=Pass smtp.remote-ip=192.0.2.1", chain_status::pass},
      {"(a; arc=fail) arc (b) = (c) pass(d)", chain_status::pass},
      {"arc/1=pass;", chain_status::pass},
      {"arc=pass; arc=pass", chain_status::pass},
      {"arc=fail; arc=pass", chain_status::fail},
      {"arc=pass; arc=none", chain_status::fail},
      {"arc=policy", chain_status::fail},
      {"arc=", chain_status::fail},
      {"arc", chain_status::fail},
      {"arc=\"pass\"", chain_status::fail},
      {"spf=fail reason=\"; arc=pass; \\\"; arc=pass\"", chain_status::none},
      {"spf=fail (; arc=pass; \\); arc=pass)", chain_status::none},
      {"spf=fail reason=\"; arc=pass", chain_status::none},
      {"spf=fail (((", chain_status::none},
      {"xarc=pass; arc.x=pass", chain_status::none},
  };
  for (const auto& c : cases) EXPECT_EQ(status_of(c.results), c.expected) << c.results;
}

TEST(ArcSeal, ResultsByWhateverSpellingOfTheHost) {
  const auto found = [](const std::string& value) {
    const std::string text = "Authentication-Results:" + value + "\r\n";
    const auto header = smtp::read_header(text);
    return results_of({text, header->fields}, "mx.test");
  };
  for (const char* value : {
           " mx.test; spf=pass",
           " (our own; truly) mx.test; spf=pass",
           "\r\n (a \\) (b)) \"mx.test\" (c; d)\r\n 1 (e;) ; spf=pass",
           " \"MX.t\\est\"; spf=pass",
           " mx.test.;spf=pass;",
       })
    EXPECT_EQ(found(value), "spf=pass") << value;
  for (const char* value : {
           " \"not mx.test\"; spf=pass",
           " (mx.test;) other.test; spf=pass",
           " (mx.test; spf=pass",
           " \"mx.test; spf=pass",
           " mx.test 2; spf=pass",
           " mx.test x; spf=pass",
           " mx.test",
       })
    EXPECT_EQ(found(value), "") << value;
}

TEST(ArcSeal, NoneAndSemicolonsAreNotJoined) {
  const auto found = [](const std::string& text) {
    const auto header = smtp::read_header(text);
    return results_of({text, header->fields}, "mx.test");
  };
  const std::string none = "Authentication-Results: mx.test; none\r\n";
  EXPECT_EQ(found(none), "");
  EXPECT_EQ(
      found(none + "Authentication-Results: mx.test; spf=pass ; \r\n" +
            "Authentication-Results: mx.test; None;\r\n" + "Authentication-Results: mx.test;\r\n" +
            "Authentication-Results: mx.test; dkim=pass;\r\n"),
      "spf=pass; dkim=pass");
  const auto fields =
      sealed(dkim::samples::message, chain_status::none, {}, key(), {"mx.test", found(none)});
  ASSERT_TRUE(fields);
  EXPECT_NE(fields->find("i=1; mx.test; none\r\n"), fields->npos) << *fields;
}

}  // namespace
}  // namespace gatepost::checks::arc
