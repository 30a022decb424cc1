#ifndef GATEPOST_CHECKS_DMARC_IMPL_TREE_WALK_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_TREE_WALK_IPP

#include <algorithm>

#include "checks/dmarc/tree_walk.hpp"
#include "smtp/domain.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

// RFC 1035 §2.3.4, without the final dot.
inline constexpr std::size_t max_name_octets = 253;
inline constexpr std::size_t max_label_octets = 63;

// The DNS takes any octet; what is neither printable nor ASCII is no name of a mail domain.
inline bool is_dns_name(std::string_view name) {
  if (name.empty() || name.size() > max_name_octets) return false;
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.' ? label == 0 : (c <= ' ' || c >= 0x7f)) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > max_label_octets) return false;
  }
  return label != 0;
}

}  // namespace detail

GATEPOST_DECL std::optional<std::string> canonical_name(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  if (smtp::is_ascii(domain)) {
    if (!detail::is_dns_name(domain)) return std::nullopt;
    return smtp::to_lower_ascii(domain);
  }
  auto name = smtp::to_a_labels(domain);
  if (!name || !detail::is_dns_name(*name)) return std::nullopt;
  return *std::move(name);
}

GATEPOST_DECL std::size_t count_labels(std::string_view domain) {
  if (domain.empty()) return 0;
  return static_cast<std::size_t>(std::count(domain.begin(), domain.end(), '.')) + 1;
}

GATEPOST_DECL std::string_view last_labels(std::string_view domain, std::size_t labels) {
  for (std::size_t n = count_labels(domain); n > labels; --n)
    domain.remove_prefix(std::min(domain.find('.'), domain.size() - 1) + 1);
  return domain;
}

GATEPOST_DECL std::vector<std::string_view> tree_walk(std::string_view domain) {
  std::vector<std::string_view> names;
  if (domain.empty()) return names;
  names.push_back(domain);
  // Step 4: of a long name seven labels remain, of another one all but the first.
  const std::size_t next = std::min(count_labels(domain), max_tree_walk_queries) - 1;
  for (std::size_t labels = next; labels > 0; --labels)
    names.push_back(last_labels(domain, labels));
  return names;
}

GATEPOST_DECL std::optional<std::string> policy_name(std::string_view domain) {
  std::string name = "_dmarc." + std::string(domain);
  if (name.size() > detail::max_name_octets) return std::nullopt;
  return name;
}

GATEPOST_DECL std::string_view organizational_domain(std::string_view start,
                                                     std::span<const walk_find> found) {
  for (const walk_find& one : found) {
    if (one.record->psd == psd_flag::no) return one.domain;
    if (one.record->psd == psd_flag::yes && one.domain != start)
      return last_labels(start, count_labels(one.domain) + 1);
  }
  return found.empty() ? start : found.back().domain;
}

GATEPOST_DECL const walk_find* policy_above(std::string_view start,
                                            std::span<const walk_find> found) {
  const std::string_view organization = organizational_domain(start, found);
  const auto at = [&](std::string_view domain) {
    return std::find_if(found.begin(), found.end(),
                        [&](const walk_find& one) { return one.domain == domain; });
  };
  if (const auto own = at(organization); own != found.end()) return &*own;
  const auto suffix = std::find_if(found.begin(), found.end(), [](const walk_find& one) {
    return one.record->psd == psd_flag::yes;
  });
  return suffix != found.end() ? &*suffix : nullptr;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_TREE_WALK_IPP
