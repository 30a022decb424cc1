// The service extensions that a server offers or a client found: one bit each.
//
// A new extension is one row here (name, bit, RFC), and what it changes in command.hpp or
// session.hpp.
#ifndef GATEPOST_SMTP_EXTENSION_HPP
#define GATEPOST_SMTP_EXTENSION_HPP

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "smtp/config.hpp"

namespace gatepost::smtp {

enum class extension : std::uint32_t {
  pipelining = 1u << 0,
  size = 1u << 1,
  eightbitmime = 1u << 2,
  smtputf8 = 1u << 3,
  chunking = 1u << 4,
  binarymime = 1u << 5,
  enhancedstatuscodes = 1u << 6,
  dsn = 1u << 7,
  starttls = 1u << 8,
  requiretls = 1u << 9,
  no_soliciting = 1u << 10,
  limits = 1u << 11,
  auth = 1u << 12,
  prdr = 1u << 13,
  xclient = 1u << 14,
  xforward = 1u << 15,
  etrn = 1u << 16,
  vrfy = 1u << 17,
  expn = 1u << 18,
  help = 1u << 19,
};

struct extension_row {
  extension bit;
  std::string_view keyword;  // as in the EHLO reply
  std::string_view defined_in;
};

// In the order in which EHLO lists them.
inline constexpr extension_row extension_table[] = {
    {extension::pipelining, "PIPELINING", "RFC 2920"},
    {extension::size, "SIZE", "RFC 1870"},
    {extension::eightbitmime, "8BITMIME", "RFC 6152"},
    {extension::smtputf8, "SMTPUTF8", "RFC 6531"},
    {extension::chunking, "CHUNKING", "RFC 3030"},
    {extension::binarymime, "BINARYMIME", "RFC 3030"},
    {extension::enhancedstatuscodes, "ENHANCEDSTATUSCODES", "RFC 2034"},
    {extension::dsn, "DSN", "RFC 3461"},
    {extension::starttls, "STARTTLS", "RFC 3207"},
    {extension::requiretls, "REQUIRETLS", "RFC 8689"},
    {extension::no_soliciting, "NO-SOLICITING", "RFC 3865"},
    {extension::limits, "LIMITS", "RFC 9422"},
    {extension::auth, "AUTH", "RFC 4954"},
    {extension::prdr, "PRDR", "draft-hall-prdr-00, Exim"},
    {extension::xclient, "XCLIENT", "Postfix XCLIENT_README"},
    {extension::xforward, "XFORWARD", "Postfix XFORWARD_README"},
    {extension::etrn, "ETRN", "RFC 1985"},
    {extension::vrfy, "VRFY", "RFC 5321 §3.5"},
    {extension::expn, "EXPN", "RFC 5321 §3.5"},
    {extension::help, "HELP", "RFC 5321 §4.1.1.8"},
};

class extension_set {
 public:
  constexpr extension_set() = default;
  constexpr extension_set(std::initializer_list<extension> some) {
    for (const extension e : some) add(e);
  }

  constexpr bool has(extension e) const { return (bits_ & static_cast<std::uint32_t>(e)) != 0; }
  constexpr extension_set& add(extension e) {
    bits_ |= static_cast<std::uint32_t>(e);
    return *this;
  }
  constexpr extension_set& remove(extension e) {
    bits_ &= ~static_cast<std::uint32_t>(e);
    return *this;
  }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(extension_set, extension_set) = default;

 private:
  std::uint32_t bits_ = 0;
};

// What a public server offers unless its channel says otherwise. Not in it: BINARYMIME (few next
// hops take it), AUTH, PRDR, XCLIENT, XFORWARD, ETRN, VRFY and EXPN (which are answered by 252, and
// tell nobody who exists).
inline constexpr extension_set default_extensions{
    extension::pipelining, extension::size,     extension::eightbitmime,
    extension::smtputf8,   extension::chunking, extension::enhancedstatuscodes,
    extension::dsn,        extension::starttls, extension::requiretls,
    extension::limits,     extension::help};

// The extension of an EHLO keyword, in any case.
constexpr std::optional<extension> find_extension(std::string_view keyword) {
  constexpr auto upper = [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; };
  for (const extension_row& row : extension_table) {
    if (row.keyword.size() != keyword.size()) continue;
    bool same = true;
    for (std::size_t i = 0; same && i < keyword.size(); ++i)
      same = upper(keyword[i]) == row.keyword[i];
    if (same) return row.bit;
  }
  return std::nullopt;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_EXTENSION_HPP
