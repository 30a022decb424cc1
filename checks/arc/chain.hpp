// The ARC sets of a header, found and ordered: RFC 8617 §4.2 and the structural part of §5.2.
//
// Pure functions; views point into the header.
#ifndef GATEPOST_CHECKS_ARC_CHAIN_HPP
#define GATEPOST_CHECKS_ARC_CHAIN_HPP

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dkim/crypto.hpp"
#include "checks/dkim/header_hash.hpp"
#include "checks/dkim/problem.hpp"
#include "checks/dkim/signature.hpp"
#include "smtp/config.hpp"
#include "smtp/header_reader.hpp"

namespace gatepost::checks::arc {

// One set: three fields, parsed.
struct chain_link {
  const smtp::field_view* results = nullptr;  // ARC-Authentication-Results
  const smtp::field_view* message = nullptr;  // ARC-Message-Signature
  const smtp::field_view* seal = nullptr;     // ARC-Seal
  dkim::signature message_signature;
  dkim::signature seal_signature;
  std::string_view payload;  // of the results, behind the instance
};

// What stands behind the comment with which the text begins (RFC 5322 §3.2.2): nested ones and
// quoted characters belong to it. Empty where it has no end.
GATEPOST_DECL std::string_view behind_comment(std::string_view text);

// RFC 8617 §4.1.1, comments where it has them: "i=1; example.test; spf=pass ...".
struct results_instance {
  unsigned instance = 0;
  std::string_view payload;  // behind the semicolon
};
GATEPOST_DECL std::optional<results_instance> parse_results(std::string_view value);

// Whether the header has any of ARC's three fields.
GATEPOST_DECL bool has_arc(const dkim::header_text& header);

// The highest instance that any ARC field names; 0: none.
GATEPOST_DECL unsigned highest_instance(const dkim::header_text& header);

// How many instances from 1 to 50 the ARC fields name.
GATEPOST_DECL unsigned count_instances(const dkim::header_text& header);

// cv= of the seal with the highest instance, whatever the rest of the chain is like; empty where
// there is none.
GATEPOST_DECL std::string_view newest_cv(const dkim::header_text& header);

// All sets from the first to the last; empty where there is none. Problems: a field that does not
// parse; a set that lacks a field, or has one twice; a gap; more than 50; a cv= that is not "none"
// in the first set and "pass" in the others (RFC 8617 §5.2 steps 1 to 3).
GATEPOST_DECL dkim::parsed<std::vector<chain_link>> read_chain(const dkim::header_text& header);

// The problem of a chain that has ended: nothing is added to it (RFC 8617 §5.1).
inline constexpr std::string_view sealed_as_failed = "the chain is sealed as failed";

// Appends the canonical form of all fields of the sets, in the order in which they are sealed (RFC
// 8617 §5.1.1).
GATEPOST_DECL void append_sets(std::string& out, const dkim::header_text& header,
                               const std::vector<chain_link>& chain);

// What each seal is made over, from the first to the last: all sets up to its own (RFC 8617
// §5.1.1).
GATEPOST_DECL std::vector<dkim::digest> seal_hashes(const dkim::header_text& header,
                                                    const std::vector<chain_link>& chain);

}  // namespace gatepost::checks::arc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/arc/impl/chain.ipp"
#endif

#endif  // GATEPOST_CHECKS_ARC_CHAIN_HPP
