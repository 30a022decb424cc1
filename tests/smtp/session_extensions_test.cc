// This header stands alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "smtp/session.hpp"
#include "tests/support/sessions.hpp"

namespace gatepost::smtp {
namespace {

using testing::script;
using namespace tests;  // NOLINT(google-build-using-namespace)

const std::string sender_ok = "250 2.1.0 Sender OK\r\n";
const std::string recipient_ok = "250 2.1.5 Recipient OK\r\n";

// MAIL commands one after the other, each with the reply it gets.
void check_mail(const channel& settings,
                std::initializer_list<std::tuple<std::string, std::string>> cases) {
  for (const auto& [arguments, words] : cases) {
    script s = greeted(settings);
    s.client("MAIL FROM:" + arguments + "\r\n").server(words);
    leave(s);
    EXPECT_EQ(s.check(), "") << arguments;
  }
}

void check_rcpt(const std::string& mail,
                std::initializer_list<std::tuple<std::string, std::string>> cases) {
  for (const auto& [arguments, words] : cases) {
    script s = greeted();
    s.client("MAIL FROM:" + mail + "\r\n")
        .server(sender_ok)
        .client("RCPT TO:" + arguments + "\r\n")
        .server(words);
    leave(s);
    EXPECT_EQ(s.check(), "") << arguments;
  }
}

// RFC 5321 §4.1.1.2, §4.1.1.11
TEST(session_extensions, syntax_of_mail) {
  check_mail(mx(), {
                       {"<a@b.example>", sender_ok},
                       {"<>", sender_ok},
                       {" <a@b.example>", sender_ok},
                       {"<@c.example:a@b.example>", sender_ok},
                       {"<\"a b\"@b.example>", sender_ok},
                       {"<a@[192.0.2.1]>", sender_ok},
                       {"a@b.example", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"},
                       {"", "501 5.1.7 "},
                       {"<a@b.example", "501 5.5.4 "},
                       {"<a@b..example>", "501 5.1.7 "},
                       {"<a>", "501 5.1.7 "},
                       {"<a@b.example>x", "501 5.1.7 "},
                       {"<a@b.example>SIZE=1", "501 5.1.7 "},
                       // "If the server SMTP does not recognize or cannot implement one or more of
                       // the parameters associated with a particular MAIL FROM or RCPT TO command,
                       // it will return code 555."
                       {"<a@b.example> FOO=1", "555 5.5.4 "},
                       {"<a@b.example> FOO", "555 5.5.4 "},
                       {"<a@b.example> SIZE=1 SIZE=1", "501 5.5.4 "},
                       {"<a@b.example> =1", "501 5.5.4 "},
                       {"<a@b.example> SI_ZE=1", "501 5.5.4 "},
                   });
  script s = greeted();
  s.client("MAIL\r\n")
      .server("501 5.5.4 Syntax: MAIL FROM:<address>\r\n")
      .client("MAIL TO:<a@b.example>\r\n")
      .server("501 5.5.4 ")
      .client("MAIL FROM <a@b.example>\r\n")
      .server("501 5.5.4 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_extensions, syntax_of_rcpt) {
  check_rcpt("<>", {
                       {"<a@b.example>", recipient_ok},
                       {"<Postmaster>", recipient_ok},  // RFC 5321 §4.5.1
                       {"<postMASTER@b.example>", recipient_ok},
                       {"<>", "501 5.1.3 "},
                       {"a@b.example", "501 5.5.4 Syntax: RCPT TO:<address>\r\n"},
                       {"<a>", "501 5.1.3 "},
                       {"<a@b.example> SIZE=1", "555 5.5.4 "},
                       {"<a@b.example> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4 "},
                   });
}

// --- SIZE (RFC 1870)
// -----------------------------------------------------------------------------------

TEST(session_extensions, size) {
  const std::string too_big = "552 5.3.4 Message exceeds the size limit\r\n";
  check_mail(mx_with([](channel& c) { c.limits.message = 1000; }),
             {
                 {"<a@b.example> SIZE=1000", sender_ok},
                 // §6.1: the server may refuse at MAIL.
                 {"<a@b.example> SIZE=1001", too_big},
                 {"<a@b.example> SIZE=0", sender_ok},
                 // §4: "size-value ::= 1*20DIGIT"
                 {"<a@b.example> SIZE=99999999999999999999", too_big},
                 {"<a@b.example> SIZE=100000000000000000000", "501 5.5.4 "},
                 {"<a@b.example> SIZE=", "501 5.5.4 "},
                 {"<a@b.example> SIZE", "501 5.5.4 "},
                 {"<a@b.example> SIZE=1k", "501 5.5.4 "},
                 {"<a@b.example> SIZE=-1", "501 5.5.4 "},
                 {"<a@b.example> size=10", sender_ok},
             });
  check_mail(without_extension(extension::size), {{"<a@b.example> SIZE=10", "555 5.5.4 "}});
}

// §6.3: a wrong declaration is no reason to refuse a message that fits.
TEST(session_extensions, size_may_be_wrong) {
  script s = greeted();
  s.client("MAIL FROM:<> SIZE=1\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
      .server("250 ")
      .server("250 ")
      .server("354 ")
      .client("more than one octet\r\n.\r\n")
      .server("250 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// --- 8BITMIME (RFC 6152)
// -------------------------------------------------------------------------------

TEST(session_extensions, body) {
  check_mail(mx(), {
                       {"<a@b.example> BODY=7BIT", sender_ok},
                       {"<a@b.example> body=8bitmime", sender_ok},
                       {"<a@b.example> BODY=9BIT", "501 5.5.4 "},
                       {"<a@b.example> BODY", "501 5.5.4 "},
                       {"<a@b.example> BODY=BINARYMIME", "555 5.5.4 "},
                   });
  check_mail(without_extension(extension::eightbitmime),
             {{"<a@b.example> BODY=7BIT", "555 5.5.4 "}});
}

// --- SMTPUTF8 (RFC 6531)
// -------------------------------------------------------------------------------

TEST(session_extensions, smtputf8) {
  const std::string local = "<\u7528\u6237@b.example>";
  const std::string refused = "553 5.6.7 ";  // §3.5
  check_mail(mx(), {
                       {local + " SMTPUTF8", sender_ok},
                       {local + " SIZE=1 SMTPUTF8", sender_ok},
                       {local, refused},
                       {"<a@b\u00fccher.example> SMTPUTF8", sender_ok},
                       {"<a@b.example> SMTPUTF8", sender_ok},
                       // §3.4: "The MAIL command parameter SMTPUTF8 ... has no value."
                       {"<a@b.example> SMTPUTF8=YES", "501 5.5.4 "},
                       {"<\xFF@b.example> SMTPUTF8", "501 5.1.7 "},
                   });
  check_mail(without_extension(extension::smtputf8),
             {{local + " SMTPUTF8", refused}, {"<a@b.example> SMTPUTF8", "555 5.5.4 "}});
  check_rcpt("<> SMTPUTF8", {{local, recipient_ok}, {"<\xC3\x28@b.example>", "501 5.1.3 "}});
  check_rcpt("<>", {{local, refused}});
  // §3.7.4.2: VRFY may have an address in UTF-8.
  channel settings = with_extension(extension::vrfy);
  script s = greeted(settings);
  s.client("VRFY \u7528\u6237 SMTPUTF8\r\n").server("252 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  settings.extensions.remove(extension::smtputf8);
  script t = greeted(settings);
  t.client("VRFY \u7528\u6237\r\n").server("500 5.5.2 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
}

// --- DSN (RFC 3461)
// ------------------------------------------------------------------------------------

// §10.1's example.
TEST(session_extensions, dsn_example) {
  script s = greeted();
  s.client("MAIL FROM:<Alice@Example.ORG> RET=HDRS ENVID=QQ314159\r\n")
      .server(sender_ok)
      .client("RCPT TO:<Bob@Example.COM> NOTIFY=SUCCESS ORCPT=rfc822;Bob@Example.COM\r\n")
      .server(recipient_ok)
      .client("RCPT TO:<Carol@Ivory.EDU> NOTIFY=FAILURE ORCPT=rfc822;Carol@Ivory.EDU\r\n")
      .server(recipient_ok)
      .client("RCPT TO:<Dana@Ivory.EDU> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Dana@Ivory.EDU\r\n")
      .server(recipient_ok)
      .client("RCPT TO:<Eric@Bombs.AF.MIL> NOTIFY=FAILURE ORCPT=rfc822;Eric@Bombs.AF.MIL\r\n")
      .server(recipient_ok)
      .client("RCPT TO:<Fred@Bombs.AF.MIL> NOTIFY=NEVER\r\n")
      .server(recipient_ok)
      .client("RCPT TO:<George@Tax-ME.GOV> NOTIFY=FAILURE ORCPT=rfc822;George@Tax-ME.GOV\r\n")
      .server(recipient_ok);
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_extensions, dsn_parameters) {
  check_mail(mx(), {
                       {"<a@b.example> RET=FULL", sender_ok},
                       {"<a@b.example> RET=hdrs", sender_ok},
                       {"<a@b.example> RET=BODY", "501 5.5.4 "},
                       {"<a@b.example> RET=FULL RET=FULL", "501 5.5.4 "},
                       {"<a@b.example> ENVID=" + std::string(100, 'x'), sender_ok},
                       {"<a@b.example> ENVID=" + std::string(101, 'x'), "501 5.5.4 "},
                       {"<a@b.example> ENVID=a+2Bb", sender_ok},
                       {"<a@b.example> ENVID=a+2b", "501 5.5.4 "},
                       {"<a@b.example> ENVID=a+20b", sender_ok},
                       {"<a@b.example> ENVID=a+0D+0A", "501 5.5.4 "},
                   });
  check_mail(without_extension(extension::dsn), {{"<a@b.example> RET=FULL", "555 5.5.4 "}});
  check_rcpt("<>", {
                       {"<a@b.example> NOTIFY=SUCCESS,FAILURE,DELAY", recipient_ok},
                       {"<a@b.example> notify=never", recipient_ok},
                       // §4.1: "NEVER" stands alone.
                       {"<a@b.example> NOTIFY=NEVER,SUCCESS", "501 5.5.4 "},
                       {"<a@b.example> NOTIFY=", "501 5.5.4 "},
                       {"<a@b.example> NOTIFY=SUCCESS,", "501 5.5.4 "},
                       {"<a@b.example> NOTIFY", "501 5.5.4 "},
                       {"<a@b.example> ORCPT=rfc822;a+40b", recipient_ok},
                       {"<a@b.example> ORCPT=a@b.example", "501 5.5.4 "},
                       {"<a@b.example> ORCPT=rfc822;", "501 5.5.4 "},
                       {"<a@b.example> ORCPT=;a", "501 5.5.4 "},
                       {"<a@b.example> ORCPT=rfc822;a+zz", "501 5.5.4 "},
                       {"<a@b.example> ORCPT=rfc822;a+0D+0A", "501 5.5.4 "},
                       {"<a@b.example> ORCPT=utf-8;a\\x{zz}", "501 5.5.4 "},
                       {"<a@b.example> ORCPT=rfc822;a+20b", recipient_ok},
                   });
}

// RFC 6533 §3: utf-8-addr-unitext only where SMTPUTF8 is in use.
TEST(session_extensions, dsn_with_utf8) {
  check_rcpt("<> SMTPUTF8", {{"<a@b.example> ORCPT=utf-8;\u7528@b.example", recipient_ok},
                             {"<a@b.example> ORCPT=utf-8;\\x{7528}@b.example", recipient_ok}});
  check_rcpt("<>", {{"<a@b.example> ORCPT=utf-8;\u7528@b.example", "501 5.5.4 "}});
}

// --- NO-SOLICITING (RFC 3865), LIMITS (RFC 9422)
// ---------------------------------------------------------

TEST(session_extensions, no_soliciting) {
  const channel settings = with_extension(extension::no_soliciting);
  check_mail(settings, {
                           {"<save@example.com> SOLICIT=org.example:ADV:ADLT", sender_ok},
                           {"<save@example.com> SOLICIT=a,b:c.d-e_f:9", sender_ok},
                           {"<save@example.com> SOLICIT", "501 5.5.4 "},
                           {"<save@example.com> SOLICIT=!!!", "501 5.5.4 "},
                           {"<save@example.com> SOLICIT=a,", "501 5.5.4 "},
                           {"<save@example.com> SOLICIT=9a", "501 5.5.4 "},
                           {"<save@example.com> SOLICIT=" + std::string(1001, 'a'), "501 5.5.4 "},
                       });
  check_mail(mx(), {{"<save@example.com> SOLICIT=org.example:ADV", "555 5.5.4 "}});
}

// RFC 3865 §2.1, §2.3.
TEST(session_extensions, solicitations_that_are_not_wanted) {
  channel settings = with_extension(extension::no_soliciting);
  settings.unwanted_solicitations = {"org.example:ADV", "net.example:ADLT"};
  script s = greeted(settings);
  EXPECT_THAT(s.play().wire,
              ::testing::HasSubstr("NO-SOLICITING org.example:ADV,net.example:ADLT\r\n"));
  check_mail(settings, {{"<save@example.com> SOLICIT=org.example:ADV:ADLT", sender_ok},
                        {"<save@example.com> SOLICIT=x:y,NET.example:adlt", "550 5.7.1 "}});
}

// RFC 9422 §4: one to six digits, and no 0.
TEST(session_extensions, limits_that_can_be_told) {
  const auto line = [](std::size_t recipients, std::size_t transactions) {
    const script s = greeted(mx_with([&](channel& c) {
      c.limits.recipients = recipients;
      c.limits.transactions = transactions;
    }));
    EXPECT_EQ(s.check(), "");
    const std::string wire = s.play().wire;
    const auto at = wire.find("LIMITS");
    return at == wire.npos ? "" : wire.substr(at, wire.find('\r', at) - at);
  };
  EXPECT_EQ(line(1000, 20), "LIMITS RCPTMAX=1000 MAILMAX=20");
  EXPECT_EQ(line(1000, 0), "LIMITS RCPTMAX=1000");
  EXPECT_EQ(line(999999, 1000000), "LIMITS RCPTMAX=999999");
  EXPECT_EQ(line(1000000, 5), "LIMITS MAILMAX=5");
  EXPECT_EQ(line(1000000, 0), "");
}

// --- XCLIENT, XFORWARD (Postfix XCLIENT_README, XFORWARD_README)
// ------------------------------------------

channel behind_a_proxy() {
  return mx_with([](channel& c) {
    c.extensions.add(extension::xclient).add(extension::xforward);
    c.xclient_from = {*parse_ip_network("192.0.2.0/24")};
  });
}

session_facts from(std::string_view address) {
  session_facts f;
  f.peer = f.client = {*parse_ip_address(address), 4321};
  return f;
}

// A client does not get the rights of the proxy that speaks for it by a PROXY header.
TEST(session_extensions, xclient_is_not_for_whom_a_proxy_told) {
  session_facts f = from("192.0.2.9");
  f.client.address = *parse_ip_address("203.0.113.66");
  f.trusted_hop = true;
  script s(behind_a_proxy());
  s.facts(f).server("220 ").client("XCLIENT ADDR=127.0.0.1 LOGIN=admin\r\n").server("502 5.5.1 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

// The README's example.
TEST(session_extensions, xclient) {
  script s(behind_a_proxy());
  s.facts(from("192.0.2.9"))
      .server("220 ")
      .client("EHLO client.example.com\r\n")
      .server(
          "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE "
          "52428800\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
          "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-STARTTLS\r\n250-LIMITS RCPTMAX=1000 "
          "MAILMAX=1000\r\n"
          "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n250-XFORWARD NAME ADDR "
          "PORT PROTO HELO IDENT SOURCE\r\n250 HELP\r\n")
      // "the server resets state to the initial SMTP greeting protocol stage".
      .client("XCLIENT NAME=spike.porcupine.org ADDR=168.100.189.2 PORT=1234 PROTO=ESMTP\r\n")
      .asks(stage::connect)
      .server("220 mx.example.test ESMTP\r\n")
      .client("MAIL FROM:<>\r\n")
      .server("503 5.5.1 Send HELO or EHLO first\r\n")
      .client("EHLO spike.porcupine.org\r\n")
      .server("250-");
  leave(s);
  EXPECT_EQ(s.check(), "");
  const session_facts f = s.play().facts;
  EXPECT_EQ(f.client.text(), "168.100.189.2:1234");
  EXPECT_EQ(f.peer.text(), "192.0.2.9:4321");
  EXPECT_EQ(f.client_name, "spike.porcupine.org");
  EXPECT_TRUE(f.trusted_hop);
}

TEST(session_extensions, xclient_attributes) {
  script s = greeted(behind_a_proxy());
  s.facts(from("192.0.2.9"))
      .client(
          "XCLIENT NAME=[UNAVAILABLE] ADDR=IPv6:2001:db8::1 HELO=a+2Bb LOGIN=user "
          "DESTADDR=192.0.2.1 DESTPORT=2525\r\n")
      .server("220 ");
  const session_facts f = s.play().facts;
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(f.client_name, "");
  EXPECT_EQ(f.client.address.text(), "2001:db8::1");
  EXPECT_EQ(f.auth_identity, "user");
  EXPECT_EQ(f.local.text(), "192.0.2.1:2525");
  for (const std::string wrong : {"", " ADDR", " ADDR=1.2.3", " PORT=99999", " PORT=x", " FOO=1",
                                  " NAME=a+0Ab", " =a", " ADDR=192.0.2.1 NAME"}) {
    script t = greeted(behind_a_proxy());
    t.facts(from("192.0.2.9"))
        .client("XCLIENT" + wrong + "\r\n")
        .server("501 5.5.4 Syntax: XCLIENT name=value...\r\n");
    leave(t);
    EXPECT_EQ(t.check(), "") << wrong;
    EXPECT_EQ(t.play().facts.client.address.text(), "192.0.2.9") << wrong;
    EXPECT_FALSE(t.play().facts.trusted_hop);
  }
}

TEST(session_extensions, xclient_is_for_proxies) {
  script s = greeted(behind_a_proxy());
  s.facts(from("198.51.100.1"))
      .client("XCLIENT ADDR=168.100.189.2\r\n")
      .server("502 5.5.1 ")
      .client("XFORWARD NAME=a\r\n")
      .server("502 5.5.1 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().wire.find("XCLIENT"), std::string::npos);
  // Being told of a client in that network does not make one a proxy.
  script t = greeted(behind_a_proxy());
  session_facts f = from("198.51.100.1");
  f.client.address = *parse_ip_address("192.0.2.5");
  t.facts(f).client("XCLIENT ADDR=168.100.189.2\r\n").server("502 5.5.1 ");
  leave(t);
  EXPECT_EQ(t.check(), "");
  script u = addressed(behind_a_proxy());
  u.facts(from("192.0.2.9")).client("XCLIENT ADDR=168.100.189.2\r\n").server("503 5.5.1 ");
  leave(u);
  EXPECT_EQ(u.check(), "");
}

TEST(session_extensions, a_client_behind_a_proxy_may_be_refused) {
  script s = greeted(behind_a_proxy());
  s.facts(from("192.0.2.9"))
      .client("XCLIENT ADDR=168.100.189.2\r\n")
      .asks(stage::connect, verdict::refuse({550, {5, 7, 1}, "not you"}))
      .server("554 5.7.1 not you\r\n");
  leave(s);
  EXPECT_EQ(s.check(), "");
}

TEST(session_extensions, xforward) {
  script s = greeted(behind_a_proxy());
  s.facts(from("192.0.2.9"))
      .client("XFORWARD NAME=spike.porcupine.org ADDR=168.100.189.2 PROTO=ESMTP\r\n")
      .server("250 2.0.0 OK\r\n")
      .client("XFORWARD name=other SOURCE=LOCAL\r\n")
      .server("250 ")
      .client("XFORWARD NAME\r\n")
      .server("501 5.5.4 ")
      .client("XFORWARD NAME=third IDENT=+zz\r\n")  // as a whole, or not at all
      .server("501 5.5.4 ");
  leave(s);
  EXPECT_EQ(s.check(), "");
  const session_facts f = s.play().facts;
  ASSERT_EQ(f.forwarded.size(), 4U);
  EXPECT_EQ(f.forwarded[0].value, "other");
  EXPECT_EQ(f.client.address.text(), "192.0.2.9");  // for logs only
}

TEST(session_extensions, xforward_is_bounded) {
  script s = greeted(behind_a_proxy());
  s.facts(from("192.0.2.9"));
  for (const std::string name : {"NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"})
    s.client("XFORWARD " + name + "=x\r\n").server("250 ");
  s.client("XFORWARD FOO=x\r\n").server("501 5.5.4 ").client("XFORWARD N=x\r\n").server("501 ");
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().facts.forwarded.size(), 7U);
}

}  // namespace
}  // namespace gatepost::smtp
