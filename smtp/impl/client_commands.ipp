#ifndef GATEPOST_SMTP_IMPL_CLIENT_COMMANDS_IPP
#define GATEPOST_SMTP_IMPL_CLIENT_COMMANDS_IPP

#include <algorithm>
#include <cassert>

#include "smtp/client_commands.hpp"

namespace gatepost::smtp {
namespace detail {

// RFC 3461 §4: ENVID has at most 100 octets, ORCPT 500; RFC 4954 §5: AUTH= 500; RFC 3865: SOLICIT=
// 1000.
inline constexpr std::size_t max_envid = 100;
inline constexpr std::size_t max_orcpt = 500;
inline constexpr std::size_t max_auth_parameter = 500;
inline constexpr std::size_t max_solicit = 1000;

// An esmtp-value (RFC 5321 §4.1.2): no control, no blank, no '='. UTF-8 only where it was agreed
// on.
inline bool is_parameter_value(std::string_view text, std::size_t longest, bool utf8) {
  if (text.empty() || text.size() > longest) return false;
  return std::all_of(text.begin(), text.end(), [utf8](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet > 0x20 && octet != '=' && octet != 0x7F && (octet < 0x80 || utf8);
  });
}

inline void append_parameter(std::string& out, std::string_view name, std::string_view value,
                             std::size_t longest, bool utf8 = false) {
  if (!is_parameter_value(value, longest, utf8)) return;
  out.append(1, ' ').append(name).append(1, '=').append(value);
}

// An address that was parsed has nothing that ends a line or a path; this is the last door.
inline void append_path(std::string& out, const address& path) {
  const std::string_view text = path.text();
  const bool clean = std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  assert(clean);
  out.push_back('<');
  if (clean) out.append(text);
  out.push_back('>');
}

inline void append_dsn(std::string& out, const transaction& t) {
  if (t.ret == dsn_return::full) out.append(" RET=FULL");
  if (t.ret == dsn_return::headers) out.append(" RET=HDRS");
  append_parameter(out, "ENVID", t.envid, max_envid);
}

// RFC 3461 §4.1.
inline void append_notify(std::string& out, std::uint8_t wanted) {
  constexpr unsigned known = notify_never | notify_success | notify_failure | notify_delay;
  if ((wanted & known) == 0) return;
  out.append(" NOTIFY=");
  if ((wanted & notify_never) != 0) {
    out.append("NEVER");
    return;
  }
  if ((wanted & notify_success) != 0) out.append("SUCCESS,");
  if ((wanted & notify_failure) != 0) out.append("FAILURE,");
  if ((wanted & notify_delay) != 0) out.append("DELAY,");
  out.pop_back();
}

inline bool is_8bit(const transaction& t) {
  // RFC 6531 §3.1: a header in UTF-8 is 8-bit text too.
  return t.body != body_type::seven_bit || t.smtputf8;
}

// RFC 8689 §4.2.1: TLS, the certificate verified, REQUIRETLS offered in it. It is about sending by
// the network: delivery on this machine (§4.4) is not.
inline const fixed_reply* refusal_by_requiretls(const transaction& t, const server_features& f,
                                                const sending_plan& plan) {
  if (!t.requiretls || plan.local) return nullptr;
  if (!plan.verified_tls) return &client_replies::needs_tls;
  // RFC 8689 §5: a bounce is not thrown away because a relay does not offer it.
  const bool offered = f.has(extension::requiretls) || t.reverse_path.is_null();
  return offered ? nullptr : &client_replies::needs_requiretls;
}

}  // namespace detail

GATEPOST_DECL bool needs_smtputf8(const transaction& t) {
  if (t.smtputf8 || t.reverse_path.is_utf8()) return true;
  return std::any_of(t.recipients.begin(), t.recipients.end(),
                     [](const recipient& r) { return r.forward_path.is_utf8(); });
}

GATEPOST_DECL const fixed_reply* refusal_of(const transaction& t, const server_features& f,
                                            const sending_plan& plan) {
  if (const fixed_reply* const why = detail::refusal_by_requiretls(t, f, plan)) return why;
  // A recipient alone does not stop the others: see below.
  const bool utf8 = t.smtputf8 || t.reverse_path.is_utf8();
  if (utf8 && !f.has(extension::smtputf8)) return &client_replies::needs_smtputf8;
  // RFC 1870 §6.1: 0 is "no fixed maximum".
  if (t.size && f.max_size > 0 && *t.size > f.max_size) return &client_replies::too_big;
  if (t.body == body_type::binary_mime) {
    // RFC 3030 §3: BINARYMIME is only sent by BDAT.
    const bool offered = f.has(extension::chunking) && f.has(extension::binarymime);
    return offered ? nullptr : &client_replies::needs_binarymime;
  }
  if (detail::is_8bit(t) && !f.has(extension::eightbitmime) && !plan.send_8bit_anyway)
    return &client_replies::needs_8bitmime;
  return nullptr;
}

GATEPOST_DECL const fixed_reply* refusal_of(const recipient& r, const server_features& f) {
  const bool utf8 = r.forward_path.is_utf8();
  return utf8 && !f.has(extension::smtputf8) ? &client_replies::needs_smtputf8 : nullptr;
}

GATEPOST_DECL void choose_recipients(const transaction& t, const server_features& f,
                                     const transaction_outcome& outcome,
                                     std::vector<std::uint32_t>& chosen) {
  chosen.clear();
  std::vector<const recipient*> domains;  // one recipient of each; at most max_recipient_domains
  for (std::size_t i = 0; i < t.recipients.size(); ++i) {
    if (outcome.recipients[i].state != recipient_state::untried) continue;
    if (f.max_recipients > 0 && chosen.size() >= f.max_recipients) break;
    const recipient& r = t.recipients[i];
    if (f.max_recipient_domains > 0) {
      const bool known = std::any_of(domains.begin(), domains.end(), [&r](const recipient* other) {
        return other->forward_path.same_domain_as(r.forward_path);
      });
      if (!known && domains.size() >= f.max_recipient_domains) continue;
      if (!known) domains.push_back(&r);
    }
    chosen.push_back(static_cast<std::uint32_t>(i));
  }
}

GATEPOST_DECL void append_mail(std::string& out, const transaction& t, const server_features& f,
                               const sending_plan& plan) {
  out.append("MAIL FROM:");
  detail::append_path(out, t.reverse_path);
  const bool utf8 = needs_smtputf8(t) && f.has(extension::smtputf8);
  if (t.size && f.has(extension::size)) out.append(" SIZE=").append(std::to_string(*t.size));
  if (t.body == body_type::binary_mime)
    out.append(" BODY=BINARYMIME");
  else if (detail::is_8bit(t) && f.has(extension::eightbitmime))
    out.append(" BODY=8BITMIME");
  if (utf8) out.append(" SMTPUTF8");
  if (t.requiretls && f.has(extension::requiretls)) out.append(" REQUIRETLS");
  if (plan.use_prdr) out.append(" PRDR");
  if (f.has(extension::dsn)) detail::append_dsn(out, t);
  if (f.has(extension::auth) && plan.logged_in)
    detail::append_parameter(out, "AUTH", t.auth, detail::max_auth_parameter);
  if (f.has(extension::no_soliciting))
    detail::append_parameter(out, "SOLICIT", t.solicit, detail::max_solicit);
  out.append("\r\n");
}

GATEPOST_DECL void append_rcpt(std::string& out, const recipient& r, const server_features& f) {
  out.append("RCPT TO:");
  detail::append_path(out, r.forward_path);
  if (f.has(extension::dsn)) {
    detail::append_notify(out, r.notify);
    // RFC 6533 §3: an original address may be UTF-8 where SMTPUTF8 is spoken.
    detail::append_parameter(out, "ORCPT", r.orcpt, detail::max_orcpt, f.has(extension::smtputf8));
  }
  out.append("\r\n");
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_CLIENT_COMMANDS_IPP
