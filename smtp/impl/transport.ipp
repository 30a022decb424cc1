#ifndef GATEPOST_SMTP_IMPL_TRANSPORT_IPP
#define GATEPOST_SMTP_IMPL_TRANSPORT_IPP

#include "smtp/transport.hpp"

namespace gatepost::smtp {

GATEPOST_DECL asio::awaitable<std::error_code> write_all(transport& to, std::string_view text,
                                                         time_point deadline) {
  while (!text.empty()) {
    const io_result r = to.try_write(text);
    text.remove_prefix(r.octets);
    if (!r.error) continue;
    if (!r.would_block()) co_return r.error;
    const std::error_code waited = co_await to.wait(readiness::to_write, deadline);
    if (waited) co_return waited;
  }
  co_return std::error_code{};
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_TRANSPORT_IPP
