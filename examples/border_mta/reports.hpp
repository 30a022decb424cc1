// Aggregate reports of DMARC (RFC 9990): keeps what was counted over a restart, and writes what is
// due into a folder, as messages that are ready to be sent by another program.
//
// Every so often reports whose period is over are closed and the counts are written to their file.
// Then the DNS is asked, for each report, who may have it; it becomes one message to all of them,
// in one file. The file's name is the Report-ID: where a crash comes between, the same report is
// written again, under the same name.
//
//     reporter r(settings, store, {.io = io, .dns = resolver, .log = log});
//     if (const std::string problem = r.load(); !problem.empty()) ...
//     r.start();
//     io.run();                        // until r.stop(), too
//     r.finish();
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_REPORTS_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_REPORTS_HPP

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "checks/dmarc/destinations.hpp"
#include "checks/dmarc/report.hpp"
#include "checks/dmarc/report_store.hpp"
#include "examples/border_mta/compose.hpp"
#include "examples/border_mta/config.hpp"
#include "examples/border_mta/report_letter.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/json_log.hpp"

namespace border_mta {

// All that is referred to outlives the reporter.
struct reporter_surroundings {
  asio::io_context& io;  // run by one thread
  gatepost::smtp::dns::resolver& dns;
  gatepost::smtp::json_log& log;
  suffix_list suffixes = {};  // for RFC 7489
  letter_signer sign = {};    // called on a thread of the reporter's own
};

// How patient it is. No wait before another attempt is longer than the interval of reports.
struct reporter_pace {
  // Owners choose the names that are asked for. One that never answers holds up neither the other
  // addresses of its report for longer than this,
  std::chrono::milliseconds question = std::chrono::seconds(10);
  // nor the worker that has the report; five addresses may cost nine questions each.
  std::chrono::milliseconds questions = std::chrono::minutes(1);
  // Reports that are served at the same time, and of them those of one organization.
  std::size_t workers = 20;
  std::size_t workers_per_organization = 2;
  // RFC 9990 §3.5 lets us try again, or not: each hour, for a day. Attempts that the DNS did not
  // answer, and those that failed otherwise, are counted apart.
  std::chrono::milliseconds again = std::chrono::hours(1);
  unsigned attempts = 24;
  // Where the folder takes nothing, until it is tried by another report.
  std::chrono::milliseconds folder_again = std::chrono::minutes(1);
};

class reporter {
 public:
  // `settings` with a file, a folder and an author. The store is new, and outlives the reporter.
  reporter(reports_section settings, gatepost::checks::dmarc::memory_report_store& store,
           reporter_surroundings around, reporter_pace pace = {});

  // Reads the counts, and removes what a crash has left half written. Counts that are damaged are
  // put aside as FILE.damaged, FILE.damaged.2 and so on, which the log tells. Empty, or what is
  // wrong with the file, for people. Before anything is counted.
  std::string load();

  // Begins. Once, before io runs.
  void start();

  // Begins no more reports, and drops questions that are open. Any thread; io's run() then returns.
  void stop();

  // Writes the counts for the last time. After io's run(). Waits for the disk.
  void finish();

 private:
  using clock = std::chrono::steady_clock;
  using report = gatepost::checks::dmarc::report;
  using report_ptr = std::shared_ptr<const report>;
  using destinations = gatepost::checks::dmarc::destinations;

  struct delay {
    clock::time_point until = {};
    unsigned unanswered = 0;  // attempts: by the DNS,
    unsigned failures = 0;    // and those that failed otherwise
  };

  // Serves one report after the other.
  struct worker {
    asio::cancellation_signal cancel;
    std::uint64_t id = 0;  // of the report that it serves, if there is one
    report_ptr serves;
  };
  using worker_ptr = std::shared_ptr<worker>;

  asio::awaitable<void> run();
  asio::awaitable<void> round();
  asio::awaitable<void> pause();
  void begin_round(const std::vector<std::uint64_t>& due);
  void begin_worker();
  asio::awaitable<void> work(worker_ptr me);
  bool take(worker& me);
  bool may_serve(const report& r) const;
  asio::awaitable<void> serve(std::uint64_t id, report_ptr r);
  asio::awaitable<void> try_to_serve(std::uint64_t id, report_ptr r);
  asio::awaitable<void> hand_over(std::uint64_t id, const report& r, const destinations& to);
  asio::awaitable<void> save();

  void done_with(std::uint64_t id);
  bool put_off(std::uint64_t id, unsigned delay::* attempts);
  bool put_off_failed(std::uint64_t id);
  void tell_done(const report& r, const letter& mail);
  void tell_failed(const report& r, const std::string& why, bool again);
  void folder_failed(const report& r, const letter& tried);
  void folder_works();
  void note_saved(std::uint64_t changes, std::error_code error);
  void tell_dropped();
  std::string put_aside();
  void tell_error(std::string_view what) noexcept;
  void tell_exception(std::string_view before, const std::exception_ptr& e,
                      std::string_view behind = {}) noexcept;
  clock::duration patience(std::chrono::milliseconds at_most) const;

  reports_section settings_;
  gatepost::checks::dmarc::memory_report_store& store_;
  reporter_surroundings around_;
  reporter_pace pace_;
  asio::steady_timer timer_;

  // --- On io's thread
  std::deque<std::uint64_t> queue_;  // due, and neither put off nor being served
  std::vector<worker_ptr> workers_;
  std::map<std::uint64_t, delay> put_off_;
  bool folder_failed_ = false;
  clock::time_point folder_again_ = {};
  std::uint64_t saved_ = 0;  // as store_.changes()
  bool save_failed_ = false;
  std::uint64_t dropped_ = 0;  // as the log knows it
  bool stopping_ = false;

  // Compresses, and waits for the disk. The counts are written behind the reports that are being
  // written by then: one of each worker.
  asio::thread_pool helper_{1};
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_REPORTS_HPP
