// Signals as calls on a thread of their own, where waiting for the disk holds nobody up.
//
//     signals s({SIGHUP, SIGTERM});     // before any other thread begins
//     s.start([&](int number) { ... });
//     io.run();                         // nothing of it keeps an event loop running
//     s.stop();                         // before what the call uses goes
//
// The signals are blocked in the thread that makes this, hence in all that begin later, and stay
// so.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_SIGNALS_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_SIGNALS_HPP

#include <pthread.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <initializer_list>
#include <thread>
#include <utility>

namespace border_mta {

class signals {
 public:
  explicit signals(std::initializer_list<int> numbers) {
    ::sigemptyset(&set_);
    for (const int number : numbers) ::sigaddset(&set_, number);
    ::sigaddset(&set_, leave);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  signals(const signals&) = delete;
  signals& operator=(const signals&) = delete;

  ~signals() { stop(); }

  // Signals that came earlier are told at once.
  void start(std::function<void(int)> call) {
    thread_ = std::thread([this, call = std::move(call)] {
      int number = 0;
      while (::sigwait(&set_, &number) == 0 && !leaving_) {
        // Anybody may send it to the process, but it means nothing to us.
        if (number != leave) call(number);
      }
    });
  }

  // No more calls; waits for one that is going on.
  void stop() {
    if (!thread_.joinable()) return;
    leaving_ = true;
    ::pthread_kill(thread_.native_handle(), leave);
    thread_.join();
  }

 private:
  // Sent to the thread alone, to wake it.
  static constexpr int leave = SIGUSR2;

  sigset_t set_;
  std::atomic<bool> leaving_ = false;
  std::thread thread_;
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_SIGNALS_HPP
