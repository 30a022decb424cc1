#include "examples/border_mta/reports.hpp"

#include <algorithm>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "examples/border_mta/report_steps.hpp"
#include "smtp/detail/exception_text.hpp"

namespace border_mta {

namespace dmarc = gatepost::checks::dmarc;
namespace smtp = gatepost::smtp;

namespace {

constexpr std::string_view where = "dmarc reports";

std::chrono::sys_seconds now_in_seconds() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::uint64_t messages_of(const dmarc::report& r) {
  std::uint64_t all = r.dropped;
  for (const dmarc::counted_row& row : r.rows) all += row.count;
  return all;
}

const std::string& organization_of(const dmarc::report_policy& p) {
  return p.organization.empty() ? p.domain : p.organization;
}

std::string text_of(std::chrono::steady_clock::duration d) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(d).count()) + " s";
}

}  // namespace

reporter::reporter(reports_section settings, dmarc::memory_report_store& store,
                   reporter_surroundings around, reporter_pace pace)
    : settings_(std::move(settings)),
      store_(store),
      around_(std::move(around)),
      pace_(pace),
      timer_(around_.io) {
  settings_.sender = sender_of(settings_);
}

void reporter::start() {
  asio::co_spawn(around_.io, run(), [this](const std::exception_ptr& e) {
    if (e) tell_exception("ended by an exception: ", e, "; restart us");
  });
}

void reporter::stop() {
  asio::post(around_.io, [this] {
    stopping_ = true;
    timer_.cancel();
    const auto workers = workers_;  // which end meanwhile
    for (const worker_ptr& w : workers) w->cancel.emit(asio::cancellation_type::terminal);
  });
}

void reporter::finish() {
  const std::uint64_t changes = store_.changes();
  if (changes != saved_) note_saved(changes, store_.save(settings_.file));
  tell_dropped();
}

// This one and the next are called where an exception would end io's run(). Without the memory for
// a line there is none.
void reporter::tell_error(std::string_view what) noexcept {
  try {
    around_.log.note(smtp::log_level::error, where, what);
  } catch (...) {
  }
}

void reporter::tell_exception(std::string_view before, const std::exception_ptr& e,
                              std::string_view behind) noexcept {
  try {
    tell_error(std::string(before) + smtp::detail::exception_text(e) + std::string(behind));
  } catch (...) {
    tell_error(before);
  }
}

reporter::clock::duration reporter::patience(std::chrono::milliseconds at_most) const {
  return std::min<clock::duration>(at_most, settings_.interval);
}

// --- The counts ----------------------------------------------------------------------------------

asio::awaitable<void> reporter::save() {
  const std::uint64_t changes = store_.changes();
  if (changes == saved_) co_return;
  std::error_code error;
  std::function<void()> write_counts = [&] { error = store_.save(settings_.file); };
  co_await run_on(helper_, std::move(write_counts));
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

// --- Rounds --------------------------------------------------------------------------------------

asio::awaitable<void> reporter::run() {
  while (!stopping_) {
    try {
      co_await round();
    } catch (...) {
      tell_exception("broken off by an exception: ", std::current_exception(), "; we go on");
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

// Takes up all that is due and not put off. Workers of earlier rounds go on with it.
void reporter::begin_round(const std::vector<std::uint64_t>& due) {
  const auto now = clock::now();
  if (stopping_ || now < folder_again_) return;
  queue_.clear();
  for (const std::uint64_t id : due) {
    const auto later = put_off_.find(id);
    const bool waits = later != put_off_.end() && later->second.until > now;
    const bool served = std::any_of(workers_.begin(), workers_.end(),
                                    [id](const worker_ptr& w) { return w->id == id; });
    if (!waits && !served) queue_.push_back(id);
  }
  const std::size_t more = std::min(queue_.size(), pace_.workers - workers_.size());
  for (std::size_t n = 0; n < more; ++n) begin_worker();
}

void reporter::begin_worker() {
  const auto w = std::make_shared<worker>();
  const auto ended = [this, w](const std::exception_ptr& e) {
    std::erase(workers_, w);
    if (e && !stopping_) tell_exception("a worker was ended by an exception: ", e);
    // What was settled is to be saved. An exception might come again at once.
    if (!e && workers_.empty()) timer_.cancel();
  };
  workers_.push_back(w);
  try {
    asio::co_spawn(around_.io, work(w), asio::bind_cancellation_slot(w->cancel.slot(), ended));
  } catch (...) {
    std::erase(workers_, w);
    throw;
  }
}

asio::awaitable<void> reporter::work(worker_ptr me) {
  while (take(*me)) {
    co_await serve(me->id, me->serves);
  }
}

// The next one; false: there is none that it may serve.
bool reporter::take(worker& me) {
  me.id = 0;
  me.serves.reset();
  for (auto it = queue_.begin(); it != queue_.end() && !stopping_; ++it) {
    report_ptr r = store_.closed(*it);
    if (!r || !may_serve(*r)) continue;
    me.id = *it;
    me.serves = std::move(r);
    queue_.erase(it);
    return true;
  }
  return false;
}

// One organization whose DNS is slow does not hold up the others. Its workers take the rest of its
// reports.
bool reporter::may_serve(const report& r) const {
  const auto same = [&r](const worker_ptr& w) {
    return w->serves && organization_of(w->serves->policy) == organization_of(r.policy);
  };
  const auto has = std::count_if(workers_.begin(), workers_.end(), same);
  return static_cast<std::size_t>(has) < pace_.workers_per_organization;
}

// --- One report ----------------------------------------------------------------------------------

// What goes wrong with it does not end those who serve the others.
asio::awaitable<void> reporter::serve(std::uint64_t id, report_ptr r) {
  co_await asio::this_coro::reset_cancellation_state();
  try {
    co_await try_to_serve(id, r);
  } catch (...) {
    if (!stopping_) {
      const bool again = put_off_failed(id);  // first, or it would be the next one again
      tell_failed(*r, smtp::detail::exception_text(), again);
    }
  }
}

asio::awaitable<void> reporter::try_to_serve(std::uint64_t id, report_ptr r) {
  dmarc::destination_options options;
  options.suffixes = around_.suffixes.get();
  destinations to(r->policy, options);
  const question_pace pace{pace_.question, pace_.questions};
  co_await verify(to, around_.dns, pace);
  if (to.incomplete()) {
    const bool again = put_off(id, &delay::unanswered);
    if (again) co_return;
  }
  // Now it ends soon, and as a whole.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await hand_over(id, *r, to);
}

asio::awaitable<void> reporter::hand_over(std::uint64_t id, const report& r,
                                          const destinations& to) {
  letter mail;
  std::function<void()> write_it = [&] { mail = write_letter(r, to, settings_, around_.sign); };
  co_await run_on(helper_, std::move(write_it));
  if (mail.error && mail.of_one_file) {
    const bool again = put_off_failed(id);
    tell_failed(r, mail.file + ": " + mail.error.message(), again);
  } else if (mail.error) {
    folder_failed(r, mail);
  } else {
    done_with(id);
    tell_done(r, mail);
    if (!mail.to.empty()) folder_works();
  }
}

void reporter::tell_done(const report& r, const letter& mail) {
  const std::string all = r.policy.domain + ": " + std::to_string(messages_of(r)) + " messages, ";
  if (mail.to.empty())
    around_.log.note(smtp::log_level::debug, where, all + "and nobody wants the report");
  else
    around_.log.note(smtp::log_level::info, where,
                     all + "the report to " + mail.to + " is " + mail.file);
  for (const std::string& address : mail.left_out)
    around_.log.note(smtp::log_level::info, where,
                     r.policy.domain + ": " + address +
                         " gets no report: a To field has no place for it in ASCII");
}

void reporter::done_with(std::uint64_t id) {
  store_.settle(id);
  put_off_.erase(id);
}

// False: it was often enough.
bool reporter::put_off(std::uint64_t id, unsigned delay::* attempts) {
  delay& d = put_off_[id];
  if (++(d.*attempts) > pace_.attempts) return false;
  d.until = clock::now() + patience(pace_.again);
  return true;
}

// This one only. False: it was often enough, and it is thrown away.
bool reporter::put_off_failed(std::uint64_t id) {
  const bool again = put_off(id, &delay::failures);
  if (!again) done_with(id);
  return again;
}

void reporter::tell_failed(const report& r, const std::string& why, bool again) {
  tell_error(
      "the report on " + r.policy.domain + " fails: " + why +
      (again ? "; it is tried again in " + text_of(patience(pace_.again)) : "; it is thrown away"));
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
