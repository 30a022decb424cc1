// SPF as a check: may this client send mail for the domain of HELO, and for that of MAIL?
//
// The HELO identity is evaluated when HELO comes, the MAIL FROM identity when MAIL does (RFC 7208
// §2.3, §2.4); what becomes of either result is an option, and said at MAIL, when it is known who
// has authenticated. Both are left as notes (outcome.hpp), for DMARC and Authentication-Results,
// and told in Received-SPF fields.
//
// The client is whom true_client.hpp finds: behind an upstream server of our own that does not tell
// whom it saw, both identities are evaluated once the header is there, which does.
//
//     chain.add<checks::spf::check>({.deadline = 25s, .on_error = checks::on_error::defer},
//                                   resolver, options);
//
// A deadline in the chain below that of the options would cut evaluations short. docs/spf.md says
// more.
#ifndef GATEPOST_CHECKS_SPF_CHECK_HPP
#define GATEPOST_CHECKS_SPF_CHECK_HPP

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "checks/check.hpp"
#include "checks/detail/errand.hpp"
#include "checks/spf/evaluate.hpp"
#include "checks/spf/outcome.hpp"
#include "checks/spf/record_cache.hpp"
#include "checks/spf/resolve.hpp"
#include "checks/text_cache.hpp"
#include "checks/true_client.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks::spf {

enum class action : std::uint8_t {
  pass,    // the result is told, and that is all
  refuse,  // 550 5.7.23 (RFC 7372 §3.2), where there was an error 5.7.24
  defer,   // 451 4.7.23, or 4.7.24
};

// What becomes of a result. For `none`, `neutral` and `pass` there is no choice: RFC 7208 §8.1,
// §8.2, §8.3.
struct actions {
  action fail = action::refuse;     // RFC 7208 §8.4
  action softfail = action::pass;   // §8.5: no reason alone to refuse
  action temperror = action::pass;  // §8.6
  action permerror = action::pass;  // §8.7: often a mistake that hurts nobody but its maker
};

struct check_options {
  // Of the HELO identity. Only a fail decides: that of the sender comes after it.
  bool helo = true;
  actions on_helo = {};

  // Of the MAIL FROM identity; for the null sender that is postmaster at the HELO name. RFC 7208
  // §8.6 lets a temperror wait, and so a sender whose DNS can be made to fail gains nothing.
  actions on_mail = {.temperror = action::defer};

  // A Received-SPF field for each identity that was evaluated.
  bool received_spf = true;

  // Our name, in Received-SPF and in explanations; empty: not told.
  std::string receiver = {};

  // Who the client is, and whether it is to be judged: not our own hosts, nor who has
  // authenticated.
  checks::true_client client = checks::true_client();

  evaluation_limits limits = {};

  // Records that were read are kept, for all sessions and threads together.
  text_cache_options records = {};

  // Of one evaluation: at least 20 s (RFC 7208 §4.6.4).
  std::chrono::milliseconds deadline = default_deadline;
};

class check final : public checks::check {
 public:
  // The resolver outlives the check.
  GATEPOST_DECL explicit check(smtp::dns::resolver& resolver, check_options options = {});

  // Of the records that were read. From any thread.
  text_cache_counters records_kept() const { return records_.counters(); }

  std::string_view name() const override { return "spf"; }
  GATEPOST_DECL bool waits(smtp::stage s) const override;
  GATEPOST_DECL bool prepare(context& ctx, const asio::any_io_executor& executor) override;
  GATEPOST_DECL asio::awaitable<verdict> on_helo(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_mail(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_header_end(context& ctx) override;

 private:
  using evaluation_ptr = checks::detail::errand_ptr<spf::outcome>;

  // What was begun for the call that follows. A note of the transaction; of the session for HELO.
  struct begun {
    evaluation_ptr work = {};
  };

  evaluation_ptr begin(const asio::any_io_executor& executor, query q) const;
  evaluation_ptr begin_helo(const asio::any_io_executor& executor, const seen_client& who) const;
  evaluation_ptr begin_mail(const asio::any_io_executor& executor, const context& ctx,
                            const seen_client& who) const;
  bool needs_mail(const context& ctx, const seen_client& who) const;
  asio::awaitable<verdict> judge_transaction(context& ctx, seen_client who) const;
  verdict judge(const spf::outcome& found, const actions& by, const seen_client& who) const;
  verdict with_effects(verdict v, const context& ctx, const seen_client& who) const;
  void add_field(verdict& v, const spf::outcome& found, const context& ctx,
                 const seen_client& who) const;

  smtp::dns::resolver& resolver_;
  check_options options_;
  mutable record_cache records_;  // guards itself
};

}  // namespace gatepost::checks::spf

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/spf/impl/check.ipp"
#endif

#endif  // GATEPOST_CHECKS_SPF_CHECK_HPP
