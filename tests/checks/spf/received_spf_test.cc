// This header stands alone.
#include "checks/spf/received_spf.hpp"

#include <gtest/gtest.h>

#include <string>

#include "smtp/header_edits.hpp"

namespace gatepost::checks::spf {
namespace {

outcome made(result r) {
  outcome o;
  o.result = r;
  o.sender = "a@example.com";
  return o;
}

received_spf_facts facts(const char* client = "192.0.2.1") {
  received_spf_facts f;
  f.client = *smtp::parse_ip_address(client);
  f.reverse_path = "a@example.com";
  f.helo = "mx.example.com";
  f.receiver = "mx.example.org";
  return f;
}

// RFC 7208 §9.1
TEST(ReceivedSpf, Pass) {
  outcome o = made(result::pass);
  o.mechanism = "+ip4:192.0.2.0/24";
  EXPECT_EQ(received_spf(o, facts()),
            "pass (mx.example.org: example.com designates 192.0.2.1 as permitted sender) "
            "identity=mailfrom; client-ip=192.0.2.1; receiver=mx.example.org; "
            "envelope-from=\"a@example.com\"; helo=mx.example.com; "
            "mechanism=\"ip4:192.0.2.0/24\"");
}

TEST(ReceivedSpf, Helo) {
  outcome o = made(result::neutral);
  o.identity = identity::helo;
  EXPECT_EQ(received_spf(o, facts("2001:db8::1")),
            "neutral (mx.example.org: example.com neither permits nor denies 2001:db8::1) "
            "identity=helo; client-ip=\"2001:db8::1\"; receiver=mx.example.org; "
            "helo=mx.example.com; mechanism=default");
}

TEST(ReceivedSpf, Problem) {
  outcome o = made(result::permerror);
  o.problem = "example.com: unknown mechanism: \"moo\"";
  EXPECT_EQ(received_spf(o, facts()),
            "permerror (mx.example.org: SPF record of example.com is in error) "
            "identity=mailfrom; client-ip=192.0.2.1; receiver=mx.example.org; "
            "envelope-from=\"a@example.com\"; helo=mx.example.com; "
            "problem=\"example.com: unknown mechanism: \\\"moo\\\"\"");
}

TEST(ReceivedSpf, NullSenderAndNoReceiver) {
  received_spf_facts f = facts("::ffff:192.0.2.1");
  f.reverse_path = {};
  f.receiver = {};
  EXPECT_EQ(received_spf(made(result::none), f),
            "none (no SPF record for example.com) identity=mailfrom; client-ip=192.0.2.1; "
            "envelope-from=\"<>\"; helo=mx.example.com");
}

TEST(ReceivedSpf, EveryResultHasASentence) {
  for (const result r : {result::none, result::neutral, result::pass, result::fail,
                         result::softfail, result::temperror, result::permerror}) {
    const std::string text = received_spf(made(r), facts());
    EXPECT_TRUE(text.starts_with(std::string(to_string(r)) + " (")) << text;
  }
}

// No value ends its place.
TEST(ReceivedSpf, HostileValues) {
  outcome o = made(result::fail);
  o.sender = "a@ex)ample\\.com\r\nX: y";
  o.mechanism = "-exists:\"(;\\";
  received_spf_facts f = facts();
  f.reverse_path = "\"a\\\"b\"@example.com";
  f.helo = "evil\"; helo=\"x\r\nSubject: hi";
  const std::string text = received_spf(o, f);
  EXPECT_EQ(text,
            "fail (mx.example.org: ex\\)ample\\\\.com??X: y does not designate 192.0.2.1 as "
            "permitted sender) identity=mailfrom; client-ip=192.0.2.1; receiver=mx.example.org; "
            "envelope-from=\"\\\"a\\\\\\\"b\\\"@example.com\"; "
            "helo=\"evil\\\"; helo=\\\"x??Subject: hi\"; mechanism=\"exists:\\\"(;\\\\\"");
  std::string field;
  smtp::write_field(field, received_spf_name, text);
  EXPECT_EQ(field.find("\r\nX:"), std::string::npos);
}

}  // namespace
}  // namespace gatepost::checks::spf
