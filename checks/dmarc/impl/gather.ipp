#ifndef GATEPOST_CHECKS_DMARC_IMPL_GATHER_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_GATHER_IPP

#include <string>
#include <string_view>

#include "checks/arc/result.hpp"
#include "checks/auth_results.hpp"
#include "checks/dkim/result.hpp"
#include "checks/dmarc/gather.hpp"
#include "checks/dmarc/tree_walk.hpp"
#include "checks/spf/outcome.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

inline auth_result auth_result_of(spf::result r) {
  switch (r) {
    case spf::result::none: return auth_result::none;
    case spf::result::neutral: return auth_result::neutral;
    case spf::result::pass: return auth_result::pass;
    case spf::result::fail: return auth_result::fail;
    case spf::result::softfail: return auth_result::softfail;
    case spf::result::temperror: return auth_result::temperror;
    case spf::result::permerror: return auth_result::permerror;
  }
  return auth_result::none;
}

inline auth_result auth_result_of(dkim::outcome o) {
  switch (o) {
    case dkim::outcome::none: return auth_result::none;
    case dkim::outcome::pass: return auth_result::pass;
    case dkim::outcome::fail: return auth_result::fail;
    case dkim::outcome::policy: return auth_result::policy;
    case dkim::outcome::neutral: return auth_result::neutral;
    case dkim::outcome::temperror: return auth_result::temperror;
    case dkim::outcome::permerror: return auth_result::permerror;
  }
  return auth_result::none;
}

// RFC 8601 §2.3: the value may have a local part. What is no domain name is nobody's.
inline std::string author_domain_of(std::string_view value) {
  value.remove_prefix(value.rfind('@') + 1);  // npos + 1 is 0
  return canonical_name(value).value_or(std::string(value));
}

inline void take_dmarc_pass(const std::string& results, trusted_arc& into) {
  const auto read = parse_auth_results(results);
  if (!read) return;
  for (const auth_method& m : read->methods) {
    if (m.method != "dmarc" || m.result != "pass") continue;
    into.dmarc_pass = true;
    for (const auth_property& p : m.properties) {
      if (p.ptype == "header" && p.property == "from")
        into.authors.push_back(author_domain_of(p.value));
    }
  }
}

// Whom we trust saw the message when it came to the first of them (RFC 8617 §7.2.1).
inline std::optional<trusted_arc> trusted_arc_of(const arc::report& chain) {
  if (chain.chain != arc::chain_status::pass || chain.trusted_from == 0) return std::nullopt;
  trusted_arc found;
  found.comment = "arc=pass";
  for (auto set = chain.sets.rbegin(); set != chain.sets.rend(); ++set) {
    const std::string as = " as[" + std::to_string(set->instance) + "].";
    found.comment += as + "d=" + set->domain + as + "s=" + set->selector;
    if (set->instance == chain.trusted_from) take_dmarc_pass(set->results, found);
  }
  found.sealer = chain.sets.back().domain;
  return found;
}

}  // namespace detail

GATEPOST_DECL identifiers gather(const notes& transaction) {
  identifiers found;
  if (const auto* told = transaction.find<identifiers>()) found = *told;
  // RFC 9989 §4.4.2: the MAIL FROM identity alone.
  if (const auto* mail = transaction.find<spf::mail_note>(); mail != nullptr && !found.spf) {
    found.spf = authenticated_spf{.domain = std::string(mail->outcome.domain()),
                                  .result = detail::auth_result_of(mail->outcome.result)};
  }
  if (const auto* report = transaction.find<dkim::report>();
      report != nullptr && found.dkim.empty()) {
    for (const dkim::signature_result& s : report->signatures())
      found.dkim.push_back({.domain = s.domain,
                            .selector = s.selector,
                            .result = detail::auth_result_of(s.outcome)});
  }
  if (const auto* chain = transaction.find<arc::report>(); chain != nullptr && !found.arc)
    found.arc = detail::trusted_arc_of(*chain);
  return found;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_GATHER_IPP
