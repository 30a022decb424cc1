#ifndef GATEPOST_SMTP_IMPL_DELIVERY_IPP
#define GATEPOST_SMTP_IMPL_DELIVERY_IPP

#include "smtp/delivery.hpp"

namespace gatepost::smtp {
namespace detail {

class discarding_intake final : public intake {
 public:
  asio::awaitable<std::error_code> write(std::string_view) override { co_return std::error_code{}; }
  bool wants_edits() const override { return false; }
  asio::awaitable<delivery_outcome> commit(const disposition&) override {
    co_return delivery_outcome(smtp::reply(replies::ok));
  }
};

}  // namespace detail

GATEPOST_DECL asio::awaitable<void> intake::revoke() { co_return; }

GATEPOST_DECL asio::awaitable<reply> delivery::etrn(const session_view&, std::string) {
  co_return reply(459, {4, 7, 0}, "Node not allowed to start delivery here");
}

GATEPOST_DECL asio::awaitable<verdict> discard_all::resolve(const session_view&, recipient&) {
  co_return verdict::pass();
}

GATEPOST_DECL asio::awaitable<std::unique_ptr<intake>> discard_all::begin(const session_view&) {
  std::unique_ptr<intake> message = std::make_unique<detail::discarding_intake>();
  co_return message;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_DELIVERY_IPP
