// A delivery for tests: keeps every message, and goes wrong where the test says.
//
//     fake_delivery delivery;
//     delivery.resolves("nobody@example.test", verdict::refuse(replies::no_such_user));
//     delivery.fails_at(fake_delivery::step::write, 3);    // the third write; errors, or
//     exceptions
//     ...
//     EXPECT_EQ(delivery.kept.at(0).text, "Received: ...");
//
// One thread.
#ifndef GATEPOST_SMTP_TESTING_FAKE_DELIVERY_HPP
#define GATEPOST_SMTP_TESTING_FAKE_DELIVERY_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/delivery.hpp"
#include "smtp/errc.hpp"
#include "smtp/testing/gate.hpp"

namespace gatepost::smtp::testing {

// A message that was committed.
struct kept_message {
  kept_message() = default;

  std::string reverse_path;
  std::vector<std::string> recipients;  // those that get it
  std::string received;                 // as it came in
  std::string text;                     // with the edits
  std::vector<std::string> held;        // those of them whose copy is only kept
  std::string hold_reason;
  std::vector<tag> tags;
  std::string queue_id;  // "Q1", "Q2", ...
  bool revoked = false;
};

class fake_delivery final : public delivery {
 public:
  enum class step : std::uint8_t { resolve, begin, write, commit, revoke, etrn };
  enum class fault : std::uint8_t { error, exception };

  // --- What it will do
  // ------------------------------------------------------------------------------- The answer for
  // this recipient; others pass.
  fake_delivery& resolves(std::string address, verdict v) {
    recipients_.insert_or_assign(std::move(address), std::move(v));
    return *this;
  }
  fake_delivery& classifies(std::string address, std::string policy_class) {
    classes_.insert_or_assign(std::move(address), std::move(policy_class));
    return *this;
  }
  // The `count`th call of this step, from 1, goes wrong: begin() gives nothing, write() `with`,
  // commit() 451; or they throw.
  fake_delivery& fails_at(step s, std::size_t count = 1, fault how = fault::error,
                          std::error_code with = errc::spool_failed) {
    failing_.insert_or_assign(s, failure{count, how, with});
    return *this;
  }
  // available() says so from now on; no error: it takes messages again.
  fake_delivery& closes(std::error_code why) {
    closed_ = why;
    return *this;
  }
  // This step waits for the gate. `g` outlives the sessions.
  fake_delivery& waits(step s, gate& g) {
    gates_.insert_or_assign(s, &g);
    return *this;
  }
  // It does not look at edits: messages are kept as they came.
  fake_delivery& wants_no_edits() {
    wants_edits_ = false;
    return *this;
  }
  // What commit() says from now on.
  fake_delivery& answers(reply overall, std::vector<reply> each = {}) {
    outcome_ = delivery_outcome(std::move(overall));
    outcome_->each = std::move(each);
    return *this;
  }

  // --- What it did
  // -----------------------------------------------------------------------------------
  std::vector<kept_message> kept;
  std::vector<std::string> resolved;  // addresses, in order
  std::size_t begun = 0;
  std::size_t forgotten = 0;       // intakes that ended without commit()
  std::vector<std::string> nodes;  // of ETRN

  // --- delivery
  // --------------------------------------------------------------------------------------
  asio::awaitable<verdict> resolve(const session_view&, recipient& to) override {
    resolved.push_back(to.forward_path.text());
    const bool fails = co_await enter(step::resolve);
    if (fails) co_return verdict::defer();
    if (const auto c = classes_.find(to.forward_path.text()); c != classes_.end())
      to.policy_class = c->second;
    to.route = "fake";
    const auto found = recipients_.find(to.forward_path.text());
    if (found == recipients_.end()) co_return verdict::pass();
    co_return found->second;
  }

  std::error_code available() const override { return closed_; }

  asio::awaitable<std::unique_ptr<intake>> begin(const session_view& session) override {
    ++begun;
    std::unique_ptr<intake> message;
    const bool fails = co_await enter(step::begin);
    if (!fails) message = std::make_unique<keeper>(*this, session.envelope);
    co_return message;
  }

  asio::awaitable<reply> etrn(const session_view&, std::string node) override {
    nodes.push_back(std::move(node));
    const bool fails = co_await enter(step::etrn);
    if (fails) co_return reply(458, {4, 3, 0}, "Unable to queue messages");
    co_return reply(250, {2, 0, 0}, "OK");
  }

 private:
  struct failure {
    std::size_t count;
    fault how;
    std::error_code with;
  };

  class keeper final : public intake {
   public:
    keeper(fake_delivery& all, const smtp::envelope& envelope) : all_(all), envelope_(envelope) {}
    ~keeper() override {
      if (!committed_) ++all_.forgotten;
    }

    asio::awaitable<std::error_code> write(std::string_view text) override {
      const bool fails = co_await all_.enter(step::write);
      if (fails) co_return all_.failing_.at(step::write).with;
      text_ += text;
      co_return std::error_code{};
    }

    bool wants_edits() const override { return all_.wants_edits_; }

    asio::awaitable<delivery_outcome> commit(const disposition& what) override {
      const bool fails = co_await all_.enter(step::commit);
      if (fails) co_return delivery_outcome(replies::local_error);
      delivery_outcome said(reply(250, {2, 0, 0}, "OK"));
      if (all_.outcome_) said = *all_.outcome_;
      bool taken = said.overall.positive();
      for (const reply& r : said.each) taken = taken || r.positive();
      if (!taken) co_return said;
      committed_ = true;
      said.queue_id = keep(what);
      co_return said;
    }

    asio::awaitable<void> revoke() override {
      co_await all_.enter(step::revoke);
      if (committed_) all_.kept.at(place_).revoked = true;
    }

   private:
    std::string keep(const disposition& what) {
      kept_message m;
      m.reverse_path = envelope_.reverse_path().text();
      for (const std::size_t i : what.recipients)
        m.recipients.push_back(envelope_.recipients()[i].forward_path.text());
      m.received = text_;
      m.text = what.edits.apply_to(text_);
      for (const std::size_t i : what.held)
        m.held.push_back(envelope_.recipients()[i].forward_path.text());
      m.hold_reason = what.hold_reason;
      m.tags = what.tags;
      m.queue_id = "Q" + std::to_string(all_.kept.size() + 1);
      place_ = all_.kept.size();
      all_.kept.push_back(m);
      return m.queue_id;
    }

    fake_delivery& all_;
    const smtp::envelope& envelope_;
    std::string text_;
    std::size_t place_ = 0;
    bool committed_ = false;
  };

  // Waits and throws as the test wants; true: this call fails.
  asio::awaitable<bool> enter(step s) {
    const std::size_t count = ++calls_[s];
    if (const auto g = gates_.find(s); g != gates_.end()) co_await g->second->pass();
    const auto f = failing_.find(s);
    if (f == failing_.end() || f->second.count != count) co_return false;
    if (f->second.how == fault::exception) throw std::runtime_error("the delivery is broken");
    co_return true;
  }

  std::map<std::string, verdict, std::less<>> recipients_;
  std::map<std::string, std::string, std::less<>> classes_;
  std::map<step, failure> failing_;
  std::map<step, gate*> gates_;
  std::map<step, std::size_t> calls_;
  std::optional<delivery_outcome> outcome_;
  std::error_code closed_;
  bool wants_edits_ = true;
};

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_FAKE_DELIVERY_HPP
