// What SPF, DKIM and ARC have left in the notes, as DMARC takes it.
//
// The one place of DMARC that knows other checks.
#ifndef GATEPOST_CHECKS_DMARC_GATHER_HPP
#define GATEPOST_CHECKS_DMARC_GATHER_HPP

#include "checks/dmarc/identifiers.hpp"
#include "checks/notes.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::dmarc {

// The identifiers of a transaction: what somebody has put into the note `identifiers`, and, of what
// that note says nothing of, what is in spf::mail_note, dkim::report and arc::report.
GATEPOST_DECL identifiers gather(const notes& transaction);

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/gather.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_GATHER_HPP
