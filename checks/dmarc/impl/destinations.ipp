#ifndef GATEPOST_CHECKS_DMARC_IMPL_DESTINATIONS_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_DESTINATIONS_IPP

#include <algorithm>
#include <utility>

#include "checks/dmarc/destinations.hpp"
#include "smtp/domain.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

// The canonical domain of a mailbox; nothing for a literal.
inline std::optional<std::string> host_of(std::string_view address) {
  const auto sign = address.rfind('@');
  if (sign == address.npos || address.substr(sign + 1).starts_with('[')) return std::nullopt;
  return canonical_name(address.substr(sign + 1));
}

}  // namespace detail

GATEPOST_DECL destinations::destinations(std::string_view policy_domain, regime r,
                                         std::vector<report_uri> uris, destination_options options)
    : domain_(canonical_name(policy_domain).value_or("")),
      uris_(std::move(uris)),
      failure_reports_(options.failure_reports) {
  walk_.regime = r;
  walk_.suffixes = options.suffixes;
  walk_.alignment = alignment_mode::relaxed;
  // RFC 9989 §4.7: schemes that we do not serve are ignored.
  std::erase_if(uris_, [](const report_uri& uri) { return !detail::host_of(uri.address); });
  uris_.resize(std::min(uris_.size(), options.addresses));
  if (domain_.empty()) uris_.clear();
}

GATEPOST_DECL std::vector<report_uri> destinations::verified(std::uint64_t octets) const {
  std::vector<report_uri> all = verified_;
  std::erase_if(all, [octets](const report_uri& uri) { return !uri.takes(octets); });
  return all;
}

GATEPOST_DECL std::optional<std::string> destinations::next() {
  while (at_ < uris_.size()) {
    if (host_.empty()) begin();
    if (!relation_) continue;
    if (!asks_permission_) {
      if (const auto q = relation_->next()) {
        if (q->type == question::kind::txt) return q->name;
        relation_->answer(smtp::dns::status::no_data);  // whether it exists does not matter here
        continue;
      }
      if (settle_relation()) continue;
    }
    // RFC 9990 §4, steps 2 to 4.
    std::string name = domain_ + "._report._dmarc." + host_;
    if (canonical_name(name)) return name;
    not_permitted(true);
    done_with_one();
  }
  return std::nullopt;
}

// The next address: is it of the owner's own organization?
GATEPOST_DECL void destinations::begin() {
  host_ = *detail::host_of(uris_[at_].address);
  asks_permission_ = relation_unknown_ = false;
  // Not so what is below: it may be somebody else's, as under a public suffix (psd=y).
  if (host_ == domain_) {
    verified_.push_back(uris_[at_]);
    done_with_one();
    return;
  }
  relation_ = std::make_unique<evaluator>(domain_, walk_);
  identifiers found;
  found.spf = authenticated_spf{host_, auth_result::pass};
  relation_->judge(std::move(found));
}

// True: this address is settled.
GATEPOST_DECL bool destinations::settle_relation() {
  const evaluation& found = relation_->outcome();
  // Where the record that named the address has gone since, nothing says that what is below it is
  // another's.
  const bool gone = found.result == result::none && !found.record;
  if (found.spf == mechanism_result::pass || (gone && smtp::is_subdomain_of(host_, domain_))) {
    verified_.push_back(uris_[at_]);
    done_with_one();
    return true;
  }
  // Related or not, a permission is good in any case.
  asks_permission_ = true;
  return false;
}

GATEPOST_DECL void destinations::answer(const smtp::dns::answer<std::string>& records) {
  if (at_ >= uris_.size() || !relation_) return;
  if (!asks_permission_) {
    if (!records.is_definite()) relation_unknown_ = true;
    return relation_->answer(records);
  }
  if (!records.is_definite() || !take_permission(records)) not_permitted(records.is_definite());
  done_with_one();
}

// It may need no permission, if the DNS says next time that both are of one organization.
GATEPOST_DECL void destinations::not_permitted(bool definitely) {
  if (!definitely || relation_unknown_) incomplete_ = true;
}

// RFC 9990 §4, steps 6 to 9. False: there is none.
GATEPOST_DECL bool destinations::take_permission(const smtp::dns::answer<std::string>& records) {
  bool permitted = false;
  std::vector<report_uri> instead;
  for (const std::string& text : records.records()) {
    const auto r = parse_record(text);
    if (!r) continue;
    permitted = true;
    const std::vector<report_uri>& other = failure_reports_ ? r->ruf : r->rua;
    instead.insert(instead.end(), other.begin(), other.end());
  }
  if (!permitted) return false;
  if (instead.empty()) {
    verified_.push_back(uris_[at_]);
    return true;
  }
  // An overriding address stays with the host that overrides, or nobody gets the report.
  const bool same = std::all_of(instead.begin(), instead.end(), [&](const report_uri& uri) {
    return detail::host_of(uri.address) == host_;
  });
  if (same) verified_.push_back(instead.front());
  return same;
}

GATEPOST_DECL void destinations::done_with_one() {
  ++at_;
  host_.clear();
  relation_.reset();
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_DESTINATIONS_IPP
