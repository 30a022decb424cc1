// The check that validates ARC chains, and tells what it found. Opt-in: add it where something is
// made of the report.
//
// It never refuses: RFC 8617 §5.2 leaves what follows to the receiver. The report is among the
// transaction's notes from this check's stage::message on; `trusted_sealers` says whose words count
// in it. Keys and body are handled as by dkim::verifier. Belongs to the thread of its resolver.
//
//     chain.add<checks::arc::verifier>({.deadline = 10s, .on_error = checks::on_error::skip},
//                                      resolver, options);
//     const auto* found = ctx.transaction_notes().find<checks::arc::report>();
#ifndef GATEPOST_CHECKS_ARC_VERIFIER_HPP
#define GATEPOST_CHECKS_ARC_VERIFIER_HPP

#include <chrono>
#include <functional>
#include <string_view>

#include "checks/arc/result.hpp"
#include "checks/arc/validate.hpp"
#include "checks/check.hpp"
#include "checks/dkim/key.hpp"
#include "checks/text_cache.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"

namespace gatepost::checks::arc {

struct verifier_options {
  // Its cache is the check's own, where none is given.
  validate_options validate = {};

  // Keys that were read are kept, for all sessions and threads together.
  text_cache_options keys_kept = {};

  // The clock; for tests.
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
};

class verifier final : public check {
 public:
  GATEPOST_DECL explicit verifier(smtp::dns::resolver& resolver, verifier_options options = {});

  // Of the keys that were read; of its own cache, which is idle where another one was given. From
  // any thread.
  text_cache_counters keys_kept() const { return keys_.counters(); }

  std::string_view name() const override { return "arc"; }
  bool waits(smtp::stage s) const override { return s == smtp::stage::message; }
  GATEPOST_DECL bool prepare(context& ctx, const asio::any_io_executor& executor) override;
  GATEPOST_DECL asio::awaitable<verdict> on_header_end(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_body(context& ctx, std::string_view text) override;
  GATEPOST_DECL asio::awaitable<verdict> on_message(context& ctx) override;

 private:
  smtp::dns::resolver& resolver_;
  verifier_options options_;
  dkim::key_cache keys_;  // guards itself
};

}  // namespace gatepost::checks::arc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/arc/impl/verifier.ipp"
#endif

#endif  // GATEPOST_CHECKS_ARC_VERIFIER_HPP
