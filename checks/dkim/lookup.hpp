// Verifies a whole message that is at hand: for tools, and for whoever is no check.
//
//     const dkim::report r = co_await dkim::verify(resolver, text, {}, now);
#ifndef GATEPOST_CHECKS_DKIM_LOOKUP_HPP
#define GATEPOST_CHECKS_DKIM_LOOKUP_HPP

#include <asio/awaitable.hpp>
#include <chrono>
#include <string_view>

#include "checks/dkim/result.hpp"
#include "checks/dkim/verify.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"

namespace gatepost::checks::dkim {

// `message` is header and body, its lines end with CRLF; it stays alive until the coroutine ends.
// The keys are fetched at the same time. Throws operation_aborted where it is cancelled.
GATEPOST_DECL asio::awaitable<report> verify(smtp::dns::resolver& resolver,
                                             std::string_view message, verify_options options,
                                             std::chrono::system_clock::time_point now);

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/lookup.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_LOOKUP_HPP
