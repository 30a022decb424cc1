// Between the kernel's socket addresses and ours.
#ifndef GATEPOST_SMTP_DETAIL_SOCKADDR_HPP
#define GATEPOST_SMTP_DETAIL_SOCKADDR_HPP

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "smtp/ip.hpp"

namespace gatepost::smtp::detail {

// IPv4 in IPv6 is IPv4 to everybody else. Another family gives 0.0.0.0.
inline endpoint to_endpoint(const sockaddr_storage& storage) {
  endpoint e;
  if (storage.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(storage);
    ip_address::v4_octets octets;
    std::memcpy(octets.data(), &in.sin_addr, octets.size());
    e.address = ip_address(octets);
    e.port = ntohs(in.sin_port);
  } else if (storage.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(storage);
    ip_address::v6_octets octets;
    std::memcpy(octets.data(), &in6.sin6_addr, octets.size());
    e.address = ip_address(octets).unmapped();
    e.port = ntohs(in6.sin6_port);
  }
  return e;
}

inline sockaddr_storage to_sockaddr(const endpoint& e, socklen_t& size) {
  sockaddr_storage storage{};
  const auto octets = e.address.octets();
  if (e.address.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(storage);
    in.sin_family = AF_INET;
    in.sin_port = htons(e.port);
    std::memcpy(&in.sin_addr, octets.data(), octets.size());
    size = sizeof in;
  } else {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(storage);
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(e.port);
    std::memcpy(&in6.sin6_addr, octets.data(), octets.size());
    size = sizeof in6;
  }
  return storage;
}

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_DETAIL_SOCKADDR_HPP
