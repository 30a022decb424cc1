// What can be wrong with input, and with the world outside: gatepost's error codes.
//
// A parser answers with `result<T>` (smtp/result.hpp), which holds the value or one of these. A
// peer's mistake becomes a reply (smtp/reply.hpp); trouble in the environment stays an
// std::error_code until the edge. Every value has a sentence for people:
// `std::error_code{e}.message()`.
#ifndef GATEPOST_SMTP_ERRC_HPP
#define GATEPOST_SMTP_ERRC_HPP

#include <system_error>

#include "smtp/config.hpp"

namespace gatepost::smtp {

enum class errc {
  need_more = 1,  // the input so far is right, but not complete

  // Addresses (RFC 5321 §4.1.2, RFC 6531)
  empty_address,          // nothing where an address has to be
  missing_angle_bracket,  // a path does not begin with '<' or does not end with '>'
  bad_local_part,         // a character or a dot that the local part may not hold
  bad_quoted_string,      // a quoted local part that is not closed, or holds a control character
  local_part_too_long,    // RFC 5321 §4.5.3.1.1
  missing_domain,         // no '@', or nothing after it
  bad_domain,           // a label that is empty, or has a character or hyphen that it may not have
  domain_too_long,      // RFC 5321 §4.5.3.1.2
  bad_address_literal,  // [1.2.3.4], [IPv6:...] or [tag:...] that does not parse
  path_too_long,        // RFC 5321 §4.5.3.1.3
  bad_source_route,     // RFC 5321 §4.1.2 A-d-l that does not parse
  non_ascii_address,    // UTF-8 where SMTPUTF8 was not asked for (RFC 6531 §3.5)
  bad_utf8,             // bytes that are not UTF-8
  bad_idn,              // a U-label that IDNA 2008 does not allow
  trailing_characters,  // something after the end of the value
  bad_ip_address,       // not an IPv4 or IPv6 address, or not an address and port
  bad_network,          // not ADDRESS or ADDRESS/BITS, or a bit after the prefix is set

  // Command lines (RFC 5321 §4.1.1)
  empty_command,
  unknown_command,
  missing_argument,
  unexpected_argument,
  bad_argument,
  bad_parameter,        // a keyword or value that the grammar of esmtp-param does not allow
  unknown_parameter,    // a parameter that no extension we offer defines
  duplicate_parameter,  // a parameter given twice
  too_many_parameters,
  control_character,  // a control character in a command line
  argument_too_long,

  // Lines and message data (RFC 5321 §2.3.8, §4.1.1.4, §4.5.3.1)
  line_too_long,
  bare_cr,
  bare_lf,
  nul_byte,
  message_too_big,
  header_too_big,
  bad_chunk,

  // Header fields (RFC 5322 §2.2)
  bad_header_field,
  header_field_too_long,
  too_many_header_fields,
  too_many_hops,  // RFC 5321 §6.3

  // PROXY protocol
  bad_proxy_header,

  // Replies that a client reads (RFC 5321 §4.2)
  bad_reply,
  reply_too_long,
  reply_out_of_step,  // a reply that answers no command, or one to another command
  service_refused,    // the greeting or the reply to HELO says no
  server_closing,     // 421, RFC 5321 §3.8
  tls_injection,      // plain octets behind the reply to STARTTLS (RFC 3207 §4.2)
  auth_not_offered,   // no mechanism that may be used here
  auth_failed,
  message_abandoned,  // whoever gave us the message could not give all of it

  // Sessions and their surroundings
  timed_out,
  connection_lost,
  too_slow,
  cancelled,
  tls_failed,
  tls_not_offered,
  resource_limit,

  // Spool and delivery
  spool_full,
  spool_failed,
  spool_corrupt,
  not_found,
  bad_config,
};

// The category of errc; its name is "gatepost.smtp".
GATEPOST_DECL const std::error_category& error_category() noexcept;

GATEPOST_DECL std::error_code make_error_code(errc e) noexcept;

}  // namespace gatepost::smtp

template <>
struct std::is_error_code_enum<gatepost::smtp::errc> : std::true_type {};

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/errc.ipp"
#endif

#endif  // GATEPOST_SMTP_ERRC_HPP
