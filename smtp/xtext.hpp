// xtext: how arbitrary octets travel in an SMTP parameter (RFC 3461 §4), and its relatives.
//
// ENVID=, ORCPT= and AUTH= values and those of XCLIENT and XFORWARD are xtext. RFC 6533 §3 adds an
// escape for addresses in UTF-8 that may have to pass 7-bit hops. Decoders are strict, and give
// errors as errc::bad_parameter or errc::bad_utf8. What they give may hold any octet, CR and LF
// included, unless the function says otherwise: it goes through a writer that knows that. All
// functions are pure.
#ifndef GATEPOST_SMTP_XTEXT_HPP
#define GATEPOST_SMTP_XTEXT_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "smtp/config.hpp"
#include "smtp/result.hpp"

namespace gatepost::smtp {

// Whether `text` is xtext: printable ASCII without '=', each '+' followed by two upper-case
// hexadecimal digits. The empty text is.
GATEPOST_DECL bool is_xtext(std::string_view text) noexcept;

// The same without a decoded value: whether decode_printable_xtext() and decode_utf8_xtext() take
// it. No allocation.
GATEPOST_DECL bool is_printable_xtext(std::string_view text) noexcept;
GATEPOST_DECL bool is_utf8_xtext(std::string_view text) noexcept;

GATEPOST_DECL std::string encode_xtext(std::string_view octets);

// Any octets.
GATEPOST_DECL result<std::string> decode_xtext(std::string_view text);

// The same where the value has to be printable ASCII with blanks, as an ENVID and the address of an
// ORCPT have (RFC 3461 §4.2, §4.4). errc::control_character where it is not.
GATEPOST_DECL result<std::string> decode_printable_xtext(std::string_view text);

// --- Addresses of type utf-8 in ORCPT (RFC 6533 §3)
// ------------------------------------------------

// utf-8-addr-xtext: 7-bit, '\x{...}' for everything that is not ASCII or that xtext would escape.
// errc::bad_utf8 where `address` is not UTF-8, errc::control_character where it has a control.
GATEPOST_DECL result<std::string> encode_utf8_xtext(std::string_view address);

// utf-8-addr-xtext, and also utf-8-addr-unitext, which has UTF-8 unescaped. Gives the address in
// UTF-8 without control characters.
GATEPOST_DECL result<std::string> decode_utf8_xtext(std::string_view text);

// --- Attribute values of XCLIENT and XFORWARD
// ------------------------------------------------------

// An attribute's value, as Postfix defined it (XCLIENT_README, XFORWARD_README).
struct xclient_value {
  enum class kind : std::uint8_t {
    present,
    unavailable,              // "[UNAVAILABLE]": there is none
    temporarily_unavailable,  // "[TEMPUNAVAIL]": it could not be found out
  };

  kind state = kind::present;
  std::string text;  // decoded, without control characters; empty unless present
};

// Takes lower-case hexadecimal digits too, which some proxies send. errc::control_character where
// the decoded value has one: a log line or a trace field could not hold it.
GATEPOST_DECL result<xclient_value> decode_xclient_value(std::string_view text);

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/xtext.ipp"
#endif

#endif  // GATEPOST_SMTP_XTEXT_HPP
