#ifndef GATEPOST_SMTP_IMPL_TRANSACTION_IPP
#define GATEPOST_SMTP_IMPL_TRANSACTION_IPP

#include <algorithm>

#include "smtp/transaction.hpp"

namespace gatepost::smtp {

GATEPOST_DECL std::string_view to_string(client_step s) {
  switch (s) {
    case client_step::connect: return "the connection";
    case client_step::greeting: return "the greeting";
    case client_step::hello: return "EHLO";
    case client_step::starttls: return "STARTTLS";
    case client_step::tls: return "the TLS handshake";
    case client_step::auth: return "AUTH";
    case client_step::idle: return "nothing";
    case client_step::prepare: return "the transaction";
    case client_step::rset: return "RSET";
    case client_step::mail: return "MAIL";
    case client_step::rcpt: return "RCPT";
    case client_step::data: return "DATA";
    case client_step::body: return "the message text";
    case client_step::final_dot: return "the end of the message";
    case client_step::quit: return "QUIT";
  }
  return "?";
}

GATEPOST_DECL std::string_view to_string(recipient_state s) {
  switch (s) {
    case recipient_state::untried: return "untried";
    case recipient_state::delivered: return "delivered";
    case recipient_state::deferred: return "deferred";
    case recipient_state::failed: return "failed";
  }
  return "?";
}

GATEPOST_DECL std::size_t transaction_outcome::count(recipient_state s) const {
  const auto is = [s](const recipient_outcome& r) { return r.state == s; };
  return static_cast<std::size_t>(std::count_if(recipients.begin(), recipients.end(), is));
}

GATEPOST_DECL bool transaction_outcome::in_doubt() const {
  return std::any_of(recipients.begin(), recipients.end(),
                     [](const recipient_outcome& r) { return r.in_doubt; });
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_TRANSACTION_IPP
