// What the driver asks the application's ports.
#ifndef GATEPOST_SMTP_IMPL_DRIVE_QUESTIONS_IPP
#define GATEPOST_SMTP_IMPL_DRIVE_QUESTIONS_IPP

#include <asio/this_coro.hpp>
#include <string>
#include <utility>

#include "smtp/detail/exception_text.hpp"
#include "smtp/drive.hpp"
#include "smtp/impl/drive.ipp"

namespace gatepost::smtp {

// While it lives, a port is asked that cannot be told to hurry: it is cancelled when
// limits.answer_time is over. Where `end` says so, reset_cancellation_state() has to be awaited
// next, or nothing can be awaited any more.
class session_driver::port_call {
 public:
  port_call(session_driver& d, std::string_view port) : driver_(d) {
    d.port_ = port;
    d.late_ = d.port_cancelled_ = false;
    const transport& c = d.connection_;
    d.connection_.watch(&d, c.now() + d.engine_.settings().limits.answer_time);
  }
  port_call(const port_call&) = delete;
  port_call& operator=(const port_call&) = delete;
  ~port_call() { end(); }

  // True, once: it was cancelled.
  bool end() {
    if (driver_.port_.empty()) return false;
    driver_.connection_.watch(nullptr);
    driver_.port_ = {};
    return std::exchange(driver_.port_cancelled_, false);
  }

 private:
  session_driver& driver_;
};

namespace detail {

// What a delivery that cannot take a message means to its client (RFC 5321 §4.2.3).
inline const fixed_reply& storage_reply(std::error_code why) {
  const bool full = why == errc::spool_full || why == errc::resource_limit;
  return full ? replies::no_storage : replies::local_error;
}

// RFC 4954 §6.
inline auth_answer no_auth_answer() {
  return auth_answer::failure({454, {4, 7, 0}, "Temporary authentication failure"});
}

}  // namespace detail

// A port threw: that is trouble of ours, and no answer. What it says when it is cancelled is none.
GATEPOST_DECL verdict session_driver::threw(std::string_view where) {
  if (port_cancelled_) return verdict::defer(replies::took_too_long);
  const std::string what = detail::exception_text();
  services_.observer.on_trouble({where, what, facts_.id});
  return verdict::defer(replies::local_error);
}

// The same where nobody could do anything about it: not even a lack of memory for these words.
GATEPOST_DECL void session_driver::complain(std::string_view where) {
  try {
    threw(where);
  } catch (...) {
  }
}

// Called by the clock, too.
GATEPOST_DECL void session_driver::cancel_policy() {
  if (!policy_) return;
  try {
    policy_->cancel();
  } catch (...) {
    complain("policy");
  }
}

// The commit is not among them: what is being made safe is made safe.
GATEPOST_DECL void session_driver::cancel_port() {
  if (port_.empty() || std::exchange(port_cancelled_, true)) return;
  cancel_->emit(asio::cancellation_type::terminal);
}

GATEPOST_DECL bool session_driver::ask_now(smtp::stage s) {
  const bool by_others = s == smtp::stage::rcpt || s == smtp::stage::data ||
                         s == smtp::stage::message || s == smtp::stage::connect;
  if (by_others || !policy_->ignores(s)) return false;
  engine_.answer(verdict::pass());
  return true;
}

GATEPOST_DECL asio::awaitable<void> session_driver::ask(smtp::stage s) {
  switch (s) {
    case smtp::stage::rcpt: return ask_recipient();
    case smtp::stage::data: return ask_data();
    case smtp::stage::message: return ask_message();
    default: return ask_policy_only(s);
  }
}

GATEPOST_DECL void session_driver::answer(const verdict& v) {
  if (left_)
    engine_.lost();
  else
    engine_.answer(v);
}

GATEPOST_DECL asio::awaitable<void> session_driver::ask_policy_only(smtp::stage s) {
  const verdict v = co_await ask_policy(s);
  answer(v);
}

GATEPOST_DECL asio::awaitable<verdict> session_driver::ask_policy(smtp::stage s) {
  const busy watched(*this);
  verdict v;
  try {
    // XCLIENT begins the session anew, with another client.
    if (s == smtp::stage::connect) policy_ = services_.policy.open(view_);
    v = co_await policy_->ask(s);
  } catch (...) {
    v = threw("policy");
  }
  if (late_) v = verdict::defer(replies::took_too_long);
  co_return v;
}

GATEPOST_DECL asio::awaitable<void> session_driver::ask_recipient() {
  verdict v;
  if (!policy_->ignores(smtp::stage::rcpt)) v = co_await ask_policy(smtp::stage::rcpt);
  if (v.negative() || left_) co_return answer(v);
  std::string policy_class;
  if (v.has_effects()) policy_class = v.what_else().policy_class;
  const time_point from = connection_.now();
  port_call asked(*this, "delivery");
  try {
    v = co_await services_.delivery.resolve(view_, engine_.asked_recipient());
  } catch (...) {
    v = threw("delivery");
  }
  if (asked.end()) {
    co_await asio::this_coro::reset_cancellation_state();
    v = verdict::defer(replies::took_too_long);
  }
  services_.observer.on_verdict(
      {facts_, engine_.envelope(), "rcpt", "delivery", v, connection_.now() - from});
  if (!policy_class.empty()) {  // the delivery's class counts as well
    std::string& whole = engine_.asked_recipient().policy_class;
    if (!whole.empty()) policy_class.append(1, ' ').append(whole);
    whole.swap(policy_class);
  }
  answer(v);
}

GATEPOST_DECL asio::awaitable<void> session_driver::ask_data() {
  verdict v;
  if (!policy_->ignores(smtp::stage::data)) v = co_await ask_policy(smtp::stage::data);
  if (!v.negative() && !left_) v = co_await begin_message();
  answer(v);
}

// Whether there is room for a message.
GATEPOST_DECL verdict session_driver::make_room() {
  memory_ = memory_reservation(services_.memory);
  if (!memory_.grow_to(engine_.settings().limits.read_buffer)) {
    engine_.reached(limit_kind::memory);
    return verdict::defer(replies::no_storage);
  }
  try {
    const std::error_code closed = services_.delivery.available();
    return closed ? verdict::defer(detail::storage_reply(closed)) : verdict::pass();
  } catch (...) {
    return threw("delivery");
  }
}

GATEPOST_DECL asio::awaitable<verdict> session_driver::begin_message() {
  verdict v = make_room();
  if (v.negative()) co_return v;
  port_call asked(*this, "delivery");
  try {
    intake_ = co_await services_.delivery.begin(view_);
  } catch (...) {
    v = threw("delivery");
  }
  if (asked.end()) {
    co_await asio::this_coro::reset_cancellation_state();
    intake_.reset();
    v = verdict::defer(replies::took_too_long);
  }
  if (v.negative()) co_return v;
  if (!intake_) co_return verdict::defer(replies::local_error);
  header_.begin(engine_.settings().limits.header);
  message_octets_ = 0;
  message_waited_ = message_asked_ = {};
  message_started_ = connection_.now();
  co_return v;
}

GATEPOST_DECL asio::awaitable<void> session_driver::authenticate(std::string response) {
  const busy watched(*this);
  const bool told = engine_.has_auth_response();
  port_call asked(*this, "auth");
  auth_answer answer = auth_answer::failure(replies::bad_mechanism);
  try {
    if (engine_.auth_begins())
      auth_ = services_.authenticator->start(engine_.auth_mechanism(), facts_);
    if (auth_) answer = co_await auth_->step(std::move(response), told);
  } catch (...) {
    threw("auth");
    answer = detail::no_auth_answer();
  }
  if (asked.end()) {
    co_await asio::this_coro::reset_cancellation_state();
    answer = detail::no_auth_answer();
  }
  if (answer.what() != auth_answer::kind::challenge) auth_.reset();
  if (left_)
    engine_.lost();
  else
    engine_.answer_auth(answer);
  if (answer.what() == auth_answer::kind::success && !engine_.closed()) choose_channel();
}

// It is known better now who the client is.
GATEPOST_DECL void session_driver::choose_channel() {
  if (!services_.channel_for) return;
  const channel* const found = services_.channel_for(facts_);
  const channel& next = found != nullptr ? *found : first_channel_;
  if (&next == &engine_.settings()) return;
  engine_.switch_channel(next);
  facts_.channel = next.name;
}

GATEPOST_DECL asio::awaitable<void> session_driver::start_delivery(std::string node) {
  const busy watched(*this);
  reply said;
  port_call asked(*this, "delivery");
  try {
    said = co_await services_.delivery.etrn(view_, std::move(node));
  } catch (...) {
    said = threw("delivery").reply();
  }
  if (asked.end()) {
    co_await asio::this_coro::reset_cancellation_state();
    said = replies::took_too_long;
  }
  if (left_)
    engine_.lost();
  else
    engine_.answer_etrn(said);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_DRIVE_QUESTIONS_IPP
