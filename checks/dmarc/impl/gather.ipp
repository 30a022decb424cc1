#ifndef GATEPOST_CHECKS_DMARC_IMPL_GATHER_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_GATHER_IPP

#include "checks/dmarc/gather.hpp"
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

}  // namespace detail

GATEPOST_DECL identifiers gather(const notes& transaction) {
  identifiers found;
  if (const auto* told = transaction.find<identifiers>()) found = *told;
  // RFC 9989 §4.4.2: the MAIL FROM identity alone.
  if (const auto* mail = transaction.find<spf::mail_note>(); mail != nullptr && !found.spf) {
    found.spf = authenticated_spf{.domain = mail->outcome.domain,
                                  .result = detail::auth_result_of(mail->outcome.result)};
  }
  return found;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_GATHER_IPP
