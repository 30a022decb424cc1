#ifndef GATEPOST_SMTP_IMPL_IO_LOCAL_IPP
#define GATEPOST_SMTP_IMPL_IO_LOCAL_IPP

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <vector>

#include "smtp/io_local.hpp"

namespace gatepost::smtp {

GATEPOST_DECL io_local::io_local(asio::execution_context& context)
    : asio::execution_context::service(context),
      sockets_(static_cast<asio::io_context&>(context)),
      scratch_(new std::array<char, scratch_size>),
      timer_(std::make_unique<asio::steady_timer>(static_cast<asio::io_context&>(context))) {}

GATEPOST_DECL void io_local::shutdown() {
  timer_.reset();
  sockets_.shutdown();
  for (const lingering& l : lingering_) ::close(l.descriptor);
  lingering_.clear();
}

// --- The clock -----------------------------------------------------------------------------------

GATEPOST_DECL void io_local::add(ticking& t) {
  if (!armed_) arm();  // first: it may find no memory
  t.after_ = first_;
  if (first_ != nullptr) first_->before_ = &t;
  first_ = &t;
}

GATEPOST_DECL void io_local::remove(ticking& t) {
  if (next_ == &t) next_ = t.after_;
  if (t.before_ != nullptr)
    t.before_->after_ = t.after_;
  else
    first_ = t.after_;
  if (t.after_ != nullptr) t.after_->before_ = t.before_;
  // An armed timer would keep the io_context's run() for one tick more.
  if (!has_work() && timer_) timer_->cancel();
}

GATEPOST_DECL void io_local::arm() {
  if (!timer_) return;
  timer_->expires_after(tick_length);
  const auto then = [this](std::error_code ec) {
    armed_ = false;
    try {
      if (!ec) tick_all();
    } catch (...) {  // one has gone wrong: the clock goes on for the others
      if (has_work() && !armed_) arm();
      throw;
    }
    if (has_work() && !armed_) arm();
  };
  timer_->async_wait(detail::in_memory(tick_memory_, then));
  armed_ = true;
}

GATEPOST_DECL void io_local::tick_all() {
  const clock::time_point now = clock::now();
  for (next_ = first_; next_ != nullptr;) {
    ticking& t = *next_;
    next_ = t.after_;
    t.tick(now);
  }
  drain_lingering(now);
}

// --- Sockets that linger -------------------------------------------------------------------------

GATEPOST_DECL void io_local::linger(int descriptor) {
  if (!timer_ || lingering_.size() >= most_lingering) {
    ::close(descriptor);
    return;
  }
  try {
    lingering_.push_back({descriptor, clock::now() + linger_time});
  } catch (...) {
    ::close(descriptor);
    return;
  }
  if (!armed_) arm();
}

GATEPOST_DECL void io_local::drain_lingering(clock::time_point now) {
  int left = all_linger_reads;
  std::erase_if(lingering_, [&](const lingering& l) {
    if (now < l.until && drain(l.descriptor, left)) return false;
    ::close(l.descriptor);
    return true;
  });
}

// False: the other end has nothing more to send.
GATEPOST_DECL bool io_local::drain(int descriptor, int& left) {
  for (int reads = 0; reads < linger_reads && left > 0; ++reads, --left) {
    const ssize_t n = ::recv(descriptor, scratch_->data(), scratch_->size(), MSG_DONTWAIT);
    if (n > 0) continue;
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  }
  return true;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_IO_LOCAL_IPP
