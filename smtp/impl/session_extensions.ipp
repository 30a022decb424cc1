#ifndef GATEPOST_SMTP_IMPL_SESSION_EXTENSIONS_IPP
#define GATEPOST_SMTP_IMPL_SESSION_EXTENSIONS_IPP

#include <algorithm>
#include <charconv>

#include "smtp/base64.hpp"
#include "smtp/session.hpp"
#include "smtp/xtext.hpp"

namespace gatepost::smtp {
namespace detail {

inline bool is_forwarded(std::string_view name) {
  return std::any_of(std::begin(forwarded_attributes), std::end(forwarded_attributes),
                     [name](std::string_view known) { return equal_ignoring_case(known, name); });
}

inline void set_forwarded(std::vector<named_value>& all, named_value v) {
  const auto same = [&v](const named_value& old) { return equal_ignoring_case(old.name, v.name); };
  const auto old = std::find_if(all.begin(), all.end(), same);
  if (old == all.end())
    all.push_back(std::move(v));
  else
    old->value = std::move(v.value);
}

}  // namespace detail

// RFC 3207 §4.
GATEPOST_DECL void session::on_starttls(const command_line& c) {
  if (!c.argument.empty()) {
    bad_command(reply(501, {5, 5, 4}, "Syntax: STARTTLS"));  // "no parameters allowed"
    return;
  }
  if (facts_.tls) {
    bad_command(replies::already_tls);
    return;
  }
  if (!can_.tls) {
    say(replies::tls_unavailable);
    return;
  }
  // What was sent behind STARTTLS in plain text would seem to come from the protected session: the
  // injection of CVE-2011-0411. No honest client does this (RFC 3207 §4.2, RFC 2920 §3.1).
  if (!input_.empty()) {
    end(reply(replies::early_data), session_end::protocol);
    return;
  }
  say(replies::ready_for_tls);
  step_ = action_kind::start_tls;
}

// RFC 4954 §4.
GATEPOST_DECL void session::on_auth(const command_line& c) {
  if (facts_.authenticated()) {
    bad_command(replies::already_authenticated);
    return;
  }
  if (!can_.auth || channel_->auth_mechanisms.empty()) {
    bad_command(replies::not_offered);
    return;
  }
  if (!facts_.tls && !channel_->auth_without_tls) {
    bad_command(replies::auth_needs_tls);
    return;
  }
  const auto a = parse_auth(c.argument);
  if (!a) {
    bad_command(reply(501, {5, 5, 4}, "Syntax: AUTH mechanism [initial-response]"));
    return;
  }
  bool known = false;
  for (const std::string& m : channel_->auth_mechanisms)
    if (equal_ignoring_case(m, a->mechanism)) known = true, auth_mechanism_ = m;
  if (!known) {
    bad_command(replies::bad_mechanism);
    return;
  }
  step_text_.clear();
  has_auth_response_ = a->initial_response.has_value();
  if (has_auth_response_ && *a->initial_response != "=") {
    std::optional<std::string> response = base64_decode(*a->initial_response);
    if (!response) {
      bad_command(replies::bad_base64);
      return;
    }
    step_text_ = std::move(*response);
  }
  auth_begins_ = true;
  step_ = action_kind::auth_step;
}

// RFC 1985 §5.
GATEPOST_DECL void session::on_etrn(const command_line& c) {
  if (c.argument.empty()) {
    bad_command(reply(501, {5, 5, 4}, "Syntax: ETRN node"));
    return;
  }
  step_text_.assign(c.argument);
  step_ = action_kind::etrn;
}

// Postfix XCLIENT_README. The session begins anew, with the client that we are told.
GATEPOST_DECL void session::on_xclient(const command_line& c) {
  const auto list = parse_attributes(c.argument);
  session_facts told = facts_;
  bool good = list.has_value();
  if (good)
    for (const attribute& a : *list) good = good && apply_xclient(a, told);
  if (!good) {
    bad_command(reply(501, {5, 5, 4}, "Syntax: XCLIENT name=value..."));
    return;
  }
  told.trusted_hop = true;
  facts_ = std::move(told);
  phase_ = smtp::phase::greeting;
  question_ = smtp::stage::connect;
}

GATEPOST_DECL bool session::apply_xclient(const attribute& a, session_facts& to) {
  const auto told = decode_xclient_value(a.value);
  if (!told) return false;
  const std::string& value = told->text;
  const auto port = [&](endpoint& e) {
    if (value.empty()) return true;
    const char* end = value.data() + value.size();
    const auto read = std::from_chars(value.data(), end, e.port);
    return read.ec == std::errc{} && read.ptr == end;
  };
  const auto address = [&](endpoint& e) {
    if (value.empty()) return true;  // not told: what the connection says stands
    auto ip = parse_tagged_address(value);
    if (!ip) ip = parse_ip_address(value);
    if (ip) e.address = *ip;
    return ip.has_value();
  };
  if (equal_ignoring_case(a.name, "NAME")) return to.client_name = value, true;
  if (equal_ignoring_case(a.name, "ADDR")) return address(to.client);
  if (equal_ignoring_case(a.name, "PORT")) return port(to.client);
  if (equal_ignoring_case(a.name, "DESTADDR")) return address(to.local);
  if (equal_ignoring_case(a.name, "DESTPORT")) return port(to.local);
  if (equal_ignoring_case(a.name, "HELO")) return to.helo = value, true;
  if (equal_ignoring_case(a.name, "LOGIN")) return to.auth_identity = value, true;
  return equal_ignoring_case(a.name, "PROTO");  // its own HELO will tell
}

// Postfix XFORWARD_README: for logs only.
GATEPOST_DECL void session::on_xforward(const command_line& c) {
  const auto list = parse_attributes(c.argument);
  if (!list) {
    bad_command(reply(501, {5, 5, 4}, "Syntax: XFORWARD name=value..."));
    return;
  }
  std::vector<named_value> all = facts_.forwarded;  // a line counts as a whole, or not at all
  for (const attribute& a : *list) {
    auto told = decode_xclient_value(a.value);
    if (!told || !detail::is_forwarded(a.name)) {
      bad_command(reply(501, {5, 5, 4}, "Syntax: XFORWARD name=value..."));
      return;
    }
    detail::set_forwarded(all, named_value{std::string(a.name), std::move(told->text)});
  }
  facts_.forwarded = std::move(all);
  say(replies::ok);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SESSION_EXTENSIONS_IPP
