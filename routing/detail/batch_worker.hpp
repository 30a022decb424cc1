// A thread that is given work in single pieces and does it in batches.
//
// While one batch is done the next one gathers, so the batches grow with the load by themselves.
#ifndef GATEPOST_ROUTING_DETAIL_BATCH_WORKER_HPP
#define GATEPOST_ROUTING_DETAIL_BATCH_WORKER_HPP

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace gatepost::routing::detail {

template <class Item>
class batch_worker {
 public:
  // Called on the worker's thread with what came in since the last call, in order. The answer: when
  // to call again even if nothing comes in. What it throws ends nothing: the items that are left in
  // the batch are dropped.
  using batch_function =
      std::function<std::optional<std::chrono::milliseconds>(std::vector<Item>& batch)>;

  // `name`: of the thread, 15 characters at most. The thread begins with the first push().
  batch_worker(const char* name, batch_function work) : name_(name), work_(std::move(work)) {}
  batch_worker(const batch_worker&) = delete;
  batch_worker& operator=(const batch_worker&) = delete;
  ~batch_worker() { stop(); }

  // False after stop(), or where there can be no thread: the item is left as it is. It is where
  // this throws std::bad_alloc, too. Thread-safe.
  bool push(Item& item) {
    const std::lock_guard lock(mutex_);
    if (stopping_ || (!thread_.joinable() && !start())) return false;
    coming_.push_back(std::move(item));
    if (std::exchange(idle_, false)) wake_.notify_one();
    return true;
  }

  // Returns when all that was pushed is done. Nobody else may be in push() of the last owner.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  static constexpr std::chrono::milliseconds after_failure{100};

  // Signals are for the application's own threads.
  bool start() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::thread([this] { run(); });
      pthread_setname_np(thread_.native_handle(), name_);
    } catch (...) {
      // The system has no thread left, or no memory: the caller hears of it by push().
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread_.joinable();
  }

  void run() {
    std::vector<Item> batch;
    std::optional<std::chrono::milliseconds> again;
    while (take(batch, again)) {
      try {
        again = work_(batch);
      } catch (...) {
        // No memory, most likely: what was not done is dropped, and the next batch may have some.
        again = after_failure;
      }
      batch.clear();
    }
  }

  // False: stopped, and nothing is left.
  bool take(std::vector<Item>& batch, std::optional<std::chrono::milliseconds> again) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return stopping_ || !coming_.empty(); };
    idle_ = !ready();
    if (again) {
      wake_.wait_for(lock, *again, ready);
    } else {
      wake_.wait(lock, ready);
    }
    idle_ = false;
    batch.swap(coming_);
    return !stopping_ || !batch.empty();
  }

  const char* name_;
  batch_function work_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Item> coming_;
  bool stopping_ = false;
  bool idle_ = false;  // the thread waits and was not woken yet
  std::thread thread_;
};

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_BATCH_WORKER_HPP
