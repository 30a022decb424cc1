#include "examples/border_mta/failure_reports.hpp"

#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <utility>

#include "checks/dmarc/destinations.hpp"
#include "checks/dmarc/failure_report.hpp"
#include "checks/dmarc/report.hpp"
#include "examples/border_mta/failed_mail.hpp"
#include "smtp/detail/early_wait.hpp"
#include "smtp/detail/exception_text.hpp"

namespace border_mta {

namespace checks = gatepost::checks;
namespace dmarc = gatepost::checks::dmarc;
namespace smtp = gatepost::smtp;

namespace {

constexpr std::string_view where = "dmarc failure reports";
constexpr std::chrono::hours hour(1);

}  // namespace

// One that waits, from when it is taken until it is written or dropped.
struct failure_reporter::item {
  explicit item(std::shared_ptr<std::atomic<std::size_t>> n) : waiting(std::move(n)) { ++*waiting; }
  item(const item&) = delete;
  item& operator=(const item&) = delete;
  ~item() { --*waiting; }

  std::shared_ptr<std::atomic<std::size_t>> waiting;
  failed_mail mail;
  asio::cancellation_signal cancel;
};

failure_reporter::failure_reporter(reports_section settings, failure_surroundings around,
                                   failure_pace pace)
    : settings_(std::move(settings)),
      around_(std::move(around)),
      pace_(std::move(pace)),
      organizations_(pace_.organizations) {
  settings_.sender = sender_of(settings_);
}

void failure_reporter::start(letter_signer sign) {
  sign_ = std::move(sign);
  remove_leftovers(settings_.directory);
}

void failure_reporter::stop() {
  asio::post(around_.io, [this] {
    stopping_ = true;
    const auto items = items_;  // which end meanwhile
    for (const item_ptr& one : items) one->cancel.emit(asio::cancellation_type::terminal);
  });
}

void failure_reporter::finish() { tell_dropped(); }

// --- In sessions ---------------------------------------------------------------------------------

// Without the memory for a report there is none.
void failure_reporter::tell(const checks::context& ctx, const dmarc::evaluation& e,
                            const dmarc::identifiers& found) noexcept {
  try {
    if (!wanted(ctx, e, found)) return;
    const item_ptr one = admit(e);
    if (!one) return drop();
    one->mail = failed_mail_of(ctx, e, found);
    one->mail.told.authserv_id = around_.authserv_id;
    asio::post(around_.io, [this, one] { begin(one); });
  } catch (...) {
  }
}

// As with aggregate reports: of who comes by a Unix socket there is no address to tell.
bool failure_reporter::wanted(const checks::context& ctx, const dmarc::evaluation& e,
                              const dmarc::identifiers& found) const {
  return dmarc::failure_report_wanted(e, found) && ctx.facts().has_client_address() &&
         !is_automatic(ctx);
}

// nullptr: it is one too many.
failure_reporter::item_ptr failure_reporter::admit(const dmarc::evaluation& e) {
  const std::string who = dmarc::policy_of(e, around_.regime, around_.suffixes.get()).organization;
  const failure_section& most = settings_.failure;
  const std::lock_guard lock(mutex_);
  if (*waiting_ >= pace_.waiting) return nullptr;
  const auto now = pace_.now();
  // Taken in the end: what one organization has no budget for costs the others nothing.
  checks::detail::meter all = in_all_;
  if (!all.take(most.in_all, hour, now)) return nullptr;
  const auto take = [&](budget& own) { return own.used.take(most.per_hour, hour, now); };
  if (!organizations_.with(who, now, false, take)) return nullptr;
  in_all_ = all;
  return std::make_shared<item>(waiting_);
}

void failure_reporter::drop() {
  {
    const std::lock_guard lock(mutex_);
    ++dropped_;
    const auto now = pace_.now();
    if (now < tell_again_) return;
    tell_again_ = now + pace_.told;
  }
  tell_dropped();
}

void failure_reporter::tell_dropped() {
  std::uint64_t n = 0;
  {
    const std::lock_guard lock(mutex_);
    n = std::exchange(dropped_, 0);
  }
  if (n > 0)
    around_.log.note(smtp::log_level::warning, where,
                     std::to_string(n) +
                         " messages more have no failure report: per_hour and in_all allow no "
                         "more, or too many wait");
}

// --- On io's thread ------------------------------------------------------------------------------

void failure_reporter::begin(const item_ptr& one) noexcept {
  if (stopping_) return;
  try {
    items_.push_back(one);
    const auto over = [this, one](const std::exception_ptr& e) { ended(one, e); };
    smtp::detail::spawn(around_.io.get_executor(), serve(one), over, one->cancel.slot());
  } catch (...) {
    ended(one, std::current_exception());
  }
}

void failure_reporter::ended(const item_ptr& one, const std::exception_ptr& e) noexcept {
  std::erase(items_, one);
  if (e && !stopping_) tell_error("a failure report is thrown away: ", e);
}

// Whoever is not verified now gets none: a report that comes much later is of little use.
asio::awaitable<void> failure_reporter::serve(item_ptr one) {
  dmarc::failed_message& told = one->mail.told;
  dmarc::destination_options options;
  options.failure_reports = true;
  options.suffixes = around_.suffixes.get();
  dmarc::destinations to(told.outcome.record_domain, around_.regime, told.outcome.record->ruf,
                         options);
  co_await verify(to, around_.dns, pace_.dns);
  // Now it ends soon, and as a whole.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  told.header = one->mail.header;
  letter mail;
  std::function<void()> write_it = [&] {
    mail = write_failure_letter(told, one->mail.id, to, settings_, sign_);
  };
  co_await run_on(helper_, std::move(write_it));
  tell_written(told.outcome.author_domain, mail);
}

// The folder's troubles are told once, until it works again.
void failure_reporter::tell_written(const std::string& domain, const letter& mail) {
  if (mail.error) {
    if (std::exchange(folder_failed_, true)) return;
    return around_.log.note(smtp::log_level::error, where,
                            "the failure report on " + domain + " is lost: " + mail.file + ": " +
                                mail.error.message() + "; and so are all, until it works again");
  }
  if (mail.to.empty())
    return around_.log.note(smtp::log_level::debug, where,
                            domain + ": nobody may have the failure report");
  around_.log.note(smtp::log_level::info, where,
                   domain + ": the failure report to " + mail.to + " is " + mail.file);
  if (std::exchange(folder_failed_, false))
    around_.log.note(smtp::log_level::info, where,
                     settings_.directory + ": failure reports are written again");
}

void failure_reporter::tell_error(std::string_view what, const std::exception_ptr& e) noexcept {
  try {
    around_.log.note(smtp::log_level::error, where,
                     std::string(what) + smtp::detail::exception_text(e));
  } catch (...) {
  }
}

}  // namespace border_mta
