// What a spool keeps of a message beside its text: the envelope, and how far delivery has come.
//
// A regular value. The text is as it came in; `edits` says what next hops get to see instead.
#ifndef GATEPOST_ROUTING_SPOOL_MESSAGE_HPP
#define GATEPOST_ROUTING_SPOOL_MESSAGE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smtp/command.hpp"
#include "smtp/config.hpp"
#include "smtp/envelope.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/reply.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::routing {

// Times in a spool outlive the process, hence the system's clock. They are kept to the microsecond.
using spool_time = std::chrono::system_clock::time_point;

enum class recipient_state : std::uint8_t {
  pending,    // next_attempt says when to try
  delivered,  // a next hop has taken responsibility
  failed,     // permanently; last_reply says why
  held,       // nothing happens until somebody releases it
};

// Octets of spool_recipient::last_reply that a relay keeps. RFC 5321 §4.5.3.1.5: a reply line has
// no more.
inline constexpr std::size_t max_kept_reply = 512;

struct spool_recipient {
  spool_recipient() = default;

  std::string forward_path;  // without <>; smtp::address::from_text() reads it
  std::uint8_t notify = smtp::notify_unspecified;  // RFC 3461 §4.1
  std::string orcpt;                               // RFC 3461 §4.2, as written
  std::string route;                               // what it is routed by: smtp::recipient::route

  recipient_state state = recipient_state::pending;
  std::uint32_t attempts = 0;
  spool_time next_attempt{};
  std::string last_reply;        // of the last attempt: the next hop's words, or what went wrong
  smtp::enhanced_code enhanced;  // of the last attempt
};

struct spool_message {
  spool_message() = default;

  std::string id;          // given by the spool; see routing/spool_id.hpp
  std::string session_id;  // of the session it came in by
  spool_time received_at{};
  // Of the text, set by the spool: its octets, and their CRC-32C where it guards them by one.
  std::uint64_t size = 0;
  std::optional<std::uint32_t> crc32c;

  // --- Envelope ----------------------------------------------------------------------------------
  std::string reverse_path;  // without <>; empty: the null path
  std::vector<spool_recipient> recipients;
  smtp::body_type body = smtp::body_type::seven_bit;
  bool smtputf8 = false;
  bool requiretls = false;
  smtp::dsn_return ret = smtp::dsn_return::unspecified;
  std::string envid;    // xtext as written
  std::string auth;     // xtext as written; empty: not given
  std::string solicit;  // RFC 3865

  // --- What was decided about it -----------------------------------------------------------------
  std::string hold_reason;  // of the recipients that are held, or were
  std::vector<smtp::tag> tags;
  smtp::header_edits edits;

  // Takes over the envelope, with those of its recipients whose indices are in `which`.
  GATEPOST_DECL void take(const smtp::envelope& from, std::span<const std::size_t> which);

  // Whether a recipient is held.
  GATEPOST_DECL bool held() const;
  // Makes those pending that are held, and due at `now`. The time to give up runs from then on.
  GATEPOST_DECL void release(spool_time now);
  // Makes all pending that are not delivered, also those that have failed, and due at `now`. The
  // time to give up runs from then on, where one was held or has failed.
  GATEPOST_DECL void retry(spool_time now);

  // The earliest next_attempt of the pending recipients; nothing where none is pending.
  GATEPOST_DECL std::optional<spool_time> due() const;
};

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/spool_message.ipp"
#endif

#endif  // GATEPOST_ROUTING_SPOOL_MESSAGE_HPP
