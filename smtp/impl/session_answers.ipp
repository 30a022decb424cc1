#ifndef GATEPOST_SMTP_IMPL_SESSION_ANSWERS_IPP
#define GATEPOST_SMTP_IMPL_SESSION_ANSWERS_IPP

#include <charconv>

#include "smtp/base64.hpp"
#include "smtp/session.hpp"

namespace gatepost::smtp {
namespace detail {

// RFC 9422 §4: a limit has one to six digits, and 0 is none.
constexpr bool can_be_told(std::size_t limit) { return limit > 0 && limit <= 999999; }

// The attributes of Postfix's XFORWARD_README.
inline constexpr std::string_view forwarded_attributes[] = {"NAME", "ADDR",  "PORT",  "PROTO",
                                                            "HELO", "IDENT", "SOURCE"};

}  // namespace detail

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
  std::string_view text = channel_->greeting;
  if (text.empty()) text = channel_->lmtp ? "LMTP" : "ESMTP";
  output_.append("220 ").append(channel_->hostname).append(" ").append(text).append("\r\n");
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
    case extension::no_soliciting: {  // RFC 3865 §2.1
      char before = ' ';
      for (const std::string& keyword : channel_->unwanted_solicitations)
        line.append(1, std::exchange(before, ',')).append(keyword);
      break;
    }
    case extension::auth:
      for (const std::string& m : channel_->auth_mechanisms) line.append(" ").append(m);
      break;
    case extension::xclient:
      line.append(" NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
      break;
    case extension::xforward:
      for (const std::string_view name : detail::forwarded_attributes)
        line.append(" ").append(name);
      break;
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
  if (!facts_.unix_peer.empty() || !trusted.contains(facts_.peer.address) ||
      !trusted.contains(first_client_))
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
      end_by(limit_kind::bad_recipients, reply(replies::too_many_errors));
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
        end_by(limit_kind::auth_failures, reply(replies::too_many_errors));
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
  line_refused_ = false;
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

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SESSION_ANSWERS_IPP
