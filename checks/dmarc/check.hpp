// DMARC at the border: refuses, holds or marks what its author's domain disowns (RFC 9989 §5.3,
// §5.4).
//
// Policy discovery starts when the header is complete and runs while the body comes in; the verdict
// falls at stage::message. Add it behind the checks that leave dmarc::identifiers (SPF, DKIM, ARC)
// and in front of `auth_results`, for which it leaves its own result.
//
//     chain.add<checks::dmarc::check>({.deadline = 20s, .on_error = on_error::skip},
//                                           resolver, options);
#ifndef GATEPOST_CHECKS_DMARC_CHECK_HPP
#define GATEPOST_CHECKS_DMARC_CHECK_HPP

#include <asio/awaitable.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/check.hpp"
#include "checks/dmarc/author.hpp"
#include "checks/dmarc/evaluate.hpp"
#include "checks/dmarc/identifiers.hpp"
#include "checks/dmarc/public_suffix.hpp"
#include "checks/dmarc/report_store.hpp"
#include "checks/true_client.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/ip.hpp"
#include "smtp/reply.hpp"

namespace gatepost::checks::dmarc {

// What is done with a message whose disposition is reject or quarantine.
enum class treatment : std::uint8_t {
  refuse,
  hold,  // kept until somebody releases it
  mark,  // goes through, with the tag, the score and the result in Authentication-Results
};

// What is done where the From field is not one with one author's domain (RFC 9989 §5.3.1, §11.5).
enum class odd_from : std::uint8_t {
  // What has one Author Domain all the same, such as "x@y.example <a@example.com>", is evaluated as
  // if it were written well. Several domains: by RFC 9989 DMARC says nothing; by RFC 7489 §6.6.1
  // each of them is evaluated, and the strictest failure counts. No domain, or more of them than
  // `authors`: DMARC says nothing.
  ignore,
  refuse,         // 550
  evaluate_each,  // several domains: each of them, and the strictest failure counts. Otherwise 550
};

// Somebody whose changes to messages are known and forgiven.
struct trusted_forwarder {
  smtp::network_set networks;
  override_type type = override_type::trusted_forwarder;
  std::string comment = {};
};

struct check_options {
  dmarc::regime regime = regime::rfc9989;

  // For rfc7489, where it cannot be missing; and for reports, whose bounds are each owner's own: he
  // has what is below a registered domain (policy_of()).
  std::shared_ptr<const public_suffix_list> suffixes = {};

  // RFC 9989 §7.4: not to reject solely for p=reject, since a mailing list may have broken what was
  // right. That is decided here. Refusing is what those owners expect, tells the sender at once,
  // and leaves room for what is known better: trust_arc, forwarders, local_policy. Else `mark` or
  // `hold`.
  treatment on_reject = treatment::refuse;
  treatment on_quarantine = treatment::mark;
  // Added to the message's score where it is marked.
  double reject_score = 0;
  double quarantine_score = 0;

  // X.7.1 as in RFC 9989 §7.2; RFC 7372 §3.3 has 5.7.26 for "several authentication checks failed".
  smtp::enhanced_code refusal{5, 7, 1};

  // The DNS does not answer: 451 4.4.3, else DMARC says nothing (RFC 9989 §4.10.1).
  bool defer_on_temperror = false;

  odd_from on_odd_from = odd_from::ignore;
  // Where each is evaluated: more domains than these are not (RFC 9989 §11.5).
  std::size_t authors = 4;

  // Who the client is, and whether it is to be judged: as SPF has it, since whom SPF leaves alone
  // has nothing to pass with. Our own users behind an upstream are not looked at, nor is mail whose
  // client nobody tells.
  checks::true_client client = checks::true_client();

  // Of that client's address: not looked at either.
  smtp::network_set exempt = {};

  // Their messages, by that address, pass though they fail; reports tell why.
  std::vector<trusted_forwarder> forwarders = {};

  // An ARC chain of a trusted sealer who saw DMARC pass overrides a failure (RFC 8617 §7.2.1) of
  // the Author Domain that he names; where he names none, of a message that has one only.
  bool trust_arc = true;

  // Local policy: a reason lets a failing message through. Called where something would happen to
  // it. Thread-safe.
  std::function<std::optional<override_reason>(const context&, const evaluation&)> local_policy =
      {};

  // Is told every outcome. Thread-safe.
  std::function<void(const context&, const evaluation&, const identifiers&)> on_outcome = {};

  // Where outcomes are counted for aggregate reports; outlives the check. nullptr: no reports.
  report_store* reports = nullptr;
};

// The note of the transaction: what DMARC said.
struct outcome_note {
  evaluation outcome;
  smtp::ip_address client = {};  // that of check_options::client
};

class check final : public checks::check {
 public:
  // The resolver outlives the check. Throws std::invalid_argument where rfc7489 has no suffixes.
  GATEPOST_DECL explicit check(smtp::dns::resolver& resolver, check_options options = {});

  std::string_view name() const override { return "dmarc"; }
  GATEPOST_DECL bool prepare(context& ctx, const asio::any_io_executor& executor) override;
  GATEPOST_DECL asio::awaitable<verdict> on_header_end(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_message(context& ctx) override;

 private:
  // Of one message. Shared, because a coroutine that is left behind outlives the notes.
  struct work {
    smtp::ip_address client;
    authors who;
    std::vector<std::shared_ptr<evaluator>> each;
    bool judged = false;  // the second phase has begun
  };
  struct kept {
    // nullptr: the client is not looked at.
    std::shared_ptr<work> prepared;  // for the call at header_end, which may not come
    std::shared_ptr<work> begun;     // by that call
  };

  bool looks_at(const seen_client& client) const;
  bool evaluates(const authors& who) const;
  std::shared_ptr<work> begin(context& ctx) const;
  evaluation_options options_for(const context& ctx) const;
  std::optional<question> look_up_known(evaluator& e) const;
  void judge_all(work& w, const identifiers& found) const;
  asio::awaitable<void> look_up(std::shared_ptr<evaluator> e) const;
  evaluation strictest(const context& ctx, const identifiers& found, const work& w) const;
  int rank(const evaluation& e) const;
  void override_locally(const context& ctx, const identifiers& found, const work& w,
                        evaluation& e) const;
  void publish(const context& ctx, const identifiers& found, const work& w,
               const evaluation& e) const;
  void count(const context& ctx, const identifiers& found, const work& w, evaluation e) const;
  verdict judge(const evaluation& e) const;
  verdict treat(const evaluation& e, treatment how, double score) const;

  smtp::dns::resolver* resolver_;
  check_options options_;
};

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/check.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_CHECK_HPP
