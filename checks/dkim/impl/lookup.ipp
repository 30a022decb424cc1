#ifndef GATEPOST_CHECKS_DKIM_IMPL_LOOKUP_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_LOOKUP_IPP

#include <asio/this_coro.hpp>
#include <cstddef>

#include "checks/dkim/key_fetch.hpp"
#include "checks/dkim/lookup.hpp"
#include "smtp/header_reader.hpp"

namespace gatepost::checks::dkim {

GATEPOST_DECL asio::awaitable<report> verify(smtp::dns::resolver& resolver,
                                             std::string_view message, verify_options options,
                                             std::chrono::system_clock::time_point now) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  verification v(options, now);
  const auto header = smtp::read_header(message);
  v.header(message, header);
  key_fetch keys(executor, resolver, v.questions());
  if (header && v.wants_body()) v.body(message.substr(header->body_offset));
  co_await keys.wait();
  for (std::size_t i = 0; i < keys.answers().size(); ++i) v.answer(i, keys.answers()[i]);
  co_return v.finish();
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_LOOKUP_IPP
