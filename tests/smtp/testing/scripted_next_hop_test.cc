// This header stands alone.
#include "smtp/testing/scripted_next_hop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "smtp/client.hpp"
#include "smtp/testing/memory_transport.hpp"
#include "smtp/testing/run.hpp"

namespace gatepost::smtp::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

transaction to(const std::vector<std::string>& recipients) {
  transaction t;
  t.reverse_path = *address::from_text("a@client.example");
  for (const std::string& r : recipients)
    t.recipients.emplace_back().forward_path = *address::from_text(r);
  return t;
}

// A hop, and a client that talks to it in memory.
struct conversation {
  explicit conversation(client_options options = {}) : client(std::move(options)) {}

  std::error_code hello() {
    asio::co_spawn(io, hop.serve(connection.server()), [](std::exception_ptr) {});
    return run(io, clock, client.hello(lend(connection.client())));
  }
  transaction_outcome send(const std::vector<std::string>& recipients,
                           std::string_view text = "Subject: x\r\n\r\n..\r\n") {
    const transaction t = to(recipients);
    text_source body(text);
    return run(io, clock, client.send(t, body));
  }
  void quit() { run(io, clock, client.quit()); }

  asio::io_context io;
  virtual_clock clock;
  memory_connection connection{io.get_executor(), clock};
  scripted_next_hop hop;
  client_connection client;
};

// Octets in, octets out: what a hop says to a client that says anything.
struct raw_conversation {
  raw_conversation() {
    asio::co_spawn(io, hop.serve(connection.server()), [](std::exception_ptr) {});
  }
  std::string says(std::string_view octets) {
    connection.client().try_write(octets);
    settle(io);
    return connection.client().read_all();
  }
  asio::io_context io;
  virtual_clock clock;
  memory_connection connection{io.get_executor(), clock};
  scripted_next_hop hop;
};

TEST(scripted_next_hop, takes_everything) {
  conversation c;
  EXPECT_FALSE(c.hello());
  EXPECT_EQ(c.send({"b@hop.test", "c@hop.test"}).count(recipient_state::delivered), 2U);
  c.quit();
  ASSERT_EQ(c.hop.messages.size(), 1U);
  const hop_message& m = c.hop.messages[0];
  EXPECT_THAT(m.mail, StartsWith("MAIL FROM:<a@client.example>"));
  EXPECT_THAT(m.rcpt, ElementsAre("RCPT TO:<b@hop.test>", "RCPT TO:<c@hop.test>"));
  EXPECT_EQ(m.text, "Subject: x\r\n\r\n..\r\n");
  EXPECT_EQ(m.session, 1U);
  EXPECT_EQ(c.hop.commands.front(), "EHLO localhost");
  EXPECT_EQ(c.hop.commands.back(), "QUIT");
}

TEST(scripted_next_hop, takes_chunks) {
  client_options options;
  options.chunking = chunking_use::when_offered;
  conversation c(options);
  EXPECT_FALSE(c.hello());
  EXPECT_EQ(c.send({"b@hop.test"}).count(recipient_state::delivered), 1U);
  EXPECT_EQ(c.hop.messages.at(0).text, "Subject: x\r\n\r\n..\r\n");
  raw_conversation r;
  r.says("EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@hop.test>\r\n");
  EXPECT_EQ(r.says("BDAT 3\r\na\r\nBDAT 2 LAST\r\nbc"), "250 2.0.0 OK\r\n250 2.0.0 taken\r\n");
  EXPECT_EQ(r.hop.messages.at(0).text, "a\r\nbc");
}

TEST(scripted_next_hop, says_what_it_is_told) {
  conversation c;
  c.hop.says("rcpt to:<full@", "452 4.2.2 over quota").says_once("MAIL", "451 4.3.0 not now");
  EXPECT_FALSE(c.hello());
  EXPECT_EQ(c.send({"b@hop.test"}).recipients.at(0).reply.code(), 451);
  const transaction_outcome outcome = c.send({"b@hop.test", "full@hop.test"});
  EXPECT_EQ(outcome.recipients.at(0).state, recipient_state::delivered);
  EXPECT_EQ(outcome.recipients.at(1).reply.code(), 452);
  EXPECT_THAT(c.hop.messages.at(0).rcpt, ElementsAre("RCPT TO:<b@hop.test>"));
}

TEST(scripted_next_hop, the_newest_rule_counts) {
  raw_conversation r;
  r.hop.says("NOOP", "250 first").says("NOOP", "250 second").says_once("NOOP", "250 third");
  r.says("EHLO a\r\n");
  EXPECT_EQ(r.says("NOOP\r\nnoop\r\nNOOP\r\n"), "250 third\r\n250 second\r\n250 second\r\n");
}

TEST(scripted_next_hop, refuses_in_its_greeting_and_at_the_end) {
  conversation c;
  c.hop.says("", "554 5.7.1 go away");
  EXPECT_TRUE(c.hello());
  conversation d;
  d.hop.says(".", "554 5.7.1 spam");
  EXPECT_FALSE(d.hello());
  EXPECT_EQ(d.send({"b@hop.test"}).recipients.at(0).reply.code(), 554);
  EXPECT_THAT(d.hop.messages, IsEmpty());
}

TEST(scripted_next_hop, closes_and_falls_silent) {
  conversation c;
  c.hop.closes_at(".");
  EXPECT_FALSE(c.hello());
  EXPECT_TRUE(c.send({"b@hop.test"}).in_doubt());
  conversation d;
  d.hop.falls_silent_at("MAIL");
  EXPECT_FALSE(d.hello());
  EXPECT_EQ(d.send({"b@hop.test"}).recipients.at(0).state, recipient_state::deferred);
}

TEST(scripted_next_hop, closes_after_421) {
  raw_conversation r;
  r.hop.says("MAIL", "421 4.3.2 going down");
  r.says("EHLO a\r\n");
  EXPECT_EQ(r.says("MAIL FROM:<>\r\nNOOP\r\n"), "421 4.3.2 going down\r\n");
  EXPECT_TRUE(r.connection.client().at_end());
}

TEST(scripted_next_hop, offers) {
  conversation c;
  c.hop.offers({"SIZE 10"});
  EXPECT_FALSE(c.hello());
  transaction t = to({"b@hop.test"});
  t.size = 11;
  text_source body("01234567\r\n");
  EXPECT_EQ(run(c.io, c.clock, c.client.send(t, body)).recipients.at(0).reply.code(), 552);
}

TEST(scripted_next_hop, speaks_lmtp) {
  client_options options;
  options.protocol = client_protocol::lmtp;
  conversation c(options);
  c.hop.speaks_lmtp().says(". <c@hop.test>", "452 4.2.2 over quota");
  EXPECT_FALSE(c.hello());
  const transaction_outcome outcome = c.send({"b@hop.test", "c@hop.test"});
  EXPECT_EQ(outcome.recipients.at(0).state, recipient_state::delivered);
  EXPECT_EQ(outcome.recipients.at(1).reply.code(), 452);
  EXPECT_THAT(c.hop.messages.at(0).rcpt, ElementsAre("RCPT TO:<b@hop.test>"));
}

TEST(scripted_next_hop, data_without_recipients) {
  raw_conversation r;
  r.says("EHLO a\r\nMAIL FROM:<>\r\n");
  EXPECT_EQ(r.says("DATA\r\n"), "554 5.5.1 no valid recipients\r\n");
  EXPECT_EQ(r.says("HELO a\r\n"), "250 hop.test\r\n");
  EXPECT_EQ(r.says("STARTTLS\r\n"), "502 5.5.1 not here\r\n");
}

TEST(scripted_next_hop, speaks_tls) {
  server_context context;
  raw_conversation r;
  r.hop.speaks_tls(context);
  EXPECT_THAT(r.says("EHLO a\r\n"), HasSubstr("250-STARTTLS\r\n"));
  EXPECT_EQ(r.says("STARTTLS\r\n"), "220 2.0.0 go ahead\r\n");
  client_context client;
  const time_point deadline = r.clock.now() + std::chrono::minutes(1);
  EXPECT_FALSE(
      run(r.io, r.connection.client().connect_tls(client, tls_peer("hop.test"), deadline)));
  EXPECT_THAT(r.says("EHLO a\r\n"), ::testing::Not(HasSubstr("STARTTLS")));
  r.says("MAIL FROM:<>\r\nRCPT TO:<b@hop.test>\r\nDATA\r\n.\r\n");
  EXPECT_TRUE(r.hop.messages.at(0).tls);
}

}  // namespace
}  // namespace gatepost::smtp::testing
