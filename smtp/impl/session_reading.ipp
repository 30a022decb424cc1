#ifndef GATEPOST_SMTP_IMPL_SESSION_READING_IPP
#define GATEPOST_SMTP_IMPL_SESSION_READING_IPP

#include <optional>

#include "smtp/base64.hpp"
#include "smtp/session.hpp"

namespace gatepost::smtp {

GATEPOST_DECL std::span<char> session::prepare() {
  const session_limits& limits = channel_->limits;
  const bool text = phase_ == smtp::phase::body;
  return input_.prepare(text ? limits.read_buffer : limits.command_buffer);
}

GATEPOST_DECL void session::received(std::size_t octets) { input_.commit(octets); }

GATEPOST_DECL action session::read_more() const {
  const session_limits& limits = channel_->limits;
  action a{.kind = action_kind::read};
  if (phase_ == smtp::phase::body) a.wait = limits.data_timeout;
  else a.wait = spoke_ ? limits.command_timeout : limits.first_command_timeout;
  return a;
}

// --- Command lines -------------------------------------------------------------------------------

GATEPOST_DECL std::optional<action> session::read_command() {
  const line_reader::result step = lines_.next(input_.view(), channel_->limits.command_line);
  input_.consume(step.consumed);
  switch (step.status) {
    case line_status::need_more: return read_more();
    case line_status::line: handle(step.line); break;
    default: bad_line(step.status);
  }
  return std::nullopt;
}

GATEPOST_DECL void session::bad_line(line_status status) {
  tap_input("(malformed line)");
  switch (status) {
    case line_status::too_long: bad_command(replies::line_too_long); break;
    case line_status::bare_cr:
    case line_status::bare_lf: bad_command(replies::bare_line_end); break;
    default: bad_command(replies::control_character);
  }
}

GATEPOST_DECL std::optional<action> session::read_auth_line() {
  const line_reader::result step = lines_.next(input_.view(), channel_->limits.auth_line);
  input_.consume(step.consumed);
  if (step.status == line_status::need_more) return read_more();
  phase_ = smtp::phase::ready;
  if (step.status != line_status::line) {
    // RFC 4954 §4: an over-long response gets 500 with 5.5.6 and ends the exchange.
    bad_line(step.status);
    return std::nullopt;
  }
  tap_input("(response)");
  if (step.line == "*") {  // RFC 4954 §4: the client gives up
    bad_command(replies::cancelled_auth);
    return std::nullopt;
  }
  std::optional<std::string> response = base64_decode(step.line);
  if (!response) {
    bad_command(replies::bad_base64);
    return std::nullopt;
  }
  step_text_ = std::move(*response);
  step_ = action_kind::auth_step;
  return std::nullopt;
}

// --- Message text --------------------------------------------------------------------------------

GATEPOST_DECL std::optional<action> session::read_text() {
  return chunked_ ? read_chunk() : read_data();
}

GATEPOST_DECL std::optional<action> session::read_data() {
  if (input_.empty()) return read_more();
  const data_step step = data_.next(input_.view());
  input_.consume(step.consumed);
  return take_text(step, data_.size());
}

GATEPOST_DECL std::optional<action> session::read_chunk() {
  if (input_.empty() && chunk_.remaining() > 0) return read_more();
  const data_step step = chunk_.next(input_.view());
  input_.consume(step.consumed);
  return take_text(step, chunk_.size());
}

GATEPOST_DECL std::optional<action> session::take_text(const data_step& step, std::uint64_t size) {
  message_size_ = size;
  if (size > channel_->limits.message) refuse_message(replies::message_too_big);
  // Text that came with the end is handed out first: the end is dealt with by the next next().
  if (step.end) text_ended_ = true;
  if (refused_) {
    drained_ += step.consumed;
    if (drained_ > channel_->limits.drain) {
      end(*refused_);
      return std::nullopt;
    }
  } else if (!step.text.empty()) {
    return action{.kind = action_kind::body, .text = step.text};
  }
  return std::nullopt;
}

GATEPOST_DECL void session::end_of_text() {
  text_ended_ = false;
  if (tap_ != nullptr) {
    char digits[24];
    const auto last = std::to_chars(digits, digits + sizeof digits, message_size_).ptr;
    tap_input("(" + std::string(digits, last) + " octets of message text)");
  }
  if (!chunked_) {
    phase_ = smtp::phase::rcpt;
    judge_message(data_.seen());
    return;
  }
  end_of_chunk();
}

GATEPOST_DECL void session::end_of_chunk() {
  phase_ = smtp::phase::chunks;
  if (!envelope_.active()) {  // a chunk that had no place: its octets were thrown away
    const reply why = *std::exchange(refused_, std::nullopt);
    chunked_ = false;
    drained_ = 0;
    phase_ = phase_before_chunk_;
    bad_command(why);
    return;
  }
  if (refused_ || last_chunk_ || !chunk_.seen().none()) {
    judge_message(chunk_.seen());
    return;
  }
  // RFC 3030 §2: "a 250 response to each successful BDAT".
  say(replies::chunk_ok);
}

// All of the message is in. What is wrong with it by itself is said here; the rest is asked.
GATEPOST_DECL void session::judge_message(const violations& seen) {
  if (const auto first = seen.first(); first && !refused_) {
    const bool forgiven = channel_->line_ends == line_ends::normalise &&
                          (*first == violation::bare_cr || *first == violation::bare_lf);
    if (!forgiven || seen.has(violation::nul) || seen.has(violation::long_line))
      refused_ = reply_for(seen);
  }
  if (!refused_) {
    question_ = smtp::stage::message;
    return;
  }
  const reply why = *std::exchange(refused_, std::nullopt);
  // RFC 2033 §4.2: in LMTP, one reply for each recipient.
  const std::size_t replies = facts_.protocol == smtp::protocol::lmtp ? envelope_.recipients().size() : 1;
  for (std::size_t i = 0; i < replies; ++i)
    say(channel_->quote_id && !facts_.id.empty() ? why.quoting(facts_.id) : why);
  end_transaction(&why);
}

GATEPOST_DECL reply session::reply_for(const violations& seen) const {
  if (seen.has(violation::nul)) return replies::nul_in_data;
  const bool strict = channel_->line_ends == line_ends::strict;
  if (strict && (seen.has(violation::bare_cr) || seen.has(violation::bare_lf)))
    return replies::bare_line_end_in_data;
  return replies::long_line_in_data;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SESSION_READING_IPP
