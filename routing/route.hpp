// Where a recipient's mail goes: to next hops, into a Maildir, nowhere, or back with a refusal.
//
// A value with a text form, which route tables are written in and which a spool keeps beside each
// recipient:
//
//     smtp:[mx.example.test]:25 tls=required, smtp:[192.0.2.7]    the first that answers
//     smtp:example.test                                           the hosts of that domain's MX
//     records lmtp:unix:/run/dovecot/lmtp      lmtp:[::1]:24 maildir:/var/mail/{domain}/{local}
//     discard
//     refuse 550 5.1.6 Moved to Mars
//
// {local} and {domain} stand for the recipient's; see expand(). No I/O.
#ifndef GATEPOST_ROUTING_ROUTE_HPP
#define GATEPOST_ROUTING_ROUTE_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/address.hpp"
#include "smtp/config.hpp"
#include "smtp/reply.hpp"
#include "smtp/result.hpp"

namespace gatepost::routing {

enum class hop_protocol : std::uint8_t { smtp, lmtp };

enum class hop_tls : std::uint8_t {
  none,
  opportunistic,  // RFC 3207 §4.1: if it is offered, and whatever the certificate
  required,       // or the message waits; whatever the certificate
  verify,         // required, with a certificate for the host's name that a trusted CA has signed
};

// How `next_hop::host` becomes an address.
enum class hop_lookup : std::uint8_t {
  host,  // it is an IP address, or a name with A and AAAA records
  mx,    // RFC 5321 §5.1: a domain with MX records
};

inline constexpr std::uint16_t smtp_port = 25;
inline constexpr std::uint16_t lmtp_port = 24;  // RFC 2033 §5 forbids 25, and 24 is in use

struct next_hop {
  next_hop() = default;
  explicit next_hop(std::string where, std::uint16_t at = smtp_port,
                    hop_tls how = hop_tls::opportunistic)
      : host(std::move(where)), port(at), tls(how) {}

  GATEPOST_DECL static next_hop mx_of(std::string domain);
  GATEPOST_DECL static next_hop lmtp(std::string host, std::uint16_t port = lmtp_port);
  GATEPOST_DECL static next_hop lmtp_socket(std::string path);

  std::string host;       // a name or an IP address without brackets; empty with unix_path
  std::string unix_path;  // of a socket
  std::uint16_t port = smtp_port;
  hop_protocol protocol = hop_protocol::smtp;
  hop_lookup lookup = hop_lookup::host;
  hop_tls tls = hop_tls::opportunistic;

  friend bool operator==(const next_hop&, const next_hop&) = default;
};

enum class route_kind : std::uint8_t { next_hops, maildir, discard, refuse };

class route {
 public:
  // Longer lists help nobody, and each hop may cost a time limit.
  static constexpr std::size_t max_hops = 16;

  // Implicit, so that a hop can stand wherever a route is asked for.
  route(next_hop only) : hops_{std::move(only)} {}  // NOLINT(google-explicit-constructor)
  // In order of preference; not empty.
  explicit route(std::vector<next_hop> hops) : hops_(std::move(hops)) {}

  // `path`: absolute.
  GATEPOST_DECL static route maildir(std::string path);
  GATEPOST_DECL static route discard();
  // `why`: a 4xx or 5xx reply; any other becomes 550 5.1.1.
  GATEPOST_DECL static route refuse(smtp::reply why = smtp::replies::no_such_user);

  route_kind kind() const { return kind_; }
  const std::vector<next_hop>& hops() const { return hops_; }   // for next_hops
  const std::string& maildir_path() const { return maildir_; }  // for maildir
  const smtp::reply& refusal() const { return refusal_; }       // for refuse

  friend bool operator==(const route&, const route&) = default;

 private:
  route() = default;

  route_kind kind_ = route_kind::next_hops;
  std::vector<next_hop> hops_;
  std::string maildir_;
  smtp::reply refusal_;
};

// The text form; parse_route() gives the same route.
GATEPOST_DECL std::string to_string(const route& r);

// Reads a text form. Error: bad_config; then `problem`, if given, has words for people.
GATEPOST_DECL smtp::result<route> parse_route(std::string_view text,
                                              std::string* problem = nullptr);

// The route with {local} and {domain} filled in. {local} is the unquoted local part in ASCII lower
// case, {domain} the canonical domain. Each becomes (part of) one name in a path: an address whose
// parts hold a slash or a control character, or begin with a dot or a hyphen, has no place there,
// nor has one without a domain. Errors: bad_local_part, bad_domain.
GATEPOST_DECL smtp::result<route> expand(const route& r, const smtp::address& recipient);

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/route.ipp"
#endif

#endif  // GATEPOST_ROUTING_ROUTE_HPP
