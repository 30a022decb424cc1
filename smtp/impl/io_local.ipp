#ifndef GATEPOST_SMTP_IMPL_IO_LOCAL_IPP
#define GATEPOST_SMTP_IMPL_IO_LOCAL_IPP

#include "smtp/io_local.hpp"

namespace gatepost::smtp {

GATEPOST_DECL io_local::io_local(asio::execution_context& context)
    : asio::execution_context::service(context),
      scratch_(new std::array<char, scratch_size>),
      timer_(std::make_unique<asio::steady_timer>(static_cast<asio::io_context&>(context))) {}

GATEPOST_DECL void io_local::shutdown() { timer_.reset(); }

GATEPOST_DECL void io_local::add(ticking& t) {
  t.after_ = first_;
  if (first_ != nullptr) first_->before_ = &t;
  first_ = &t;
  if (!armed_) arm();
}

GATEPOST_DECL void io_local::remove(ticking& t) {
  if (next_ == &t) next_ = t.after_;
  if (t.before_ != nullptr) t.before_->after_ = t.after_;
  else first_ = t.after_;
  if (t.after_ != nullptr) t.after_->before_ = t.before_;
  // An armed timer would keep the io_context's run() for one tick more.
  if (first_ == nullptr && timer_) timer_->cancel();
}

GATEPOST_DECL void io_local::arm() {
  if (!timer_) return;
  armed_ = true;
  timer_->expires_after(tick_length);
  timer_->async_wait([this](std::error_code ec) {
    armed_ = false;
    if (!ec) tick_all();
    if (first_ != nullptr && !armed_) arm();
  });
}

GATEPOST_DECL void io_local::tick_all() {
  const clock::time_point now = clock::now();
  for (next_ = first_; next_ != nullptr;) {
    ticking& t = *next_;
    next_ = t.after_;
    t.tick(now);
  }
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_IO_LOCAL_IPP
