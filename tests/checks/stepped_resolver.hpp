// A resolver whose questions all wait for the next step: what is asked before a step is answered by
// it, so the steps count the round trips that a server waits for, whatever time each takes.
#ifndef GATEPOST_TESTS_CHECKS_STEPPED_RESOLVER_HPP
#define GATEPOST_TESTS_CHECKS_STEPPED_RESOLVER_HPP

#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cstddef>
#include <string>
#include <utility>

#include "smtp/dns/resolver.hpp"
#include "smtp/testing/fake_resolver.hpp"

namespace gatepost::checks::kit {

class stepped_resolver final : public smtp::dns::resolver {
 public:
  template <class Record>
  using answer = smtp::dns::answer<Record>;

  explicit stepped_resolver(asio::io_context& io)
      : io_(io), step_(io, asio::steady_timer::time_point::max()) {}

  smtp::testing::fake_resolver& table() { return table_; }

  // Questions that wait for the next step.
  std::size_t open() const { return open_; }

  // Answers them, and lets everything run until it waits again.
  void step() {
    ++steps_;
    step_.cancel();
    io_.restart();
    io_.poll();
  }

  asio::awaitable<answer<smtp::ip_address>> a(std::string name) override {
    return later(table_.a(std::move(name)));
  }
  asio::awaitable<answer<smtp::ip_address>> aaaa(std::string name) override {
    return later(table_.aaaa(std::move(name)));
  }
  asio::awaitable<answer<smtp::dns::mx_record>> mx(std::string name) override {
    return later(table_.mx(std::move(name)));
  }
  asio::awaitable<answer<std::string>> txt(std::string name) override {
    return later(table_.txt(std::move(name)));
  }
  asio::awaitable<answer<std::string>> ptr(smtp::ip_address address) override {
    return later(table_.ptr(address));
  }
  asio::awaitable<answer<smtp::dns::tlsa_record>> tlsa(std::string name) override {
    return later(table_.tlsa(std::move(name)));
  }

 private:
  struct counted {
    explicit counted(std::size_t& n) : n(n) { ++n; }
    ~counted() { --n; }
    std::size_t& n;
  };

  template <class Answer>
  asio::awaitable<Answer> later(asio::awaitable<Answer> question) {
    {
      const counted one(open_);
      const std::size_t asked_at = steps_;
      while (steps_ == asked_at) {
        std::error_code error;
        co_await step_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        if (steps_ == asked_at) throw asio::system_error(error);
      }
    }
    Answer found = co_await std::move(question);
    co_return found;
  }

  asio::io_context& io_;
  smtp::testing::fake_resolver table_;
  asio::steady_timer step_;
  std::size_t steps_ = 0;
  std::size_t open_ = 0;
};

}  // namespace gatepost::checks::kit

#endif  // GATEPOST_TESTS_CHECKS_STEPPED_RESOLVER_HPP
