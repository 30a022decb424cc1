#ifndef GATEPOST_SMTP_IMPL_SESSION_COMMANDS_IPP
#define GATEPOST_SMTP_IMPL_SESSION_COMMANDS_IPP

#include <cassert>
#include <charconv>
#include <iterator>
#include <optional>

#include "smtp/detail/plain_text.hpp"
#include "smtp/session.hpp"

namespace gatepost::smtp {
namespace detail {

// Words that no SMTP client says first: HTTP requests that a browser was tricked into sending here.
inline bool is_foreign_protocol(std::string_view word) {
  for (const std::string_view w :
       {"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PRI"})
    if (equal_ignoring_case(w, word)) return true;
  return false;
}

// Whether a line that cannot be read begins as DATA or BDAT does: what follows it may be message
// text, which must not be read as commands (RFC 2920 §3.1, RFC 3030 §2).
inline bool announces_text(std::string_view line) {
  constexpr std::size_t size = 4;
  const std::string_view word = line.substr(0, size);
  if (!equal_ignoring_case(word, "DATA") && !equal_ignoring_case(word, "BDAT")) return false;
  if (line.size() == size) return true;
  const char next = to_lower_ascii(line[size]);
  return (next < 'a' || next > 'z') && (next < '0' || next > '9');
}

// What the grammar of MAIL or RCPT has against a line. `address` is the enhanced code of a bad
// address.
inline reply syntax_reply(errc e, enhanced_code address, std::string_view usage) {
  const auto because = [e] { return make_error_code(e).message(); };
  switch (e) {
    case errc::non_ascii_address:  // RFC 6531 §3.5
      return {553, {5, 6, 7}, because()};
    case errc::unknown_parameter:  // RFC 5321 §4.1.1.11
      return {555, {5, 5, 4}, because()};
    case errc::bad_parameter:
    case errc::duplicate_parameter:
    case errc::too_many_parameters: return {501, {5, 5, 4}, because()};
    case errc::bad_argument:
    case errc::missing_argument:
    case errc::missing_angle_bracket: return {501, {5, 5, 4}, "Syntax: " + std::string(usage)};
    default: return {501, address, because()};
  }
}

}  // namespace detail

GATEPOST_DECL const session::handler_row* session::find_handler(smtp::verb v) {
  // One row per verb: who handles it, which extension it needs, whether it may come before TLS
  // where TLS is required (RFC 3207 §4), whether it is idle talk, and whether it may have UTF-8. In
  // the order of smtp::verb.
  static constexpr handler_row rows[] = {
      {verb::helo, &session::on_hello, {}, false, true},
      {verb::ehlo, &session::on_hello, {}, true, true},
      {verb::lhlo, &session::on_hello, {}, true, true},
      {verb::mail, &session::on_mail, {}, false, false, utf8_use::judged_by_handler},
      {verb::rcpt, &session::on_rcpt, {}, false, false, utf8_use::judged_by_handler},
      {verb::data, &session::on_data, {}, false, false},
      // Its handler has octets to skip, whatever is wrong with the line.
      {verb::bdat, &session::on_bdat, {}, true, false, utf8_use::judged_by_handler},
      {verb::rset, &session::on_rset, {}, false, true},
      {verb::noop, &session::on_noop, {}, true, true},
      {verb::quit, &session::on_quit, {}, true, false},
      // RFC 5321 §4.5.1 wants VRFY, and §7.3 252 from who has switched them off: what the channel
      // says of them is said by EHLO alone.
      {verb::vrfy, &session::on_vrfy, {}, false, true, utf8_use::with_smtputf8},
      {verb::expn, &session::on_vrfy, {}, false, true, utf8_use::with_smtputf8},
      {verb::help, &session::on_help, extension::help, false, true},
      {verb::starttls, &session::on_starttls, extension::starttls, true, true},
      {verb::auth, &session::on_auth, extension::auth, false, true},
      {verb::etrn, &session::on_etrn, extension::etrn, false, true},
      {verb::xclient, &session::on_xclient, extension::xclient, true, true},
      {verb::xforward, &session::on_xforward, extension::xforward, true, true},
  };
  static_assert(std::size(rows) == static_cast<std::size_t>(verb::xforward));
  if (v == verb::unknown) return nullptr;
  const handler_row& row = rows[static_cast<std::size_t>(v) - 1];
  assert(row.verb == v);
  return &row;
}

GATEPOST_DECL void session::handle(std::string_view line) {
  const auto c = parse_command(line);
  if (!c) {
    tap_input("(malformed line)");
    bad_command(c.error() == errc::control_character ? replies::control_character
                                                     : replies::unknown_command);
    if (detail::announces_text(line)) close_session(session_end::protocol);
    return;
  }
  tap_command(*c, line);
  if (skipping_chunks_ && c->verb != verb::bdat) {
    skipping_chunks_ = false;
    drained_ = 0;
  }

  const handler_row* row = find_handler(c->verb);
  if (row == nullptr) {
    if (!spoke_ && detail::is_foreign_protocol(c->word))
      end(reply(replies::go_away), session_end::protocol);
    else
      bad_command(replies::unknown_command);
    return;
  }
  if (const fixed_reply* why = objection_to(*c, *row)) {
    bad_command(*why);
    // Its octets follow, and nobody is there to skip them.
    if (c->verb == verb::bdat) close_session(session_end::protocol);
  } else {
    if (row->idle) count_idle_command();
    if (!closed()) (this->*row->handle)(*c);
  }
  // RFC 2920 §3.1: DATA ends a group of commands. What follows one that is refused is text that did
  // not wait for 354, and must not be read as commands.
  if (c->verb == verb::data && !question_ && !input_.empty()) close_session(session_end::protocol);
}

// RFC 2033 §4.1: LMTP has another greeting.
GATEPOST_DECL const fixed_reply* session::as_it_is_spoken(const fixed_reply* why) const {
  return why == &replies::hello_first && channel_->lmtp ? &replies::lhlo_first : why;
}

// What stands against this command, here and now.
GATEPOST_DECL const fixed_reply* session::objection_to(const command_line& c,
                                                       const handler_row& row) const {
  if (phase_ == smtp::phase::rejected && c.verb != verb::quit) return &replies::bad_sequence;
  const bool to_proxies = c.verb == verb::xclient || c.verb == verb::xforward;
  const extension_set known = to_proxies ? offered() : channel_->extensions;
  if (row.needs && !known.has(*row.needs)) return &replies::not_offered;
  if (channel_->require_tls && !facts_.tls && !row.before_tls) return &replies::tls_first;
  if (const fixed_reply* why = refusal_of(c.verb, phase_)) return as_it_is_spoken(why);
  if (c.ascii || row.utf8 == utf8_use::judged_by_handler) return nullptr;
  // RFC 5321 §2.4: "Receiving systems SHOULD reject such commands, normally using '500 syntax error
  // - invalid character' replies". RFC 6531 §3.7.4.2 has it in VRFY and EXPN.
  const bool allowed = row.utf8 == utf8_use::with_smtputf8 && known.has(extension::smtputf8);
  return allowed ? nullptr : &replies::not_ascii;
}

GATEPOST_DECL void session::tap_command(const command_line& c, std::string_view line) {
  const bool unknown = c.verb == verb::unknown;
  const bool secret =
      unknown && after_auth_;  // the answers of a client that did not wait for challenges
  if (!unknown) after_auth_ = c.verb == verb::auth;
  if (tap_ == nullptr) return;
  if (secret) return tap_input("(masked)");
  if (c.verb != verb::auth) return tap_input(line);
  const std::string_view mechanism = c.argument.substr(0, c.argument.find_first_of(" \t"));
  const char* end =
      mechanism.empty() ? c.word.data() + c.word.size() : mechanism.data() + mechanism.size();
  tap_input(line.substr(0, static_cast<std::size_t>(end - line.data())));
}

// Talk that brings no message nearer.
GATEPOST_DECL void session::count_idle_command() {
  if (++idle_commands_ > channel_->limits.idle_commands)
    count_bad_command(limit_kind::idle_commands);
}

// RFC 5321 §4.1.1.1; RFC 2033 §4.1 for LHLO.
GATEPOST_DECL void session::on_hello(const command_line& c) {
  // RFC 2033 §4.1: an LMTP server refuses HELO and EHLO; and the other way round.
  if ((c.verb == verb::lhlo) != channel_->lmtp) {
    bad_command(replies::unknown_command);
    return;
  }
  if (c.argument.empty() || c.argument.size() > max_domain_octets) {
    bad_command(reply(501, {5, 5, 4}, "Syntax: " + std::string(to_string(c.verb)) + " hostname"));
    return;
  }
  // RFC 2920 §3.1: commands sent ahead of our EHLO reply rely on what they cannot know.
  if (!spoke_ && !input_.empty()) facts_.pipelined_early = true;
  previous_helo_.swap(facts_.helo);
  facts_.helo.assign(c.argument);
  next_protocol_ = c.verb == verb::helo   ? smtp::protocol::smtp
                   : c.verb == verb::ehlo ? smtp::protocol::esmtp
                                          : smtp::protocol::lmtp;
  question_ = smtp::stage::helo;
}

// RFC 5321 §4.1.1.2.
GATEPOST_DECL void session::on_mail(const command_line& c) {
  const session_limits& limits = channel_->limits;
  const bool open = channel_->require_auth && !facts_.authenticated();
  if (open) {
    bad_command(replies::auth_required);
    return;
  }
  extension_set now = offered();
  // RFC 4954 §5: AUTH= is a parameter wherever AUTH is an extension, also once it has been done.
  if (can_.auth && !channel_->auth_mechanisms.empty()) now.add(extension::auth);
  const auto m = parse_mail(c.argument, {.offered = now, .max_parameters = limits.parameters});
  if (!m) {
    bad_command(detail::syntax_reply(m.error(), {5, 1, 7}, "MAIL FROM:<address>"));
    return;
  }
  if (limits.transactions != 0 && facts_.transactions >= limits.transactions) {
    end_by(limit_kind::transactions, reply(replies::too_many_transactions));
    return;
  }
  // RFC 1870 §6.1: a message that is known to be too big is refused here.
  if (m->parameters.size.value_or(0) > limits.message) {
    reached(limit_kind::message);
    say(replies::message_too_big);
    count_idle_command();
    return;
  }
  if (is_unwanted(m->parameters.solicit)) {
    say(replies::unwanted_solicitation);
    count_idle_command();
    return;
  }
  ++facts_.transactions;
  idle_commands_ = excess_recipients_ = 0;
  envelope_.begin(*m);
  question_ = smtp::stage::mail;
}

// Whether SOLICIT= declares a class that the channel does not want.
GATEPOST_DECL bool session::is_unwanted(std::string_view solicit) const {
  const std::vector<std::string>& unwanted = channel_->unwanted_solicitations;
  if (solicit.empty() || unwanted.empty()) return false;
  for (std::optional<std::string_view> rest = solicit; rest;) {
    const std::string_view declared = detail::take_item(rest);
    for (const std::string& one : unwanted)
      if (equal_ignoring_case(one, declared)) return true;
  }
  return false;
}

// RFC 5321 §4.1.1.3.
GATEPOST_DECL void session::on_rcpt(const command_line& c) {
  const session_limits& limits = channel_->limits;
  const auto r = parse_rcpt(c.argument, {.offered = offered(), .max_parameters = limits.parameters},
                            envelope_.smtputf8());
  if (!r) {
    bad_command(detail::syntax_reply(r.error(), {5, 1, 3}, "RCPT TO:<address>"));
    return;
  }
  if (envelope_.recipients().size() >= limits.recipients) {
    reached(limit_kind::recipients);
    say(replies::too_many_recipients);  // RFC 5321 §4.5.3.1.10
    // An honest client may have sent as many again ahead; no more than that is patience.
    if (++excess_recipients_ > limits.recipients) count_bad_command();
    return;
  }
  envelope_.add(*r);
  question_ = smtp::stage::rcpt;
}

// RFC 5321 §4.1.1.4.
GATEPOST_DECL void session::on_data(const command_line& c) {
  if (!c.argument.empty()) {
    bad_command(reply(501, {5, 5, 4}, "Syntax: DATA"));
    return;
  }
  if (envelope_.body() == body_type::binary_mime) {  // RFC 3030 §3
    bad_command(replies::binary_needs_bdat);
    return;
  }
  chunked_ = false;
  question_ = smtp::stage::data;
}

// RFC 3030 §2. The chunk's octets come whatever the reply is, so that they are always read.
GATEPOST_DECL void session::on_bdat(const command_line& c) {
  const auto b = parse_bdat(c.argument);
  if (!b) {
    // How many octets follow cannot be known: reading on would take them for commands.
    end(reply(501, {5, 5, 4}, "Syntax: BDAT octets [LAST]"), session_end::protocol);
    return;
  }
  if (b->size == 0 && !b->last) count_idle_command();
  if (closed()) return;
  const fixed_reply* why = chunk_refusal(b->size);
  const bool first = phase_ == smtp::phase::rcpt;
  if (!envelope_.active() || first || why != nullptr) phase_before_chunk_ = phase_;
  if (!chunked_) {
    const bool binary = envelope_.active() && envelope_.body() == body_type::binary_mime;
    chunk_.reset({.ends = channel_->line_ends, .max_line = channel_->limits.text_line},
                 binary ? chunk_body::binary : chunk_body::text);
    message_size_ = 0;
  }
  chunk_.begin(b->size, b->last);
  chunked_ = true;
  last_chunk_ = b->last;
  chunk_octets_ = b->size;
  if (why != nullptr) {
    if (why == &replies::message_too_big) reached(limit_kind::message);
    refuse_message(*why);
    phase_ = smtp::phase::body;
  } else if (first) {
    question_ = smtp::stage::data;
  } else {
    phase_ = smtp::phase::body;
  }
}

GATEPOST_DECL const fixed_reply* session::chunk_refusal(std::uint64_t size) const {
  if (!channel_->extensions.has(extension::chunking)) return &replies::not_offered;
  if (channel_->require_tls && !facts_.tls) return &replies::tls_first;
  if (phase_ == smtp::phase::start) return as_it_is_spoken(&replies::hello_first);
  if (phase_ == smtp::phase::ready) return &replies::mail_first;
  if (phase_ == smtp::phase::mail) return &replies::rcpt_first;
  const std::uint64_t limit = channel_->limits.message;
  const std::uint64_t before = chunked_ ? chunk_.size() : 0;
  if (size > limit || before > limit - size) return &replies::message_too_big;
  return nullptr;
}

// RFC 5321 §4.1.1.5.
GATEPOST_DECL void session::on_rset(const command_line& c) {
  if (!c.argument.empty()) {
    bad_command(reply(501, {5, 5, 4}, "Syntax: RSET"));
    return;
  }
  say(replies::ok);
  end_transaction();
}

GATEPOST_DECL void session::on_noop(const command_line&) { say(replies::ok); }

// RFC 5321 §4.1.1.10.
GATEPOST_DECL void session::on_quit(const command_line& c) {
  if (!c.argument.empty()) {
    bad_command(reply(501, {5, 5, 4}, "Syntax: QUIT"));
    return;
  }
  say(replies::bye);
  close_session(session_end::quit);
}

// RFC 5321 §3.5.3: 252 where we do not tell; also for EXPN.
GATEPOST_DECL void session::on_vrfy(const command_line& c) {
  if (c.argument.empty()) {
    bad_command(reply(501, {5, 5, 4}, "Syntax: " + std::string(to_string(c.verb)) + " name"));
    return;
  }
  say(replies::cannot_verify);
}

GATEPOST_DECL void session::on_help(const command_line&) {
  say(reply(214, {2, 0, 0}, "This is an SMTP server, see RFC 5321"));
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SESSION_COMMANDS_IPP
