// Looks at the name that the DNS has for the client's address, and whether the name leads back to
// the address ("iprev", RFC 8601 §2.7.3).
//
// Begins at connect and speaks at MAIL, when it is known whether the client has authenticated; or
// at the end of the header, where one of our own servers stands between (true_client.hpp). Leaves
// an `iprev_result` in transaction_notes(), and "iprev" for Authentication-Results. By default it
// only scores: many small hosts are without. Thread-safe as far as the resolver is.
#ifndef GATEPOST_CHECKS_REVERSE_DNS_HPP
#define GATEPOST_CHECKS_REVERSE_DNS_HPP

#include <cstddef>
#include <string_view>
#include <utility>

#include "checks/check.hpp"
#include "checks/finding.hpp"
#include "checks/iprev.hpp"
#include "checks/true_client.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"

namespace gatepost::checks {

struct reverse_dns_options {
  // The address has no name: hardly any mail server (RFC 1912 §2.1). 550 5.7.25 (RFC 7372 §3.3)
  finding_policy no_name = {response::score, 2.0};

  // No name leads back. Many forget to keep both sides equal. 550 5.7.25
  finding_policy not_confirmed = {response::score, 1.0};

  // The DNS does not answer: whether the client has to come again. Not for a few points.
  dns_trouble on_trouble = dns_trouble::skip;

  // Names of one address that are looked at.
  std::size_t names = max_iprev_names;

  true_client client = true_client();
};

class reverse_dns final : public check {
 public:
  // The resolver outlives the sessions, and the I/O threads' work for them.
  explicit reverse_dns(smtp::dns::resolver& dns, reverse_dns_options options = {})
      : dns_(dns), options_(std::move(options)) {}

  std::string_view name() const override { return "reverse_dns"; }
  GATEPOST_DECL bool waits(smtp::stage s) const override;
  GATEPOST_DECL bool prepare(context& ctx, const asio::any_io_executor& executor) override;
  GATEPOST_DECL asio::awaitable<verdict> on_connect(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_mail(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_header_end(context& ctx) override;

 private:
  asio::awaitable<verdict> look_at(context& ctx, smtp::ip_address address) const;
  verdict judge(const iprev_result& found) const;

  smtp::dns::resolver& dns_;
  reverse_dns_options options_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/reverse_dns.ipp"
#endif

#endif  // GATEPOST_CHECKS_REVERSE_DNS_HPP
