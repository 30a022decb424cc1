// What a failure report needs to know of a message (RFC 9991), taken from a check's context: that
// is good only as long as the check is asked, and reports are written later.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_FAILED_MAIL_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_FAILED_MAIL_HPP

#include <string>

#include "checks/context.hpp"
#include "checks/dmarc/evaluate.hpp"
#include "checks/dmarc/failure_report.hpp"
#include "checks/dmarc/identifiers.hpp"

namespace border_mta {

// Whether a program has made the message: it has the null reverse-path (RFC 5321 §4.5.5), says
// that it was submitted automatically (RFC 3834 §2), or is a report itself. To report on it could
// be a loop (RFC 9991 §5.1).
bool is_automatic(const gatepost::checks::context& ctx);

struct failed_mail {
  gatepost::checks::dmarc::failed_message told;  // but its header is here,
  std::string header;                            // as far as a report shows it
  std::string id;                                // of the report, by session and message
};

// At stage::message. Whom the message was for is left out: nobody has asked them.
failed_mail failed_mail_of(const gatepost::checks::context& ctx,
                           const gatepost::checks::dmarc::evaluation& e,
                           const gatepost::checks::dmarc::identifiers& found);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_FAILED_MAIL_HPP
