#ifndef GATEPOST_CHECKS_SPF_IMPL_RESOLVE_IPP
#define GATEPOST_CHECKS_SPF_IMPL_RESOLVE_IPP

#include <asio/this_coro.hpp>
#include <memory>
#include <utility>

#include "checks/spf/detail/round.hpp"
#include "checks/spf/resolve.hpp"

namespace gatepost::checks::spf {

GATEPOST_DECL asio::awaitable<spf::outcome> evaluate(smtp::dns::resolver& resolver, query q,
                                                     evaluation_options options,
                                                     std::chrono::milliseconds deadline) {
  const auto until = detail::round::clock::now() + deadline;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  evaluation e(std::move(q), options);
  while (!e.done()) {
    const auto round = std::make_shared<detail::round>(executor, resolver, e.questions());
    const bool in_time = co_await detail::ask_all(round, until);
    if (in_time) {
      round->tell(e);
    } else {
      e.give_up("the DNS did not answer in time");
    }
  }
  co_return std::move(e).outcome();
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_RESOLVE_IPP
