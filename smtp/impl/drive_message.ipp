#ifndef GATEPOST_SMTP_IMPL_DRIVE_MESSAGE_IPP
#define GATEPOST_SMTP_IMPL_DRIVE_MESSAGE_IPP

#include <algorithm>

#include "smtp/drive.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/impl/drive.ipp"
#include "smtp/impl/drive_questions.ipp"

namespace gatepost::smtp {
namespace detail {

// Of a message that was refused.
inline std::string_view result_of(const reply& said) {
  return said.temporary() ? "deferred" : "refused";
}

// What a delivery may say of a message: the end of it, one way or another.
inline bool is_final(const reply& r) { return r.code() / 100 == 2 || r.code() >= 400; }

}  // namespace detail

// What the policy's last verdict means for each recipient.
struct session_driver::judgement {
  judgement() = default;
  std::vector<std::size_t> takers;  // recipients that get the message
  std::vector<reply> each;          // one per recipient; an empty reply: it depends on the delivery
  reply refusal;                    // nobody gets it: this is why
  std::vector<std::size_t> held;    // those of the takers whose copy is only kept
  std::vector<std::string> reasons;  // of the held ones, each once

  void hold(std::size_t index, std::string_view why) {
    held.push_back(index);
    const bool known = std::find(reasons.begin(), reasons.end(), why) != reasons.end();
    if (!known && !why.empty()) reasons.emplace_back(why);
  }
};

// --- Message text --------------------------------------------------------------------------------

// True: the header ends in this text.
GATEPOST_DECL bool session_driver::collect_header(std::string_view text) {
  if (header_.where() != header_collector::state::open) return false;
  const bool ends = header_.add(text) != header_collector::state::open;
  if (memory_.grow_to(engine_.settings().limits.read_buffer + header_.held())) return ends;
  engine_.reached(limit_kind::memory);
  header_.release();
  refuse(replies::no_storage);
  return false;
}

// The caller's coroutine goes on when the text is dealt with: no frame of its own.
GATEPOST_DECL asio::awaitable<void> session_driver::take_body(std::string_view text) {
  const bool header_ends = collect_header(text);
  const bool by_policy = !policy_->ignores(smtp::stage::body) ||
                         (header_ends && !policy_->ignores(smtp::stage::header_end));
  if (by_policy) return take_body_by_policy(text, header_ends);
  if (header_ends) header_is_fine();
  return write(text);
}

GATEPOST_DECL asio::awaitable<void> session_driver::take_body_by_policy(std::string_view text,
                                                                        bool header_ends) {
  if (header_ends) {
    const busy watched(*this, busy::about::message);
    co_await header_complete();
    if (left_) engine_.lost();
  }
  const bool asks = !policy_->ignores(smtp::stage::body);
  if (asks && intake_ && !engine_.closed()) co_await look_at(text);
  co_await write(text);
}

GATEPOST_DECL asio::awaitable<void> session_driver::look_at(std::string_view text) {
  const busy watched(*this, busy::about::message);
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
  if (!intake_ || engine_.closed()) co_return;
  std::error_code failed;
  port_call asked(*this, "delivery");
  try {
    failed = co_await intake_->write(text);
    if (failed && !port_cancelled_)
      services_.observer.on_trouble({"delivery", failed.message(), facts_.id});
  } catch (...) {
    threw("delivery");
    failed = errc::spool_failed;
  }
  if (asked.end()) {
    co_await asio::this_coro::reset_cancellation_state();
    if (!engine_.closed()) refuse(replies::took_too_long);
    co_return;
  }
  if (!failed) co_return;
  refuse(detail::storage_reply(failed));
}

// False: it has been refused.
GATEPOST_DECL bool session_driver::header_is_fine() {
  if (header_.where() == header_collector::state::too_big) {
    engine_.reached(limit_kind::header);
    refuse(replies::header_too_big);
    return false;
  }
  // RFC 5321 §6.3: the simple and safe way to find a loop.
  if (header_.hops() > engine_.settings().limits.hops) {
    engine_.reached(limit_kind::hops);
    refuse(replies::too_many_hops);
    return false;
  }
  return true;
}

GATEPOST_DECL asio::awaitable<void> session_driver::header_complete() {
  if (!header_is_fine() || policy_->ignores(smtp::stage::header_end)) co_return;
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
  const busy watched(*this, busy::about::message);
  if (header_.where() == header_collector::state::open) {  // a message without a body
    header_.finish();
    co_await header_complete();
  }
  verdict v;
  const bool asks = !refusal_ && !left_ && !policy_->ignores(smtp::stage::message);
  if (asks && !engine_.closed()) v = co_await judge_message();
  // stop_now() may have said 421: the client will come again.
  if (!left_ && !engine_.closed()) co_await carry_out(v);
  if (left_) engine_.lost();
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

// What is over without the delivery. False: it is to have the message.
GATEPOST_DECL bool session_driver::answer_undelivered(const judgement& j) {
  if (!j.refusal.empty())
    answer_message(detail::result_of(j.refusal), {}, j.refusal, j.each);
  else if (j.takers.empty())  // somebody's copy is discarded, and nobody else gets one
    intake_.reset(), answer_message("discarded", {}, replies::ok, j.each);
  else
    return false;
  return true;
}

GATEPOST_DECL asio::awaitable<void> session_driver::carry_out(const verdict& v) {
  if (refusal_) co_return answer_message(detail::result_of(*refusal_), {}, *refusal_);
  if (v.kind() == decision::drop) {
    report_message("refused", v.reply(), {});
    co_return engine_.answer(v);
  }
  judgement j = judge(v);
  if (answer_undelivered(j)) co_return;
  log_left_out(v, j);
  committing_ = true;
  const disposition what = disposition_of(v, j);
  delivery_outcome outcome;
  try {
    outcome = co_await intake_->commit(what);
  } catch (...) {
    threw("delivery");
    outcome = delivery_outcome(replies::local_error);
  }
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
  committing_ = false;
  intake_.reset();
  const std::string_view result = !taken ? detail::result_of(outcome.overall)
                                  : j.held.size() == j.takers.size() ? "held"
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
      discards = true;
    } else {
      j.takers.push_back(i);
      if (mine->kind() == decision::hold) j.hold(i, mine->reason());
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

GATEPOST_DECL disposition session_driver::disposition_of(const verdict& v,
                                                         const judgement& j) const {
  disposition what;
  if (intake_->wants_edits()) write_edits(v, what.edits);
  what.recipients = j.takers;
  what.held = j.held;
  for (const std::string& reason : j.reasons)
    what.hold_reason += (what.hold_reason.empty() ? "" : "; ") + reason;
  if (v.has_effects()) what.tags = v.what_else().tags;
  return what;
}

// The client will send the message again. It waits for its answer already: see answer_time.
GATEPOST_DECL asio::awaitable<void> session_driver::revoke() {
  port_call asked(*this, "delivery");
  try {
    co_await intake_->revoke();
  } catch (...) {
    threw("delivery");
  }
  if (asked.end()) co_await asio::this_coro::reset_cancellation_state();
}

// The recipients that took the message get the delivery's replies, if they are such.
GATEPOST_DECL void session_driver::fill_replies(delivery_outcome& outcome, judgement& j) const {
  if (!detail::is_final(outcome.overall)) outcome.overall = replies::local_error;
  for (reply& r : outcome.each)
    if (!detail::is_final(r)) r = replies::local_error;
  for (std::size_t k = 0; k < j.takers.size(); ++k)
    j.each[j.takers[k]] = k < outcome.each.size() ? outcome.each[k] : outcome.overall;
}

// On top of the message: what the checks say of it, then our Received field (RFC 5321 §4.4).
GATEPOST_DECL void session_driver::write_edits(const verdict& v, header_edits& edits) const {
  edits.erase({0, header_.mbox_line()});
  if (v.has_effects()) erase_fields(v.what_else(), edits);
  if (header_.breaks_off()) end_header(edits);
  edits.prepend_fields(received_field());
  if (!v.has_effects()) return;
  const verdict::effects& e = v.what_else();
  for (auto field = e.add_headers.rbegin(); field != e.add_headers.rend(); ++field)
    edits.prepend(field->name, field->value);
}

// Everybody is to see the header that was judged. `edits` has nothing on top yet.
GATEPOST_DECL void session_driver::end_header(header_edits& edits) const {
  const std::string_view header = header_.header();
  edits.prepend_fields(edits.apply_to(header));
  edits.end_header();
  edits.erase({0, header.size()});
}

GATEPOST_DECL void session_driver::erase_fields(const verdict::effects& e,
                                                header_edits& edits) const {
  for (const octet_range range : e.erased) edits.erase(range);
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
  if (facts_.has_client_address()) f.client = facts_.client.address;
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
  const auto took = begun ? connection_.now() - message_started_ : time_point::duration{};
  try {
    services_.observer.on_message(
        {facts_, engine_.envelope(), result, queue_id, said, engine_.message_size(), took});
  } catch (...) {
    complain("observer");  // the message may be kept already: the client has to hear of it
  }
}

// The transaction is over: by its end, by RSET or the like, or because the engine refused the text.
GATEPOST_DECL void session_driver::over(const reply* said) {
  if (said != nullptr && !reported_) report_message(detail::result_of(*said), *said, {});
  reported_ = false;
  refusal_.reset();
  intake_.reset();
  header_.release();
  memory_.release();
  message_octets_ = 0;
  message_waited_ = message_asked_ = {};
  message_started_ = {};
  try {
    if (policy_) policy_->reset();
  } catch (...) {
    threw("policy");
  }
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_DRIVE_MESSAGE_IPP
