// Several io_contexts, each run by one thread: what a server on more than one core runs on.
//
//     io_threads threads(4);
//     server server(threads.contexts(), options, policy, delivery);
//     threads.run();  // this thread is one of them; returns when the work is done
#ifndef GATEPOST_SMTP_IO_THREADS_HPP
#define GATEPOST_SMTP_IO_THREADS_HPP

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::smtp {

class io_threads {
 public:
  // 0: one per core.
  explicit io_threads(std::size_t count = 0) {
    if (count == 0) count = std::max(1u, std::thread::hardware_concurrency());
    for (std::size_t i = 0; i < count; ++i) {
      // The hint 1: one thread runs it, and Asio saves itself some locking.
      contexts_.push_back(std::make_unique<asio::io_context>(1));
      views_.push_back(contexts_.back().get());
    }
  }

  const std::vector<asio::io_context*>& contexts() const { return views_; }
  asio::io_context& front() { return *contexts_.front(); }

  // Runs all of them until each is out of work. As long as front() has some, the others wait for
  // more: who is called there may give it to them. Can be called again. An exception from a handler
  // ends the program. gatepost's own handlers bear what they call, and a lack of memory as far as
  // docs/reliability.md says.
  void run() {
    std::vector<asio::executor_work_guard<asio::io_context::executor_type>> held;
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < contexts_.size(); ++i) {
      held.emplace_back(views_[i]->get_executor());
      others.emplace_back([io = views_[i]] { io->run(); });
    }
    front().run();
    held.clear();
    for (std::thread& t : others) t.join();
    // Only now: a stop() that comes before run() counts.
    for (asio::io_context* io : views_) io->restart();
  }

 private:
  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  std::vector<asio::io_context*> views_;
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IO_THREADS_HPP
