// This header stands alone.
#include "checks/arc/validate.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "checks/arc/seal.hpp"
#include "smtp/header_reader.hpp"
#include "tests/checks/dkim/samples.hpp"

namespace gatepost::checks::arc {
namespace {

using std::chrono::seconds;
using txt = smtp::dns::answer<std::string>;
const std::chrono::system_clock::time_point now(seconds(1'800'000'000));

// The message with one more set, by that domain.
std::string sealed_by(const char* domain, const std::string& message, chain_status status) {
  const auto key =
      dkim::signing_key::make(domain, "s", *dkim::private_key::from_pem(dkim::samples::rsa_pem));
  const auto header = smtp::read_header(message);
  sealing s;
  s.body(std::string_view(message).substr(header->body_offset));
  return *s.seal({message, header->fields}, *key, {"mx.test", ""}, status, now) + message;
}

report validated(const std::string& message, validate_options options = {},
                 const txt& answer = txt::found({dkim::samples::rsa_record}, seconds(1))) {
  validation v(std::move(options), now);
  const auto header = smtp::read_header(message);
  v.header(message, header);
  for (std::size_t i = 0; i < v.questions().size(); ++i) v.answer(i, answer);
  if (header) v.body(std::string_view(message).substr(header->body_offset));
  return v.finish();
}

const std::string one = sealed_by("a.test", dkim::samples::plain_message, chain_status::none);
// A list has changed the subject between the two.
std::string two() {
  std::string changed = one;
  changed.replace(changed.find("Subject: "), 9, "Subject: [list] ");
  return sealed_by("b.test", changed, chain_status::pass);
}

TEST(ArcValidate, NoneAndPass) {
  EXPECT_EQ(validated(dkim::samples::plain_message).chain, chain_status::none);
  const report r = validated(two());
  EXPECT_EQ(r.chain, chain_status::pass) << r.reason;
  ASSERT_EQ(r.sets.size(), 2u);
  EXPECT_EQ(r.instances, 2u);
  EXPECT_EQ(r.sets[0].domain, "a.test");
  EXPECT_EQ(r.sets[0].cv, "none");
  EXPECT_EQ(r.sets[1].domain, "b.test");
  EXPECT_EQ(r.sets[1].cv, "pass");
}

TEST(ArcValidate, OldestPass) {
  validate_options options;
  options.oldest_pass = find_oldest_pass::yes;
  EXPECT_EQ(validated(two(), options).oldest_pass, 2u);
  EXPECT_EQ(validated(one, options).oldest_pass, 0u);
  const std::string same = sealed_by("b.test", one, chain_status::pass);
  EXPECT_EQ(validated(same, options).oldest_pass, 0u);
}

TEST(ArcValidate, TrustedSealers) {
  const auto from = [](std::vector<std::string> domains) {
    validate_options options;
    options.trusted_sealers = std::move(domains);
    return validated(two(), options).trusted_from;
  };
  EXPECT_EQ(from({}), 0u);
  EXPECT_EQ(from({"b.test"}), 2u);
  EXPECT_EQ(from({"a.test", "b.test"}), 1u);
  EXPECT_EQ(from({"a.test"}), 0u);  // the last one may have made it all up
  EXPECT_EQ(from({"test"}), 1u);
}

TEST(ArcValidate, Changes) {
  struct {
    const char* what;
    const char* by;
    chain_status then;
  } const cases[] = {
      {"We lost", "We won", chain_status::fail},
      {"[list]", "[List]", chain_status::fail},
      {"i=1; mx.test", "i=1; my.test", chain_status::fail},
      {"i=2; mx.test", "i=2; my.test", chain_status::fail},
      {"cv=none", "cv=pass", chain_status::fail},
      {"Date: ", "X: y\r\nDate: ", chain_status::pass},
  };
  for (const auto& c : cases) {
    std::string message = two();
    message.replace(message.find(c.what), std::string_view(c.what).size(), c.by);
    EXPECT_EQ(validated(message).chain, c.then) << c.what;
  }
}

TEST(ArcValidate, CountsTheSetsOfAChainThatIsNone) {
  const report gap = validated("ARC-Authentication-Results: i=3; mx.test; spf=pass\r\n" + two());
  EXPECT_EQ(gap.chain, chain_status::fail);
  EXPECT_TRUE(gap.sets.empty());
  EXPECT_EQ(gap.instances, 3u);
  validate_options short_chains;
  short_chains.max_sets = 1;
  EXPECT_EQ(validated(two(), short_chains).instances, 2u);
}

TEST(ArcValidate, Keys) {
  const report temporary = validated(one, {}, txt::temporary_failure("timeout"));
  EXPECT_EQ(temporary.chain, chain_status::fail);
  EXPECT_TRUE(temporary.temporary);
  std::string weak = one;
  for (std::size_t at = 0; (at = weak.find("a=rsa-sha256", at)) != weak.npos;)
    weak.replace(at, 12, "a=rsa-sha1");
  const report for_good = validated(weak, {}, txt::temporary_failure("timeout"));
  EXPECT_EQ(for_good.chain, chain_status::fail);
  EXPECT_FALSE(for_good.temporary);
  const report gone = validated(one, {}, txt::no_such_name(seconds(1)));
  EXPECT_EQ(gone.chain, chain_status::fail);
  EXPECT_FALSE(gone.temporary);
  validate_options strict;
  strict.keys.min_rsa_bits = 2048;
  EXPECT_EQ(validated(one, strict).chain, chain_status::fail);
}

TEST(ArcValidate, AHeaderThatCannotBeRead) {
  validation v({}, now);
  v.header("x", smtp::errc::header_too_big);
  EXPECT_EQ(v.finish().chain, chain_status::fail);
}

}  // namespace
}  // namespace gatepost::checks::arc
