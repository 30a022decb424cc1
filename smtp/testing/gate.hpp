// A gate at which coroutines of a test wait until it is opened: answers that take their time.
#ifndef GATEPOST_SMTP_TESTING_GATE_HPP
#define GATEPOST_SMTP_TESTING_GATE_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <memory>
#include <system_error>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::smtp::testing {

// Closed at first. One thread.
class gate {
 public:
  gate() = default;
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;

  // Ends when the gate is open; throws operation_aborted when it is cancelled.
  asio::awaitable<void> pass() {
    const auto executor = co_await asio::this_coro::executor;
    while (!open_) {
      const place mine(*this, executor);
      std::error_code ignored;
      co_await mine.until_open->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  // For who waits, and who comes later.
  void open() {
    open_ = true;
    for (asio::steady_timer* t : waiting_) t->cancel();
  }
  void close() { open_ = false; }

  std::size_t waiting() const { return waiting_.size(); }

 private:
  // Of one that waits, however that ends.
  struct place {
    place(gate& g, const asio::any_io_executor& executor)
        : at(g),
          until_open(std::make_unique<asio::steady_timer>(executor,
                                                          asio::steady_timer::time_point::max())) {
      at.waiting_.push_back(until_open.get());
    }
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    ~place() { std::erase(at.waiting_, until_open.get()); }
    gate& at;
    std::unique_ptr<asio::steady_timer> until_open;
  };

  std::vector<asio::steady_timer*> waiting_;
  bool open_ = false;
};

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_GATE_HPP
