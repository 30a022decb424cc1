// This header stands alone.
#include "checks/auth_results.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatepost::checks {
namespace {

TEST(AuthResults, Writes) {
  EXPECT_EQ(write_auth_results("mx.example.org", {}), "mx.example.org; none");
  const std::vector<auth_method> methods = {
      {.method = "spf",
       .result = "pass",
       .properties = {{"smtp", "mailfrom", "bounce+a=b@example.com"}}},
      {.method = "dkim",
       .result = "fail",
       .comment = "2048 (bits)",
       .reason = "body hash did not verify",
       .properties = {{"header", "i", "@example.com"}, {"header", "b", "a/b+c="}}},
      {.method = "x-new", .version = 2, .result = "none"},
  };
  EXPECT_EQ(write_auth_results("mx.example.org", methods),
            "mx.example.org; spf=pass smtp.mailfrom=bounce+a=b@example.com; "
            "dkim=fail (2048 \\(bits\\)) reason=\"body hash did not verify\" "
            "header.i=@example.com header.b=\"a/b+c=\"; x-new/2=none");
}

TEST(AuthResults, NothingEndsItsPlace) {
  const std::vector<auth_method> methods = {
      {.method = "sp f;",
       .result = "pa\r\nss",
       .comment = "x) ; dmarc=pass (",
       .reason = "a\"; dmarc=pass",
       .properties = {{"smtp", "mail.from", "\"q@x\"@example.com"},
                      {"", "", ""},
                      {"smtp", "helo", "a\r\nX: y"},
                      {"smtp", "helo", "\xff\xc3\xbc"},
                      {"smtp", "helo", std::string(2000, 'x')}}}};
  const std::string text = write_auth_results("mx; dmarc=pass", methods);
  EXPECT_EQ(text.find('\r'), text.npos);
  EXPECT_EQ(text.find('\n'), text.npos);
  const auto read = parse_auth_results(text);
  ASSERT_TRUE(read) << text;
  EXPECT_EQ(read->authserv_id, "mx; dmarc=pass");
  ASSERT_EQ(read->methods.size(), 1u) << text;
  const auth_method& m = read->methods[0];
  EXPECT_EQ(m.method, "sp-f-");
  EXPECT_EQ(m.result, "pa--ss");
  EXPECT_EQ(m.reason, "a\"; dmarc=pass");
  ASSERT_EQ(m.properties.size(), 5u);
  EXPECT_EQ(m.properties[0].property, "mail-from");
  EXPECT_EQ(m.properties[0].value, "\"q@x\"@example.com");
  EXPECT_EQ(m.properties[2].value, "a??X: y");
  EXPECT_EQ(m.properties[3].value, "?\xc3\xbc");
  EXPECT_EQ(m.properties[4].value.size(), max_auth_text_octets);
}

TEST(AuthResults, ReadsTheExamplesOfRfc8601) {
  struct {
    const char* what;
    const char* value;
    auth_results_view expected;
  } const cases[] = {
      {"App. B.1", " example.org 1; none", {"example.org", 1, {}}},
      {"App. B.2, without a version", "example.org;none", {"example.org", 1, {}}},
      {"App. B.3",
       " example.com;\r\n spf=pass smtp.mailfrom=example.net",
       {"example.com",
        1,
        {{.method = "spf",
          .result = "pass",
          .properties = {{"smtp", "mailfrom", "example.net"}}}}}},
      {"App. B.5",
       " example.com;\r\n dkim=pass (good signature) header.d=example.com;\r\n"
       " auth=pass (cram-md5) smtp.auth=sender@example.com;\r\n spf=fail "
       "smtp.mailfrom=example.com",
       {"example.com",
        1,
        {{.method = "dkim", .result = "pass", .properties = {{"header", "d", "example.com"}}},
         {.method = "auth",
          .result = "pass",
          .properties = {{"smtp", "auth", "sender@example.com"}}},
         {.method = "spf",
          .result = "fail",
          .properties = {{"smtp", "mailfrom", "example.com"}}}}}},
      {"App. B.7, comments wherever they may stand",
       " foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for "
       "it) fail\r\n  policy (A dot can go here) . (like that) expired\r\n  (this surprised me) = "
       "(as I wasn't expecting it) 1362471462",
       {"foo.example.net",
        1,
        {{.method = "dkim",
          .result = "fail",
          .properties = {{"policy", "expired", "1362471462"}}}}}},
      {"a reason",
       "x; dkim=fail reason=\"bad \\\"signature\\\"\" header.i=@example.com",
       {"x",
        1,
        {{.method = "dkim",
          .result = "fail",
          .reason = "bad \"signature\"",
          .properties = {{"header", "i", "@example.com"}}}}}},
      {"a ';' at the end", "x; spf=pass;", {"x", 1, {{.method = "spf", .result = "pass"}}}},
      {"a value that should be quoted",
       "x; dkim=pass header.b=a/b=",
       {"x", 1, {{.method = "dkim", .result = "pass", .properties = {{"header", "b", "a/b="}}}}}},
      {"an id in quotes", "\"my id\" 2; none", {"my id", 2, {}}},
  };
  for (const auto& c : cases) {
    const auto read = parse_auth_results(c.value);
    ASSERT_TRUE(read) << c.what;
    EXPECT_TRUE(*read == c.expected)
        << c.what << ": " << write_auth_results(read->authserv_id, read->methods);
  }
}

TEST(AuthResults, RefusesWhatIsNone) {
  for (const char* value : {"",
                            " ",
                            "example.org",
                            ";",
                            "; spf=pass",
                            "example.org;",
                            "example.org spf=pass",
                            "example.org x; none",
                            "example.org; spf",
                            "example.org; spf=",
                            "example.org; =pass",
                            "example.org; spf/=pass",
                            "example.org; spf/x=pass",
                            "example.org; spf=pass smtp",
                            "example.org; spf=pass smtp.",
                            "example.org; spf=pass smtp.mailfrom",
                            "example.org; spf=pass smtp.mailfrom=",
                            "example.org; spf=pass smtp.mailfrom=\"x",
                            "example.org; none; spf=pass",
                            "example.org (; none",
                            "example.org; none x",
                            "example.org 99999999999; none",
                            "example.org;; spf=pass"}) {
    const auto read = parse_auth_results(value);
    ASSERT_FALSE(read) << value;
    EXPECT_EQ(read.error(), smtp::errc::bad_header_field) << value;
  }
}

TEST(AuthResults, Limits) {
  EXPECT_EQ(parse_auth_results("x; none", {.octets = 6}).error(),
            smtp::errc::header_field_too_long);
  const char* two = "x; spf=pass a.b=1 a.b=2; dkim=pass";
  EXPECT_TRUE(parse_auth_results(two, {.methods = 2, .properties = 2}));
  EXPECT_EQ(parse_auth_results(two, {.methods = 1}).error(), smtp::errc::too_many_parameters);
  EXPECT_EQ(parse_auth_results(two, {.properties = 1}).error(), smtp::errc::too_many_parameters);
  EXPECT_FALSE(parse_auth_results("x; " + std::string(1000, '(') + " none"));
}

TEST(AuthResults, FindsForgedFields) {
  const std::string header =
      "Authentication-Results: mx.example.org; dmarc=pass\r\n"
      "Authentication-Results: other.example; dmarc=pass\r\n"
      "authentication-results : MX.Example.ORG. 1; spf=pass\r\n"
      "Authentication-Results: (mx (x) \\( ) \"mx.ex\\ample.org\"; spf=pass\r\n"
      "ARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n"
      "Authentication-Results:\r\n mx.example.org\r\n ; spf=pass\r\n"
      "Authentication-Results: ; spf=pass\r\n"
      "Authentication-Results: (never closed mx.example.org; spf=pass\r\n"
      "Authentication-Results: mx.example.org/1; spf=pass\r\n"
      "Authentication-Results: b\xc3\x9c"
      "cher.example; spf=pass\r\n"
      "Authentication-Results: \"mx.exam\"ple.org; spf=pass\r\n"
      "Authentication-Results: mx.(x)example.org; spf=pass\r\n"
      "Authentication-Results: notmx.example.org; spf=pass\r\n"
      "X-Authentication-Results: mx.example.org; spf=pass\r\n\r\n";
  const auto read = smtp::read_header(header);
  ASSERT_TRUE(read);
  const std::vector<std::string> ids = {"mx.example.org", "xn--bcher-kva.example"};
  smtp::header_edits edits;
  for (const auto range : forged_auth_results(read->fields, ids)) edits.erase(range);
  EXPECT_EQ(edits.apply_to(header),
            "Authentication-Results: other.example; dmarc=pass\r\n"
            "ARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n"
            "Authentication-Results: notmx.example.org; spf=pass\r\n"
            "X-Authentication-Results: mx.example.org; spf=pass\r\n\r\n");
  EXPECT_TRUE(
      same_authserv_id("B\xc3\xbc"
                       "cher.example.",
                       "xn--bcher-kva.EXAMPLE"));
  EXPECT_FALSE(same_authserv_id("a.example", "b.example"));
}

// RFC 8601 §5: "unless the version is known".
TEST(AuthResults, FindsUnknownVersions) {
  struct {
    const char* value;
    bool goes;
  } const cases[] = {
      {"other.example 2; spf=pass", true},
      {"other.example (x) 2 (y) ; spf=pass", true},
      {"\"other.example\"\r\n 10; spf=pass", true},
      {"other.example(1)2; spf=pass", true},
      {"other.example 0; none", true},
      {"other.example 99999999999999999999; none", true},
      {"other.example 1.1; none", true},
      {"other.example / 2; none", true},
      {"other.example 2", true},
      {"other.example; spf=pass", false},
      {"other.example 1; spf=pass", false},
      {"other.example (2) 01; spf=pass", false},
      {"other.example; dkim/2=pass", false},
      {"2; spf=pass", false},
      {"other.example spf=pass", false},
  };
  const std::vector<std::string> ids = {"mx.example.org"};
  for (const auto& c : cases) {
    const std::string header = std::string("Authentication-Results: ") + c.value + "\r\n\r\n";
    const auto read = smtp::read_header(header);
    ASSERT_TRUE(read) << c.value;
    EXPECT_EQ(forged_auth_results(read->fields, ids).size(), c.goes ? 1u : 0u) << c.value;
  }
}

TEST(AuthResults, CollectedInOneOrder) {
  notes session;
  notes transaction;
  EXPECT_TRUE(all_auth_results(session, transaction).empty());
  add_auth_result(transaction, {.method = "zzz", .result = "pass"});
  add_auth_result(transaction, {.method = "dmarc", .result = "pass"});
  add_auth_result(transaction, {.method = "dkim", .result = "fail"});
  add_auth_result(transaction, {.method = "aaa", .result = "pass"});
  add_auth_result(transaction, {.method = "dkim", .result = "pass"});
  add_auth_result(session, {.method = "spf", .result = "none"});
  add_auth_result(session, {.method = "iprev", .result = "pass"});
  EXPECT_EQ(write_auth_results("x", all_auth_results(session, transaction)),
            "x; iprev=pass; spf=none; dkim=fail; dkim=pass; dmarc=pass; aaa=pass; zzz=pass");
}

}  // namespace
}  // namespace gatepost::checks
