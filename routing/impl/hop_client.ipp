#ifndef GATEPOST_ROUTING_IMPL_HOP_CLIENT_IPP
#define GATEPOST_ROUTING_IMPL_HOP_CLIENT_IPP

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "routing/detail/hop_client.hpp"
#include "routing/detail/text_needs.hpp"
#include "smtp/detail/early_wait.hpp"

namespace gatepost::routing::detail {

GATEPOST_DECL std::optional<smtp::connect_target> target_of(const next_hop& hop) {
  if (!hop.unix_path.empty()) return smtp::connect_target::to_unix(hop.unix_path);
  if (hop.lookup == hop_lookup::mx) return std::nullopt;
  if (const auto address = smtp::parse_ip_address(hop.host))
    return smtp::connect_target(smtp::endpoint{*address, hop.port});
  return smtp::connect_target(hop.host, hop.port);
}

GATEPOST_DECL std::string name_of(const next_hop& hop) { return to_string(route(hop)); }

GATEPOST_DECL next_hop hop_for(bool requiretls, const next_hop& hop) {
  next_hop wanted = hop;
  if (requiretls && hop.unix_path.empty()) wanted.tls = hop_tls::verify;
  return wanted;
}

GATEPOST_DECL smtp::client_options options_for(const hop_client& us, const next_hop& hop,
                                               bool without_tls) {
  smtp::client_options o = *us.base;
  o.hello_name = us.hostname;
  o.protocol = hop.protocol == hop_protocol::lmtp ? smtp::client_protocol::lmtp
                                                  : smtp::client_protocol::smtp;
  o.local = !hop.unix_path.empty();
  if (hop.tls == hop_tls::required || hop.tls == hop_tls::verify) {
    o.starttls = smtp::starttls_use::required;
  } else if (hop.tls == hop_tls::opportunistic && !without_tls && us.tls != nullptr) {
    o.starttls = smtp::starttls_use::opportunistic;
  } else {
    o.starttls = smtp::starttls_use::none;
  }
  return o;
}

inline bool is_cancelled(const hop_client& us) {
  if (us.at_work != nullptr && us.at_work->cancelled()) return true;
  return std::chrono::steady_clock::now() >= us.until;
}

// Connects, and leaves the first words to the session. Why not, if not.
inline asio::awaitable<std::string> connect_hop(const hop_client& us,
                                                const smtp::connect_target& where,
                                                smtp::connector& by,
                                                smtp::client_connection& session) {
  const smtp::time_point patience = std::chrono::steady_clock::now() + us.base->limits.connect;
  smtp::connect_result made = co_await by.connect(where, std::min(patience, us.until));
  if (made.connection == nullptr) {
    smtp::client_failure why(made.error, smtp::client_step::connect);
    // The detail ends with the error's own words.
    co_return made.detail.empty() ? why.text() : std::move(made.detail);
  }
  // A connection that is being made cannot be cancelled, what follows it could last long.
  if (is_cancelled(us)) co_return "cancelled";
  const work_mark mark(us.at_work, &session);
  const std::error_code failed = co_await session.hello(std::move(made.connection));
  co_return failed ? where.text() + ": " + session.failure().text() : std::string();
}

// RFC 7435 §3: where TLS is taken as it comes, plain text is better than no mail.
inline bool may_do_without_tls(const smtp::client_connection& session, const next_hop& hop) {
  const smtp::client_failure& why = session.failure();
  if (!why.error || hop.tls != hop_tls::opportunistic) return false;
  return why.step == smtp::client_step::tls || why.step == smtp::client_step::starttls;
}

GATEPOST_DECL asio::awaitable<std::unique_ptr<smtp::client_connection>> open_hop(
    const hop_client& us, const next_hop& hop, smtp::connector& by, std::string& why_not) {
  const std::optional<smtp::connect_target> where = target_of(hop);
  if (!where) {
    why_not = "the route needs MX records, which are not looked up here: name a host, smtp:[HOST]";
    co_return nullptr;
  }
  if (is_cancelled(us)) {
    why_not = "cancelled";
    co_return nullptr;
  }
  for (const bool without_tls : {false, true}) {
    smtp::tls_peer peer(hop.host);
    if (hop.tls == hop_tls::verify) peer.verify = smtp::verification::pkix;
    auto session = std::make_unique<smtp::client_connection>(options_for(us, hop, without_tls),
                                                             us.tls, std::move(peer));
    why_not = co_await connect_hop(us, *where, by, *session);
    if (why_not.empty()) co_return session;
    if (is_cancelled(us) || !may_do_without_tls(*session, hop)) break;
  }
  co_return nullptr;
}

GATEPOST_DECL asio::awaitable<void> leave_hop(std::unique_ptr<smtp::client_connection> session,
                                              connections_at_work* at_work) {
  const work_mark mark(at_work, session.get());
  co_await session->quit();
}

GATEPOST_DECL smtp::recipient_outcome unreachable(std::string why) {
  smtp::recipient_outcome o;
  o.state = smtp::recipient_state::deferred;
  o.step = smtp::client_step::connect;
  why.resize(smtp::cut_text(why, smtp::recipient_outcome::max_text).size());
  why.shrink_to_fit();
  o.reply = smtp::reply(451, {4, 4, 1}, std::move(why));  // RFC 3463 §3.5: no answer from host
  return o;
}

GATEPOST_DECL smtp::transaction_outcome given_up(std::size_t recipients) {
  smtp::transaction_outcome outcome;
  outcome.recipients.assign(recipients, unreachable("cancelled"));
  return outcome;
}

GATEPOST_DECL bool asks_too_much(const smtp::transaction& t, const smtp::server_features& f) {
  const bool utf8 = f.has(smtp::extension::smtputf8);
  if (!utf8 && t.reverse_path.is_utf8()) return false;  // nothing in the text makes up for that
  if (t.smtputf8 && !utf8) return true;
  const bool eight_bit = t.smtputf8 || t.body == smtp::body_type::eight_bit_mime;
  return eight_bit && !f.has(smtp::extension::eightbitmime);
}

GATEPOST_DECL asio::awaitable<std::error_code> ask_for_what_is_needed(
    smtp::transaction& t, body_reader& text, const connections_at_work& at_work) {
  text_needs needs;
  for (;;) {
    if (at_work.cancelled()) co_return smtp::errc::cancelled;
    const smtp::result<std::string_view> block = text.next();
    if (!block) co_return make_error_code(block.error());
    if (block->empty()) break;
    needs.add(*block);
    co_await smtp::detail::let_others_run();
  }
  needs.finish();
  t.smtputf8 = t.smtputf8 && needs.smtputf8();
  if (t.body != smtp::body_type::binary_mime)
    t.body = needs.eight_bit() ? smtp::body_type::eight_bit_mime : smtp::body_type::seven_bit;
  co_return std::error_code{};
}

GATEPOST_DECL bool lacks_what_is_needed(const smtp::recipient_outcome& o) {
  namespace own = smtp::client_replies;
  if (o.state != smtp::recipient_state::failed || o.from_server) return false;
  const smtp::enhanced_code why = o.reply.enhanced();
  for (const smtp::fixed_reply& one :
       {own::too_big, own::needs_8bitmime, own::needs_binarymime, own::needs_smtputf8,
        own::needs_requiretls, own::needs_tls}) {
    if (why == one.enhanced) return true;
  }
  return false;
}

GATEPOST_DECL bool is_trouble_of_hop(const smtp::recipient_outcome& o) {
  if (o.state != smtp::recipient_state::deferred || o.in_doubt) return false;
  // 421 at any command, and a 4xx before there was a recipient, are about the hop itself.
  return !o.from_server || o.reply.code() == 421 || o.step < smtp::client_step::rcpt;
}

GATEPOST_DECL bool is_goodbye(const smtp::transaction_outcome& outcome) {
  bool said = false;
  for (const smtp::recipient_outcome& o : outcome.recipients) {
    if (!o.from_server) continue;
    if (o.reply.code() != 421 || o.step > smtp::client_step::rcpt) return false;
    said = true;
  }
  return said;
}

GATEPOST_DECL bool dropped_at_recipients(const smtp::client_connection& c) {
  const smtp::client_failure& why = c.failure();
  if (why.error != smtp::errc::connection_lost) return false;
  const bool pipelined = c.session().features().has(smtp::extension::pipelining);
  return why.step == smtp::client_step::rcpt || (pipelined && why.step == smtp::client_step::mail);
}

GATEPOST_DECL bool is_one_too_many(const smtp::recipient_outcome& o) {
  if (o.state != smtp::recipient_state::deferred || o.step != smtp::client_step::rcpt) return false;
  // 552 is what RFC 821 had for this; where it means anything else it is no deferral.
  if (!o.from_server || (o.reply.code() != 452 && o.reply.code() != 552)) return false;
  // RFC 3463: 4.5.3 is "too many recipients", and 4.3.1 "system full" what some say instead; 4.2.2,
  // "mailbox full", is about this one alone.
  const smtp::enhanced_code why = o.reply.enhanced();
  return why.empty() || why.subject == 5 || why.subject == 3;
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_IMPL_HOP_CLIENT_IPP
