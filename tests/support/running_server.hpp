// A server on threads of its own, which takes every message, and what its observer was told.
#ifndef GATEPOST_TESTS_SUPPORT_RUNNING_SERVER_HPP
#define GATEPOST_TESTS_SUPPORT_RUNNING_SERVER_HPP

#include <asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "smtp/io_threads.hpp"
#include "smtp/server.hpp"

namespace gatepost::tests {

// Remembers what was told, for any thread.
class recorder final : public smtp::observer {
 public:
  void on_connection(const smtp::connection_event& e) override {
    const std::lock_guard lock(mutex_);
    if (e.accepted)
      last_client_ = e.facts.client.text();
    else
      ++refused_[std::string(e.refused_by)];
    changed_.notify_all();
  }
  void on_session_end(const smtp::session_event& e) override {
    const std::lock_guard lock(mutex_);
    ends_.push_back(std::string(e.ended_by));
    limits_.push_back(std::string(e.limit));
    early_talker_ = e.facts.early_talker;
    tls_ = e.facts.tls;
    channel_ = e.facts.channel;
    changed_.notify_all();
  }
  void on_trouble(const smtp::trouble_event& e) override {
    const std::lock_guard lock(mutex_);
    troubles_.push_back(std::string(e.where) + ": " + std::string(e.what));
  }

  int refused(const std::string& by) {
    const std::lock_guard lock(mutex_);
    return refused_[by];
  }
  // Waits until so many were refused.
  bool refused_at_least(int count, const std::string& by) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return refused_[by] >= count; });
  }
  std::string last_client() {
    const std::lock_guard lock(mutex_);
    return last_client_;
  }
  // Of the session that ended last.
  std::optional<smtp::tls_facts> tls() {
    const std::lock_guard lock(mutex_);
    return tls_;
  }
  std::string channel() {
    const std::lock_guard lock(mutex_);
    return channel_;
  }
  bool early_talker() {
    const std::lock_guard lock(mutex_);
    return early_talker_;
  }
  std::vector<std::string> troubles() {
    const std::lock_guard lock(mutex_);
    return troubles_;
  }
  // Why they did, in order.
  std::vector<std::string> ends() {
    const std::lock_guard lock(mutex_);
    return ends_;
  }
  // By which limits they did, likewise.
  std::vector<std::string> limits() {
    const std::lock_guard lock(mutex_);
    return limits_;
  }
  // Waits until so many sessions have said their end. What they held is given back right behind it:
  // see running_server::turn().
  bool ended(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return ends_.size() >= count; });
  }

 private:
  // Far beyond what any test takes.
  static constexpr std::chrono::seconds patience{10};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> refused_;
  std::vector<std::string> ends_;
  std::vector<std::string> limits_;
  std::vector<std::string> troubles_;
  std::string last_client_;
  std::string channel_;
  bool early_talker_ = false;
  std::optional<smtp::tls_facts> tls_;
};

// A server on threads of its own.
class running_server {
 public:
  // `policy`: none, everything is accepted. `delivery`: none, everything is thrown away.
  explicit running_server(smtp::server_options options = {},
                          std::vector<smtp::listener> where = {{.address = "127.0.0.1:0"}},
                          std::size_t threads = 1, smtp::policy* policy = nullptr,
                          smtp::delivery* delivery = nullptr)
      : threads_(threads) {
    options.observer = &log;
    smtp::policy& asked = policy != nullptr ? *policy : policy_;
    smtp::delivery& takes = delivery != nullptr ? *delivery : delivery_;
    server_ = std::make_unique<smtp::server>(threads_.contexts(), std::move(options), asked, takes);
    for (const smtp::listener& l : where) {
      const auto wrong = server_->listen(l);
      if (wrong) throw std::runtime_error(*wrong);
    }
    runner_ = std::thread([this] { threads_.run(); });
  }
  ~running_server() {
    if (server_) server_->stop_now();
    join();
  }

  void join() {
    if (runner_.joinable()) runner_.join();
  }
  // Stops the threads where they are, and destroys the server, whatever it is doing.
  void destroy() {
    for (asio::io_context* io : threads_.contexts()) io->stop();
    join();
    server_.reset();
  }
  // After destroy(): whatever is left may run to its end.
  void run_on() {
    for (asio::io_context* io : threads_.contexts()) io->restart();
    threads_.run();
  }

  // Calls it on the first thread.
  template <class F>
  auto on_front(F call) {
    std::packaged_task<decltype(call())()> task(std::move(call));
    auto done = task.get_future();
    asio::post(threads_.front(), [&task] { task(); });
    return done.get();
  }
  // Returns when what has come to the first thread until now was looked at there: each call gets
  // its turn behind the sockets that were ready before it.
  void turn() {
    for (int i = 0; i < 4; ++i) on_front([] {});
  }
  // Waits until no session is left, while the first thread has its turns.
  bool no_session_left() {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (server_->counters().sessions != 0 && std::chrono::steady_clock::now() < until) turn();
    return server_->counters().sessions == 0;
  }
  std::uint16_t port(std::size_t i = 0) const { return server_->endpoints().at(i).port; }
  smtp::server& operator*() { return *server_; }
  smtp::server* operator->() { return server_.get(); }

  recorder log;

 private:
  smtp::io_threads threads_;
  smtp::accept_all policy_;
  smtp::discard_all delivery_;
  std::unique_ptr<smtp::server> server_;
  std::thread runner_;
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_RUNNING_SERVER_HPP
