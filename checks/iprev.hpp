// "iprev": the name that the DNS gives an address, confirmed by the address that it gives the name
// (RFC 8601 §2.7.3).
//
// One round trip to the DNS for the names, one more for all their addresses.
#ifndef GATEPOST_CHECKS_IPREV_HPP
#define GATEPOST_CHECKS_IPREV_HPP

#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "smtp/config.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

// The words of RFC 8601 §2.7.3.
enum class iprev_status : std::uint8_t {
  pass,       // a name of the address leads back to it
  fail,       // there are names, and none leads back
  temperror,  // the DNS did not answer
  permerror,  // the address has no name
};

GATEPOST_DECL std::string_view to_string(iprev_status s);

class iprev_result {
 public:
  iprev_result() = default;
  iprev_result(iprev_status status, smtp::ip_address address, std::string name)
      : status_(status), address_(address), name_(std::move(name)) {}

  iprev_status status() const { return status_; }
  bool passes() const { return status_ == iprev_status::pass; }
  const smtp::ip_address& address() const { return address_; }
  // Letters, digits, '-', '_' and '.', in lower case. With pass, the confirmed name; with fail, the
  // first one; else empty.
  const std::string& name() const { return name_; }

 private:
  iprev_status status_ = iprev_status::temperror;
  smtp::ip_address address_;
  std::string name_;
};

// RFC 8601 §2.7.3 leaves it open how many names are looked at. Honest hosts have one or two; RFC
// 7208 §4.6.4 sets ten.
inline constexpr std::size_t max_iprev_names = 10;

// Of a v4-mapped address, the IPv4 address counts. At most the first `names` names are looked at.
GATEPOST_DECL asio::awaitable<iprev_result> find_iprev(smtp::dns::resolver& dns,
                                                       smtp::ip_address address,
                                                       std::size_t names = max_iprev_names);

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/iprev.ipp"
#endif

#endif  // GATEPOST_CHECKS_IPREV_HPP
