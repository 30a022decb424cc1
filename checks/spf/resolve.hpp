// An SPF evaluation that asks a resolver: check_host() of RFC 7208 §4 as a coroutine.
//
//     const spf::outcome found = co_await spf::evaluate(resolver, std::move(query), options);
//
// The questions of one step are asked at the same time. All that happens is on the thread of the
// awaiting coroutine's executor, which is the resolver's.
#ifndef GATEPOST_CHECKS_SPF_RESOLVE_HPP
#define GATEPOST_CHECKS_SPF_RESOLVE_HPP

#include <asio/awaitable.hpp>
#include <chrono>

#include "checks/spf/evaluate.hpp"
#include "checks/spf/outcome.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"

namespace gatepost::checks::spf {

// For a whole evaluation. RFC 7208 §4.6.4: at least 20 seconds; a client waits for minutes.
inline constexpr std::chrono::milliseconds default_deadline{20'000};

// Evaluates `q`. When the deadline is over it is a temperror, and what is still asked is cancelled.
// Where the awaiting coroutine is cancelled this throws asio's operation_aborted. The resolver has
// to outlive the questions, also cancelled ones.
GATEPOST_DECL asio::awaitable<spf::outcome> evaluate(
    smtp::dns::resolver& resolver, query q, evaluation_options options,
    std::chrono::milliseconds deadline = default_deadline);

}  // namespace gatepost::checks::spf

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/spf/impl/resolve.ipp"
#endif

#endif  // GATEPOST_CHECKS_SPF_RESOLVE_HPP
