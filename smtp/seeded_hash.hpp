// A hash for tables whose keys strangers choose: names that are asked about, texts of the DNS,
// addresses of clients, senders.
//
// std::hash gives the same everywhere, so that anybody can look for keys that all land in one place
// of a table and make each look-up a walk through all of them. That holds for absl's tables, too,
// where they hash a std::string_view: an absl that was built with a string_view of its own hashes
// std's by std::hash, and seeds but what comes of it.
//
// SipHash-1-3 with a random key, another for each object: two tables have nothing in common.
//
//     absl::flat_hash_map<std::string, entry, smtp::seeded_hash, std::equal_to<>> by_name;
#ifndef GATEPOST_SMTP_SEEDED_HASH_HPP
#define GATEPOST_SMTP_SEEDED_HASH_HPP

#include <cstddef>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/detail/siphash.hpp"
#include "smtp/ip.hpp"

namespace gatepost::smtp {

class seeded_hash {
 public:
  using is_transparent = void;

  // With a new key. Throws std::system_error where the system has no random octets.
  GATEPOST_DECL seeded_hash();
  // With this key: for tests.
  explicit seeded_hash(const detail::siphash_key& key) : key_(key) {}

  std::size_t operator()(std::string_view octets) const {
    return static_cast<std::size_t>(detail::siphash<1, 3>(key_, octets));
  }
  GATEPOST_DECL std::size_t operator()(const ip_address& address) const;
  GATEPOST_DECL std::size_t operator()(const ip_network& network) const;

 private:
  detail::siphash_key key_;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/seeded_hash.ipp"
#endif

#endif  // GATEPOST_SMTP_SEEDED_HASH_HPP
