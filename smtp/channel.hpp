// A channel: a named bundle of session settings.
//
// A server chooses one per connection, by listener and client network; AUTH or a client certificate
// can switch to another. Everything a session may or may not do is here; nothing else decides it.
#ifndef GATEPOST_SMTP_CHANNEL_HPP
#define GATEPOST_SMTP_CHANNEL_HPP

#include <chrono>
#include <string>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/data_options.hpp"
#include "smtp/extension.hpp"
#include "smtp/ip.hpp"
#include "smtp/limits.hpp"

namespace gatepost::smtp {

// How the verdicts of several recipients become one reply, where the client speaks neither LMTP nor
// PRDR.
enum class merge_rule : std::uint8_t {
  refuse_if_any,  // the worst verdict holds for all: nobody's refusal is lost
  accept_if_any,  // 250 if one recipient takes it; the others do not get it, and the log says so
};

struct channel {
  std::string name = "default";

  // Our name in the greeting, in EHLO and in Received (RFC 5321 §4.3.1).
  std::string hostname = "localhost";
  // What the greeting says behind the name. Empty: "ESMTP", or "LMTP" where that is what is spoken
  // (RFC 2033 §4.1). Nothing about the software: it helps only attackers.
  std::string greeting;

  extension_set extensions = default_extensions;
  session_limits limits;

  // RFC 5321 §2.3.8 demands strict; `normalise` is for own devices that send bare LF.
  smtp::line_ends line_ends = line_ends::strict;

  // The classes of solicitations that are not wanted here, where NO-SOLICITING is offered: EHLO
  // tells them, and a MAIL that declares one of them by SOLICIT= is refused (RFC 3865 §2.1, §2.3).
  // See is_solicitation_keyword().
  std::vector<std::string> unwanted_solicitations;

  // Serve LMTP (RFC 2033): LHLO instead of EHLO, one reply per recipient.
  bool lmtp = false;

  // MAIL is refused with 530 before TLS (RFC 3207 §4: not for a public MX), or before AUTH.
  bool require_tls = false;
  bool require_auth = false;

  // Who may say XCLIENT and XFORWARD, where these are offered at all: our own proxies. By the
  // address of the connection and, where a PROXY header told another, by that too.
  network_set xclient_from;

  // The SASL mechanisms that EHLO lists; the server's authenticator has to know them.
  std::vector<std::string> auth_mechanisms;

  // AUTH is offered and taken without TLS. RFC 4954 §4: only where something else protects the
  // line.
  bool auth_without_tls = false;

  // A recipient whose policy class differs from the first one's gets 452 and so a message of its
  // own.
  bool split_classes = false;
  merge_rule merge = merge_rule::refuse_if_any;

  // We wait this long before the greeting; who speaks in it is an early talker. 0: greet at once.
  std::chrono::milliseconds greeting_delay{0};

  // Added before every reply to a bad command, and once more for each bad command before it, up to
  // ten times; 0: no tarpit.
  std::chrono::milliseconds tarpit{0};

  // Replies of 400 and above quote the session's id.
  bool quote_id = true;
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_CHANNEL_HPP
