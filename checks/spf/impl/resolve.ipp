#ifndef GATEPOST_CHECKS_SPF_IMPL_RESOLVE_IPP
#define GATEPOST_CHECKS_SPF_IMPL_RESOLVE_IPP

#include <chrono>
#include <utility>

#include "checks/detail/lookups.hpp"
#include "checks/spf/detail/search.hpp"
#include "checks/spf/resolve.hpp"

namespace gatepost::checks::spf {

GATEPOST_DECL asio::awaitable<spf::outcome> evaluate(smtp::dns::resolver& resolver, query q,
                                                     evaluation_options options,
                                                     std::chrono::milliseconds deadline) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  spf::outcome found = co_await checks::detail::search_for<spf::outcome>(
      resolver, detail::search(std::move(q), options), until);
  co_return found;
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_RESOLVE_IPP
