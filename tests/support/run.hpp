// Runs a coroutine to its end, for tests.
//
//     const verdict v = run(policy->ask(stage::connect));
//
// On an io_context of its own, or on yours where other coroutines live. A coroutine that does not
// end makes the test fail instead of hanging it.
#ifndef GATEPOST_TESTS_SUPPORT_RUN_HPP
#define GATEPOST_TESTS_SUPPORT_RUN_HPP

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

namespace gatepost::testing {

// Far beyond what any test takes, also under a sanitizer on a busy machine.
inline constexpr std::chrono::seconds patience{60};

template <class T>
T run(asio::io_context& io, asio::awaitable<T> what) {
  std::optional<T> result;
  std::exception_ptr error;
  bool ended = false;
  asio::co_spawn(io, std::move(what), [&](std::exception_ptr e, T value) {
    ended = true;
    error = e;
    if (!e) result.emplace(std::move(value));
  });
  io.restart();
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!ended && io.run_one_until(until) > 0) {
  }
  if (!ended) throw std::runtime_error("the coroutine does not end");
  if (error) std::rethrow_exception(error);
  return std::move(*result);
}

inline void run(asio::io_context& io, asio::awaitable<void> what) {
  std::exception_ptr error;
  bool ended = false;
  asio::co_spawn(io, std::move(what), [&](std::exception_ptr e) {
    ended = true;
    error = e;
  });
  io.restart();
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!ended && io.run_one_until(until) > 0) {
  }
  if (!ended) throw std::runtime_error("the coroutine does not end");
  if (error) std::rethrow_exception(error);
}

template <class T>
T run(asio::awaitable<T> what) {
  asio::io_context io(1);
  return run(io, std::move(what));
}

}  // namespace gatepost::testing

#endif  // GATEPOST_TESTS_SUPPORT_RUN_HPP
