// This header stands alone.
#include "routing/detail/hop_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "smtp/socket_connector.hpp"
#include "tests/routing/wire_hop.hpp"
#include "tests/support/run.hpp"

namespace gatepost::routing::detail {
namespace {

using smtp::client_step;
using smtp::recipient_outcome;
using smtp::recipient_state;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::wire_hop;

// --- How a hop becomes a target and options
// -------------------------------------------------------

TEST(HopClient, KnowsWhereToConnect) {
  EXPECT_EQ(target_of(next_hop("192.0.2.1", 2525))->text(), "192.0.2.1:2525");
  EXPECT_EQ(target_of(next_hop("2001:db8::1"))->text(), "[2001:db8::1]:25");
  EXPECT_EQ(target_of(next_hop("mx.test"))->text(), "mx.test:25");
  EXPECT_EQ(target_of(next_hop::lmtp("localhost"))->text(), "localhost:24");
  EXPECT_EQ(target_of(next_hop::lmtp_socket("/run/lmtp"))->text(), "unix:/run/lmtp");
  EXPECT_FALSE(target_of(next_hop::mx_of("b.test")));
}

TEST(HopClient, TheNameTellsHopsApartThatDifferInAnything) {
  const std::vector<next_hop> hops = {
      next_hop("192.0.2.1"),
      next_hop("192.0.2.1", 26),
      next_hop("192.0.2.1", 25, hop_tls::none),
      next_hop("192.0.2.1", 25, hop_tls::required),
      next_hop("192.0.2.1", 25, hop_tls::verify),
      next_hop::lmtp("192.0.2.1", 25),
      next_hop::lmtp_socket("/192.0.2.1"),
      next_hop("192.0.2.2"),
      next_hop("b.test"),
      next_hop::mx_of("b.test"),
  };
  for (std::size_t i = 0; i < hops.size(); ++i)
    for (std::size_t j = 0; j < hops.size(); ++j)
      EXPECT_EQ(name_of(hops[i]) == name_of(hops[j]), i == j) << name_of(hops[i]);
}

TEST(HopClient, RequireTlsWantsAVerifiedConnection) {
  for (const hop_tls tls :
       {hop_tls::none, hop_tls::opportunistic, hop_tls::required, hop_tls::verify}) {
    const next_hop hop("mx.test", 25, tls);
    EXPECT_EQ(hop_for(true, hop).tls, hop_tls::verify);
    EXPECT_EQ(hop_for(false, hop), hop);
  }
  const next_hop local = next_hop::lmtp_socket("/run/lmtp");
  EXPECT_EQ(hop_for(true, local), local);
}

TEST(HopClient, TheRouteSetsTheClientsOptions) {
  using use = smtp::starttls_use;
  struct row {
    hop_tls wanted;
    bool without_tls;
    bool context;
    use expected;
  };
  const row rows[] = {
      {hop_tls::none, false, true, use::none},
      {hop_tls::opportunistic, false, true, use::opportunistic},
      {hop_tls::opportunistic, true, true, use::none},
      {hop_tls::opportunistic, false, false, use::none},
      {hop_tls::required, false, true, use::required},
      {hop_tls::required, true, true, use::required},
      {hop_tls::required, false, false, use::required},
      {hop_tls::verify, true, false, use::required},
  };
  const smtp::client_context tls;
  smtp::client_options base;
  base.prdr = true;
  for (const row& r : rows) {
    const hop_client us{"us.test", &base, r.context ? &tls : nullptr, nullptr};
    const smtp::client_options o =
        options_for(us, next_hop("mx.test", 25, r.wanted), r.without_tls);
    EXPECT_EQ(o.starttls, r.expected);
    EXPECT_EQ(o.hello_name, "us.test");
    EXPECT_TRUE(o.prdr);
    EXPECT_EQ(o.protocol, smtp::client_protocol::smtp);
  }
  const hop_client us{"us.test", &base, nullptr, nullptr};
  EXPECT_EQ(options_for(us, next_hop::lmtp("mx.test"), false).protocol,
            smtp::client_protocol::lmtp);
  EXPECT_FALSE(options_for(us, next_hop::lmtp("mx.test"), false).local);
  EXPECT_TRUE(options_for(us, next_hop::lmtp_socket("/run/lmtp"), false).local);
}

// --- Whose fault it was
// ---------------------------------------------------------------------------

recipient_outcome outcome(recipient_state state, client_step step, bool from_server, int code,
                          bool in_doubt = false) {
  recipient_outcome o;
  o.state = state;
  o.step = step;
  o.from_server = from_server;
  o.in_doubt = in_doubt;
  o.reply = smtp::reply(code, {}, "");
  return o;
}

TEST(HopClient, KnowsTroubleOfTheHopFromTroubleWithTheMessage) {
  constexpr auto later = recipient_state::deferred;
  EXPECT_TRUE(is_trouble_of_hop(unreachable("away")));
  EXPECT_TRUE(is_trouble_of_hop(outcome(later, client_step::mail, true, 451)));
  EXPECT_TRUE(is_trouble_of_hop(outcome(later, client_step::rcpt, true, 421)));
  EXPECT_TRUE(is_trouble_of_hop(outcome(later, client_step::body, false, 451)));
  EXPECT_FALSE(is_trouble_of_hop(outcome(later, client_step::rcpt, true, 450)));
  EXPECT_FALSE(is_trouble_of_hop(outcome(later, client_step::final_dot, true, 451)));
  EXPECT_FALSE(is_trouble_of_hop(outcome(later, client_step::final_dot, false, 451, true)));
  EXPECT_FALSE(is_trouble_of_hop(outcome(recipient_state::failed, client_step::mail, true, 550)));
  EXPECT_FALSE(
      is_trouble_of_hop(outcome(recipient_state::failed, client_step::prepare, false, 553)));
  EXPECT_FALSE(
      is_trouble_of_hop(outcome(recipient_state::delivered, client_step::final_dot, true, 250)));
  EXPECT_FALSE(is_trouble_of_hop(recipient_outcome()));
}

TEST(HopClient, KnowsAHopThatLacksSomething) {
  const auto own = [](const smtp::fixed_reply& why) {
    recipient_outcome o = outcome(recipient_state::failed, client_step::prepare, false, 550);
    o.reply = why;
    return o;
  };
  namespace said_by_us = smtp::client_replies;
  for (const smtp::fixed_reply& why :
       {said_by_us::too_big, said_by_us::needs_8bitmime, said_by_us::needs_binarymime,
        said_by_us::needs_smtputf8, said_by_us::needs_requiretls, said_by_us::needs_tls})
    EXPECT_TRUE(lacks_what_is_needed(own(why))) << why.text;
  EXPECT_FALSE(lacks_what_is_needed(own(said_by_us::bare_line_end)));
  recipient_outcome said = own(smtp::client_replies::needs_requiretls);
  said.from_server = true;
  EXPECT_FALSE(lacks_what_is_needed(said));
  EXPECT_FALSE(lacks_what_is_needed(recipient_outcome()));
}

struct settled {
  settled() {
    for (const std::size_t i : {7u, 8u, 9u}) open.emplace_back(i, unreachable(""));
  }
  // By what the hop said of each.
  bool with(std::vector<recipient_outcome> said) {
    smtp::transaction_outcome all;
    all.recipients = std::move(said);
    return settle_decided(open, all,
                          [this](std::size_t i, const recipient_outcome&) { done.push_back(i); });
  }
  std::vector<std::size_t> left() const {
    std::vector<std::size_t> indices;
    for (const open_recipient& r : open) indices.push_back(r.index);
    return indices;
  }
  std::vector<open_recipient> open;
  std::vector<std::size_t> done;
};

TEST(HopClient, SettlesWhatIsDecidedAndGoesOnWithTheRest) {
  const recipient_outcome good =
      outcome(recipient_state::delivered, client_step::final_dot, true, 250);
  const recipient_outcome lost = outcome(recipient_state::deferred, client_step::body, false, 451);
  const recipient_outcome untried;
  settled a;
  EXPECT_TRUE(a.with({good, untried, good}));
  EXPECT_THAT(a.done, ElementsAre(7u, 9u));
  EXPECT_THAT(a.left(), ElementsAre(8u));
  EXPECT_FALSE(a.with({good}));
  EXPECT_THAT(a.left(), IsEmpty());

  settled stuck;
  EXPECT_FALSE(stuck.with({untried, untried, untried}));
  EXPECT_THAT(stuck.left(), ElementsAre(7u, 8u, 9u));
  EXPECT_EQ(stuck.open[0].last.reply.code(), 451);

  // RFC 5321 §4.5.3.1.10.
  recipient_outcome full = outcome(recipient_state::deferred, client_step::rcpt, true, 452);
  for (const smtp::enhanced_code why : {smtp::enhanced_code{}, smtp::enhanced_code{4, 5, 3}}) {
    full.reply = smtp::reply(452, why, "too many");
    settled many;
    EXPECT_TRUE(many.with({good, full, full}));
    EXPECT_THAT(many.done, ElementsAre(7u));
    EXPECT_THAT(many.left(), ElementsAre(8u, 9u));
    // Nobody was taken: it is no use to ask again at once.
    EXPECT_FALSE(many.with({full, full}));
    EXPECT_THAT(many.done, ElementsAre(7u, 8u, 9u));
  }
  // The transaction failed, but recipients were taken.
  settled later;
  EXPECT_TRUE(
      later.with({outcome(recipient_state::failed, client_step::data, true, 554), full, full}));
  EXPECT_THAT(later.left(), ElementsAre(8u, 9u));
  // A mailbox that is full stays so.
  full.reply = smtp::reply(452, {4, 2, 2}, "mailbox full");
  settled mailbox;
  EXPECT_FALSE(mailbox.with({good, full, good}));
  EXPECT_THAT(mailbox.done, ElementsAre(7u, 8u, 9u));

  // What the hop lacks for one recipient does not keep it from serving the others.
  recipient_outcome lacking = outcome(recipient_state::failed, client_step::prepare, false, 553);
  lacking.reply = smtp::client_replies::needs_smtputf8;
  settled some;
  EXPECT_TRUE(some.with({lacking, good, untried}));
  EXPECT_THAT(some.left(), ElementsAre(7u, 9u));
  EXPECT_FALSE(some.with({lacking, good}));
  EXPECT_THAT(some.done, ElementsAre(8u, 9u));
  EXPECT_THAT(some.left(), ElementsAre(7u));

  settled broken;
  EXPECT_FALSE(broken.with({good, lost, untried}));
  EXPECT_THAT(broken.left(), ElementsAre(8u, 9u));
  EXPECT_EQ(broken.open[0].last.step, client_step::body);
}

// --- Connections
// ----------------------------------------------------------------------------------

class OpenHop : public ::testing::Test {
 protected:
  std::unique_ptr<smtp::client_connection> open(const next_hop& where) {
    return gatepost::testing::run(io, open_hop(us, where, *by, why_not));
  }

  asio::io_context io{1};
  wire_hop hop{io};
  smtp::socket_connector sockets{io};
  smtp::connector* by = &sockets;
  smtp::client_options base;
  connections_at_work at_work;
  hop_client us{"us.test", &base, nullptr, &at_work};
  std::string why_not;
};

TEST_F(OpenHop, IsReadyForAMessageAndLeavesPolitely) {
  auto c = open(hop.hop());
  ASSERT_TRUE(c) << why_not;
  EXPECT_EQ(why_not, "");
  EXPECT_TRUE(c->usable());
  gatepost::testing::run(io, leave_hop(std::move(c), &at_work));
  EXPECT_THAT(hop.commands(), ElementsAre("QUIT"));
}

TEST_F(OpenHop, SaysWhereAndWhyNot) {
  const std::string where = "127.0.0.1:" + std::to_string(hop.port());
  hop.answer([](int, std::string_view line) { return line.empty() ? "554 5.7.1 go away" : ""; });
  EXPECT_FALSE(open(hop.hop()));
  EXPECT_THAT(why_not, HasSubstr(where));
  EXPECT_THAT(why_not, HasSubstr("554 5.7.1 go away"));
  hop.go_away();
  EXPECT_FALSE(open(hop.hop()));
  EXPECT_EQ(why_not, where + ": Connection refused");
  EXPECT_FALSE(open(next_hop::mx_of("b.test")));
  EXPECT_THAT(why_not, HasSubstr("MX"));
}

TEST_F(OpenHop, IsGivenUpWhenItIsCancelled) {
  hop.answer([](int, std::string_view line) {
    return line.empty() ? std::string(wire_hop::silent) : std::string();
  });
  bool ended = false;
  const next_hop where = hop.hop();
  asio::co_spawn(io, open_hop(us, where, *by, why_not),
                 [&](std::exception_ptr, std::unique_ptr<smtp::client_connection> c) {
                   ended = true;
                   EXPECT_FALSE(c);
                 });
  while (hop.connections() == 0) io.run_one_for(gatepost::testing::patience);
  for (int i = 0; i < 10; ++i) io.poll();
  EXPECT_FALSE(ended);
  at_work.cancel();
  while (!ended && io.run_one_for(gatepost::testing::patience) > 0) continue;
  EXPECT_TRUE(ended);
}

// Cancelled while the connection was being made: nobody could be told then.
class slow_connector final : public smtp::connector {
 public:
  slow_connector(smtp::connector& real, connections_at_work& all) : real_(real), all_(all) {}
  asio::awaitable<smtp::connect_result> connect(smtp::connect_target where,
                                                smtp::time_point deadline) override {
    smtp::connect_result made = co_await real_.connect(std::move(where), deadline);
    all_.cancel();
    co_return made;
  }

 private:
  smtp::connector& real_;
  connections_at_work& all_;
};

TEST_F(OpenHop, DoesNotGoOnWhenItWasCancelledMeanwhile) {
  slow_connector slow(sockets, at_work);
  by = &slow;
  bool heard = false;
  hop.answer([&](int, std::string_view line) {
    heard = heard || !line.empty();
    return "";
  });
  EXPECT_FALSE(open(hop.hop(hop_tls::opportunistic)));
  EXPECT_EQ(why_not, "cancelled");
  io.restart();
  while (io.poll() > 0) continue;
  EXPECT_FALSE(heard);
}

// Notes what it is asked for, and makes no connection.
class noting_connector final : public smtp::connector {
 public:
  asio::awaitable<smtp::connect_result> connect(smtp::connect_target,
                                                smtp::time_point deadline) override {
    deadlines.push_back(deadline);
    co_return smtp::connect_result(smtp::errc::timed_out, "nowhere");
  }
  std::vector<smtp::time_point> deadlines;
};

TEST_F(OpenHop, ConnectsNoLongerThanThereIsTime) {
  noting_connector noting;
  by = &noting;
  base.limits.connect = std::chrono::hours(2);
  const smtp::time_point soon = std::chrono::steady_clock::now() + std::chrono::hours(1);
  us.until = soon;
  EXPECT_FALSE(open(hop.hop()));
  EXPECT_EQ(why_not, "nowhere");
  us.until = smtp::time_point::max();
  EXPECT_FALSE(open(hop.hop()));
  ASSERT_EQ(noting.deadlines.size(), 2u);
  EXPECT_EQ(noting.deadlines[0], soon);
  EXPECT_GT(noting.deadlines[1], soon);
}

TEST_F(OpenHop, AsksNobodyWhereThereIsNoTimeLeft) {
  noting_connector noting;
  by = &noting;
  us.until = std::chrono::steady_clock::now();
  EXPECT_FALSE(open(hop.hop()));
  us.until = smtp::time_point::max();
  at_work.cancel();
  why_not.clear();
  EXPECT_FALSE(open(hop.hop()));
  EXPECT_EQ(why_not, "cancelled");
  EXPECT_THAT(noting.deadlines, IsEmpty());
}

// --- What a message needs
// -------------------------------------------------------------------------

smtp::server_features offering(std::initializer_list<smtp::extension> all) {
  smtp::server_features f;
  for (const smtp::extension e : all) f.extensions.add(e);
  return f;
}

TEST(HopClient, LooksAtTheTextOnlyWhereTheHopLacksWhatWasAnnounced) {
  using enum smtp::extension;
  smtp::transaction t;
  EXPECT_FALSE(asks_too_much(t, offering({})));
  t.body = smtp::body_type::eight_bit_mime;
  EXPECT_TRUE(asks_too_much(t, offering({smtputf8})));
  EXPECT_FALSE(asks_too_much(t, offering({eightbitmime})));
  t.smtputf8 = true;
  EXPECT_TRUE(asks_too_much(t, offering({eightbitmime})));
  EXPECT_FALSE(asks_too_much(t, offering({eightbitmime, smtputf8})));
  t.smtputf8 = false;
  t.body = smtp::body_type::binary_mime;
  EXPECT_FALSE(asks_too_much(t, offering({})));
}

// Whatever the text is, the address needs it.
TEST(HopClient, DoesNotLookAtTheTextForAReversePathInUtf8) {
  smtp::address_options any;
  any.utf8 = smtp::utf8_policy::smtputf8;
  smtp::transaction t;
  t.smtputf8 = true;
  t.reverse_path = *smtp::address::from_text("\u00fc@a.test", any);
  EXPECT_FALSE(asks_too_much(t, offering({smtp::extension::eightbitmime})));
}

// Two blocks; `between` is called before the second.
class two_blocks final : public body_reader {
 public:
  explicit two_blocks(std::function<void()> between) : between_(std::move(between)) {}
  std::uint64_t size() const override { return 8; }
  smtp::result<std::string_view> next() override {
    ++read;
    if (read == 1) return std::string_view("A: 1\r\n");
    if (read == 2) between_();
    return read == 2 ? std::string_view("\r\n") : std::string_view();
  }
  int read = 0;

 private:
  std::function<void()> between_;
};

TEST(HopClient, WhoLooksAtTheTextLetsOthersRunAndCanBeCancelled) {
  asio::io_context io{1};
  connections_at_work at_work;
  smtp::transaction t;
  t.body = smtp::body_type::eight_bit_mime;
  bool other_ran = false;
  asio::post(io, [&] { other_ran = true; });
  two_blocks text([&] {
    EXPECT_TRUE(other_ran);
    at_work.cancel();
  });
  const std::error_code ended = testing::run(io, ask_for_what_is_needed(t, text, at_work));
  EXPECT_EQ(ended, smtp::errc::cancelled);
  EXPECT_EQ(text.read, 2);
  EXPECT_EQ(t.body, smtp::body_type::eight_bit_mime);
}

TEST(HopClient, ABinaryMessageStaysBinary) {
  asio::io_context io{1};
  const connections_at_work at_work;
  smtp::transaction t;
  t.body = smtp::body_type::binary_mime;
  t.smtputf8 = true;
  two_blocks text([] {});
  EXPECT_FALSE(testing::run(io, ask_for_what_is_needed(t, text, at_work)));
  EXPECT_EQ(t.body, smtp::body_type::binary_mime);
  EXPECT_FALSE(t.smtputf8);
}

}  // namespace
}  // namespace gatepost::routing::detail
