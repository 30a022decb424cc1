// This header stands alone.
#include "checks/dkim/signer.hpp"

#include <gtest/gtest.h>

#include <string>

#include "checks/dkim/detail/author.hpp"
#include "checks/dkim/lookup.hpp"
#include "checks/testing.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/testing/fake_resolver.hpp"
#include "smtp/testing/run.hpp"
#include "tests/checks/dkim/samples.hpp"

namespace gatepost::checks::dkim {
namespace {

key_set both_keys() {
  key_set keys;
  for (const char* pem : {samples::rsa_pem, samples::ed25519_pem}) {
    const private_key key = *private_key::from_pem(pem);
    keys.add(*signing_key::make("example.com", to_string(key.type()), key));
  }
  return keys;
}

// The message as the server would send it on.
std::string sent(trial& t, const std::string& message, std::size_t chunk = 4096) {
  t.mail("<a@example.test>");
  t.rcpt("<b@example.test>");
  const smtp::verdict v = t.message(message, chunk);
  EXPECT_TRUE(v.passes());
  smtp::header_edits edits;
  if (v.has_effects()) {
    for (const auto& f : v.what_else().add_headers) edits.prepend(f.name, f.value);
  }
  return edits.apply_to(message);
}

TEST(DkimSigner, SignsWhatTheAuthenticatedSend) {
  smtp::testing::fake_resolver dns;
  const key_set keys = both_keys();
  for (const signing_key* k : keys.keys_for("example.com", std::chrono::system_clock::now()))
    dns.add_txt(k->key_name(), {k->key.dns_record()});
  for (const std::size_t chunk : {1u, 4096u}) {
    trial t;
    t.add<signer>(keys);
    t.facts().auth_identity = "joe";
    const std::string signed_message = sent(t, samples::plain_message, chunk);
    const report r =
        smtp::testing::run(verify(dns, signed_message, {}, std::chrono::system_clock::now()));
    ASSERT_EQ(r.signatures().size(), 2u);
    for (const auto& s : r.signatures()) EXPECT_EQ(s.outcome, outcome::pass) << s.reason;
  }
}

TEST(DkimSigner, LeavesOthersAlone) {
  const auto stranger = [](const std::string& message, const char* address, const char* identity) {
    trial t;
    t.add<signer>(both_keys());
    t.facts().client.address = *smtp::parse_ip_address(address);
    t.facts().auth_identity = identity;
    return sent(t, message) == message;
  };
  const std::string& ours = samples::plain_message;
  EXPECT_TRUE(stranger(ours, "192.0.2.1", ""));
  EXPECT_FALSE(stranger(ours, "127.0.0.1", ""));
  EXPECT_FALSE(stranger(ours, "192.0.2.1", "joe"));
  EXPECT_TRUE(stranger("From: a@other.test\r\n\r\nx\r\n", "192.0.2.1", "joe"));
  EXPECT_TRUE(stranger("Subject: x\r\n\r\nx\r\n", "192.0.2.1", "joe"));
}

TEST(DkimSigner, AProgramOfThisMachineButNoStrangerBehindIt) {
  const auto leaves = [](bool told) {
    trial t;
    t.add<signer>(both_keys());
    t.facts().unix_peer = "/run/mail";
    t.facts().trusted_hop = told;
    t.facts().client.address = *smtp::parse_ip_address("192.0.2.1");
    return sent(t, samples::plain_message) == samples::plain_message;
  };
  EXPECT_FALSE(leaves(false));
  EXPECT_TRUE(leaves(true));
}

TEST(DkimSigner, TheAuthorsDomain) {
  struct {
    const char* from;
    const char* domain;
  } const cases[] = {
      {" a@example.test", "example.test"},
      {" Joe <a@example.test>", "example.test"},
      {" \"x <y@z.test>\" <a@example.test>", "example.test"},
      {" Joe (not <b@c.test>) <a@example.test> (x@y.test)", "example.test"},
      {" \"a@b\"@example.test", "example.test"},
      {" a@example.test, b@other.test", "example.test"},
      {" a@\r\n example.test", "example.test"},
      {" Joe", ""},
      {"", ""},
      {" \"open", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(detail::author_domain(c.from), c.domain) << c.from;
}

}  // namespace
}  // namespace gatepost::checks::dkim
