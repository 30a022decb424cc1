// The commands of a mail transaction as a client writes them, and what can be known before they are
// sent.
//
// Pure functions of the transaction and of what the server offers. MAIL and RCPT carry a parameter
// only where its extension was offered and the transaction needs it; a text parameter that is not
// the xtext its RFC demands is left out, so that whatever reached the transaction, a command stays
// one line.
#ifndef GATEPOST_SMTP_CLIENT_COMMANDS_HPP
#define GATEPOST_SMTP_CLIENT_COMMANDS_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/server_features.hpp"
#include "smtp/transaction.hpp"

namespace gatepost::smtp {

// How a message is going to be sent.
struct sending_plan {
  bool use_bdat = false;
  bool use_prdr = false;
  bool logged_in = false;         // AUTH= may be said
  bool verified_tls = false;      // the connection has TLS, with a certificate that was verified
  bool local = false;             // the connection does not leave this machine
  bool send_8bit_anyway = false;  // 8-bit text to a server without 8BITMIME, rather than a failure
};

// Whether MAIL has to say SMTPUTF8 (RFC 6531 §3.4).
GATEPOST_DECL bool needs_smtputf8(const transaction& t);

// Why none of the recipients can be served, or nullptr. Nothing has to be sent to know it.
GATEPOST_DECL const fixed_reply* refusal_of(const transaction& t, const server_features& f,
                                            const sending_plan& plan);

// Why this recipient cannot be served where the message could be, or nullptr.
GATEPOST_DECL const fixed_reply* refusal_of(const recipient& r, const server_features& f);

// The recipients, by index, that one transaction can take by the server's LIMITS (RFC 9422), of
// those that `outcome` has not settled.
GATEPOST_DECL void choose_recipients(const transaction& t, const server_features& f,
                                     const transaction_outcome& outcome,
                                     std::vector<std::uint32_t>& chosen);

// "MAIL FROM:<a@b.example> SIZE=1024\r\n" and "RCPT TO:<c@d.example> NOTIFY=NEVER\r\n", appended.
GATEPOST_DECL void append_mail(std::string& out, const transaction& t, const server_features& f,
                               const sending_plan& plan);
GATEPOST_DECL void append_rcpt(std::string& out, const recipient& r, const server_features& f);

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/client_commands.ipp"
#endif

#endif  // GATEPOST_SMTP_CLIENT_COMMANDS_HPP
