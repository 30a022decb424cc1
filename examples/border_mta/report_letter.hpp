// One report as a message in a file, ready to be sent: `sendmail -t < FILE`.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_REPORT_LETTER_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_REPORT_LETTER_HPP

#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "checks/dmarc/destinations.hpp"
#include "checks/dmarc/failure_report.hpp"
#include "checks/dmarc/report.hpp"
#include "checks/dmarc/report_xml.hpp"
#include "examples/border_mta/config.hpp"

namespace border_mta {

// Signs a message, if there is a key for its author's domain.
using letter_signer = std::function<std::string(const std::string& domain, std::string message)>;

// Who reports, with all that follows from the mailbox.
gatepost::checks::dmarc::report_sender sender_of(const reports_section& from);

// `to`: as the To field has it. Empty: nobody wants the report, and there is no file.
struct letter {
  std::string to;
  std::vector<std::string> left_out = {};  // who want it, but have no mailbox in ASCII
  std::string file;
  std::error_code error = {};
  // The error is of this one file, and the folder takes others. Else it is the folder's or the
  // disk's, and no other report would fare better.
  bool of_one_file = false;
};

// `from`: with what sender_of() says. Writes a file that is there as a whole or not at all. Its
// name is the Report-ID, so that the same report takes its own place. Waits for the disk.
letter write_letter(const gatepost::checks::dmarc::report& r,
                    const gatepost::checks::dmarc::destinations& to, const reports_section& from,
                    const letter_signer& sign);

// The same for one message that failed. `id`: of this report alone.
letter write_failure_letter(const gatepost::checks::dmarc::failed_message& m, const std::string& id,
                            const gatepost::checks::dmarc::destinations& to,
                            const reports_section& from, const letter_signer& sign);

// Removes what a crash has left half written.
void remove_leftovers(const std::string& folder);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_REPORT_LETTER_HPP
