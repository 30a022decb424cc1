#ifndef GATEPOST_SMTP_IMPL_DRIVE_IPP
#define GATEPOST_SMTP_IMPL_DRIVE_IPP

#include <algorithm>
#include <asio/this_coro.hpp>
#include <exception>
#include <functional>
#include <utility>

#include "smtp/detail/early_wait.hpp"
#include "smtp/drive.hpp"

namespace gatepost::smtp {

// While it lives, the client is watched: does it leave, does the answer come too late?
class session_driver::busy {
 public:
  enum class about : bool { command, message };

  explicit busy(session_driver& d, about what = about::command)
      : driver_(d), about_(what), from_(d.connection_.now()) {
    d.late_ = d.left_ = false;
    const auto spent = what == about::message ? d.message_asked_ : std::chrono::nanoseconds(0);
    d.connection_.watch(&d, from_ + d.engine_.settings().limits.processing_time - spent);
  }
  busy(const busy&) = delete;
  busy& operator=(const busy&) = delete;
  ~busy() {
    driver_.connection_.watch(nullptr);
    if (about_ == about::message) driver_.message_asked_ += driver_.connection_.now() - from_;
  }

 private:
  session_driver& driver_;
  about about_;
  time_point from_;
};

namespace detail {

// What a session does at a stretch, without having had to wait: then the others of its thread have
// their turn. Some ten pipelined messages.
inline constexpr unsigned actions_at_a_stretch = 64;

}  // namespace detail

GATEPOST_DECL session_driver::session_driver(transport& connection, const channel& settings,
                                             session_facts& facts, const session_services& services,
                                             buffer_pool& pool)
    : connection_(connection),
      facts_(facts),
      services_(services),
      first_channel_(settings),
      engine_(settings, facts, pool,
              {.tls = services.tls != nullptr,
               .auth = services.authenticator != nullptr,
               .counters = services.counters}),
      view_{facts, engine_.envelope()},
      started_(connection.now()) {}

GATEPOST_DECL asio::awaitable<void> session_driver::run(asio::cancellation_signal& cancel) {
  cancel_ = &cancel;
  try {
    if (services_.observer.wants_transcript(facts_)) engine_.set_tap(this);
    co_await converse();
  } catch (...) {
    ended_by_ = "error";
    complain("session");
  }
  intake_.reset();
  policy_.reset();
  connection_.close();
  const auto limit = engine_.ended_by_limit();
  services_.observer.on_session_end({facts_, ended_by(), octets_in_, octets_out_,
                                     connection_.now() - started_, limit ? to_string(*limit) : ""});
}

GATEPOST_DECL asio::awaitable<void> session_driver::converse() {
  if (facts_.tls) choose_channel();  // implicit TLS
  co_await listen_before_speaking();
  bool open = true;
  unsigned stretch = 0;
  while (open) {
    if (++stretch > detail::actions_at_a_stretch) {
      stretch = 0;
      co_await detail::let_others_run();
    }
    const action a = engine_.next();
    switch (a.kind) {
      case action_kind::read:
        if (!read_now()) {
          co_await read(a.wait);
          stretch = 0;
        }
        break;
      case action_kind::flush:
        if (!flush_now()) co_await flush();
        break;
      case action_kind::pause: co_await pause(a.wait); break;
      case action_kind::ask:
        if (!ask_now(a.stage)) co_await ask(a.stage);
        break;
      case action_kind::auth_step: co_await authenticate(std::string(a.text)); break;
      case action_kind::etrn: co_await start_delivery(std::string(a.text)); break;
      case action_kind::body: co_await take_body(a.text); break;
      case action_kind::reset: over(a.said); break;
      case action_kind::start_tls: co_await start_tls(); break;
      case action_kind::close: open = false; break;
    }
  }
  co_await flush();
}

GATEPOST_DECL std::string_view session_driver::ended_by() const {
  return ended_by_.empty() ? to_string(engine_.ended_by()) : ended_by_;
}

// Who speaks before the greeting does not wait for what a server says: an early talker.
GATEPOST_DECL asio::awaitable<void> session_driver::listen_before_speaking() {
  const auto delay = engine_.settings().greeting_delay;
  if (delay.count() == 0) co_return;
  const time_point until = connection_.now() + delay;
  // Read first: what came with the end of a TLS handshake is with us, and nobody tells of it.
  io_result r = connection_.try_read(engine_.prepare());
  while (r.would_block()) {
    engine_.idle();
    const std::error_code silent = co_await connection_.wait(readiness::to_read, until);
    if (silent) co_return;
    r = connection_.try_read(engine_.prepare());
  }
  octets_in_ += r.octets;
  engine_.received(r.octets);
  facts_.early_talker = r.octets > 0;
  if (r.error) engine_.lost();
}

GATEPOST_DECL void session_driver::stop() {
  engine_.stop();
  connection_.cancel();
}

GATEPOST_DECL void session_driver::stop_now() {
  // A message that is being made durable will be: the client has to hear of it, or sends it again.
  if (committing_) return engine_.stop();
  engine_.end(replies::shutting_down, session_end::shutdown);
  cancel_policy();
  cancel_port();
  connection_.cancel();
}

// --- Reading and writing -------------------------------------------------------------------------

GATEPOST_DECL time_point session_driver::deadline_in(std::chrono::milliseconds wait,
                                                     time_point now) const {
  return std::min(now + wait, started_ + engine_.settings().limits.session_time);
}

GATEPOST_DECL bool session_driver::read_now() {
  // RFC 5321 §4.5.3.2.7: for a command, not for each octet of one.
  const bool another = std::exchange(lines_, engine_.lines()) != engine_.lines();
  if (another || !engine_.in_line()) waiting_since_.reset();
  return flush_now() && receive_now();
}

GATEPOST_DECL bool session_driver::receive_now() {
  if (engine_.closed()) return true;
  const io_result r = connection_.try_read(engine_.prepare());
  if (r.would_block()) return false;
  if (r.error)
    read_failed(r.error);
  else
    received(r.octets);
  return true;
}

// After read_now().
GATEPOST_DECL asio::awaitable<void> session_driver::read(std::chrono::milliseconds at_most) {
  do {
    if (!engine_.output().empty()) {
      co_await flush();
      continue;
    }
    engine_.idle();
    const time_point from = connection_.now();
    if (!waiting_since_) waiting_since_ = from;
    const time_point until = std::min(deadline_in(at_most, *waiting_since_), rate_deadline(from));
    const bool in_text = engine_.in_message();  // and not between two chunks of it
    const std::error_code waited = co_await connection_.wait(readiness::to_read, until);
    if (in_text && message_octets_ > 0) message_waited_ += connection_.now() - from;
    message_asked_ = {};  // it was not at its end before
    if (waited) co_return read_failed(waited);
  } while (!receive_now());
}

GATEPOST_DECL void session_driver::received(std::size_t octets) {
  octets_in_ += octets;
  if (engine_.in_message()) {
    if (message_octets_ == 0) message_started_ = connection_.now();
    message_octets_ += octets;
  }
  engine_.received(octets);
}

// When the message that comes in is slower than limits.min_body_rate, should nothing more of it
// come. Only the time in which we wait for the client counts: it may have to wait for us.
GATEPOST_DECL time_point session_driver::rate_deadline(time_point now) const {
  const session_limits& limits = engine_.settings().limits;
  if (limits.min_body_rate == 0 || !engine_.in_message() || message_octets_ == 0)
    return time_point::max();
  const std::chrono::duration<double> worth(static_cast<double>(message_octets_) /
                                            static_cast<double>(limits.min_body_rate));
  // More than any session lasts is as good as for ever.
  if (worth > limits.session_time) return time_point::max();
  const auto allowed = std::max<std::chrono::nanoseconds>(
      limits.rate_grace, std::chrono::duration_cast<std::chrono::nanoseconds>(worth));
  return now + (allowed - message_waited_);
}

GATEPOST_DECL void session_driver::read_failed(std::error_code why) {
  if (why == errc::cancelled) return;  // stop() woke us; the engine knows
  if (why != errc::timed_out) {
    if (connection_.tls() != nullptr) tell_of_tls_error();
    return engine_.lost();
  }
  const time_point now = connection_.now();
  if (now >= started_ + engine_.settings().limits.session_time) {
    engine_.reached(limit_kind::session_time);
    return engine_.end(replies::session_too_long, session_end::timeout);
  }
  if (now < rate_deadline(now)) return engine_.timed_out();
  ended_by_ = "too slow";
  engine_.reached(limit_kind::min_body_rate);
  engine_.end(replies::too_slow, session_end::timeout);
}

GATEPOST_DECL bool session_driver::flush_now() {
  while (!engine_.output().empty()) {
    const io_result r = connection_.try_write(engine_.output());
    octets_out_ += r.octets;
    engine_.sent(r.octets);
    if (!r.error) continue;
    if (r.would_block()) return false;
    engine_.lost();
  }
  return true;
}

GATEPOST_DECL asio::awaitable<void> session_driver::flush() {
  std::optional<time_point> deadline;
  while (!flush_now()) {
    if (!deadline) deadline = connection_.now() + engine_.settings().limits.write_timeout;
    const std::error_code why = co_await connection_.wait(readiness::to_write, *deadline);
    // A stop() ends what is waited for; what is to be said is said nevertheless.
    if (!why || why == errc::cancelled) continue;
    if (why == errc::timed_out) engine_.reached(limit_kind::write_timeout);
    engine_.lost(why == errc::timed_out ? session_end::timeout : session_end::client_left);
  }
}

// The tarpit: the reply waits, too.
GATEPOST_DECL asio::awaitable<void> session_driver::pause(std::chrono::milliseconds wait) {
  const time_point until = connection_.now() + wait;
  const std::error_code ended = co_await connection_.wait(readiness::never, until);
  if (ended == errc::connection_lost) engine_.lost();
}

GATEPOST_DECL asio::awaitable<void> session_driver::start_tls() {
  co_await flush();
  if (engine_.closed()) co_return;
  const time_point deadline = deadline_in(engine_.settings().limits.tls_timeout, connection_.now());
  const std::error_code failed = co_await connection_.accept_tls(*services_.tls, deadline);
  if (!failed) {
    facts_.tls = *connection_.tls();
    engine_.tls_started();
    choose_channel();
    co_return;
  }
  // In the middle of a handshake there is no way to say anything.
  if (failed == errc::cancelled) {
    engine_.lost(session_end::shutdown);
    co_return;
  }
  const std::string what = connection_.tls_error();
  services_.observer.on_trouble({"tls", what, facts_.id, true});
  ended_by_ = "tls failed";
  if (failed == errc::timed_out) engine_.reached(limit_kind::tls_timeout);
  engine_.lost(failed == errc::timed_out ? session_end::timeout : session_end::client_left);
}

// Renegotiation, a record that cannot be read: the session ends, and not because the client left.
GATEPOST_DECL void session_driver::tell_of_tls_error() {
  const std::string what = connection_.tls_error();
  if (what.empty()) return;
  ended_by_ = "tls failed";
  services_.observer.on_trouble({"tls", what, facts_.id, true});
}

// --- Watching ------------------------------------------------------------------------------------

GATEPOST_DECL void session_driver::on_left() {
  // What it has sent already may still be a whole transaction; and what is being made safe is made
  // safe. While its text is written, the read that follows will tell.
  const bool writing = !port_.empty() && engine_.in_message();
  if (engine_.has_input() || committing_ || writing) return;
  left_ = true;
  cancel_policy();
}

GATEPOST_DECL void session_driver::on_late() {
  late_ = true;
  engine_.reached(port_.empty() ? limit_kind::processing_time : limit_kind::answer_time);
  if (port_.empty()) {
    if (!committing_) cancel_policy();
    return;
  }
  const std::string_view late = port_;
  cancel_port();
  try {  // called by the clock, which has other sessions to see to
    services_.observer.on_trouble(
        {late, "it has not answered in time, and is cancelled", facts_.id});
  } catch (...) {
  }
}

GATEPOST_DECL void session_driver::on_line(bool from_client, std::string_view line) {
  services_.observer.on_transcript(
      facts_, from_client ? direction::from_client : direction::to_client, line);
}

}  // namespace gatepost::smtp

// What the driver asks, and what it does about messages.
#include "smtp/impl/drive_message.ipp"
#include "smtp/impl/drive_questions.ipp"

#endif  // GATEPOST_SMTP_IMPL_DRIVE_IPP
