#ifndef GATEPOST_SMTP_IMPL_SEEDED_HASH_IPP
#define GATEPOST_SMTP_IMPL_SEEDED_HASH_IPP

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "smtp/seeded_hash.hpp"

namespace gatepost::smtp {
namespace detail {

// What tells one block from another: octets, their count, and how many bits count.
inline std::size_t hash_block(const seeded_hash& hash, const ip_address& address, unsigned bits) {
  const auto octets = address.octets();
  std::array<char, sizeof(ip_address::v6_octets) + 2> key{};
  std::copy(octets.begin(), octets.end(), key.begin());
  key[key.size() - 2] = static_cast<char>(octets.size());
  key[key.size() - 1] = static_cast<char>(bits);
  return hash(std::string_view(key.data(), key.size()));
}

}  // namespace detail

GATEPOST_DECL seeded_hash::seeded_hash() {
  // So few octets come whole, or not at all (getrandom(2)).
  if (::getrandom(&key_, sizeof key_, 0) != static_cast<ssize_t>(sizeof key_))
    throw std::system_error(errno, std::generic_category(), "getrandom");
}

GATEPOST_DECL std::size_t seeded_hash::operator()(const ip_address& address) const {
  return detail::hash_block(*this, address, 0xff);
}

GATEPOST_DECL std::size_t seeded_hash::operator()(const ip_network& network) const {
  return detail::hash_block(*this, network.address(), network.bits());
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SEEDED_HASH_IPP
