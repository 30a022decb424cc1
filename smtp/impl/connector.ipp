#ifndef GATEPOST_SMTP_IMPL_CONNECTOR_IPP
#define GATEPOST_SMTP_IMPL_CONNECTOR_IPP

#include <charconv>
#include <optional>

#include "smtp/connector.hpp"
#include "smtp/domain.hpp"

namespace gatepost::smtp {
namespace detail {

inline constexpr std::string_view unix_prefix = "unix:";

// sockaddr_un has room for 107 octets and a NUL.
inline constexpr std::size_t max_unix_path = 107;

inline std::optional<std::uint16_t> read_port(std::string_view digits) {
  std::uint16_t port = 0;
  const char* const end = digits.data() + digits.size();
  const auto [last, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc{} || last != end || port == 0) return std::nullopt;
  return port;
}

inline result<connect_target> read_unix_target(std::string_view path) {
  if (path.empty() || path.size() > max_unix_path) return errc::bad_argument;
  if (path.find('\0') != std::string_view::npos) return errc::bad_argument;
  return connect_target::to_unix(std::string(path));
}

}  // namespace detail

GATEPOST_DECL std::string connect_target::text() const {
  switch (kind_) {
    case kind::address: return endpoint_.text();
    case kind::name: return host_ + ":" + std::to_string(port_);
    case kind::unix_path: return std::string(detail::unix_prefix) + host_;
  }
  return {};
}

GATEPOST_DECL result<connect_target> parse_connect_target(std::string_view text,
                                                          std::uint16_t default_port) {
  if (text.starts_with(detail::unix_prefix))
    return detail::read_unix_target(text.substr(detail::unix_prefix.size()));
  std::uint16_t port = default_port;
  std::string_view host = text;
  const std::size_t colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  const bool bare_v6 = !bracketed && text.find(':') != colon;
  const bool behind_host = colon != std::string_view::npos && !bare_v6 &&
                           (!bracketed || (colon > 0 && text[colon - 1] == ']'));
  if (behind_host) {
    const auto given = detail::read_port(text.substr(colon + 1));
    if (!given) return errc::bad_argument;
    port = *given;
    host = text.substr(0, colon);
  }
  if (port == 0) return errc::bad_argument;
  if (bracketed) {
    if (!host.ends_with(']')) return errc::bad_argument;
    host = host.substr(1, host.size() - 2);
  }
  if (const auto address = parse_ip_address(host)) return connect_target(endpoint{*address, port});
  if (bracketed || !valid_domain(host)) return errc::bad_argument;
  return connect_target(std::string(host), port);
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_CONNECTOR_IPP
