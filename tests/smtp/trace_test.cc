// This header stands alone.
#include "smtp/trace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "smtp/header_reader.hpp"

namespace gatepost::smtp {
namespace {

using std::chrono::system_clock;

system_clock::time_point at(int year, unsigned month, unsigned day, int hour, int minute,
                            int second) {
  const std::chrono::sys_days date = std::chrono::year(year) / month / day;
  return date + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

tls_facts tls13() {
  tls_facts tls;
  tls.version = "TLSv1.3";
  tls.cipher = "TLS_AES_128_GCM_SHA256";
  tls.cipher_bits = 128;
  tls.group = "X25519";
  return tls;
}

received_facts simple() {
  received_facts facts;
  facts.helo = "mail.example.org";
  facts.client_name = "out1.example.org";
  facts.client = *parse_ip_address("192.0.2.1");
  facts.by = "mx.example.test";
  facts.id = "01J9ZK";
  facts.recipient = "a@example.test";
  facts.recipients = 1;
  facts.time = at(2026, 11, 23, 9, 16, 54);
  return facts;
}

std::string received(const received_facts& facts) {
  std::string out;
  write_received(out, facts);
  return out;
}

// One field, of right lines, whose clauses cannot be shifted: its reader finds our name behind
// "by".
void expect_sound(const received_facts& facts) {
  const std::string field = received(facts);
  const std::string text = field + "\r\n";
  const auto header = read_header(text);
  ASSERT_TRUE(header);
  ASSERT_EQ(header->fields.size(), 1u) << field;
  EXPECT_EQ(header->ending, header_ending::blank_line);
  EXPECT_EQ(header->fields[0].name, "Received");
  EXPECT_EQ(received_by(header->fields[0].value), "mx.example.test") << field;
  std::string storage;
  const auto value = unfolded(header->fields[0].value, storage);
  EXPECT_TRUE(value.ends_with("; Mon, 23 Nov 2026 09:16:54 +0000")) << field;
  EXPECT_EQ(std::count(value.begin(), value.end(), ';'), 1) << field;
  EXPECT_EQ(field.find_first_of(std::string_view("\0\x7f\x1b\t", 4)), field.npos) << field;
  for (std::size_t start = 0; start < field.size();) {
    const auto end = field.find("\r\n", start);
    ASSERT_NE(end, field.npos);
    EXPECT_LE(end - start, max_line_octets);
    start = end + 2;
  }
}

TEST(write_received, all_clauses) {
  EXPECT_EQ(received(simple()),
            "Received: from mail.example.org (out1.example.org [192.0.2.1])\r\n"
            " by mx.example.test with ESMTP id 01J9ZK for <a@example.test>;\r\n"
            " Mon, 23 Nov 2026 09:16:54 +0000\r\n");
  expect_sound(simple());
}

TEST(write_received, tls_and_auth) {
  auto facts = simple();
  const auto tls = tls13();
  facts.tls = &tls;
  facts.authenticated = true;
  EXPECT_EQ(received(facts),
            "Received: from mail.example.org (out1.example.org [192.0.2.1])\r\n"
            " by mx.example.test with ESMTPSA (version=TLSv1.3 bits=128) id 01J9ZK\r\n"
            " for <a@example.test> tls TLS_AES_128_GCM_SHA256 group X25519;\r\n"
            " Mon, 23 Nov 2026 09:16:54 +0000\r\n");
  expect_sound(facts);
  facts.auth_identity = "alice";
  EXPECT_NE(received(facts).find("(authenticated: alice)"), std::string::npos);
  facts.authenticated = false;
  EXPECT_EQ(received(facts).find("alice"), std::string::npos);
}

TEST(write_received, client_certificate_and_unregistered_cipher) {
  auto facts = simple();
  auto tls = tls13();
  tls.peer.present = true;
  facts.tls = &tls;
  EXPECT_NE(received(facts).find("(version=TLSv1.3 bits=128 verify=no)"), std::string::npos);
  tls.peer_verified = true;
  EXPECT_NE(received(facts).find("(version=TLSv1.3 bits=128 verify=yes)"), std::string::npos);
  tls.cipher = "odd) cipher; name";
  EXPECT_NE(received(facts).find("(version=TLSv1.3 cipher=odd? cipher? name bits=128 verify=yes)"),
            std::string::npos);
  EXPECT_EQ(received(facts).find(" tls "), std::string::npos);
}

TEST(write_received, what_is_not_known_is_left_out) {
  received_facts facts;
  facts.by = "mx.example.test";
  facts.time = at(2026, 11, 23, 9, 16, 54);
  facts.protocol = protocol::smtp;
  EXPECT_EQ(received(facts),
            "Received: from unknown by mx.example.test with SMTP;\r\n"
            " Mon, 23 Nov 2026 09:16:54 +0000\r\n");
  facts.helo = "[IPv6:2001:db8::1]";
  facts.client = *parse_ip_address("2001:db8::1");
  EXPECT_EQ(received(facts),
            "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1]) by mx.example.test\r\n"
            " with SMTP; Mon, 23 Nov 2026 09:16:54 +0000\r\n");
}

TEST(write_received, one_of_several_recipients_is_not_told) {
  auto facts = simple();
  for (const std::size_t count : {0u, 2u, 1000u}) {
    facts.recipients = count;
    EXPECT_EQ(received(facts).find("for"), std::string::npos);
  }
}

TEST(write_received, recipients_of_every_form) {
  auto facts = simple();
  for (const char* mailbox : {"\"a b\"@example.test", "\"a;\\\"<b>\"@example.test", "a@[192.0.2.1]",
                              "\xc3\xbc@example.test", "postmaster"}) {
    facts.recipient = mailbox;
    EXPECT_NE(received(facts).find("for <" + std::string(mailbox) + ">"), std::string::npos);
  }
  for (const char* mailbox : {"a@b>; evil", "a\r\nBcc: x", "\"open", "\"a\r\n\"@b", "a(b)@c",
                              "a\xff@b", "\"a\\", "a b", "<>"}) {
    facts.recipient = mailbox;
    expect_sound(facts);
    EXPECT_EQ(received(facts).find("for <" + std::string(mailbox) + ">"), std::string::npos);
  }
  facts.recipient = "a@b>; evil";
  EXPECT_NE(received(facts).find("for <a@b???evil>"), std::string::npos);
  const std::string huge(5000, 'a');
  facts.recipient = huge;
  EXPECT_EQ(received(facts).find("for"), std::string::npos);
}

TEST(write_received, a_client_cannot_inject_anything) {
  for (const std::string& text : {std::string("x\r\nBcc: victim@example.test"),
                                  std::string("x\nSubject: y"),
                                  std::string("x\r\n\r\n."),
                                  std::string("x by evil.test"),
                                  std::string("x (y) by evil.test; date"),
                                  std::string("a;b"),
                                  std::string("x) by evil.test (y"),
                                  std::string("\\"),
                                  std::string("a\\"),
                                  std::string("\""),
                                  std::string("a\0b", 3),
                                  std::string("\x1b[31m"),
                                  std::string("gr\xc3\xbc\xc3\x9f"),
                                  std::string("by"),
                                  std::string("[x\r\n]"),
                                  std::string("[a b]"),
                                  std::string(5000, 'x'),
                                  std::string(5000, '('),
                                  std::string("<script>"),
                                  std::string(" "),
                                  std::string("a,b@c")}) {
    auto facts = simple();
    facts.helo = text;
    expect_sound(facts);
    facts = simple();
    facts.client_name = text;
    expect_sound(facts);
    facts = simple();
    facts.id = text;
    expect_sound(facts);
    facts = simple();
    facts.recipient = text;
    expect_sound(facts);
  }
  auto facts = simple();
  facts.helo = "x (y) by evil.test";
  EXPECT_TRUE(received(facts).starts_with("Received: from x??y??by?evil.test (out1"))
      << received(facts);
}

// RFC 5321 §4.4: the name in TCP-info is a domain. A literal there would be read as the address.
TEST(write_received, a_name_is_no_literal) {
  auto facts = simple();
  facts.helo = "[10.0.0.1]";
  facts.client_name = "[10.0.0.1]";
  EXPECT_TRUE(received(facts).starts_with("Received: from [10.0.0.1] (?10.0.0.1? [192.0.2.1])"))
      << received(facts);
}

TEST(write_received, an_identity_cannot_inject_anything) {
  for (const char* text : {"a)b", "a(b", "a\\", "a\r\nBcc: x", "\x1b", "\xc3\xbc", "a;b"}) {
    auto facts = simple();
    facts.authenticated = true;
    facts.auth_identity = text;
    expect_sound(facts);
  }
}

TEST(write_received, every_octet_in_every_place) {
  for (int octet = 0; octet < 256; ++octet) {
    const std::string text{'a', static_cast<char>(octet), 'b'};
    auto facts = simple();
    facts.helo = text;
    facts.client_name = text;
    facts.id = text;
    facts.recipient = text;
    expect_sound(facts);
  }
}

TEST(write_received, long_names_keep_lines_below_998) {
  auto facts = simple();
  const std::string host(255, 'h');
  const std::string mailbox = std::string(64, 'l') + "@" + std::string(255, 'd');
  facts.helo = host;
  facts.client_name = host;
  facts.recipient = mailbox;
  expect_sound(facts);
}

// RFC 3848 §2, RFC 6531 §4.3.
TEST(transmission_type, every_combination) {
  constexpr struct {
    smtp::protocol protocol;
    bool utf8, tls, auth;
    const char* type;
  } cases[] = {
      {protocol::none, false, false, false, "SMTP"},
      {protocol::smtp, false, false, false, "SMTP"},
      {protocol::smtp, false, true, false, "ESMTPS"},
      {protocol::esmtp, false, false, false, "ESMTP"},
      {protocol::esmtp, false, false, true, "ESMTPA"},
      {protocol::esmtp, false, true, false, "ESMTPS"},
      {protocol::esmtp, false, true, true, "ESMTPSA"},
      {protocol::esmtp, true, false, false, "UTF8SMTP"},
      {protocol::esmtp, true, false, true, "UTF8SMTPA"},
      {protocol::esmtp, true, true, false, "UTF8SMTPS"},
      {protocol::esmtp, true, true, true, "UTF8SMTPSA"},
      {protocol::lmtp, false, false, false, "LMTP"},
      {protocol::lmtp, false, false, true, "LMTPA"},
      {protocol::lmtp, false, true, false, "LMTPS"},
      {protocol::lmtp, false, true, true, "LMTPSA"},
      {protocol::lmtp, true, false, false, "UTF8LMTP"},
      {protocol::lmtp, true, false, true, "UTF8LMTPA"},
      {protocol::lmtp, true, true, false, "UTF8LMTPS"},
      {protocol::lmtp, true, true, true, "UTF8LMTPSA"},
  };
  const auto tls = tls13();
  for (const auto& c : cases) {
    received_facts facts;
    facts.protocol = c.protocol;
    facts.utf8 = c.utf8;
    facts.tls = c.tls ? &tls : nullptr;
    facts.authenticated = c.auth;
    EXPECT_EQ(transmission_type(facts), c.type);
  }
}

TEST(date_text, rfc_5322_in_utc) {
  EXPECT_EQ(date_text(system_clock::time_point()), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(date_text(at(2026, 11, 23, 9, 16, 54)), "Mon, 23 Nov 2026 09:16:54 +0000");
  EXPECT_EQ(date_text(at(2024, 2, 29, 23, 59, 59)), "Thu, 29 Feb 2024 23:59:59 +0000");
  EXPECT_EQ(date_text(at(2000, 1, 1, 0, 0, 0)), "Sat, 01 Jan 2000 00:00:00 +0000");
  EXPECT_EQ(date_text(at(2100, 3, 1, 12, 0, 0)), "Mon, 01 Mar 2100 12:00:00 +0000");
  EXPECT_EQ(date_text(at(1969, 12, 31, 23, 59, 59)), "Wed, 31 Dec 1969 23:59:59 +0000");
  EXPECT_EQ(date_text(at(2026, 11, 23, 9, 16, 54) + std::chrono::milliseconds(999)),
            "Mon, 23 Nov 2026 09:16:54 +0000");
}

TEST(final_delivery, return_path_and_delivered_to) {
  std::string out;
  write_return_path(out, "a@example.test");
  write_return_path(out, "");
  write_return_path(out, "\"a b\"@example.test");
  write_return_path(out, "a>\r\nBcc: x");
  EXPECT_EQ(out,
            "Return-Path: <a@example.test>\r\nReturn-Path: <>\r\n"
            "Return-Path: <\"a b\"@example.test>\r\nReturn-Path: <a???Bcc:?x>\r\n");
  out.clear();
  write_delivered_to(out, "a@example.test");
  write_delivered_to(out, "x\r\ny");
  EXPECT_EQ(out, "Delivered-To: a@example.test\r\nDelivered-To: x??y\r\n");
  const auto header = read_header(out);
  ASSERT_TRUE(header);
  EXPECT_TRUE(delivered_before(header->fields, "a@example.test"));
}

}  // namespace
}  // namespace gatepost::smtp
