// This header stands alone.
#include "routing/cut_through.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "tests/routing/relay_support.hpp"
#include "tests/routing/scratch_directory.hpp"
#include "tests/routing/wire_hop.hpp"

namespace gatepost::routing {
namespace {

using gatepost::testing::run;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using tests::mail_session;
using tests::some_text;
using tests::wire_hop;

constexpr std::string_view eight_bit_text = "Subject: hello\r\n\r\nGr\u00fc\u00dfe\r\n";

std::vector<std::string> texts(const std::vector<smtp::reply>& replies) {
  std::vector<std::string> all;
  for (const smtp::reply& r : replies) all.push_back(r.to_string());
  return all;
}

class CutThrough : public ::testing::Test {
 protected:
  CutThrough() {
    routes.add("b.test", hop.hop());
    options.hostname = "us.test";
    options.observer = &log;
  }

  cut_through& delivery() {
    if (!delivery_) delivery_ = std::make_unique<cut_through>(routes, options);
    return *delivery_;
  }

  smtp::delivery_outcome send(std::initializer_list<std::string_view> to) {
    mail_session client(delivery());
    return client.from("<s@a.test>").to(io, to).data(io, some_text);
  }

  asio::io_context io{1};
  wire_hop hop{io};
  wire_hop second{io};
  table routes;
  tests::delivery_log log;
  cut_through_options options;

 private:
  std::unique_ptr<cut_through> delivery_;
};

// --- One recipient
// --------------------------------------------------------------------------------

TEST_F(CutThrough, A250ComesAfterTheNextHops) {
  bool answered = false;
  hop.answer([&](int, std::string_view line) -> std::string {
    if (line != ".") return "";
    answered = true;
    return "250 2.6.0 kept as 4711";
  });
  const auto outcome = send({"r@b.test"});
  EXPECT_TRUE(answered);
  EXPECT_EQ(outcome.overall.to_string(), "250 2.6.0 kept as 4711");
  EXPECT_EQ(outcome.queue_id, "");
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_EQ(hop.messages()[0].text, some_text);
  EXPECT_EQ(hop.messages()[0].mail, "MAIL FROM:<s@a.test>");
  EXPECT_EQ(log.last("r@b.test").result, "delivered");
  // The goodbye comes after the answer.
  ASSERT_TRUE(tests::run_until(io, [&] { return hop.count("QUIT") == 1; }));
}

TEST_F(CutThrough, EditsAndParametersGoAlong) {
  hop.offers({"8BITMIME", "SMTPUTF8", "DSN"});
  mail_session client(delivery());
  client.edits.prepend("Received", "from a by b");
  client.from("<> BODY=8BITMIME SMTPUTF8 ENVID=x");
  EXPECT_TRUE(client.rcpt(io, "<r@b.test> NOTIFY=NEVER").passes());
  EXPECT_TRUE(client.data(io, some_text).overall.positive());
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_EQ(hop.messages()[0].text, "Received: from a by b\r\n" + std::string(some_text));
  EXPECT_EQ(hop.messages()[0].mail, "MAIL FROM:<> BODY=8BITMIME SMTPUTF8 ENVID=x");
  EXPECT_THAT(hop.messages()[0].rcpt, ElementsAre("RCPT TO:<r@b.test> NOTIFY=NEVER"));
}

// A client may announce more than its text needs (RFC 6531 §3.6).
TEST_F(CutThrough, AHopNeedNotOfferWhatIsOnlyAnnounced) {
  hop.offers({});
  mail_session client(delivery());
  client.from("<> BODY=8BITMIME SMTPUTF8").to(io, {"r@b.test"});
  EXPECT_TRUE(client.data(io, some_text).overall.positive());
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_EQ(hop.messages()[0].mail, "MAIL FROM:<>");
  EXPECT_EQ(hop.messages()[0].text, some_text);
}

// The next hop has the message: what the client hears does not depend on who is told of it.
TEST_F(CutThrough, AnObserverThatThrowsChangesNothing) {
  struct : smtp::observer {
    void on_delivery(const smtp::delivery_event&) override { throw std::bad_alloc(); }
  } observer;
  options.observer = &observer;
  EXPECT_EQ(send({"r@b.test"}).overall.code(), 250);
  EXPECT_THAT(hop.messages(), SizeIs(1));
}

struct answer {
  const char* line;
  const char* hop_says;
  const char* client_hears;
};

class CutThroughAnswers : public CutThrough, public ::testing::WithParamInterface<answer> {};

TEST_P(CutThroughAnswers, ArePassedOn) {
  hop.answer(GetParam().line, GetParam().hop_says);
  EXPECT_EQ(send({"r@b.test"}).overall.to_string(), GetParam().client_hears);
  EXPECT_THAT(hop.messages(), IsEmpty());
}

constexpr const char* unanswered = "451 4.4.2 The next hop did not answer, try again later";

INSTANTIATE_TEST_SUITE_P(
    All, CutThroughAnswers,
    ::testing::Values(answer{".", "554 5.7.1 spam", "554 5.7.1 spam"},
                      answer{".", "452 4.3.1 disk full", "452 4.3.1 disk full"},
                      answer{".", "550-5.7.1 no\r\n550 5.7.1 see http://x.test",
                             "550 5.7.1 no see http://x.test"},
                      answer{".", "599 odd", "599 odd"},
                      answer{"RCPT", "550 5.1.1 nobody", "550 5.1.1 nobody"},
                      // RFC 5321 §4.5.3.1.10: too many recipients, and a mailbox that is full.
                      answer{"RCPT", "552 5.5.3 too many", "452 4.5.3 too many"},
                      answer{"RCPT", "552 too many", "452 4.5.3 too many"},
                      answer{"RCPT", "552 5.2.2 full", "552 5.2.2 full"},
                      answer{"RCPT", "450 4.2.1 greylisted", "450 4.2.1 greylisted"},
                      answer{"MAIL", "553 5.1.8 bad sender", "553 5.1.8 bad sender"},
                      answer{"MAIL", "451 4.7.1 later", "451 4.7.1 later"},
                      answer{"DATA", "451 4.3.0 trouble", "451 4.3.0 trouble"},
                      // It speaks of the hop's connection, and not of the client's.
                      answer{"MAIL", "421 4.3.2 closing", "451 4.3.2 closing"},
                      answer{".", "421 4.3.2 closing", "451 4.3.2 closing"},
                      answer{"MAIL", "drop", unanswered}, answer{".", "drop", unanswered},
                      answer{"DATA", "rubbish", unanswered}));

TEST_F(CutThrough, ASuccessIsA250WhateverItsCode) {
  hop.answer(".", "251 2.1.5 will forward");
  EXPECT_EQ(send({"r@b.test"}).overall.to_string(), "250 2.1.5 will forward");
}

TEST_F(CutThrough, ANextHopThatIsAwayPutsOff) {
  hop.go_away();
  const auto outcome = send({"r@b.test"});
  EXPECT_EQ(outcome.overall.to_string(),
            "451 4.4.1 The next hop cannot be reached, try again later");
  // Strangers need not know where it is; we do.
  EXPECT_THAT(log.last("r@b.test").reply,
              AllOf(HasSubstr("Connection refused"), HasSubstr(std::to_string(hop.port()))));
  EXPECT_EQ(log.last("r@b.test").result, "deferred");
}

TEST_F(CutThrough, TheSecondHopIsTriedWhereTheFirstIsAway) {
  routes.add("c.test", route(std::vector<next_hop>{hop.hop(), second.hop()}));
  hop.go_away();
  EXPECT_TRUE(send({"r@c.test"}).overall.positive());
  EXPECT_THAT(second.messages(), SizeIs(1));
}

TEST_F(CutThrough, ButNotWhereTheFirstHasSaidNo) {
  routes.add("c.test", route(std::vector<next_hop>{hop.hop(), second.hop()}));
  hop.answer(".", "554 5.7.1 spam");
  EXPECT_EQ(send({"r@c.test"}).overall.code(), 554);
  EXPECT_EQ(second.connections(), 0);
}

TEST_F(CutThrough, WhatTheHopCannotTakeIsRefused) {
  hop.offers({});
  mail_session client(delivery());
  client.from("<s@a.test> BODY=8BITMIME").to(io, {"r@b.test"});
  EXPECT_EQ(client.data(io, eight_bit_text).overall.to_string(),
            "554 5.6.3 Message has 8-bit text, and the next hop does not offer 8BITMIME");
}

TEST_F(CutThrough, AnotherHopMayHaveWhatTheFirstLacks) {
  routes.add("c.test", route(std::vector<next_hop>{hop.hop(), second.hop()}));
  hop.offers({"SIZE 20"});
  second.offers({"8BITMIME", "SMTPUTF8"});
  for (const char* mail : {"<s@a.test>", "<s@a.test> BODY=8BITMIME", "<\u00fc@a.test> SMTPUTF8"}) {
    mail_session client(delivery());
    client.from(mail).to(io, {"r@c.test"});
    EXPECT_EQ(client.data(io, eight_bit_text).overall.code(), 250) << mail;
  }
  EXPECT_THAT(second.messages(), SizeIs(3));
}

TEST_F(CutThrough, AHopThatFallsSilentCostsNoMoreThanTheTimeAllowed) {
  routes.add("c.test", route(std::vector<next_hop>{hop.hop(), second.hop()}));
  for (const char* line : {"", "MAIL", "."}) {
    hop.answer([line](int, std::string_view said) -> std::string {
      const bool it = *line == 0 ? said.empty() : said.starts_with(line);
      return it ? std::string(wire_hop::silent) : "";
    });
    options.at_most = std::chrono::milliseconds(20);
    cut_through brief(routes, options);
    mail_session client(brief);
    client.from("<s@a.test>").to(io, {"r@c.test"});
    EXPECT_EQ(client.data(io, some_text).overall.code(), 451) << line;
  }
  EXPECT_EQ(second.connections(), 0);  // there is no time for another
}

// Where nobody accepts and the queue is full, connections are not even refused.
class black_hole {
 public:
  explicit black_hole(asio::io_context& io) : door_(io), first_(io), second_(io) {
    const tcp::endpoint any(asio::ip::address_v4::loopback(), 0);
    door_.open(any.protocol());
    door_.bind(any);
    door_.listen(0);
    for (tcp::socket* const s : {&first_, &second_})
      s->async_connect(door_.local_endpoint(), [](std::error_code) {});
  }
  next_hop hop(hop_tls tls = hop_tls::none) const {
    return next_hop("127.0.0.1", door_.local_endpoint().port(), tls);
  }

 private:
  using tcp = wire_hop::tcp;
  tcp::acceptor door_;
  tcp::socket first_;
  tcp::socket second_;
};

// The client hears of it in time, however many destinations are away, and nothing comes twice.
TEST_F(CutThrough, AllDestinationsTogetherHaveTheTimeAllowed) {
  using std::chrono::steady_clock;
  const black_hole away(io);
  routes.add("c.test", route(std::vector<next_hop>{away.hop(), hop.hop()}));
  routes.add("d.test", away.hop(hop_tls::opportunistic));
  routes.add("e.test", away.hop(hop_tls::required));
  options.at_most = std::chrono::milliseconds(20);
  options.client.limits.connect = std::chrono::seconds(10);
  mail_session client(delivery());
  client.facts.protocol = smtp::protocol::lmtp;
  client.from("<s@a.test>").to(io, {"1@c.test", "2@d.test", "3@e.test"});
  const steady_clock::time_point start = steady_clock::now();
  const auto outcome = client.data(io, some_text);
  EXPECT_LT(steady_clock::now() - start, options.client.limits.connect);
  const char* const later = "451 4.4.1 The next hop cannot be reached, try again later";
  EXPECT_THAT(texts(outcome.each), ElementsAre(later, later, later));
  EXPECT_EQ(hop.connections(), 0);
}

// --- Several recipients
// ---------------------------------------------------------------------------

TEST_F(CutThrough, OneReplyServesOneRecipient) {
  mail_session client(delivery());
  client.from("<s@a.test>");
  EXPECT_TRUE(client.rcpt(io, "<1@b.test>").passes());
  const smtp::verdict v = client.rcpt(io, "<2@b.test>");
  EXPECT_EQ(v.reply().to_string(), "452 4.5.3 Send this recipient in a message of its own");
  EXPECT_TRUE(client.data(io, some_text).overall.positive());
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_THAT(hop.messages()[0].rcpt, ElementsAre("RCPT TO:<1@b.test>"));
}

TEST_F(CutThrough, LmtpAndPrdrGetAReplyForEach) {
  hop.answer([](int, std::string_view line) -> std::string {
    if (line.starts_with("RCPT TO:<2@")) return "550 5.1.1 nobody";
    if (line.starts_with("RCPT TO:<3@")) return "450 4.2.1 later";
    return "";
  });
  for (const bool lmtp : {true, false}) {
    mail_session client(delivery());
    if (lmtp) client.facts.protocol = smtp::protocol::lmtp;
    client.from(lmtp ? "<s@a.test>" : "<s@a.test> PRDR");
    client.to(io, {"1@b.test", "2@b.test", "3@b.test", "4@b.test"});
    const auto outcome = client.data(io, some_text);
    EXPECT_THAT(texts(outcome.each), ElementsAre("250 2.0.0 taken", "550 5.1.1 nobody",
                                                 "450 4.2.1 later", "250 2.0.0 taken"));
    EXPECT_TRUE(outcome.overall.positive());
  }
  EXPECT_THAT(hop.messages(), SizeIs(2));
}

TEST_F(CutThrough, RecipientsOfSeveralHopsGetTheRepliesOfTheirs) {
  routes.add("c.test", second.hop());
  hop.answer(".", "554 5.7.1 spam");
  second.speak_lmtp();
  routes.add("d.test", second.hop());
  second.answer(". RCPT TO:<4@", "452 4.2.2 full");
  mail_session client(delivery());
  client.facts.protocol = smtp::protocol::lmtp;
  client.from("<s@a.test>").to(io, {"1@d.test", "2@b.test", "3@b.test", "4@d.test"});
  const auto outcome = client.data(io, some_text);
  EXPECT_THAT(texts(outcome.each),
              ElementsAre("250 2.0.0 taken", "554 5.7.1 spam", "554 5.7.1 spam", "452 4.2.2 full"));
  EXPECT_TRUE(outcome.overall.positive());
}

TEST_F(CutThrough, RecipientsThatWereTooManyGoInAnotherTransaction) {
  hop.offers({"LIMITS RCPTMAX=1"});
  mail_session client(delivery());
  client.facts.protocol = smtp::protocol::lmtp;
  client.from("<s@a.test>").to(io, {"1@b.test", "2@b.test", "3@b.test"});
  EXPECT_THAT(texts(client.data(io, some_text).each),
              ElementsAre("250 2.0.0 taken", "250 2.0.0 taken", "250 2.0.0 taken"));
  EXPECT_THAT(hop.messages(), SizeIs(3));
  EXPECT_EQ(hop.connections(), 1);
}

// A check has taken the first recipient out.
TEST_F(CutThrough, OnlyTheRecipientsThatAreToGetItDo) {
  mail_session client(delivery());
  client.facts.protocol = smtp::protocol::lmtp;
  client.from("<s@a.test>").to(io, {"1@b.test", "2@b.test"});
  auto message = client.begin(io, some_text);
  smtp::disposition what;
  what.recipients = {1};
  const auto outcome = run(io, message->commit(what));
  EXPECT_THAT(outcome.each, SizeIs(1));
  EXPECT_THAT(hop.messages().at(0).rcpt, ElementsAre("RCPT TO:<2@b.test>"));
}

// --- The text
// -------------------------------------------------------------------------------------

TEST_F(CutThrough, ALargeMessageGoesThroughAFile) {
  const tests::scratch_directory directory;
  smtp::memory_budget memory(1 << 20);
  options.directory = directory.path();
  options.memory_per_message = 10'000;
  options.memory = &memory;
  std::string text = "Subject: large\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) text += ".line " + std::to_string(i) + "\r\n";
  mail_session client(delivery());
  client.from("<s@a.test>").to(io, {"r@b.test"});
  auto message = client.begin(io, text, 1000);
  EXPECT_EQ(memory.used(), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_TRUE(run(io, message->commit(client.to_all())).overall.positive());
  ASSERT_THAT(hop.messages(), SizeIs(1));
  EXPECT_TRUE(hop.messages()[0].text == text);
}

TEST_F(CutThrough, AMessageThatCannotBeKeptIsRefusedAndTheLogSaysWhy) {
  options.directory = "/nonexistent";
  options.memory_per_message = 3;
  mail_session client(delivery());
  client.from("<s@a.test>").to(io, {"r@b.test"});
  const auto message = run(io, delivery().begin(client.view));
  EXPECT_EQ(run(io, message->write("text")), smtp::errc::spool_failed);
  EXPECT_THAT(log.troubles(), ElementsAre("cut-through: /nonexistent: No such file or directory"));
}

TEST_F(CutThrough, NothingIsHeldHereAndNothingHeldIsDelivered) {
  mail_session client(delivery());
  client.from("<s@a.test>").to(io, {"r@b.test"});
  auto message = client.begin(io, some_text);
  smtp::disposition what = client.to_all();
  what.held = {0};
  EXPECT_EQ(run(io, message->commit(what)).overall.code(), 451);
  EXPECT_EQ(hop.connections(), 0);
}

// --- Who may send, and to whom
// --------------------------------------------------------------------

TEST_F(CutThrough, RecipientsWithoutNextHopAreRefused) {
  routes.add("mail.test", route::maildir("/var/mail/x"));
  routes.add("gone.test", route::refuse({551, {5, 1, 6}, "Moved"}));
  mail_session client(delivery());
  client.from("<s@a.test>");
  EXPECT_EQ(client.rcpt(io, "<r@elsewhere.test>").reply().to_string(), "550 5.7.1 Relaying denied");
  EXPECT_EQ(client.rcpt(io, "<r@gone.test>").reply().to_string(), "551 5.1.6 Moved");
  EXPECT_EQ(client.rcpt(io, "<r@mail.test>").reply().code(), 451);
}

TEST_F(CutThrough, RecipientsHaveTheClassOfTheirRoute) {
  routes.add_class("b.test", "strict");
  mail_session client(delivery());
  client.from("<s@a.test>").to(io, {"r@b.test"});
  EXPECT_EQ(client.envelope.recipients()[0].policy_class, "strict");
}

TEST_F(CutThrough, TheDefaultRouteIsNotForStrangers) {
  routes.add("*", second.hop());
  options.relay_from = *smtp::parse_network_set("198.51.100.0/24");
  for (const bool known : {false, true}) {
    mail_session client(delivery());
    if (known) client.facts.client.address = *smtp::parse_ip_address("198.51.100.1");
    client.from("<s@a.test>");
    EXPECT_EQ(client.rcpt(io, "<r@anywhere.test>").passes(), known);
  }
  mail_session client(delivery());
  client.facts.auth_identity = "user";
  client.from("<s@a.test>");
  EXPECT_TRUE(client.rcpt(io, "<r@anywhere.test>").passes());
}

TEST_F(CutThrough, WhoComesByAUnixSocketIsOfNoNetwork) {
  routes.add("*", second.hop());
  options.relay_from = *smtp::parse_network_set("0.0.0.0/0");
  for (const bool allowed : {false, true}) {
    options.relay_from_unix = allowed;
    cut_through to_anybody(routes, options);
    mail_session client(to_anybody);
    client.facts.unix_peer = "/run/mail";
    client.facts.client = {};
    client.from("<s@a.test>");
    EXPECT_EQ(client.rcpt(io, "<r@anywhere.test>").passes(), allowed);
  }
}

}  // namespace
}  // namespace gatepost::routing
