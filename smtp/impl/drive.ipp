#ifndef GATEPOST_SMTP_IMPL_DRIVE_IPP
#define GATEPOST_SMTP_IMPL_DRIVE_IPP

#include <algorithm>
#include <exception>
#include <functional>

#include "smtp/drive.hpp"

namespace gatepost::smtp {

// What the policy's last verdict means for each recipient.
struct session_driver::judgement {
  judgement() = default;
  std::vector<std::size_t> takers;  // recipients that get the message
  std::vector<reply> each;          // one per recipient; an empty reply: it depends on the delivery
  reply refusal;                    // nobody gets it: this is why
  bool hold = false;
  std::string reason;  // of discard or hold
};

// While it lives, the client is watched: does it leave, does the answer come too late?
class session_driver::busy {
 public:
  explicit busy(session_driver& d) : connection_(d.connection_) {
    d.late_ = d.left_ = false;
    connection_.watch(&d, connection_.now() + d.engine_.settings().limits.processing_time);
  }
  busy(const busy&) = delete;
  busy& operator=(const busy&) = delete;
  ~busy() { connection_.watch(nullptr); }

 private:
  transport& connection_;
};

namespace detail {

// Of a message that was refused.
inline std::string_view result_of(const reply& said) {
  return said.temporary() ? "deferred" : "refused";
}

// What a delivery may say of a message: the end of it, one way or another.
inline bool is_final(const reply& r) { return r.code() / 100 == 2 || r.code() >= 400; }

inline std::string text_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

}  // namespace detail

GATEPOST_DECL session_driver::session_driver(transport& connection, const channel& settings,
                                             session_facts& facts, const session_services& services,
                                             buffer_pool& pool)
    : connection_(connection),
      facts_(facts),
      services_(services),
      engine_(settings, facts, pool,
              {.tls = services.tls != nullptr, .auth = services.authenticator != nullptr}),
      view_{facts, engine_.envelope()},
      started_(connection.now()) {}

GATEPOST_DECL asio::awaitable<void> session_driver::run() {
  if (services_.observer.wants_transcript(facts_)) engine_.set_tap(this);
  try {
    co_await converse();
  } catch (...) {
    threw("session");
    ended_by_ = "error";
  }
  intake_.reset();
  policy_.reset();
  connection_.close();
  services_.observer.on_session_end(
      {facts_, ended_by(), octets_in_, octets_out_, connection_.now() - started_});
}

GATEPOST_DECL asio::awaitable<void> session_driver::converse() {
  co_await listen_before_speaking();
  bool open = true;
  while (open) {
    const action a = engine_.next();
    switch (a.kind) {
      case action_kind::read: co_await read(a.wait); break;
      case action_kind::flush: co_await flush(); break;
      case action_kind::pause: co_await pause(a.wait); break;
      case action_kind::ask: co_await ask(a.stage); break;
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
  const std::error_code silent = co_await connection_.wait(readiness::to_read, until);
  if (silent) co_return;
  const io_result r = connection_.try_read(engine_.prepare());
  octets_in_ += r.octets;
  engine_.received(r.octets);
  facts_.early_talker = r.octets > 0;
  if (r.error && !r.would_block()) engine_.lost();
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
  connection_.cancel();
}

// --- Reading and writing -------------------------------------------------------------------------

GATEPOST_DECL time_point session_driver::deadline_in(std::chrono::milliseconds wait) const {
  const time_point whole = started_ + engine_.settings().limits.session_time;
  return std::min(connection_.now() + wait, whole);
}

GATEPOST_DECL asio::awaitable<void> session_driver::read(std::chrono::milliseconds at_most) {
  if (!engine_.output().empty()) co_await flush();
  const time_point deadline = deadline_in(at_most);
  while (!engine_.closed()) {
    const io_result r = connection_.try_read(engine_.prepare());
    if (!r.error) {
      octets_in_ += r.octets;
      if (engine_.in_message()) {
        if (message_octets_ == 0) message_started_ = connection_.now();
        message_octets_ += r.octets;
      }
      engine_.received(r.octets);
      co_return;
    }
    if (!r.would_block()) co_return read_failed(r.error);
    engine_.idle();
    const time_point from = connection_.now();
    const time_point too_slow = rate_deadline(from);
    const std::error_code waited =
        co_await connection_.wait(readiness::to_read, std::min(deadline, too_slow));
    if (message_octets_ > 0) message_waited_ += connection_.now() - from;
    if (waited) co_return read_failed(waited);
  }
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
  if (why != errc::timed_out) return engine_.lost();
  const time_point now = connection_.now();
  if (now >= started_ + engine_.settings().limits.session_time)
    return engine_.end(replies::session_too_long, session_end::timeout);
  if (now < rate_deadline(now)) return engine_.timed_out();
  ended_by_ = "too slow";
  engine_.end(replies::too_slow, session_end::timeout);
}

GATEPOST_DECL asio::awaitable<void> session_driver::flush() {
  const time_point deadline = connection_.now() + engine_.settings().limits.write_timeout;
  while (!engine_.output().empty()) {
    const io_result r = connection_.try_write(engine_.output());
    octets_out_ += r.octets;
    engine_.sent(r.octets);
    if (!r.error) continue;
    std::error_code why = r.error;
    if (r.would_block()) why = co_await connection_.wait(readiness::to_write, deadline);
    // A stop() ends what is waited for; what is to be said is said nevertheless.
    if (!why || why == errc::cancelled) continue;
    engine_.lost(why == errc::timed_out ? session_end::timeout : session_end::client_left);
    co_return;
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
  const time_point deadline = deadline_in(engine_.settings().limits.tls_timeout);
  const std::error_code failed = co_await connection_.accept_tls(*services_.tls, deadline);
  if (!failed) {
    facts_.tls = *connection_.tls();
    engine_.tls_started();
    co_return;
  }
  // In the middle of a handshake there is no way to say anything.
  if (failed == errc::cancelled) {
    engine_.lost(session_end::shutdown);
    co_return;
  }
  const std::string what = connection_.tls_error();
  services_.observer.on_trouble({"tls", what, facts_.id});
  ended_by_ = "tls failed";
  engine_.lost();
}

// --- Questions -----------------------------------------------------------------------------------

// A port threw: that is trouble of ours, and no answer.
GATEPOST_DECL verdict session_driver::threw(std::string_view where) {
  const std::string what = detail::text_of(std::current_exception());
  services_.observer.on_trouble({where, what, facts_.id});
  return verdict::defer(replies::local_error);
}

GATEPOST_DECL void session_driver::cancel_policy() {
  if (!policy_) return;
  try {
    policy_->cancel();
  } catch (...) {
    threw("policy");
  }
}

GATEPOST_DECL asio::awaitable<void> session_driver::ask(smtp::stage s) {
  const busy watched(*this);
  if (s == smtp::stage::message) {
    co_await ask_message();
    if (left_) engine_.lost();
    co_return;
  }
  verdict v;
  if (s == smtp::stage::rcpt)
    v = co_await ask_recipient();
  else if (s == smtp::stage::data)
    v = co_await ask_data();
  else
    v = co_await ask_policy(s);
  if (late_) v = verdict::defer(replies::took_too_long);
  if (left_)
    engine_.lost();
  else
    engine_.answer(v);
}

GATEPOST_DECL asio::awaitable<verdict> session_driver::ask_policy(smtp::stage s) {
  verdict v;
  try {
    // XCLIENT begins the session anew, with another client.
    if (s == smtp::stage::connect) policy_ = services_.policy.open(view_);
    v = co_await policy_->ask(s);
  } catch (...) {
    v = threw("policy");
  }
  co_return v;
}

GATEPOST_DECL asio::awaitable<verdict> session_driver::ask_recipient() {
  verdict v = co_await ask_policy(smtp::stage::rcpt);
  if (v.negative() || left_ || late_) co_return v;
  const time_point from = connection_.now();
  try {
    v = co_await services_.delivery.resolve(view_, engine_.asked_recipient());
  } catch (...) {
    v = threw("delivery");
  }
  services_.observer.on_verdict(
      {facts_, engine_.envelope(), "rcpt", "delivery", v, connection_.now() - from});
  co_return v;
}

GATEPOST_DECL asio::awaitable<verdict> session_driver::ask_data() {
  verdict v = co_await ask_policy(smtp::stage::data);
  if (v.negative() || left_ || late_) co_return v;
  memory_ = memory_reservation(services_.memory);
  if (!memory_.grow_to(engine_.settings().limits.read_buffer))
    co_return verdict::defer(replies::no_storage);
  try {
    ignores_body_ = policy_->ignores_body();
    intake_ = co_await services_.delivery.begin(view_);
  } catch (...) {
    v = threw("delivery");
  }
  if (v.negative()) co_return v;
  if (!intake_) co_return verdict::defer(replies::local_error);
  header_.begin(engine_.settings().limits.header);
  message_octets_ = 0;
  message_waited_ = {};
  message_started_ = connection_.now();
  co_return v;
}

GATEPOST_DECL asio::awaitable<void> session_driver::authenticate(std::string response) {
  const busy watched(*this);
  const bool told = engine_.has_auth_response();
  auth_answer answer = auth_answer::failure(replies::bad_mechanism);
  try {
    if (engine_.auth_begins())
      auth_ = services_.authenticator->start(engine_.auth_mechanism(), facts_);
    if (auth_) answer = co_await auth_->step(std::move(response), told);
  } catch (...) {
    threw("auth");
    answer = auth_answer::failure({454, {4, 7, 0}, "Temporary authentication failure"});
  }
  if (answer.what() != auth_answer::kind::challenge) auth_.reset();
  if (left_)
    engine_.lost();
  else
    engine_.answer_auth(answer);
}

GATEPOST_DECL asio::awaitable<void> session_driver::start_delivery(std::string node) {
  const busy watched(*this);
  reply said;
  try {
    said = co_await services_.delivery.etrn(view_, std::move(node));
  } catch (...) {
    said = threw("delivery").reply();
  }
  if (left_)
    engine_.lost();
  else
    engine_.answer_etrn(said);
}

// --- Message text --------------------------------------------------------------------------------

GATEPOST_DECL asio::awaitable<void> session_driver::take_body(std::string_view text) {
  if (header_.where() == header_collector::state::open &&
      header_.add(text) != header_collector::state::open) {
    const busy watched(*this);
    co_await header_complete();
    if (left_) engine_.lost();
  }
  if (!ignores_body_ && intake_ && !engine_.closed()) co_await look_at(text);
  if (intake_ && !engine_.closed()) co_await write(text);
}

GATEPOST_DECL asio::awaitable<void> session_driver::look_at(std::string_view text) {
  const busy watched(*this);
  verdict v;
  try {
    v = co_await policy_->body(text);
  } catch (...) {
    v = threw("policy");
  }
  if (late_) v = verdict::defer(replies::took_too_long);
  if (left_)
    engine_.lost();
  else
    settle(v);
}

GATEPOST_DECL asio::awaitable<void> session_driver::write(std::string_view text) {
  std::error_code failed;
  try {
    failed = co_await intake_->write(text);
    if (failed) services_.observer.on_trouble({"delivery", failed.message(), facts_.id});
  } catch (...) {
    threw("delivery");
    failed = errc::spool_failed;
  }
  if (!failed) co_return;
  const bool full = failed == errc::spool_full || failed == errc::resource_limit;
  refuse(full ? replies::no_storage : replies::local_error);
}

GATEPOST_DECL asio::awaitable<void> session_driver::header_complete() {
  if (header_.where() == header_collector::state::too_big) {
    refuse(replies::header_too_big);
    co_return;
  }
  // RFC 5321 §6.3: the simple and safe way to find a loop.
  if (header_.hops() > engine_.settings().limits.hops) {
    refuse(replies::too_many_hops);
    co_return;
  }
  const message_view seen{header_.header(), engine_.message_size()};
  verdict v;
  try {
    v = co_await policy_->header_end(seen);
  } catch (...) {
    v = threw("policy");
  }
  if (late_) v = verdict::defer(replies::took_too_long);
  settle(v);
}

// A verdict in the middle of a message.
GATEPOST_DECL void session_driver::settle(const verdict& v) {
  if (!v.negative()) return;
  refuse(v.reply());
  // RFC 5321 §3.8: who says 421 closes the connection.
  if (v.kind() != decision::drop && v.reply().code() != 421) return;
  report_message("refused", v.reply(), {});
  engine_.end(v.reply(), session_end::policy);
}

// From here on the message's text is thrown away.
GATEPOST_DECL void session_driver::refuse(reply why) {
  intake_.reset();
  if (refusal_) return;
  refusal_ = why;
  engine_.refuse_message(std::move(why));
}

// --- The end of a message ------------------------------------------------------------------------

GATEPOST_DECL asio::awaitable<void> session_driver::ask_message() {
  if (header_.where() == header_collector::state::open) {  // a message without a body
    header_.finish();
    co_await header_complete();
  }
  if (left_ || engine_.closed()) co_return;
  if (refusal_) {
    answer_message(detail::result_of(*refusal_), {}, *refusal_);
    co_return;
  }
  const verdict v = co_await judge_message();
  // stop_now() may have said 421: the client will come again.
  if (left_ || engine_.closed()) co_return;
  if (v.kind() == decision::drop) {
    report_message("refused", v.reply(), {});
    engine_.answer(v);
    co_return;
  }
  co_await carry_out(v);
}

GATEPOST_DECL asio::awaitable<verdict> session_driver::judge_message() {
  const message_view seen{header_.header(), engine_.message_size()};
  verdict v;
  try {
    v = co_await policy_->message(seen);
  } catch (...) {
    v = threw("policy");
  }
  if (late_) v = verdict::defer(replies::took_too_long);
  co_return v;
}

GATEPOST_DECL asio::awaitable<void> session_driver::carry_out(const verdict& v) {
  judgement j = judge(v);
  if (!j.refusal.empty()) {
    answer_message(detail::result_of(j.refusal), {}, j.refusal, j.each);
    co_return;
  }
  if (j.takers.empty()) {  // somebody's copy is discarded, and nobody else gets one
    intake_.reset();
    answer_message("discarded", {}, replies::ok, j.each);
    co_return;
  }
  log_left_out(v, j);
  committing_ = true;
  delivery_outcome outcome = co_await commit(v, j);
  committing_ = false;
  fill_replies(outcome, j);
  const bool exact = engine_.replies_per_recipient();
  bool taken = outcome.overall.positive();
  if (exact)
    taken = taken ||
            std::any_of(outcome.each.begin(), outcome.each.end(), std::mem_fn(&reply::positive));
  if (late_ && taken) {
    co_await revoke();
    taken = false;
    outcome = delivery_outcome(replies::took_too_long);
    fill_replies(outcome, j);
  }
  intake_.reset();
  const std::string_view result = !taken   ? detail::result_of(outcome.overall)
                                  : j.hold ? "held"
                                           : "accepted";
  answer_message(result, taken ? std::string_view(outcome.queue_id) : "", outcome.overall, j.each);
}

GATEPOST_DECL session_driver::judgement session_driver::judge(const verdict& v) const {
  judgement j;
  const std::size_t n = engine_.envelope().recipients().size();
  j.each.resize(n);
  const verdict* worst = nullptr;
  bool discards = false;
  for (std::size_t i = 0; i < n; ++i) {
    const verdict* mine = &v;
    if (v.has_effects())
      for (const auto& [index, own] : v.what_else().recipients)
        if (index == i) mine = &own;
    if (mine->negative()) {
      j.each[i] = mine->reply();
      // 421 speaks of the connection, which goes on.
      if (mine->reply().code() == 421)
        j.each[i] = reply(451, mine->reply().enhanced(), std::string(mine->reply().text()));
      // A permanent refusal weighs more than a temporary one.
      if (worst == nullptr || !worst->reply().permanent()) worst = mine;
    } else if (mine->kind() == decision::discard) {
      j.each[i] = replies::ok;
      j.reason = mine->reason();
      discards = true;
    } else {
      j.takers.push_back(i);
      if (mine->kind() == decision::hold) j.hold = true, j.reason = mine->reason();
    }
  }
  if (worst == nullptr) return j;
  const bool exact = engine_.replies_per_recipient();
  const bool all = j.takers.empty() && !discards;
  if (all || (!exact && engine_.settings().merge == merge_rule::refuse_if_any)) {
    j.refusal = worst->reply();
    if (!exact) j.each.clear();
  }
  return j;
}

// merge_rule::accept_if_any: who gets nothing although the client hears 250.
GATEPOST_DECL void session_driver::log_left_out(const verdict& v, const judgement& j) const {
  if (engine_.replies_per_recipient() || !v.has_effects()) return;
  for (const auto& [index, own] : v.what_else().recipients) {
    if (!own.negative() || index >= j.each.size()) continue;
    services_.observer.on_verdict({facts_,
                                   engine_.envelope(),
                                   "message",
                                   engine_.envelope().recipients()[index].forward_path.text(),
                                   own,
                                   {}});
  }
}

GATEPOST_DECL asio::awaitable<delivery_outcome> session_driver::commit(const verdict& v,
                                                                       const judgement& j) {
  disposition what;
  write_edits(v, what.edits);
  what.recipients = j.takers;
  what.hold = j.hold;
  if (j.hold) what.hold_reason = j.reason;
  if (v.has_effects()) what.tags = v.what_else().tags;
  delivery_outcome outcome;
  try {
    outcome = co_await intake_->commit(what);
  } catch (...) {
    threw("delivery");
    outcome = delivery_outcome(replies::local_error);
  }
  if (!detail::is_final(outcome.overall)) outcome.overall = replies::local_error;
  for (reply& r : outcome.each)
    if (!detail::is_final(r)) r = replies::local_error;
  co_return outcome;
}

// The client will send the message again.
GATEPOST_DECL asio::awaitable<void> session_driver::revoke() {
  try {
    co_await intake_->revoke();
  } catch (...) {
    threw("delivery");
  }
}

// The recipients that took the message get the delivery's replies.
GATEPOST_DECL void session_driver::fill_replies(const delivery_outcome& outcome,
                                                judgement& j) const {
  for (std::size_t k = 0; k < j.takers.size(); ++k)
    j.each[j.takers[k]] = k < outcome.each.size() ? outcome.each[k] : outcome.overall;
}

// On top of the message: what the checks say of it, then our Received field (RFC 5321 §4.4).
GATEPOST_DECL void session_driver::write_edits(const verdict& v, header_edits& edits) const {
  edits.prepend_fields(received_field());
  if (!v.has_effects()) return;
  const verdict::effects& e = v.what_else();
  for (auto field = e.add_headers.rbegin(); field != e.add_headers.rend(); ++field)
    edits.prepend(field->name, field->value);
  if (e.remove_headers.empty()) return;
  header_options options;
  options.header_octets = header_.header().size() + 2;
  const auto parsed = read_header(header_.header(), options);
  if (!parsed) return;
  for (const field_view& field : parsed->fields)
    for (const std::string& name : e.remove_headers)
      if (equal_ignoring_case(field.name, name)) edits.erase(field.octets);
}

GATEPOST_DECL std::string session_driver::received_field() const {
  const smtp::envelope& envelope = engine_.envelope();
  received_facts f;
  f.helo = facts_.helo;
  f.client_name = facts_.client_name;
  if (facts_.unix_peer.empty()) f.client = facts_.client.address;
  f.by = engine_.settings().hostname;
  f.protocol = facts_.protocol;
  f.utf8 = envelope.smtputf8();
  f.authenticated = facts_.authenticated();
  f.tls = facts_.tls ? &*facts_.tls : nullptr;
  f.id = facts_.id;
  f.recipients = envelope.recipients().size();
  if (f.recipients == 1) f.recipient = envelope.recipients().front().forward_path.text();
  f.time = services_.now();
  std::string field;
  write_received(field, f);
  return field;
}

GATEPOST_DECL void session_driver::answer_message(std::string_view result,
                                                  std::string_view queue_id, const reply& said,
                                                  std::span<const reply> each) {
  report_message(result, said, queue_id);
  engine_.answer_message(said, each);
}

GATEPOST_DECL void session_driver::report_message(std::string_view result, const reply& said,
                                                  std::string_view queue_id) {
  reported_ = true;
  const bool begun = message_started_ != time_point{};
  services_.observer.on_message(
      {facts_, engine_.envelope(), result, queue_id, said, engine_.message_size(),
       begun ? connection_.now() - message_started_ : time_point::duration{}});
}

// The transaction is over: by its end, by RSET or the like, or because the engine refused the text.
GATEPOST_DECL void session_driver::over(const reply* said) {
  if (said != nullptr && !reported_) report_message(detail::result_of(*said), *said, {});
  reported_ = false;
  refusal_.reset();
  intake_.reset();
  memory_.release();
  message_octets_ = 0;
  message_started_ = {};
  try {
    if (policy_) policy_->reset();
  } catch (...) {
    threw("policy");
  }
}

// --- Watching ------------------------------------------------------------------------------------

GATEPOST_DECL void session_driver::on_left() {
  // What it has sent already may still be a whole transaction; and what is being made safe is made
  // safe.
  if (engine_.has_input() || committing_) return;
  left_ = true;
  cancel_policy();
}

GATEPOST_DECL void session_driver::on_late() {
  late_ = true;
  if (!committing_) cancel_policy();
}

GATEPOST_DECL void session_driver::on_line(bool from_client, std::string_view line) {
  services_.observer.on_transcript(
      facts_, from_client ? direction::from_client : direction::to_client, line);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_DRIVE_IPP
