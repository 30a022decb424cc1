#ifndef GATEPOST_SMTP_IMPL_SESSION_IPP
#define GATEPOST_SMTP_IMPL_SESSION_IPP

#include <algorithm>
#include <cassert>

#include "smtp/session.hpp"

// The engine in three parts: this one has its turn-taking, its answers and its voice;
// session_reading.ipp reads lines and message text, session_commands.ipp handles the commands.
#include "smtp/impl/session_commands.ipp"
#include "smtp/impl/session_reading.ipp"

namespace gatepost::smtp {
namespace detail {

// RFC 9422 §4: a limit has one to six digits, and 0 is none.
constexpr bool can_be_told(std::size_t limit) { return limit > 0 && limit <= 999999; }

}  // namespace detail

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
}

GATEPOST_DECL void session::lost(session_end why) {
  output_.clear();
  sent_ = 0;
  asked_.reset();
  close_session(why);
}

GATEPOST_DECL void session::timed_out() {
  end(reply(replies::idle_too_long), session_end::timeout);
}

GATEPOST_DECL void session::end(const reply& last_words, session_end why) {
  if (closed()) return;
  asked_.reset();
  say(last_words);
  close_session(why);
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

// --- Answers -------------------------------------------------------------------------------------

GATEPOST_DECL void session::answer(const verdict& v) {
  if (!asked_) return;  // end() came first
  const smtp::stage s = *std::exchange(asked_, std::nullopt);
  // RFC 5321 §3.8: who says 421 closes the connection.
  if (v.kind() == decision::drop || (v.negative() && v.reply().code() == 421)) {
    end(v.reply(), session_end::policy);
    return;
  }
  switch (s) {
    case smtp::stage::connect: answer_connect(v); break;
    case smtp::stage::helo: answer_hello(v); break;
    case smtp::stage::mail: answer_mail(v); break;
    case smtp::stage::rcpt: answer_rcpt(v); break;
    case smtp::stage::data: answer_data(v); break;
    case smtp::stage::message: answer_message(v.negative() ? v.reply() : reply(replies::ok)); break;
    case smtp::stage::tls:
    case smtp::stage::auth:
      // The client has its 220 or 235 already; what is left to us is not to go on.
      if (v.negative())
        end(reply(421, {4, 7, 0}, std::string(v.reply().text())), session_end::policy);
      break;
    case smtp::stage::header_end:
    case smtp::stage::body: break;  // not the engine's questions
  }
}

GATEPOST_DECL void session::answer_connect(const verdict& v) {
  if (!v.negative()) {
    greet();
    return;
  }
  // RFC 5321 §3.1: 554 instead of the greeting, and then we wait for QUIT. 421 does not wait.
  if (v.kind() == decision::defer) {
    end(reply(421, {4, 7, 0}, std::string(v.reply().text())), session_end::policy);
    return;
  }
  say(reply(554, {5, 7, 1}, std::string(v.reply().text())));
  phase_ = smtp::phase::rejected;
}

// RFC 5321 §3.1: "220", our domain, and a text.
GATEPOST_DECL void session::greet() {
  const std::size_t from = output_.size();
  output_.append("220 ")
      .append(channel_->hostname)
      .append(" ")
      .append(channel_->greeting)
      .append("\r\n");
  tap_output(from);
  phase_ = smtp::phase::start;
}

GATEPOST_DECL void session::answer_hello(const verdict& v) {
  if (v.negative()) {
    // RFC 5321 §4.1.4: the server "MUST stay in the same state ... that it was in before".
    facts_.helo.swap(previous_helo_);
    say(v.reply());
    return;
  }
  end_transaction();  // RFC 5321 §4.1.4: as RSET
  facts_.protocol = next_protocol_;
  phase_ = smtp::phase::ready;
  spoke_ = true;
  say_hello();
}

// RFC 5321 §4.1.1.1.
GATEPOST_DECL void session::say_hello() {
  const std::size_t from = output_.size();
  if (facts_.protocol == smtp::protocol::smtp) {
    output_.append("250 ").append(channel_->hostname).append("\r\n");
    tap_output(from);
    return;
  }
  output_.append("250-").append(channel_->hostname).append("\r\n");
  std::size_t last = from;
  const extension_set now = offered();
  for (const extension_row& row : extension_table) {
    // VRFY and EXPN stand for commands; RFC 5321 §4.1.1.1 lets EHLO list them, and nobody looks.
    if (!now.has(row.bit)) continue;
    last = output_.size();
    output_.append("250-");
    say_extension(row, output_);
    output_.append("\r\n");
  }
  output_[last + 3] = ' ';
  tap_output(from);
}

GATEPOST_DECL void session::say_extension(const extension_row& row, std::string& line) {
  line.append(row.keyword);
  const session_limits& limits = channel_->limits;
  const auto number = [&line](std::uint64_t n) {
    char digits[24];
    line.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
  };
  switch (row.bit) {
    case extension::size:  // RFC 1870 §3; 0 says that there is no fixed limit
      line.append(" ");
      number(limits.message);
      break;
    case extension::limits:
      if (detail::can_be_told(limits.recipients))
        line.append(" RCPTMAX="), number(limits.recipients);
      if (detail::can_be_told(limits.transactions))
        line.append(" MAILMAX="), number(limits.transactions);
      break;
    case extension::auth:
      for (const std::string& m : channel_->auth_mechanisms) line.append(" ").append(m);
      break;
    case extension::xclient:
      line.append(" NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
      break;
    case extension::xforward: line.append(" NAME ADDR PORT PROTO HELO IDENT SOURCE"); break;
    default: break;
  }
}

// What is offered now: some extensions depend on how the session stands.
GATEPOST_DECL extension_set session::offered() const {
  extension_set now = channel_->extensions;
  if (!can_.tls || facts_.tls) now.remove(extension::starttls);
  // RFC 8689 §2: only once TLS is on.
  if (!facts_.tls) now.remove(extension::requiretls);
  const bool auth = can_.auth && !channel_->auth_mechanisms.empty() &&
                    (facts_.tls || channel_->auth_without_tls) && !facts_.authenticated();
  if (!auth) now.remove(extension::auth);
  // Both: a proxy of ours may speak for strangers, whom it tells by PROXY.
  const network_set& trusted = channel_->xclient_from;
  if (!trusted.contains(facts_.peer.address) || !trusted.contains(first_client_))
    now.remove(extension::xclient).remove(extension::xforward);
  const session_limits& limits = channel_->limits;
  if (!detail::can_be_told(limits.recipients) && !detail::can_be_told(limits.transactions))
    now.remove(extension::limits);
  return now;
}

GATEPOST_DECL void session::answer_mail(const verdict& v) {
  if (v.negative()) {
    say(v.reply());
    end_transaction();
    return;
  }
  phase_ = smtp::phase::mail;
  say(replies::sender_ok);
}

GATEPOST_DECL void session::answer_rcpt(const verdict& v) {
  const session_limits& limits = channel_->limits;
  if (v.negative()) {
    envelope_.take_back();
    say(v.reply());
    if (limits.bad_recipients != 0 && ++facts_.bad_recipients > limits.bad_recipients)
      end(reply(replies::too_many_errors), session_end::limit);
    return;
  }
  const auto all = envelope_.recipients();
  if (channel_->split_classes && !replies_per_recipient() &&
      all.back().policy_class != all.front().policy_class) {
    envelope_.take_back();
    say(replies::split_recipients);
    return;
  }
  phase_ = smtp::phase::rcpt;
  say(replies::recipient_ok);
}

GATEPOST_DECL void session::answer_data(const verdict& v) {
  message_size_ = 0;
  if (chunked_) {  // the octets follow, whatever we think of them
    if (v.negative()) refuse_message(v.reply());
    phase_ = smtp::phase::body;
    return;
  }
  if (v.negative()) {
    say(v.reply());
    // RFC 2920 §3.1: DATA ends a group of commands. What follows it here is text that did not wait
    // for 354, and must not be read as commands.
    if (!input_.empty())
      close_session(session_end::protocol);
    else
      end_transaction();
    return;
  }
  say(replies::start_mail_input);
  data_.reset({.ends = channel_->line_ends, .max_line = channel_->limits.text_line});
  phase_ = smtp::phase::body;
}

GATEPOST_DECL bool session::replies_per_recipient() const {
  return facts_.protocol == smtp::protocol::lmtp ||
         (envelope_.prdr() && envelope_.recipients().size() > 1);
}

GATEPOST_DECL void session::answer_message(const reply& overall, std::span<const reply> each) {
  asked_.reset();
  if (closed()) return;
  const std::size_t recipients = envelope_.recipients().size();
  bool taken = !replies_per_recipient() && overall.positive();
  const auto one = [&](std::size_t i) {
    const reply& r = i < each.size() ? each[i] : overall;
    taken = taken || r.positive();
    say(r);
  };
  if (facts_.protocol == smtp::protocol::lmtp) {
    // RFC 2033 §4.2: one reply for each successful RCPT, in order.
    for (std::size_t i = 0; i < recipients; ++i) one(i);
  } else if (replies_per_recipient()) {
    say(replies::start_prdr);
    for (std::size_t i = 0; i < recipients; ++i) one(i);
    say(overall);
  } else {
    say(overall);
  }
  if (taken) ++facts_.messages;
  const bool last_words = overall.code() == 421;  // RFC 5321 §3.8
  end_transaction();
  if (last_words) close_session(session_end::policy);
}

GATEPOST_DECL void session::answer_auth(const auth_answer& a) {
  if (closed()) return;
  switch (a.what()) {
    case auth_answer::kind::challenge: {
      // RFC 4954 §4: "334 " and the challenge in base64.
      output_.append("334 ").append(base64_encode(a.text())).append("\r\n");
      if (tap_ != nullptr) tap_->on_line(false, "334 (challenge)");
      phase_ = smtp::phase::auth;
      return;
    }
    case auth_answer::kind::success:
      facts_.auth_identity = a.text();
      facts_.auth_mechanism = auth_mechanism_;
      phase_ = smtp::phase::ready;
      say(replies::authenticated);
      question_ = smtp::stage::auth;
      return;
    case auth_answer::kind::failure:
      phase_ = smtp::phase::ready;
      say(a.reply());
      if (++auth_failures_ >= channel_->limits.auth_failures)
        end(reply(replies::too_many_errors), session_end::limit);
      return;
  }
}

GATEPOST_DECL void session::answer_etrn(const reply& r) {
  if (!closed()) say(r);
}

// RFC 3207 §4.2: forget everything that was learnt before TLS.
GATEPOST_DECL void session::tls_started() {
  input_.clear();
  lines_.reset();
  facts_.helo.clear();
  facts_.protocol = smtp::protocol::none;
  facts_.auth_identity.clear();
  facts_.auth_mechanism.clear();
  phase_ = smtp::phase::start;
  question_ = smtp::stage::tls;
}

GATEPOST_DECL void session::refuse_message(reply why) {
  if (!refused_) refused_ = std::move(why);
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

GATEPOST_DECL void session::count_bad_command() {
  ++facts_.bad_commands;
  pause_ = channel_->tarpit * std::min<std::uint32_t>(facts_.bad_commands, 10);
  if (facts_.bad_commands > channel_->limits.bad_commands)
    end(reply(replies::too_many_errors), session_end::limit);
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
