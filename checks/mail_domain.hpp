// Looks whether the sender's domain exists and takes mail: who cannot be answered is not a sender.
//
// At MAIL, in the order of RFC 5321 §5.1: MX records, else addresses. A null MX (RFC 7505) says
// that the domain sends no mail that could be answered. The null sender is not looked at, nor are
// the senders of those whom true_client.hpp excepts (who is behind one of our own servers is looked
// at: the client's address is not needed). Leaves a `mail_domain_result` in transaction_notes().
// Thread-safe as far as the resolver is.
#ifndef GATEPOST_CHECKS_MAIL_DOMAIN_HPP
#define GATEPOST_CHECKS_MAIL_DOMAIN_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "checks/check.hpp"
#include "checks/finding.hpp"
#include "checks/true_client.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

// Addresses at which nobody takes mail from the Internet: private_networks(), 0.0.0.0/8, ::,
// multicast (RFC 5771, RFC 4291 §2.7) and 240.0.0.0/4.
GATEPOST_DECL smtp::network_set unreachable_networks();

struct mail_domain_options {
  // The domain does not exist. 550 5.1.8
  finding_policy no_domain = {response::refuse, 5.0};

  // It exists, and has neither MX nor address. 550 5.1.8
  finding_policy no_mail = {response::refuse, 5.0};

  // RFC 7505 §4.2: it says that it takes no mail. 550 5.7.27
  finding_policy null_mx = {response::refuse, 5.0};

  // All its mail hosts are without an address, or have only `unreachable` ones. 550 5.1.8. Asking
  // for their addresses takes one more round trip to the DNS; response::ignore saves it.
  finding_policy unreachable_mx = {response::score, 2.0};
  smtp::network_set unreachable = unreachable_networks();

  // <user@[192.0.2.1]>: RFC 5321 §4.1.3 allows it, and hardly anybody uses it. 550 5.1.8
  finding_policy literal = {response::ignore, 2.0};

  // The DNS does not answer.
  dns_trouble on_trouble = dns_trouble::defer;

  // Mail hosts whose addresses are asked for, by preference. Domains have one to five.
  std::size_t hosts = 5;

  true_client client = true_client();
};

enum class mail_domain_status : std::uint8_t {
  takes_mail,
  no_domain,
  no_mail,
  null_mx,
  unreachable_mx,
  literal,
  temperror,
};

class mail_domain_result {
 public:
  mail_domain_result() = default;
  mail_domain_result(mail_domain_status status, std::string domain)
      : status_(status), domain_(std::move(domain)) {}

  mail_domain_status status() const { return status_; }
  const std::string& domain() const { return domain_; }  // in A-labels, lower case

 private:
  mail_domain_status status_ = mail_domain_status::temperror;
  std::string domain_;
};

class mail_domain final : public check {
 public:
  // The resolver outlives the sessions, and the I/O threads' work for them.
  explicit mail_domain(smtp::dns::resolver& dns, mail_domain_options options = {})
      : dns_(dns), options_(std::make_shared<mail_domain_options>(std::move(options))) {}

  std::string_view name() const override { return "mail_domain"; }
  GATEPOST_DECL bool prepare(context& ctx, const asio::any_io_executor& executor) override;
  GATEPOST_DECL asio::awaitable<verdict> on_mail(context& ctx) override;

 private:
  bool looks_at(const context& ctx) const;
  verdict judge(const mail_domain_result& found) const;

  smtp::dns::resolver& dns_;
  std::shared_ptr<const mail_domain_options> options_;  // shared with searches under way
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/mail_domain.ipp"
#endif

#endif  // GATEPOST_CHECKS_MAIL_DOMAIN_HPP
