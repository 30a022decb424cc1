// The mail transactions of client_session: envelope, message text, and what becomes of each
// recipient.
#ifndef GATEPOST_SMTP_IMPL_CLIENT_TRANSACTION_IPP
#define GATEPOST_SMTP_IMPL_CLIENT_TRANSACTION_IPP

#include <algorithm>
#include <array>
#include <cassert>

#include "smtp/client_session.hpp"

namespace gatepost::smtp {
namespace detail {

// Room in front of a chunk for "BDAT 4294967295 LAST\r\n".
inline constexpr std::size_t bdat_room = 32;

// Views that the encoder fills at once: half as many lines may begin with a dot.
inline constexpr std::size_t encoder_views = 64;

// RFC 3463 of a session that ended before the server answered.
inline enhanced_code enhanced_of(std::error_code why) {
  if (why.category() != error_category()) return {4, 4, 2};
  switch (static_cast<errc>(why.value())) {
    case errc::bad_reply:
    case errc::reply_too_long:
    case errc::reply_out_of_step: return {4, 5, 0};
    case errc::message_abandoned: return {4, 3, 0};
    case errc::cancelled: return {4, 3, 2};
    default: return {4, 4, 2};
  }
}

inline recipient_state state_of(const server_reply& r) {
  return r.positive()    ? recipient_state::delivered
         : r.temporary() ? recipient_state::deferred
                         : recipient_state::failed;
}

// RFC 5321 §4.5.3.1.10: 552 is what RFC 821 had for too many recipients; it means "later".
inline bool is_too_many_recipients(const server_reply& r) {
  return r.code() == 552 && (r.enhanced().empty() || r.enhanced() == enhanced_code{5, 5, 3});
}

}  // namespace detail

GATEPOST_DECL bool client_session::may_begin() const {
  // RFC 9422 §4.1: MAILMAX transactions, then the server expects QUIT.
  const std::size_t most = features_.max_messages;
  return phase_ == phase::idle && (most == 0 || transactions_ < most);
}

GATEPOST_DECL void client_session::begin(const transaction& t) {
  outcome_.recipients.assign(t.recipients.size(), recipient_outcome());
  outcome_.unanswered = phase_ == phase::failed || phase_ == phase::done;
  outcome_.dsn_passed_on = features_.has(extension::dsn);
  accepted_.clear();
  chosen_.clear();
  if (!may_begin()) return;
  now_ = {};
  plan_ = {};
  plan_.verified_tls = tls_ && tls_verified_;
  plan_.local = options_.local;
  plan_.logged_in = logged_in_;
  plan_.send_8bit_anyway = options_.send_8bit_anyway;
  const bool chunks = options_.chunking == chunking_use::when_offered;
  plan_.use_bdat =
      t.body == body_type::binary_mime || (chunks && features_.has(extension::chunking));
  plan_.use_prdr = options_.prdr && !is_lmtp() && features_.has(extension::prdr);
  refuse_early(t);
  choose_recipients(t, features_, outcome_, chosen_);
  if (chosen_.empty()) return;
  transaction_ = &t;
  ++transactions_;
  ++wait_;
  phase_ = phase::envelope;
}

GATEPOST_DECL void client_session::refuse_early(const transaction& t) {
  const fixed_reply* const all = refusal_of(t, features_, plan_);
  for (std::size_t i = 0; i < t.recipients.size(); ++i) {
    const fixed_reply* const why = all != nullptr ? all : refusal_of(t.recipients[i], features_);
    if (why == nullptr) continue;
    outcome_.recipients[i].state = recipient_state::failed;
    outcome_.recipients[i].reply = *why;
  }
}

// --- Envelope ------------------------------------------------------------------------------------

GATEPOST_DECL void client_session::step_envelope() {
  const bool nobody = now_.mail_refused || accepted_.empty();
  if (now_.data_accepted && nobody) return say_empty_message();
  if (now_.mail_refused) return finish();
  if (!now_.mail_said || now_.next_rcpt < chosen_.size()) return write_envelope();
  if (nobody) return finish();
  if (!plan_.use_bdat && !now_.data_said) return say_data();
  if (!plan_.use_bdat && !now_.data_accepted) return finish();
  writer_.reset({options_.line_ends, 0});
  phase_ = phase::body;
}

// RFC 2920 §3.1: MAIL and RCPT may be followed by more in the same group, DATA has to be its last.
GATEPOST_DECL void client_session::write_envelope() {
  const client_limits& l = options_.limits;
  const auto line = [this](client_step s, std::uint32_t recipient, auto append) {
    const std::size_t start = out_.size();
    append();
    ready_ = true;
    out_step_ = s;
    tap_line(std::string_view(out_).substr(start, out_.size() - start - 2));
    expect(s, recipient);
    return pipelines();
  };
  if (needs_reset_ && !line(client_step::rset, 0, [this] { out_.append("RSET\r\n"); })) return;
  if (!now_.mail_said) {
    now_.mail_said = true;
    const auto mail = [this] { append_mail(out_, *transaction_, features_, plan_); };
    if (!line(client_step::mail, 0, mail)) return;
  }
  while (now_.next_rcpt < chosen_.size()) {
    if (ready_ && (awaited() >= l.outstanding || out_.size() >= l.command_block)) return;
    const std::uint32_t i = chosen_[now_.next_rcpt++];
    const auto rcpt = [this, i] { append_rcpt(out_, transaction_->recipients[i], features_); };
    if (!line(client_step::rcpt, i, rcpt)) return;
  }
  if (!plan_.use_bdat) say_data();
}

GATEPOST_DECL void client_session::say_data() {
  now_.data_said = true;
  say("DATA", client_step::data);
}

// RFC 2920 §3.1: DATA was sent with the recipients, none of them was accepted, and the server waits
// for text. A lone dot gets us out of it. Not so where there is no transaction, or no reply to a
// dot (LMTP).
GATEPOST_DECL void client_session::say_empty_message() {
  if (now_.mail_refused || is_lmtp()) return fail(errc::reply_out_of_step, client_step::data);
  say(".", client_step::final_dot);
  out_step_ = client_step::data;
  expected_.back().recipient = detail::every_recipient;
  phase_ = phase::end_of_body;
}

GATEPOST_DECL void client_session::on_rset(const server_reply& r) {
  needs_reset_ = false;
  if (!r.positive()) fail(errc::bad_reply, client_step::rset, &r);
}

GATEPOST_DECL void client_session::on_mail(const server_reply& r) {
  if (r.intermediate()) return fail(errc::bad_reply, client_step::mail, &r);
  now_.mail_accepted = r.positive();
  now_.mail_refused = !r.positive();
  if (r.positive()) return;
  for (const std::uint32_t i : chosen_) settle(i, client_step::mail, r);
}

GATEPOST_DECL void client_session::on_rcpt(const server_reply& r, std::uint32_t recipient) {
  if (r.intermediate()) return fail(errc::bad_reply, client_step::rcpt, &r);
  if (now_.mail_refused) return;  // sent in one group with MAIL
  if (r.positive()) return accepted_.push_back(recipient);
  settle(recipient, client_step::rcpt, r);
  if (detail::is_too_many_recipients(r))
    outcome_.recipients[recipient].state = recipient_state::deferred;
}

GATEPOST_DECL void client_session::on_data(const server_reply& r) {
  if (r.positive()) return fail(errc::bad_reply, client_step::data, &r);
  now_.data_accepted = r.intermediate();
  if (!r.intermediate()) settle_accepted(client_step::data, r);
}

// --- Message text --------------------------------------------------------------------------------

GATEPOST_DECL void client_session::body(std::string_view text, body_part part) {
  assert(phase_ == phase::body || phase_ == phase::failed);
  if (phase_ != phase::body) return;
  assert(now_.text.empty());
  now_.text = text;
  now_.part = part;
  ++wait_;
}

GATEPOST_DECL void client_session::abandon() {
  assert(phase_ == phase::body || phase_ == phase::failed);
  if (phase_ != phase::body) return;
  // RFC 3030 §2: between two chunks RSET is heard; within DATA only the end of the connection is.
  ++wait_;
  if (!plan_.use_bdat) return fail(errc::message_abandoned, client_step::body);
  settle_lost(client_failure(errc::message_abandoned, client_step::body));
  now_.body_refused = true;
}

GATEPOST_DECL void client_session::step_body() {
  if (now_.body_refused) {
    out_.clear();
    phase_ = phase::end_of_body;
  } else if (plan_.use_bdat) {
    write_chunk();
  } else {
    write_text();
  }
}

GATEPOST_DECL void client_session::write_text() {
  const std::size_t block = options_.limits.body_block;
  std::array<std::string_view, detail::encoder_views> views;
  while (!now_.text.empty() && out_.size() < block) {
    const auto [consumed, count] = writer_.next(now_.text.substr(0, block - out_.size()), views);
    for (std::size_t i = 0; i < count; ++i) out_.append(views[i]);
    now_.text.remove_prefix(consumed);
    now_.octets += consumed;
  }
  const bool end = now_.text.empty() && now_.part == body_part::last;
  if (end) out_.append(writer_.finish());
  const violations& seen = writer_.seen();
  const bool bare = seen.has(violation::bare_cr) || seen.has(violation::bare_lf);
  if (bare && options_.line_ends == line_ends::strict) return refuse_text();
  ready_ = end || out_.size() >= block;
  out_step_ = end ? client_step::final_dot : client_step::body;
  if (end) end_text();
}

// RFC 3030 §2.
GATEPOST_DECL void client_session::write_chunk() {
  const std::size_t full = detail::bdat_room + options_.limits.body_block;
  if (out_.empty()) out_.assign(detail::bdat_room, ' ');
  const std::size_t taken = std::min(full - out_.size(), now_.text.size());
  out_.append(now_.text.substr(0, taken));
  now_.text.remove_prefix(taken);
  now_.octets += taken;
  const bool end = now_.text.empty() && now_.part == body_part::last;
  if (!end && out_.size() < full) return;

  std::string head = "BDAT " + std::to_string(out_.size() - detail::bdat_room);
  if (end) head.append(" LAST");
  tap_line(head);
  head.append("\r\n");
  out_start_ = detail::bdat_room - head.size();
  std::copy(head.begin(), head.end(), out_.begin() + static_cast<std::ptrdiff_t>(out_start_));
  ready_ = true;
  out_step_ = end ? client_step::final_dot : client_step::body;
  if (end)
    end_text();
  else
    expect(client_step::body, detail::every_recipient);
}

GATEPOST_DECL void client_session::end_text() {
  phase_ = phase::end_of_body;
  if (tap_ != nullptr) {
    tap_line("(" + std::to_string(now_.octets) + " octets of message text)");
    if (!plan_.use_bdat) tap_line(".");
  }
  expect_final();
}

// RFC 2033 §4.2: LMTP answers for every recipient that it has accepted.
GATEPOST_DECL void client_session::expect_final() {
  if (!is_lmtp()) return expect(client_step::final_dot, detail::every_recipient);
  for (const std::uint32_t i : accepted_) expect(client_step::final_dot, i);
}

GATEPOST_DECL void client_session::refuse_text() {
  for (const std::uint32_t i : accepted_) {
    recipient_outcome& o = outcome_.recipients[i];
    o.state = recipient_state::failed;
    o.step = client_step::body;
    o.reply = client_replies::bare_line_end;
  }
  fail(to_errc(*writer_.seen().first()), client_step::body);
}

GATEPOST_DECL void client_session::on_chunk(const server_reply& r) {
  if (r.intermediate()) return fail(errc::bad_reply, client_step::body, &r);
  if (r.positive()) return;
  // RFC 3030 §2: nothing helps but RSET. Chunks under way are refused as well.
  now_.body_refused = true;
  settle_accepted(client_step::body, r);
}

GATEPOST_DECL void client_session::on_final(const server_reply& r, std::uint32_t recipient) {
  if (r.code() == 353 && plan_.use_prdr && !now_.prdr_replies) return begin_prdr();
  if (r.intermediate()) return fail(errc::bad_reply, client_step::final_dot, &r);
  // Yes to the whole of a message of which a part was refused: which of the two holds?
  if (now_.body_refused && r.positive())
    return fail(errc::reply_out_of_step, client_step::final_dot, &r);
  if (recipient == detail::every_recipient) return settle_accepted(client_step::final_dot, r);
  // PRDR: a yes holds only if the last reply, the one for the message, is a yes too.
  if (now_.prdr_replies && r.positive()) return;
  settle(recipient, client_step::final_dot, r);
}

// draft-hall-prdr-00: a reply for each accepted recipient, then one for the message.
GATEPOST_DECL void client_session::begin_prdr() {
  now_.prdr_replies = true;
  for (const std::uint32_t i : accepted_) expect(client_step::final_dot, i);
  expect(client_step::final_dot, detail::every_recipient);
  released_ = expected_.size();
}

// --- What becomes of the recipients --------------------------------------------------------------

GATEPOST_DECL bool client_session::was_accepted(std::uint32_t recipient) const {
  return std::binary_search(accepted_.begin(), accepted_.end(), recipient);
}

GATEPOST_DECL void client_session::settle(std::uint32_t recipient, client_step s,
                                          const server_reply& r) {
  recipient_outcome& o = outcome_.recipients[recipient];
  if (o.state != recipient_state::untried) return;
  o.state = detail::state_of(r);
  o.step = s;
  o.from_server = true;
  o.reply = r.to_reply(recipient_outcome::max_text);
}

GATEPOST_DECL void client_session::settle_accepted(client_step s, const server_reply& r) {
  for (const std::uint32_t i : accepted_) settle(i, s, r);
}

// The server's last words, which stand for every recipient it has not spoken of. `said_of`: whom
// they were about, where replies are per recipient; what it did for the others after the end of the
// message it has not said.
GATEPOST_DECL void client_session::settle_open(client_step s, const server_reply& r,
                                               std::uint32_t said_of) {
  if (!in_transaction()) return;
  const bool each =
      now_.end_sent && s == client_step::final_dot && (is_lmtp() || now_.prdr_replies);
  for (const std::uint32_t i : chosen_) {
    recipient_outcome& o = outcome_.recipients[i];
    if (o.state != recipient_state::untried) continue;
    settle(i, s, r);
    o.in_doubt = each && i != said_of && was_accepted(i) && r.temporary();
  }
}

GATEPOST_DECL void client_session::settle_lost(const client_failure& why) {
  outcome_.unanswered = !now_.answered;
  const std::string what = why.text();
  const std::string_view said = cut_text(what, recipient_outcome::max_text);
  for (const std::uint32_t i : chosen_) {
    recipient_outcome& o = outcome_.recipients[i];
    if (o.state != recipient_state::untried) continue;
    o.state = recipient_state::deferred;
    o.step = why.step;
    o.in_doubt = now_.end_sent && was_accepted(i);
    o.reply = reply(451, detail::enhanced_of(why.error), std::string(said));
  }
}

GATEPOST_DECL void client_session::finish() {
  // A transaction that did not come to its end is still there (RFC 5321 §4.1.1.5). One that MAIL
  // did not begin is not, and the end of the message has ended one.
  needs_reset_ = now_.mail_accepted && !(now_.end_sent && !now_.body_refused);
  transaction_ = nullptr;
  phase_ = phase::idle;
  now_.text = {};
  if (out_.capacity() > detail::kept_output) std::string().swap(out_);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_CLIENT_TRANSACTION_IPP
