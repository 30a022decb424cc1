#ifndef GATEPOST_SMTP_IMPL_CLIENT_SESSION_IPP
#define GATEPOST_SMTP_IMPL_CLIENT_SESSION_IPP

#include <algorithm>
#include <cassert>
#include <utility>

#include "smtp/base64.hpp"
#include "smtp/client_session.hpp"
#include "smtp/domain.hpp"

namespace gatepost::smtp {
namespace detail {

inline constexpr std::uint32_t every_recipient = ~std::uint32_t{0};

// RFC 4954 §4: an AUTH command with its initial response is a command line, of 512 octets.
inline constexpr std::size_t max_auth_command = 510;

// Output memory that an idle session may keep: a small envelope's worth.
inline constexpr std::size_t kept_output = 4u << 10;

inline constexpr std::string_view masked = "****";

}  // namespace detail

GATEPOST_DECL std::string client_failure::text() const {
  std::string out = error.message();
  if (step != client_step::idle) out.append(" (").append(to_string(step)).append(")");
  if (!detail.empty()) out.append(": ").append(detail);
  if (!reply.empty()) out.append(": ").append(reply.to_string());
  return out;
}

GATEPOST_DECL client_session::client_session(client_options options, client_tap* tap)
    : options_(std::move(options)),
      tap_(tap),
      reader_(options_.limits.reply),
      tls_(options_.tls_active) {
  client_limits& l = options_.limits;
  l.outstanding = std::max<std::size_t>(l.outstanding, 1);
  l.command_block = std::max<std::size_t>(l.command_block, 1);
  l.body_block = std::max<std::size_t>(l.body_block, 1);
  expect(client_step::greeting, 0);
  released_ = expected_.size();
  // Whatever a configuration says, it does not get into a command unchecked.
  if (!valid_helo_name(options_.hello_name))
    fail(errc::bad_config, client_step::hello, nullptr, "our name is not valid in EHLO");
}

GATEPOST_DECL client_action client_session::next() {
  for (;;) {
    if (phase_ == phase::failed) return act(client_action_kind::failed, failure_.step);
    if (phase_ == phase::done) return act(client_action_kind::done, client_step::quit);
    if (ready_) {
      // A batch of commands may be answered before all of it is written (RFC 2920 §3.1).
      if (phase_ == phase::envelope) released_ = expected_.size();
      if (out_step_ == client_step::final_dot) now_.end_sent = true;
      client_action write = act(client_action_kind::write, out_step_);
      write.text = std::string_view(out_).substr(out_start_);
      return write;
    }
    if (must_read()) return act(client_action_kind::read, current_step());
    forget_answered();
    const std::optional<client_action> a = step();
    if (a) return *a;
  }
}

GATEPOST_DECL void client_session::forget_answered() {
  if (awaited() > 0 && answered_ < options_.limits.outstanding_chunks) return;
  expected_.erase(expected_.begin(), expected_.begin() + static_cast<std::ptrdiff_t>(answered_));
  released_ -= answered_;
  answered_ = 0;
}

GATEPOST_DECL bool client_session::must_read() const {
  // Part of a reply that nothing has asked for: all of it has to be seen before anything else is
  // said.
  if (awaited() == 0) return reader_.in_reply() && phase_ != phase::idle;
  const bool chunks = phase_ == phase::body && plan_.use_bdat && pipelines() && !now_.body_refused;
  return !chunks || awaited() >= options_.limits.outstanding_chunks;
}

// Nothing is awaited, or further chunks may go out.
GATEPOST_DECL std::optional<client_action> client_session::step() {
  switch (phase_) {
    case phase::hello: say_hello(is_lmtp() ? "LHLO " : "EHLO "); break;
    case phase::helo: say_hello("HELO "); break;
    case phase::starttls: say("STARTTLS", client_step::starttls); break;
    case phase::tls: return act(client_action_kind::start_tls, client_step::tls);
    case phase::auth: say_auth(); break;
    case phase::idle: return act(client_action_kind::idle, client_step::idle);
    case phase::envelope: step_envelope(); break;
    case phase::body:
      step_body();
      if (phase_ == phase::body && !ready_)
        return act(client_action_kind::want_body, client_step::body);
      break;
    case phase::end_of_body: finish(); break;
    case phase::quit:
    case phase::leave: say("QUIT", client_step::quit); break;
    case phase::greeting:
    case phase::done:
    case phase::failed: assert(false); break;
  }
  return std::nullopt;
}

GATEPOST_DECL client_action client_session::act(client_action_kind kind, client_step s) const {
  client_action a;
  a.kind = kind;
  a.step = s;
  a.wait = wait_;
  const bool text =
      kind == client_action_kind::write && (s == client_step::body || s == client_step::final_dot);
  a.timeout = text ? options_.limits.data_block : timeout_of(s);
  return a;
}

GATEPOST_DECL client_step client_session::current_step() const {
  if (answered_ < expected_.size()) return expected_[answered_].step;
  if (ready_) return out_step_;
  switch (phase_) {
    case phase::tls: return client_step::tls;
    case phase::envelope: return client_step::mail;
    case phase::body:
    case phase::end_of_body: return client_step::body;
    default: return client_step::idle;
  }
}

GATEPOST_DECL std::chrono::milliseconds client_session::timeout_of(client_step s) const {
  const client_limits& l = options_.limits;
  switch (s) {
    case client_step::connect: return l.connect;
    case client_step::greeting: return l.greeting;
    case client_step::hello: return l.hello;
    case client_step::starttls:
    case client_step::tls: return l.tls;
    case client_step::auth: return l.auth;
    case client_step::rset: return l.rset;
    case client_step::mail: return l.mail;
    case client_step::rcpt: return l.rcpt;
    case client_step::data: return l.data;
    case client_step::body: return l.data_block;
    case client_step::final_dot: return l.final_dot;
    case client_step::idle:
    case client_step::prepare:
    case client_step::quit: return l.quit;
  }
  return l.quit;
}

// --- How it went ---------------------------------------------------------------------------------

GATEPOST_DECL void client_session::received(std::string_view octets) {
  while (!octets.empty() && phase_ != phase::done && phase_ != phase::failed) {
    const bool awaited_one = answered_ < released_;
    // RFC 3207 §4.2: what came in plain text behind the reply may be an attacker's.
    if (!awaited_one && phase_ == phase::tls) return fail(errc::tls_injection, client_step::tls);
    const reply_state state = reader_.read(octets);
    if (state == reply_state::partial) return;
    if (state == reply_state::failed) return fail(reader_.error(), current_step());
    ++wait_;
    tap_reply(reader_.reply());
    if (awaited_one)
      on_reply(reader_.reply());
    else
      on_unexpected(reader_.reply());
    reader_.next();
  }
}

GATEPOST_DECL void client_session::written() {
  out_.clear();
  out_start_ = 0;
  ready_ = false;
  released_ = expected_.size();
  ++wait_;
}

GATEPOST_DECL void client_session::tls_started() {
  assert(phase_ == phase::tls || phase_ == phase::failed);
  if (phase_ != phase::tls) return;
  // RFC 3207 §4.2: forget what was learnt before TLS, and ask again.
  tls_ = true;
  features_ = {};
  reader_.reset();
  phase_ = phase::hello;
  ++wait_;
}

GATEPOST_DECL void client_session::lost(std::error_code why, std::string detail) {
  if (phase_ == phase::done || phase_ == phase::failed) return;
  fail(why, current_step(), nullptr, std::move(detail));
}

GATEPOST_DECL void client_session::quit() {
  assert(phase_ == phase::idle || phase_ == phase::failed || phase_ == phase::done);
  if (phase_ != phase::idle) return;
  phase_ = phase::quit;
  ++wait_;
}

// --- Talking -------------------------------------------------------------------------------------

GATEPOST_DECL void client_session::say(std::string_view line, client_step s) { say(line, s, line); }

// `shown`: what transcripts have of it.
GATEPOST_DECL void client_session::say(std::string_view line, client_step s,
                                       std::string_view shown) {
  tap_line(shown);
  out_.append(line).append("\r\n");
  expect(s, 0);
  out_step_ = s;
  ready_ = true;
}

GATEPOST_DECL void client_session::say_hello(std::string_view verb) {
  std::string line(verb);
  line.append(options_.hello_name);
  say(line, client_step::hello);
}

GATEPOST_DECL void client_session::tap_line(std::string_view line) {
  if (tap_ != nullptr) tap_->on_line(client_tap::side::client, line);
}

GATEPOST_DECL void client_session::tap_reply(const server_reply& r) {
  if (tap_ == nullptr) return;
  std::string_view rest = r.text();
  for (bool last = false; !last;) {
    const std::size_t newline = rest.find('\n');
    last = newline == std::string_view::npos;
    std::string line = std::to_string(r.code());
    line.append(last ? " " : "-").append(rest.substr(0, newline));
    tap_->on_line(client_tap::side::server, line);
    if (!last) rest.remove_prefix(newline + 1);
  }
}

// --- Replies -------------------------------------------------------------------------------------

GATEPOST_DECL void client_session::on_reply(const server_reply& r) {
  const expectation e = expected_[answered_++];
  now_.answered = true;
  // RFC 5321 §3.8: the reply to any command, when the server has to stop.
  if (r.code() == 421 && e.step != client_step::quit) {
    settle_open(e.step, r, e.recipient);
    return fail(errc::server_closing, e.step, &r);
  }
  switch (e.step) {
    case client_step::greeting: return on_greeting(r);
    case client_step::hello: return on_hello(r);
    case client_step::starttls: return on_starttls(r);
    case client_step::auth: return on_auth(r);
    case client_step::rset: return on_rset(r);
    case client_step::mail: return on_mail(r);
    case client_step::rcpt: return on_rcpt(r, e.recipient);
    case client_step::data: return on_data(r);
    case client_step::body: return on_chunk(r);
    case client_step::final_dot: return on_final(r, e.recipient);
    case client_step::quit: return on_quit();
    default: assert(false);
  }
}

// A reply that answers nothing.
GATEPOST_DECL void client_session::on_unexpected(const server_reply& r) {
  const client_step s = current_step();
  const bool in_text = phase_ == phase::body || phase_ == phase::end_of_body;
  if (r.code() == 421 || (in_text && r.code() >= 400)) {
    // A server that has seen enough of a message says so, and closes. Whatever we sent after it is
    // lost.
    settle_open(s, r, detail::every_recipient);
    return fail(errc::server_closing, s, &r);
  }
  fail(errc::reply_out_of_step, s, &r);
}

GATEPOST_DECL void client_session::on_greeting(const server_reply& r) {
  if (r.code() == 220) {
    phase_ = phase::hello;
  } else if (r.code() >= 400) {
    // RFC 5321 §3.1: a server that says 554 waits for QUIT.
    leave(errc::service_refused, client_step::greeting, &r);
  } else {
    fail(errc::bad_reply, client_step::greeting, &r);
  }
}

GATEPOST_DECL void client_session::on_hello(const server_reply& r) {
  const bool old = phase_ == phase::helo;
  if (r.positive()) {
    server_features found = parse_features(r.text(), options_.ignored);
    features_ = {};
    if (old)
      features_.name = std::move(found.name);
    else
      features_ = std::move(found);
    return after_hello();
  }
  // RFC 5321 §3.2: a server that knows no EHLO may know HELO. One that has said it knows TLS does
  // know it.
  if (r.permanent() && !old && !is_lmtp() && !tls_) {
    phase_ = phase::helo;
    return;
  }
  if (r.intermediate()) return fail(errc::bad_reply, client_step::hello, &r);
  leave(errc::service_refused, client_step::hello, &r);
}

GATEPOST_DECL void client_session::after_hello() {
  const bool offered = features_.has(extension::starttls);
  if (!tls_ && offered && options_.starttls != starttls_use::none)
    phase_ = phase::starttls;
  else if (!tls_ && options_.starttls == starttls_use::required)
    leave(errc::tls_not_offered, client_step::starttls, nullptr);
  else
    begin_auth();
}

GATEPOST_DECL void client_session::on_starttls(const server_reply& r) {
  if (r.code() == 220)
    phase_ = phase::tls;
  else if (r.code() < 400)
    fail(errc::bad_reply, client_step::starttls, &r);
  else if (options_.starttls == starttls_use::required)
    leave(errc::tls_failed, client_step::starttls, &r);
  else
    begin_auth();
}

// RFC 4954 §14 and RFC 8314 §3: TLS with just anybody keeps no password from whoever is in between.
// Empty: it may go.
GATEPOST_DECL std::string_view client_session::why_no_password() const {
  if (options_.auth_without_tls) return {};
  if (!tls_) return "no password without TLS";
  if (tls_verified_ || options_.local || options_.auth_without_verification) return {};
  return "no password where the certificate is not verified";
}

GATEPOST_DECL void client_session::begin_auth() {
  phase_ = phase::idle;
  if (!options_.login || logged_in_) return;
  if (const std::string_view why = why_no_password(); !why.empty())
    return leave(errc::auth_not_offered, client_step::auth, nullptr, std::string(why));
  sasl_ = choose_sasl_client(features_.mechanisms, *options_.login);
  if (sasl_ == nullptr) return leave(errc::auth_not_offered, client_step::auth, nullptr);
  phase_ = phase::auth;
}

// RFC 4954 §4.
GATEPOST_DECL void client_session::say_auth() {
  const bool first = auth_steps_++ == 0;
  std::string line = first ? "AUTH " : std::move(auth_line_);
  std::string shown(detail::masked);
  if (first) {
    line.append(sasl_->mechanism());
    shown = line;
    const std::optional<std::string> initial = sasl_->initial_response();
    const std::string coded = !initial ? "" : initial->empty() ? "=" : base64_encode(*initial);
    if (initial && line.size() + 1 + coded.size() <= detail::max_auth_command) {
      line.append(1, ' ').append(coded);
      shown.append(1, ' ').append(detail::masked);
    }
  }
  if (sasl_ == nullptr) shown = line;  // "*"
  say(line, client_step::auth, shown);
}

GATEPOST_DECL void client_session::on_auth(const server_reply& r) {
  if (sasl_ == nullptr) return leave(errc::auth_failed, client_step::auth, &r);  // we said "*"
  if (r.positive()) {
    logged_in_ = true;
    sasl_.reset();
    phase_ = phase::idle;
    return;
  }
  if (!r.intermediate()) return leave(errc::auth_failed, client_step::auth, &r);
  const std::optional<std::string> challenge = base64_decode(r.text());
  if (challenge && auth_steps_ < options_.limits.auth_steps) {
    const result<std::string> response = sasl_->respond(*challenge);
    if (response) {
      auth_line_ = base64_encode(*response);
      return;
    }
  }
  // RFC 4954 §4: the client cancels by "*".
  auth_line_ = "*";
  sasl_.reset();
}

GATEPOST_DECL void client_session::on_quit() {
  phase_ = phase_ == phase::leave ? phase::failed : phase::done;
}

// --- The end -------------------------------------------------------------------------------------

// Ends a session that is in step, politely.
GATEPOST_DECL void client_session::leave(errc why, client_step s, const server_reply* r,
                                         std::string detail) {
  fail(why, s, r, std::move(detail));
  phase_ = phase::leave;
}

GATEPOST_DECL void client_session::fail(std::error_code why, client_step s, const server_reply* r,
                                        std::string detail) {
  // What goes wrong about QUIT changes nothing.
  if (phase_ == phase::quit || phase_ == phase::leave) return on_quit();
  failure_ = client_failure(why, s);
  if (r != nullptr) failure_.reply = r->to_reply();
  failure_.detail = std::move(detail);
  if (in_transaction()) settle_lost(failure_);
  transaction_ = nullptr;
  phase_ = phase::failed;
}

}  // namespace gatepost::smtp

#include "smtp/impl/client_transaction.ipp"

#endif  // GATEPOST_SMTP_IMPL_CLIENT_SESSION_IPP
