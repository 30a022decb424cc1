// What checks and routing ask of the DNS: the abstract resolver.
//
// Names are given and returned in A-label form without a final dot. An implementation is used from
// one I/O thread; testing::fake_resolver (smtp/testing/fake_resolver.hpp) serves tests.
#ifndef GATEPOST_SMTP_DNS_RESOLVER_HPP
#define GATEPOST_SMTP_DNS_RESOLVER_HPP

#include <asio/awaitable.hpp>
#include <optional>
#include <string>

#include "smtp/config.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/dns/message.hpp"
#include "smtp/ip.hpp"

namespace gatepost::smtp::dns {

// Each question follows CNAME records. A question that is cancelled throws asio's
// operation_aborted, as any asynchronous operation does; nothing else is thrown.
class resolver {
 public:
  virtual ~resolver() = default;

  virtual asio::awaitable<answer<ip_address>> a(std::string name) = 0;
  virtual asio::awaitable<answer<ip_address>> aaaa(std::string name) = 0;
  virtual asio::awaitable<answer<mx_record>> mx(std::string name) = 0;
  // The strings of one record are joined (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
  virtual asio::awaitable<answer<std::string>> txt(std::string name) = 0;
  // Host names of an address.
  virtual asio::awaitable<answer<std::string>> ptr(ip_address address) = 0;
  virtual asio::awaitable<answer<tlsa_record>> tlsa(std::string name) = 0;

  // The answer to such a question where it is at hand, in a cache for instance; nothing where it
  // has to be asked. Never waits, and throws nothing: for those who have many questions, most of
  // them known. PTR by the name that reverse_name() gives. The alternative is that of the type.
  virtual std::optional<any_answer> known(const question&) { return std::nullopt; }
};

}  // namespace gatepost::smtp::dns

#endif  // GATEPOST_SMTP_DNS_RESOLVER_HPP
