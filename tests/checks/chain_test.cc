// This header stands alone.
#include "checks/chain.hpp"

#include <gtest/gtest.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "checks/testing.hpp"
#include "tests/checks/kit.hpp"
#include "tests/support/run.hpp"

namespace gatepost::checks {
namespace {

using kit::event;
using kit::refusal;
using kit::says;
using kit::scripted;
using namespace std::chrono_literals;
using smtp::decision;
using smtp::stage;
using std::string_view;
using names = std::vector<std::string>;

// Deadlines that pass in a test, and those that must not.
constexpr auto soon = 5ms;
constexpr auto never = 1h;

run_options failing(on_error how, std::chrono::milliseconds deadline = never) {
  return {.deadline = deadline, .on_error = how};
}

// --- Registration --------------------------------------------------------------------------------

template <class T>
concept without_on_error = requires { T{.deadline = 1s}; };
template <class T>
concept without_deadline = requires { T{.on_error = on_error::skip}; };
template <class T>
concept with_both = requires { T{.deadline = 1s, .on_error = on_error::skip}; };

TEST(Chain, RegistrationNeedsDeadlineAndPolicy) {
  static_assert(!std::is_default_constructible_v<run_options>);
  static_assert(!without_on_error<run_options>);
  static_assert(!without_deadline<run_options>);
  static_assert(with_both<run_options>);
  chain c;
  EXPECT_THROW(c.add<scripted>(failing(on_error::skip, 0ms), "x", says(stage::mail, refusal())),
               std::invalid_argument);
}

class only_mail final : public check {
 public:
  string_view name() const override { return "only_mail"; }
  asio::awaitable<verdict> on_mail(context&) override { co_return refusal(); }
};

TEST(Chain, StagesThatACheckDoesNotHaveAreNotCalled) {
  trial t;
  t.add<only_mail>();
  EXPECT_TRUE(t.connect().passes());
  EXPECT_TRUE(t.verdicts().empty());
  EXPECT_TRUE(t.session().ignores(stage::body));
  EXPECT_EQ(t.mail("<a@example.test>").reply().code(), 550);
  ASSERT_EQ(t.verdicts().size(), 1u);
  EXPECT_EQ(t.verdicts()[0].check, "only_mail");
  EXPECT_EQ(t.verdicts()[0].stage, "mail");
}

TEST(Chain, ABodyCheckIsNotIgnored) {
  trial t;
  t.add<scripted>("any", says(stage::body, verdict::pass()));
  EXPECT_FALSE(t.session().ignores(stage::body));
}

// --- Order and merging ---------------------------------------------------------------------------

scripted::script notes_down(names& to, std::string who, verdict v) {
  return [&to, who, v](context&, string_view) -> asio::awaitable<verdict> {
    to.push_back(who);
    co_return v;
  };
}

TEST(Chain, RunsInDeclaredOrder) {
  for (const auto style : {scripted::style::waits, scripted::style::at_once}) {
    names ran;
    trial t;
    for (const char* who : {"a", "b", "c"})
      t.add<scripted>(who, notes_down(ran, who, verdict::pass()), style);
    EXPECT_TRUE(t.connect().passes());
    EXPECT_EQ(ran, (names{"a", "b", "c"}));
  }
}

// The engine has to know it before the next recipient comes.
TEST(Chain, ARecipientsClassIsToldAtOnce) {
  trial t;
  t.add<scripted>("a", says(stage::rcpt, smtp::verdict::pass().policy_class("strict").score(2)));
  t.mail("<a@client.example>");
  const smtp::verdict v = t.rcpt("<b@example.test>");
  EXPECT_TRUE(v.passes());
  ASSERT_TRUE(v.has_effects());
  EXPECT_EQ(v.what_else().policy_class, "strict");
  EXPECT_EQ(v.what_else().score, 0);  // comes with the message
}

TEST(Chain, NothingRunsAfterARefusal) {
  for (const auto style : {scripted::style::waits, scripted::style::at_once}) {
    names ran;
    trial t;
    t.add<scripted>("a", notes_down(ran, "a", verdict::pass()), style);
    t.add<scripted>("b", notes_down(ran, "b", refusal()), style);
    t.add<scripted>("c", notes_down(ran, "c", verdict::pass()), style);
    EXPECT_EQ(t.connect().kind(), decision::refuse);
    EXPECT_EQ(ran, (names{"a", "b"}));
  }
}

// --- Preparing -----------------------------------------------------------------------------------

// Notes down what it is asked; says at prepare() what it is told to, and may throw there.
class preparing final : public check {
 public:
  enum class answer { ready, not_ready, throws };

  preparing(names& to, std::string who, answer a) : to_(to), who_(std::move(who)), answer_(a) {}

  std::string_view name() const override { return who_; }
  bool waits(stage s) const override { return s != stage::helo; }
  bool prepare(context& ctx, const asio::any_io_executor&) override {
    to_.push_back("prepare " + who_ + ' ' + std::string(to_string(ctx.stage())));
    if (answer_ == answer::throws) throw std::runtime_error("not today");
    return answer_ == answer::ready;
  }
  asio::awaitable<verdict> on_connect(context&) override { return run(); }
  asio::awaitable<verdict> on_helo(context&) override { return run(); }

 private:
  asio::awaitable<verdict> run() {
    to_.push_back(who_);
    co_return verdict::pass();
  }

  names& to_;
  std::string who_;
  answer answer_;
};

TEST(Chain, PreparesAGroupBeforeItRunsIt) {
  using answer = preparing::answer;
  for (const answer second : {answer::ready, answer::not_ready, answer::throws}) {
    names asked;
    trial t;
    chain::group both = t.chain().concurrently();
    both.add<preparing>(trial::patient(), asked, "a", answer::ready);
    both.add<preparing>(trial::patient(), asked, "b", second);
    EXPECT_TRUE(t.connect().passes());
    EXPECT_EQ(asked, (names{"prepare a connect", "prepare b connect", "a", "b"}));
    asked.clear();
    EXPECT_TRUE(t.helo("mx.example.test").passes());
    EXPECT_EQ(asked, (names{"a", "b"})) << "nobody waits at this stage";
    EXPECT_TRUE(t.trouble().empty());
    EXPECT_EQ(t.verdicts().size(), 4u);
  }
}

TEST(Chain, AGroupThatIsNotReachedIsNotPrepared) {
  names asked;
  trial t(trial::immediate());
  t.add<scripted>("no", says(stage::connect, refusal()));
  t.chain().add<preparing>(trial::patient(), asked, "a", preparing::answer::ready);
  EXPECT_EQ(t.connect().kind(), decision::refuse);
  EXPECT_EQ(asked, names{});
}

TEST(Chain, AcceptSkipsTheRestOfItsStageOnly) {
  names ran;
  trial t;
  t.add<scripted>("a", notes_down(ran, "a", verdict::accept()));
  t.add<scripted>("b", notes_down(ran, "b", refusal()));
  EXPECT_TRUE(t.connect().passes());
  EXPECT_TRUE(t.helo("mx.example.test").passes());
  EXPECT_EQ(ran, (names{"a", "a"}));
}

TEST(Chain, RunAllChangesWhatIsSeenAndNotWhatIsDecided) {
  for (const auto style : {scripted::style::waits, scripted::style::at_once}) {
    names ran;
    chain_options options = trial::immediate();
    options.run_all = true;
    trial t(std::move(options));
    t.add<scripted>("a", notes_down(ran, "a", verdict::defer()), style);
    t.add<scripted>("b", notes_down(ran, "b", refusal()), style);
    t.add<scripted>("c", notes_down(ran, "c", verdict::drop("flood")), style);
    EXPECT_EQ(t.connect().kind(), decision::defer);
    EXPECT_EQ(ran, (names{"a", "b", "c"}));
    EXPECT_EQ(t.verdicts().size(), 3u);
  }
}

TEST(Chain, EveryVerdictIsObservedWithItsName) {
  trial t;
  t.chain().add<scripted>({.deadline = 1h, .on_error = on_error::skip, .name = "renamed"}, "a",
                          says(stage::mail, verdict::pass().add_tag("k", "v")));
  t.add<scripted>("b", says(stage::mail, verdict::inconclusive("no data")));
  t.mail("<a@example.test>");
  ASSERT_EQ(t.verdicts().size(), 2u);
  EXPECT_EQ(t.verdicts()[0].check, "renamed");
  EXPECT_EQ(t.verdicts()[0].verdict.what_else().tags[0].value, "v");
  EXPECT_EQ(t.verdicts()[1].verdict.reason(), "no data");
  EXPECT_GE(t.verdicts()[1].duration.count(), 0);
}

TEST(Chain, EffectsOfAllStagesComeWithTheMessage) {
  trial t;
  t.add<scripted>("a", says(stage::connect, verdict::pass().add_header("X-A", "1").score(1)));
  t.add<scripted>("b", says(stage::mail, verdict::pass().add_tag("b", "2").score(2)));
  t.add<scripted>("c", says(stage::rcpt, verdict::pass().add_header("X-C", "3")));
  t.add<scripted>("d", says(stage::body, verdict::pass().score(0.5)));
  t.add<scripted>("e", says(stage::message, verdict::pass().remove_header("X-E")));
  EXPECT_FALSE(t.connect().has_effects());
  for (int messages = 0; messages < 2; ++messages) {
    EXPECT_FALSE(t.mail("<a@example.test>").has_effects());
    EXPECT_FALSE(t.rcpt("<b@example.test>").has_effects());
    const verdict v = t.message("Subject: x\r\n\r\ntext\r\n");
    ASSERT_TRUE(v.has_effects());
    const verdict::effects& e = v.what_else();
    ASSERT_EQ(e.add_headers.size(), 2u);
    EXPECT_EQ(e.add_headers[0].name, "X-A");
    EXPECT_EQ(e.add_headers[1].name, "X-C");
    ASSERT_EQ(e.tags.size(), 1u);
    EXPECT_EQ(e.remove_headers, names{"X-E"});
    EXPECT_DOUBLE_EQ(e.score, 3.5);
  }
}

TEST(Chain, HoldAndDiscardWaitForTheMessage) {
  trial t;
  t.add<scripted>("a", says(stage::helo, verdict::discard("worm")));
  t.add<scripted>("b", says(stage::data, verdict::hold("odd")));
  EXPECT_EQ(t.helo("x").kind(), decision::pass);
  t.mail("<a@example.test>");
  t.rcpt("<b@example.test>");
  const verdict v = t.message("\r\n");
  EXPECT_EQ(v.kind(), decision::hold);
  EXPECT_EQ(v.reason(), "odd");
}

// Discards mail to "drop@", holds mail to "hold@", refuses "no@".
asio::awaitable<verdict> by_local_part(context& ctx, string_view) {
  if (ctx.stage() != stage::rcpt) co_return verdict::pass();
  const string_view who = ctx.recipient().forward_path.local_part();
  if (who == "drop") co_return verdict::discard("unwanted").add_tag("dropped", "yes");
  if (who == "hold") co_return verdict::hold("look at it");
  if (who == "no") co_return refusal().add_tag("refused", "yes");
  co_return verdict::pass();
}

TEST(Chain, WhatIsSaidAtRcptIsForThatRecipient) {
  trial t;
  t.add<scripted>("by_local_part", by_local_part);
  t.mail("<a@example.test>");
  for (const char* to : {"<yes@x.test>", "<drop@x.test>", "<no@x.test>", "<hold@x.test>"})
    t.rcpt(to);
  ASSERT_EQ(t.envelope().recipients().size(), 3u);
  const verdict v = t.message("\r\n");
  EXPECT_EQ(v.kind(), decision::pass);
  const auto& each = v.what_else().recipients;
  ASSERT_EQ(each.size(), 2u);
  EXPECT_EQ(each[0].first, 1u);
  EXPECT_EQ(each[0].second.kind(), decision::discard);
  EXPECT_EQ(each[1].first, 2u);
  EXPECT_EQ(each[1].second.kind(), decision::hold);
  ASSERT_EQ(v.what_else().tags.size(), 1u);
  EXPECT_EQ(v.what_else().tags[0].name, "dropped");
}

TEST(Chain, ARecipientThatWasTakenBackIsForgotten) {
  trial t;
  t.add<scripted>("by_local_part", by_local_part);
  t.mail("<a@example.test>");
  t.rcpt("<drop@x.test>");
  const_cast<smtp::envelope&>(t.envelope()).take_back();  // as where the delivery does not know it
  t.rcpt("<yes@x.test>");
  const verdict v = t.message("\r\n");
  EXPECT_FALSE(v.has_effects());
}

TEST(Chain, PerRecipientVerdictsOfSeveralChecksAreMerged) {
  trial t;
  t.add<scripted>("a", says(stage::message, verdict::pass().for_recipient(1, refusal())));
  t.add<scripted>("b", says(stage::message, refusal(554).for_recipient(0, verdict::pass())));
  t.mail("<a@example.test>");
  for (const char* to : {"<0@x.test>", "<1@x.test>", "<2@x.test>"}) t.rcpt(to);
  const verdict v = t.message("\r\n");
  EXPECT_EQ(v.reply().code(), 554);
  const auto& each = v.what_else().recipients;
  ASSERT_EQ(each.size(), 2u);
  EXPECT_EQ(each[0].second.kind(), decision::pass);
  EXPECT_EQ(each[1].second.reply().code(), 550);
}

// --- Scores --------------------------------------------------------------------------------------

verdict with_score(double points, score_bounds bounds, bool accepted = false) {
  chain_options options = trial::immediate();
  options.scores = std::move(bounds);
  trial t(std::move(options));
  t.add<scripted>("a", says(stage::mail, verdict::pass().score(points - 1)));
  t.add<scripted>("b", says(stage::message, verdict::pass().score(1)));
  if (accepted) t.add<scripted>("c", says(stage::message, verdict::accept()));
  t.mail("<a@example.test>");
  t.rcpt("<b@example.test>");
  return t.message("\r\n");
}

TEST(Scores, OffByDefault) { EXPECT_EQ(with_score(1000, {}).kind(), decision::pass); }

TEST(Scores, BoundsAreReachedInclusively) {
  score_bounds bounds;
  bounds.tag = 3;
  bounds.hold = 5;
  bounds.refuse = 8;
  const verdict clean = with_score(2.9, bounds);
  EXPECT_EQ(clean.kind(), decision::pass);
  EXPECT_TRUE(clean.what_else().add_headers.empty());
  EXPECT_EQ(clean.what_else().remove_headers, names{"X-Spam-Flag"});
  const verdict tagged = with_score(3, bounds);
  EXPECT_EQ(tagged.kind(), decision::pass);
  ASSERT_EQ(tagged.what_else().add_headers.size(), 1u);
  EXPECT_EQ(tagged.what_else().add_headers[0].value, "YES");
  EXPECT_EQ(tagged.what_else().tags[0].value, "3.00");
  EXPECT_EQ(with_score(5, bounds).kind(), decision::hold);
  EXPECT_EQ(with_score(7.9, bounds).kind(), decision::hold);
  EXPECT_EQ(with_score(8, bounds).reply().code(), 550);
}

TEST(Scores, AcceptOverrulesThem) {
  score_bounds bounds;
  bounds.refuse = 1;
  EXPECT_EQ(with_score(1000, bounds, true).kind(), decision::pass);
}

// --- Failures ------------------------------------------------------------------------------------

asio::awaitable<verdict> throws(context&, string_view) {
  throw std::runtime_error("secret path /etc/passwd");
  co_return verdict::pass();
}

asio::awaitable<verdict> throws_an_int(context&, string_view) {
  throw 7;
  co_return verdict::pass();
}

TEST(Failures, PolicyOfEachKind) {
  struct {
    on_error policy;
    decision kind;
    int code;
  } const cases[] = {{on_error::defer, decision::defer, 451},
                     {on_error::skip, decision::pass, 0},
                     {on_error::refuse, decision::refuse, 554}};
  for (const auto style : {scripted::style::waits, scripted::style::at_once}) {
    for (const auto& c : cases) {
      trial t;
      t.chain().add<scripted>(failing(c.policy), "bad", throws, style);
      const verdict v = t.connect();
      EXPECT_EQ(v.kind(), c.kind) << to_string(c.policy);
      EXPECT_EQ(v.reply().code(), c.code);
      EXPECT_EQ(v.reply().to_string().find("passwd"), std::string::npos);
      ASSERT_EQ(t.trouble().size(), 1u);
      EXPECT_EQ(t.trouble()[0].where, "check bad");
      EXPECT_NE(t.trouble()[0].what.find("secret path"), std::string::npos);
      ASSERT_EQ(t.verdicts().size(), 1u);
    }
  }
}

TEST(Failures, WhateverIsThrown) {
  trial t;
  t.chain().add<scripted>(failing(on_error::defer), "bad", throws_an_int);
  EXPECT_EQ(t.connect().reply().code(), 451);
  EXPECT_EQ(t.trouble().size(), 1u);
}

TEST(Failures, ThrowingWithoutACoroutine) {
  for (const auto style : {scripted::style::waits, scripted::style::at_once}) {
    trial t;
    t.chain().add<scripted>(
        failing(on_error::defer), "bad",
        [](context&, string_view) -> asio::awaitable<verdict> { throw std::logic_error("plain"); },
        style);
    EXPECT_EQ(t.connect().reply().code(), 451);
  }
}

TEST(Failures, AfterASkipTheOthersRun) {
  trial t;
  t.chain().add<scripted>(failing(on_error::skip), "bad", throws);
  t.add<scripted>("good", says(stage::connect, refusal(553)));
  EXPECT_EQ(t.connect().reply().code(), 553);
}

// --- Waiting: groups and deadlines
// ----------------------------------------------------------------

asio::awaitable<verdict> pass_all(context&, string_view) { co_return verdict::pass(); }

// Waits for an event that it is given.
scripted::script waits_for(event& e, verdict v, event* then = nullptr) {
  return [&e, v, then](context&, string_view) -> asio::awaitable<verdict> {
    if (then != nullptr) then->set();
    co_await e.wait();
    co_return v;
  };
}

TEST(Groups, RunAtTheSameTime) {
  trial t;
  event a(t.io().get_executor()), b(t.io().get_executor());
  auto both = t.chain().concurrently();
  // Each waits for what the other one does: one after the other, they would wait for ever.
  both.add<scripted>(failing(on_error::defer), "a", waits_for(a, verdict::pass().score(1), &b));
  both.add<scripted>(failing(on_error::defer), "b", waits_for(b, verdict::pass().score(2), &a));
  EXPECT_TRUE(t.connect().passes());
  ASSERT_EQ(t.verdicts().size(), 2u);
  EXPECT_EQ(t.verdicts()[0].check, "a");
  EXPECT_TRUE(t.trouble().empty());
}

TEST(Groups, TheDeclaredOrderDecidesWhoeverIsFaster) {
  trial t;
  event slow(t.io().get_executor());
  auto both = t.chain().concurrently();
  both.add<scripted>(failing(on_error::defer), "slow", waits_for(slow, refusal(551)));
  both.add<scripted>(failing(on_error::defer), "fast",
                     [&](context&, string_view) -> asio::awaitable<verdict> {
                       slow.set();
                       co_return refusal(552);
                     });
  EXPECT_EQ(t.connect().reply().code(), 551);
}

// Waits for ever; says how it ended.
scripted::script waits_for_ever(asio::io_context& io, std::string& how, event* first = nullptr) {
  return [&io, &how, first](context&, string_view) -> asio::awaitable<verdict> {
    event nothing(io.get_executor());
    how = "waiting";
    if (first != nullptr) first->set();
    try {
      co_await nothing.wait();
    } catch (const asio::system_error& e) {
      how = e.code() == asio::error::operation_aborted ? "cancelled" : "error";
      throw;
    }
    co_return verdict::pass();
  };
}

TEST(Groups, OthersAreCancelledWhenItIsDecided) {
  trial t;
  std::string how;
  event later(t.io().get_executor());
  auto both = t.chain().concurrently();
  both.add<scripted>(failing(on_error::defer), "refuses", waits_for(later, refusal()));
  both.add<scripted>(failing(on_error::defer), "waits", waits_for_ever(t.io(), how, &later));
  EXPECT_EQ(t.connect().kind(), decision::refuse);
  EXPECT_EQ(how, "cancelled");
  EXPECT_EQ(t.verdicts().size(), 1u);
  EXPECT_TRUE(t.trouble().empty());
}

TEST(Groups, WhatIsDecidedBeforeIsNotEvenStarted) {
  trial t;
  names ran;
  auto both = t.chain().concurrently();
  both.add<scripted>(failing(on_error::defer), "a", notes_down(ran, "a", verdict::accept()));
  both.add<scripted>(failing(on_error::defer), "b", notes_down(ran, "b", refusal()));
  EXPECT_TRUE(t.connect().passes());
  EXPECT_EQ(ran, names{"a"});
}

TEST(Deadlines, EachPolicy) {
  struct {
    on_error policy;
    decision kind;
    int code;
  } const cases[] = {{on_error::defer, decision::defer, 451},
                     {on_error::skip, decision::pass, 0},
                     {on_error::refuse, decision::refuse, 554}};
  for (const auto& c : cases) {
    trial t;
    std::string how;
    t.chain().add<scripted>(failing(c.policy, soon), "slow", waits_for_ever(t.io(), how));
    const verdict v = t.connect();
    EXPECT_EQ(v.kind(), c.kind) << to_string(c.policy);
    EXPECT_EQ(v.reply().code(), c.code);
    EXPECT_EQ(how, "cancelled");
    ASSERT_EQ(t.trouble().size(), 1u);
    EXPECT_EQ(t.trouble()[0].what, "at connect: no answer within 5 ms");
    ASSERT_EQ(t.verdicts().size(), 1u);
    EXPECT_GE(t.verdicts()[0].duration, soon);
  }
}

TEST(Deadlines, TheLongestThereIs) {
  trial t;
  event later(t.io().get_executor());
  auto all = t.chain().concurrently();
  all.add<scripted>(failing(on_error::defer, std::chrono::milliseconds::max()), "slow",
                    waits_for(later, refusal(553)));
  all.add<scripted>(failing(on_error::defer), "sets", [&](context& c, string_view text) {
    later.set();
    return pass_all(c, text);
  });
  EXPECT_EQ(t.connect().reply().code(), 553);
}

TEST(Deadlines, OneThatPassesDoesNotEndTheOthers) {
  trial t;
  std::string how;
  event other(t.io().get_executor());
  auto both = t.chain().concurrently();
  both.add<scripted>(failing(on_error::skip, soon), "slow",
                     [&](context&, string_view) -> asio::awaitable<verdict> {
                       event nothing(t.io().get_executor());
                       try {
                         co_await nothing.wait();
                       } catch (...) {
                         other.set();  // nobody else does
                         throw;
                       }
                       co_return verdict::pass();
                     });
  both.add<scripted>(failing(on_error::defer), "patient", waits_for(other, refusal(553)));
  EXPECT_EQ(t.connect().reply().code(), 553);
}

TEST(Deadlines, AnAnswerAfterItIsDropped) {
  trial t;
  t.chain().add<scripted>(failing(on_error::skip, soon), "stubborn",
                          [&](context&, string_view) -> asio::awaitable<verdict> {
                            event nothing(t.io().get_executor());
                            try {
                              co_await nothing.wait();
                            } catch (const asio::system_error&) {
                            }
                            co_return refusal();
                          });
  EXPECT_TRUE(t.connect().passes());
}

// What a check that ignores its cancellation does after that.
struct afterlife {
  explicit afterlife(asio::io_context& io) : go(io.get_executor()) {}
  event go;
  std::string helo;
  std::string sender;
  std::size_t recipients = 0;
  std::size_t header = 0;
  bool ended = false;
};

scripted::script ignores_cancellation(afterlife& after) {
  return [&after](context& ctx, string_view text) -> asio::awaitable<verdict> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await after.go.wait();
    after.helo = ctx.facts().helo;
    after.sender = ctx.envelope().reverse_path().text() + std::string(text);
    after.recipients = ctx.envelope().recipients().size();
    after.header = ctx.fields() ? ctx.fields()->fields.size() : 0;
    ctx.notes().emplace<int>(1);
    after.ended = true;
    co_return refusal();
  };
}

chain_options impatient() {
  chain_options options = trial::immediate();
  options.cancellation_grace = 5ms;
  return options;
}

TEST(Deadlines, ACheckThatIgnoresCancellationIsLeftBehindAndSeesACopy) {
  std::optional<trial> t(impatient());
  afterlife after(t->io());
  t->chain().add<scripted>(failing(on_error::defer, soon), "deaf", ignores_cancellation(after));
  t->facts().helo = "mx.example.test";
  t->mail("<a@example.test>");
  EXPECT_EQ(t->trouble().size(), 2u);
  EXPECT_EQ(t->trouble()[1].what, "at mail: does not end when it is cancelled");
  t->facts().helo = "changed";
  EXPECT_FALSE(after.ended);
  t->leave();
  after.go.set();
  t->io().restart();
  t->io().run();
  EXPECT_TRUE(after.ended);
  EXPECT_EQ(after.helo, "mx.example.test");
  EXPECT_EQ(after.sender, "a@example.test");
}

TEST(Deadlines, ABodyCheckKeepsItsText) {
  trial t(impatient());
  afterlife after(t.io());
  t.chain().add<scripted>(failing(on_error::skip, soon), "deaf", ignores_cancellation(after));
  auto text = std::make_unique<std::string>("octets");
  EXPECT_TRUE(t.run(t.session().body(*text)).passes());
  text.reset();
  after.go.set();
  t.io().restart();
  t.io().run();
  EXPECT_EQ(after.sender, "octets");
}

TEST(Deadlines, ACheckLeftBehindMayDieWithItsExecutor) {
  trial t(impatient());
  afterlife after(t.io());
  t.chain().add<scripted>(failing(on_error::skip, soon), "deaf", ignores_cancellation(after));
  EXPECT_TRUE(t.connect().passes());
  EXPECT_FALSE(after.ended);
}

// --- The client leaves
// -----------------------------------------------------------------------------

struct asked {
  bool ended = false;
  std::exception_ptr error;
  std::optional<verdict> said;
  asio::cancellation_signal cancel;
};

void start(trial& t, asked& a, asio::awaitable<verdict> question) {
  asio::co_spawn(
      t.io(), std::move(question),
      asio::bind_cancellation_slot(a.cancel.slot(), [&a](std::exception_ptr e, verdict v) {
        a.ended = true;
        a.error = e;
        if (!e) a.said = std::move(v);
      }));
  t.io().restart();
}

void run_until(trial& t, const bool& flag) {
  const auto until = std::chrono::steady_clock::now() + testing::patience;
  t.io().restart();
  while (!flag && t.io().run_one_until(until) > 0) {
  }
  ASSERT_TRUE(flag);
}

std::error_code code_of(const std::exception_ptr& error) {
  if (!error) return {};
  try {
    std::rethrow_exception(error);
  } catch (const asio::system_error& e) {
    return e.code();
  } catch (...) {
    return std::make_error_code(std::errc::state_not_recoverable);
  }
}

TEST(Leaving, CancellingTheQuestionCancelsEveryCheck) {
  trial t;
  std::string one, two;
  auto both = t.chain().concurrently();
  both.add<scripted>(failing(on_error::defer), "one", waits_for_ever(t.io(), one));
  both.add<scripted>(failing(on_error::defer), "two", waits_for_ever(t.io(), two));
  asked a;
  start(t, a, t.session().ask(stage::connect));
  t.io().poll();
  EXPECT_EQ(one, "waiting");
  EXPECT_FALSE(a.ended);
  a.cancel.emit(asio::cancellation_type::terminal);
  run_until(t, a.ended);
  EXPECT_EQ(code_of(a.error), asio::error::operation_aborted);
  EXPECT_EQ(one, "cancelled");
  EXPECT_EQ(two, "cancelled");
  EXPECT_TRUE(t.verdicts().empty());
  EXPECT_TRUE(t.trouble().empty());
}

TEST(Leaving, CancelEndsTheQuestionThatIsOutAndNoOther) {
  trial t;
  std::string one, two;
  names ran;
  auto both = t.chain().concurrently();
  both.add<scripted>(failing(on_error::refuse), "one", waits_for_ever(t.io(), one));
  both.add<scripted>(failing(on_error::refuse), "two", waits_for_ever(t.io(), two));
  t.add<scripted>("later", notes_down(ran, "later", verdict::pass()));
  t.session().cancel();  // no question is out
  asked a;
  start(t, a, t.session().ask(stage::connect));
  t.io().poll();
  EXPECT_FALSE(a.ended);
  t.session().cancel();
  run_until(t, a.ended);
  ASSERT_TRUE(a.said);
  EXPECT_EQ(a.said->kind(), decision::defer);
  EXPECT_EQ(one, "cancelled");
  EXPECT_EQ(two, "cancelled");
  EXPECT_TRUE(ran.empty());
  EXPECT_TRUE(t.verdicts().empty());
  EXPECT_TRUE(t.trouble().empty());
  one = two = "";
  asked again;
  start(t, again, t.session().ask(stage::helo));
  t.io().poll();
  EXPECT_EQ(one, "waiting");
  EXPECT_FALSE(again.ended);
  t.session().cancel();
  run_until(t, again.ended);
}

TEST(Leaving, CancelDoesNotWaitLongForChecksThatIgnoreIt) {
  trial t(impatient());
  afterlife after(t.io());
  t.chain().add<scripted>(failing(on_error::defer), "deaf", ignores_cancellation(after));
  asked a;
  start(t, a, t.session().ask(stage::connect));
  t.io().poll();
  t.session().cancel();
  run_until(t, a.ended);
  EXPECT_TRUE(a.said);
  EXPECT_FALSE(after.ended);
  t.leave();
}

TEST(Leaving, ChecksThatIgnoreItAreWaitedForOnlyShortly) {
  trial t(impatient());
  afterlife after(t.io());
  t.chain().add<scripted>(failing(on_error::defer), "deaf", ignores_cancellation(after));
  t.facts().helo = "mx.example.test";
  asked a;
  start(t, a, t.session().ask(stage::connect));
  t.io().poll();
  a.cancel.emit(asio::cancellation_type::terminal);
  run_until(t, a.ended);
  EXPECT_EQ(code_of(a.error), asio::error::operation_aborted);
  t.leave();
  t.facts() = {};
  after.go.set();
  run_until(t, after.ended);
  EXPECT_EQ(after.helo, "mx.example.test");
}

TEST(Leaving, DestroyingTheSessionCancelsEveryCheck) {
  std::string how;
  trial t;
  t.chain().add<scripted>(failing(on_error::defer), "waits", waits_for_ever(t.io(), how));
  asked a;
  start(t, a, t.session().ask(stage::connect));
  t.io().poll();
  EXPECT_EQ(how, "waiting");
  t.leave();
  t.facts() = {};
  run_until(t, a.ended);
  EXPECT_EQ(how, "cancelled");
  EXPECT_EQ(code_of(a.error), asio::error::operation_aborted);
}

TEST(Leaving, AllMayEndWithTheExecutor) {
  std::string how;
  asked a;
  {
    trial t;
    auto both = t.chain().concurrently();
    both.add<scripted>(failing(on_error::defer), "one", waits_for_ever(t.io(), how));
    both.add<scripted>(failing(on_error::defer), "two", waits_for_ever(t.io(), how));
    start(t, a, t.session().ask(stage::connect));
    t.io().poll();
  }
  EXPECT_FALSE(a.ended);
  EXPECT_EQ(how, "waiting");
}

// --- Delayed refusals
// -------------------------------------------------------------------------------

chain_options delayed(override_hook hook = {}) {
  chain_options options;
  options.let_through = std::move(hook);
  return options;
}

TEST(Delayed, RefusalsWaitForRcpt) {
  for (const stage s : {stage::connect, stage::helo, stage::mail}) {
    trial t(delayed());
    t.add<scripted>("bad", says(s, refusal(553)));
    EXPECT_TRUE(t.connect().passes());
    EXPECT_TRUE(t.helo("x").passes());
    EXPECT_TRUE(t.mail("<a@example.test>").passes());
    EXPECT_EQ(t.rcpt("<b@example.test>").reply().code(), 553) << to_string(s);
    EXPECT_EQ(t.verdicts().back().stage, "rcpt");
    EXPECT_EQ(t.verdicts().back().check, "bad");
    EXPECT_EQ(t.rcpt("<c@example.test>").reply().code(), 553);
  }
}

// RFC 3207 §4.2.
TEST(Delayed, WhatWasSaidBeforeTlsIsForgottenThen) {
  trial t(delayed());
  t.add<scripted>("bad", says(stage::helo, refusal(553)));
  t.helo("bad");
  EXPECT_TRUE(t.tls().passes());
  t.mail("<a@example.test>");
  EXPECT_TRUE(t.rcpt("<b@example.test>").passes());
}

TEST(Delayed, RefusalsAtTlsToo) {
  trial t(delayed());
  t.add<scripted>("bad", says(stage::tls, refusal(553)));
  EXPECT_TRUE(t.tls().passes());
  t.helo("x");
  t.mail("<a@example.test>");
  EXPECT_EQ(t.rcpt("<b@example.test>").reply().code(), 553);
}

TEST(Delayed, AuthAndWhatComesLaterDoNot) {
  trial t(delayed());
  t.add<scripted>("bad", says(stage::auth, refusal()));
  EXPECT_TRUE(t.auth("a").negative());
}

TEST(Delayed, DropAnd421DoNot) {
  trial t(delayed());
  t.add<scripted>("flood", says(stage::connect, verdict::drop("flood")));
  EXPECT_EQ(t.connect().kind(), decision::drop);
  trial u(delayed());
  u.add<scripted>("busy",
                  says(stage::connect, verdict::defer(smtp::replies::too_many_connections)));
  EXPECT_EQ(u.connect().reply().code(), 421);
}

TEST(Delayed, APermanentRefusalSpeaksBeforeATemporaryOne) {
  trial t(delayed());
  t.add<scripted>("one", says(stage::connect, verdict::defer()));
  t.add<scripted>("two", says(stage::helo, refusal(553)));
  t.connect();
  t.helo("x");
  t.mail("<a@example.test>");
  EXPECT_EQ(t.rcpt("<b@example.test>").reply().code(), 553);
}

TEST(Delayed, TheHookSeesAllAndMayLetThrough) {
  std::vector<std::string> seen;
  trial t(delayed([&](const context& ctx, std::span<const held_refusal> held) {
    seen.clear();
    for (const held_refusal& h : held)
      seen.push_back(std::string(to_string(h.stage)) + " " + h.check);
    return let_postmaster_through(ctx, held);
  }));
  t.add<scripted>("one", says(stage::connect, refusal().score(3)));
  t.add<scripted>("two", says(stage::mail, refusal()));
  t.add<scripted>("three", says(stage::rcpt, verdict::pass().add_tag("rcpt", "seen")));
  t.connect();
  t.mail("<a@example.test>");
  EXPECT_TRUE(t.rcpt("<b@example.test>").negative());
  EXPECT_EQ(seen, (names{"connect one", "mail two"}));
  EXPECT_TRUE(t.rcpt("<PostMaster@example.test>").passes());
  EXPECT_TRUE(t.rcpt("<abuse@example.test>").passes());
  EXPECT_TRUE(t.rcpt("<Postmaster>").passes());
  const verdict v = t.message("\r\n");
  EXPECT_EQ(v.kind(), decision::pass);
  EXPECT_DOUBLE_EQ(v.what_else().score, 3);
}

TEST(Delayed, AHookThatThrowsLetsNobodyThrough) {
  trial t(delayed([](const context&, std::span<const held_refusal>) -> bool {
    throw std::runtime_error("no directory");
  }));
  t.add<scripted>("bad", says(stage::connect, refusal()));
  t.connect();
  t.mail("<a@example.test>");
  EXPECT_TRUE(t.rcpt("<b@example.test>").negative());
  ASSERT_EQ(t.trouble().size(), 1u);
}

TEST(Delayed, ANewTransactionForgetsTheOldSender) {
  trial t(delayed());
  t.add<scripted>("bad", [](context& c, string_view) -> asio::awaitable<verdict> {
    const bool bad = c.stage() == stage::mail && c.envelope().reverse_path().local_part() == "bad";
    co_return bad ? refusal() : verdict::pass();
  });
  t.mail("<bad@example.test>");
  EXPECT_TRUE(t.rcpt("<b@example.test>").negative());
  t.mail("<good@example.test>");
  EXPECT_TRUE(t.rcpt("<b@example.test>").passes());
}

TEST(Waits, APromiseNotToWaitThatIsBrokenCostsTheDeadlineOnly) {
  trial t;
  event later(t.io().get_executor());
  auto first = t.chain().concurrently();
  first.add<scripted>(failing(on_error::refuse, soon), "liar", waits_for(later, refusal(553)),
                      scripted::style::at_once);
  asked a;
  start(t, a, t.session().ask(stage::connect));
  t.io().poll();
  EXPECT_FALSE(a.ended);
  later.set();
  run_until(t, a.ended);
  EXPECT_EQ(a.said->reply().code(), 553);
}

TEST(Waits, CancellingTheQuestionReachesALiarToo) {
  trial t;
  std::string how;
  t.chain().add<scripted>(failing(on_error::refuse), "liar", waits_for_ever(t.io(), how),
                          scripted::style::at_once);
  asked a;
  start(t, a, t.session().ask(stage::connect));
  t.io().poll();
  a.cancel.emit(asio::cancellation_type::terminal);
  run_until(t, a.ended);
  EXPECT_EQ(code_of(a.error), asio::error::operation_aborted);
  EXPECT_EQ(how, "cancelled");
  EXPECT_TRUE(t.trouble().empty());
}

// --- Context
// ----------------------------------------------------------------------------------------

TEST(Context, ShowsTheSession) {
  trial t;
  std::vector<std::string> saw;
  t.add<scripted>("looks", [&](context& c, string_view text) -> asio::awaitable<verdict> {
    std::string line(to_string(c.stage()));
    if (c.stage() == stage::rcpt) line += " " + c.recipient().forward_path.text();
    if (c.stage() == stage::body) line += " " + std::string(text);
    if (!c.header().empty()) line += " header " + std::to_string(c.fields()->fields.size());
    if (c.message_size() > 0) line += " size " + std::to_string(c.message_size());
    saw.push_back(line);
    co_return verdict::pass();
  });
  t.connect();
  t.mail("<a@example.test>");
  t.rcpt("<b@example.test>");
  t.message("A: 1\r\nB: 2\r\n\r\nxy", 14);
  EXPECT_EQ(saw, (names{"connect", "mail", "rcpt b@example.test", "data",
                        "header_end header 2 size 12", "body A: 1\r\nB: 2\r\n\r\n size 14",
                        "body xy size 16", "message header 2 size 16"}));
}

struct counter {
  int calls = 0;
};

TEST(Context, NotesLiveAsLongAsTheirScope) {
  trial t;
  std::vector<std::pair<int, int>> counts;
  t.add<scripted>("counts", [&](context& c, string_view) -> asio::awaitable<verdict> {
    const int session = ++c.notes().own<counter>(&counts).calls;
    const int transaction = ++c.transaction_notes().own<counter>(&counts).calls;
    counts.emplace_back(session, transaction);
    co_return verdict::pass();
  });
  t.mail("<a@example.test>");
  t.rcpt("<b@example.test>");
  t.mail("<a@example.test>");
  t.leave();
  t.mail("<a@example.test>");
  EXPECT_EQ(counts, (std::vector<std::pair<int, int>>{{1, 1}, {2, 2}, {3, 1}, {1, 1}}));
}

// --- Threads
// ----------------------------------------------------------------------------------------

// Waits once, by way of the executor, so that sessions interleave.
asio::awaitable<verdict> yields(context& c, string_view) {
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
  c.notes().own<counter>(nullptr).calls += 1;
  co_return verdict::pass().score(1);
}

asio::awaitable<verdict> whole_session(smtp::session_policy& session) {
  verdict last;
  for (const stage s : {stage::connect, stage::helo, stage::mail, stage::data}) {
    last = co_await session.ask(s);
    if (last.negative()) co_return last;
  }
  const smtp::message_view all{"A: b\r\n", 100};
  last = co_await session.message(all);
  co_return last;
}

void serve(chain& c, int sessions, double& score) {
  asio::io_context io(1);
  for (int i = 0; i < sessions; ++i) {
    const smtp::session_facts facts;
    const smtp::envelope envelope;
    const auto session = c.open({facts, envelope});
    score += testing::run(io, whole_session(*session)).what_else().score;
  }
}

TEST(Threads, OneChainServesMany) {
  chain c;
  c.add<scripted>(failing(on_error::defer), "first", yields);
  auto both = c.concurrently();
  both.add<scripted>(failing(on_error::defer), "left", yields);
  both.add<scripted>(failing(on_error::defer), "right", yields);
  c.add<scripted>(failing(on_error::defer), "at once", says(stage::mail, verdict::pass().score(1)),
                  scripted::style::at_once);
  constexpr int sessions = 50;
  double one = 0, two = 0;
  std::thread other(serve, std::ref(c), sessions, std::ref(two));
  serve(c, sessions, one);
  other.join();
  EXPECT_DOUBLE_EQ(one, sessions * (5 * 3 + 1));
  EXPECT_DOUBLE_EQ(two, one);
}

}  // namespace
}  // namespace gatepost::checks
