// This header stands alone.
#include "smtp/client_commands.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatepost::smtp {
namespace {

address parsed(std::string_view text) {
  address_options options;
  options.utf8 = utf8_policy::smtputf8;
  const auto a = address::from_text(text, options);
  EXPECT_TRUE(a) << text;
  return *a;
}

server_features offering(extension_set extensions) {
  server_features f;
  f.esmtp = true;
  f.extensions = extensions;
  return f;
}

std::string mail(const transaction& t, extension_set offered, sending_plan plan = {}) {
  std::string out;
  append_mail(out, t, offering(offered), plan);
  return out;
}

std::string rcpt(const recipient& r, extension_set offered) {
  std::string out;
  append_rcpt(out, r, offering(offered));
  return out;
}

TEST(client_commands, paths) {
  transaction t;
  EXPECT_EQ(mail(t, {}), "MAIL FROM:<>\r\n");
  t.reverse_path = parsed("\"a b\\\"\"@[192.0.2.1]");
  EXPECT_EQ(mail(t, {}), "MAIL FROM:<\"a b\\\"\"@[192.0.2.1]>\r\n");
  recipient r;
  r.forward_path = parsed("Postmaster");
  EXPECT_EQ(rcpt(r, {}), "RCPT TO:<Postmaster>\r\n");
}

TEST(client_commands, each_parameter_only_where_it_is_offered) {
  transaction t;
  t.size = 7;
  EXPECT_EQ(mail(t, {extension::size}), "MAIL FROM:<> SIZE=7\r\n");
  t.size.reset();
  t.body = body_type::eight_bit_mime;
  EXPECT_EQ(mail(t, {extension::eightbitmime}), "MAIL FROM:<> BODY=8BITMIME\r\n");
  EXPECT_EQ(mail(t, {}), "MAIL FROM:<>\r\n");
  t.body = body_type::seven_bit;
  t.smtputf8 = true;
  EXPECT_EQ(mail(t, {extension::smtputf8, extension::eightbitmime}),
            "MAIL FROM:<> BODY=8BITMIME SMTPUTF8\r\n");
  t.smtputf8 = false;
  t.ret = dsn_return::full;
  EXPECT_EQ(mail(t, {extension::dsn}), "MAIL FROM:<> RET=FULL\r\n");
  t.auth = "<>";
  EXPECT_EQ(mail(t, {extension::auth}), "MAIL FROM:<>\r\n");
  sending_plan logged_in;
  logged_in.logged_in = true;
  EXPECT_EQ(mail(t, {extension::auth}, logged_in), "MAIL FROM:<> AUTH=<>\r\n");
}

TEST(client_commands, a_utf8_recipient_makes_it_an_smtputf8_transaction) {
  transaction t;
  t.recipients.emplace_back().forward_path = parsed("\xc3\xa9@b.example");
  EXPECT_TRUE(needs_smtputf8(t));
  EXPECT_EQ(mail(t, {extension::smtputf8}), "MAIL FROM:<> SMTPUTF8\r\n");
  EXPECT_EQ(mail(t, {}), "MAIL FROM:<>\r\n");
  EXPECT_EQ(refusal_of(t, offering({}), {}), nullptr);
  EXPECT_EQ(refusal_of(t.recipients[0], offering({})), &client_replies::needs_smtputf8);
}

TEST(client_commands, notify) {
  recipient r;
  const auto said = [&](int notify) {
    r.notify = static_cast<std::uint8_t>(notify);
    return rcpt(r, {extension::dsn});
  };
  EXPECT_EQ(said(notify_unspecified), "RCPT TO:<>\r\n");
  EXPECT_EQ(said(notify_never), "RCPT TO:<> NOTIFY=NEVER\r\n");
  EXPECT_EQ(said(notify_never | notify_delay), "RCPT TO:<> NOTIFY=NEVER\r\n");
  EXPECT_EQ(said(notify_failure), "RCPT TO:<> NOTIFY=FAILURE\r\n");
  EXPECT_EQ(said(notify_success | notify_failure | notify_delay),
            "RCPT TO:<> NOTIFY=SUCCESS,FAILURE,DELAY\r\n");
  EXPECT_EQ(said(16), "RCPT TO:<>\r\n");
}

TEST(client_commands, text_parameters_that_are_none_are_left_out) {
  recipient r;
  const auto orcpt = [&](std::string value, extension_set more = {}) {
    r.orcpt = std::move(value);
    return rcpt(r, more.add(extension::dsn));
  };
  EXPECT_EQ(orcpt("rfc822;a+2Bb@c.example"), "RCPT TO:<> ORCPT=rfc822;a+2Bb@c.example\r\n");
  const std::string bare = "RCPT TO:<>\r\n";
  EXPECT_EQ(orcpt(""), bare);
  EXPECT_EQ(orcpt("rfc822;a b"), bare);
  EXPECT_EQ(orcpt("rfc822;a\r\nRSET"), bare);
  EXPECT_EQ(orcpt(std::string("rfc822;a\0", 9)), bare);
  EXPECT_EQ(orcpt("rfc822;a=b"), bare);
  EXPECT_EQ(orcpt("rfc822;a\x7f"), bare);
  EXPECT_EQ(orcpt(std::string(501, 'x')), bare);
  EXPECT_EQ(orcpt("utf-8;\xc3\xa9@b.example"), bare);
  EXPECT_EQ(orcpt("utf-8;\xc3\xa9@b.example", {extension::smtputf8}),
            "RCPT TO:<> ORCPT=utf-8;\xc3\xa9@b.example\r\n");
  transaction t;
  t.envid = std::string(101, 'x');
  EXPECT_EQ(mail(t, {extension::dsn}), "MAIL FROM:<>\r\n");
}

TEST(client_commands, recipients_by_limits) {
  transaction t;
  for (const char* to : {"a@x.example", "b@y.example", "c@X.example", "d@z.example", "e@x.example"})
    t.recipients.emplace_back().forward_path = parsed(to);
  transaction_outcome o;
  o.recipients.resize(t.recipients.size());
  std::vector<std::uint32_t> chosen;
  const auto choose = [&](std::size_t recipients, std::size_t domains) {
    server_features f;
    f.max_recipients = recipients;
    f.max_recipient_domains = domains;
    choose_recipients(t, f, o, chosen);
    return chosen;
  };
  using list = std::vector<std::uint32_t>;
  EXPECT_EQ(choose(0, 0), (list{0, 1, 2, 3, 4}));
  EXPECT_EQ(choose(2, 0), (list{0, 1}));
  EXPECT_EQ(choose(0, 1), (list{0, 2, 4}));
  EXPECT_EQ(choose(0, 2), (list{0, 1, 2, 4}));
  EXPECT_EQ(choose(2, 1), (list{0, 2}));
  o.recipients[0].state = recipient_state::failed;
  EXPECT_EQ(choose(2, 1), (list{1}));
}

}  // namespace
}  // namespace gatepost::smtp
