#ifndef GATEPOST_ROUTING_IMPL_ROUTE_IPP
#define GATEPOST_ROUTING_IMPL_ROUTE_IPP

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "routing/detail/route_text.hpp"
#include "routing/route.hpp"
#include "smtp/domain.hpp"
#include "smtp/ip.hpp"

namespace gatepost::routing {
namespace detail {

inline constexpr std::array<std::string_view, 4> tls_names = {"none", "opportunistic", "required",
                                                              "verify"};
inline constexpr std::string_view local_mark = "{local}";
inline constexpr std::string_view domain_mark = "{domain}";

// Of sun_path on Linux, with the NUL behind it.
inline constexpr std::size_t max_socket_path = 107;
// PATH_MAX, less room for what a Maildir adds.
inline constexpr std::size_t max_maildir_path = 3800;

inline bool is_ip(std::string_view host) { return smtp::parse_ip_address(host).has_value(); }

// RFC 3696 §2: no top-level domain is all digits, but a mistyped address ends so.
inline bool is_host_name(std::string_view host) {
  const std::size_t dot = host.rfind('.');
  const bool digits = host.find_first_not_of("0123456789", dot + 1) == host.npos;
  return smtp::valid_domain(host) && !(digits && dot != host.npos);
}

inline bool has_mark(std::string_view text) { return text.find_first_of("{}") != text.npos; }

template <class Number>
std::optional<Number> number_of(std::string_view text, Number least, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < least || value > most) return std::nullopt;
  return value;
}

// Reads one route, and remembers what is wrong with it.
class route_parser {
 public:
  const std::string& problem() const { return problem_; }

  std::optional<route> parse(std::string_view text) {
    text = trim(text);
    std::string_view behind = text;
    if (take_word(behind) == "discard") {
      if (behind.empty()) return route::discard();
      return fail("discard has nothing behind it", behind);
    }
    if (text.starts_with("maildir:")) return parse_maildir(text.substr(text.find(':') + 1));
    std::string_view rest = text;
    if (take_word(rest) == "refuse") return parse_refusal(rest);
    if (text.empty()) return fail("a destination is missing");
    return parse_hops(text);
  }

 private:
  std::nullopt_t fail(std::string what) {
    problem_ = std::move(what);
    return std::nullopt;
  }

  std::nullopt_t fail(const char* what, std::string_view text) {
    return fail(std::string(what) + ": " + quoted(text));
  }

  std::optional<route> parse_maildir(std::string_view path) {
    if (!path.starts_with('/')) return fail("a Maildir's path has to begin with a slash", path);
    if (path.size() > max_maildir_path) return fail("this path is too long", path);
    if (path.find('\0') != path.npos) return fail("a path may not hold a NUL");
    for (std::string_view rest = path.substr(1); !rest.empty();) {
      const std::string_view name = take_until(rest, '/');
      if (name == "." || name == "..") return fail("a path may not hold . or ..", path);
      if (!has_good_marks(name)) return fail("use {local} and {domain}, and no other braces", path);
    }
    return route::maildir(std::string(path));
  }

  static bool has_good_marks(std::string_view name) {
    while (has_mark(name)) {
      name.remove_prefix(name.find_first_of("{}"));
      const std::string_view mark = name.starts_with(local_mark) ? local_mark : domain_mark;
      if (!name.starts_with(mark)) return false;
      name.remove_prefix(mark.size());
    }
    return true;
  }

  static bool is_said_in_replies(char c) { return c == '\t' || (c >= ' ' && c <= '~'); }

  std::optional<route> parse_refusal(std::string_view rest) {
    const auto code = number_of(take_word(rest), 400, 599);
    if (!code) return fail("write refuse CODE [ENHANCED] [TEXT], with a code from 400 to 599");
    std::string_view behind = rest;
    const auto enhanced = parse_enhanced(take_word(behind));
    if (enhanced) rest = behind;
    // RFC 2034 §4: "the class ... must match the first digit" of the code.
    if (enhanced && enhanced->klass != *code / 100)
      return fail("the enhanced code begins with another digit than the code");
    // RFC 5321 §4.2: textstring.
    if (!std::all_of(rest.begin(), rest.end(), is_said_in_replies))
      return fail("the text of a reply is printable ASCII");
    const smtp::enhanced_code unsaid{static_cast<std::uint8_t>(*code / 100), 0, 0};
    const std::string_view words = rest.empty() ? smtp::replies::no_such_user.text : rest;
    return route::refuse(smtp::reply(*code, enhanced.value_or(unsaid), std::string(words)));
  }

  // RFC 3463 §2: class "." subject "." detail.
  static std::optional<smtp::enhanced_code> parse_enhanced(std::string_view text) {
    const auto klass = number_of<std::uint8_t>(take_until(text, '.'), 4, 5);
    const auto subject = number_of<std::uint16_t>(take_until(text, '.'), 0, 999);
    const auto detail = number_of<std::uint16_t>(text, 0, 999);
    if (!klass || !subject || !detail) return std::nullopt;
    return smtp::enhanced_code{*klass, *subject, *detail};
  }

  std::optional<route> parse_hops(std::string_view text) {
    std::vector<next_hop> hops;
    for (bool more = true; more;) {
      if (hops.size() == route::max_hops) return fail("too many next hops");
      more = text.find(',') != text.npos;
      std::optional<next_hop> hop = parse_hop(trim(take_until(text, ',')));
      if (!hop) return std::nullopt;
      hops.push_back(std::move(*hop));
    }
    return route(std::move(hops));
  }

  std::optional<next_hop> parse_hop(std::string_view text) {
    std::string_view options = text;
    const std::string_view where = take_word(options);
    next_hop hop;
    std::string_view rest = where;
    const std::string_view scheme = take_until(rest, ':');
    if (scheme != "smtp" && scheme != "lmtp") {
      return fail("a destination begins with smtp:, lmtp:, maildir:, discard or refuse", where);
    }
    if (scheme == "lmtp") {
      hop.protocol = hop_protocol::lmtp;
      hop.port = lmtp_port;
    }
    const bool good = rest.starts_with("unix:") ? parse_socket(rest.substr(5), hop)
                                                : parse_host(rest, where, hop);
    if (!good || !parse_options(options, hop)) return std::nullopt;
    return hop;
  }

  bool parse_socket(std::string_view path, next_hop& hop) {
    if (!path.starts_with('/') || path.size() > max_socket_path) {
      fail("a socket's path begins with a slash and has at most 107 octets", path);
      return false;
    }
    hop.unix_path = path;
    hop.tls = hop_tls::none;
    return true;
  }

  bool parse_host(std::string_view rest, std::string_view whole, next_hop& hop) {
    const bool bracketed = rest.starts_with('[');
    if (bracketed) {
      rest.remove_prefix(1);
      hop.host = take_until(rest, ']');
      if (!whole.substr(5).starts_with("[" + hop.host + "]")) {
        fail("a bracket is not closed", whole);
        return false;
      }
    } else {
      hop.host = rest.substr(0, rest.find(':'));
      rest.remove_prefix(hop.host.size());
    }
    return check_host(bracketed, whole, hop) && parse_port(rest, whole, hop);
  }

  bool check_host(bool bracketed, std::string_view whole, next_hop& hop) {
    const bool smtp = hop.protocol == hop_protocol::smtp;
    if (smtp && !bracketed && !is_ip(hop.host)) hop.lookup = hop_lookup::mx;
    if (is_ip(hop.host) || is_host_name(hop.host) || hop.host == domain_mark) return true;
    fail("this is no host name and no IP address", whole);
    return false;
  }

  bool parse_port(std::string_view rest, std::string_view whole, next_hop& hop) {
    if (rest.empty()) return true;
    const auto port = number_of<std::uint16_t>(rest.substr(1), 1, 65535);
    if (rest.front() != ':' || !port) {
      fail("behind the host may come a colon and a port from 1 to 65535", whole);
      return false;
    }
    hop.port = *port;
    return true;
  }

  bool parse_options(std::string_view options, next_hop& hop) {
    while (!options.empty()) {
      std::string_view value = take_word(options);
      const std::string_view word = value;
      const std::string_view name = take_until(value, '=');
      const auto found = std::find(tls_names.begin(), tls_names.end(), value);
      if (name != "tls" || found == tls_names.end()) {
        fail("an option is tls=none, tls=opportunistic, tls=required or tls=verify", word);
        return false;
      }
      hop.tls = static_cast<hop_tls>(found - tls_names.begin());
    }
    return true;
  }

  std::string problem_;
};

inline std::string to_string(const next_hop& hop) {
  const bool lmtp = hop.protocol == hop_protocol::lmtp;
  std::string text = lmtp ? "lmtp:" : "smtp:";
  if (!hop.unix_path.empty()) {
    text += "unix:" + hop.unix_path;
  } else {
    text += hop.lookup == hop_lookup::mx ? hop.host : "[" + hop.host + "]";
    if (hop.port != (lmtp ? lmtp_port : smtp_port)) text += ":" + std::to_string(hop.port);
  }
  const hop_tls usual = hop.unix_path.empty() ? hop_tls::opportunistic : hop_tls::none;
  if (hop.tls != usual) {
    text += " tls=";
    text += tls_names[static_cast<std::size_t>(hop.tls)];
  }
  return text;
}

// Whether a part of an address may be (part of) a name in a path. A leading dot would hide it or,
// with what stands around the mark, make it "."; a leading hyphen looks like an option to other
// programs.
inline bool is_safe_name(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.front() == '-') return false;
  return std::none_of(text.begin(), text.end(), [](char c) {
    return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

// Whether the system has room for every name of the path.
inline bool fits_system(std::string_view path) {
  constexpr std::size_t max_name = 255;  // NAME_MAX
  if (path.size() > max_maildir_path) return false;
  while (!path.empty()) {
    if (take_until(path, '/').size() > max_name) return false;
  }
  return true;
}

inline std::string filled(std::string_view text, std::string_view local, std::string_view domain) {
  std::string out;
  while (!text.empty()) {
    if (text.starts_with(local_mark)) {
      out += local;
      text.remove_prefix(local_mark.size());
    } else if (text.starts_with(domain_mark)) {
      out += domain;
      text.remove_prefix(domain_mark.size());
    } else {
      out += text.front();
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace detail

GATEPOST_DECL next_hop next_hop::mx_of(std::string domain) {
  next_hop hop(std::move(domain));
  hop.lookup = hop_lookup::mx;
  return hop;
}

GATEPOST_DECL next_hop next_hop::lmtp(std::string host, std::uint16_t port) {
  next_hop hop(std::move(host), port);
  hop.protocol = hop_protocol::lmtp;
  return hop;
}

GATEPOST_DECL next_hop next_hop::lmtp_socket(std::string path) {
  next_hop hop;
  hop.unix_path = std::move(path);
  hop.port = lmtp_port;
  hop.protocol = hop_protocol::lmtp;
  hop.tls = hop_tls::none;
  return hop;
}

GATEPOST_DECL route route::maildir(std::string path) {
  route r;
  r.kind_ = route_kind::maildir;
  r.maildir_ = std::move(path);
  return r;
}

GATEPOST_DECL route route::discard() {
  route r;
  r.kind_ = route_kind::discard;
  return r;
}

GATEPOST_DECL route route::refuse(smtp::reply why) {
  route r;
  r.kind_ = route_kind::refuse;
  r.refusal_ = std::move(why);
  if (r.refusal_.code() < 400) r.refusal_ = smtp::replies::no_such_user;
  return r;
}

GATEPOST_DECL std::string to_string(const route& r) {
  switch (r.kind()) {
    case route_kind::maildir: return "maildir:" + r.maildir_path();
    case route_kind::discard: return "discard";
    case route_kind::refuse: return "refuse " + r.refusal().to_string();
    case route_kind::next_hops: break;
  }
  std::string text;
  for (const next_hop& hop : r.hops()) {
    if (!text.empty()) text += ", ";
    text += detail::to_string(hop);
  }
  return text;
}

GATEPOST_DECL smtp::result<route> parse_route(std::string_view text, std::string* problem) {
  detail::route_parser parser;
  std::optional<route> r = parser.parse(text);
  if (r) return std::move(*r);
  if (problem != nullptr) *problem = parser.problem();
  return smtp::errc::bad_config;
}

GATEPOST_DECL smtp::result<route> expand(const route& r, const smtp::address& recipient) {
  const bool in_path = detail::has_mark(r.maildir_path());
  const auto marked = [](const next_hop& hop) { return detail::has_mark(hop.host); };
  const bool in_hops = std::any_of(r.hops().begin(), r.hops().end(), marked);
  if (!in_path && !in_hops) return r;

  const std::string local = smtp::to_lower_ascii(recipient.unquoted_local_part());
  const std::string domain = recipient.canonical_domain();
  if (in_path) {
    if (!detail::is_safe_name(local)) return smtp::errc::bad_local_part;
    if (!detail::is_safe_name(domain)) return smtp::errc::bad_domain;
    std::string path = detail::filled(r.maildir_path(), local, domain);
    if (!detail::fits_system(path)) return smtp::errc::bad_local_part;
    return route::maildir(std::move(path));
  }
  if (!smtp::valid_domain(domain)) return smtp::errc::bad_domain;
  std::vector<next_hop> hops = r.hops();
  for (next_hop& hop : hops) hop.host = detail::filled(hop.host, local, domain);
  return route(std::move(hops));
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_ROUTE_IPP
