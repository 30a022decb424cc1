// This header stands alone.
#include "checks/dkim/verify.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dkim/sign.hpp"
#include "smtp/header_reader.hpp"
#include "tests/checks/dkim/samples.hpp"

namespace gatepost::checks::dkim {
namespace {

using txt = smtp::dns::answer<std::string>;
using std::chrono::seconds;
using time_point = std::chrono::system_clock::time_point;

const time_point now(seconds(1'800'000'000));

std::map<std::string, txt> zone() {
  return {{samples::ed25519_name, txt::found({samples::ed25519_record}, seconds(60))},
          {samples::rsa_name, txt::found({samples::rsa_record}, seconds(60))}};
}

report verified(const std::string& message, verify_options options = {},
                std::map<std::string, txt> dns = zone(), time_point when = now) {
  verification v(options, when);
  const auto header = smtp::read_header(message);
  v.header(message, header);
  for (std::size_t i = 0; i < v.questions().size(); ++i) {
    const auto found = dns.find(v.questions()[i]);
    v.answer(i, found == dns.end() ? txt::no_such_name(seconds(60)) : found->second);
  }
  if (header) v.body(std::string_view(message).substr(header->body_offset));
  return v.finish();
}

std::vector<outcome> outcomes(const report& r) {
  std::vector<outcome> out;
  for (const auto& s : r.signatures()) out.push_back(s.outcome);
  return out;
}

// The sample with one of the two signatures only, signed anew by us with these tags in it.
std::string signed_by_us(const std::string& message, sign_options options = {},
                         time_point when = now) {
  const auto header = smtp::read_header(message);
  signing s(options);
  s.body(std::string_view(message).substr(header->body_offset));
  const auto key =
      signing_key::make("football.example.com", "test", *private_key::from_pem(samples::rsa_pem));
  return s.field({message, header->fields}, *key, when) + message;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const auto at = text.find(what);
  EXPECT_NE(at, text.npos) << what;
  return text.replace(at, what.size(), by);
}

// RFC 8463 appendix A
TEST(DkimVerify, TheExampleOfTheRfc) {
  const report r = verified(samples::message);
  ASSERT_EQ(outcomes(r), (std::vector<outcome>{outcome::pass, outcome::pass}));
  const signature_result& ed = r.signatures()[0];
  EXPECT_EQ(ed.domain, "football.example.com");
  EXPECT_EQ(ed.identity, "@football.example.com");
  EXPECT_EQ(ed.selector, "brisbane");
  EXPECT_EQ(ed.algorithm, "ed25519-sha256");
  EXPECT_EQ(ed.b.substr(0, 8), "/gCrinpc");
  EXPECT_EQ(ed.key_bits, 256u);
  EXPECT_EQ(r.signatures()[1].key_bits, 1024u);
  EXPECT_FALSE(ed.testing);
  EXPECT_EQ(r.outcome(), outcome::pass);
}

TEST(DkimVerify, WithoutSignatures) {
  const report r = verified(samples::plain_message);
  EXPECT_TRUE(r.signatures().empty());
  EXPECT_EQ(r.outcome(), outcome::none);
}

TEST(DkimVerify, AnyPiecesOfTheBodyDo) {
  const auto header = smtp::read_header(samples::message);
  for (std::size_t step = 1; step < 8; ++step) {
    verification v({}, now);
    v.header(samples::message, header);
    auto dns = zone();
    for (std::size_t at = header->body_offset; at < samples::message.size(); at += step)
      v.body(std::string_view(samples::message).substr(at, step));
    for (std::size_t i = 0; i < v.questions().size(); ++i) v.answer(i, dns[v.questions()[i]]);
    EXPECT_EQ(outcomes(v.finish()), (std::vector<outcome>{outcome::pass, outcome::pass}));
  }
}

TEST(DkimVerify, Changes) {
  struct {
    const char* what;
    const char* by;
    outcome then;
  } const cases[] = {
      {"We lost", "We won", outcome::fail},
      {"Is dinner", "is dinner", outcome::fail},
      {"Subject: Is dinner ready?\r\n", "", outcome::fail},
      {"From: Joe", "From: Eve <e@x.test>\r\nFrom: Joe", outcome::fail},  // oversigned
      {"Joe.\r\n", "Joe.  \r\n\r\n\r\n", outcome::pass},                  // relaxed
      {"Subject: Is dinner", "SUBJECT:   Is\r\n dinner", outcome::pass},
      {"Date:", "X-New: a\r\nDate:", outcome::pass},
      {"/gCrinpc", "/gCrinpd", outcome::fail},
  };
  for (const auto& c : cases) {
    const report r = verified(replaced(samples::message, c.what, c.by));
    EXPECT_EQ(r.signatures()[0].outcome, c.then) << c.what;
  }
}

TEST(DkimVerify, KeysThatAreNotThere) {
  std::map<std::string, txt> dns = zone();
  dns[samples::ed25519_name] = txt::temporary_failure("timeout");
  dns.erase(samples::rsa_name);
  EXPECT_EQ(outcomes(verified(samples::message, {}, dns)),
            (std::vector<outcome>{outcome::temperror, outcome::permerror}));
  dns[samples::ed25519_name] = txt::no_data(seconds(60));
  dns[samples::rsa_name] = txt::found({"v=DKIM1; p="}, seconds(60));
  EXPECT_EQ(outcomes(verified(samples::message, {}, dns)),
            (std::vector<outcome>{outcome::permerror, outcome::permerror}));
}

TEST(DkimVerify, AQuestionWithoutAnswerIsATemporaryError) {
  verification v({}, now);
  v.header(samples::message, smtp::read_header(samples::message));
  EXPECT_EQ(v.questions().size(), 2u);
  EXPECT_EQ(v.finish().outcome(), outcome::temperror);
}

TEST(DkimVerify, TestingKeys) {
  std::map<std::string, txt> dns = zone();
  dns[samples::rsa_name] = txt::found({std::string(samples::rsa_record) + "; t=y"}, seconds(60));
  const report r = verified(samples::message, {}, dns);
  EXPECT_EQ(r.signatures()[1].outcome, outcome::pass);
  EXPECT_TRUE(r.signatures()[1].testing);
}

TEST(DkimVerify, OnlySoManySignatures) {
  std::string message = samples::plain_message;
  for (int i = 0; i < 4; ++i) message = samples::signatures + message;
  verify_options options;
  options.max_signatures = 3;
  const report r = verified(message, options);
  EXPECT_EQ(r.signatures().size(), 3u);
  EXPECT_EQ(r.skipped(), 5u);
  EXPECT_EQ(r.outcome(), outcome::pass);
}

TEST(DkimVerify, EachNameIsAskedForOnce) {
  verification v({}, now);
  const std::string message = samples::signatures + samples::message;
  v.header(message, smtp::read_header(message));
  EXPECT_EQ(v.questions(), (std::vector<std::string>{samples::ed25519_name, samples::rsa_name}));
}

// RFC 6376 §3.5 x=, §6.1.1
TEST(DkimVerify, Expiry) {
  sign_options sign;
  sign.expires_after = seconds(100);
  const std::string message = signed_by_us(samples::plain_message, sign);
  const auto at = [&](int after, verify_options options = {}) {
    return verified(message, options, zone(), now + seconds(after)).outcome();
  };
  EXPECT_EQ(at(0), outcome::pass);
  EXPECT_EQ(at(100), outcome::pass);
  EXPECT_EQ(at(101), outcome::permerror);
  EXPECT_EQ(at(150, {.expiry_grace = seconds(60)}), outcome::pass);
  EXPECT_EQ(at(161, {.expiry_grace = seconds(60)}), outcome::permerror);
  EXPECT_EQ(at(101, {.expired = outcome::policy}), outcome::policy);
  EXPECT_EQ(at(101, {.expired = outcome::pass}), outcome::pass);
}

TEST(DkimVerify, SignaturesOfTheFuture) {
  const std::string message = signed_by_us(samples::plain_message, {}, now + seconds(600));
  EXPECT_EQ(verified(message).outcome(), outcome::pass);
  EXPECT_EQ(verified(message, {.future_limit = seconds(600)}).outcome(), outcome::pass);
  EXPECT_EQ(verified(message, {.future_limit = seconds(599)}).outcome(), outcome::permerror);
}

// RFC 8301
TEST(DkimVerify, WhatIsTooWeak) {
  const std::string message = replaced(samples::message, "a=rsa-sha256", "a=rsa-sha1");
  EXPECT_EQ(verified(message).signatures()[1].outcome, outcome::permerror);
  EXPECT_EQ(verified(message, {.weak_algorithm = outcome::policy}).signatures()[1].outcome,
            outcome::policy);
  verify_options options;
  options.keys.min_rsa_bits = 2048;
  EXPECT_EQ(outcomes(verified(samples::message, options)),
            (std::vector<outcome>{outcome::pass, outcome::permerror}));
}

TEST(DkimVerify, AHeaderThatCannotBeRead) {
  verification v({}, now);
  v.header("x", smtp::errc::header_too_big);
  EXPECT_FALSE(v.wants_body());
  EXPECT_EQ(v.finish().outcome(), outcome::permerror);
}

TEST(DkimVerify, ASignatureThatDoesNotParseIsTold) {
  const report r = verified(replaced(samples::message, "v=1", "v=8"));
  EXPECT_EQ(outcomes(r), (std::vector<outcome>{outcome::permerror, outcome::pass}));
  EXPECT_EQ(r.signatures()[0].domain, "football.example.com");
  EXPECT_EQ(r.signatures()[0].reason, "v= is not 1");
}

}  // namespace
}  // namespace gatepost::checks::dkim
