#ifndef GATEPOST_SMTP_IMPL_SESSION_IPP
#define GATEPOST_SMTP_IMPL_SESSION_IPP

#include <algorithm>
#include <cassert>

#include "smtp/session.hpp"

// The engine in parts: this one has its turn-taking and its voice; session_reading.ipp reads lines
// and message text, session_commands.ipp and session_extensions.ipp handle the commands, and
// session_answers.ipp goes on when a question was answered.
#include "smtp/impl/session_answers.ipp"
#include "smtp/impl/session_commands.ipp"
#include "smtp/impl/session_extensions.ipp"
#include "smtp/impl/session_reading.ipp"

namespace gatepost::smtp {

// Octets of memory for replies that a session keeps until its first message.
inline constexpr std::size_t most_kept_output = 200;

GATEPOST_DECL std::string_view to_string(session_end e) {
  switch (e) {
    case session_end::open: return "open";
    case session_end::quit: return "quit";
    case session_end::client_left: return "client left";
    case session_end::timeout: return "timeout";
    case session_end::limit: return "limit";
    case session_end::policy: return "policy";
    case session_end::protocol: return "protocol";
    case session_end::shutdown: return "shutdown";
  }
  return "?";
}

GATEPOST_DECL session::session(const smtp::channel& channel, session_facts& facts,
                               buffer_pool& pool, session_abilities can)
    : channel_(&channel),
      facts_(facts),
      input_(pool),
      lines_(channel.line_ends),
      question_(smtp::stage::connect),
      first_client_(facts.client.address),
      can_(can) {}

GATEPOST_DECL action session::next() {
  assert(!asked_ && "next() while an answer is awaited");
  if (clear_) {
    clear_ = false;
    envelope_.clear();
    reset_reply_.reset();
  }
  action todo;
  while (!decide(todo) && !read(todo)) continue;
  return todo;
}

// What is to be done before anything is read.
GATEPOST_DECL bool session::decide(action& todo) {
  if (reset_) {
    reset_ = false;
    clear_ = true;
    todo.kind = action_kind::reset;
    todo.said = reset_reply_ ? &*reset_reply_ : nullptr;
    return true;
  }
  if (pause_.count() > 0) {
    todo.kind = action_kind::pause;
    todo.wait = std::exchange(pause_, std::chrono::milliseconds(0));
    return true;
  }
  if (output().size() > channel_->limits.pending_output) {
    todo.kind = action_kind::flush;
    return true;
  }
  if (step_ && !closed()) {
    todo.kind = *std::exchange(step_, std::nullopt);
    todo.text = step_text_;
    return true;
  }
  if (stopping_ && !envelope_.active()) end(reply(replies::shutting_down), session_end::shutdown);
  if (closed()) {
    // Only here: whoever ends a session may still hold a view of its input.
    input_.clear();
    input_.release_if_empty();
    todo.kind = action_kind::close;
    return true;
  }
  if (!question_) return false;
  asked_ = std::exchange(question_, std::nullopt);
  todo.kind = action_kind::ask;
  todo.stage = *asked_;
  return true;
}

GATEPOST_DECL void session::sent(std::size_t octets) {
  sent_ += octets;
  if (sent_ < output_.size()) return;
  output_.clear();
  sent_ = 0;
  // No other reply is as long as EHLO's, and who says nothing after it is not worth the memory.
  if (facts_.transactions == 0 && output_.capacity() > most_kept_output)
    std::string().swap(output_);
}

GATEPOST_DECL void session::lost(session_end why) {
  output_.clear();
  sent_ = 0;
  asked_.reset();
  close_session(why);
}

GATEPOST_DECL void session::timed_out() {
  reached(phase_ == smtp::phase::body ? limit_kind::data_timeout
          : spoke_                    ? limit_kind::command_timeout
                                      : limit_kind::first_command_timeout);
  end(reply(replies::idle_too_long), session_end::timeout);
}

GATEPOST_DECL void session::end(const reply& last_words, session_end why) {
  if (closed()) return;
  asked_.reset();
  say(last_words);
  close_session(why);
}

GATEPOST_DECL void session::end_by(limit_kind k, const reply& last_words) {
  if (closed()) return;
  reached(k);
  end(last_words, session_end::limit);
}

GATEPOST_DECL void session::reached(limit_kind k) {
  if (!closed()) limit_ = k;
  if (can_.counters != nullptr) can_.counters->count(k);
}

GATEPOST_DECL std::optional<limit_kind> session::ended_by_limit() const {
  const bool by_limit = ended_by_ == session_end::limit || ended_by_ == session_end::timeout;
  return by_limit ? limit_ : std::nullopt;
}

GATEPOST_DECL void session::close_session(session_end why) {
  if (closed()) return;
  phase_ = smtp::phase::closed;
  ended_by_ = why;
  question_.reset();
  step_.reset();
  end_transaction();
}

GATEPOST_DECL void session::switch_channel(const smtp::channel& channel) {
  channel_ = &channel;
  next_line_ends_ = channel.line_ends;
}

// The envelope stays until the next next(), for whoever sees the reset action.
GATEPOST_DECL void session::end_transaction(const reply* said) {
  if (!envelope_.active() || clear_) return;
  if (said != nullptr) reset_reply_ = *said;
  reset_ = true;
  refused_.reset();
  chunked_ = last_chunk_ = false;
  drained_ = 0;
  if (!closed()) phase_ = smtp::phase::ready;
}

// --- Talking -------------------------------------------------------------------------------------

// What a refusal has at its end: see channel::quote_id.
GATEPOST_DECL std::string_view session::quoted_id(int code) const {
  return code >= 400 && channel_->quote_id ? std::string_view(facts_.id) : std::string_view();
}

GATEPOST_DECL void session::say(const fixed_reply& r) {
  const std::size_t from = output_.size();
  append_reply(output_, r, channel_->extensions.has(extension::enhancedstatuscodes),
               quoted_id(r.code));
  tap_output(from);
}

GATEPOST_DECL void session::say(const reply& r) {
  // No reply at all, or one that ends nothing: a mistake of whoever answered.
  if (r.code() < 200 || r.code() / 100 == 3) return say(replies::local_error);
  const std::size_t from = output_.size();
  r.append_to(output_, channel_->extensions.has(extension::enhancedstatuscodes),
              quoted_id(r.code()));
  tap_output(from);
}

GATEPOST_DECL void session::bad_command(const fixed_reply& r) {
  say(r);
  count_bad_command();
}

GATEPOST_DECL void session::bad_command(const reply& r) {
  say(r);
  count_bad_command();
}

GATEPOST_DECL void session::count_bad_command(limit_kind by) {
  ++facts_.bad_commands;
  pause_ = channel_->tarpit * std::min<std::uint32_t>(facts_.bad_commands, 10);
  if (facts_.bad_commands > channel_->limits.bad_commands)
    end_by(by, reply(replies::too_many_errors));
}

GATEPOST_DECL void session::tap_output(std::size_t from) {
  if (tap_ == nullptr) return;
  std::string_view lines = std::string_view(output_).substr(from);
  while (!lines.empty()) {
    const std::size_t end = lines.find("\r\n");
    tap_->on_line(false, lines.substr(0, end));
    lines.remove_prefix(end + 2);
  }
}

GATEPOST_DECL void session::tap_input(std::string_view line) {
  if (tap_ != nullptr) tap_->on_line(true, line);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SESSION_IPP
