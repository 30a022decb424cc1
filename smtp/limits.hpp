// Every size, count and wait of an SMTP session, with its default and the reason for it.
//
// A channel (smtp/channel.hpp) holds a copy, so that a trusted network may have larger ones. Sizes
// are in octets. Where RFC 5321 §4.5.3.1 names a least maximum, the default is not below it.
#ifndef GATEPOST_SMTP_LIMITS_HPP
#define GATEPOST_SMTP_LIMITS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "smtp/config.hpp"

namespace gatepost::smtp {

struct session_limits {
  // --- Sizes -------------------------------------------------------------------------------------

  // A command line with CRLF. RFC 5321 §4.5.3.1.4 asks for 512; extensions add to it: SIZE 26, BODY
  // 16, SMTPUTF8 10, DSN 613 (RET, ENVID, ORCPT, NOTIFY), AUTH= 500, NO-SOLICITING 1000, PRDR 5,
  // and RFC 6531 §3.4 adds 10 more.
  std::size_t command_line = 2800;

  // A line of an AUTH exchange. RFC 4954 §4: 12288 fits every mechanism in use.
  std::size_t auth_line = 12288;

  // A line of message text with CRLF, before dot-stuffing. RFC 5321 §4.5.3.1.6: 1000; who sends
  // more breaks RFC 5322 §2.1.1, and the next hop may refuse it or fold it, which breaks
  // signatures. 0 is no limit, for channels whose devices cannot be mended.
  std::size_t text_line = 1000;

  // A whole message. RFC 5321 §4.5.3.1.7 asks for 64 KiB. 50 MiB is what large providers take.
  std::uint64_t message = 50ull << 20;

  // The header of a message. Real ones stay under 64 KiB; Postfix's limit is 100 KiB for one field.
  std::size_t header = 256u << 10;

  // What is read and thrown away of a message that is refused already, so that the client gets its
  // reply; past it the connection is closed.
  std::uint64_t drain = 64ull << 20;

  // What is read from the socket at once. One read of this size is all that a session holds of the
  // input; a larger one gains nothing on loopback or on 10 Gbit/s.
  std::size_t read_buffer = 64u << 10;

  // The same while commands are awaited: a pipelined envelope fits, an idle session holds nothing.
  std::size_t command_buffer = 16u << 10;

  // Replies that wait for a client which does not read. RFC 2920 §3.1 forbids it to wait for the
  // window.
  std::size_t pending_output = 64u << 10;

  // --- Counts ------------------------------------------------------------------------------------

  // Recipients of one message. RFC 5321 §4.5.3.1.8: at least 100; 1000 is RFC 9422's example.
  std::size_t recipients = 1000;

  // Messages in one session. Bounds what one connection can hold of the server; 0 is no limit.
  std::size_t transactions = 1000;

  // Commands that were refused for syntax, order or lack of sense before the session ends with 421.
  // Postfix: 20 (smtpd_hard_error_limit). A line that is too long counts once more for each
  // command_line of octets in it, so that one without an end ends the session.
  std::size_t bad_commands = 20;

  // RCPT commands that were refused, likewise: directory harvesting. 0 is no limit.
  std::size_t bad_recipients = 100;

  // NOOP, RSET, VRFY, HELP, EHLO and the like between two messages. Postfix: 100
  // (smtpd_junk_command_limit).
  std::size_t idle_commands = 100;

  // AUTH commands that failed in one session. RFC 4954 §4 lets the server end it.
  std::size_t auth_failures = 3;

  // Parameters of one MAIL or RCPT. All that we know are 9.
  std::size_t parameters = 16;

  // Received fields. RFC 5321 §6.3: at least 100 before mail is refused as looping; fifty is what
  // Postfix (hopcount_limit) and Exim (received_headers_max) use, and real mail has fewer than 20.
  std::size_t hops = 50;

  // --- Waits -------------------------------------------------------------------------------------

  // RFC 5321 §4.5.3.2.7: a server waits five minutes for the next command. For all of it, however
  // slowly its octets come.
  std::chrono::milliseconds command_timeout = std::chrono::minutes(5);

  // RFC 5321 §4.5.3.2.5: three minutes for a block of data (the client's side of the same wait).
  std::chrono::milliseconds data_timeout = std::chrono::minutes(3);

  // For a client that has not sent one good command yet: RFC 5321 §4.5.3.2.7 as well. Most that
  // stay silent here never speak, so that a server which is attacked may well lower it.
  std::chrono::milliseconds first_command_timeout = std::chrono::minutes(5);

  // A write of ours that the client does not take.
  std::chrono::milliseconds write_timeout = std::chrono::minutes(3);

  // A TLS handshake. A working client needs two round trips.
  std::chrono::milliseconds tls_timeout = std::chrono::seconds(30);

  // A PROXY header. The proxy sends it at once (its specification: within 3 s).
  std::chrono::milliseconds proxy_timeout = std::chrono::seconds(5);

  // The whole session: no client may hold a connection for ever by being just fast enough.
  std::chrono::milliseconds session_time = std::chrono::hours(2);

  // From the end of the message to our reply. RFC 5321 §4.5.3.2.6: the client waits ten minutes,
  // and after that a 250 would make it send the message again. Past this the reply is 451 and the
  // message is not kept.
  std::chrono::milliseconds processing_time = std::chrono::minutes(5);

  // For each answer of the delivery (at RCPT, at DATA, to a block of text, to ETRN, to revoke())
  // and of the authenticator. RFC 5321 §4.5.3.2.4: a client waits two minutes for the 354; half of
  // that leaves it time to hear 451, or 454. What is asked is cancelled then.
  std::chrono::milliseconds answer_time = std::chrono::minutes(1);

  // Least octets a second of a message, averaged from its first octet, after `rate_grace`; a 56
  // kbit/s modem sends 5000. 0 is no limit.
  std::size_t min_body_rate = 100;
  std::chrono::milliseconds rate_grace = std::chrono::seconds(30);
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_LIMITS_HPP
