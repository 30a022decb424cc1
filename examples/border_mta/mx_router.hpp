// A router that puts the mail hosts of a domain in the place of "smtp:DOMAIN" (RFC 5321 §5.1).
//
// It asks the DNS when a message is to be delivered, each time anew, and at RCPT too, so that
// nothing is taken for a domain that does not exist or takes no mail. The addresses of hosts are
// looked up by whoever connects to them.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_MX_ROUTER_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_MX_ROUTER_HPP

#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "examples/border_mta/routes.hpp"
#include "routing/router.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/facts.hpp"
#include "smtp/ip.hpp"
#include "smtp/reply.hpp"

namespace border_mta {

// Hosts of one domain that are tried. Postfix: 5 addresses (smtp_mx_address_limit).
inline constexpr std::size_t most_mail_hosts = 10;

// The mail hosts of a domain, the best first; or none, and what that means.
class mail_hosts {
 public:
  mail_hosts() = default;
  explicit mail_hosts(std::vector<std::string> names) : names_(std::move(names)) {}
  explicit mail_hosts(gatepost::smtp::reply why_none) : why_none_(std::move(why_none)) {}

  const std::vector<std::string>& names() const { return names_; }
  const gatepost::smtp::reply& why_none() const { return why_none_; }

 private:
  std::vector<std::string> names_;
  gatepost::smtp::reply why_none_ = gatepost::smtp::replies::local_error;
};

// By preference; `random` decides among equals. Hosts that are no better than one of `own_names`,
// which are canonical, are left out, or the mail would go in circles.
mail_hosts choose_hosts(const std::string& domain,
                        const std::vector<gatepost::smtp::dns::mx_record>& records,
                        const std::vector<std::string>& own_names, std::uint64_t random);

struct mx_router_options {
  std::vector<std::string> own_names;
  // What the DNS cannot tell at RCPT matters only where nobody tries again later.
  delivery_mode mode = delivery_mode::spool;
  // Who may use a route for all domains; for others the DNS is not asked (relay_options).
  gatepost::smtp::network_set relay_from;
  bool relay_from_unix = false;
};

// Thread-safe, where the resolver is.
class mx_router final : public gatepost::routing::router {
 public:
  // Both outlive this.
  mx_router(gatepost::routing::router& table, gatepost::smtp::dns::resolver& dns,
            mx_router_options options);

  asio::awaitable<gatepost::routing::route_result> route(
      const gatepost::smtp::address& recipient,
      const gatepost::smtp::session_view* session) override;

 private:
  bool is_asked_about(const gatepost::routing::route_result& found,
                      const gatepost::smtp::session_view* session) const;
  asio::awaitable<mail_hosts> find_hosts(std::string domain) const;
  asio::awaitable<mail_hosts> find_address(std::string domain) const;
  std::uint64_t random_now() const;

  gatepost::routing::router& table_;
  gatepost::smtp::dns::resolver& dns_;
  const mx_router_options options_;
  const std::uint64_t seed_ = std::random_device{}();
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_MX_ROUTER_HPP
