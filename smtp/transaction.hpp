// One message to hand to a next hop, and what became of it: the values that a client session works
// on.
//
// A `transaction` is an envelope to send; addresses are parsed ones, so no CR or LF can reach a
// command. A `transaction_outcome` says for every recipient whether the next hop has it, where that
// was decided, and in whose words. Replies that are not the server's own have the codes that RFC
// 3463 gives the case, so that a bounce can quote either.
#ifndef GATEPOST_SMTP_TRANSACTION_HPP
#define GATEPOST_SMTP_TRANSACTION_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/address.hpp"
#include "smtp/command.hpp"
#include "smtp/config.hpp"
#include "smtp/envelope.hpp"
#include "smtp/reply.hpp"

namespace gatepost::smtp {

struct transaction {
  transaction() = default;

  address reverse_path;
  std::vector<recipient> recipients;  // forward_path, notify and orcpt are used
  // Octets of the message, RFC 1870 §5; a next hop that takes less is not even asked.
  std::optional<std::uint64_t> size;
  // What the message is: `eight_bit_mime` where an octet above 127 is in it, `binary_mime` where it
  // is not made of lines.
  body_type body = body_type::seven_bit;
  // The header has UTF-8 (RFC 6531). An address that has it is seen without this.
  bool smtputf8 = false;
  bool requiretls = false;                   // RFC 8689: over verified TLS only
  dsn_return ret = dsn_return::unspecified;  // RFC 3461 §4.3
  std::string envid;                         // RFC 3461 §4.4, xtext
  std::string auth;     // RFC 4954 §5, xtext or "<>"; said where we have logged in
  std::string solicit;  // RFC 3865
};

// Where in a session something happened.
enum class client_step : std::uint8_t {
  connect,
  greeting,
  hello,
  starttls,
  tls,
  auth,
  idle,
  prepare,  // before the transaction: the next hop cannot take the message, or said that it would
            // not
  rset,
  mail,
  rcpt,
  data,
  body,       // message text on its way
  final_dot,  // the end of the message was sent
  quit,
};

// "the greeting", "MAIL", "the end of the message": for "connection lost while waiting for ...".
GATEPOST_DECL std::string_view to_string(client_step s);

enum class recipient_state : std::uint8_t {
  untried,    // not sent: this transaction was full (LIMITS); send it in another
  delivered,  // the next hop has taken responsibility
  deferred,   // try again later
  failed,     // do not
};

GATEPOST_DECL std::string_view to_string(recipient_state s);

struct recipient_outcome {
  recipient_outcome() = default;

  // Octets of the text of `reply`: what is behind that is cut off. A server may say 64 KiB
  // (reply_limits) about each of a thousand recipients, and we must not have to keep it all. People
  // are told why in a line or two.
  static constexpr std::size_t max_text = 1024;

  recipient_state state = recipient_state::untried;
  client_step step = client_step::prepare;  // where it was decided
  bool from_server = false;                 // `reply` is the server's own
  // deferred, but the message may have arrived: the end of it was sent, and the reply never came
  // (RFC 1047). To send it again risks a duplicate, not to risks the loss.
  bool in_doubt = false;
  smtp::reply reply;
};

struct transaction_outcome {
  transaction_outcome() = default;

  std::vector<recipient_outcome> recipients;  // one for each of the transaction's, in their order

  // The next hop offered DSN and got the parameters. Where not: RFC 3461 §5.2.2 wants us to report
  // "relayed" for the recipients with NOTIFY=SUCCESS, and nothing for those with NEVER.
  bool dsn_passed_on = false;
  // The server has said nothing at all in this transaction, and the connection is gone: one that
  // had been idle for too long. Worth trying again at once on a fresh one.
  bool unanswered = false;

  GATEPOST_DECL std::size_t count(recipient_state s) const;
  GATEPOST_DECL bool in_doubt() const;
};

// What the session itself says of a recipient. RFC 3463 and RFC 5248 give the enhanced codes.
namespace client_replies {

inline constexpr fixed_reply too_big{552, {5, 3, 4}, "Message is larger than the next hop accepts"};
// RFC 6152 §3: 5.6.3, as the text is not converted here.
inline constexpr fixed_reply needs_8bitmime{
    554, {5, 6, 3}, "Message has 8-bit text, and the next hop does not offer 8BITMIME"};
inline constexpr fixed_reply needs_binarymime{
    554, {5, 6, 3}, "Message is binary, and the next hop does not offer CHUNKING and BINARYMIME"};
// RFC 6531 §3.2 and §4.2.
inline constexpr fixed_reply needs_smtputf8{
    553, {5, 6, 7}, "Message or address needs SMTPUTF8, and the next hop does not offer it"};
// RFC 8689 §4.2.1 and §5.
inline constexpr fixed_reply needs_requiretls{
    550, {5, 7, 30}, "Message asks for REQUIRETLS, and the next hop does not offer it"};
inline constexpr fixed_reply needs_tls{
    550, {5, 7, 10}, "Message asks for REQUIRETLS, and the next hop has no TLS that verifies"};
inline constexpr fixed_reply bare_line_end{
    554, {5, 6, 0}, "Message has a bare CR or LF, which cannot be sent by DATA"};

}  // namespace client_replies
}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/transaction.ipp"
#endif

#endif  // GATEPOST_SMTP_TRANSACTION_HPP
