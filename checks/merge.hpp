// How the verdicts of several checks become one.
//
// Verdicts are added in the declared order of their checks, whatever the order in which they came:
//   * the first accept, refuse, defer or drop decides; what is added after it has no effect at all;
//   * before that, hold beats discard (what somebody wants to keep is not thrown away), discard
//   beats
//     pass, and of two holds or discards the first gives the reason;
//   * header fields, tags and scores add up.
// For a recipient that a verdict speaks of by for_recipient() the same rules hold, with that part
// in the place of the verdict, and all other verdicts as they are. No I/O; one thread at a time.
#ifndef GATEPOST_CHECKS_MERGE_HPP
#define GATEPOST_CHECKS_MERGE_HPP

#include <cstddef>
#include <map>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::checks {

class verdict_merger {
 public:
  // `who`: the check whose verdict it is; good as long as the merger.
  GATEPOST_DECL void add(const smtp::verdict& v, std::string_view who = {});

  // True when no verdict that is added later can have an effect.
  GATEPOST_DECL bool settled() const;

  // True where nothing was said so far but pass and inconclusive.
  bool silent() const { return silent_; }

  // What is decided for those who are not spoken of by for_recipient().
  smtp::decision kind() const { return whole_.decision.kind(); }

  // Who decided: where result() is not a pass, the check that made it so.
  std::string_view decided_by() const { return whole_.by; }

  // The sum of the scores.
  double score() const { return whole_.effects.score; }

  GATEPOST_DECL smtp::verdict result() const;

 private:
  // What was decided so far, for all recipients or for one.
  struct track {
    smtp::verdict decision;
    std::string_view by;
    smtp::verdict::effects effects;
    bool settled = false;
    std::size_t turn = 0;  // the last verdict that had a part for this recipient

    void add(const smtp::verdict& v, std::string_view who);
    smtp::verdict result() const;
  };

  void add_recipients(const smtp::verdict& v, std::string_view who);
  track& recipient(std::size_t index);

  track whole_;
  std::map<std::size_t, track> recipients_;  // by index
  std::size_t turn_ = 0;
  bool silent_ = true;
};

// The decision of `v`, with its reply and reason, without its effects.
GATEPOST_DECL smtp::verdict decision_only(const smtp::verdict& v);

// A pass with the effects of `v`, without what it says of single recipients.
GATEPOST_DECL smtp::verdict effects_only(const smtp::verdict& v);

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/merge.ipp"
#endif

#endif  // GATEPOST_CHECKS_MERGE_HPP
