// Says for whom we take mail: the check that keeps a server from being an open relay.
//
// At RCPT: passes recipients in our domains, and every recipient of clients that are authenticated
// or in a trusted network; all others get 550 5.7.1. The table can be replaced while sessions run.
// Thread-safe.
#ifndef GATEPOST_CHECKS_RELAY_DOMAINS_HPP
#define GATEPOST_CHECKS_RELAY_DOMAINS_HPP

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "checks/check.hpp"
#include "smtp/address.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

// A set of domains. "example.test" is this name, ".example.test" every name below it (and not
// itself),
// "[192.0.2.1]" mail to the address. In any spelling; compared as canonical domains.
class domain_table {
 public:
  domain_table() = default;
  // Throws std::invalid_argument where one of them is no domain.
  GATEPOST_DECL domain_table(std::initializer_list<std::string_view> domains);

  // False, and nothing happens, where it is no domain.
  GATEPOST_DECL bool add(std::string_view domain);

  // Of a canonical domain (smtp::canonical_domain).
  GATEPOST_DECL bool contains(std::string_view domain) const;

  std::size_t size() const { return domains_.size(); }

 private:
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };

  std::unordered_set<std::string, hash, std::equal_to<>> domains_;
};

struct relay_domains_options {
  domain_table domains = {};

  // Whose clients may send to anybody. Empty: nobody's. Never a network that others can speak from.
  smtp::network_set trusted = {};
  // Who comes by a Unix socket, and so from no network, may send to anybody.
  bool trusted_unix = false;

  // Who is authenticated may send to anybody.
  bool authenticated = true;

  // Recipients like "user%elsewhere.test"@ours.test, which a server behind us may take as an order
  // to relay. Others in our domains are theirs to judge.
  bool routed_local_parts = false;
};

class relay_domains final : public check {
 public:
  GATEPOST_DECL explicit relay_domains(relay_domains_options options);

  std::string_view name() const override { return "relay_domains"; }
  bool waits(smtp::stage) const override { return false; }
  GATEPOST_DECL asio::awaitable<verdict> on_rcpt(context& ctx) override;

  // From the next recipient on. Any thread.
  GATEPOST_DECL void replace(domain_table domains);

 private:
  bool may_relay(const smtp::session_facts& facts) const;
  bool is_ours(const smtp::address& recipient) const;
  std::shared_ptr<const domain_table> domains() const;

  relay_domains_options options_;  // but not its domains
  mutable std::mutex mutex_;
  std::shared_ptr<const domain_table> domains_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/relay_domains.ipp"
#endif

#endif  // GATEPOST_CHECKS_RELAY_DOMAINS_HPP
