// The check that verifies DKIM signatures, and tells what it found.
//
// The keys are asked for as soon as the header has come in, all at the same time; the body is
// hashed while it streams; only the end of the message waits for the DNS. Nothing is refused for
// DKIM alone unless an option says so (RFC 6376 §6.3): the report is for others.
//
//     chain.add<checks::dkim::verifier>({.deadline = 10s, .on_error = checks::on_error::skip},
//                                       resolver);
//     ...
//     const auto* found = ctx.transaction_notes().find<checks::dkim::report>();
//
// The note is there from this check's stage::message on, so checks that want it come after this
// one. Belongs to the thread of its resolver.
#ifndef GATEPOST_CHECKS_DKIM_VERIFIER_HPP
#define GATEPOST_CHECKS_DKIM_VERIFIER_HPP

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

#include "checks/check.hpp"
#include "checks/dkim/key.hpp"
#include "checks/dkim/result.hpp"
#include "checks/dkim/verify.hpp"
#include "checks/text_cache.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"

namespace gatepost::checks::dkim {

enum class action : std::uint8_t {
  ignore,  // nothing
  defer,   // 451 4.7.0
  refuse,  // 550 5.7.20: no passing DKIM signature found (RFC 7372 §3.1)
};

struct verifier_options {
  // Its cache is the check's own, where none is given.
  verify_options verify = {};

  // Keys that were read are kept, for all sessions and threads together.
  text_cache_options keys_kept = {};

  // What follows from the report's outcome(). RFC 6376 §6.1: a bad signature is to be treated as
  // none, and mail without one is common; so nothing follows.
  action on_none = action::ignore;
  action on_fail = action::ignore;  // also for policy and neutral
  action on_permerror = action::ignore;
  action on_temperror = action::ignore;

  // The clock; for tests.
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
};

class verifier final : public check {
 public:
  GATEPOST_DECL explicit verifier(smtp::dns::resolver& resolver, verifier_options options = {});

  // Of the keys that were read; of its own cache, which is idle where another one was given. From
  // any thread.
  text_cache_counters keys_kept() const { return keys_.counters(); }

  std::string_view name() const override { return "dkim"; }
  bool waits(smtp::stage s) const override { return s == smtp::stage::message; }
  GATEPOST_DECL bool prepare(context& ctx, const asio::any_io_executor& executor) override;
  GATEPOST_DECL asio::awaitable<verdict> on_header_end(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_body(context& ctx, std::string_view text) override;
  GATEPOST_DECL asio::awaitable<verdict> on_message(context& ctx) override;

 private:
  verdict judge(const report& r) const;

  smtp::dns::resolver& resolver_;
  verifier_options options_;
  key_cache keys_;  // guards itself
};

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/verifier.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_VERIFIER_HPP
