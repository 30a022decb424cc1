#ifndef GATEPOST_SMTP_IMPL_DRIVE_IPP
#define GATEPOST_SMTP_IMPL_DRIVE_IPP

#include <algorithm>
#include <exception>

#include "smtp/drive.hpp"

namespace gatepost::smtp {

// What the policy's last verdict means for each recipient.
struct session_driver::judgement {
  judgement() = default;
  std::vector<std::size_t> takers;  // recipients that get the message
  std::vector<reply> each;          // one per recipient; an empty reply: it depends on the delivery
  reply refusal;                    // nobody gets it: this is why
  bool discard = false;
  bool hold = false;
  std::string reason;  // of discard or hold
};

GATEPOST_DECL session_driver::session_driver(transport& connection, const channel& settings,
                                             session_facts& facts, const session_services& services,
                                             buffer_pool& pool)
    : connection_(connection),
      facts_(facts),
      services_(services),
      engine_(settings, facts, pool, services.tls != nullptr),
      view_{facts, engine_.envelope()},
      started_(connection.now()) {}

GATEPOST_DECL asio::awaitable<void> session_driver::run() {
  if (services_.observer.wants_transcript(facts_)) engine_.set_tap(this);
  co_await listen_before_speaking();
  bool open = true;
  while (open) {
    const action a = engine_.next();
    switch (a.kind) {
      case action_kind::read: co_await read(a.wait); break;
      case action_kind::flush: co_await flush(); break;
      case action_kind::pause:
        co_await flush();
        co_await connection_.wait(readiness::never, connection_.now() + a.wait);
        break;
      case action_kind::ask: co_await ask(a.stage); break;
      case action_kind::auth_step: co_await authenticate(std::string(a.text)); break;
      case action_kind::etrn: {
        std::string node(a.text);
        const reply said = co_await services_.delivery.etrn(view_, std::move(node));
        engine_.answer_etrn(said);
        break;
      }
      case action_kind::body: co_await take_body(a.text); break;
      case action_kind::reset: over(a.said); break;
      case action_kind::start_tls: co_await start_tls(); break;
      case action_kind::close: open = false; break;
    }
  }
  co_await flush();
  intake_.reset();
  policy_.reset();
  connection_.close();
  services_.observer.on_session_end(
      {facts_, ended_by_, octets_in_, octets_out_, connection_.now() - started_});
}

// Who speaks before the greeting does not wait for what a server says: an early talker.
GATEPOST_DECL asio::awaitable<void> session_driver::listen_before_speaking() {
  const auto delay = engine_.settings().greeting_delay;
  if (delay.count() == 0) co_return;
  const time_point until = connection_.now() + delay;
  const std::error_code silent = co_await connection_.wait(readiness::to_read, until);
  facts_.early_talker = !silent;
}

GATEPOST_DECL void session_driver::stop() {
  engine_.stop();
  connection_.cancel();
}

GATEPOST_DECL void session_driver::stop_now() {
  ended_by_ = "shutdown";
  engine_.end(replies::shutting_down);
  if (policy_ && !committing_) policy_->cancel();
  connection_.cancel();
}

// --- Reading and writing -------------------------------------------------------------------------

GATEPOST_DECL time_point session_driver::deadline_in(std::chrono::milliseconds wait) const {
  const time_point whole = started_ + engine_.settings().limits.session_time;
  return std::min(connection_.now() + wait, whole);
}

GATEPOST_DECL asio::awaitable<void> session_driver::read(std::chrono::milliseconds at_most) {
  if (!engine_.output().empty()) co_await flush();
  if (engine_.phase() == smtp::phase::closed) co_return;
  const time_point deadline = deadline_in(at_most);
  while (true) {
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
    if (!r.would_block()) {
      read_failed(r.error);
      co_return;
    }
    engine_.idle();
    if (too_slow()) {
      read_failed(errc::too_slow);
      co_return;
    }
    const std::error_code waited = co_await connection_.wait(readiness::to_read, deadline);
    if (waited) {
      read_failed(waited);
      co_return;
    }
  }
}

GATEPOST_DECL bool session_driver::too_slow() const {
  const session_limits& limits = engine_.settings().limits;
  if (limits.min_body_rate == 0 || !engine_.in_message() || message_octets_ == 0) return false;
  const auto so_far = connection_.now() - message_started_;
  if (so_far < limits.rate_grace) return false;
  const double seconds = std::chrono::duration<double>(so_far).count();
  return static_cast<double>(message_octets_) < seconds * static_cast<double>(limits.min_body_rate);
}

GATEPOST_DECL void session_driver::read_failed(std::error_code why) {
  if (why == errc::cancelled) {  // stop() woke us, and told the engine already
    if (engine_.phase() == smtp::phase::closed) ended_by_ = "shutdown";
    return;
  }
  if (why == errc::timed_out) {
    const bool whole = connection_.now() >= started_ + engine_.settings().limits.session_time;
    ended_by_ = "timeout";
    if (whole) engine_.end(replies::session_too_long);
    else engine_.timed_out();
  } else if (why == errc::too_slow) {
    ended_by_ = "too slow";
    engine_.end(replies::too_slow);
  } else {
    ended_by_ = "client left";
    engine_.lost();
  }
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
    if (why && why != errc::cancelled) {
      ended_by_ = why == errc::timed_out ? "timeout" : "client left";
      engine_.lost();
      co_return;
    }
  }
}

GATEPOST_DECL asio::awaitable<void> session_driver::start_tls() {
  co_await flush();
  if (engine_.phase() == smtp::phase::closed) co_return;
  const time_point deadline = deadline_in(engine_.settings().limits.tls_timeout);
  const std::error_code failed = co_await connection_.accept_tls(*services_.tls, deadline);
  if (failed) {
    const std::string what = connection_.tls_error();
    services_.observer.on_trouble({"tls", what, facts_.id});
    ended_by_ = "tls failed";
    engine_.lost();
    co_return;
  }
  facts_.tls = *connection_.tls();
  engine_.tls_started();
}

// --- Questions -----------------------------------------------------------------------------------

GATEPOST_DECL asio::awaitable<void> session_driver::ask(smtp::stage s) {
  const session_limits& limits = engine_.settings().limits;
  late_ = left_ = false;
  connection_.watch(this, connection_.now() + limits.processing_time);
  if (s == smtp::stage::message) {
    co_await ask_message();
  } else {
    verdict v;
    if (s == smtp::stage::rcpt) v = co_await ask_recipient();
    else if (s == smtp::stage::data) v = co_await ask_data();
    else v = co_await ask_policy(s);
    if (late_) v = verdict::defer(replies::took_too_long);
    if (v.kind() == decision::drop) ended_by_ = "policy";
    if (left_) engine_.lost();
    else engine_.answer(v);
  }
  connection_.watch(nullptr);
}

GATEPOST_DECL asio::awaitable<verdict> session_driver::ask_policy(smtp::stage s) {
  // XCLIENT begins the session anew, with another client.
  if (s == smtp::stage::connect) policy_ = services_.policy.open(view_);
  verdict v;
  try {
    v = co_await policy_->ask(s);
  } catch (const std::exception& e) {
    services_.observer.on_trouble({"policy", e.what(), facts_.id});
    v = verdict::defer(replies::local_error);
  }
  co_return v;
}

GATEPOST_DECL asio::awaitable<verdict> session_driver::ask_recipient() {
  verdict v = co_await ask_policy(smtp::stage::rcpt);
  if (!v.negative()) {
    const time_point from = connection_.now();
    try {
      v = co_await services_.delivery.resolve(view_, engine_.asked_recipient());
    } catch (const std::exception& e) {
      services_.observer.on_trouble({"delivery", e.what(), facts_.id});
      v = verdict::defer(replies::local_error);
    }
    services_.observer.on_verdict({facts_, engine_.envelope(), "rcpt", "delivery", v,
                                   connection_.now() - from});
  }
  co_return v;
}

GATEPOST_DECL asio::awaitable<verdict> session_driver::ask_data() {
  verdict v = co_await ask_policy(smtp::stage::data);
  if (v.negative()) co_return v;
  try {
    intake_ = co_await services_.delivery.begin(view_);
  } catch (const std::exception& e) {
    services_.observer.on_trouble({"delivery", e.what(), facts_.id});
    intake_.reset();
  }
  if (!intake_) co_return verdict::defer(replies::local_error);
  memory_ = memory_reservation(services_.memory);
  if (!memory_.grow_to(engine_.settings().limits.read_buffer)) {
    intake_.reset();
    co_return verdict::defer(replies::no_storage);
  }
  header_.begin(engine_.settings().limits.header);
  ignores_body_ = policy_->ignores_body();
  message_octets_ = 0;
  message_started_ = connection_.now();
  co_return v;
}

GATEPOST_DECL asio::awaitable<void> session_driver::authenticate(std::string response) {
  bool initial = engine_.has_initial_response();
  auth_answer answer = auth_answer::failure(replies::bad_mechanism);
  try {
    if (!auth_in_progress_) {
      auth_ = services_.authenticator == nullptr
                  ? nullptr
                  : services_.authenticator->start(engine_.auth_mechanism(), facts_);
    } else {
      initial = true;
    }
    if (auth_) answer = co_await auth_->step(std::move(response), initial);
  } catch (const std::exception& e) {
    services_.observer.on_trouble({"auth", e.what(), facts_.id});
    answer = auth_answer::failure({454, {4, 7, 0}, "Temporary authentication failure"});
  }
  auth_in_progress_ = answer.what() == auth_answer::kind::challenge;
  if (!auth_in_progress_) auth_.reset();
  engine_.answer_auth(answer);
}

// --- Message text --------------------------------------------------------------------------------

GATEPOST_DECL asio::awaitable<void> session_driver::take_body(std::string_view text) {
  if (header_.where() == header_collector::state::open) co_await take_header(text);
  if (!ignores_body_) {
    verdict v;
    try {
      v = co_await policy_->body(text);
    } catch (const std::exception& e) {
      services_.observer.on_trouble({"policy", e.what(), facts_.id});
      v = verdict::defer(replies::local_error);
    }
    co_await settle(v);
  }
  if (!intake_) co_return;  // refused: the rest is thrown away
  std::error_code failed;
  try {
    failed = co_await intake_->write(text);
  } catch (const std::exception& e) {
    services_.observer.on_trouble({"delivery", e.what(), facts_.id});
    failed = errc::spool_failed;
  }
  if (!failed) co_return;
  services_.observer.on_trouble({"delivery", failed.message(), facts_.id});
  const bool full = failed == errc::spool_full || failed == errc::resource_limit;
  refuse(full ? replies::no_storage : replies::local_error);
}

GATEPOST_DECL asio::awaitable<void> session_driver::take_header(std::string_view text) {
  if (header_.add(text) != header_collector::state::open) co_await header_complete();
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
  } catch (const std::exception& e) {
    services_.observer.on_trouble({"policy", e.what(), facts_.id});
    v = verdict::defer(replies::local_error);
  }
  co_await settle(v);
}

// A verdict in the middle of a message.
GATEPOST_DECL asio::awaitable<void> session_driver::settle(const verdict& v) {
  if (!v.negative()) co_return;
  if (v.kind() == decision::drop) {
    intake_.reset();
    ended_by_ = "policy";
    engine_.end(v.reply());
    co_return;
  }
  refuse(engine_.settings().quote_id ? v.reply().quoting(facts_.id) : v.reply());
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
  if (engine_.phase() == smtp::phase::closed) co_return;
  if (refusal_) {
    answer_message("refused", {}, *refusal_);
    co_return;
  }
  const message_view seen{header_.header(), engine_.message_size()};
  verdict v;
  try {
    v = co_await policy_->message(seen);
  } catch (const std::exception& e) {
    services_.observer.on_trouble({"policy", e.what(), facts_.id});
    v = verdict::defer(replies::local_error);
  }
  if (left_) {
    engine_.lost();
    co_return;
  }
  if (v.kind() == decision::drop) {
    ended_by_ = "policy";
    report_message("refused", v.reply(), {});
    engine_.answer(v);
    co_return;
  }
  if (late_) v = verdict::defer(replies::took_too_long);
  co_await carry_out(v);
}

GATEPOST_DECL asio::awaitable<void> session_driver::carry_out(const verdict& v) {
  judgement j = judge(v);
  if (!j.refusal.empty()) {
    const reply said = engine_.settings().quote_id ? j.refusal.quoting(facts_.id) : j.refusal;
    answer_message(said.temporary() ? "deferred" : "refused", {}, said, j.each);
    co_return;
  }
  if (j.takers.empty()) {  // nobody was refused, so it is discarded
    intake_.reset();
    answer_message("discarded", {}, replies::ok, j.each);
    co_return;
  }
  committing_ = true;
  delivery_outcome outcome = co_await commit(v, j);
  committing_ = false;
  if (late_ && outcome.overall.positive()) {
    co_await intake_->revoke();
    outcome = delivery_outcome(replies::took_too_long);
  }
  intake_.reset();
  fill_replies(outcome, j);
  const bool good = outcome.overall.positive();
  const std::string_view result = !good    ? (outcome.overall.temporary() ? "deferred" : "refused")
                                  : j.hold ? "held"
                                           : "accepted";
  answer_message(result, outcome.queue_id, outcome.overall, j.each);
}

GATEPOST_DECL session_driver::judgement session_driver::judge(const verdict& v) const {
  judgement j;
  const std::size_t n = engine_.envelope().recipients().size();
  j.each.resize(n);
  const verdict* worst = nullptr;
  for (std::size_t i = 0; i < n; ++i) {
    const verdict* mine = &v;
    if (v.has_effects())
      for (const auto& [index, own] : v.what_else().recipients)
        if (index == i) mine = &own;
    if (mine->negative()) {
      j.each[i] = engine_.settings().quote_id ? mine->reply().quoting(facts_.id) : mine->reply();
      // A permanent refusal weighs more than a temporary one.
      if (worst == nullptr || worst->kind() == decision::defer) worst = mine;
    } else if (mine->kind() == decision::discard) {
      j.each[i] = replies::ok;
      j.reason = mine->reason();
    } else {
      j.takers.push_back(i);
      if (mine->kind() == decision::hold) j.hold = true, j.reason = mine->reason();
    }
  }
  const bool exact = engine_.replies_per_recipient();
  const bool all = worst != nullptr && j.takers.empty();
  const bool merged = !exact && engine_.settings().merge == merge_rule::refuse_if_any;
  if (worst != nullptr && (all || merged)) {
    j.refusal = worst->reply();
    if (!exact) j.each.clear();
  }
  return j;
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
  } catch (const std::exception& e) {
    services_.observer.on_trouble({"delivery", e.what(), facts_.id});
    outcome = delivery_outcome(replies::local_error);
  }
  co_return outcome;
}

// The recipients that took the message get the delivery's replies.
GATEPOST_DECL void session_driver::fill_replies(const delivery_outcome& outcome, judgement& j) const {
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

GATEPOST_DECL void session_driver::answer_message(std::string_view result, std::string_view queue_id,
                                                  const reply& said, std::span<const reply> each) {
  report_message(result, said, queue_id);
  engine_.answer_message(said, each);
}

GATEPOST_DECL void session_driver::report_message(std::string_view result, const reply& said,
                                                  std::string_view queue_id) {
  reported_ = true;
  services_.observer.on_message({facts_, engine_.envelope(), result, queue_id, said,
                                 engine_.message_size(), connection_.now() - message_started_});
}

// The transaction is over: by its end, by RSET or the like, or because the engine refused the text.
GATEPOST_DECL void session_driver::over(const reply* said) {
  if (said != nullptr && !reported_)
    report_message(said->temporary() ? "deferred" : "refused", *said, {});
  reported_ = false;
  refusal_.reset();
  intake_.reset();
  memory_.release();
  if (policy_) policy_->reset();
}

// --- Watching ------------------------------------------------------------------------------------

GATEPOST_DECL void session_driver::on_left() {
  // What it has sent already may still be a whole transaction; and what is being made safe is made safe.
  if (engine_.has_input() || committing_) return;
  left_ = true;
  ended_by_ = "client left";
  if (policy_) policy_->cancel();
}

GATEPOST_DECL void session_driver::on_late() {
  late_ = true;
  if (policy_ && !committing_) policy_->cancel();
}

GATEPOST_DECL void session_driver::on_line(bool from_client, std::string_view line) {
  services_.observer.on_transcript(
      facts_, from_client ? direction::from_client : direction::to_client, line);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_DRIVE_IPP
