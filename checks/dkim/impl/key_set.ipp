#ifndef GATEPOST_CHECKS_DKIM_IMPL_KEY_SET_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_KEY_SET_IPP

#include <algorithm>
#include <utility>

#include "checks/dkim/key_set.hpp"
#include "smtp/domain.hpp"

namespace gatepost::checks::dkim {

GATEPOST_DECL key_set& key_set::add(signing_key key, time_point from) {
  entries_.push_back({std::move(key), from});
  return *this;
}

GATEPOST_DECL const signing_key* key_set::newest(std::string_view domain, key_type type,
                                                 time_point now) const {
  const entry* best = nullptr;
  for (const entry& e : entries_) {
    const bool fits = e.key.domain == domain && e.key.key.type() == type && e.from <= now;
    if (fits && (best == nullptr || e.from >= best->from)) best = &e;
  }
  return best == nullptr ? nullptr : &best->key;
}

GATEPOST_DECL std::vector<const signing_key*> key_set::keys_for(std::string_view domain,
                                                                time_point now) const {
  const std::string name = smtp::canonical_domain(domain);
  std::vector<const signing_key*> found;
  for (std::string_view at = name; !at.empty() && found.empty();) {
    for (const key_type type : {key_type::rsa, key_type::ed25519}) {
      if (const signing_key* key = newest(at, type, now)) found.push_back(key);
    }
    const std::size_t dot = at.find('.');
    at.remove_prefix(dot == at.npos ? at.size() : dot + 1);
  }
  return found;
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_KEY_SET_IPP
