#include "examples/border_mta/reports.hpp"

#include <algorithm>
#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <filesystem>
#include <utility>

#include "checks/detail/errand.hpp"
#include "smtp/address.hpp"
#include "smtp/dns/answer.hpp"

namespace border_mta {

namespace checks = gatepost::checks;
namespace dmarc = gatepost::checks::dmarc;
namespace smtp = gatepost::smtp;

namespace {

constexpr std::string_view where = "dmarc reports";

using dns_answer = smtp::dns::answer<std::string>;
using dns_errand = checks::detail::errand<dns_answer>;

std::chrono::sys_seconds now_in_seconds() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::uint64_t messages_of(const dmarc::report& r) {
  std::uint64_t all = r.dropped;
  for (const dmarc::counted_row& row : r.rows) all += row.count;
  return all;
}

std::string what_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "an unknown exception";
  }
}

std::string text_of(std::chrono::steady_clock::duration d) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(d).count()) + " s";
}

asio::awaitable<void> perform(std::function<void()> work) {
  work();
  co_return;
}

}  // namespace

reporter::reporter(reports_section settings, dmarc::memory_report_store& store,
                   reporter_surroundings around, reporter_pace pace)
    : settings_(std::move(settings)),
      store_(store),
      around_(std::move(around)),
      pace_(pace),
      timer_(around_.io) {
  dmarc::report_sender& us = settings_.sender;
  us.domain = smtp::address(*smtp::parse_mailbox(us.email)).canonical_domain();
  if (us.organization.empty()) us.organization = us.domain;
}

void reporter::start() {
  asio::co_spawn(around_.io, run(), [this](const std::exception_ptr& e) {
    if (e) tell_error("ended by an exception: " + what_of(e) + "; restart us");
  });
}

void reporter::stop() {
  asio::post(around_.io, [this] {
    stopping_ = true;
    timer_.cancel();
    const auto workers = workers_;  // which end meanwhile
    for (const auto& worker : workers) worker->emit(asio::cancellation_type::terminal);
  });
}

void reporter::finish() {
  const std::uint64_t changes = store_.changes();
  if (changes != saved_) note_saved(changes, store_.save(settings_.file));
  tell_dropped();
}

void reporter::tell_error(const std::string& what) {
  around_.log.note(smtp::log_level::error, where, what);
}

reporter::clock::duration reporter::patience(std::chrono::milliseconds at_most) const {
  return std::min<clock::duration>(at_most, settings_.interval);
}

// --- The counts ----------------------------------------------------------------------------------

std::string reporter::load() {
  remove_leftovers(settings_.directory);
  const std::string& file = settings_.file;
  const std::error_code wrong = store_.load(file);
  saved_ = store_.changes();
  if (!wrong || wrong == std::errc::no_such_file_or_directory) return {};
  if (wrong != std::errc::illegal_byte_sequence)
    return file + ": cannot be read: " + wrong.message() + "; see to its name and permissions";
  const std::string aside = file + ".damaged";
  std::error_code error;
  std::filesystem::rename(file, aside, error);
  if (error)
    return file + ": is damaged, and cannot be moved to " + aside + ": " + error.message() +
           "; move it away";
  tell_error(file + ": is damaged; it was moved to " + aside +
             ". Its counts are lost, and we begin anew");
  return {};
}

asio::awaitable<void> reporter::save() {
  const std::uint64_t changes = store_.changes();
  if (changes == saved_) co_return;
  std::error_code error;
  std::function<void()> write_counts = [&] { error = store_.save(settings_.file); };
  co_await elsewhere(std::move(write_counts));
  note_saved(changes, error);
}

// Told once, until it works again.
void reporter::note_saved(std::uint64_t changes, std::error_code error) {
  const bool failed_before = std::exchange(save_failed_, static_cast<bool>(error));
  if (!error) saved_ = changes;
  if (error && !failed_before)
    tell_error(settings_.file + ": cannot be written: " + error.message() +
               "; a stop would lose what was counted, and reports wait for it");
  if (!error && failed_before)
    around_.log.note(smtp::log_level::info, where, settings_.file + ": is written again");
}

void reporter::tell_dropped() {
  const std::uint64_t before = std::exchange(dropped_, store_.dropped());
  if (dropped_ > before)
    around_.log.note(smtp::log_level::warning, where,
                     std::to_string(dropped_ - before) +
                         " messages more are in no report: there are too many reports, of all or "
                         "of one organization");
}

// Runs what takes long on the helper's thread, and comes back to this one. Never cancelled.
asio::awaitable<void> reporter::elsewhere(std::function<void()> work) {
  asio::awaitable<void> job = perform(std::move(work));
  co_await asio::co_spawn(helper_, std::move(job), asio::use_awaitable);
}

// --- Rounds --------------------------------------------------------------------------------------

asio::awaitable<void> reporter::run() {
  while (!stopping_) {
    try {
      co_await round();
    } catch (...) {
      tell_error("broken off by an exception: " + what_of(std::current_exception()) + "; we go on");
    }
    co_await pause();
  }
}

asio::awaitable<void> reporter::round() {
  const std::vector<std::uint64_t> due = store_.close(now_in_seconds(), settings_.interval);
  co_await save();
  tell_dropped();
  // What is written is the same after a crash, so that its end has to be saved.
  if (!save_failed_) begin_round(due);
}

asio::awaitable<void> reporter::pause() {
  if (stopping_) co_return;
  timer_.expires_after(std::min<clock::duration>(settings_.save_every, settings_.interval));
  std::error_code woken;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
}

// Takes up all that is due and not put off; nothing while the last round is still on.
void reporter::begin_round(const std::vector<std::uint64_t>& due) {
  const auto now = clock::now();
  if (stopping_ || !workers_.empty() || now < folder_again_) return;
  queue_.clear();
  for (const std::uint64_t id : due) {
    const auto later = put_off_.find(id);
    if (later == put_off_.end() || later->second.until <= now) queue_.push_back(id);
  }
  const std::size_t most = std::min(queue_.size(), pace_.workers);
  workers_.reserve(most);
  for (std::size_t n = 0; n < most; ++n) begin_worker();
}

void reporter::begin_worker() {
  const auto cancel = std::make_shared<asio::cancellation_signal>();
  const auto ended = [this, cancel](const std::exception_ptr& e) {
    std::erase(workers_, cancel);
    if (e && !stopping_) tell_error("a worker was ended by an exception: " + what_of(e));
    if (workers_.empty()) timer_.cancel();  // what was settled is to be saved
  };
  asio::co_spawn(around_.io, work(), asio::bind_cancellation_slot(cancel->slot(), ended));
  workers_.push_back(cancel);
}

asio::awaitable<void> reporter::work() {
  while (!queue_.empty() && !stopping_) {
    const std::uint64_t id = queue_.front();
    queue_.pop_front();
    co_await serve(id);
  }
}

// --- One report ----------------------------------------------------------------------------------

// What goes wrong with it does not end those who serve the others.
asio::awaitable<void> reporter::serve(std::uint64_t id) {
  const report_ptr r = store_.closed(id);
  if (!r) co_return;
  co_await asio::this_coro::reset_cancellation_state();
  try {
    co_await try_to_serve(id, r);
  } catch (...) {
    if (!stopping_) failed(id, *r, what_of(std::current_exception()));
  }
}

asio::awaitable<void> reporter::try_to_serve(std::uint64_t id, report_ptr r) {
  dmarc::destination_options options;
  options.suffixes = around_.suffixes.get();
  destinations to(r->policy, options);
  const bool all_known = co_await verify(to);
  if (!all_known && put_off(id)) co_return;
  // Now it ends soon, and as a whole.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await hand_over(id, *r, to);
}

// RFC 9990 §4: asks those outside the owner's domain for leave. False: not all have answered.
asio::awaitable<bool> reporter::verify(destinations& to) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto end = clock::now() + pace_.questions;
  while (const auto name = to.next()) {
    dns_answer records;  // a temporary failure
    const auto now = clock::now();
    if (now < end) {
      const auto until = std::min(now + pace_.question, end);
      const checks::detail::errand_ptr<dns_answer> asked(
          dns_errand::start(executor, around_.dns.txt(*name), until));
      const bool in_time = co_await asked->wait();
      if (in_time) records = asked->result();
    }
    to.answer(records);
  }
  co_return !to.incomplete();
}

asio::awaitable<void> reporter::hand_over(std::uint64_t id, const report& r,
                                          const destinations& to) {
  letter mail;
  std::function<void()> write_it = [&] { mail = write_letter(r, to, settings_, around_.sign); };
  co_await elsewhere(std::move(write_it));
  if (is_of_one_file(mail.error)) {
    failed(id, r, mail.file + ": " + mail.error.message());
  } else if (mail.error) {
    folder_failed(r, mail);
  } else {
    done_with(id);
    const std::string all = r.policy.domain + ": " + std::to_string(messages_of(r)) + " messages, ";
    if (mail.to.empty())
      around_.log.note(smtp::log_level::debug, where, all + "and nobody wants the report");
    else
      around_.log.note(smtp::log_level::info, where,
                       all + "the report to " + mail.to + " is " + mail.file);
    if (!mail.to.empty()) folder_works();
  }
}

void reporter::done_with(std::uint64_t id) {
  store_.settle(id);
  put_off_.erase(id);
}

// False: it was often enough.
bool reporter::put_off(std::uint64_t id) {
  delay& d = put_off_[id];
  if (++d.attempts > pace_.attempts) return false;
  d.until = clock::now() + patience(pace_.again);
  return true;
}

// This one only.
void reporter::failed(std::uint64_t id, const report& r, const std::string& why) {
  const std::string what = "the report on " + r.policy.domain + " fails: " + why;
  if (put_off(id))
    return tell_error(what + "; it is tried again in " + text_of(patience(pace_.again)));
  done_with(id);
  tell_error(what + "; it is thrown away");
}

// Our own house is in disorder. Told once, until it works again.
void reporter::folder_failed(const report& r, const letter& tried) {
  queue_.clear();
  const auto wait = patience(pace_.folder_again);
  folder_again_ = clock::now() + wait;
  if (std::exchange(folder_failed_, true)) return;
  tell_error("the report on " + r.policy.domain + " cannot be written: " + tried.file + ": " +
             tried.error.message() + "; all reports are kept, and tried again each " +
             text_of(wait));
}

void reporter::folder_works() {
  folder_again_ = {};
  if (std::exchange(folder_failed_, false))
    around_.log.note(smtp::log_level::info, where,
                     settings_.directory + ": reports are written again");
}

}  // namespace border_mta
