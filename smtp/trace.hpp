// Trace fields: Received for every message that passes, Return-Path and Delivered-To at its end.
//
// Written as RFC 5321 §4.4 says, with the transmission types of RFC 3848 and RFC 6531 §4.3 and the
// tls clause of RFC 8314 §4.3. Everything that a client chose (HELO, its DNS names, its mailboxes)
// is made harmless here: it can end neither its clause nor its comment nor the field. Lines are
// folded between clauses, at 78 octets unless one clause is longer, never over 998. Time is a
// parameter.
//
// When too many Received fields are too many: session_limits::hops, and count_hops().
#ifndef GATEPOST_SMTP_TRACE_HPP
#define GATEPOST_SMTP_TRACE_HPP

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/facts.hpp"
#include "smtp/ip.hpp"

namespace gatepost::smtp {

// What a Received field tells. The views are only read during the call.
struct received_facts {
  // --- from
  // ----------------------------------------------------------------------------------------
  std::string_view helo;             // as the client said it; empty: "unknown"
  std::string_view client_name;      // by reverse DNS, and confirmed forward; empty: none
  std::optional<ip_address> client;  // absent where there is none: a Unix socket

  // --- by
  // ------------------------------------------------------------------------------------------
  std::string_view by;  // our name

  // --- with
  // ----------------------------------------------------------------------------------------
  smtp::protocol protocol = smtp::protocol::esmtp;
  bool utf8 = false;               // MAIL had SMTPUTF8
  bool authenticated = false;      // AUTH succeeded
  const tls_facts* tls = nullptr;  // where TLS was in use

  // Told to every reader of the message; empty: not told. RFC 4954 §7 asks for no more than the
  // type.
  std::string_view auth_identity;

  // --- id, for, date
  // -------------------------------------------------------------------------------
  std::string_view id;         // empty: none
  std::string_view recipient;  // without <>; named only where it is the only one: others are Bcc
  std::size_t recipients = 0;  // of the transaction
  std::chrono::system_clock::time_point time{};
};

// The transmission type: "SMTP", "ESMTPS", "UTF8LMTPSA", ... (RFC 3848, RFC 6531 §4.3). TLS, AUTH
// and SMTPUTF8 need EHLO, so with any of them it is never "SMTP".
GATEPOST_DECL std::string_view transmission_type(const received_facts& facts) noexcept;

// Appends a Received field with its CRLF.
GATEPOST_DECL void write_received(std::string& out, const received_facts& facts);

// Appends "Return-Path: <mailbox>", or <> where it is empty. Only the final delivery writes it
// (RFC 5321 §4.4), and takes an older one away.
GATEPOST_DECL void write_return_path(std::string& out, std::string_view mailbox);

// Appends "Delivered-To: mailbox", which delivered_before() finds if the message comes again.
GATEPOST_DECL void write_delivered_to(std::string& out, std::string_view mailbox);

// "Mon, 23 Nov 2026 09:16:54 +0000": RFC 5322 §3.3 in UTC, in no locale.
GATEPOST_DECL void append_date(std::string& out, std::chrono::system_clock::time_point time);
GATEPOST_DECL std::string date_text(std::chrono::system_clock::time_point time);

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/trace.ipp"
#endif

#endif  // GATEPOST_SMTP_TRACE_HPP
