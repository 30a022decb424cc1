// What a chain runs: its checks by stage and group. Constant once the first session is open.
#ifndef GATEPOST_CHECKS_DETAIL_PLAN_HPP
#define GATEPOST_CHECKS_DETAIL_PLAN_HPP

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/chain.hpp"
#include "checks/merge.hpp"

namespace gatepost::checks::detail {

using check_clock = std::chrono::steady_clock;

// No session lasts as long; keeps arithmetic with deadlines in range.
inline constexpr std::chrono::milliseconds longest_deadline = std::chrono::hours(24);

// One check of a chain.
struct entry {
  std::shared_ptr<check> what;
  std::string name;
  std::chrono::milliseconds deadline;
  checks::on_error on_error;
  std::size_t group;
  stage_set stages;
  stage_set waits;
};

// What is done at a stage before the next step: a group in which somebody may wait, or checks that
// do not and are called one by one.
struct step {
  bool waits = false;
  std::vector<const entry*> entries;
};

// What a check that could not do its work is taken to have said.
inline verdict failure(const entry& who, const smtp::fixed_reply& temporary) {
  static constexpr smtp::fixed_reply refused{554, {5, 3, 0}, "Message cannot be processed here"};
  switch (who.on_error) {
    case on_error::skip: return verdict::inconclusive("check failed");
    case on_error::refuse: return verdict::refuse(refused);
    case on_error::defer: break;
  }
  return verdict::defer(temporary);
}

inline asio::awaitable<verdict> invoke(check& what, context& ctx, std::string_view text) {
  switch (ctx.stage()) {
    case smtp::stage::connect: return what.on_connect(ctx);
    case smtp::stage::helo: return what.on_helo(ctx);
    case smtp::stage::tls: return what.on_tls(ctx);
    case smtp::stage::auth: return what.on_auth(ctx);
    case smtp::stage::mail: return what.on_mail(ctx);
    case smtp::stage::rcpt: return what.on_rcpt(ctx);
    case smtp::stage::data: return what.on_data(ctx);
    case smtp::stage::header_end: return what.on_header_end(ctx);
    case smtp::stage::body: return what.on_body(ctx, text);
    case smtp::stage::message: break;
  }
  return what.on_message(ctx);
}

class plan {
 public:
  explicit plan(chain_options options) : options_(std::move(options)) {}

  std::size_t new_group() { return groups_++; }

  void insert(entry e) {
    assert(!in_use_ && "checks are added before the first session");
    if (e.deadline.count() <= 0) throw std::invalid_argument(e.name + ": deadline must be above 0");
    e.deadline = std::min(e.deadline, longest_deadline);
    for (int i = 0; i < smtp::stage_count; ++i) {
      const auto s = static_cast<smtp::stage>(i);
      if (e.what->waits(s)) e.waits = static_cast<stage_set>(e.waits | bit(s));
    }
    entries_.push_back(std::make_unique<entry>(std::move(e)));
    lay_out();
  }

  void use() {
    if (!in_use_.load(std::memory_order_relaxed)) in_use_.store(true, std::memory_order_relaxed);
  }

  const std::vector<step>& steps(smtp::stage s) const {
    return steps_[static_cast<std::size_t>(s)];
  }
  const chain_options& options() const { return options_; }

  // Whether nothing that is still to come changes what the stage does.
  bool over(const verdict_merger& m) const {
    if (!m.settled()) return false;
    const bool refused = m.kind() == smtp::decision::refuse || m.kind() == smtp::decision::defer;
    return !(refused && options_.run_all);
  }

 private:
  void lay_out() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      steps_[i].clear();
      for (std::size_t g = 0; g < groups_; ++g)
        add_group(steps_[i], static_cast<smtp::stage>(i), g);
    }
  }

  void add_group(std::vector<step>& steps, smtp::stage s, std::size_t group) {
    step made;
    for (const auto& e : entries_) {
      if (e->group != group || (e->stages & bit(s)) == 0) continue;
      made.entries.push_back(e.get());
      if ((e->waits & bit(s)) != 0) made.waits = true;
    }
    if (made.entries.empty()) return;
    if (!made.waits && !steps.empty() && !steps.back().waits) {
      auto& before = steps.back().entries;
      before.insert(before.end(), made.entries.begin(), made.entries.end());
    } else {
      steps.push_back(std::move(made));
    }
  }

  chain_options options_;
  std::vector<std::unique_ptr<entry>> entries_;
  std::size_t groups_ = 0;
  std::array<std::vector<step>, smtp::stage_count> steps_;
  std::atomic<bool> in_use_ = false;
};

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_PLAN_HPP
