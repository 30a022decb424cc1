#ifndef GATEPOST_CHECKS_IMPL_MERGE_IPP
#define GATEPOST_CHECKS_IMPL_MERGE_IPP

#include <algorithm>
#include <string>

#include "checks/merge.hpp"

namespace gatepost::checks {
namespace detail {

using smtp::decision;

// Everything but what is said of single recipients.
inline void append_effects(smtp::verdict::effects& to, const smtp::verdict::effects& from) {
  to.add_headers.insert(to.add_headers.end(), from.add_headers.begin(), from.add_headers.end());
  to.remove_headers.insert(to.remove_headers.end(), from.remove_headers.begin(),
                           from.remove_headers.end());
  to.erased.insert(to.erased.end(), from.erased.begin(), from.erased.end());
  to.tags.insert(to.tags.end(), from.tags.begin(), from.tags.end());
  to.score += from.score;
  if (!to.policy_class.empty() && !from.policy_class.empty()) to.policy_class += ' ';
  to.policy_class += from.policy_class;
}

inline void append_effects(smtp::verdict& to, const smtp::verdict::effects& from) {
  for (const smtp::header_field& h : from.add_headers) to.add_header(h.name, h.value);
  for (const std::string& name : from.remove_headers) to.remove_header(name);
  for (const smtp::octet_range range : from.erased) to.erase(range);
  for (const smtp::tag& t : from.tags) to.add_tag(t.name, t.value);
  if (from.score != 0) to.score(from.score);
  if (!from.policy_class.empty()) to.policy_class(from.policy_class);
}

// Whether `next` takes the place of `now`; neither is decisive.
inline bool outranks(decision next, decision now) {
  if (next == decision::hold) return now != decision::hold;
  return next == decision::discard && now != decision::hold && now != decision::discard;
}

inline bool decisive(const smtp::verdict& v) {
  return v.negative() || v.kind() == decision::accept;
}

}  // namespace detail

GATEPOST_DECL void verdict_merger::add(const smtp::verdict& v, std::string_view who) {
  const bool says_nothing = v.passes() && v.kind() != smtp::decision::accept && !v.has_effects();
  if (says_nothing && recipients_.empty()) return;
  silent_ = false;
  // First, because a new part begins with what was decided for all before `v`.
  add_recipients(v, who);
  whole_.add(v, who);
}

GATEPOST_DECL void verdict_merger::add_recipients(const smtp::verdict& v, std::string_view who) {
  ++turn_;
  if (v.has_effects()) {
    for (const auto& [index, part] : v.what_else().recipients) {
      track& one = recipient(index);
      one.turn = turn_;
      one.add(part, who);
    }
  }
  if (recipients_.empty()) return;
  const smtp::verdict for_others = decision_only(v);
  for (auto& [index, track] : recipients_)
    if (track.turn != turn_) track.add(for_others, who);
}

GATEPOST_DECL verdict_merger::track& verdict_merger::recipient(std::size_t index) {
  const auto [at, is_new] = recipients_.try_emplace(index);
  track& one = at->second;
  if (is_new) {
    one.decision = whole_.decision;
    one.by = whole_.by;
    one.settled = whole_.settled;
  }
  return one;
}

GATEPOST_DECL void verdict_merger::track::add(const smtp::verdict& v, std::string_view who) {
  if (settled) return;
  if (v.has_effects()) detail::append_effects(effects, v.what_else());
  settled = detail::decisive(v);
  if (v.negative() || detail::outranks(v.kind(), decision.kind())) {
    decision = decision_only(v);
    by = who;
  }
}

GATEPOST_DECL bool verdict_merger::settled() const {
  return whole_.settled && std::all_of(recipients_.begin(), recipients_.end(),
                                       [](const auto& r) { return r.second.settled; });
}

GATEPOST_DECL smtp::verdict verdict_merger::track::result() const {
  smtp::verdict all = decision;
  detail::append_effects(all, effects);
  return all;
}

GATEPOST_DECL smtp::verdict verdict_merger::result() const {
  smtp::verdict all = whole_.result();
  for (const auto& [index, track] : recipients_) all.for_recipient(index, track.result());
  return all;
}

GATEPOST_DECL smtp::verdict decision_only(const smtp::verdict& v) {
  switch (v.kind()) {
    case smtp::decision::refuse: return smtp::verdict::refuse(v.reply());
    case smtp::decision::defer: return smtp::verdict::defer(v.reply());
    case smtp::decision::drop: return smtp::verdict::drop(std::string(v.reason()));
    case smtp::decision::discard: return smtp::verdict::discard(std::string(v.reason()));
    case smtp::decision::hold: return smtp::verdict::hold(std::string(v.reason()));
    case smtp::decision::inconclusive: return smtp::verdict::inconclusive(std::string(v.reason()));
    case smtp::decision::accept: return smtp::verdict::accept();
    case smtp::decision::pass: break;
  }
  return smtp::verdict::pass();
}

GATEPOST_DECL smtp::verdict effects_only(const smtp::verdict& v) {
  smtp::verdict kept;
  if (v.has_effects()) detail::append_effects(kept, v.what_else());
  return kept;
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_MERGE_IPP
