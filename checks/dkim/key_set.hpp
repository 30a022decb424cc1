// The keys that sign for each domain, and when each of them begins to: selector rotation.
//
// A new key is put in beforehand, with the time from which it signs; by then its public half has
// been in the DNS for long enough. The old one need not be taken out: of the keys of one domain and
// type, the one whose time came last signs. Keys of both types sign side by side (RFC 8463 §3).
//
//     key_set keys;
//     keys.add(*signing_key::make("example.test", "2026a", *private_key::from_file(a)));
//     keys.add(*signing_key::make("example.test", "2026b", *private_key::from_file(b)), new_year);
//
// Filled before it is used; from then on it may be read by several threads.
#ifndef GATEPOST_CHECKS_DKIM_KEY_SET_HPP
#define GATEPOST_CHECKS_DKIM_KEY_SET_HPP

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dkim/sign.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::dkim {

class key_set {
 public:
  using time_point = std::chrono::system_clock::time_point;

  // The key signs for its domain from that time on; without one, it always did.
  GATEPOST_DECL key_set& add(signing_key key, time_point from = time_point::min());

  bool empty() const noexcept { return entries_.empty(); }

  // Those that sign for mail of that domain now: the keys of the domain itself, else of the nearest
  // domain above it that has any; at most one of each type, RSA first (RFC 8463 §3: for verifiers
  // that know only the first). Good as long as the set.
  GATEPOST_DECL std::vector<const signing_key*> keys_for(std::string_view domain,
                                                         time_point now) const;

 private:
  struct entry {
    signing_key key;
    time_point from;
  };

  const signing_key* newest(std::string_view domain, key_type type, time_point now) const;

  std::vector<entry> entries_;
};

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/key_set.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_KEY_SET_HPP
