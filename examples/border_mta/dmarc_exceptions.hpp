// [[checks.dmarc.local_policy]] as the option of the check.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_DMARC_EXCEPTIONS_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_DMARC_EXCEPTIONS_HPP

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "checks/context.hpp"
#include "checks/dmarc/evaluate.hpp"
#include "checks/dmarc/identifiers.hpp"
#include "examples/border_mta/config.hpp"

namespace border_mta {

// The reason of the first entry that fits; nothing where none does.
std::optional<gatepost::checks::dmarc::override_reason> exception_for(
    const std::vector<dmarc_exception>& all, const std::string& author,
    const gatepost::checks::dmarc::identifiers& found);

// For check_options::local_policy. Thread-safe.
std::function<std::optional<gatepost::checks::dmarc::override_reason>(
    const gatepost::checks::context&, const gatepost::checks::dmarc::evaluation&)>
local_policy_of(std::vector<dmarc_exception> all);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_DMARC_EXCEPTIONS_HPP
