// The DNS Tree Walk: which names are asked for DMARC records, and what they make the Organizational
// Domain (RFC 9989 §4.10).
//
// Names only; who asks is evaluate.hpp. Domains are in A-labels and lower case without a final dot,
// as canonical_name() gives them.
#ifndef GATEPOST_CHECKS_DMARC_TREE_WALK_HPP
#define GATEPOST_CHECKS_DMARC_TREE_WALK_HPP

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dmarc/record.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::dmarc {

// RFC 9989 §4.10: no more queries for one domain, however many labels it has.
inline constexpr std::size_t max_tree_walk_queries = 8;

// The one spelling of a domain name (RFC 9989 §5.3.1): A-labels, lower case, no final dot. Takes
// underscores, which names in DKIM and SPF may have. Nothing: it is no name that the DNS could hold
// (RFC 1035 §2.3.4), or no IDNA 2008 name.
GATEPOST_DECL std::optional<std::string> canonical_name(std::string_view domain);

// How many labels a canonical name has.
GATEPOST_DECL std::size_t count_labels(std::string_view domain);

// What is left of a canonical name when only its last `labels` labels are kept; all of it where it
// has no more.
GATEPOST_DECL std::string_view last_labels(std::string_view domain, std::size_t labels);

// The domains whose records a walk that starts at `domain` looks for, in this order; the name asked
// is policy_name() of each. Views into `domain`.
GATEPOST_DECL std::vector<std::string_view> tree_walk(std::string_view domain);

// "_dmarc.DOMAIN", or nothing where that is too long for the DNS.
GATEPOST_DECL std::optional<std::string> policy_name(std::string_view domain);

// A record that a walk has found.
struct walk_find {
  std::string_view domain;
  const dmarc::record* record;
};

// Whether a walk ends at this record (RFC 9989 §4.10 steps 2 and 6).
inline bool ends_walk(const record& r) { return r.psd != psd_flag::unknown; }

// RFC 9989 §4.10.2: the Organizational Domain of `start`, of what its walk has found, longest name
// first. A view into `start`.
GATEPOST_DECL std::string_view organizational_domain(std::string_view start,
                                                     std::span<const walk_find> found);

// RFC 9989 §4.10.1: the record that applies where `start` itself has none: that of its
// Organizational Domain, else that of its Public Suffix Domain. nullptr: there is none.
GATEPOST_DECL const walk_find* policy_above(std::string_view start,
                                            std::span<const walk_find> found);

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/tree_walk.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_TREE_WALK_HPP
