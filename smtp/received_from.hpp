// Whom the writer of a Received field saw: the clause "from HELO (NAME [ADDRESS])" in the forms
// that servers in use write it in.
//
//     from helo.example (name.example [192.0.2.1])    Postfix, gatepost and most others
//     from helo.example ([IPv6:2001:db8::1])          the same without a name
//     from helo (name [192.0.2.1] (may be forged))    Sendmail
//     from name ([192.0.2.1]:4711 helo=helo)          Exim
//     from [192.0.2.1] (helo=helo)                    Exim, without a name
//     from helo (192.0.2.1)                           Exchange
//     from name (HELO helo) (192.0.2.1)               qmail
//
// Strict, because all but the address is the client's own word: a field in another form names
// nobody. An address literal that stands alone is taken only from Exim, where it is what the server
// saw; elsewhere it may be what the client said. Believe a field only where the server that wrote
// it is believed. Bounded by `max_received_octets`; nothing is allocated; no I/O; any thread.
#ifndef GATEPOST_SMTP_RECEIVED_FROM_HPP
#define GATEPOST_SMTP_RECEIVED_FROM_HPP

#include <cstddef>
#include <optional>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::smtp {

// A longer field is not read. Real ones have 200 to 500 octets.
inline constexpr std::size_t max_received_octets = 4096;

// The views point into the text that was read.
struct received_from {
  std::string_view helo;  // what the client called itself; empty: not told
  std::string_view name;  // what the DNS calls it, says the writer; empty: not told
  ip_address address;     // never a v4-mapped one
  // It came by "with ESMTPA" or the like (RFC 3848), or a comment behind the address says so.
  bool authenticated = false;
};

// Of a Received field's value, folds and all. Nothing where no address is told in a form that is
// known: the message began there, came by a Unix socket, or the writer does not say.
GATEPOST_DECL std::optional<received_from> read_received_from(std::string_view value) noexcept;

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/received_from.ipp"
#endif

#endif  // GATEPOST_SMTP_RECEIVED_FROM_HPP
