// Checks for tests of the chain: they say what they are told to, when they are told to.
#ifndef GATEPOST_TESTS_CHECKS_KIT_HPP
#define GATEPOST_TESTS_CHECKS_KIT_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/check.hpp"

namespace gatepost::checks::kit {

// Something that coroutines of one thread wait for.
class event {
 public:
  explicit event(const asio::any_io_executor& executor)
      : timer_(executor, asio::steady_timer::time_point::max()) {}

  void set() {
    set_ = true;
    timer_.cancel();
  }

  // Throws operation_aborted when it is cancelled.
  asio::awaitable<void> wait() {
    while (!set_) {
      std::error_code error;
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
      if (error && !set_) throw asio::system_error(error);
    }
  }

 private:
  asio::steady_timer timer_;
  bool set_ = false;
};

// A check whose stages are one function. Whether it waits is said at its making.
class scripted final : public check {
 public:
  using script = std::function<asio::awaitable<verdict>(context&, std::string_view)>;
  enum class style { waits, at_once };

  scripted(std::string name, script s, style how = style::waits)
      : name_(std::move(name)), script_(std::move(s)), style_(how) {}

  std::string_view name() const override { return name_; }
  bool waits(smtp::stage) const override { return style_ == style::waits; }

  asio::awaitable<verdict> on_connect(context& c) override { return script_(c, {}); }
  asio::awaitable<verdict> on_helo(context& c) override { return script_(c, {}); }
  asio::awaitable<verdict> on_tls(context& c) override { return script_(c, {}); }
  asio::awaitable<verdict> on_auth(context& c) override { return script_(c, {}); }
  asio::awaitable<verdict> on_mail(context& c) override { return script_(c, {}); }
  asio::awaitable<verdict> on_rcpt(context& c) override { return script_(c, {}); }
  asio::awaitable<verdict> on_data(context& c) override { return script_(c, {}); }
  asio::awaitable<verdict> on_header_end(context& c) override { return script_(c, {}); }
  asio::awaitable<verdict> on_body(context& c, std::string_view t) override {
    return script_(c, t);
  }
  asio::awaitable<verdict> on_message(context& c) override { return script_(c, {}); }

 private:
  std::string name_;
  script script_;
  style style_;
};

// Says one thing at one stage, at once, and passes all others.
inline scripted::script says(smtp::stage when, verdict what) {
  return [when, what](context& c, std::string_view) -> asio::awaitable<verdict> {
    if (c.stage() != when) co_return verdict::pass();
    co_return what;
  };
}

inline verdict refusal(int code = 550, std::string text = "no") {
  return verdict::refuse(smtp::reply(code, {5, 7, 1}, std::move(text)));
}

}  // namespace gatepost::checks::kit

#endif  // GATEPOST_TESTS_CHECKS_KIT_HPP
