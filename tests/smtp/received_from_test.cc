// This header stands alone.
#include "smtp/received_from.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "smtp/trace.hpp"

namespace gatepost::smtp {
namespace {

TEST(ReceivedFrom, ReadsWhatServersWrite) {
  struct {
    const char* value;
    const char* address;
    const char* helo;
    const char* name;
  } const cases[] = {
      // Postfix
      {" from mail.example.com (mail.example.com [192.0.2.1])\r\n\t(using TLSv1.3 with cipher "
       "X)\r\n"
       "\tby mx.example.test (Postfix) with ESMTPS id 4ABC\r\n\tfor <ann@example.test>; Mon, 1 Jan",
       "192.0.2.1", "mail.example.com", "mail.example.com"},
      {" from helo (unknown [192.0.2.1]) by mx (Postfix) with SMTP id 1; x", "192.0.2.1", "helo",
       ""},
      {" from [10.9.8.7] (unknown [192.0.2.1]) by mx with ESMTP; x", "192.0.2.1", "[10.9.8.7]", ""},
      {" from helo (name.example [IPv6:2001:db8::1]) by mx with ESMTP; x", "2001:db8::1", "helo",
       "name.example"},
      {" from helo (name.example [2001:db8::1]) by mx with ESMTP; x", "2001:db8::1", "helo",
       "name.example"},
      {" from helo (n [IPv6:::ffff:192.0.2.1]) by mx; x", "192.0.2.1", "helo", "n"},
      // Sendmail
      {" from helo (name.example [192.0.2.1] (may be forged))\r\n\tby mx (8.17.1/8.17.1) with "
       "ESMTP "
       "id 1AB; Mon, 1 Jan",
       "192.0.2.1", "helo", "name.example"},
      {" from helo ([192.0.2.1]) by mx (8.17.1/8.17.1) with ESMTP id 1AB; x", "192.0.2.1", "helo",
       ""},
      {" from helo (IDENT:root@name.example [192.0.2.1]) by mx; x", "192.0.2.1", "helo", ""},
      // Exim
      {" from name.example ([192.0.2.1]:4711 helo=helo.example)\r\n\tby mx with esmtps  (TLS1.3) "
       "tls "
       "TLS_X\r\n\t(Exim 4.96)\r\n\t(envelope-from <a@b>)\r\n\tid 1rX; Mon, 1 Jan",
       "192.0.2.1", "helo.example", "name.example"},
      {" from name.example ([192.0.2.1]) by mx with esmtp (Exim 4.96); x", "192.0.2.1",
       "name.example", ""},
      {" from [192.0.2.1] (helo=helo.example) by mx with esmtp (Exim 4.96); x", "192.0.2.1",
       "helo.example", ""},
      {" from [192.0.2.1] (port=4711 helo=helo.example) by mx with esmtp (Exim 4.96); x",
       "192.0.2.1", "helo.example", ""},
      {" from [192.0.2.1] (helo=[10.9.8.7]) by mx with esmtp (Exim 4.96); x", "192.0.2.1",
       "[10.9.8.7]", ""},
      {" from [192.0.2.1] by mx with smtp (Exim 4.96); x", "192.0.2.1", "[192.0.2.1]", ""},
      {" from [2001:db8::1] (helo=h) by mx with esmtp (Exim 4.96); x", "2001:db8::1", "h", ""},
      // Exchange
      {" from helo.example (192.0.2.1) by\r\n mx.example.test (10.0.0.1) with Microsoft SMTP "
       "Server "
       "(version=TLS1_2) id 15.20; Mon",
       "192.0.2.1", "helo.example", ""},
      {" from helo.example (2001:db8:1::5) by mx with Microsoft SMTP Server id 15; x",
       "2001:db8:1::5", "helo.example", ""},
      // qmail
      {" from unknown (HELO helo.example) (192.0.2.1)\r\n  by 0 with SMTP; 1 Jan 2026", "192.0.2.1",
       "helo.example", ""},
      {" from name.example (HELO helo.example) (root@192.0.2.1) by 0 with SMTP; 1 Jan", "192.0.2.1",
       "helo.example", "name.example"},
      {" from name.example (192.0.2.1) by 0 with SMTP; 1 Jan", "192.0.2.1", "name.example", ""},
      // Others
      {"FROM helo (Name.Example. [192.0.2.1]) by mx", "192.0.2.1", "helo", "Name.Example."},
      {"from helo(name [192.0.2.1])by mx", "192.0.2.1", "helo", "name"},
  };
  for (const auto& c : cases) {
    const auto found = read_received_from(c.value);
    ASSERT_TRUE(found) << c.value;
    EXPECT_EQ(found->address.text(), c.address) << c.value;
    EXPECT_EQ(found->helo, c.helo) << c.value;
    EXPECT_EQ(found->name, c.name) << c.value;
    EXPECT_FALSE(found->authenticated) << c.value;
  }
}

TEST(ReceivedFrom, NamesNobodyWhereItIsNotClear) {
  const char* const cases[] = {
      "",
      "from",
      " by mx.example.test (Postfix, from userid 33) id 4ABC; Mon, 1 Jan",
      " from helo by mx with ESMTP; x",
      " from localhost (localhost [local]) by mx (OpenSMTPD); x",
      " from helo (unknown [unknown]) by mx; x",
      // An address literal alone may be what the client said.
      " from [192.0.2.1] by mx with ESMTP; x",
      " from [192.0.2.1] (something else) by mx; x",
      // What a client would like us to read.
      " from a (b [10.0.0.1] by mx; x",
      " from a (b c [192.0.2.1]) by mx; x",
      " from a ((b [192.0.2.1])) by mx; x",
      " from a (b (c) [192.0.2.1]) by mx; x",
      " from a (b [192.0.2.1]x) by mx; x",
      " from a (b [192.0.2.1][10.0.0.1]) by mx; x",
      " from a (b [192.0.2.1 ]) by mx; x",
      " from a (b [192.0.2.01]) by mx; x",
      " from a (b [192.0.2.256]) by mx; x",
      " from a (b [fe80::1%eth0]) by mx; x",
      " from a (b [0.0.0.0]) by mx; x",
      " from a (b [::]) by mx; x",
      " from \"a (b\" (c [192.0.2.1]) by mx; x",
      " from a (HELO x) (HELO y) (192.0.2.1) by mx; x",
      " from a (HELO x) (192.0.2.1 more) by mx; x",
      " from a \\(b [192.0.2.1]) by mx; x",
      "fromage (b [192.0.2.1]) by mx; x",
  };
  for (const char* value : cases) EXPECT_FALSE(read_received_from(value)) << value;
}

TEST(ReceivedFrom, AVeryLongFieldIsNotRead) {
  std::string value = " from a (b [192.0.2.1]) by mx (";
  value.append(max_received_octets - value.size() - 1, 'x');
  value += ')';
  EXPECT_TRUE(read_received_from(value));
  value += ' ';
  EXPECT_FALSE(read_received_from(value));
}

TEST(ReceivedFrom, SaysWhetherTheClientWasAuthenticated) {
  struct {
    const char* behind;
    bool authenticated;
  } const cases[] = {
      {"by mx with ESMTP id 1; x", false},
      {"by mx with ESMTPS id 1; x", false},
      {"by mx with ESMTPA id 1; x", true},
      {"by mx with ESMTPSA id 1; x", true},
      {"by mx with UTF8SMTPSA id 1; x", true},
      {"by mx with UTF8LMTPA id 1; x", true},
      {"by mx via TCP with esmtpsa (TLS1.3) tls X (Exim 4.96) id 1; x", true},
      {"(Authenticated sender: ann) by mx with ESMTPS id 1; x", true},
      {"(authenticated bits=0) by mx with ESMTP id 1; x", true},
      {"by mx with ESMTPS (authenticated: ann) id 1; x", true},
      {"(using TLSv1.3 with cipher X (256/256 bits))\r\n\t(Authenticated sender: ann) by mx; x",
       true},
      {"(authenticated) by mx with ESMTP id 1; x", true},
      {"(authenticated.evil.test) by mx with ESMTP id 1; x", false},
      {"(authenticated@203.0.113.5) by mx with ESMTP id 1; x", false},
      // Not keywords: the value of another clause, text in quotes, behind the date.
      {"by with ESMTPSA; x", false},
      {"by mx id with ESMTPSA; x", false},
      {"by mx with ESMTP id 1; with ESMTPA", false},
      {"by mx with \"ESMTPA\"; x", false},
  };
  for (const auto& c : cases) {
    const std::string value = std::string(" from a (b [192.0.2.1]) ") + c.behind;
    const auto found = read_received_from(value);
    ASSERT_TRUE(found) << value;
    EXPECT_EQ(found->authenticated, c.authenticated) << value;
  }
}

// The client chooses its name in the DNS, and what its ident server says.
TEST(ReceivedFrom, TheClientsNameAuthenticatesNobody) {
  for (const char* behind : {
           "x (authenticated.evil.test [203.0.113.5]) by border (Postfix) with ESMTPS id 1; x",
           "x (authenticated [203.0.113.5]) by border (Postfix) with ESMTPS id 1; x",
           "x (authenticated: [203.0.113.5]) by border with ESMTP id 1; x",
           "x (authenticated@evil.test [203.0.113.5]) by border (8.17.1/8.17.1) with ESMTP; x",
           "authenticated ([203.0.113.5] helo=authenticated) by border with esmtp (Exim 4.96); x",
           "[203.0.113.5] (helo=authenticated) by border with esmtp (Exim 4.96); x",
           "x (HELO x) (authenticated@203.0.113.5) by border with SMTP; x",
           "x (HELO authenticated) (203.0.113.5) by border with SMTP; x",
           "authenticated (authenticated@203.0.113.5) by border with SMTP; x",
       }) {
    const std::string value = std::string(" from ") + behind;
    const auto found = read_received_from(value);
    if (!found) continue;
    EXPECT_EQ(found->address.text(), "203.0.113.5") << value;
    EXPECT_FALSE(found->authenticated) << value;
  }
  EXPECT_TRUE(read_received_from(" from x (authenticated.evil.test [203.0.113.5]) by border; x"));
  const auto user = read_received_from(
      " from x (authenticated.evil.test [203.0.113.5])\r\n\t(Authenticated sender: ann) by mx; x");
  ASSERT_TRUE(user);
  EXPECT_TRUE(user->authenticated);
}

TEST(ReceivedFrom, ReadsWhatWeWrite) {
  for (const char* address : {"192.0.2.1", "2001:db8::25"}) {
    for (const char* name : {"", "name.example"}) {
      for (const bool authenticated : {false, true}) {
        received_facts facts;
        facts.helo = "[10.9.8.7]";
        facts.client_name = name;
        facts.client = *parse_ip_address(address);
        facts.by = "mx.example.test";
        facts.authenticated = authenticated;
        facts.id = "with";
        std::string field;
        write_received(field, facts);
        const auto found = read_received_from(std::string_view(field).substr(9));
        ASSERT_TRUE(found) << field;
        EXPECT_EQ(found->address, *parse_ip_address(address));
        EXPECT_EQ(found->helo, "[10.9.8.7]");
        EXPECT_EQ(found->name, name);
        EXPECT_EQ(found->authenticated, authenticated);
      }
    }
  }
}

// Whatever the client is called, its address is the one that was seen.
TEST(ReceivedFrom, ReadsTheAddressWeWriteWhateverTheName) {
  for (const char* name :
       {"[10.9.8.7]", "10.9.8.7", "helo", "HELO", "account", "port", "unknown"}) {
    received_facts facts;
    facts.helo = "[10.9.8.7]";
    facts.client_name = name;
    facts.client = *parse_ip_address("192.0.2.1");
    facts.by = "mx.example.test";
    std::string field;
    write_received(field, facts);
    const auto found = read_received_from(field.substr(9));
    ASSERT_TRUE(found) << field;
    EXPECT_EQ(found->address, *facts.client) << field;
  }
}

}  // namespace
}  // namespace gatepost::smtp
