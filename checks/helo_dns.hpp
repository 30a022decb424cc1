// Looks up the name that a client gives in HELO or EHLO: whether it exists, and whether it leads to
// the client's address.
//
// RFC 5321 §4.1.4: mail is never refused because the name does not lead to the client, so that can
// only score here. A name that does not exist at all breaks RFC 5321 §2.3.5, and may be refused;
// by default it scores, for many honest hosts call themselves by a name that only they know. Begins
// at HELO and speaks at MAIL, or at the end of the header (true_client.hpp). Leaves a
// `helo_dns_result` in transaction_notes(). Address literals are the business of checks::helo.
// Thread-safe as far as the resolver is.
#ifndef GATEPOST_CHECKS_HELO_DNS_HPP
#define GATEPOST_CHECKS_HELO_DNS_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "checks/check.hpp"
#include "checks/finding.hpp"
#include "checks/true_client.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"

namespace gatepost::checks {

struct helo_dns_options {
  // The name has neither address nor MX. 550 5.7.1
  finding_policy unknown = {response::score, 2.0};

  // Points where it leads to other addresses than the client's: common behind NAT and with many
  // addresses. 0: nothing.
  double mismatch_points = 0.5;

  // The DNS does not answer.
  dns_trouble on_trouble = dns_trouble::skip;

  true_client client = true_client();
};

enum class helo_dns_status : std::uint8_t {
  match,      // it leads to the client's address
  mismatch,   // it leads to others, or has an MX record only
  unknown,    // it does not exist, or has neither address nor MX
  temperror,  // the DNS did not answer
};

class helo_dns_result {
 public:
  helo_dns_result() = default;
  helo_dns_result(helo_dns_status status, std::string name)
      : status_(status), name_(std::move(name)) {}

  helo_dns_status status() const { return status_; }
  const std::string& name() const { return name_; }  // in A-labels, lower case

 private:
  helo_dns_status status_ = helo_dns_status::temperror;
  std::string name_;
};

// One round trip to the DNS; one more where the name has no address.
GATEPOST_DECL asio::awaitable<helo_dns_result> find_helo(smtp::dns::resolver& dns, std::string name,
                                                         smtp::ip_address client);

class helo_dns final : public check {
 public:
  // The resolver outlives the sessions, and the I/O threads' work for them.
  explicit helo_dns(smtp::dns::resolver& dns, helo_dns_options options = {})
      : dns_(dns), options_(std::move(options)) {}

  std::string_view name() const override { return "helo_dns"; }
  GATEPOST_DECL bool waits(smtp::stage s) const override;
  GATEPOST_DECL bool prepare(context& ctx, const asio::any_io_executor& executor) override;
  GATEPOST_DECL asio::awaitable<verdict> on_helo(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_mail(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_header_end(context& ctx) override;

 private:
  asio::awaitable<verdict> look_at(context& ctx, seen_client who) const;
  verdict judge(const helo_dns_result& found) const;

  smtp::dns::resolver& dns_;
  helo_dns_options options_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/helo_dns.ipp"
#endif

#endif  // GATEPOST_CHECKS_HELO_DNS_HPP
