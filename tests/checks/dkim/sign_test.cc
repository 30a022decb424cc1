// This header stands alone.
#include "checks/dkim/sign.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "checks/dkim/verify.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/header_reader.hpp"
#include "tests/checks/dkim/samples.hpp"

namespace gatepost::checks::dkim {
namespace {

using std::chrono::seconds;
const std::chrono::system_clock::time_point now(seconds(1'800'000'000));

signing_key key(const char* pem, const char* domain = "example.test") {
  return *signing_key::make(domain, "sel", *private_key::from_pem(pem));
}

std::string sign(const std::string& message, const signing_key& by, const sign_options& options) {
  const auto header = smtp::read_header(message);
  signing s(options);
  s.body(std::string_view(message).substr(header->body_offset));
  return s.field({message, header->fields}, by, now);
}

report verified(const std::string& message, const signing_key& by) {
  verification v({}, now);
  const auto header = smtp::read_header(message);
  v.header(message, header);
  for (std::size_t i = 0; i < v.questions().size(); ++i)
    v.answer(i, smtp::dns::answer<std::string>::found({by.key.dns_record()}, seconds(1)));
  v.body(std::string_view(message).substr(header->body_offset));
  return v.finish();
}

TEST(DkimSign, WhatWeSignVerifies) {
  const std::string messages[] = {
      samples::plain_message,
      "From: a@example.test\r\n\r\n",
      "From: a@example.test\r\n",
      "FROM :  \"A\"\r\n\t<a@example.test> \r\nX: y\r\nSubject:\r\nTo: b\r\nTo: c\r\n\r\n a \t b "
      "\r\n\r\n\r\n",
      "Subject: no author\r\n\r\nno line end",
  };
  for (const char* pem : {samples::rsa_pem, samples::ed25519_pem}) {
    const signing_key by = key(pem);
    for (const std::string& message : messages) {
      for (const auto header : {canonicalization::simple, canonicalization::relaxed}) {
        for (const auto body : {canonicalization::simple, canonicalization::relaxed}) {
          sign_options options;
          options.header = header;
          options.body = body;
          const std::string field = sign(message, by, options);
          const report r = verified(field + message, by);
          ASSERT_EQ(r.outcome(), outcome::pass) << field << message << r.signatures()[0].reason;
        }
      }
    }
  }
}

// The verdict's way to the wire writes fields anew: nothing may change by it.
TEST(DkimSign, TheFieldIsWrittenAsTheHouseWritesFields) {
  for (const char* pem : {samples::rsa_pem, samples::ed25519_pem}) {
    const std::string field = sign(samples::plain_message, key(pem), {});
    std::string again;
    smtp::write_field(again, "DKIM-Signature", value_of(field));
    EXPECT_EQ(again, field);
    const auto read = smtp::read_header(field);
    ASSERT_EQ(read->fields.size(), 1u);
    for (std::size_t at = 0; at < field.size(); at = field.find("\r\n", at) + 2)
      EXPECT_LE(field.find("\r\n", at) - at, smtp::preferred_line_octets);
  }
}

TEST(DkimSign, NothingCanBeAddedToWhatIsOversigned) {
  const signing_key by = key(samples::rsa_pem);
  const std::string message = sign(samples::plain_message, by, {}) + samples::plain_message;
  for (const char* field : {"From: e@x.test\r\n", "Subject: x\r\n", "Cc: x\r\n", "Reply-To: x\r\n"})
    EXPECT_EQ(verified(field + message, by).outcome(), outcome::fail) << field;
  EXPECT_EQ(verified("Received: x\r\n" + message, by).outcome(), outcome::pass);
}

TEST(DkimSign, FromIsAlwaysSigned) {
  sign_options options;
  options.fields = {};
  options.oversigned = {};
  const std::string field = sign(samples::plain_message, key(samples::rsa_pem), options);
  EXPECT_NE(field.find("h=From : From;"), field.npos) << field;
}

TEST(DkimSign, Tags) {
  sign_options options;
  options.expires_after = seconds(3600);
  options.identity = "joe doe";
  std::string value(value_of(sign(samples::plain_message, key(samples::rsa_pem), options)));
  for (const char* tag : {"v=1;", "a=rsa-sha256;", "c=relaxed/relaxed;", "d=example.test;",
                          "s=sel;", "i=joe=20doe@example.test;", "t=1800000000;", "x=1800003600;"})
    EXPECT_NE(value.find(tag), value.npos) << tag << value;
  EXPECT_EQ(value.find(" l="), value.npos);
  const std::string plain(value_of(sign(samples::plain_message, key(samples::ed25519_pem), {})));
  EXPECT_EQ(plain.find(" x="), plain.npos);
  EXPECT_NE(plain.find("a=ed25519-sha256;"), plain.npos);
}

TEST(DkimSign, KeysHaveNames) {
  const auto pem = *private_key::from_pem(samples::ed25519_pem);
  EXPECT_EQ(signing_key::make("Example.TEST", "Sel", pem)->key_name(),
            "sel._domainkey.example.test");
  EXPECT_EQ(signing_key::make("b\xc3\xbc"
                              "cher.example",
                              "s", pem)
                ->domain,
            "xn--bcher-kva.example");
  EXPECT_FALSE(signing_key::make("test", "sel", pem));
  EXPECT_FALSE(signing_key::make("example.test", "s l", pem));
  EXPECT_FALSE(signing_key::make("example.test", "", pem));
}

TEST(DkimSign, ValueOf) {
  EXPECT_EQ(value_of("A:  b c \r\n"), "b c");
  EXPECT_EQ(value_of("A: \r\n"), "");
  EXPECT_EQ(value_of(""), "");
}

}  // namespace
}  // namespace gatepost::checks::dkim
