#ifndef GATEPOST_CHECKS_DKIM_IMPL_HEADER_HASH_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_HEADER_HASH_IPP

#include "checks/dkim/header_hash.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::dkim {

GATEPOST_DECL std::vector<const smtp::field_view*> pick_fields(
    std::span<const smtp::field_view> fields, std::span<const std::string> names,
    const smtp::field_view* own) {
  std::vector<const smtp::field_view*> picked;
  picked.reserve(names.size());
  std::vector<bool> gone(fields.size(), false);
  for (const std::string& name : names) {
    for (std::size_t i = fields.size(); i-- > 0;) {
      const smtp::field_view& f = fields[i];
      const bool same = f.name.size() == name.size() && !gone[i] && &f != own &&
                        smtp::equal_ignoring_case(f.name, name);
      if (!same) continue;
      gone[i] = true;
      picked.push_back(&f);
      break;
    }
  }
  return picked;
}

GATEPOST_DECL void append_own_field(std::string& out, canonicalization how, std::string_view field,
                                    std::string_view name, std::string_view value,
                                    smtp::octet_range b) {
  const auto before = static_cast<std::size_t>(value.data() - field.data());
  const std::string whole = without_signature(field, before + b.offset, b.size);
  const std::string rest = without_signature(value, b.offset, b.size);
  append_canonical_field(out, how, whole, name, rest);
  out.resize(out.size() - 2);
}

GATEPOST_DECL digest header_hash(const header_text& header, const smtp::field_view& own,
                                 const signature& s) {
  std::string canonical;
  canonical.reserve(header.text.size() + 2);
  for (const smtp::field_view* f : pick_fields(header.fields, s.names, &own))
    append_canonical_field(canonical, s.header, header.field(*f), f->name, f->value);
  append_own_field(canonical, s.header, header.field(own), own.name, own.value, s.b_octets);
  sha256 hash;
  hash.update(canonical);
  return hash.finish();
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_HEADER_HASH_IPP
