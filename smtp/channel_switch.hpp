// Rules by which a session goes on with another channel, once it is known who its client is: by
// AUTH, or by a client certificate.
//
// Values and a pure decision; `server` and `session_driver` apply it after the TLS handshake and
// after AUTH.
#ifndef GATEPOST_SMTP_CHANNEL_SWITCH_HPP
#define GATEPOST_SMTP_CHANNEL_SWITCH_HPP

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/domain.hpp"
#include "smtp/facts.hpp"

namespace gatepost::smtp {

// What is not empty has to fit; a rule of which both are empty fits nobody.
struct channel_switch {
  // Who has authenticated, octet by octet; "*": whoever has.
  std::string identity = {};
  // A client certificate that was verified (tls_facts::peer_verified); one that was not is
  // nobody's. Its SHA-256 fingerprint in hex, its subject as RFC 4514 writes it, the subject's
  // common name, or a DNS name or an email address of subjectAltName, each without regard to case;
  // "*": any.
  std::string certificate = {};
  std::string channel;
};

namespace detail {

// Whether the value of a CN in this RFC 4514 text is `name`. What is escaped ends no value.
inline bool has_common_name(std::string_view subject, std::string_view name) {
  while (!subject.empty()) {
    std::size_t end = 0;
    while (end < subject.size() && subject[end] != ',' && subject[end] != '+')
      end += subject[end] == '\\' ? 2 : 1;
    const std::string_view part = subject.substr(0, std::min(end, subject.size()));
    if (part.size() > 3 && equal_ignoring_case(part.substr(0, 3), "CN=") &&
        equal_ignoring_case(part.substr(3), name))
      return true;
    subject.remove_prefix(std::min(end + 1, subject.size()));
  }
  return false;
}

inline bool is_certificate(std::string_view wanted, const session_facts& who) {
  if (!who.tls || !who.tls->peer_verified || !who.tls->peer.present) return false;
  const certificate_facts& peer = who.tls->peer;
  const auto same = [wanted](std::string_view name) { return equal_ignoring_case(name, wanted); };
  return wanted == "*" || same(peer.sha256) || same(peer.subject) ||
         has_common_name(peer.subject, wanted) ||
         std::any_of(peer.dns_names.begin(), peer.dns_names.end(), same) ||
         std::any_of(peer.emails.begin(), peer.emails.end(), same);
}

inline bool is_identity(std::string_view wanted, const session_facts& who) {
  return who.authenticated() && (wanted == "*" || wanted == who.auth_identity);
}

}  // namespace detail

inline bool fits(const channel_switch& rule, const session_facts& who) {
  if (rule.identity.empty() && rule.certificate.empty()) return false;
  if (!rule.identity.empty() && !detail::is_identity(rule.identity, who)) return false;
  return rule.certificate.empty() || detail::is_certificate(rule.certificate, who);
}

// The first that fits; nullptr: none does.
inline const channel_switch* find_switch(std::span<const channel_switch> rules,
                                         const session_facts& who) {
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [&who](const channel_switch& rule) { return fits(rule, who); });
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_CHANNEL_SWITCH_HPP
