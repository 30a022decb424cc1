// RFC 5321 §4.1.4, the order of commands: all of it, here only.
//
// The engine looks up one row per command line. A row says in which phases the verb may come and
// which reply it gets in the others; what it does when it may come is the handler's business
// (session.ipp). docs/protocol.md prints this table, and a test walks the whole verb × phase
// product.
#ifndef GATEPOST_SMTP_TRANSITIONS_HPP
#define GATEPOST_SMTP_TRANSITIONS_HPP

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "smtp/command.hpp"
#include "smtp/reply.hpp"

namespace gatepost::smtp {

enum class phase : std::uint8_t {
  greeting,  // nothing said yet, or XCLIENT has started the session anew
  start,     // greeted; the client has not said HELO
  ready,     // HELO, EHLO or LHLO accepted; no transaction
  mail,      // MAIL accepted, no recipient yet
  rcpt,      // at least one RCPT accepted
  chunks,    // between two BDAT of one message
  body,      // message octets are coming in (DATA, or within a BDAT chunk)
  auth,      // an AUTH exchange is on
  rejected,  // greeted with 554: RFC 5321 §3.1 has us wait for QUIT
  closed,    // nothing will be read or said any more
};

inline constexpr int phase_count = 10;

constexpr std::uint16_t in(phase p) {
  return static_cast<std::uint16_t>(1u << static_cast<int>(p));
}

template <class... Rest>
constexpr std::uint16_t in(phase first, Rest... rest) {
  return static_cast<std::uint16_t>(in(first) | (in(rest) | ...));
}

inline constexpr std::uint16_t in_transaction = in(phase::mail, phase::rcpt, phase::chunks);
inline constexpr std::uint16_t between_commands = in(phase::start, phase::ready) | in_transaction;

struct transition {
  smtp::verb verb;
  std::uint16_t allowed;                 // phases, by in()
  const fixed_reply* before = nullptr;   // where it may not come: the reply in start and ready,
  const fixed_reply* within = nullptr;   // in mail and rcpt,
  const fixed_reply* chunked = nullptr;  // and in chunks; nullptr: bad_sequence
};

// One row per verb, in the order of smtp::verb.
inline constexpr transition transitions[] = {
    // RFC 5321 §4.1.4: EHLO "MAY be issued by a client later in the session", and acts as RSET.
    {.verb = verb::helo, .allowed = between_commands},
    {.verb = verb::ehlo, .allowed = between_commands},
    {.verb = verb::lhlo, .allowed = between_commands},
    // RFC 5321 §4.1.1.2: MAIL begins a transaction, unless one is in progress.
    {verb::mail, in(phase::ready), &replies::hello_first, &replies::nested_mail,
     &replies::nested_mail},
    {verb::rcpt, in(phase::mail, phase::rcpt), &replies::mail_first},
    // RFC 5321 §3.3: DATA without a valid recipient gets 503 or 554.
    {verb::data, in(phase::rcpt), &replies::mail_first, &replies::rcpt_first,
     &replies::data_after_bdat},
    // RFC 3030 §2: a chunk's octets follow whatever we say, so that the handler judges the order.
    {.verb = verb::bdat, .allowed = between_commands},
    {.verb = verb::rset, .allowed = between_commands},
    {.verb = verb::noop, .allowed = between_commands},
    {.verb = verb::quit, .allowed = between_commands | in(phase::rejected)},
    {.verb = verb::vrfy, .allowed = between_commands},
    {.verb = verb::expn, .allowed = between_commands},
    {.verb = verb::help, .allowed = between_commands},
    // RFC 3207 §4, RFC 4954 §4: after EHLO, and not within a transaction.
    {verb::starttls, in(phase::ready), &replies::hello_first},
    {verb::auth, in(phase::ready), &replies::hello_first},
    {verb::etrn, in(phase::ready), &replies::hello_first},
    // Postfix XCLIENT_README: at any time, except in the middle of a mail delivery.
    {.verb = verb::xclient, .allowed = in(phase::start, phase::ready)},
    {.verb = verb::xforward, .allowed = in(phase::start, phase::ready)},
};

// The reply to `v` in phase `p`, or nullptr where the verb may come.
constexpr const fixed_reply* refusal_of(verb v, phase p) {
  if (v == verb::unknown) return &replies::unknown_command;
  const transition& t = transitions[static_cast<std::size_t>(v) - 1];
  if ((t.allowed & in(p)) != 0) return nullptr;
  const fixed_reply* why = p == phase::chunks                          ? t.chunked
                           : (in(p)&in(phase::mail, phase::rcpt)) != 0 ? t.within
                                                                       : t.before;
  return why != nullptr ? why : &replies::bad_sequence;
}

namespace detail {

constexpr bool transitions_are_in_order() {
  for (std::size_t i = 0; i < std::size(transitions); ++i)
    if (static_cast<std::size_t>(transitions[i].verb) != i + 1) return false;
  return std::size(transitions) == static_cast<std::size_t>(verb::xforward);
}
static_assert(transitions_are_in_order());

}  // namespace detail
}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_TRANSITIONS_HPP
