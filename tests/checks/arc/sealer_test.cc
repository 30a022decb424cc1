// This header stands alone.
#include "checks/arc/sealer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "checks/arc/lookup.hpp"
#include "checks/arc/verifier.hpp"
#include "checks/dkim/verifier.hpp"
#include "checks/testing.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/testing/fake_resolver.hpp"
#include "smtp/testing/run.hpp"
#include "tests/checks/dkim/samples.hpp"

namespace gatepost::checks::arc {
namespace {

using smtp::testing::fake_resolver;
namespace samples = dkim::samples;

dkim::key_set keys() {
  dkim::key_set set;
  set.add(*dkim::signing_key::make("example.org", "arc",
                                   *dkim::private_key::from_pem(samples::rsa_pem)));
  return set;
}

sealer_options as_example() {
  sealer_options options;
  options.domain = "example.org";
  options.authserv_id = "mx.example.org";
  return options;
}

fake_resolver& fill(fake_resolver& dns) {
  return dns.add_txt("arc._domainkey.example.org", {samples::rsa_record})
      .add_txt(samples::ed25519_name, {samples::ed25519_record})
      .add_txt(samples::rsa_name, {samples::rsa_record});
}

// The message as a server with these checks would send it on.
std::string relayed(fake_resolver& dns, const std::string& message, std::size_t chunk = 4096) {
  trial t;
  t.add<dkim::verifier>(dns);
  t.add<verifier>(dns);
  t.add<sealer>(keys(), as_example());
  t.mail("<a@example.test>");
  t.rcpt("<b@example.test>");
  const smtp::verdict v = t.message(message, chunk);
  EXPECT_TRUE(v.passes());
  smtp::header_edits edits;
  std::string fields;
  if (v.has_effects()) {
    for (const auto& f : v.what_else().add_headers) smtp::write_field(fields, f.name, f.value);
  }
  edits.prepend_fields(fields);
  return edits.apply_to(message);
}

report validated(fake_resolver& dns, const std::string& message) {
  return smtp::testing::run(validate(dns, message, {}, std::chrono::system_clock::now()));
}

TEST(ArcSealer, EveryRelayAddsASet) {
  fake_resolver dns;
  fill(dns);
  std::string message = samples::message;
  for (unsigned i = 1; i <= 3; ++i) {
    message = relayed(dns, message, i == 1 ? 1 : 4096);
    const report r = validated(dns, message);
    ASSERT_EQ(r.chain, chain_status::pass) << r.reason;
    ASSERT_EQ(r.sets.size(), i);
    const std::string& said = r.sets.back().results;
    EXPECT_NE(said.find(i == 1 ? "arc=none" : "arc=pass"), said.npos) << said;
    EXPECT_NE(said.find("dkim=pass header.d=football.example.com"), said.npos) << said;
  }
}

// RFC 8617 §10.2: not our own upstream, but whom it saw.
TEST(ArcSealer, TellsTheClientBehindAnUpstream) {
  fake_resolver dns;
  fill(dns);
  sealer_options options = as_example();
  true_client_options behind;
  behind.upstreams = *smtp::parse_network_set("198.51.100.1");
  options.client = true_client(std::move(behind));
  const auto told = [&](const std::string& received) {
    trial t;
    t.add<verifier>(dns);
    t.add<sealer>(keys(), options);
    t.facts().client.address = *smtp::parse_ip_address("198.51.100.1");
    t.mail("<a@example.test>");
    t.rcpt("<b@example.test>");
    const smtp::verdict v = t.message(received + samples::message);
    std::string all;
    if (!v.has_effects()) return all;
    for (const auto& f : v.what_else().add_headers) all += f.value;
    return all;
  };
  const std::string seen = told("Received: from x (y [192.0.2.7]) by up with ESMTP; x\r\n");
  EXPECT_NE(seen.find("smtp.remote-ip=192.0.2.7"), seen.npos) << seen;
  const std::string unknown = told("");
  EXPECT_NE(unknown.find("smtp.remote-ip=198.51.100.1"), unknown.npos) << unknown;
}

TEST(ArcSealer, AFailedChainEnds) {
  fake_resolver dns;
  fill(dns);
  std::string message = relayed(dns, samples::message);
  message.replace(message.find("We lost"), 7, "We won!");
  const std::string failed = relayed(dns, message);
  EXPECT_NE(failed.find("cv=fail;"), failed.npos);
  EXPECT_EQ(relayed(dns, failed), failed);
}

TEST(ArcSealer, AChainThatNobodyValidatedIsLeftAsItIs) {
  fake_resolver dns;
  fill(dns);
  trial t;
  t.add<sealer>(keys(), as_example());
  const auto send = [&](const std::string& message) {
    t.mail("<a@example.test>");
    t.rcpt("<b@example.test>");
    return t.message(message);
  };
  const smtp::verdict first = send(samples::message);
  ASSERT_TRUE(first.has_effects());
  EXPECT_EQ(first.what_else().add_headers.size(), 3u);
  const smtp::verdict second = send(relayed(dns, samples::message));
  EXPECT_TRUE(second.passes());
  ASSERT_TRUE(second.has_effects());
  EXPECT_TRUE(second.what_else().add_headers.empty());
}

TEST(ArcSealer, WithoutAnAnswerNothingIsSealed) {
  fake_resolver dns;
  fill(dns);
  const std::string message = relayed(dns, samples::message);
  fake_resolver silent;
  silent.fails("arc._domainkey.example.org", "timeout");
  EXPECT_EQ(relayed(silent, message), message);
}

}  // namespace
}  // namespace gatepost::checks::arc
