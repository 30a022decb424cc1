// Does DMARC pass, and what does the domain's owner ask for where it does not (RFC 9989 §4.10 and
// §5.3, RFC 7489 §6.6)?
//
// Sans-I/O: the evaluator says what has to be asked of the DNS, is given the answers, and has the
// outcome when there is nothing left to ask. Policy discovery needs only the Author Domain and may
// start before SPF and DKIM are done:
//
//     evaluator e("mail.example.com");
//     while (const auto q = e.next()) e.answer(ask(q->name));          // the policy
//     e.judge(found);                                                  // SPF and DKIM
//     while (const auto q = e.next()) e.answer(ask(q->name));          // alignment
//     if (e.outcome().result == result::fail) ... e.outcome().disposition ...
#ifndef GATEPOST_CHECKS_DMARC_EVALUATE_HPP
#define GATEPOST_CHECKS_DMARC_EVALUATE_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dmarc/identifiers.hpp"
#include "checks/dmarc/public_suffix.hpp"
#include "checks/dmarc/record.hpp"
#include "checks/dmarc/tree_walk.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/answer.hpp"

namespace gatepost::checks::dmarc {

enum class regime : std::uint8_t {
  rfc9989,  // tree walk; np, psd, t
  rfc7489,  // public suffix list; pct
};

// RFC 9989 §9.2, RFC 7489 §11.2.
enum class result : std::uint8_t {
  none,       // DMARC does not apply: no record, or no single Author Domain
  pass,       // an aligned identifier
  fail,       // none
  temperror,  // the DNS did not answer; nothing can be said
  permerror,  // nothing can be said, and it will not change
};

// What became of one mechanism.
enum class mechanism_result : std::uint8_t {
  none,       // nothing was authenticated
  pass,       // authenticated and aligned
  fail,       // authenticated, not aligned
  temperror,  // aligned but not verified for now, or alignment could not be found out
};

// Why the disposition is not what the owner asks for (RFC 9990 §3.1.6; `forwarded` and
// `sampled_out` of RFC 7489 App. C).
enum class override_type : std::uint8_t {
  forwarded,
  sampled_out,
  trusted_forwarder,
  mailing_list,
  local_policy,
  policy_test_mode,
  other,
};

struct override_reason {
  override_type type = override_type::other;
  std::string comment = {};

  friend bool operator==(const override_reason&, const override_reason&) = default;
};

GATEPOST_DECL std::string_view to_string(result r);
GATEPOST_DECL std::string_view to_string(override_type t);

// Which tag the policy comes from.
enum class policy_tag : std::uint8_t { p, sp, np };

struct evaluation_options {
  dmarc::regime regime = regime::rfc9989;

  // For rfc7489; without it every domain is its own Organizational Domain. Outlives the evaluator.
  const public_suffix_list* suffixes = nullptr;

  // For rfc7489: 0 to 99, drawn for the message; pct= applies the policy to those below it.
  unsigned sample = 0;

  // Distinct domains whose alignment is looked up in the DNS. Each costs up to eight questions;
  // messages with more than a handful of signatures are rare, and the rest is still compared with
  // the Author Domain. Whether others of the rest are aligned is not known: temperror.
  std::size_t identifiers = 10;

  // Instead of what the record says, for whoever asks for alignment by itself.
  std::optional<alignment_mode> alignment = {};
};

// How one identifier stands to the Author Domain.
struct identifier_alignment {
  std::string domain;
  auth_result authentication = auth_result::none;
  mechanism_result result = mechanism_result::none;

  friend bool operator==(const identifier_alignment&, const identifier_alignment&) = default;
};

struct evaluation {
  dmarc::result result = result::none;
  std::string reason = {};  // for logs, where result is none, temperror or permerror

  std::string author_domain = {};
  // Empty where it was not needed and did not come up: nobody is asked only to tell it.
  std::string organizational_domain = {};
  std::string record_domain = {};            // where the record was found
  std::optional<dmarc::record> record = {};  // as it is applied
  bool psd_policy = false;  // the record is that of a Public Suffix Domain: no failure reports

  // What the owner asks for, for this Author Domain; whatever the result.
  dmarc::policy policy = policy::none;
  policy_tag tag = policy_tag::p;

  // What is to be done: none where DMARC passes; else the policy after t=y or pct=.
  dmarc::policy disposition = policy::none;
  std::vector<override_reason> overrides = {};

  mechanism_result spf = mechanism_result::none;
  mechanism_result dkim = mechanism_result::none;    // the best one
  std::vector<identifier_alignment> dkim_each = {};  // in the order of the signatures

  // Local policy takes the place of what the owner asks for (RFC 9989 §5.4).
  GATEPOST_DECL void override_by(override_type type, std::string comment,
                                 dmarc::policy instead = policy::none);
};

// How bad an outcome is. Where a message has several authors the worst one counts, of failures the
// one with the strictest disposition (RFC 7489 §6.6.1).
GATEPOST_DECL int severity(const evaluation& e);

struct question {
  enum class kind : std::uint8_t { txt, existence };

  std::string name;
  question::kind type = kind::txt;
};

class evaluator {
 public:
  // `author_domain`: in A-labels or UTF-8, any case.
  GATEPOST_DECL explicit evaluator(std::string_view author_domain, evaluation_options options = {});

  // What has to be asked next; nothing when this phase is done. The same until it is answered.
  GATEPOST_DECL std::optional<question> next();

  // The answer to a question of kind txt.
  GATEPOST_DECL void answer(const smtp::dns::answer<std::string>& records);
  // The answer to a question of kind existence: what any query for the name gave (RFC 8020).
  GATEPOST_DECL void answer(smtp::dns::status status);

  // Begins the second phase. Only when next() gave nothing.
  GATEPOST_DECL void judge(dmarc::identifiers found);

  // In the first phase: the policy, or why there is none. After the second one, all of it.
  const evaluation& outcome() const { return outcome_; }

 private:
  enum class found : std::uint8_t { nothing, one, several, failed };
  struct finding {
    evaluator::found what = found::nothing;
    std::optional<dmarc::record> record = {};
  };
  enum class state : std::uint8_t { ready, missing, failed };
  struct walk {
    evaluator::state state = state::ready;
    std::vector<walk_find> found = {};
  };
  struct organization {
    evaluator::state state = state::ready;
    std::string domain = {};
  };
  enum class alignment : std::uint8_t { aligned, unaligned, unknown, missing };

  const finding* look_up(std::string_view domain);
  walk walk_from(std::string_view domain);
  organization organization_of(const std::string& domain);
  alignment align(const std::string& domain, alignment_mode mode);

  void discover();
  void discover_by_walk();
  void discover_by_list(const finding& own);
  void take_record(std::string_view domain, const dmarc::record& found);
  bool choose_policy();
  void settle();
  bool judge_spf();
  bool judge_dkim();
  bool judge_signature(std::size_t index, bool look);
  void note_organization();
  void conclude();
  void give_up(dmarc::result r, std::string reason);

  evaluation_options options_;
  std::string author_;
  evaluation outcome_;
  std::map<std::string, finding, std::less<>> findings_;  // by domain
  // Of the Author Domain and the identifiers looked up so far; nothing: the DNS failed.
  std::map<std::string, std::optional<std::string>, std::less<>> organizations_;
  std::optional<smtp::dns::status> existence_;
  std::optional<question> asking_;
  std::string asking_for_;
  std::optional<dmarc::identifiers> identifiers_;
  bool discovered_ = false;
  bool concluded_ = false;
};

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/evaluate.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_EVALUATE_HPP
