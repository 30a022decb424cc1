#ifndef GATEPOST_SMTP_IMPL_POLICY_IPP
#define GATEPOST_SMTP_IMPL_POLICY_IPP

#include "smtp/policy.hpp"

namespace gatepost::smtp {
namespace detail {

class accepting_session final : public session_policy {
 public:
  asio::awaitable<verdict> ask(stage) override { co_return verdict::pass(); }
  asio::awaitable<verdict> header_end(const message_view&) override { co_return verdict::pass(); }
  asio::awaitable<verdict> body(std::string_view) override { co_return verdict::pass(); }
  asio::awaitable<verdict> message(const message_view&) override { co_return verdict::pass(); }
  bool ignores(stage) const noexcept override { return true; }
};

}  // namespace detail

GATEPOST_DECL std::unique_ptr<session_policy> accept_all::open(const session_view&) {
  return std::make_unique<detail::accepting_session>();
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_POLICY_IPP
