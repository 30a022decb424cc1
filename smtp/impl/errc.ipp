#ifndef GATEPOST_SMTP_IMPL_ERRC_IPP
#define GATEPOST_SMTP_IMPL_ERRC_IPP

#include <string>

#include "smtp/errc.hpp"

namespace gatepost::smtp {
namespace detail {

inline const char* text_of(errc e) {
  switch (e) {
    case errc::need_more: return "input is not complete";
    case errc::empty_address: return "address is empty";
    case errc::missing_angle_bracket: return "address is not enclosed in <>";
    case errc::bad_local_part: return "local part has a character or dot that is not allowed";
    case errc::bad_quoted_string:
      return "quoted local part is not closed or has a control character";
    case errc::local_part_too_long: return "local part is longer than 64 octets";
    case errc::missing_domain: return "address has no domain";
    case errc::bad_domain: return "domain has a label that is not allowed";
    case errc::domain_too_long:
      return "domain is longer than 255 octets, or a label longer than 63";
    case errc::bad_address_literal: return "address literal is malformed";
    case errc::path_too_long: return "path is longer than 256 octets";
    case errc::bad_source_route: return "source route is malformed";
    case errc::non_ascii_address: return "address is not ASCII and SMTPUTF8 was not requested";
    case errc::bad_utf8: return "address is not valid UTF-8";
    case errc::bad_idn: return "domain has a label that IDNA 2008 does not allow";
    case errc::trailing_characters: return "characters after the end of the value";
    case errc::bad_ip_address: return "IP address is malformed";
    case errc::bad_network: return "network is not ADDRESS/BITS, or has bits set after its prefix";
    case errc::empty_command: return "command line is empty";
    case errc::unknown_command: return "command is not known";
    case errc::missing_argument: return "command needs an argument";
    case errc::unexpected_argument: return "command takes no argument";
    case errc::bad_argument: return "argument is malformed";
    case errc::bad_parameter: return "parameter is malformed";
    case errc::unknown_parameter: return "parameter is not known or not offered";
    case errc::duplicate_parameter: return "parameter is given twice";
    case errc::too_many_parameters: return "too many parameters";
    case errc::control_character: return "command line has a control character";
    case errc::argument_too_long: return "argument is too long";
    case errc::line_too_long: return "line is too long";
    case errc::bare_cr: return "a CR that no LF follows";
    case errc::bare_lf: return "an LF that no CR precedes";
    case errc::nul_byte: return "a NUL octet";
    case errc::message_too_big: return "message is too big";
    case errc::header_too_big: return "message header is too big";
    case errc::bad_chunk: return "BDAT chunk is malformed";
    case errc::bad_header_field: return "header field is malformed";
    case errc::header_field_too_long: return "header field is too long";
    case errc::too_many_header_fields: return "too many header fields";
    case errc::too_many_hops: return "too many Received fields: a mail loop";
    case errc::bad_proxy_header: return "PROXY header is malformed";
    case errc::bad_reply: return "reply does not follow RFC 5321";
    case errc::reply_too_long: return "reply is too long";
    case errc::reply_out_of_step: return "reply does not fit the command";
    case errc::service_refused: return "server refuses its service";
    case errc::server_closing: return "server closes the connection";
    case errc::tls_injection: return "octets in plain text behind the reply to STARTTLS";
    case errc::auth_not_offered: return "server offers no AUTH mechanism that may be used";
    case errc::auth_failed: return "server does not accept the credentials";
    case errc::message_abandoned: return "message text could not be read to its end";
    case errc::timed_out: return "timed out";
    case errc::connection_lost: return "connection lost";
    case errc::too_slow: return "peer is slower than the minimum rate";
    case errc::cancelled: return "cancelled";
    case errc::tls_failed: return "TLS handshake failed";
    case errc::tls_not_offered: return "STARTTLS is required and not offered";
    case errc::resource_limit: return "a resource limit was reached";
    case errc::spool_full: return "no space left in the spool";
    case errc::spool_failed: return "the spool could not write";
    case errc::spool_corrupt: return "the spool holds a damaged record";
    case errc::not_found: return "not found";
    case errc::bad_config: return "configuration is not valid";
  }
  return "unknown error";
}

class smtp_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "gatepost.smtp"; }
  std::string message(int value) const override { return text_of(static_cast<errc>(value)); }
};

}  // namespace detail

GATEPOST_DECL const std::error_category& error_category() noexcept {
  static const detail::smtp_category category;
  return category;
}

GATEPOST_DECL std::error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), error_category()};
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_ERRC_IPP
