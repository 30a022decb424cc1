// Runs coroutines in tests: to their end, or until nothing more happens; never for ever.
//
//     const verdict v = testing::run(my_check.on_rcpt(context, to));
//     testing::run(io, clock, client.send(message));   // the clock is turned whenever all wait for
//     it
#ifndef GATEPOST_SMTP_TESTING_RUN_HPP
#define GATEPOST_SMTP_TESTING_RUN_HPP

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "smtp/config.hpp"
#include "smtp/testing/virtual_clock.hpp"

namespace gatepost::smtp::testing {

// Far beyond what any test takes, also under a sanitizer on a busy machine.
inline constexpr std::chrono::seconds patience{60};

// Runs what is ready, until nothing is.
inline void settle(asio::io_context& io) {
  const auto until = std::chrono::steady_clock::now() + patience;
  io.restart();
  while (io.poll() > 0) {
    if (std::chrono::steady_clock::now() > until) throw std::runtime_error("it does not settle");
    io.restart();
  }
}

namespace detail {

// Shared with the coroutine: one that does not end in time may end later.
template <class T>
struct run_state {
  std::optional<T> value;
  std::exception_ptr error;
  bool ended = false;

  T take() {
    if (!ended) throw std::runtime_error("the coroutine does not end");
    if (error) std::rethrow_exception(error);
    return std::move(*value);
  }
};

template <>
struct run_state<void> {
  std::exception_ptr error;
  bool ended = false;

  void take() const {
    if (!ended) throw std::runtime_error("the coroutine does not end");
    if (error) std::rethrow_exception(error);
  }
};

template <class T>
std::shared_ptr<run_state<T>> start(asio::io_context& io, asio::awaitable<T> what) {
  auto state = std::make_shared<run_state<T>>();
  asio::co_spawn(io, std::move(what), [state](std::exception_ptr e, T result) {
    state->ended = true;
    state->error = e;
    if (!e) state->value.emplace(std::move(result));
  });
  return state;
}

inline std::shared_ptr<run_state<void>> start(asio::io_context& io, asio::awaitable<void> what) {
  auto state = std::make_shared<run_state<void>>();
  asio::co_spawn(io, std::move(what), [state](std::exception_ptr e) {
    state->ended = true;
    state->error = e;
  });
  return state;
}

}  // namespace detail

// Runs `what` to its end and gives its result, or throws what it throws. std::runtime_error where
// it does not end: waits for nothing, or longer than `patience`.
template <class T>
T run(asio::io_context& io, asio::awaitable<T> what) {
  const auto state = detail::start(io, std::move(what));
  io.restart();
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!state->ended && io.run_one_until(until) > 0) continue;
  return state->take();
}

// The same, with `clock` turned to its next alarm whenever nothing else is to be done.
template <class T>
T run(asio::io_context& io, virtual_clock& clock, asio::awaitable<T> what) {
  // No test waits for so many things one after the other.
  constexpr int most_turns = 100000;
  const auto state = detail::start(io, std::move(what));
  settle(io);
  for (int turns = 0; !state->ended && turns < most_turns && clock.advance_to_next(); ++turns)
    settle(io);
  return state->take();
}

// On an io_context of its own.
template <class T>
T run(asio::awaitable<T> what) {
  asio::io_context io(1);
  return run(io, std::move(what));
}

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_RUN_HPP
