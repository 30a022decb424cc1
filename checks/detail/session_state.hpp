// What a chain keeps of one session between its questions: notes, held refusals, effects to come.
//
// Shared by the session's policy, the coroutine of the question under way and the checks in flight.
#ifndef GATEPOST_CHECKS_DETAIL_SESSION_STATE_HPP
#define GATEPOST_CHECKS_DETAIL_SESSION_STATE_HPP

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/detail/flight.hpp"
#include "checks/detail/plan.hpp"
#include "smtp/detail/exception_text.hpp"

namespace gatepost::checks::detail {

class session_state {
 public:
  session_state(std::shared_ptr<const plan> p, const smtp::session_view& view)
      : plan_(std::move(p)), ctx_(view.facts, view.envelope, store_) {}

  const plan& what() const { return *plan_; }
  context& ctx() { return ctx_; }
  bool observed() const { return observer() != nullptr; }

  // --- A question
  // -----------------------------------------------------------------------------------

  void enter(smtp::stage s, const smtp::message_view& message) {
    forget(s);
    ctx_.enter(s, message.header, message.size);
    asking_ = true;
    stopped_ = false;
  }

  void set_flight(const std::shared_ptr<flight>& f) { flight_ = f; }
  void done() { asking_ = false; }

  // At RCPT: what the held refusals have to say.
  std::optional<verdict> held_refusal_speaks();

  // What the session is told, given what the checks said; keeps what comes later.
  verdict conclude(const verdict_merger& merged);

  // --- The end of things
  // ----------------------------------------------------------------------------

  void reset() {
    drop_from(smtp::stage::mail, smtp::stage::message);
    store_.transaction_notes.clear();
    body_size_ = 0;
  }

  // The answer to the question that is out is not wanted any more.
  void stop() {
    if (!asking_) return;
    stopped_ = true;
    if (const auto f = flight_.lock()) f->stop();
  }
  bool stopped() const { return stopped_; }

  // The session is destroyed; facts and envelope go with it.
  void leave() {
    if (!asking_) return;
    if (const auto f = flight_.lock()) f->abandon();
    ctx_.show(ctx_.take_snapshot());
  }

  std::uint64_t count_body(std::size_t octets) { return body_size_ += octets; }

  // --- Telling the observer
  // -------------------------------------------------------------------------

  void report(std::string_view who, const verdict& v, std::chrono::nanoseconds took) const {
    if (!observed()) return;
    // Chunks in which nothing was found say nothing.
    const bool found = v.kind() != smtp::decision::pass || v.has_effects();
    if (ctx_.stage() == smtp::stage::body && !found) return;
    observer()->on_verdict({ctx_.facts(), ctx_.envelope(), to_string(ctx_.stage()), who, v, took});
  }

  void trouble(std::string_view who, const std::string& what) const {
    if (!observed()) return;
    const std::string where = "check " + std::string(who);
    const std::string words = "at " + std::string(to_string(ctx_.stage())) + ": " + what;
    observer()->on_trouble({where, words, ctx_.facts().id});
  }

 private:
  // An effect, a hold or a discard that comes with the verdict of stage::message.
  struct kept {
    smtp::stage stage;
    std::optional<std::size_t> recipient;
    smtp::verdict said;
  };

  smtp::observer* observer() const { return plan_->options().observer; }

  // A stage that is asked again starts anew, and so does what came before it in the session.
  void forget(smtp::stage s) {
    switch (s) {
      case smtp::stage::connect:  // XCLIENT: another client
      case smtp::stage::helo:
      case smtp::stage::auth:
      case smtp::stage::mail: drop_from(s, s == smtp::stage::connect ? smtp::stage::tls : s); break;
      // RFC 3207 §4.2: what was learnt before TLS counts no more.
      case smtp::stage::tls: drop_from(smtp::stage::helo, smtp::stage::tls); break;
      case smtp::stage::rcpt: forget_recipients(); break;
      default: break;
    }
  }

  void drop_from(smtp::stage first, smtp::stage last) {
    const auto between = [=](const auto& x) { return x.stage >= first && x.stage <= last; };
    std::erase_if(held_, between);
    std::erase_if(kept_, between);
  }

  // The recipient that is asked about takes the place of one that the envelope took back.
  void forget_recipients() {
    const std::size_t index = ctx_.envelope().recipients().size() - 1;
    std::erase_if(kept_, [index](const kept& k) { return k.recipient && *k.recipient >= index; });
  }

  bool may_be_held(const verdict& v) const {
    if (!plan_->options().delay_refusals || v.kind() == smtp::decision::drop) return false;
    if (v.reply().code() == 421) return false;  // RFC 5321 §3.8: it ends the session
    const smtp::stage s = ctx_.stage();
    return s == smtp::stage::connect || s == smtp::stage::helo || s == smtp::stage::tls ||
           s == smtp::stage::mail;
  }

  bool let_through() const {
    const override_hook& hook = plan_->options().let_through;
    if (!hook) return false;
    try {
      return hook(ctx_, held_);
    } catch (...) {
      trouble("let_through", smtp::detail::exception_text());
      return false;
    }
  }

  void keep(verdict said) {
    const bool nothing = said.kind() == smtp::decision::pass && !said.has_effects();
    if (nothing) return;
    std::optional<std::size_t> recipient;
    if (ctx_.stage() == smtp::stage::rcpt) recipient = ctx_.envelope().recipients().size() - 1;
    kept_.push_back({ctx_.stage(), recipient, std::move(said)});
  }

  verdict conclude_message(const verdict_merger& merged);
  verdict judge_score(double sum) const;

  std::shared_ptr<const plan> plan_;
  session_store store_;
  context ctx_;
  std::weak_ptr<flight> flight_;
  bool asking_ = false;
  bool stopped_ = false;
  std::vector<held_refusal> held_;
  std::vector<kept> kept_;
  std::uint64_t body_size_ = 0;
};

// What counts at once: the recipient's class.
inline verdict class_only(const verdict& said) {
  verdict now;
  if (said.has_effects() && !said.what_else().policy_class.empty())
    now.policy_class(said.what_else().policy_class);
  return now;
}

inline std::optional<verdict> session_state::held_refusal_speaks() {
  if (held_.empty() || let_through()) return std::nullopt;
  // A permanent refusal saves the client from coming again.
  const auto permanent = std::find_if(held_.begin(), held_.end(), [](const held_refusal& h) {
    return h.verdict.kind() == smtp::decision::refuse;
  });
  const held_refusal& speaker = permanent != held_.end() ? *permanent : held_.front();
  report(speaker.check, speaker.verdict, std::chrono::nanoseconds(0));
  return speaker.verdict;
}

inline verdict session_state::conclude(const verdict_merger& merged) {
  if (ctx_.stage() == smtp::stage::message) return conclude_message(merged);
  if (merged.silent()) return verdict::pass();
  verdict said = merged.result();
  if (!said.negative()) {
    verdict now = class_only(said);
    keep(std::move(said));
    return now;
  }
  if (!may_be_held(said)) return decision_only(said);
  keep(effects_only(said));
  held_.push_back({ctx_.stage(), std::string(merged.decided_by()), decision_only(said)});
  return verdict::pass();
}

inline verdict session_state::conclude_message(const verdict_merger& merged) {
  verdict_merger all;
  const std::size_t recipients = ctx_.envelope().recipients().size();
  for (const kept& k : kept_) {
    if (!k.recipient)
      all.add(k.said);
    else if (*k.recipient < recipients)
      all.add(effects_only(k.said).for_recipient(*k.recipient, decision_only(k.said)));
  }
  all.add(merged.result(), merged.decided_by());
  if (!merged.settled()) {
    const verdict by_score = judge_score(all.score());
    if (by_score.has_effects() || by_score.kind() != smtp::decision::pass)
      report("score", by_score, std::chrono::nanoseconds(0));
    all.add(by_score, "score");
  }
  return all.result();
}

inline verdict session_state::judge_score(double sum) const {
  const score_bounds& bounds = plan_->options().scores;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, sum, std::chars_format::fixed, 2).ptr;
  const std::string points(text, end);
  verdict v;
  if (bounds.refuse && sum >= *bounds.refuse)
    v = verdict::refuse(bounds.reply);
  else if (bounds.hold && sum >= *bounds.hold)
    v = verdict::hold("score " + points);
  if (bounds.tag) {
    v.remove_header(bounds.mark.name);  // what the client says of itself
    if (sum >= *bounds.tag)
      v.add_header(bounds.mark.name, bounds.mark.value).add_tag("score", points);
  }
  return v;
}

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_SESSION_STATE_HPP
