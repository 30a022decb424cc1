// Looks at what a client calls itself in HELO, EHLO or LHLO.
//
// Without DNS: the syntax, and names and addresses that are ours. RFC 5321 §4.1.4 forbids to refuse
// mail because the name does not resolve to the client's address, so nothing here does; the test
// that comes near to it, `literal_mismatch`, is off. Each test can be switched. Clients that are
// exempt or authenticated are not looked at.
#ifndef GATEPOST_CHECKS_HELO_HPP
#define GATEPOST_CHECKS_HELO_HPP

#include <string>
#include <string_view>
#include <vector>

#include "checks/check.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

struct helo_options {
  // Neither a domain nor an address literal: RFC 5321 §4.1.1.1 allows nothing else. 501 5.5.2
  bool syntax = true;

  // An address without brackets: RFC 5321 §4.1.3 wants them, and hardly any mail server forgets
  // them. 501 5.5.2
  bool bare_address = true;

  // A name without a dot: RFC 5321 §2.3.5 wants a fully qualified one. Off, since many internal
  // hosts and some small servers have none. 504 5.5.2
  bool fully_qualified = false;

  // One of `own_names`, one of `own_addresses`, or the address that it has connected to: a lie, and
  // one of the commonest. 550 5.7.1
  bool self_claim = true;

  // An address literal that is not the client's address. Off: a host behind NAT knows no better.
  // 550 5.7.1
  bool literal_mismatch = false;

  // Ours: the hostnames of all channels belong here. Compared as canonical domains.
  std::vector<std::string> own_names = {"localhost", "localhost.localdomain"};
  std::vector<smtp::ip_address> own_addresses = {};

  smtp::network_set exempt = smtp::network_set::loopback();
};

class helo final : public check {
 public:
  GATEPOST_DECL explicit helo(helo_options options = {});

  std::string_view name() const override { return "helo"; }
  bool waits(smtp::stage) const override { return false; }
  GATEPOST_DECL asio::awaitable<verdict> on_helo(context& ctx) override;

 private:
  verdict look_at_name(const smtp::session_facts& facts) const;
  verdict look_at_address(const smtp::session_facts& facts, const smtp::ip_address& claimed) const;

  helo_options options_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/helo.ipp"
#endif

#endif  // GATEPOST_CHECKS_HELO_HPP
