// TLS between a relay and its next hops: as the route wants it, and as the message does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "routing/relay.hpp"
#include "smtp/tls/context.hpp"
#include "smtp/tls/self_signed.hpp"
#include "tests/routing/relay_support.hpp"
#include "tests/routing/scratch_directory.hpp"
#include "tests/routing/wire_hop.hpp"

namespace gatepost::routing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using tests::mail_session;
using tests::relay_bench;
using tests::some_text;
using tests::wire_hop;

enum class offer {
  nothing,      // no STARTTLS
  self_signed,  // a certificate that nobody has signed
  signed_one,   // by an authority that we trust
  broken,       // 220, and then no handshake
  refused,      // 454 to STARTTLS
};

class RelayTls : public ::testing::Test {
 protected:
  RelayTls() {
    smtp::tls_client_options options;
    options.ca_pem = authority().cert_pem;
    EXPECT_TRUE(ours.load(options));
    bench.options.tls = &ours;
  }

  static const smtp::pem_pair& authority() {
    static const smtp::pem_pair one = smtp::make_authority("test authority", 1);
    return one;
  }

  void serve(offer what) {
    hop.offers({"PIPELINING", "8BITMIME", "STARTTLS", "REQUIRETLS"});
    if (what == offer::nothing) hop.offers({"PIPELINING"});
    if (what == offer::refused) hop.answer("STARTTLS", "454 4.7.0 not now");
    if (what != offer::self_signed && what != offer::signed_one) return;
    const smtp::pem_pair pem = what == offer::signed_one
                                   ? smtp::make_signed(authority(), {"127.0.0.1"}, 1)
                                   : smtp::make_self_signed({"127.0.0.1"}, 1);
    smtp::tls_server_options options;
    options.certificates.push_back(smtp::certificate_source::from_pem(pem.cert_pem, pem.key_pem));
    EXPECT_TRUE(theirs.load(options));
    hop.serve_tls(theirs);
  }

  smtp::client_context ours;
  smtp::server_context theirs;
  relay_bench bench;
  wire_hop hop{bench.io};
};

struct tls_case {
  const char* name;
  hop_tls wanted;
  offer offered;
  const char* result;
  bool tls;
  int connections;
  const char* reply;  // a part of it
};

class RelayTlsCases : public RelayTls, public ::testing::WithParamInterface<tls_case> {};

TEST_P(RelayTlsCases, End) {
  const tls_case& c = GetParam();
  serve(c.offered);
  bench.routes.add("b.test", hop.hop(c.wanted));
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  const tests::delivery_note note = bench.log.last("r@b.test");
  EXPECT_EQ(note.result, c.result) << note.reply;
  EXPECT_EQ(note.tls, c.tls);
  EXPECT_THAT(note.reply, HasSubstr(c.reply));
  EXPECT_EQ(hop.connections(), c.connections);
  const bool delivered = std::string_view(c.result) == "delivered";
  ASSERT_EQ(hop.messages().size(), delivered ? 1u : 0u);
  if (delivered) {
    EXPECT_EQ(hop.messages()[0].tls, c.tls);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RelayTlsCases,
    ::testing::Values(
        tls_case{"NoneIsPlain", hop_tls::none, offer::signed_one, "delivered", false, 1, ""},
        tls_case{"Opportunistic", hop_tls::opportunistic, offer::self_signed, "delivered", true, 1,
                 ""},
        tls_case{"NotOffered", hop_tls::opportunistic, offer::nothing, "delivered", false, 1, ""},
        tls_case{"OfferWithdrawn", hop_tls::opportunistic, offer::refused, "delivered", false, 1,
                 ""},
        // RFC 7435 §3: plain text is better than no mail.
        tls_case{"BrokenThenPlain", hop_tls::opportunistic, offer::broken, "delivered", false, 2,
                 ""},
        tls_case{"Required", hop_tls::required, offer::self_signed, "delivered", true, 1, ""},
        tls_case{"RequiredButNotOffered", hop_tls::required, offer::nothing, "deferred", false, 1,
                 "STARTTLS"},
        tls_case{"RequiredButBroken", hop_tls::required, offer::broken, "deferred", false, 1,
                 "TLS"},
        tls_case{"RequiredButRefused", hop_tls::required, offer::refused, "deferred", false, 1,
                 "454 4.7.0 not now"},
        tls_case{"Verified", hop_tls::verify, offer::signed_one, "delivered", true, 1, ""},
        tls_case{"VerifiedButSelfSigned", hop_tls::verify, offer::self_signed, "deferred", false, 1,
                 "certificate"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(RelayTls, RequiredWithoutAnyTlsOfOursIsPutOffWithAReason) {
  serve(offer::signed_one);
  bench.options.tls = nullptr;
  bench.routes.add("b.test", hop.hop(hop_tls::required));
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("r@b.test").result, "deferred");
  EXPECT_THAT(bench.log.last("r@b.test").reply, HasSubstr("no TLS context"));
}

TEST_F(RelayTls, OpportunisticWithoutAnyTlsOfOursIsPlain) {
  serve(offer::signed_one);
  bench.options.tls = nullptr;
  bench.routes.add("b.test", hop.hop(hop_tls::opportunistic));
  bench.start();
  bench.send({"r@b.test"});
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("r@b.test").result, "delivered");
}

// RFC 8689 §4.2.1: the certificate is verified, whatever the route says.
TEST_F(RelayTls, AMessageThatRequiresTlsGetsAVerifiedConnection) {
  serve(offer::signed_one);
  bench.routes.add("b.test", hop.hop(hop_tls::opportunistic));
  bench.start();
  bench.send({"plain@b.test"});
  ASSERT_TRUE(bench.settled(1));
  bench.send({"r@b.test"}, "<s@a.test> REQUIRETLS");
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(bench.log.last("r@b.test").result, "delivered");
  ASSERT_THAT(hop.messages(), SizeIs(2));
  EXPECT_EQ(hop.messages()[1].mail, "MAIL FROM:<s@a.test> REQUIRETLS");
  EXPECT_EQ(hop.connections(), 2);  // the first was good enough for others only
}

TEST_F(RelayTls, AndNoOtherOne) {
  serve(offer::self_signed);
  bench.routes.add("b.test", hop.hop(hop_tls::opportunistic));
  bench.start();
  bench.send({"r@b.test"}, "<s@a.test> REQUIRETLS");
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("r@b.test").result, "deferred");
  EXPECT_THAT(hop.messages(), IsEmpty());
}

TEST_F(RelayTls, AHopThatDoesNotOfferItFailsSuchAMessage) {
  serve(offer::signed_one);
  hop.offers({"STARTTLS"});
  bench.routes.add("b.test", hop.hop(hop_tls::opportunistic));
  bench.start();
  bench.send({"r@b.test"}, "<s@a.test> REQUIRETLS");
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("r@b.test").result, "failed");
  EXPECT_THAT(bench.log.last("r@b.test").reply, StartsWith("550 5.7.30"));
}

// RFC 8689 §4.2.1: "repeat steps 2-5 with each host on the recipient domain's list of MX hosts".
TEST_F(RelayTls, ThenAnotherHopIsTried) {
  serve(offer::signed_one);
  wire_hop second(bench.io);
  second.serve_tls(theirs);
  second.offers({"STARTTLS", "REQUIRETLS"});
  hop.offers({"STARTTLS"});
  bench.routes.add("b.test", route(std::vector<next_hop>{hop.hop(), second.hop()}));
  bench.start();
  bench.send({"1@b.test", "2@b.test"}, "<s@a.test> REQUIRETLS");
  ASSERT_TRUE(bench.settled(2));
  EXPECT_THAT(hop.messages(), IsEmpty());
  ASSERT_THAT(second.messages(), SizeIs(1));
  EXPECT_THAT(second.messages()[0].rcpt, SizeIs(2));
  EXPECT_EQ(second.messages()[0].mail, "MAIL FROM:<s@a.test> REQUIRETLS");
}

// It may offer REQUIRETLS, whichever of them it is.
TEST_F(RelayTls, AHopThatIsAwayIsWaitedFor) {
  serve(offer::signed_one);
  hop.offers({"STARTTLS"});
  wire_hop away(bench.io);
  away.go_away();
  bench.routes.add("b.test", route(std::vector<next_hop>{hop.hop(), away.hop()}));
  bench.routes.add("c.test", route(std::vector<next_hop>{away.hop(), hop.hop()}));
  bench.start();
  bench.send({"r@b.test"}, "<s@a.test> REQUIRETLS");
  bench.send({"r@c.test"}, "<s@a.test> REQUIRETLS");
  ASSERT_TRUE(bench.settled(2));
  EXPECT_EQ(bench.log.last("r@b.test").result, "deferred");
  EXPECT_EQ(bench.log.last("r@c.test").result, "deferred");
  EXPECT_THAT(hop.messages(), IsEmpty());
}

// RFC 8689 §5: a bounce "SHOULD NOT" be discarded because REQUIRETLS is not offered.
TEST_F(RelayTls, ABounceGoesToAHopThatDoesNotOfferIt) {
  serve(offer::signed_one);
  hop.offers({"STARTTLS"});
  bench.routes.add("b.test", hop.hop());
  bench.start();
  bench.send({"r@b.test"}, "<> REQUIRETLS");
  ASSERT_TRUE(bench.settled(1));
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_TRUE(hop.messages()[0].tls);
  EXPECT_EQ(hop.messages()[0].mail, "MAIL FROM:<>");
}

// RFC 8689 §4.4: what is delivered on this machine is not sent.
TEST_F(RelayTls, ALocalStoreNeedsNoTls) {
  const tests::scratch_directory folder("/tmp");
  const std::string path = folder.path() + "/lmtp";
  hop.speak_lmtp();
  hop.offers({"PIPELINING"});
  hop.listen_at(path);
  bench.routes.add("b.test", next_hop::lmtp_socket(path));
  bench.start();
  bench.send({"r@b.test"}, "<s@a.test> REQUIRETLS");
  ASSERT_TRUE(bench.settled(1));
  EXPECT_EQ(bench.log.last("r@b.test").result, "delivered");
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_EQ(hop.messages()[0].mail, "MAIL FROM:<s@a.test>");
}

}  // namespace
}  // namespace gatepost::routing
