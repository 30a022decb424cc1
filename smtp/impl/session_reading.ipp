#ifndef GATEPOST_SMTP_IMPL_SESSION_READING_IPP
#define GATEPOST_SMTP_IMPL_SESSION_READING_IPP

#include <algorithm>
#include <optional>
#include <utility>

#include "smtp/base64.hpp"
#include "smtp/session.hpp"

namespace gatepost::smtp {
GATEPOST_DECL std::span<char> session::prepare() {
  const session_limits& limits = channel_->limits;
  if (phase_ == smtp::phase::body) return input_.prepare(limits.read_buffer);
  // A line has to fit, whatever the channel says.
  return input_.prepare(std::max({limits.command_buffer, limits.command_line, limits.auth_line}));
}

GATEPOST_DECL void session::received(std::size_t octets) { input_.commit(octets); }

GATEPOST_DECL bool session::read_more(action& todo) const {
  const session_limits& limits = channel_->limits;
  todo.kind = action_kind::read;
  if (phase_ == smtp::phase::body)
    todo.wait = limits.data_timeout;
  else
    todo.wait = spoke_ ? limits.command_timeout : limits.first_command_timeout;
  return true;
}

GATEPOST_DECL bool session::read(action& todo) {
  switch (phase_) {
    case smtp::phase::body:
      if (!text_ended_) return chunked_ ? read_chunk(todo) : read_data(todo);
      end_of_text();
      return false;
    case smtp::phase::auth: return read_auth_line(todo);
    case smtp::phase::closed: return false;
    default: return read_command(todo);
  }
}

// --- Command lines -------------------------------------------------------------------------------

GATEPOST_DECL line_reader::result session::next_line(std::size_t limit) {
  // Half a line is read to its end as it was begun: it must not become two.
  if (next_line_ends_ && lines_.pending() == 0)
    lines_ = line_reader(*std::exchange(next_line_ends_, std::nullopt));
  if (lines_.pending() == 0) line_limit_ = limit;
  const bool faultless = lines_.fault() == line_status::need_more;
  const line_reader::result step = lines_.next(input_.view(), line_limit_);
  // Until a line goes wrong all of it is in the input.
  if (faultless && step.consumed > 0 && step.status != line_status::line)
    announces_text_ = phase_ != smtp::phase::auth && detail::announces_text(input_.view());
  input_.consume(step.consumed);
  return step;
}

// A line that is thrown away costs as much as the bad commands that would fit into it: one without
// an end ends the session. By then the client was told of the line, however its octets came.
GATEPOST_DECL void session::weigh_line(const line_reader::result& step) {
  line_octets_ += step.consumed;
  for (; line_octets_ >= 2 * line_limit_ && !closed(); line_octets_ -= line_limit_)
    count_bad_command();
  if (step.status == line_status::need_more) return;
  line_octets_ = 0;
  ++lines_ended_;
}

GATEPOST_DECL bool session::read_command(action& todo) {
  const line_reader::result step = next_line(channel_->limits.command_line);
  if (step.status == line_status::line) {
    weigh_line(step);
    handle(step.line);
    return false;
  }
  const bool told = step.status != line_status::need_more || fault_is_new();
  if (told) {
    bad_line(step.status, limit_kind::command_line);
    if (announces_text_) close_session(session_end::protocol);
  }
  weigh_line(step);
  return told || closed() ? false : read_more(todo);
}

// Whether the line that is being read has gone wrong, and the client was not told so yet. It may
// have said all that it means to: one that ends lines with LF waits for an answer now.
GATEPOST_DECL bool session::fault_is_new() const {
  return !line_refused_ && lines_.fault() != line_status::need_more;
}

// A line is refused once, however it comes: what is left of it, up to its CRLF, is thrown away.
GATEPOST_DECL void session::bad_line(line_status status, limit_kind line) {
  const bool ended = status != line_status::need_more;
  const bool told = std::exchange(line_refused_, !ended);
  if (told) return;
  if (!ended) status = lines_.fault();
  tap_input("(malformed line)");
  switch (status) {
    case line_status::too_long:
      reached(line);
      bad_command(replies::line_too_long);
      break;
    case line_status::bare_cr:
    case line_status::bare_lf: bad_command(replies::bare_line_end); break;
    default: bad_command(replies::control_character);
  }
}

GATEPOST_DECL bool session::read_auth_line(action& todo) {
  const line_reader::result step = next_line(channel_->limits.auth_line);
  if (step.status == line_status::need_more && !fault_is_new()) return read_more(todo);
  phase_ = smtp::phase::ready;
  if (step.status != line_status::line) {
    // RFC 4954 §4: an over-long response gets 500 with 5.5.6 and ends the exchange.
    bad_line(step.status, limit_kind::auth_line);
    weigh_line(step);  // read_command() throws away what is still to come of it
    return false;
  }
  weigh_line(step);
  tap_input("(response)");
  if (step.line == "*") {  // RFC 4954 §4: the client gives up
    bad_command(replies::cancelled_auth);
    return false;
  }
  std::optional<std::string> response = base64_decode(step.line);
  if (!response) {
    bad_command(replies::bad_base64);
    return false;
  }
  step_text_ = std::move(*response);
  auth_begins_ = false;
  has_auth_response_ = true;
  step_ = action_kind::auth_step;
  return false;
}

// --- Message text --------------------------------------------------------------------------------

GATEPOST_DECL bool session::read_data(action& todo) {
  if (input_.empty()) return read_more(todo);
  const data_step step = data_.next(input_.view());
  input_.consume(step.consumed);
  return take_text(step, data_.size(), todo);
}

GATEPOST_DECL bool session::read_chunk(action& todo) {
  if (input_.empty() && chunk_.remaining() > 0) return read_more(todo);
  const data_step step = chunk_.next(input_.view());
  input_.consume(step.consumed);
  return take_text(step, chunk_.size(), todo);
}

GATEPOST_DECL bool session::take_text(const data_step& step, std::uint64_t size, action& todo) {
  const std::uint64_t limit = channel_->limits.message;
  const std::uint64_t before = std::exchange(message_size_, size);
  // Text that came with the end is handed out first: the end is dealt with by the next next().
  if (step.end) text_ended_ = true;
  if (refused_) drained_ += size - before;
  if (!refused_ && size > limit) {
    reached(limit_kind::message);
    refuse_message(replies::message_too_big);
    drained_ = size - limit;
  }
  if (!refused_) {
    if (step.text.empty()) return false;
    todo.kind = action_kind::body;
    todo.text = step.text;
    return true;
  }
  if (drained_ > channel_->limits.drain) {
    const reply why = *refused_;
    end_transaction(&why);
    end_by(limit_kind::drain, why);
  }
  return false;
}

GATEPOST_DECL void session::end_of_text() {
  text_ended_ = false;
  if (tap_ != nullptr) {
    const std::uint64_t octets = chunked_ ? chunk_octets_ : message_size_;
    tap_input("(" + std::to_string(octets) + " octets of message text)");
  }
  if (chunked_) return end_of_chunk();
  phase_ = smtp::phase::rcpt;
  judge_message(data_.seen());
}

GATEPOST_DECL void session::end_of_chunk() {
  phase_ = smtp::phase::chunks;
  if (!envelope_.active()) {  // a chunk that had no place: its octets were thrown away
    const reply why = *std::exchange(refused_, std::nullopt);
    chunked_ = false;
    phase_ = phase_before_chunk_;
    // RFC 3030 §2: be prepared "to accept and discard additional BDAT chunks already in the
    // pipeline after the failed BDAT".
    const bool sent_ahead = skipping_chunks_;
    skipping_chunks_ = sent_ahead && !last_chunk_;
    if (!skipping_chunks_) drained_ = 0;
    return sent_ahead ? say(why) : bad_command(why);
  }
  judge_message(chunk_.seen());
}

// All of the message is in, or a chunk that ends it early. What is wrong with it by itself is said
// here; the rest is asked.
GATEPOST_DECL void session::judge_message(const violations& seen) {
  const fixed_reply* wrong = reply_for(seen);
  if (!refused_ && wrong != nullptr) {
    if (wrong == &replies::long_line_in_data) reached(limit_kind::text_line);
    refused_ = *wrong;
  }
  // RFC 3030 §2: "A 250 response MUST be sent to each successful BDAT data block".
  if (!refused_ && chunked_ && !last_chunk_) return say(replies::chunk_ok);
  if (!refused_) {
    question_ = smtp::stage::message;
    return;
  }
  const reply why = *std::exchange(refused_, std::nullopt);
  // RFC 2033 §4.2: "after the final '.', the server returns one reply for each previously
  // successful RCPT".
  const bool one_each = facts_.protocol == smtp::protocol::lmtp && (!chunked_ || last_chunk_);
  const std::size_t recipients = envelope_.recipients().size();
  for (std::size_t i = 0; i < (one_each ? std::max<std::size_t>(recipients, 1) : 1); ++i) say(why);
  skipping_chunks_ = chunked_ && !last_chunk_;
  end_transaction(&why);
  if (why.code() == 421) close_session(session_end::policy);
}

// The reply to what the text has that it must not have; nullptr: nothing that matters here.
GATEPOST_DECL const fixed_reply* session::reply_for(const violations& seen) const {
  if (seen.none()) return nullptr;
  if (seen.has(violation::nul)) return &replies::nul_in_data;
  const bool strict = channel_->line_ends == line_ends::strict;
  if (strict && (seen.has(violation::bare_cr) || seen.has(violation::bare_lf)))
    return &replies::bare_line_end_in_data;
  return seen.has(violation::long_line) ? &replies::long_line_in_data : nullptr;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SESSION_READING_IPP
