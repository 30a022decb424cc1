// Failure reports of DMARC (RFC 9991): of messages whose domain's owner wants one it writes them
// into the folder where aggregate reports go, ready to be sent by another program.
//
// Strangers choose what fails, and under whose name (RFC 9991 §2). So each organization has a
// budget, all of them together have one, and so many wait at most; what is beyond is counted and
// dropped. What waits is lost by a stop or a crash.
//
//     failure_reporter r(settings, {.io = io, .dns = resolver, .log = log});
//     options.on_outcome = [&r](const auto&... what) { r.tell(what...); };
//     r.start(sign);
//     io.run();                        // until r.stop(), too
//     r.finish();
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_FAILURE_REPORTS_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_FAILURE_REPORTS_HPP

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "checks/context.hpp"
#include "checks/detail/bounded_table.hpp"
#include "checks/dmarc/evaluate.hpp"
#include "checks/dmarc/identifiers.hpp"
#include "examples/border_mta/compose.hpp"
#include "examples/border_mta/config.hpp"
#include "examples/border_mta/report_letter.hpp"
#include "examples/border_mta/report_steps.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/json_log.hpp"

namespace border_mta {

// All that is referred to outlives the reporter.
struct failure_surroundings {
  asio::io_context& io;  // run by one thread
  gatepost::smtp::dns::resolver& dns;
  gatepost::smtp::json_log& log;
  suffix_list suffixes = {};  // whose domain one is
  gatepost::checks::dmarc::regime regime = gatepost::checks::dmarc::regime::rfc9989;
  std::string authserv_id = {};  // of Authentication-Results; empty: the sender's domain
};

struct failure_pace {
  question_pace dns;
  // Each is a header and what was found, 100 KiB perhaps.
  std::size_t waiting = 100;
  // Organizations that are remembered while some of their hour is used up, about 200 octets each.
  // Who finds no place gets no report.
  std::size_t organizations = 10'000;
  // Between two lines of the log about what was dropped.
  std::chrono::milliseconds told = std::chrono::hours(1);
  // The clock of budgets; for tests.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

class failure_reporter {
 public:
  // `settings` with a folder and an author.
  failure_reporter(reports_section settings, failure_surroundings around, failure_pace pace = {});

  // For check_options::on_outcome: takes a copy where a report is wanted and may be. Any thread;
  // waits for nothing.
  void tell(const gatepost::checks::context& ctx, const gatepost::checks::dmarc::evaluation& e,
            const gatepost::checks::dmarc::identifiers& found) noexcept;

  // Removes what a crash has left half written, and begins. Once, before io runs. `sign`: called on
  // a thread of the reporter's own.
  void start(letter_signer sign);

  // Drops what waits. Any thread; io's run() then returns.
  void stop();

  // After io's run().
  void finish();

 private:
  using clock = std::chrono::steady_clock;
  struct item;
  using item_ptr = std::shared_ptr<item>;

  // GCRA: all of an hour may come at once.
  struct budget {
    gatepost::checks::detail::meter used;
    bool idle(clock::time_point now) const { return used.empty(now); }
  };

  bool wanted(const gatepost::checks::context& ctx, const gatepost::checks::dmarc::evaluation& e,
              const gatepost::checks::dmarc::identifiers& found) const;
  item_ptr admit(const gatepost::checks::dmarc::evaluation& e);
  void drop();
  void tell_dropped();
  void begin(const item_ptr& one) noexcept;
  void ended(const item_ptr& one, const std::exception_ptr& e) noexcept;
  asio::awaitable<void> serve(item_ptr one);
  void tell_written(const std::string& domain, const letter& mail);
  void tell_error(std::string_view what, const std::exception_ptr& e) noexcept;

  reports_section settings_;
  failure_surroundings around_;
  failure_pace pace_;
  letter_signer sign_;

  // --- Of all threads
  std::mutex mutex_;
  gatepost::checks::detail::meter in_all_;
  gatepost::checks::detail::bounded_table<std::string, budget> organizations_;
  std::uint64_t dropped_ = 0;  // and not told yet
  clock::time_point tell_again_ = {};
  // Items may outlive us, in an io that does not run any more.
  std::shared_ptr<std::atomic<std::size_t>> waiting_ =
      std::make_shared<std::atomic<std::size_t>>(0);

  // --- On io's thread
  std::vector<item_ptr> items_;
  bool folder_failed_ = false;
  bool stopping_ = false;

  // Signs, and waits for the disk.
  asio::thread_pool helper_{1};
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_FAILURE_REPORTS_HPP
