// Holds messages that say a phrase too often: a check that looks at the body as it comes in.
#ifndef GATEPOST_EXAMPLES_CUSTOM_CHECK_PHRASE_WATCH_HPP
#define GATEPOST_EXAMPLES_CUSTOM_CHECK_PHRASE_WATCH_HPP

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "checks/check.hpp"

namespace checks = gatepost::checks;
namespace smtp = gatepost::smtp;

class phrase_watch final : public checks::check {
 public:
  // `phrase` is not empty; `limit` times are one too many.
  phrase_watch(std::string phrase, std::size_t limit) : phrase_(std::move(phrase)), limit_(limit) {}

  std::string_view name() const override { return "phrase_watch"; }

  // It only computes, and waits for nobody.
  bool waits(smtp::stage) const override { return false; }

  asio::awaitable<checks::verdict> on_body(checks::context& ctx, std::string_view text) override {
    progress& so_far = ctx.transaction_notes().own<progress>(this);
    so_far.unread.append(text);
    so_far.hits += take_phrases(so_far.unread);
    co_return checks::verdict::pass();
  }

  asio::awaitable<checks::verdict> on_message(checks::context& ctx) override {
    const std::size_t hits = ctx.transaction_notes().own<progress>(this).hits;
    if (hits >= limit_) co_return checks::verdict::hold("says \"" + phrase_ + "\" too often");
    if (hits == 0) co_return checks::verdict::pass();
    co_return checks::verdict::pass()
        .add_header("X-Phrase-Count", std::to_string(hits))
        .score(static_cast<double>(hits));
  }

 private:
  // What is known of the message so far.
  struct progress {
    std::string unread;
    std::size_t hits = 0;
  };

  // Counts the phrases in `text`, and leaves what may be the beginning of one more.
  std::size_t take_phrases(std::string& text) const {
    std::size_t hits = 0;
    std::size_t done = 0;
    std::size_t at = text.find(phrase_);
    while (at != std::string::npos) {
      ++hits;
      done = at + phrase_.size();
      at = text.find(phrase_, done);
    }
    const std::size_t rest = text.size() - done;
    text.erase(0, text.size() - std::min(rest, phrase_.size() - 1));
    return hits;
  }

  const std::string phrase_;
  const std::size_t limit_;
};

#endif  // GATEPOST_EXAMPLES_CUSTOM_CHECK_PHRASE_WATCH_HPP
