// Shows what was found: as a tree for people, or as one JSON object.
#ifndef GATEPOST_EXAMPLES_IDENTITY_REPORT_HPP
#define GATEPOST_EXAMPLES_IDENTITY_REPORT_HPP

#include <string>

#include "examples/identity/evaluate.hpp"
#include "examples/identity/request.hpp"

namespace identity {

// Several lines, the last one ended too.
std::string as_tree(const request& what, const findings& found);

// One line without its end. What is not UTF-8 becomes U+FFFD.
std::string as_json(const findings& found);
std::string error_as_json(const std::string& error);

}  // namespace identity

#endif  // GATEPOST_EXAMPLES_IDENTITY_REPORT_HPP
