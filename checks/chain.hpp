// Runs checks: the smtp::policy that most servers use.
//
//     checks::chain chain({.observer = &log});
//     chain.add<checks::helo>({.deadline = 1s, .on_error = checks::on_error::skip}, helo_options);
//     auto lookups = chain.concurrently();
//     lookups.add<blocklist>({.deadline = 5s, .on_error = checks::on_error::skip}, resolver);
//     lookups.add<reputation>({.deadline = 2s, .on_error = checks::on_error::defer}, client);
//
// At each stage the checks run in the order in which they were added; those of one concurrently()
// run at the same time. merge.hpp says how their verdicts become one; it depends on the declared
// order, never on who was faster. As soon as nothing later can change it the rest is not run, or is
// cancelled.
//
// The session gets only decisions before the end of a message: header fields, tags, scores, holds
// and discards of all stages are kept here and come with the verdict of stage::message. What was
// said before MAIL holds for every message of the session; what was said at RCPT to hold or to
// discard, for that recipient.
//
// A check that throws, or does not answer within its deadline, is treated as its on_error says, and
// reported as trouble; no exception's text ever reaches the wire. Add all checks before the first
// session; from then on the chain is thread-safe. It outlives the server that uses it.
#ifndef GATEPOST_CHECKS_CHAIN_HPP
#define GATEPOST_CHECKS_CHAIN_HPP

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "checks/check.hpp"
#include "checks/context.hpp"
#include "checks/detail/stages.hpp"
#include "smtp/config.hpp"
#include "smtp/observer.hpp"
#include "smtp/policy.hpp"
#include "smtp/reply.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::checks {

// What happens when a check throws or its deadline passes.
enum class on_error : std::uint8_t {
  defer,   // 451: the client comes again later
  skip,    // as if the check had found nothing
  refuse,  // 554: for checks without whose word nothing may pass
};

GATEPOST_DECL std::string_view to_string(on_error what);

// A member that whoever fills in its struct may not leave out.
template <class T>
class required {
 public:
  template <std::convertible_to<T> U>
  constexpr required(U&& value) : value_(std::forward<U>(value)) {}  // NOLINT
  constexpr operator const T&() const { return value_; }             // NOLINT

 private:
  T value_;
};

// How a check is run; neither deadline nor on_error can be left out.
struct run_options {
  // For each call of the check, from its start. Above zero.
  required<std::chrono::milliseconds> deadline;
  required<checks::on_error> on_error;
  // Its name in logs; empty: the check's own. For two checks of one class.
  std::string name = {};
};

// A refusal that waits for RCPT to be spoken.
struct held_refusal {
  smtp::stage stage;
  std::string check;
  smtp::verdict verdict;
};

// What happens where the scores of all checks of all stages, added up at stage::message, reach a
// bound. A check that answers `accept` there overrules it. All off by default.
struct score_bounds {
  std::optional<double> tag = {};     // mark the message by `mark`
  std::optional<double> hold = {};    // hold it
  std::optional<double> refuse = {};  // refuse it by `reply`

  // Where `tag` is set, fields of this name that the client sent are removed from every message.
  smtp::header_field mark = {"X-Spam-Flag", "YES"};
  smtp::reply reply = smtp::fixed_reply{550, {5, 7, 1}, "Message looks like spam"};
};

// Whether a recipient gets through though there are held refusals; thread-safe.
using override_hook = std::function<bool(const context&, std::span<const held_refusal>)>;

struct chain_options {
  // Is told every verdict and all trouble; outlives the chain. nullptr: nobody.
  smtp::observer* observer = nullptr;

  // Refusals at connect, helo, tls and mail are held until RCPT: the log then names sender and
  // recipient, more than a few clients understand a refusal only there, and `let_through` can make
  // exceptions. `drop`, and any reply of 421, is never held.
  bool delay_refusals = true;

  // Asked at RCPT where a refusal is held. Empty: nobody gets through.
  override_hook let_through = {};

  // Go on after a refusal, so that logs and statistics see what every check says. What is decided
  // stays the same. `accept` and `drop` end the stage all the same.
  bool run_all = false;

  score_bounds scores = {};

  // How long a cancelled check is waited for. One that honours cancellation ends within
  // microseconds; one that does not is left alone, and reported.
  std::chrono::milliseconds cancellation_grace{100};
};

// An override_hook for RFC 5321 §4.5.1 and RFC 2142 §4: postmaster and abuse can be reached by
// those whom we refuse.
GATEPOST_DECL bool let_postmaster_through(const context& ctx, std::span<const held_refusal> held);

namespace detail {
class plan;
}  // namespace detail

class chain final : public smtp::policy {
 public:
  // Checks that run at the same time. Good as long as the chain.
  class group {
   public:
    template <std::derived_from<check> Check, class... Args>
    Check& add(run_options how, Args&&... args) {
      return chain_->make<Check>(index_, std::move(how), std::forward<Args>(args)...);
    }

   private:
    friend chain;
    group(chain& c, std::size_t index) : chain_(&c), index_(index) {}

    chain* chain_;
    std::size_t index_;
  };

  GATEPOST_DECL explicit chain(chain_options options = {});
  GATEPOST_DECL ~chain() override;
  chain(const chain&) = delete;
  chain& operator=(const chain&) = delete;

  // Makes a Check of `args`, to run after all that were added before. The reference is good as long
  // as the chain. Throws std::invalid_argument where the deadline is not above zero.
  template <std::derived_from<check> Check, class... Args>
  Check& add(run_options how, Args&&... args) {
    return concurrently().add<Check>(std::move(how), std::forward<Args>(args)...);
  }

  // A group whose checks run at the same time, after all that were added before.
  GATEPOST_DECL group concurrently();

  GATEPOST_DECL std::unique_ptr<smtp::session_policy> open(const smtp::session_view& view) override;

 private:
  template <class Check, class... Args>
  Check& make(std::size_t group, run_options how, Args&&... args) {
    auto made = std::make_shared<Check>(std::forward<Args>(args)...);
    Check& reference = *made;
    insert(group, std::move(made), detail::stages_of<Check>(), std::move(how));
    return reference;
  }

  void insert(std::size_t group, std::shared_ptr<check> what, detail::stage_set stages,
              run_options how);

  std::shared_ptr<detail::plan> plan_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/chain.ipp"
#endif

#endif  // GATEPOST_CHECKS_CHAIN_HPP
