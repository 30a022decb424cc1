// A policy for tests: answers as the test says, and remembers what it was asked.
//
//     fake_policy policy;
//     policy.answers(stage::rcpt, verdict::refuse({550, {5, 1, 1}, "nobody"}));   // once; then it
//     passes policy.throws(stage::message); policy.waits(stage::mail, gate);      // the answer
//     comes when the gate opens, or at cancel()
//     ...
//     EXPECT_THAT(policy.asked, ElementsAre("connect", "helo", "mail", "reset"));
//
// One thread; one policy may serve several sessions, which then share its answers.
#ifndef GATEPOST_SMTP_TESTING_FAKE_POLICY_HPP
#define GATEPOST_SMTP_TESTING_FAKE_POLICY_HPP

#include <cstddef>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/policy.hpp"
#include "smtp/testing/gate.hpp"

namespace gatepost::smtp::testing {

class fake_policy final : public policy {
 public:
  // --- What it will say
  // ------------------------------------------------------------------------------ The next
  // question of this stage that has no answer yet gets this one; without any, it passes.
  fake_policy& answers(stage s, verdict v) {
    answers_[s].push_back([v = std::move(v)] { return v; });
    return *this;
  }
  fake_policy& throws(stage s, std::string what = "the policy is broken") {
    answers_[s].push_back(
        [what = std::move(what)]() -> verdict { throw std::runtime_error(what); });
    return *this;
  }
  // Throws something that is no std::exception.
  fake_policy& throws_strangely(stage s) {
    answers_[s].push_back([]() -> verdict { throw 42; });
    return *this;
  }
  // All questions of this stage wait for the gate, or for cancel(). `g` outlives the sessions.
  fake_policy& waits(stage s, gate& g) {
    gates_[s] = &g;
    return *this;
  }
  // The question of this number, from 0, throws, whichever it is.
  fake_policy& fails_at(std::size_t question) {
    fails_at_ = question;
    return *this;
  }
  fake_policy& fails_to_open() {
    opens_ = false;
    return *this;
  }
  // It is not asked there.
  fake_policy& ignores(stage s) {
    ignored_.insert(s);
    return *this;
  }

  // --- What it was asked
  // ----------------------------------------------------------------------------- "open", the names
  // of the stages, "reset", "cancel". Bodies are one "body", however many pieces come.
  std::vector<std::string> asked;
  std::size_t questions = 0;
  std::string header;  // at header_end
  std::string body;    // of the last message, as body() had it
  std::uint64_t size = 0;

  std::unique_ptr<session_policy> open(const session_view&) override {
    asked.emplace_back("open");
    if (!opens_) throw std::runtime_error("no policy to be had");
    return std::make_unique<session>(*this);
  }

 private:
  class session final : public session_policy {
   public:
    explicit session(fake_policy& all) : all_(all) {}

    asio::awaitable<verdict> ask(stage s) override {
      all_.asked.emplace_back(to_string(s));
      verdict v = co_await answer(s);
      co_return v;
    }
    asio::awaitable<verdict> header_end(const message_view& message) override {
      all_.asked.emplace_back("header_end");
      all_.header = message.header;
      all_.body.clear();
      verdict v = co_await answer(stage::header_end);
      co_return v;
    }
    asio::awaitable<verdict> body(std::string_view text) override {
      if (all_.asked.empty() || all_.asked.back() != "body") all_.asked.emplace_back("body");
      verdict v = co_await answer(stage::body);
      // Read only now: it has to be there until the answer.
      all_.body += text;
      co_return v;
    }
    asio::awaitable<verdict> message(const message_view& message) override {
      all_.asked.emplace_back("message");
      all_.size = message.size;
      verdict v = co_await answer(stage::message);
      co_return v;
    }
    void reset() override { all_.asked.emplace_back("reset"); }
    void cancel() override {
      all_.asked.emplace_back("cancel");
      for (const auto& [s, g] : all_.gates_) g->open();
    }
    bool ignores(stage s) const noexcept override { return all_.ignored_.contains(s); }

   private:
    asio::awaitable<verdict> answer(stage s) {
      const std::size_t number = all_.questions++;
      if (const auto g = all_.gates_.find(s); g != all_.gates_.end()) co_await g->second->pass();
      if (number == all_.fails_at_) throw std::runtime_error("the policy is broken");
      auto& mine = all_.answers_[s];
      if (mine.empty()) co_return verdict::pass();
      const std::function<verdict()> next = std::move(mine.front());
      mine.pop_front();
      co_return next();
    }

    fake_policy& all_;
  };

  std::map<stage, std::deque<std::function<verdict()>>> answers_;
  std::map<stage, gate*> gates_;
  std::size_t fails_at_ = std::numeric_limits<std::size_t>::max();
  bool opens_ = true;
  std::set<stage> ignored_;
};

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_FAKE_POLICY_HPP
