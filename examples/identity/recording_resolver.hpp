// A resolver that passes questions on to another one, and keeps a list of what was asked.
#ifndef GATEPOST_EXAMPLES_IDENTITY_RECORDING_RESOLVER_HPP
#define GATEPOST_EXAMPLES_IDENTITY_RECORDING_RESOLVER_HPP

#include <asio/awaitable.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/dns/resolver.hpp"

namespace identity {

// In the order in which the answers came.
struct dns_step {
  std::string name;
  std::string_view type;
  std::string rcode;                 // "NOERROR", "NXDOMAIN", "SERVFAIL", "TIMEOUT", ...
  std::vector<std::string> records;  // as text
};

class recording_resolver final : public gatepost::smtp::dns::resolver {
 public:
  template <class Record>
  using answer = gatepost::smtp::dns::answer<Record>;
  using ip_address = gatepost::smtp::ip_address;
  using mx_record = gatepost::smtp::dns::mx_record;
  using tlsa_record = gatepost::smtp::dns::tlsa_record;

  // `inner` outlives this.
  explicit recording_resolver(gatepost::smtp::dns::resolver& inner) : inner_(inner) {}

  asio::awaitable<answer<ip_address>> a(std::string name) override;
  asio::awaitable<answer<ip_address>> aaaa(std::string name) override;
  asio::awaitable<answer<mx_record>> mx(std::string name) override;
  asio::awaitable<answer<std::string>> txt(std::string name) override;
  asio::awaitable<answer<std::string>> ptr(ip_address address) override;
  asio::awaitable<answer<tlsa_record>> tlsa(std::string name) override;

  std::vector<dns_step> take() { return std::exchange(*steps_, {}); }

 private:
  gatepost::smtp::dns::resolver& inner_;
  // Shared with the questions: one that is cancelled may end after this.
  std::shared_ptr<std::vector<dns_step>> steps_ = std::make_shared<std::vector<dns_step>>();
};

}  // namespace identity

#endif  // GATEPOST_EXAMPLES_IDENTITY_RECORDING_RESOLVER_HPP
