#ifndef GATEPOST_CHECKS_DMARC_IMPL_REPORT_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_REPORT_IPP

#include "checks/dmarc/report.hpp"
#include "checks/dmarc/tree_walk.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

// RFC 9990 §3.1.3: strictly aligned passes, relaxed ones, other passes, the rest.
inline int signature_rank(const authenticated_dkim& s, const identifier_alignment* aligned,
                          std::string_view author) {
  if (s.result != auth_result::pass) return 3;
  if (canonical_name(s.domain) == author) return 0;
  return aligned != nullptr && aligned->result == mechanism_result::pass ? 1 : 2;
}

// What a text has outside its object, with what the heap adds.
inline std::size_t memory_of(const std::string& text) {
  return text.capacity() <= std::string().capacity() ? 0 : text.capacity() + 1 + 16;
}

}  // namespace detail

GATEPOST_DECL bool reportable(const evaluation& e) {
  // RFC 9989 §4.7 rua: none without one.
  return e.record && !e.record->rua.empty() &&
         (e.result == result::pass || e.result == result::fail);
}

GATEPOST_DECL report_policy policy_of(const evaluation& e, dmarc::regime regime,
                                      const public_suffix_list* suffixes) {
  report_policy p{.domain = e.record_domain, .regime = regime, .published = *e.record};
  p.organization = suffixes != nullptr ? suffixes->registrable_domain(p.domain).value_or(p.domain)
                                       : std::string(last_labels(p.domain, 2));
  return p;
}

GATEPOST_DECL std::size_t memory_of(const report_policy& p) {
  using detail::memory_of;
  const dmarc::record& r = p.published;
  std::size_t octets = sizeof p + memory_of(p.domain) + memory_of(p.organization);
  octets += memory_of(r.fo_text) + r.problems.capacity() * sizeof(std::string);
  for (const std::string& problem : r.problems) octets += memory_of(problem);
  for (const auto* uris : {&r.rua, &r.ruf}) {
    octets += uris->capacity() * sizeof(report_uri);
    for (const report_uri& uri : *uris) octets += memory_of(uri.uri) + memory_of(uri.address);
  }
  return octets;
}

GATEPOST_DECL std::size_t memory_of(const report_row& row) {
  using detail::memory_of;
  std::size_t octets = sizeof row + memory_of(row.header_from) + memory_of(row.envelope_from);
  octets += row.reasons.capacity() * sizeof(override_reason);
  for (const override_reason& reason : row.reasons) octets += memory_of(reason.comment);
  octets += row.dkim.capacity() * sizeof(authenticated_dkim);
  for (const authenticated_dkim& s : row.dkim)
    octets += memory_of(s.domain) + memory_of(s.selector);
  if (row.spf) octets += memory_of(row.spf->domain);
  return octets;
}

GATEPOST_DECL report_row row_of(const evaluation& e, const identifiers& found,
                                const smtp::ip_address& source, std::string_view envelope_from) {
  report_row row;
  row.source = source;
  row.passed = e.result == result::pass;
  row.disposition = e.disposition;
  row.dkim_aligned = e.dkim == mechanism_result::pass;
  row.spf_aligned = e.spf == mechanism_result::pass;
  row.reasons = e.overrides;
  row.header_from = e.author_domain;
  row.envelope_from = envelope_from;
  row.spf = found.spf;
  for (int rank = 0; rank <= 3; ++rank) {
    for (std::size_t i = 0; i < found.dkim.size(); ++i) {
      const auto* aligned = i < e.dkim_each.size() ? &e.dkim_each[i] : nullptr;
      const bool now = detail::signature_rank(found.dkim[i], aligned, e.author_domain) == rank;
      if (now && row.dkim.size() < max_report_signatures) row.dkim.push_back(found.dkim[i]);
    }
  }
  return row;
}

GATEPOST_DECL std::size_t hash_of(const report_row& row, const smtp::seeded_hash& hash) {
  std::size_t h = 0;
  const auto mix = [&h](std::size_t value) { h = h * 1099511628211u + value; };
  const auto text = [&](std::string_view s) { mix(hash(s)); };
  text(row.source.text());
  mix(static_cast<std::size_t>(row.disposition) * 8 + (row.passed ? 4 : 0) +
      (row.dkim_aligned ? 2 : 0) + (row.spf_aligned ? 1 : 0));
  for (const override_reason& reason : row.reasons) {
    mix(static_cast<std::size_t>(reason.type));
    text(reason.comment);
  }
  text(row.header_from);
  text(row.envelope_from);
  for (const authenticated_dkim& s : row.dkim) {
    text(s.domain);
    text(s.selector);
    mix(static_cast<std::size_t>(s.result));
  }
  if (row.spf) {
    text(row.spf->domain);
    mix(static_cast<std::size_t>(row.spf->result));
  }
  return h;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_REPORT_IPP
