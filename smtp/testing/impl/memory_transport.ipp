#ifndef GATEPOST_SMTP_TESTING_IMPL_MEMORY_TRANSPORT_IPP
#define GATEPOST_SMTP_TESTING_IMPL_MEMORY_TRANSPORT_IPP

#include <algorithm>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <utility>

#include "smtp/errc.hpp"
#include "smtp/testing/forwarding_transport.hpp"
#include "smtp/testing/memory_transport.hpp"

namespace gatepost::smtp::testing {
namespace detail {

class lent_transport final : public forwarding_transport {
 public:
  explicit lent_transport(memory_transport& t) : forwarding_transport(t) {}
  ~lent_transport() override { forwarding_transport::close(); }
};

}  // namespace detail

GATEPOST_DECL std::unique_ptr<transport> lend(memory_transport& t) {
  return std::make_unique<detail::lent_transport>(t);
}

// --- What the test does
// ----------------------------------------------------------------------------

GATEPOST_DECL std::string memory_transport::read_all() {
  std::string all = incoming_.substr(read_);
  incoming_.clear();
  read_ = 0;
  tell_other();
  return all;
}

GATEPOST_DECL void memory_transport::end_sending() {
  ended_ = true;
  tell_other();
}

GATEPOST_DECL void memory_transport::break_off() {
  broken_ = other_.broken_ = true;
  ended_ = other_.ended_ = true;
  incoming_.clear();
  other_.incoming_.clear();
  read_ = other_.read_ = 0;
  wake(woken::by_change);
  tell_other();
}

GATEPOST_DECL bool memory_transport::at_end() const {
  return read_ == incoming_.size() && other_.ended_;
}

// --- Octets
// ----------------------------------------------------------------------------------------

GATEPOST_DECL std::size_t memory_transport::room() const {
  const std::size_t unread = other_.incoming_.size() - other_.read_;
  return window_ - std::min(window_, unread);
}

GATEPOST_DECL bool memory_transport::is_ready(readiness what) const {
  if (what == readiness::to_read) return read_ < incoming_.size() || other_.ended_ || closed_;
  if (what == readiness::to_write) return room() > 0 || broken_ || other_.closed_ || closed_;
  return false;
}

GATEPOST_DECL io_result memory_transport::try_read(std::span<char> into) {
  if (closed_ || into.empty()) return {0, errc::connection_lost};
  if (read_ == incoming_.size()) {
    if (other_.ended_) return {0, errc::connection_lost};
    return {0, std::make_error_code(std::errc::operation_would_block)};
  }
  const std::size_t n = incoming_.copy(into.data(), std::min(into.size(), most_read_), read_);
  read_ += n;
  if (read_ == incoming_.size()) {
    incoming_.clear();
    read_ = 0;
  }
  tell_other();
  return {n, {}};
}

GATEPOST_DECL io_result memory_transport::try_write(std::string_view text) {
  if (closed_ || ended_ || broken_ || other_.closed_) return {0, errc::connection_lost};
  const std::size_t n = std::min({text.size(), most_written_, room()});
  if (n == 0) return {0, std::make_error_code(std::errc::operation_would_block)};
  other_.incoming_.append(text.substr(0, n));
  tell_other();
  return {n, {}};
}

// --- Waiting
// ---------------------------------------------------------------------------------------

GATEPOST_DECL void memory_transport::wake(woken why) {
  look_at_other();
  if (!waiting_) return;
  woken_ = why;
  event_.cancel();
}

// Until wake().
GATEPOST_DECL asio::awaitable<std::error_code> memory_transport::sleep() {
  woken_ = woken::no;
  waiting_ = true;
  std::error_code ignored;
  while (woken_ == woken::no) {
    event_.expires_at(asio::steady_timer::time_point::max());
    co_await event_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  waiting_ = false;
  if (woken_ == woken::by_cancel) co_return errc::cancelled;
  if (woken_ == woken::by_clock) co_return errc::timed_out;
  co_return std::error_code{};
}

GATEPOST_DECL asio::awaitable<std::error_code> memory_transport::wait(readiness what,
                                                                      time_point deadline) {
  std::error_code failed;
  if (closed_)
    failed = errc::connection_lost;
  else if (now() >= deadline)
    failed = errc::timed_out;
  deadline_.set(deadline, [this] { wake(woken::by_clock); });
  while (!failed && !is_ready(what)) {
    failed = co_await sleep();
  }
  deadline_.unset();
  co_return failed;
}

GATEPOST_DECL void memory_transport::cancel() { wake(woken::by_cancel); }

GATEPOST_DECL void memory_transport::close() {
  closed_ = ended_ = true;
  watcher_ = nullptr;
  late_.unset();
  tell_other();
}

// --- TLS
// -------------------------------------------------------------------------------------------

GATEPOST_DECL std::error_code memory_transport::tls_failed(std::string words) {
  tls_error_ = std::move(words);
  break_off();
  return errc::tls_failed;
}

GATEPOST_DECL asio::awaitable<std::error_code> memory_transport::handshake(time_point deadline) {
  if (closed_) co_return errc::connection_lost;
  wants_tls_ = true;
  tell_other();
  std::error_code failed;
  deadline_.set(deadline, [this] { wake(woken::by_clock); });
  while (!failed && !other_.wants_tls_) {
    if (read_ < incoming_.size()) co_return tls_failed("plain text where TLS was expected");
    if (other_.ended_)
      failed = errc::connection_lost;
    else
      failed = co_await sleep();
  }
  deadline_.unset();
  if (failed) co_return failed;
  const std::string& words = tls_failure_.empty() ? other_.tls_failure_ : tls_failure_;
  if (!words.empty()) co_return tls_failed(words);
  facts_ = facts_to_give_;
  co_return std::error_code{};
}

GATEPOST_DECL asio::awaitable<std::error_code> memory_transport::accept_tls(const server_context&,
                                                                            time_point deadline) {
  const std::error_code failed = co_await handshake(deadline);
  co_return failed;
}

GATEPOST_DECL asio::awaitable<std::error_code> memory_transport::connect_tls(const client_context&,
                                                                             tls_peer,
                                                                             time_point deadline) {
  const std::error_code failed = co_await handshake(deadline);
  co_return failed;
}

// --- Watching
// --------------------------------------------------------------------------------------

GATEPOST_DECL void memory_transport::watch(busy_watch* listener, time_point deadline) {
  watcher_ = listener;
  ++watches_;
  late_.unset();
  if (listener == nullptr) return;
  late_.set(deadline, [this] { watcher_->on_late(); });
  look_at_other();
}

// Tells the watcher, not at once, that the other end is gone and has left nothing to read.
GATEPOST_DECL void memory_transport::look_at_other() {
  if (watcher_ == nullptr || !at_end()) return;
  const auto tell = [this, watch = watches_, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired() || watch != watches_ || watcher_ == nullptr) return;
    ++watches_;  // once
    watcher_->on_left();
  };
  asio::post(executor_, tell);
}

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_IMPL_MEMORY_TRANSPORT_IPP
