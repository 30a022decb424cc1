// The hash of the header that a signature covers: the fields that h= names, and the signature's own
// field without its b= (RFC 6376 §3.7, §5.4.2). Pure functions; no I/O.
#ifndef GATEPOST_CHECKS_DKIM_HEADER_HASH_HPP
#define GATEPOST_CHECKS_DKIM_HEADER_HASH_HPP

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dkim/canonical.hpp"
#include "checks/dkim/crypto.hpp"
#include "checks/dkim/signature.hpp"
#include "smtp/config.hpp"
#include "smtp/header_reader.hpp"

namespace gatepost::checks::dkim {

// A header and where its fields are; both stay alive as long as this.
struct header_text {
  std::string_view text;
  std::span<const smtp::field_view> fields;

  // The whole field with its line end.
  std::string_view field(const smtp::field_view& f) const {
    return text.substr(f.octets.offset, f.octets.size);
  }
};

// Picks the fields that a list of names means: of each name the last field first, then those above
// it. A name that has no field left picks nothing. `own`, the field of the signature itself, is
// never picked (RFC 6376 §5.4); nullptr where it is not among the fields.
GATEPOST_DECL std::vector<const smtp::field_view*> pick_fields(
    std::span<const smtp::field_view> fields, std::span<const std::string> names,
    const smtp::field_view* own);

// Appends the canonical form of a signature's field as it was signed: the b= empty, no CRLF at the
// end. `b` is signature::b_octets.
GATEPOST_DECL void append_own_field(std::string& out, canonicalization how, std::string_view field,
                                    std::string_view name, std::string_view value,
                                    smtp::octet_range b);

// What a signature in `own`, a field of `header`, is made over.
GATEPOST_DECL digest header_hash(const header_text& header, const smtp::field_view& own,
                                 const signature& s);

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/header_hash.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_HEADER_HASH_HPP
