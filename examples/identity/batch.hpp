// Requests as lines of JSON, answered line by line in their order, many at a time.
#ifndef GATEPOST_EXAMPLES_IDENTITY_BATCH_HPP
#define GATEPOST_EXAMPLES_IDENTITY_BATCH_HPP

#include <asio/io_context.hpp>
#include <cstddef>
#include <cstdio>

#include "examples/identity/evaluate.hpp"
#include "examples/identity/request.hpp"
#include "smtp/dns/resolver.hpp"

namespace identity {

// Requests that are evaluated at the same time: enough to keep a processor busy while the DNS takes
// 100 ms.
inline constexpr std::size_t at_once = 512;

// Requests that are begun and not printed: their answers may have to wait for an earlier one, which
// the DNS can hold up for 20 s. Each holds about 2 KiB.
inline constexpr std::size_t kept_at_once = 16384;

// A line with more octets is no request.
inline constexpr std::size_t longest_line = 64u << 10;

// Answers all lines of `in`, then returns how many of them could not be answered. Runs `io`. `now`
// is the time of those requests that do not say one.
std::size_t run_batch(asio::io_context& io, gatepost::smtp::dns::resolver& resolver,
                      const rules& by, fixed_time now, std::FILE* in, std::FILE* out);

}  // namespace identity

#endif  // GATEPOST_EXAMPLES_IDENTITY_BATCH_HPP
