#ifndef GATEPOST_SMTP_IMPL_POLLER_IPP
#define GATEPOST_SMTP_IMPL_POLLER_IPP

#include <cerrno>
#include <utility>

#include "smtp/detail/owned_fd.hpp"
#include "smtp/poller.hpp"

namespace gatepost::smtp {

// At once: later there may be no descriptor left, and sessions would have nobody to wake them.
// Where that fails, watch() tries again, and says why it cannot.
GATEPOST_DECL poller::poller(asio::io_context& io) : io_(io) {
  [[maybe_unused]] const std::error_code tried_again_later = open();
}

GATEPOST_DECL void poller::shutdown() {
  ended_ = true;
  epoll_.reset();
  for (std::size_t i = 0; i < places_.size(); ++i)
    if (places_[i].who != nullptr) places_[i].who->forsaken();
}

GATEPOST_DECL std::error_code poller::open() {
  detail::owned_fd descriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (!descriptor) return {errno, std::system_category()};
  auto made = std::make_unique<asio::posix::stream_descriptor>(io_);
  std::error_code failed;
  made->assign(descriptor.get(), failed);
  if (failed) return failed;
  descriptor.release();
  epoll_ = std::move(made);
  return {};
}

GATEPOST_DECL std::uint32_t poller::take_place() {
  if (free_.empty()) {
    // So that remove() cannot fail.
    if (free_.capacity() == places_.size()) free_.reserve(2 * places_.size() + 1);
    places_.emplace_back();
    return static_cast<std::uint32_t>(places_.size() - 1);
  }
  const std::uint32_t at = free_.back();
  free_.pop_back();
  return at;
}

// A coroutine that begins to wait is no place for an exception to come from.
GATEPOST_DECL std::error_code poller::watch(watched& s, int descriptor,
                                            std::uint32_t events) noexcept {
  if (ended_) return std::make_error_code(std::errc::operation_canceled);
  try {
    if (!epoll_)
      if (const std::error_code failed = open()) return failed;
    return tell_kernel(s, descriptor, events);
  } catch (const std::system_error& e) {
    return e.code();
  } catch (...) {
    return std::make_error_code(std::errc::not_enough_memory);
  }
}

GATEPOST_DECL std::error_code poller::tell_kernel(watched& s, int descriptor,
                                                  std::uint32_t events) {
  const bool known = s.place_ != nowhere;
  if (!known) {
    s.place_ = take_place();
    places_[s.place_].who = &s;
  }
  epoll_event e{};
  e.events = events | EPOLLET;
  e.data.u64 = std::uint64_t{places_[s.place_].generation} << 32 | s.place_;
  const int how = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_->native_handle(), how, descriptor, &e) != 0) {
    const std::error_code why(errno, std::system_category());
    if (!known) remove(s);
    return why;
  }
  if (!armed_) arm();
  return {};
}

GATEPOST_DECL void poller::remove(watched& s, int still_open) noexcept {
  if (s.place_ == nowhere) return;
  if (still_open >= 0 && epoll_) {
    epoll_event none{};
    ::epoll_ctl(epoll_->native_handle(), EPOLL_CTL_DEL, still_open, &none);
  }
  places_[s.place_].who = nullptr;
  ++places_[s.place_].generation;
  free_.push_back(s.place_);
  s.place_ = nowhere;
  // What waits keeps the io_context's run().
  if (!idle() || !epoll_) return;
  std::error_code ignored;
  epoll_->cancel(ignored);
}

GATEPOST_DECL void poller::arm() {
  armed_ = true;
  const auto then = [this](std::error_code ec) {
    armed_ = false;
    const std::exception_ptr thrown = ec ? nullptr : turn();
    if (epoll_ && !armed_ && !idle()) arm();
    if (thrown) std::rethrow_exception(thrown);
  };
  epoll_->async_wait(asio::posix::stream_descriptor::wait_read, detail::in_memory(memory_, then));
}

// Whoever is told may throw: what a session's end does with an exception is the program's. The
// others of the batch are told first, or would never be; of several exceptions the first counts.
GATEPOST_DECL std::exception_ptr poller::turn() {
  const int n = ::epoll_wait(epoll_->native_handle(), ready_.data(), batch, 0);
  std::exception_ptr first;
  for (int i = 0; i < n; ++i) {
    try {
      tell(ready_[static_cast<std::size_t>(i)]);
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  return first;
}

GATEPOST_DECL void poller::tell(const epoll_event& e) {
  const auto at = static_cast<std::uint32_t>(e.data.u64);
  const auto generation = static_cast<std::uint32_t>(e.data.u64 >> 32);
  const place& p = places_[at];
  if (p.who != nullptr && p.generation == generation) p.who->ready(e.events);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_POLLER_IPP
