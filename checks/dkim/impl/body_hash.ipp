#ifndef GATEPOST_CHECKS_DKIM_IMPL_BODY_HASH_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_BODY_HASH_IPP

#include <algorithm>

#include "checks/dkim/body_hash.hpp"

namespace gatepost::checks::dkim {

GATEPOST_DECL std::size_t body_hashes::want(canonicalization how,
                                            std::optional<std::uint64_t> length) {
  const auto same = std::find_if(jobs_.begin(), jobs_.end(),
                                 [&](const job& j) { return j.how == how && j.length == length; });
  const auto index = static_cast<std::size_t>(same - jobs_.begin());
  if (same == jobs_.end()) jobs_.push_back({how, length});
  return index;
}

GATEPOST_DECL bool body_hashes::wanted(canonicalization how) const {
  return std::any_of(jobs_.begin(), jobs_.end(), [&](const job& j) { return j.how == how; });
}

GATEPOST_DECL void body_hashes::take(form& f, std::string_view octets) {
  f.octets += octets.size();
  for (job& j : jobs_) {
    if (j.how != f.canonical.how()) continue;
    if (!j.length) {
      j.state.update(octets);
      continue;
    }
    const auto size = std::min<std::uint64_t>(octets.size(), *j.length - j.taken);
    j.state.update(octets.substr(0, static_cast<std::size_t>(size)));
    j.taken += size;
  }
}

GATEPOST_DECL void body_hashes::update(std::string_view text) {
  for (form& f : forms_) {
    if (!wanted(f.canonical.how())) continue;
    f.canonical.update(text, [&](std::string_view octets) { take(f, octets); });
  }
}

GATEPOST_DECL void body_hashes::finish() {
  for (form& f : forms_) f.canonical.finish([&](std::string_view octets) { take(f, octets); });
  for (job& j : jobs_) j.hash = j.state.finish();
}

GATEPOST_DECL std::uint64_t body_hashes::octets_behind(std::size_t index) const {
  const job& j = jobs_[index];
  return j.length ? form_of(j.how).octets - j.taken : 0;
}

GATEPOST_DECL bool body_hashes::too_short(std::size_t index) const {
  const job& j = jobs_[index];
  return j.length && j.taken < *j.length;
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_BODY_HASH_IPP
