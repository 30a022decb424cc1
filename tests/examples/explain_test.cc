// This header stands alone.
#include "examples/probe/explain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "smtp/extension.hpp"
#include "smtp/transaction.hpp"

namespace probe {
namespace {

namespace smtp = gatepost::smtp;
using smtp::enhanced_code;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct reply_case {
  int code;
  enhanced_code enhanced;
  std::string_view says;
};

constexpr reply_case replies[] = {
    {220, {}, "ready"},
    {250,
     {2, 1, 5},
     "done (RFC 5321 §4.2.3); 2.1.5: the recipient's address is valid (RFC 3463 §3.2)"},
    {354, {}, "lone dot"},
    {421, {4, 3, 2}, "temporary failure: the service stops here"},
    {450, {4, 2, 1}, "4.2.1: the mailbox is disabled"},
    {452, {4, 5, 3}, "4.5.3: too many recipients"},
    {454, {4, 7, 0}, "4.7.0: about security or policy, no detail is given"},
    {530, {5, 7, 0}, "log in, or start TLS, first (RFC 4954 §6, RFC 3207 §4)"},
    {535, {5, 7, 8}, "5.7.8: wrong user or password (RFC 4954 §6)"},
    {550, {5, 1, 1}, "permanent failure: refused"},
    {550, {5, 1, 1}, "5.1.1: no such mailbox (RFC 3463 §3.2)"},
    {550, {5, 7, 20}, "no DKIM signature passed (RFC 7372 §3.1)"},
    {550, {5, 7, 23}, "SPF"},
    {550, {5, 7, 25}, "reverse DNS"},
    {550, {5, 7, 27}, "null MX"},
    {550, {5, 7, 30}, "REQUIRETLS is asked for, and is not supported on the way (RFC 8689)"},
    {554, {5, 6, 9}, "header in UTF-8"},
    {556,
     {5, 1, 10},
     "the domain takes no mail (RFC 7504); 5.1.10: the recipient's domain has a null MX"},
};

TEST(Explain, KnownCodes) {
  for (const reply_case& c : replies)
    EXPECT_THAT(explain(c.code, c.enhanced), HasSubstr(std::string(c.says)));
}

TEST(Explain, NothingIsSaidOfACodeThatIsNotThere) {
  EXPECT_EQ(explain(250), "done (RFC 5321 §4.2.3)");
}

// RFC 5321 §4.2.3, in its order.
TEST(Explain, EveryCodeOfRfc5321) {
  for (const int code : {211, 214, 220, 221, 250, 251, 252, 354, 421, 450, 451, 452,
                         455, 500, 501, 502, 503, 504, 550, 551, 552, 553, 554, 555}) {
    EXPECT_THAT(explain(code), HasSubstr("RFC 5321")) << code;
    EXPECT_THAT(explain(code), Not(HasSubstr("not registered"))) << code;
  }
}

// RFC 3463 §3: how many details each subject has.
TEST(Explain, EveryEnhancedCodeOfRfc3463) {
  constexpr int details[] = {0, 8, 4, 5, 7, 5, 5, 7};
  for (std::uint16_t subject = 0; subject < std::size(details); ++subject) {
    for (std::uint16_t detail = 0; detail <= details[subject]; ++detail) {
      const enhanced_code code{5, subject, detail};
      EXPECT_THAT(explain(550, code), HasSubstr("RFC 3463")) << to_text(code);
      EXPECT_THAT(explain(550, code), Not(HasSubstr("not registered"))) << to_text(code);
    }
  }
}

TEST(Explain, WhatTheClientSaysItself) {
  using namespace smtp::client_replies;
  for (const smtp::fixed_reply* r : {&too_big, &needs_8bitmime, &needs_binarymime, &needs_smtputf8,
                                     &needs_requiretls, &needs_tls, &bare_line_end})
    EXPECT_THAT(explain(r->code, r->enhanced), Not(HasSubstr("not registered"))) << r->text;
}

TEST(Explain, CodesThatAreNotRegistered) {
  EXPECT_EQ(explain(299),
            "done: a code that is not registered, of no category that RFC 5321 knows "
            "(RFC 5321 §4.2.1)");
  EXPECT_THAT(explain(399), StartsWith("go on: "));
  EXPECT_THAT(explain(429), HasSubstr("about the connection"));
  EXPECT_THAT(explain(571), StartsWith("permanent failure: a code that is not registered"));
  EXPECT_THAT(explain(557), HasSubstr("about the mail system"));
  EXPECT_THAT(explain(199), HasSubstr("no reply code"));
  EXPECT_THAT(explain(600), HasSubstr("no reply code"));
}

TEST(Explain, EnhancedCodesThatAreNotRegistered) {
  EXPECT_THAT(explain(550, {5, 7, 999}),
              HasSubstr("5.7.999: about security or policy, not registered"));
  EXPECT_THAT(explain(550, {5, 0, 9}), HasSubstr("5.0.9: not registered"));
  EXPECT_THAT(explain(550, {5, 8, 1}), HasSubstr("5.8.1: not registered"));
}

struct keyword_case {
  std::string_view line;
  std::string_view says;
};

constexpr keyword_case keywords[] = {
    {"PIPELINING", "RFC 2920"},
    {"pipelining", "RFC 2920"},
    {"SIZE", "the size of a message is declared in advance (RFC 1870)"},
    {"SIZE 0", "messages of any size (RFC 1870)"},
    {"SIZE 1000", "messages of up to 1000 octets (RFC 1870)"},
    {"SIZE 52428800", "messages of up to 52428800 octets, 50.0 MiB (RFC 1870)"},
    {"SIZE 99999999999999999999999", "the size of a message is declared in advance"},
    {"SIZE ten", "the size of a message is declared in advance"},
    {"AUTH PLAIN LOGIN", "log in by PLAIN LOGIN (RFC 4954)"},
    {"AUTH=LOGIN", "log in by LOGIN"},
    {"LIMITS RCPTMAX=100 MAILMAX=5",
     "at most 100 recipients in a transaction, 5 transactions in a session (RFC 9422)"},
    {"LIMITS", "limits of a session or transaction"},
    {"LIMITS X=1  = ", "limits of a session or transaction"},
    {"XVENDOR 1", "of this server's own"},
    {"NEWTHING", "not known here"},
};

TEST(ExplainKeyword, Table) {
  for (const keyword_case& c : keywords)
    EXPECT_THAT(explain_keyword(c.line), HasSubstr(std::string(c.says))) << c.line;
}

TEST(ExplainKeyword, EveryExtensionOfTheLibrary) {
  for (const smtp::extension_row& row : smtp::extension_table) {
    const std::string_view rfc = row.defined_in.substr(0, row.defined_in.find(','));
    EXPECT_THAT(explain_keyword(row.keyword), HasSubstr(std::string(rfc))) << row.keyword;
  }
}

TEST(ExplainKeyword, NoKeyword) {
  EXPECT_EQ(explain_keyword(""), "");
  EXPECT_EQ(explain_keyword(" PIPELINING"), "");
}

TEST(EnhancedCode, Text) {
  EXPECT_EQ(to_text({5, 7, 30}), "5.7.30");
  EXPECT_EQ(to_text({}), "");
}

}  // namespace
}  // namespace probe
