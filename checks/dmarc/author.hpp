// Whose message is it? The domains in the From field (RFC 9989 §5.3.1).
//
// Reads RFC 5322 §3.4 with its obsolete forms, and what real mail has beyond it, with one aim: a
// domain that some mail program may show as the author's is not missed. Comments, quoted strings,
// groups, routes and display names do not hide a mailbox, nor does a comma in a name, a bracket
// that is never closed, or a word beside the address; what is not as it should be is `malformed`.
// Values only; no I/O.
#ifndef GATEPOST_CHECKS_DMARC_AUTHOR_HPP
#define GATEPOST_CHECKS_DMARC_AUTHOR_HPP

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/header_reader.hpp"

namespace gatepost::checks::dmarc {

// Mailboxes of all From fields that are read. RFC 5322 allows many; mail that people write has one,
// and more than one is rare and mostly abuse (RFC 9989 §11.5).
inline constexpr std::size_t max_authors = 100;

struct authors {
  std::size_t fields = 0;     // From fields; RFC 5322 §3.6 wants exactly one
  std::size_t mailboxes = 0;  // at most max_authors
  // Everything has been looked at; false: there is more than max_authors.
  bool complete = true;
  // Something there is no mailbox, or its domain no domain, or stands where it should not.
  bool malformed = false;
  // Each once, in A-labels and lower case, in the order of their coming.
  std::vector<std::string> domains = {};

  // As RFC 5322 wants it, with one Author Domain.
  bool single() const { return has_one_domain() && fields == 1 && !malformed; }

  // There is one Author Domain, however odd the rest is: DMARC can be validated (RFC 9989 §5.3.1),
  // and has to be, or a slip in the display name would switch it off.
  bool has_one_domain() const { return domains.size() == 1 && complete; }
};

// Of a header's fields.
GATEPOST_DECL authors read_authors(std::span<const smtp::field_view> fields);

// Of the value of one From field.
GATEPOST_DECL authors read_authors(std::string_view from);

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/author.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_AUTHOR_HPP
