#ifndef GATEPOST_CHECKS_ARC_IMPL_LOOKUP_IPP
#define GATEPOST_CHECKS_ARC_IMPL_LOOKUP_IPP

#include <asio/this_coro.hpp>
#include <cstddef>
#include <utility>

#include "checks/arc/lookup.hpp"
#include "checks/dkim/key_fetch.hpp"
#include "smtp/header_reader.hpp"

namespace gatepost::checks::arc {

GATEPOST_DECL asio::awaitable<report> validate(smtp::dns::resolver& resolver,
                                               std::string_view message, validate_options options,
                                               std::chrono::system_clock::time_point now) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  validation v(std::move(options), now);
  const auto header = smtp::read_header(message);
  v.header(message, header);
  dkim::key_fetch keys(executor, resolver, v.questions());
  if (header && v.wants_body()) v.body(message.substr(header->body_offset));
  co_await keys.wait();
  for (std::size_t i = 0; i < keys.answers().size(); ++i) v.answer(i, keys.answers()[i]);
  co_return v.finish();
}

}  // namespace gatepost::checks::arc

#endif  // GATEPOST_CHECKS_ARC_IMPL_LOOKUP_IPP
