// Validates the ARC chain of a whole message that is at hand: for tools, and for whoever is no
// check.
#ifndef GATEPOST_CHECKS_ARC_LOOKUP_HPP
#define GATEPOST_CHECKS_ARC_LOOKUP_HPP

#include <asio/awaitable.hpp>
#include <chrono>
#include <string_view>

#include "checks/arc/result.hpp"
#include "checks/arc/validate.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"

namespace gatepost::checks::arc {

// `message` is header and body, its lines end with CRLF; it stays alive until the coroutine ends.
// The keys are fetched at the same time. Throws operation_aborted where it is cancelled.
GATEPOST_DECL asio::awaitable<report> validate(smtp::dns::resolver& resolver,
                                               std::string_view message, validate_options options,
                                               std::chrono::system_clock::time_point now);

}  // namespace gatepost::checks::arc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/arc/impl/lookup.ipp"
#endif

#endif  // GATEPOST_CHECKS_ARC_LOOKUP_HPP
